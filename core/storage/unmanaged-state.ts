import type { DatabaseBridge, Row } from '../database/database-bridge.js';
import { nameReadError, type UnmanagedState } from './database-state.js';
import { firstColumnNames, type HistoryTable } from './history-table.js';
import { keepsOtherHistory, type FoundTable } from './other-history-reading.js';
import { sqliteIdentity } from './prepared-migrations.js';
import { schemaOf } from './schema-snapshot.js';
import { foldName } from './sql-tokens.js';

/** A database that has no history of any kind, and the rows of the schema that say so. */
export interface PlainState extends UnmanagedState {
  readonly rows: readonly Row[];
}

/**
 * Reads in one query all that is to be known of a database in which no history is, neither ours nor another tool's.
 *
 * @param known what was found before: returned again where nothing has changed since
 * @returns undefined where there is a history, where a table may be one, or a virtual table: the whole look says what it is
 * @throws UnreadableDatabaseError when SQLite cannot read the database
 */
export async function readPlainState(
  db: DatabaseBridge,
  table: HistoryTable,
  known: PlainState | undefined,
): Promise<PlainState | undefined> {
  const rows = await readEverything(db);
  if (known !== undefined && isSame(rows, known.rows)) return known;
  const own = rows.filter(({ name, sql }) => sql !== null && !/^sqlite_/i.test(String(name)));
  const isOfHistory = (name: unknown): boolean => foldName(String(name)) === table.key;
  if (own.some((row) => isOfHistory(row.name) || isOfHistory(row.tbl_name))) return undefined;
  if (own.some(({ sql }) => /^create\s+virtual\s/i.test(String(sql)))) return undefined;
  const tables = own.filter(({ type }) => type === 'table').map(tableIn);
  const keepsOurs = tables.some(({ columns }) => firstColumnNames.every((name) => columns.includes(name)));
  if (keepsOurs || keepsOtherHistory(tables, table)) return undefined;
  return {
    kind: 'unmanaged',
    userVersion: Number(rows[0]?.user_version),
    schema: schemaOf(own, known?.schema),
    others: [],
    sqlite: String(rows[0]?.sqlite),
    rows,
  };
}

/** One row at least, which tells user_version also where the schema is empty. */
async function readEverything(db: DatabaseBridge): Promise<readonly Row[]> {
  try {
    return await db.query(
      `SELECT user_version, ${sqliteIdentity} AS sqlite, s.type, s.name, s.tbl_name, s.sql, CASE WHEN s.type = 'table' AND lower(s.sql) NOT GLOB 'create virtual *'
         THEN (SELECT json_group_array(lower(c.name)) FROM pragma_table_xinfo(s.name) AS c) END AS columns
       FROM pragma_user_version LEFT JOIN main.sqlite_schema AS s ORDER BY s.rowid`,
    );
  } catch (error) {
    throw nameReadError(error, db.location);
  }
}

function isSame(rows: readonly Row[], others: readonly Row[]): boolean {
  const isAsIn = (row: Row, other: Row | undefined): boolean =>
    Object.entries(row).every(([name, value]) => value === other?.[name]);
  return rows.length === others.length && rows.every((row, index) => isAsIn(row, others[index]));
}

function tableIn({ name, columns }: Row): FoundTable {
  const found: unknown = JSON.parse(String(columns));
  return { name: String(name), columns: Array.isArray(found) ? found.map(String) : [] };
}
