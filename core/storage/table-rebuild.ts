import type { DatabaseBridge } from '../database/database-bridge.js';
import { DatabaseError, isSqliteError } from '../errors.js';
import { countBreaking, type CheckViolations } from './check-violations.js';
import { columnsOf, constraintsOver } from './schema-comparison.js';
import type { SchemaSnapshot, TableSnapshot } from './schema-snapshot.js';
import { foldName } from './sql-tokens.js';
import { quoteName, type ColumnDefinition } from './table-definition.js';

/** A table that is to be given the rules of another form of itself. */
export interface RebuildRequest {
  /** The table as it is. */
  readonly table: TableSnapshot;
  /** The rules that it must have afterwards. Columns that only the table has are kept as they are. */
  readonly form: TableSnapshot;
  /** Columns of the form, by key in lower case, that ALTER TABLE cannot add and that are to be added here. */
  readonly addColumns: readonly string[];
}

function newDefinition({ table, form, addColumns }: RebuildRequest, name: string): string {
  const formColumns = columnsOf(form);
  const added = addColumns.map((key) => formColumns.get(key)).filter((column) => column !== undefined);
  const columns = [
    ...table.columns.map((column) => formColumns.get(foldName(column.name)) ?? column),
    ...added,
  ];
  const keys = new Set(columns.map((column) => foldName(column.name)));
  const own = new Set(columns.map(({ name }) => foldName(name)).filter((key) => !formColumns.has(key)));
  const constraints = [
    ...form.constraints.filter((constraint) => constraint.columns.every((column) => keys.has(column))),
    ...table.constraints.filter((constraint) => constraint.columns.some((column) => own.has(column))),
  ].flatMap(({ tableSql }) => tableSql ?? []);
  const options = [form.withoutRowid ? 'WITHOUT ROWID' : '', form.strict ? 'STRICT' : '']
    .filter(Boolean)
    .join(', ');
  const lines = [...columns.map(({ sql }) => sql), ...constraints].map((line) => `  ${line}`);
  return `CREATE TABLE ${quoteName(name)} (\n${lines.join(',\n')}\n) ${options}`.trim();
}

/** Whether ALTER TABLE ADD COLUMN takes this definition ("ALTER TABLE", the restrictions of ADD COLUMN). */
export function canBeAdded(column: ColumnDefinition): boolean {
  return (
    column.generated !== 'stored' &&
    column.defaultKind !== 'expression' &&
    !(column.notNull && column.defaultKind === 'none') &&
    !/\b(primary\s+key|unique|references)\b/i.test(column.sql)
  );
}

/** The name under which SQL reaches the rowid before and after; undefined where there is none to keep. */
function rowidName({ table, form, addColumns }: RebuildRequest): string | undefined {
  // A column that is the rowid by another name carries it over.
  if (table.withoutRowid || form.withoutRowid || hasRowidColumn(form)) return undefined;
  const names = new Set([...columnsOf(table).keys(), ...addColumns]);
  return ['rowid', '_rowid_', 'oid'].find((name) => !names.has(name));
}

function hasRowidColumn({ columns, constraints }: TableSnapshot): boolean {
  const key = constraints.find(({ kind }) => kind === 'primary key');
  return columns.some(
    ({ name, type }) =>
      type === 'INTEGER' && key?.columns.join() === foldName(name) && !key.meaning.includes(' desc'),
  );
}

/** The columns whose values are carried over: all but those that the new table computes. */
function carriedColumns({ table, form }: RebuildRequest): string[] {
  const formColumns = columnsOf(form);
  return table.columns
    .filter((column) => (formColumns.get(foldName(column.name)) ?? column).generated === 'no')
    .map(({ name }) => quoteName(name));
}

function freeName(schema: SchemaSnapshot, wanted: string): string {
  let name = wanted;
  while (schema.tables.has(foldName(name)) || schema.objects.has(foldName(name))) name = `${name}_`;
  return name;
}

function textLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** The statements of a rebuild, none of which depends on what is in the table. */
interface RebuildStatements {
  /** The name that the new table has while the old one is there. */
  readonly temporary: string;
  readonly create: string;
  readonly copy: string;
  /** Hands the AUTOINCREMENT counter over to the new table, drops the old one, gives the new one its name. */
  readonly exchange: readonly string[];
  /** The table's indexes and triggers. */
  readonly dependents: readonly string[];
}

