import type { DatabaseBridge, Row, SqlValue } from '../database/database-bridge.js';
import { messageOf, isSqliteError } from '../errors.js';
import type { ToleratedViolations } from './history-row.js';
import { firstColumnNames, type HistoryTable } from './history-table.js';
import { foldName } from './sql-tokens.js';
import { quoteName } from './table-definition.js';

/** A table, column, index, trigger or view by the name that a file's `drops` directive would use. */
export interface NamedObject {
  readonly type: 'table' | 'column' | 'index' | 'trigger' | 'view';
  /** A column is named `table.column`. */
  readonly name: string;
  readonly table: string;
}

/** What a database holds, counted: enough to see that something vanished. */
export interface Inventory {
  /** Rows of each table by name; empty when counting is turned off. */
  readonly rows: ReadonlyMap<string, number>;
  readonly objects: readonly NamedObject[];
  /** The AUTOINCREMENT counter of each table that has one. */
  readonly sequences: ReadonlyMap<string, bigint>;
  /** Every foreign key, as `foreignKeyName` names it. */
  readonly foreignKeys: ReadonlySet<string>;
  /** Rows that break a foreign key, by table and key. */
  readonly violations: readonly ToleratedViolations[];
  /** The name of the table that holds the history. */
  readonly historyTable: string;
  /** How many rows the history has. */
  readonly attempts: number;
}

/** What a database holds, as a report tells it. */
export type Holdings = Pick<Inventory, 'rows' | 'violations'>;

export interface InventoryOptions {
  /** Whether the rows of each table are counted, which reads an index of each once. */
  readonly countRows: boolean;
}

/** A table whose rows can be counted: shadow tables belong to their virtual table, SQLite's own and the history to us. */
export interface CountedTable {
  readonly name: string;
  readonly isVirtual: boolean;
}

/** SQL for all of them in one value, as a part of another query: `countedTablesIn` reads it. It takes the history's key. */
export const countedTables = `(SELECT json_group_array(json_array(name, type = 'virtual')) FROM
  (SELECT name, type FROM pragma_table_list
   WHERE schema = 'main' AND type IN ('table', 'virtual') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
     AND lower(name) <> ?
   ORDER BY name))`;

/** @param value what SQLite made of `countedTables` */
export function countedTablesIn(value: SqlValue | undefined): readonly CountedTable[] {
  const found: unknown = JSON.parse(String(value));
  const rows: readonly unknown[] = Array.isArray(found) ? found : [];
  return rows.map((row) => {
    const cells: readonly unknown[] = Array.isArray(row) ? row : [];
    return { name: String(cells[0]), isVirtual: cells[1] === 1 };
  });
}

async function listTables(db: DatabaseBridge, { key }: HistoryTable): Promise<readonly CountedTable[]> {
  const [row] = await db.query(`SELECT ${countedTables} AS tables`, [key]);
  return countedTablesIn(row?.tables);
}

/** How many tables one query counts ("Limits In SQLite": at most 500 terms of a compound SELECT). */
const TABLES_AT_ONCE = 400;

/**
 * Counts the rows of every table that is neither SQLite's own nor the history.
 *
 * @param known tables whose rows need not be counted
 * @param listed all tables, where they were asked for already
 */
export async function countRows(
  db: DatabaseBridge,
  table: HistoryTable,
  known: ReadonlyMap<string, number> = new Map(),
  listed?: readonly CountedTable[],
): Promise<Map<string, number>> {
  const found = listed ?? (await listTables(db, table));
  const counts = new Map<string, number>();
  const names = found.map(({ name }) => name);
  const virtual = new Set(found.filter(({ isVirtual }) => isVirtual).map(({ name }) => name));
  const unknown = names.filter((name) => !known.has(name));
  const usual = unknown.filter((name) => !virtual.has(name));
  for (let first = 0; first < usual.length; first += TABLES_AT_ONCE)
    for (const [name, rows] of await countTogether(db, usual.slice(first, first + TABLES_AT_ONCE)))
      counts.set(name, rows);
  for (const name of unknown.filter((each) => virtual.has(each))) {
    const rows = await countVirtual(db, name);
    if (rows !== undefined) counts.set(name, rows);
  }
  return new Map(
    names.flatMap((name) => {
      const rows = counts.get(name) ?? known.get(name);
      return rows === undefined ? [] : [[name, rows] as const];
    }),
  );
}

async function countTogether(db: DatabaseBridge, names: readonly string[]): Promise<[string, number][]> {
  const rows = await db.query(countTerms(names).join(' UNION ALL '));
  return rows.map((row) => countIn(row, names));
}

