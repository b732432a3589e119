import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { withLegacy, type LegacyConnection, type LegacyRow } from './legacy-driver.js';

/** One object of a schema, as sqlite_schema has it. */
export interface SchemaObject {
  readonly type: string;
  readonly name: string;
  readonly table: string;
  /** The text that made it; null for what SQLite made by itself. */
  readonly sql: string | null;
}

/**
 * One row: each column's value as a typed literal that tells any two values apart, such as `integer 5`,
 * `text 'it''s'`, `real 0.5`, `blob x'00FF'` or `null`. Text that is not UTF-8 or holds a NUL is `text x'…'`.
 */
export type DumpedRow = Readonly<Record<string, string>>;

export interface TableDump {
  /** In the order in which the table has them; generated columns too. */
  readonly columns: readonly string[];
  /** By rowid, or by their text where there is none. A row has its rowid as `#rowid`. */
  readonly rows: readonly DumpedRow[];
}

/** Everything that a database holds. Two dumps are equal when no query could tell the databases apart. */
export interface DatabaseDump {
  readonly userVersion: number;
  readonly applicationId: number;
  readonly journalMode: string;
  /** By type and name. */
  readonly schema: readonly SchemaObject[];
  /** By table name; SQLite's own tables too, such as sqlite_sequence, but without their rowid. */
  readonly tables: Readonly<Record<string, TableDump>>;
}

const ROWID = '#rowid';
const SIDE_FILES = ['-wal', '-journal'];

const quoteName = (name: string): string => `"${name.replaceAll('"', '""')}"`;

function textOf(row: LegacyRow, column: string): string {
  const value = row[column];
  if (typeof value !== 'string') throw new Error(`${column} is ${typeof value}, not text.`);
  return value;
}

async function pragma(connection: LegacyConnection, name: string): Promise<unknown> {
  const [row] = await connection.rows(`PRAGMA ${name}`);
  return row?.[name];
}

/** The literal of a value of which `kind` is SQLite's typeof and `digits` the hexadecimal of its bytes. */
function literal(kind: string, digits: string): string {
  if (kind === 'null') return 'null';
  if (kind === 'blob') return `blob x'${digits}'`;
  const bytes = Buffer.from(digits, 'hex');
  const text = bytes.toString('utf8');
  if (kind !== 'text') return `${kind} ${text}`;
  const legible = !bytes.includes(0) && Buffer.from(text, 'utf8').equals(bytes);
  return legible ? `text '${text.replaceAll("'", "''")}'` : `text x'${digits}'`;
}

async function dumpTable(connection: LegacyConnection, table: string): Promise<TableDump> {
  const info = await connection.rows(`SELECT name FROM pragma_table_xinfo('${table.replaceAll("'", "''")}')`);
  const columns = info.map((row) => textOf(row, 'name'));
  const [shape] = await connection.rows(
    `SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = '${table.replaceAll("'", "''")}'`,
  );
  const taken = new Set(columns.map((name) => name.toLowerCase()));
  const rowid =
    shape?.wr === 0 && !table.startsWith('sqlite_')
      ? ['rowid', '_rowid_', 'oid'].find((name) => !taken.has(name))
      : undefined;
  const values = columns.map((name, index): [string, string, string] => [
    name,
    quoteName(name),
    String(index),
  ]);
  if (rowid !== undefined) values.unshift([ROWID, rowid, 'rowid']);
  // hex() writes a number as the hexadecimal of its text; a REAL's text needs quote() to have all of its digits.
  const selected = values.map(
    ([, sql, key]) =>
      `typeof(${sql}) AS "kind_${key}", hex(iif(typeof(${sql}) = 'real', quote(${sql}), ${sql})) AS "hex_${key}"`,
  );
  const found = await connection.rows(
    `SELECT ${selected.join(', ')} FROM ${quoteName(table)}${rowid === undefined ? '' : ` ORDER BY ${rowid}`}`,
  );
  const rows = found.map((row) =>
    Object.fromEntries(
      values.map(([name, , key]) => [name, literal(textOf(row, `kind_${key}`), textOf(row, `hex_${key}`))]),
    ),
  );
  if (rowid === undefined) {
    const keyed = rows.map((row) => ({ row, key: JSON.stringify(row) }));
    keyed.sort((one, other) => (one.key < other.key ? -1 : one.key > other.key ? 1 : 0));
    return { columns, rows: keyed.map(({ row }) => row) };
  }
  return { columns, rows };
}

async function dumpConnection(connection: LegacyConnection): Promise<DatabaseDump> {
  const objects = await connection.rows(
    'SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name',
  );
  const schema = objects.map((row) => ({
    type: textOf(row, 'type'),
    name: textOf(row, 'name'),
    table: textOf(row, 'tbl_name'),
    sql: row.sql === null ? null : textOf(row, 'sql'),
  }));
  const tables: Record<string, TableDump> = {};
  for (const { type, name } of schema) {
    if (type === 'table') tables[name] = await dumpTable(connection, name);
  }
  return {
    userVersion: Number(await pragma(connection, 'user_version')),
    applicationId: Number(await pragma(connection, 'application_id')),
    journalMode: String(await pragma(connection, 'journal_mode')),
    schema,
    tables,
  };
}

/**
 * Reads everything that a database holds, from a copy of it and of its -wal or -journal, so that not a byte of the
 * original or of what lies beside it is touched. Every value is exact: integers of 64 bits, BLOBs, odd text.
 *
 * Not to be called while this process has a transaction open on the file: copying it would drop SQLite's locks.
 */
export async function dumpDatabase(path: string): Promise<DatabaseDump> {
  const folder = await mkdtemp(join(tmpdir(), 'database-dump-'));
  try {
    const copy = join(folder, 'copy.db');
    await copyFile(path, copy);
    for (const side of SIDE_FILES) {
      if (existsSync(path + side)) await copyFile(path + side, copy + side);
    }
    return await withLegacy(copy, dumpConnection);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
