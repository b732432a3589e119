import type { DatabaseBridge } from '../database/database-bridge.js';
import { DatabaseError, isSqliteError } from '../errors.js';
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

/** Rows of a rebuilt table that break a CHECK which it did not have before. They were kept. */
export interface CheckViolations {
  readonly table: string;
  readonly expression: string;
  readonly rows: number;
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

/** The name under which SQL reaches the rowid before and after; undefined where there is none to keep. */
function rowidName({ table, addColumns }: RebuildRequest): string | undefined {
  if (table.withoutRowid) return undefined;
  const names = new Set([...columnsOf(table).keys(), ...addColumns]);
  return ['rowid', '_rowid_', 'oid'].find((name) => !names.has(name));
}

function copyList(columns: readonly ColumnDefinition[]): string[] {
  return columns.filter(({ generated }) => generated === 'no').map(({ name }) => quoteName(name));
}

function freeName(schema: SchemaSnapshot, wanted: string): string {
  let name = wanted;
  while (schema.tables.has(foldName(name)) || schema.objects.has(foldName(name))) name = `${name}_`;
  return name;
}

async function sequenceOf(db: DatabaseBridge, table: string): Promise<string | undefined> {
  const [has] = await db.query("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'");
  if (has === undefined) return undefined;
  // As text: a 64-bit counter would lose its last digits as a JavaScript number.
  const [row] = await db.query('SELECT CAST(seq AS TEXT) AS seq FROM sqlite_sequence WHERE lower(name) = ?', [
    foldName(table),
  ]);
  return typeof row?.seq === 'string' ? row.seq : undefined;
}

async function restoreSequence(
  db: DatabaseBridge,
  table: string,
  sequence: string | undefined,
): Promise<void> {
  if (
    sequence === undefined ||
    (await db.query("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'")).length === 0
  )
    return;
  await db.execute('DELETE FROM sqlite_sequence WHERE lower(name) = ?', [foldName(table)]);
  await db.execute('INSERT INTO sqlite_sequence (name, seq) VALUES (?, CAST(? AS INTEGER))', [
    table,
    sequence,
  ]);
}

/**
 * Gives a table other rules by the procedure of "Making Other Kinds Of Table Schema Changes" in SQLite's documentation
 * of ALTER TABLE: create the new table, copy, drop the old one, rename, create its indexes and triggers again.
 *
 * Every row keeps its rowid, the AUTOINCREMENT counter stays where it was, and columns, indexes, triggers and views that
 * are the user's own stay. Rows that break a CHECK of the new form are kept and counted.
 *
 * Foreign keys must be off, or dropping the old table would delete the rows of cascading children; and a transaction
 * must be open, because the switches that are set here belong to the connection.
 *
 * @throws DatabaseError when a row cannot stand under the new rules (NOT NULL, UNIQUE)
 */
export async function rebuildTable(
  db: DatabaseBridge,
  schema: SchemaSnapshot,
  request: RebuildRequest,
): Promise<CheckViolations[]> {
  const { table } = request;
  const temporary = freeName(schema, `new_${table.name}`);
  const sequence = await sequenceOf(db, table.name);
  const rowid = rowidName(request);
  const columns = copyList(table.columns);
  const from = rowid === undefined ? columns : [rowid, ...columns];
  const order = rowid === undefined ? '' : ` ORDER BY ${rowid}`;
  const dependents = [...schema.objects.values()].filter(
    (object) => object.type !== 'view' && foldName(object.table) === foldName(table.name),
  );

  // Rows are copied as they are, also those that a CHECK of the new form would refuse; and the rename must not stumble
  // over views and triggers that name the table while it is gone, nor repoint them ("PRAGMA legacy_alter_table").
  await db.executeScript('PRAGMA ignore_check_constraints = ON; PRAGMA legacy_alter_table = ON');
  try {
    await db.executeScript(newDefinition(request, temporary));
    await copyRows(
      db,
      `INSERT INTO ${quoteName(temporary)} (${from.join(', ')}) SELECT ${from.join(', ')} FROM ${quoteName(table.name)}${order}`,
      { temporary, name: table.name },
    );
    await db.executeScript(`DROP TABLE ${quoteName(table.name)}`);
    await db.executeScript(`ALTER TABLE ${quoteName(temporary)} RENAME TO ${quoteName(table.name)}`);
  } finally {
    await db.executeScript('PRAGMA legacy_alter_table = OFF; PRAGMA ignore_check_constraints = OFF');
  }
  await restoreSequence(db, table.name, sequence);
  for (const object of dependents) await db.executeScript(object.sql);
  return countCheckViolations(db, request);
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
    const [row] = await db.query(
      `SELECT count(*) AS rows FROM ${quoteName(before.name)} WHERE NOT ${expression}`,
    );
    if (typeof row?.rows === 'number' && row.rows > 0)
      violations.push({ table: before.name, expression, rows: row.rows });
  }
  return violations;
}