/** The terms of a query that counts the rows of tables. */
function countTerms(names: readonly string[]): string[] {
  return names.map(
    (name, index) => `SELECT 'rows' AS kind, ${index} AS place, count(*) AS rows FROM ${quoteName(name)}`,
  );
}

function countIn({ place, rows }: Row, names: readonly string[]): [string, number] {
  return [names[Number(place)] ?? '', Number(rows)];
}

/** A virtual table whose module is the program's own cannot be read here, nor changed by a migration. */
async function countVirtual(db: DatabaseBridge, name: string): Promise<number | undefined> {
  try {
    const [row] = await db.query(`SELECT count(*) AS rows FROM ${quoteName(name)}`);
    return Number(row?.rows);
  } catch (error) {
    if (isSqliteError(error, 'SQLITE_ERROR') && messageOf(error).includes('no such module')) return undefined;
    throw error;
  }
}

/** One name for a foreign key, so that keys can be compared: child table, its columns, parent table. */
export function foreignKeyName({ table, columns, parent }: Omit<ToleratedViolations, 'rows'>): string {
  return [table, columns, parent].map(foldName).join('\n');
}

/** SQL for the columns of one foreign key in their order. */
function keyColumns(table: string, id: string): string {
  return `(SELECT group_concat("from") FROM (SELECT "from" FROM pragma_foreign_key_list(${table}) WHERE id = ${id} ORDER BY seq))`;
}

/** Counts the rows that break a foreign key, whether keys are enforced or not ("PRAGMA foreign_key_check"). */
export async function countViolations(db: DatabaseBridge): Promise<ToleratedViolations[]> {
  const together = await violationsOf(db, tablesWithKeys);
  if (together !== undefined) return together;
  const tables = await db.query(tablesWithKeys);
  const violations: ToleratedViolations[] = [];
  for (const { name } of tables)
    violations.push(...((await violationsOf(db, 'SELECT ? AS name', [String(name)])) ?? []));
  return violations;
}

const tablesWithKeys = `SELECT name FROM sqlite_schema AS t
  WHERE type = 'table' AND EXISTS (SELECT 1 FROM pragma_foreign_key_list(t.name)) ORDER BY name`;

/**
 * @param tables a query for the names of tables
 * @returns undefined where one of them has a key that fits no unique index of its parent: it cannot be checked, and SQLite
 *   enforces nothing by it either
 */
async function violationsOf(
  db: DatabaseBridge,
  tables: string,
  names: readonly string[] = [],
): Promise<ToleratedViolations[] | undefined> {
  try {
    const broken = await db.query(
      `SELECT s.name AS "table", ${keyColumns('s.name', 'c.fkid')} AS columns, c.parent AS parent, count(*) AS rows
       FROM (${tables}) AS s JOIN pragma_foreign_key_check(s.name) AS c
       GROUP BY s.name, c.fkid, c.parent ORDER BY 1, 2, 3`,
      names,
    );
    return broken.map((row) => ({
      table: String(row.table),
      columns: String(row.columns),
      parent: String(row.parent),
      rows: Number(row.rows),
    }));
  } catch (error) {
    if (isSqliteError(error, 'SQLITE_ERROR') && messageOf(error).includes('foreign key mismatch'))
      return undefined;
    throw error;
  }
}

/** What a database has by name. */
interface Names {
  readonly objects: readonly NamedObject[];
  readonly foreignKeys: ReadonlySet<string>;
  /** Whether it has a virtual table, and so perhaps others that belong to that one. */
  readonly virtual: boolean;
  /** Whether it keeps counters of ids. */
  readonly counts: boolean;
  /** Whether it has a history. What another tool keeps under that name is none of our attempts. */
  readonly history: boolean;
}

