import { createHash, type Hash } from 'node:crypto';

import type { DatabaseBridge, Row } from '../database/database-bridge.js';
import { isSqliteError } from '../errors.js';
import type { HistoryTable } from './history-table.js';
import { foldName } from './sql-tokens.js';
import { quoteName } from './table-definition.js';

/** What the rows of one table come to: two tables with the same rows have the same digest. */
export interface TableDigest {
  readonly table: string;
  readonly rows: number;
  /** By column in lower case: the SHA-256 of its values and their types, row after row. */
  readonly columns: ReadonlyMap<string, string>;
}

/** One way in which the rows of a table are not the same before and after. */
export interface RowDifference {
  readonly table: string;
  /** How many rows there were; undefined where the table was not there. */
  readonly before: number | undefined;
  readonly after: number | undefined;
  /** The columns whose values differ, where the table has as many rows as before. */
  readonly columns: readonly string[];
  /** The difference as a sentence. */
  readonly sentence: string;
}

/** How many rows are read at a time. */
const ROWS_AT_ONCE = 200;
/** Values of more bytes are read on their own, so many bytes at a time: a page of rows stays small. */
const LONG_BYTES = 16_384;
const BYTES_AT_ONCE = 262_144;
const LONG = 'long';

/** How the rows of one table are read in their order, page by page. */
interface Reading {
  readonly table: string;
  readonly columns: readonly string[];
  /** SQL for the place of a row, as a literal that can stand in SQL. */
  readonly place: string;
  /** What is compared with a place; undefined for a table that can only be counted through. */
  readonly key: string | undefined;
}

const ordinaryTables = `SELECT name, type, wr FROM pragma_table_list
  WHERE schema = 'main' AND type IN ('table', 'virtual') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
    AND lower(name) <> ?
  ORDER BY name`;

/**
 * Takes the digest of every table that is neither SQLite's own nor the history. The order of columns does not matter, that
 * of rows does. Memory does not grow with the number of rows nor with the length of their values.
 *
 * A virtual table that cannot be read here, because its module is the program's own, is left out.
 */
export async function digestTables(
  db: DatabaseBridge,
  { key }: HistoryTable,
): Promise<Map<string, TableDigest>> {
  const digests = new Map<string, TableDigest>();
  for (const { name, type, wr } of await db.query(ordinaryTables, [key])) {
    const table = String(name);
    try {
      digests.set(foldName(table), await digestTable(db, await readingOf(db, table, wr === 1)));
    } catch (error) {
      if (type !== 'virtual' || !isSqliteError(error, 'SQLITE_ERROR')) throw error;
    }
  }
  return digests;
}

async function readingOf(db: DatabaseBridge, table: string, withoutRowid: boolean): Promise<Reading> {
  const info = await db.query('SELECT name, pk FROM pragma_table_xinfo(?) WHERE hidden <> 1', [table]);
  const columns = info.map(({ name }) => String(name)).sort();
  const taken = new Set(columns.map(foldName));
  const rowid = ['rowid', '_rowid_', 'oid'].find((name) => !taken.has(name));
  if (!withoutRowid && rowid !== undefined)
    return { table, columns, place: `CAST(${rowid} AS TEXT)`, key: rowid };
  if (!withoutRowid) return { table, columns, place: "''", key: undefined };
  const keys = info
    .filter(({ pk }) => Number(pk) > 0)
    .sort((left, right) => Number(left.pk) - Number(right.pk))
    .map(({ name }) => quoteName(String(name)));
  return {
    table,
    columns,
    place: `'(' || ${keys.map(literalOf).join(" || ', ' || ")} || ')'`,
    key: `(${keys.join(', ')})`,
  };
}

/** SQL that writes a value as SQL: without an affinity, so that a comparison with it is one of the value as it is. */
function literalOf(name: string): string {
  return `CASE typeof(${name}) WHEN 'text' THEN '+CAST(x''' || hex(CAST(${name} AS BLOB)) || ''' AS TEXT)'
    WHEN 'blob' THEN 'x''' || hex(${name}) || '''' ELSE quote(${name}) END`;
}

