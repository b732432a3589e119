import type { DatabaseBridge } from '../database/database-bridge.js';

/** The name of the table that holds the history. */
export const HISTORY_TABLE = 'schema_migrations';

/** The columns of the first shape that the history had. */
export const firstColumns = [
  'id INTEGER PRIMARY KEY AUTOINCREMENT',
  'version INTEGER NOT NULL',
  'filename TEXT NOT NULL',
  'description TEXT NOT NULL',
  'checksum TEXT NOT NULL',
  'applied_at TEXT NOT NULL',
  'execution_time_ms INTEGER NOT NULL',
  'status TEXT NOT NULL',
  'origin TEXT NOT NULL',
  'details TEXT',
];
/** Columns that histories of earlier versions of this package do not have. */
export const laterColumns = ['release TEXT', 'up_sql TEXT', 'down_sql TEXT', 'hash TEXT'];
const nameOfColumn = (column: string): string => column.slice(0, column.indexOf(' '));
export const firstColumnNames = firstColumns.map(nameOfColumn);

/** What stands in the database under the history's name. */
export type HistoryShape =
  | { readonly kind: 'none' }
  | { readonly kind: 'ours' }
  | { readonly kind: 'foreign'; readonly description: string };

const knownTools: readonly { readonly columns: string; readonly tool: string }[] = [
  { columns: 'version', tool: 'dbmate or Rails' },
  { columns: 'dirty,version', tool: 'golang-migrate' },
  { columns: 'applied_at,name,version', tool: 'a sibling of this tool that keeps no checksums' },
];

/**
 * Tells whether the database has a history and whether it is one of ours.
 *
 * "None" is said only where sqlite_schema holds no object of that name; every other trouble travels as an error.
 */
export async function readHistoryShape(db: DatabaseBridge): Promise<HistoryShape> {
  const [object] = await db.query('SELECT type FROM sqlite_schema WHERE lower(name) = ?', [HISTORY_TABLE]);
  if (object === undefined) return { kind: 'none' };
  if (object.type !== 'table')
    return {
      kind: 'foreign',
      description: `${object.type === 'index' ? 'an' : 'a'} ${String(object.type)} named ${HISTORY_TABLE}`,
    };
  const rows = await db.query('SELECT name FROM pragma_table_xinfo(?)', [HISTORY_TABLE]);
  const found = rows.map((row) => String(row.name).toLowerCase());
  if (firstColumnNames.every((name) => found.includes(name))) return { kind: 'ours' };
  const sorted = [...found].sort().join();
  const tool = knownTools.find((known) => known.columns === sorted)?.tool ?? 'another tool';
  return {
    kind: 'foreign',
    description: `a table ${HISTORY_TABLE} of ${tool}, with the columns ${found.join(', ')}`,
  };
}

/** The later columns that a history does not have. */
export async function missingColumns(db: DatabaseBridge): Promise<string[]> {
  const rows = await db.query('SELECT name FROM pragma_table_xinfo(?)', [HISTORY_TABLE]);
  const found = new Set(rows.map((row) => String(row.name).toLowerCase()));
  return laterColumns.filter((column) => !found.has(nameOfColumn(column)));
}
