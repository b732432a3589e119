import type { SqlValue } from '../database/database-bridge.js';

/** Values by column name; a column whose value is undefined is left out. */
export type Columns = Readonly<Record<string, SqlValue | undefined>>;

/** A table whose rows callers write again and again. */
export interface SavedTable {
  readonly name: string;
  readonly key: readonly string[];
  /** Its columns that hold numbers, with the storage class of these. */
  readonly numbers?: Readonly<Record<string, 'integer' | 'real'>>;
}

export interface BoundStatement {
  readonly sql: string;
  readonly parameters: readonly SqlValue[];
}

/**
 * An INSERT that becomes an UPDATE of the given columns where the key is there already. Never REPLACE, which deletes the
 * row first, and its children with it. Columns that are left out keep what they hold, or get their default in a new row.
 *
 * @param condition what must also hold of the row that is there; otherwise nothing is changed
 */
export function upsert(table: SavedTable, columns: Columns, condition?: string): BoundStatement {
  const given = givenOf(columns);
  const names = given.map(([name]) => name);
  const assignments = names
    .filter((name) => !table.key.includes(name))
    .map((name) => assignment(table, name, `excluded.${name}`));
  return {
    sql:
      `INSERT INTO ${table.name} (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')}) ` +
      `ON CONFLICT (${table.key.join(', ')}) DO UPDATE SET ${assignments.join(', ')}` +
      (condition === undefined ? '' : ` WHERE ${condition}`),
    parameters: given.map(([, value]) => value),
  };
}

/** An UPDATE of the given columns, without its WHERE; undefined where no column is given. */
export function update(table: SavedTable, columns: Columns): BoundStatement | undefined {
  const given = givenOf(columns);
  if (given.length === 0) return undefined;
  const assignments = given.map(([name], index) => assignment(table, name, `?${index + 1}`));
  return {
    sql: `UPDATE ${table.name} SET ${assignments.join(', ')}`,
    parameters: given.map(([, value]) => value),
  };
}

/**
 * Reading gives null for what is no number in a column of numbers (rows.ts). A record that was loaded and is saved again
 * would wipe that out: there, null leaves it alone.
 */
function assignment(table: SavedTable, name: string, value: string): string {
  const storageClass = table.numbers?.[name];
  if (storageClass === undefined) return `${name} = ${value}`;
  const limit = storageClass === 'integer' ? Number.MAX_SAFE_INTEGER : Number.MAX_VALUE;
  const column = `${table.name}.${name}`;
  const readable = `typeof(${column}) = '${storageClass}' AND ${column} BETWEEN -${limit} AND ${limit}`;
  return `${name} = CASE WHEN ${value} IS NULL AND NOT (${readable}) THEN ${column} ELSE ${value} END`;
}

function givenOf(columns: Columns): readonly (readonly [string, SqlValue])[] {
  return Object.entries(columns).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
}
