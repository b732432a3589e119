import type { DatabaseBridge } from '../database/database-bridge.js';
import { ForeignDatabaseError, InvalidOptionError, UpgradeBridgeError } from '../errors.js';
import { formsOf } from './other-tools.js';
import { foldName } from './sql-tokens.js';
import { quoteName } from './table-definition.js';
import { shown } from './values.js';

/** What the table that holds the history is called unless somebody says otherwise. */
const DEFAULT_NAME = 'schema_migrations';

/** The way out where something else bears the name of the history, as a hint goes on. */
export const anotherName = 'give our history another name (historyTable, --history-table)';

/** The table that holds the history: it may have any name. */
export interface HistoryTable {
  readonly name: string;
  /** The name as it stands in SQL. */
  readonly sql: string;
  /** The name as it is compared: SQLite does not tell upper from lower case. */
  readonly key: string;
}

const defaultTable: HistoryTable = { name: DEFAULT_NAME, sql: `"${DEFAULT_NAME}"`, key: DEFAULT_NAME };

/**
 * The table that a caller wants to hold the history.
 *
 * @throws InvalidOptionError when no table can have that name
 */
export function historyTableOf({
  historyTable: name = DEFAULT_NAME,
}: {
  readonly historyTable?: string | undefined;
}): HistoryTable {
  if (name === DEFAULT_NAME) return defaultTable;
  if (typeof name === 'string' && /^(?!sqlite_)[a-z_]\w*$/i.test(name))
    return { name, sql: quoteName(name), key: foldName(name) };
  throw new InvalidOptionError(
    `The history's table must be named by letters, digits and _, not begin with a digit nor with sqlite_, and is ${shown(name)}.`,
    { hint: `Give another name, such as ${DEFAULT_NAME}, which it has when historyTable is left out.` },
  );
}

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
/** What an upgrade that leaves nothing to do says in its last row; no part of what the hash protects. */
export const sealColumn = 'seal TEXT';
/** Columns that histories of earlier versions of this package do not have. */
export const laterColumns = ['release TEXT', 'up_sql TEXT', 'down_sql TEXT', 'hash TEXT', sealColumn];
const nameOfColumn = (column: string): string => column.slice(0, column.indexOf(' '));
export const firstColumnNames = firstColumns.map(nameOfColumn);

/** The columns by which rows are looked up, and read in order, where there are many. */
export const indexedColumns = ['version', 'applied_at'];

/** SQL that makes the table, with its indexes. */
export function historyScript({ name, sql }: HistoryTable): readonly string[] {
  return [
    `CREATE TABLE ${sql} (\n  ${[...firstColumns, ...laterColumns].join(',\n  ')}\n)`,
    ...indexedColumns.map((column) => indexScript({ name, sql }, column)),
  ];
}

/** SQL that makes the index over one of the columns by which rows are looked up. */
export function indexScript({ name, sql }: Pick<HistoryTable, 'name' | 'sql'>, column: string): string {
  return `CREATE INDEX ${quoteName(indexName(name, column))} ON ${sql} (${column})`;
}

function indexName(name: string, column: string): string {
  return `idx_${name}_${column}`;
}

/** Whether something bears a name that the history's table or one of its indexes is to have. */
export function isNameOfHistory(name: string, { key }: HistoryTable): boolean {
  return [key, ...indexedColumns.map((column) => indexName(key, column))].includes(foldName(name));
}

/** A table that is a history of ours. */
export interface OwnShape {
  readonly kind: 'ours';
  /** The later columns that it does not have. */
  readonly missing: readonly string[];
  /** A trigger that hangs on it. */
  readonly trigger: string | undefined;
  /** Whether the database keeps counters of ids at all. */
  readonly counts: boolean;
}

/** What stands in the database under the history's name. */
export type HistoryShape =
  { readonly kind: 'none' } | OwnShape | { readonly kind: 'foreign'; readonly description: string };

/**
 * Tells whether the database has a history and whether it is one of ours.
 *
 * "None" is said only where sqlite_schema holds no object of that name; every other trouble travels as an error.
 *
 * @throws UpgradeBridgeError (HISTORY_ELSEWHERE) when there is none, and a table of another name holds one of ours
 */
