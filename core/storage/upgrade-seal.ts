import { createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';

import type { DatabaseBridge, Row } from '../database/database-bridge.js';
import { systemErrorCode } from './file-system.js';
import { firstColumnNames, type HistoryTable } from './history-table.js';
import type { Migration } from './migration.js';

/** Changes when a seal that an earlier version of this package left would say something else today. */
const FORMAT = 1;

/** How many files are looked at before others have a turn. */
const FILES_AT_ONCE = 100;

/** What a program knows of migrations, besides their files. */
export interface SealContext {
  readonly historyTable: HistoryTable;
  readonly legacy: Readonly<Record<string, unknown>> | undefined;
  /** What identifies the migrations in code that stand between the files of a folder. */
  readonly code: string;
}

/** What identifies a migration: nothing else of it decides whether it is applied. */
export type Identified = Pick<Migration, 'version' | 'filename' | 'checksum'>;

/**
 * What an upgrade that left nothing to do leaves in its last row of the history: the newest version, and that this
 * history and these migrations belong together. Whoever finds both unchanged knows that there is nothing to do.
 */
export interface Seal {
  readonly version: number;
  /** Over the history and the folder's listing; undefined where the migrations did not come from a folder. */
  readonly listing: string | undefined;
  /** Over the history and what identifies each migration. */
  readonly contents: string;
}

/** The history as it stands, in so far as it decides what is to be done. */
export interface SealedHistory {
  readonly seal: Seal | undefined;
  /** A hash over every object that has to do with the table and over every row. */
  readonly digest: string;
}

/**
 * What identifies the files of a folder without reading them: the name, size, and times of change of each, as exact as
 * the file system keeps them. One system call a file on this thread takes a third of the time that the thread pool takes;
 * in between, what goes on on the other threads is led on.
 *
 * @returns undefined where it cannot be had, of which reading the files tells more
 */
export async function listFiles(folder: string): Promise<string | undefined> {
  try {
    const lines: string[] = [];
    const names = readdirSync(folder).filter((name) => /\.sql$/i.test(name));
    for (const name of names.sort()) {
      const { size, mtimeNs, ctimeNs } = statSync(join(folder, name), { bigint: true });
      lines.push(`${JSON.stringify(name)} ${String(size)} ${String(mtimeNs)} ${String(ctimeNs)}`);
      if (lines.length % FILES_AT_ONCE === 0) await nextTurn();
    }
    return lines.join('\n');
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return undefined;
  }
}

/** What identifies migrations, in the order of their versions. */
export function contentsOf(migrations: readonly Identified[]): string {
  return [...migrations]
    .sort((left, right) => left.version - right.version)
    .map(({ version, filename, checksum }) => JSON.stringify([version, filename, checksum]))
    .join('\n');
}

/** The hash that a listing has together with a history. */
export function listingSeal(
  context: SealContext,
  { version, listing }: { readonly version: number; readonly listing: string },
  { digest }: SealedHistory,
): string {
  return sealed('listing', context, [String(version), listing, context.code, digest]);
}

/** The hash that the contents of all migrations have together with a history. */
export function contentsSeal(
  context: SealContext,
  { version, contents }: { readonly version: number; readonly contents: string },
  { digest }: SealedHistory,
): string {
  return sealed('contents', context, [String(version), contents, digest]);
}

function sealed(kind: string, { historyTable, legacy }: SealContext, parts: readonly string[]): string {
  const about = JSON.stringify([FORMAT, kind, historyTable.key, legacy ?? {}]);
  return createHash('sha256')
    .update([about, ...parts].join('\0'))
    .digest('hex');
}

/** All of a row but its seal; of the texts that it keeps, which can be long, their length. */
const values = [
  ...[...firstColumnNames, 'release', 'hash'],
  ...['up_sql', 'down_sql'].map((name) => `octet_length(${name})`),
].join(', ');

/**
 * Reads the history in one query, in so far as it decides what is to be done.
 *
 * @throws DatabaseError also where the database has no history, or one of an earlier shape
 */
export async function readSealedHistory(
  db: DatabaseBridge,
  { sql, key }: HistoryTable,
): Promise<SealedHistory> {
  const [row] = await db.query(
    `SELECT (SELECT seal FROM ${sql} ORDER BY id DESC LIMIT 1) AS seal,
       (SELECT group_concat(type || ' ' || name) FROM sqlite_schema WHERE tbl_name = ? COLLATE NOCASE) AS objects,
       (SELECT json_group_array(line) FROM (SELECT json_array(${values}) AS line FROM ${sql} ORDER BY id)) AS lines`,
    [key],
  );
  const digest = createHash('sha256')
    .update(`${String(row?.objects)}\n${String(row?.lines)}`)
    .digest('hex');
  return { seal: parseSeal(row), digest };
}

/** Leaves a seal in the newest row of the history. To be called in the transaction after which nothing is to be done. */
export async function writeSeal(
  db: DatabaseBridge,
  { sql }: HistoryTable,
  { version, listing, contents }: Seal,
): Promise<void> {
  await db.execute(`UPDATE ${sql} SET seal = ? WHERE id = (SELECT max(id) FROM ${sql})`, [
    `${version} ${listing ?? '-'} ${contents}`,
  ]);
}

function parseSeal(row: Row | undefined): Seal | undefined {
  const [, version, listing, contents] =
    /^(\d+) (-|[0-9a-f]{64}) ([0-9a-f]{64})$/.exec(String(row?.seal)) ?? [];
  if (version === undefined || listing === undefined || contents === undefined) return undefined;
  return { version: Number(version), listing: listing === '-' ? undefined : listing, contents };
}