/** The switches that the procedure needs, on and off again. */
const switchesOn = ['PRAGMA ignore_check_constraints = ON', 'PRAGMA legacy_alter_table = ON'];
const switchesOff = ['PRAGMA legacy_alter_table = OFF', 'PRAGMA ignore_check_constraints = OFF'];

function rebuildStatements(schema: SchemaSnapshot, request: RebuildRequest): RebuildStatements {
  const { table, form } = request;
  const temporary = freeName(schema, `new_${table.name}`);
  const rowid = rowidName(request);
  const carried = carriedColumns(request);
  const columns = (rowid === undefined ? carried : [rowid, ...carried]).join(', ');
  const order = rowid === undefined ? '' : ` ORDER BY ${rowid}`;
  const [from, to] = [quoteName(table.name), quoteName(temporary)];
  // There is a sqlite_sequence as soon as there is an AUTOINCREMENT.
  const counts = [table, form].some(({ constraints }) =>
    constraints.some(({ kind, meaning }) => kind === 'primary key' && meaning.endsWith(' autoincrement')),
  );
  const [oldCounter, newCounter] = [textLiteral(foldName(table.name)), textLiteral(temporary)];
  const handOver = [
    `DELETE FROM sqlite_sequence WHERE name = ${newCounter} AND EXISTS (SELECT 1 FROM sqlite_sequence WHERE lower(name) = ${oldCounter})`,
    `UPDATE sqlite_sequence SET name = ${newCounter} WHERE lower(name) = ${oldCounter}`,
  ];
  return {
    temporary,
    create: newDefinition(request, temporary),
    copy: `INSERT INTO ${to} (${columns}) SELECT ${columns} FROM ${from}${order}`,
    exchange: [...(counts ? handOver : []), `DROP TABLE ${from}`, `ALTER TABLE ${to} RENAME TO ${from}`],
    dependents: [...schema.objects.values()]
      .filter((object) => object.type !== 'view' && foldName(object.table) === foldName(table.name))
      .map(({ sql }) => sql),
  };
}

/** The rebuild of a table as a script for a shell, a statement an entry, without the semicolons. */
export function rebuildScript(schema: SchemaSnapshot, request: RebuildRequest): string[] {
  const { create, copy, exchange, dependents } = rebuildStatements(schema, request);
  return [
    'PRAGMA foreign_keys = OFF',
    'BEGIN IMMEDIATE',
    ...switchesOn,
    ...[create, copy, ...exchange],
    ...switchesOff,
    ...dependents,
    'COMMIT',
    'PRAGMA foreign_keys = ON',
  ];
}

/**
 * Gives a table other rules by the procedure of "Making Other Kinds Of Table Schema Changes" in SQLite's documentation
 * of ALTER TABLE: create the new table, copy, drop the old one, rename, create its indexes and triggers again.
 *
 * Every row keeps its rowid, every value its type, the AUTOINCREMENT counter stays where it was, and columns, indexes,
 * triggers and views that are the user's own stay, and so do the figures of ANALYZE. Rows that break a CHECK of the new form are kept and counted.
 *
 * Foreign keys must be off, or dropping the old table would delete the rows of cascading children; and a transaction
 * must be open, because the switches that are set here belong to the connection.
 *
 * @throws DatabaseError when a row cannot stand under the new rules (NOT NULL, UNIQUE, another type)
 */
export async function rebuildTable(
  db: DatabaseBridge,
  schema: SchemaSnapshot,
  request: RebuildRequest,
): Promise<CheckViolations[]> {
  const { temporary, create, copy, exchange, dependents } = rebuildStatements(schema, request);

  // Rows are copied as they are, also those that a CHECK of the new form would refuse; and the rename must not stumble
  // over views and triggers that name the table while it is gone, nor repoint them ("PRAGMA legacy_alter_table").
  await db.executeScript(switchesOn.join('; '));
  try {
    await db.executeScript(create);
    await copyRows(db, copy, { temporary, name: request.table.name });
    await refuseConversion(db, request, temporary);
    const statistics = await statisticsTables(db);
    // With a table go the figures of ANALYZE about it, unless they bear another name meanwhile.
    for (const each of statistics) await renameFigures(db, each, request.table.name, temporary);
    for (const statement of exchange) await db.executeScript(statement);
    for (const each of statistics) await renameFigures(db, each, temporary, request.table.name);
  } finally {
    await db.executeScript(switchesOff.join('; '));
  }
  for (const statement of dependents) await db.executeScript(statement);
  return countCheckViolations(db, request);
}