export async function readHistoryShape(db: DatabaseBridge, table: HistoryTable): Promise<HistoryShape> {
  const shape = await shapeOf(db, table);
  if (shape.kind !== 'ours') await refuseOther(db, table);
  return shape;
}

/**
 * Whether there is a history, where nothing else may stand.
 *
 * @throws ForeignDatabaseError when something else stands there
 * @throws UpgradeBridgeError (HISTORY_ELSEWHERE) when there is none, and a table of another name holds one of ours
 */
export async function hasHistory(db: DatabaseBridge, table: HistoryTable): Promise<boolean> {
  const shape = await readHistoryShape(db, table);
  if (shape.kind !== 'foreign') return shape.kind === 'ours';
  throw new ForeignDatabaseError(
    `There is no history of this program: where it (${table.name}) should be stands ${shape.description}.`,
    { hint: `Check the path; if that is something of your own, ${anotherName}.` },
  );
}

async function shapeOf(db: DatabaseBridge, { name, key }: HistoryTable): Promise<HistoryShape> {
  const [object] = await db.query(
    `SELECT type, CASE type WHEN 'table' THEN (SELECT json_group_array(name) FROM pragma_table_xinfo(?)) END AS columns,
       (SELECT name FROM sqlite_schema WHERE type = 'trigger' AND lower(tbl_name) = ?) AS hanging,
       EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence') AS counts
     FROM sqlite_schema WHERE lower(name) = ?`,
    [key, key, key],
  );
  if (object === undefined) return { kind: 'none' };
  if (object.type !== 'table')
    return {
      kind: 'foreign',
      description: `${object.type === 'index' ? 'an' : 'a'} ${String(object.type)} named ${name}`,
    };
  const names: unknown = JSON.parse(String(object.columns));
  const found = Array.isArray(names) ? names.map((each) => String(each).toLowerCase()) : [];
  if (firstColumnNames.every((column) => found.includes(column)))
    return {
      kind: 'ours',
      missing: lacking(found),
      trigger: typeof object.hanging === 'string' ? object.hanging : undefined,
      counts: object.counts === 1,
    };
  const tools = formsOf(found).map(({ title }) => title);
  const tool = tools.length === 0 ? 'another tool' : tools.join(' or ');
  return {
    kind: 'foreign',
    description: `a table ${name} of ${tool}, with the columns ${found.join(', ')}`,
  };
}

/** A second history beside the first would have every migration run again. */
async function refuseOther(db: DatabaseBridge, { name }: HistoryTable): Promise<void> {
  const [found] = await findHistories(db);
  if (found === undefined) return;
  throw new UpgradeBridgeError(
    'HISTORY_ELSEWHERE',
    `The database keeps its history in the table ${found}, and not in ${name}.`,
    {
      hint: `Nothing was changed. Name that table (historyTable: '${found}', --history-table ${found}); or, if its name is to change, rename it while no program uses the database.`,
    },
  );
}

/** The names of the tables that hold a history of ours, whatever they are called. */
export async function findHistories(db: DatabaseBridge): Promise<string[]> {
  const marks = firstColumnNames.map(() => '?').join();
  const rows = await db.query(
    `SELECT s.name FROM pragma_table_list AS s
     WHERE s.schema = 'main' AND s.type = 'table'
       AND (SELECT count(*) FROM pragma_table_xinfo(s.name) WHERE lower(name) IN (${marks})) = ${firstColumnNames.length}
     ORDER BY s.name`,
    firstColumnNames,
  );
  return rows.map(({ name }) => String(name));
}

/** The later columns that a history does not have. */
export async function missingColumns(db: DatabaseBridge, { key }: HistoryTable): Promise<string[]> {
  const rows = await db.query('SELECT name FROM pragma_table_xinfo(?)', [key]);
  return lacking(rows.map((row) => String(row.name).toLowerCase()));
}

function lacking(found: readonly string[]): string[] {
  return laterColumns.filter((column) => !found.includes(nameOfColumn(column)));
}