/** SQL that writes a value and its type in characters of one byte; of a long one, only that it is long. */
function valueOf(name: string): string {
  return `CASE WHEN typeof(${name}) NOT IN ('text', 'blob') THEN quote(${name})
    WHEN length(CAST(${name} AS BLOB)) > ${LONG_BYTES} THEN '${LONG}' || typeof(${name})
    ELSE typeof(${name}) || hex(CAST(${name} AS BLOB)) END`;
}

async function digestTable(db: DatabaseBridge, reading: Reading): Promise<TableDigest> {
  const hashes = reading.columns.map((column) => ({ column, hash: createHash('sha256') }));
  let rows = 0;
  for await (const row of rowsOf(db, reading)) {
    rows += 1;
    for (const [index, { column, hash }] of hashes.entries()) {
      const value = String(row[`v${index}`]);
      if (value.startsWith(LONG)) await addLongValue(db, hash, reading, column, row, rows);
      hash.update(`${value}\n`);
    }
  }
  return {
    table: reading.table,
    rows,
    columns: new Map(hashes.map(({ column, hash }) => [foldName(column), hash.digest('hex')])),
  };
}

async function* rowsOf(db: DatabaseBridge, { table, columns, place, key }: Reading): AsyncGenerator<Row> {
  const values = columns.map((column, index) => `${valueOf(quoteName(column))} AS v${index}`);
  const selected = [`${place} AS place`, ...values].join(', ');
  let read = 0;
  let last: string | undefined;
  for (;;) {
    const after = key === undefined || last === undefined ? '' : `WHERE ${key} > ${last}`;
    const order = key === undefined ? '' : `ORDER BY ${key.replace(/^\(|\)$/g, '')}`;
    const skipped = key === undefined ? ` OFFSET ${read}` : '';
    const page = await db.query(
      `SELECT ${selected} FROM ${quoteName(table)} ${after} ${order} LIMIT ${ROWS_AT_ONCE}${skipped}`,
    );
    yield* page;
    read += page.length;
    last = String(page.at(-1)?.place);
    if (page.length < ROWS_AT_ONCE) return;
  }
}

async function addLongValue(
  db: DatabaseBridge,
  hash: Hash,
  { table, key }: Reading,
  column: string,
  { place }: Row,
  row: number,
): Promise<void> {
  const found = key === undefined ? `LIMIT 1 OFFSET ${row - 1}` : `WHERE ${key} = ${String(place)}`;
  for (let from = 1; ; from += BYTES_AT_ONCE) {
    const [part] = await db.query(
      `SELECT hex(substr(CAST(${quoteName(column)} AS BLOB), ${from}, ${BYTES_AT_ONCE})) AS bytes FROM ${quoteName(table)} ${found}`,
    );
    const bytes = String(part?.bytes ?? '');
    if (bytes === '') return;
    hash.update(bytes);
  }
}

/** How the rows of two states of a database differ: a line a table, none where they are the same. */
export function compareDigests(
  before: ReadonlyMap<string, TableDigest>,
  after: ReadonlyMap<string, TableDigest>,
): RowDifference[] {
  const names = [...new Set([...before.keys(), ...after.keys()])].sort();
  return names.flatMap((name): RowDifference[] => {
    const [old, now] = [before.get(name), after.get(name)];
    const table = (now ?? old)?.table ?? name;
    const counts = { table, before: old?.rows, after: now?.rows };
    if (now === undefined || old?.rows !== now.rows)
      return [{ ...counts, columns: [], sentence: countSentence(table, old, now) }];
    const columns = [...old.columns].flatMap(([column, digest]) => {
      const other = now.columns.get(column);
      return other === undefined || other === digest ? [] : [column];
    });
    if (columns.length === 0) return [];
    return [{ ...counts, columns, sentence: `the rows of ${table} differ in ${columns.join(', ')}` }];
  });
}

function countSentence(table: string, old: TableDigest | undefined, now: TableDigest | undefined): string {
  if (old === undefined) return `table ${table} is new, with ${counted(now?.rows)}`;
  if (now === undefined) return `table ${table} is gone, with ${counted(old.rows)}`;
  return `table ${table} has ${counted(now.rows)} instead of ${old.rows}`;
}

function counted(rows = 0): string {
  return `${rows} ${rows === 1 ? 'row' : 'rows'}`;
}
