import type { ObjectSnapshot, SchemaSnapshot, TableSnapshot } from './schema-snapshot.js';
import { foldName, shownName } from './sql-tokens.js';
import type { ColumnDefinition, TableConstraint } from './table-definition.js';

/** One way in which a schema is not the one that was expected. */
export interface SchemaDifference {
  /** `extra`: there, and not expected; it is somebody's own and harms nothing. */
  readonly kind: 'missing' | 'different' | 'extra';
  readonly object: 'table' | 'column' | 'constraint' | 'index' | 'trigger' | 'view';
  /** The object's name; a column or constraint is named `table.column`. */
  readonly name: string;
  /** The difference as a sentence. */
  readonly sentence: string;
  /** What a thing that is different was expected to be, and what it is; `none such` where it is not there. */
  readonly detail?: { readonly expected: string; readonly found: string } | undefined;
}

/** What stands where a constraint is not there. */
export const noneSuch = 'none such';

/** The columns of a table by name in lower case. */
export function columnsOf({ columns }: TableSnapshot): ReadonlyMap<string, ColumnDefinition> {
  const known = columnMaps.get(columns) ?? new Map(columns.map((column) => [foldName(column.name), column]));
  columnMaps.set(columns, known);
  return known;
}

/** What was made before: weighing a schema asks for the same columns again and again. */
const columnMaps = new WeakMap<TableSnapshot['columns'], ReadonlyMap<string, ColumnDefinition>>();

/** What a column is besides its name: type, NOT NULL, default, collation, generation. */
export function columnMeaning(column: ColumnDefinition): string {
  return `${column.type}${column.notNull ? ' NOT NULL' : ''}${column.rest === '' ? '' : ` ${column.rest}`}`.trim();
}

/** What a constraint says, in words. */
export function constraintMeaning(constraint: TableConstraint): string {
  return `${constraint.kind} ${constraint.meaning}`;
}

/** The constraints that speak of the given columns only. */
export function constraintsOver(
  table: TableSnapshot,
  columns: ReadonlyMap<string, unknown>,
): readonly TableConstraint[] {
  return table.constraints.filter((constraint) => constraint.columns.every((column) => columns.has(column)));
}

function difference(
  kind: SchemaDifference['kind'],
  object: SchemaDifference['object'],
  name: string,
  detail?: { expected: string; found: string },
): SchemaDifference {
  const subject = `${object} ${shownName(name)}`;
  switch (kind) {
    case 'missing':
      return { kind, object, name, sentence: `${subject} is missing` };
    case 'extra':
      return { kind, object, name, sentence: `${subject} is an addition of this database's own` };
    case 'different':
      return {
        kind,
        object,
        name,
        sentence: `${subject} differs: expected ${detail?.expected ?? 'nothing'}, found ${detail?.found ?? 'nothing'}`,
        detail,
      };
  }
}

function compareColumns(expected: TableSnapshot, found: TableSnapshot): SchemaDifference[] {
  const differences: SchemaDifference[] = [];
  const foundColumns = columnsOf(found);
  const expectedColumns = columnsOf(expected);
  for (const [key, column] of expectedColumns) {
    const name = `${expected.name}.${column.name}`;
    const other = foundColumns.get(key);
    if (other === undefined) differences.push(difference('missing', 'column', name));
    else if (columnMeaning(other) !== columnMeaning(column))
      differences.push(
        difference('different', 'column', name, {
          expected: columnMeaning(column),
          found: columnMeaning(other),
        }),
      );
  }
  for (const [key, column] of foundColumns)
    if (!expectedColumns.has(key))
      differences.push(difference('extra', 'column', `${found.name}.${column.name}`));
  return differences;
}

function compareConstraints(expected: TableSnapshot, found: TableSnapshot): SchemaDifference[] {
  const ours = columnsOf(expected);
  const wanted = new Set(expected.constraints.map(constraintMeaning));
  const present = new Set(constraintsOver(found, ours).map(constraintMeaning));
  const options = (table: TableSnapshot): string =>
    [table.withoutRowid ? 'WITHOUT ROWID' : '', table.strict ? 'STRICT' : ''].join(' ').trim() ||
    'no table option';
  return [
    ...[...wanted]
      .filter((meaning) => !present.has(meaning))
      .map((meaning) =>
        difference('different', 'constraint', expected.name, { expected: meaning, found: noneSuch }),
      ),
    ...[...present]
      .filter((meaning) => !wanted.has(meaning))
      .map((meaning) =>
        difference('different', 'constraint', expected.name, { expected: noneSuch, found: meaning }),
      ),
    ...(options(expected) === options(found)
      ? []
      : [
          difference('different', 'table', expected.name, {
            expected: options(expected),
            found: options(found),
          }),
        ]),
  ];
}

function compareTables(expected: TableSnapshot, found: TableSnapshot): SchemaDifference[] {
  if (expected.virtual || found.virtual)
    return expected.sql === found.sql
      ? []
      : [difference('different', 'table', expected.name, { expected: expected.sql, found: found.sql })];
  return [...compareColumns(expected, found), ...compareConstraints(expected, found)];
}

/** Whether two objects of one name mean the same. */
export function sameObject(expected: ObjectSnapshot, found: ObjectSnapshot): boolean {
  return expected.type === found.type && expected.meaning === found.meaning;
}

/**
 * Compares two schemas by meaning: columns without regard to order, types, defaults, keys, checks, indexes, triggers,
 * views. How a statement was spelled does not matter.
 *
 * @returns nothing where `found` has all that `expected` has and no more
 */
export function compareSchemas(expected: SchemaSnapshot, found: SchemaSnapshot): SchemaDifference[] {
  const differences: SchemaDifference[] = [];
  for (const [key, table] of expected.tables) {
    const other = found.tables.get(key);
    if (other === undefined) differences.push(difference('missing', 'table', table.name));
    else differences.push(...compareTables(table, other));
  }
  for (const [key, object] of expected.objects) {
    const other = found.objects.get(key);
    if (other === undefined) differences.push(difference('missing', object.type, object.name));
    else if (!sameObject(object, other))
      differences.push(
        difference('different', object.type, object.name, { expected: object.sql, found: other.sql }),
      );
  }
  for (const [key, table] of found.tables)
    if (!expected.tables.has(key)) differences.push(difference('extra', 'table', table.name));
  for (const [key, object] of found.objects)
    if (!expected.objects.has(key)) differences.push(difference('extra', object.type, object.name));
  return differences;
}