/** Asked for in one query: each of the questions costs more on its way than in its answer. */
async function readNames(db: DatabaseBridge, { key }: HistoryTable): Promise<Names> {
  const rows = await db.query(
    `SELECT type, name, tbl_name, lower(sql) GLOB 'create virtual *' AS columns FROM sqlite_schema
     WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND lower(tbl_name) <> ?
     UNION ALL
     SELECT 'column', s.name || '.' || c.name, s.name, NULL FROM sqlite_schema AS s JOIN pragma_table_xinfo(s.name) AS c
     WHERE s.type = 'table' AND s.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND lower(s.name) <> ?
       AND lower(s.sql) NOT GLOB 'create virtual *'
     UNION ALL
     SELECT 'key', k."table", s.name, ${keyColumns('s.name', 'k.id')}
     FROM sqlite_schema AS s JOIN pragma_foreign_key_list(s.name) AS k WHERE s.type = 'table' AND k.seq = 0
     UNION ALL
     SELECT 'counters', name, name, NULL FROM sqlite_schema WHERE name = 'sqlite_sequence'
     UNION ALL
     SELECT 'history', s.name, s.name, (SELECT json_group_array(lower(c.name)) FROM pragma_table_xinfo(s.name) AS c)
     FROM sqlite_schema AS s WHERE s.type = 'table' AND lower(s.name) = ?`,
    [key, key, key],
  );
  const objects: NamedObject[] = [];
  const foreignKeys = new Set<string>();
  for (const { type, name, tbl_name: table, columns } of rows) {
    const known = (['table', 'column', 'index', 'trigger', 'view'] as const).find((each) => each === type);
    if (known !== undefined) objects.push({ type: known, name: String(name), table: String(table) });
    else if (type === 'key')
      foreignKeys.add(
        foreignKeyName({ table: String(table), columns: String(columns), parent: String(name) }),
      );
  }
  return {
    objects,
    foreignKeys,
    virtual: rows.some(({ type, columns }) => type === 'table' && columns === 1),
    counts: rows.some(({ type }) => type === 'counters'),
    history: rows.some(({ type, columns }) => type === 'history' && isHistory(JSON.parse(String(columns)))),
  };
}

function isHistory(columns: unknown): boolean {
  return Array.isArray(columns) && firstColumnNames.every((name) => columns.includes(name));
}

/** Counts in one query what can be: the rows of tables, the counters of ids, and the attempts. */
async function readCounts(
  db: DatabaseBridge,
  { sql, key }: HistoryTable,
  { counts, history }: Names,
  tables: readonly string[],
): Promise<Pick<Inventory, 'rows' | 'sequences' | 'attempts'>> {
  const terms = [
    ...countTerms(tables.slice(0, TABLES_AT_ONCE)),
    ...(history ? [`SELECT 'attempts' AS kind, 0 AS place, count(*) AS rows FROM ${sql}`] : []),
    ...(counts
      ? [
          `SELECT 'sequence' AS kind, name AS place, CAST(seq AS TEXT) AS rows FROM sqlite_sequence
           WHERE typeof(seq) = 'integer' AND lower(name) <> ?`,
        ]
      : []),
  ];
  const found = terms.length === 0 ? [] : await db.query(terms.join(' UNION ALL '), counts ? [key] : []);
  const ofKind = (wanted: string): readonly Row[] => found.filter(({ kind }) => kind === wanted);
  const rows = new Map(ofKind('rows').map((row) => countIn(row, tables)));
  for (let first = TABLES_AT_ONCE; first < tables.length; first += TABLES_AT_ONCE)
    for (const [name, count] of await countTogether(db, tables.slice(first, first + TABLES_AT_ONCE)))
      rows.set(name, count);
  return {
    rows,
    sequences: new Map(ofKind('sequence').map((row) => [String(row.place), BigInt(String(row.rows))])),
    attempts: Number(ofKind('attempts')[0]?.rows ?? 0),
  };
}

/** What is known of a database, and need not be counted: rows of some of its tables, and what else there is. */
export type KnownStock = Partial<Pick<Inventory, 'rows' | 'sequences' | 'violations'>>;

/**
 * Takes stock of a database. Memory grows with the number of objects, never with the number of rows.
 *
 * @param known what need not be counted
 */
export async function takeInventory(
  db: DatabaseBridge,
  table: HistoryTable,
  options: InventoryOptions,
  known: KnownStock = {},
): Promise<Inventory> {
  const names = await readNames(db, table);
  const { objects, foreignKeys, virtual, counts } = names;
  const { rows: standing = new Map<string, number>() } = known;
  // Which tables belong to a virtual one, only SQLite can tell.
  const counted = options.countRows && virtual ? await countRows(db, table, standing) : undefined;
  const tables =
    options.countRows && !virtual
      ? objects
          .filter(({ type }) => type === 'table')
          .map(({ name }) => name)
          .sort()
      : [];
  const { rows, sequences, attempts } = await readCounts(
    db,
    table,
    { ...names, counts: counts && known.sequences === undefined },
    tables.filter((name) => !standing.has(name)),
  );
  return {
    rows: counted ?? new Map(tables.map((name) => [name, standing.get(name) ?? rows.get(name) ?? 0])),
    objects,
    sequences: known.sequences ?? sequences,
    foreignKeys,
    violations: known.violations ?? (foreignKeys.size === 0 ? [] : await countViolations(db)),
    historyTable: table.name,
    attempts,
  };
}
