import type { DatabaseBridge, Row, SqlValue } from '../database/database-bridge.js';
import { sha256 } from '../sha256.js';
import { firstColumnNames, type HistoryTable } from './history-table.js';

/** Changes when a seal that an earlier version of this package left would say something else today. */
const FORMAT = 2;

/** What a program knows of migrations, besides their files. */
export interface SealContext {
  readonly historyTable: HistoryTable;
  /** A hash over all of it. */
  readonly known: string;
}

/** @param code what identifies the migrations in code that stand beside the others, as text */
export function sealContext(
  historyTable: HistoryTable,
  { legacy, code }: { readonly legacy: Readonly<Record<string, unknown>> | undefined; readonly code: string },
): SealContext {
  return {
    historyTable,
    known: sha256(JSON.stringify([FORMAT, historyTable.key, legacy ?? {}, code])),
  };
}

/**
 * What an upgrade that left nothing to do leaves in its last row of the history: the newest version, and that this
 * history and these migrations belong together. Whoever finds both unchanged knows that there is nothing to do.
 */
export interface Seal {
  readonly version: number;
  /** Over the history and the folder's listing; undefined where the migrations did not come from a folder. */
  readonly listing: string | undefined;
  /** Over the history and the digest of the migrations. */
  readonly contents: string;
}

/** The history as it stands, in so far as it decides what is to be done. */
export interface SealedHistory {
  readonly seal: Seal | undefined;
  /** Every object that has to do with the table, and every row. */
  readonly lines: string;
}

/** The hash that a listing has together with a history. */
export function listingSeal(
  context: SealContext,
  { version, listing }: { readonly version: number; readonly listing: string },
  { lines }: SealedHistory,
): string {
  return sealed('listing', context, [String(version), listing, lines]);
}

/** The hash that the digest of the migrations has together with a history. */
export function contentsSeal(
  context: SealContext,
  { version, digest }: { readonly version: number; readonly digest: string },
  { lines }: SealedHistory,
): string {
  return sealed('contents', context, [String(version), digest, lines]);
}

function sealed(kind: string, { known }: SealContext, parts: readonly string[]): string {
  return sha256([kind, known, ...parts].join('\0'));
}

/** All of a row but its seal; of the texts that it keeps, which can be long, their length. */
const values = [
  ...[...firstColumnNames, 'release', 'hash'],
  ...['up_sql', 'down_sql'].map((name) => `octet_length(${name})`),
].join(', ');

/**
 * Reads the history in one query, in so far as it decides what is to be done.
 *
 * @param besides SQL for one value more that is asked for on the way
 * @throws DatabaseError also where the database has no history, or one of an earlier shape
 */
export async function readSealedHistory(
  db: DatabaseBridge,
  { sql, key }: HistoryTable,
  besides: { readonly sql: string; readonly parameters: readonly SqlValue[] } = {
    sql: 'NULL',
    parameters: [],
  },
): Promise<SealedHistory & { readonly besides: SqlValue | undefined }> {
  const [row] = await db.query(
    `SELECT (SELECT seal FROM ${sql} ORDER BY id DESC LIMIT 1) AS seal,
       (SELECT group_concat(type || ' ' || name) FROM sqlite_schema WHERE tbl_name = ? COLLATE NOCASE) AS objects,
       (SELECT group_concat(line, '') FROM (SELECT json_array(${values}) AS line FROM ${sql} ORDER BY id)) AS lines,
       ${besides.sql} AS besides`,
    [key, ...besides.parameters],
  );
  return {
    seal: parseSeal(row),
    lines: `${String(row?.objects)}\n${String(row?.lines)}`,
    besides: row?.besides,
  };
}

/** Leaves a seal in the newest row of the history. To be called in the transaction after which nothing is to be done. */
export async function writeSeal(
  db: DatabaseBridge,
  { sql }: HistoryTable,
  { version, listing, contents }: Seal,
): Promise<void> {
  // As a script, which takes one turn through the driver's threads. What is in it are numbers and hashes.
  const seal = `${version} ${listing ?? '-'} ${contents}`;
  await db.executeScript(`UPDATE ${sql} SET seal = '${seal}' WHERE id = (SELECT max(id) FROM ${sql})`);
}

function parseSeal(row: Row | undefined): Seal | undefined {
  const [, version, listing, contents] =
    /^(\d+) (-|[0-9a-f]{64}) ([0-9a-f]{64})$/.exec(String(row?.seal)) ?? [];
  if (version === undefined || listing === undefined || contents === undefined) return undefined;
  return { version: Number(version), listing: listing === '-' ? undefined : listing, contents };
}
