import type { ReplayStep } from './migration-replay.js';
import {
  columnMeaning,
  columnsOf,
  constraintMeaning,
  constraintsOver,
  sameObject,
} from './schema-comparison.js';
import type { SchemaSnapshot, TableSnapshot } from './schema-snapshot.js';
import { foldName, shownName } from './sql-tokens.js';
import type { ColumnDefinition, TableConstraint } from './table-definition.js';

/** One thing that a migration adds to the schema. */
export interface SchemaElement {
  /** `constraints`: new keys, checks and column rules of a table that was there before. */
  readonly type: 'table' | 'constraints' | 'column' | 'index' | 'trigger' | 'view';
  /** The key of the table it belongs to, in lower case; a view's own. */
  readonly table: string;
  /** Its own key in a schema's snapshot; a column's name in lower case. */
  readonly name: string;
  /** The columns that new constraints speak of, in lower case; empty for everything else. */
  readonly columns: readonly string[];
  /** What a person calls it. */
  readonly label: string;
}

/** What a step adds to the schema it found. */
export function footprint(step: ReplayStep): readonly SchemaElement[] {
  const known = footprints.get(step) ?? readFootprint(step);
  footprints.set(step, known);
  return known;
}

/** What was found before: each weighing asks for the footprint of a step several times. */
const footprints = new WeakMap<ReplayStep, readonly SchemaElement[]>();

function readFootprint({ before, after }: ReplayStep): SchemaElement[] {
  const elements: SchemaElement[] = [];
  for (const [table, snapshot] of after.tables) {
    const earlier = before.tables.get(table);
    const base = { table, columns: [] };
    if (earlier === undefined) {
      elements.push({ ...base, type: 'table', name: table, label: `table ${shownName(snapshot.name)}` });
      continue;
    }
    // A replay takes over what a file leaves as it is.
    if (earlier === snapshot) continue;
    const known = columnsOf(earlier);
    for (const [name, column] of columnsOf(snapshot))
      if (!known.has(name))
        elements.push({
          ...base,
          type: 'column',
          name,
          label: `column ${shownName(`${snapshot.name}.${column.name}`)}`,
        });
    const columns = changedRules(earlier, snapshot);
    if (columns !== undefined) {
      const label = `constraints of table ${shownName(snapshot.name)}`;
      elements.push({ type: 'constraints', table, name: table, columns, label });
    }
  }
  for (const [name, object] of after.objects) {
    const earlier = before.objects.get(name);
    if (earlier === undefined || !sameObject(earlier, object))
      elements.push({
        type: object.type,
        table: foldName(object.table),
        name,
        columns: [],
        label: `${object.type} ${shownName(object.name)}`,
      });
  }
  return elements;
}

/** The columns of a table whose rules a step changed; undefined where it changed no rule. */
function changedRules(before: TableSnapshot, after: TableSnapshot): readonly string[] | undefined {
  if (before.virtual || after.virtual) return before.sql === after.sql ? undefined : [];
  const [known, now] = [columnsOf(before), columnsOf(after)];
  const changed = [...now].filter(([name, column]) => {
    const earlier = known.get(name);
    return earlier !== undefined && columnMeaning(earlier) !== columnMeaning(column);
  });
  const kept = constraintsOver(before, now);
  const constraints = [
    ...kept.filter((constraint) => !hasConstraint(after.constraints, constraint)),
    ...after.constraints.filter((constraint) => !hasConstraint(kept, constraint)),
  ];
  const sameOptions = before.strict === after.strict && before.withoutRowid === after.withoutRowid;
  if (changed.length === 0 && constraints.length === 0 && sameOptions) return undefined;
  return [...new Set([...changed.map(([name]) => name), ...constraints.flatMap(({ columns }) => columns)])];
}

function hasConstraint(list: readonly TableConstraint[], constraint: TableConstraint): boolean {
  return list.some((other) => constraintMeaning(other) === constraintMeaning(constraint));
}