/** The tables in which ANALYZE keeps its figures, of which there are none before it has run. */
async function statisticsTables(db: DatabaseBridge): Promise<string[]> {
  const rows = await db.query(
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'sqlite\\_stat_' ESCAPE '\\'",
  );
  return rows.map(({ name }) => String(name));
}

async function renameFigures(
  db: DatabaseBridge,
  statistics: string,
  from: string,
  to: string,
): Promise<void> {
  await db.execute(`UPDATE ${statistics} SET tbl = ? WHERE lower(tbl) = ?`, [to, foldName(from)]);
}

/**
 * Refuses a rebuild that would change values: a column of another type may make 7 of the text 007 ("Datatypes In
 * SQLite", section 3.1), and one that becomes the rowid fills in what is NULL. Every such change is one of typeof.
 */
async function refuseConversion(
  db: DatabaseBridge,
  { table, form }: RebuildRequest,
  temporary: string,
): Promise<void> {
  const formColumns = columnsOf(form);
  const becomesRowid = hasRowidColumn(form) && !hasRowidColumn(table);
  for (const { name, type } of table.columns) {
    const column = formColumns.get(foldName(name));
    if (column === undefined || (column.type === type && !becomesRowid)) continue;
    const before = await countTypes(db, table.name, name);
    const after = await countTypes(db, temporary, name);
    if (before === after) continue;
    throw new DatabaseError(
      `column ${table.name}.${name} holds ${before}, which would become ${after}`,
      'SQLITE_MISMATCH',
      {
        hint: `A repair changes no value. If it is meant that those of ${table.name}.${name} are converted, make a backup and run the statements that "upgrade-bridge verify" shows.`,
      },
    );
  }
}

/** `2 integer, 1 text`. */
async function countTypes(db: DatabaseBridge, table: string, column: string): Promise<string> {
  const rows = await db.query(
    `SELECT typeof(${quoteName(column)}) AS type, count(*) AS rows FROM ${quoteName(table)} GROUP BY 1 ORDER BY 1`,
  );
  return rows.map(({ type, rows: count }) => `${String(count)} ${String(type)}`).join(', ');
}

/** Carries out the copy; where a row does not fit, the error names the table as its owner knows it. */
async function copyRows(
  db: DatabaseBridge,
  statement: string,
  { temporary, name }: { temporary: string; name: string },
): Promise<void> {
  try {
    await db.execute(statement);
  } catch (error) {
    if (!isSqliteError(error, 'SQLITE_CONSTRAINT', 'SQLITE_MISMATCH')) throw error;
    throw new DatabaseError(error.message.replaceAll(`${temporary}.`, `${name}.`), error.sqliteCode, {
      hint: `Correct the rows of ${name} that do not fit its rules.`,
      cause: error,
    });
  }
}

/** Counts the rows that break a check which the table did not have before, or not in this form. */
async function countCheckViolations(
  db: DatabaseBridge,
  { table: before, form, addColumns }: RebuildRequest,
): Promise<CheckViolations[]> {
  const columns = new Map([...columnsOf(before).keys(), ...addColumns].map((name) => [name, true]));
  const known = new Set(before.constraints.map(({ meaning }) => meaning));
  const violations: CheckViolations[] = [];
  for (const { kind, expression, meaning } of constraintsOver(form, columns)) {
    if (kind !== 'check' || expression === undefined || known.has(meaning)) continue;
    const rows = await countBreaking(db, before.name, expression, new Set(columns.keys()));
    if (rows > 0) violations.push({ table: before.name, expression, rows });
  }
  return violations;
}