/** Whether any of what a step takes away is still there; undefined where it takes nothing away. */
export function removalsAreThere({ before, after }: ReplayStep, live: SchemaSnapshot): boolean | undefined {
  const tables = [...before.tables.keys()].filter((name) => !after.tables.has(name));
  const objects = [...before.objects.keys()].filter((name) => !after.objects.has(name));
  const columns = [...before.tables].flatMap(([name, table]) => {
    const left = after.tables.get(name);
    if (left === undefined) return [];
    const there = columnsOf(left);
    return [...columnsOf(table).keys()]
      .filter((column) => !there.has(column))
      .map((column) => ({ table: name, column }));
  });
  if (tables.length + objects.length + columns.length === 0) return undefined;
  return (
    tables.some((name) => live.tables.has(name)) ||
    objects.some((name) => live.objects.has(name)) ||
    columns.some(({ table, column }) => hasColumn(live, table, column))
  );
}

function hasColumn(schema: SchemaSnapshot, table: string, column: string): boolean {
  const found = schema.tables.get(table);
  return found !== undefined && columnsOf(found).has(column);
}

/**
 * Whether a table has the rules of another, as far as both have the same columns.
 *
 * @param only the columns to which the comparison is restricted
 */
function sameForm(found: TableSnapshot, form: TableSnapshot, only?: readonly string[]): boolean {
  if (found.virtual || form.virtual) return found.sql === form.sql;
  const concerned = (table: TableSnapshot): ReadonlyMap<string, ColumnDefinition> =>
    new Map([...columnsOf(table)].filter(([name]) => only === undefined || only.includes(name)));
  const foundColumns = concerned(found);
  const formColumns = concerned(form);
  for (const [name, column] of formColumns) {
    const other = foundColumns.get(name);
    if (other !== undefined && columnMeaning(other) !== columnMeaning(column)) return false;
  }
  const common = new Map([...formColumns].filter(([name]) => foundColumns.has(name)));
  const expected = constraintsOver(form, common);
  const present = constraintsOver(found, common);
  return (
    found.strict === form.strict &&
    found.withoutRowid === form.withoutRowid &&
    expected.every((constraint) => hasConstraint(present, constraint)) &&
    present.every((constraint) => hasConstraint(expected, constraint))
  );
}

export function hasElement(schema: SchemaSnapshot, element: SchemaElement): boolean {
  switch (element.type) {
    case 'table':
      return schema.tables.has(element.table);
    case 'constraints':
      return (
        schema.tables.has(element.table) &&
        element.columns.every((column) => hasColumn(schema, element.table, column))
      );
    case 'column':
      return hasColumn(schema, element.table, element.name);
    case 'index':
    case 'trigger':
    case 'view':
      return schema.objects.has(element.name);
  }
}

/** Whether an element that both schemas have is the same in both. */
export function sameElement(live: SchemaSnapshot, form: SchemaSnapshot, element: SchemaElement): boolean {
  if (element.type === 'index' || element.type === 'trigger' || element.type === 'view') {
    const found = live.objects.get(element.name);
    const expected = form.objects.get(element.name);
    return found !== undefined && expected !== undefined && sameObject(expected, found);
  }
  const found = live.tables.get(element.table);
  const expected = form.tables.get(element.table);
  if (found === undefined || expected === undefined) return false;
  if (element.type === 'table') return sameForm(found, expected);
  if (element.type === 'constraints') return sameForm(found, expected, element.columns);
  const column = columnsOf(found).get(element.name);
  const wanted = columnsOf(expected).get(element.name);
  return column !== undefined && wanted !== undefined && columnMeaning(column) === columnMeaning(wanted);
}

/**
 * What a file makes anew when it is applied, over what is there: the objects and constraints that it changes, and with a
 * table that it rebuilds all that hangs on it. What a later file made of these is gone then, and so is applied again.
 */
export function remakes(step: ReplayStep): string[] {
  const changed = footprint(step).filter(({ type }) => type !== 'table' && type !== 'column');
  const rebuilt = new Set(changed.filter(({ type }) => type === 'constraints').map(({ table }) => table));
  const hanging = [...step.after.objects].filter(([, { table }]) => rebuilt.has(foldName(table)));
  return [
    ...changed.map(({ type, name }) => `${type} ${name}`),
    ...hanging.map(([name, { type }]) => `${type} ${name}`),
  ];
}
