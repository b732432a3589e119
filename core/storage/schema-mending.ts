import type { DatabaseBridge } from '../database/database-bridge.js';
import type { CheckViolations } from './check-violations.js';
import type { ReplayStep } from './migration-replay.js';
import { compareSchemas, columnsOf, type SchemaDifference } from './schema-comparison.js';
import {
  emptySchema,
  type ObjectSnapshot,
  type SchemaSnapshot,
  type TableSnapshot,
} from './schema-snapshot.js';
import { foldName } from './sql-tokens.js';
import { quoteName } from './table-definition.js';
import { canBeAdded, rebuildScript, rebuildTable, type RebuildRequest } from './table-rebuild.js';

/** A difference from the expected schema, with what would mend it. */
export interface Drift extends SchemaDifference {
  /**
   * The statements that would mend it, in their order, without semicolons; those of a rebuild are the same for every
   * difference of a table. Empty where only a person can tell what to do.
   */
  readonly mend: readonly string[];
  /** What the statements would change in rows, as a sentence; undefined where they change none. */
  readonly caution?: string | undefined;
}

/** One thing of a schema: a table, one of its columns, an index, a trigger, a view. */
export interface SchemaPlace {
  readonly kind: 'table' | 'column' | 'object';
  /** The key in the snapshot's tables or objects. */
  readonly key: string;
  /** The column's name in lower case; empty for everything else. */
  readonly column: string;
}

/** A drift together with where it is and how it is mended. */
export interface Finding {
  readonly drift: Drift;
  readonly place: SchemaPlace;
  readonly remedy: Remedy;
}

type Remedy =
  | { readonly kind: 'statements'; readonly statements: readonly string[] }
  | { readonly kind: 'rebuild'; readonly request: RebuildRequest }
  | { readonly kind: 'none' };

const none: Remedy = { kind: 'none' };

/**
 * Finds what is missing or different in a schema, and what would mend it. What it has beyond is no drift.
 *
 * Pure.
 */
export function diagnose(expected: SchemaSnapshot, live: SchemaSnapshot): Finding[] {
  const findings = [...expected.tables].flatMap(([key, table]) => tableFindings(key, table, live));
  for (const [key, object] of expected.objects) {
    // What hangs on something that only a person can mend has to wait for that.
    const waits = findings.some(
      ({ place, remedy }) => remedy.kind === 'none' && place.key === foldName(object.table),
    );
    findings.push(...objectFindings(key, object, live, waits));
  }
  return findings;
}

function finding(
  difference: SchemaDifference,
  place: SchemaPlace,
  remedy: Remedy,
  live: SchemaSnapshot,
  caution?: string,
): Finding {
  const drift = {
    ...difference,
    mend: statementsOf(remedy, live),
    ...(caution === undefined ? {} : { caution }),
  };
  return { drift, place, remedy };
}

/** A rebuild copies values into a column of another type, which converts what it can ("Datatypes In SQLite", section 3). */
function conversionOf(column: string, expected: TableSnapshot, found: TableSnapshot): string | undefined {
  const [before, after] = [columnsOf(found).get(column), columnsOf(expected).get(column)];
  if (before === undefined || after === undefined || before.type === after.type) return undefined;
  return `The statements convert the values of ${found.name}.${before.name} as a column of the type ${after.type === '' ? 'none' : after.type} does: '007' becomes 7 in a number, and 7 becomes '7' in a text. "repair" refuses where any would change.`;
}

function statementsOf(remedy: Remedy, live: SchemaSnapshot): readonly string[] {
  switch (remedy.kind) {
    case 'none':
      return [];
    case 'statements':
      return remedy.statements;
    case 'rebuild':
      return rebuildScript(live, remedy.request);
  }
}

function withoutExtras(differences: readonly SchemaDifference[]): SchemaDifference[] {
  return differences.filter(({ kind }) => kind !== 'extra');
}

function tableFindings(key: string, expected: TableSnapshot, live: SchemaSnapshot): Finding[] {
  const found = live.tables.get(key);
  const only = (table: TableSnapshot | undefined): SchemaSnapshot =>
    table === undefined ? emptySchema : { ...emptySchema, tables: new Map([[key, table]]) };
  const differences = withoutExtras(compareSchemas(only(expected), only(found)));
  const whole: SchemaPlace = { kind: 'table', key, column: '' };
  if (found === undefined) {
    const remedy: Remedy = live.objects.has(key) ? none : { kind: 'statements', statements: [expected.sql] };
    return differences.map((difference) => finding(difference, whole, remedy, live));
  }
  if (!canBeRebuilt(expected, found))
    return differences.map((difference) => finding(difference, whole, none, live));
  const additions = missingColumns(expected, found);
  const request: RebuildRequest = { table: found, form: expected, addColumns: [...additions.keys()] };
  const isRebuild = needsRebuild(expected, found, additions);
  return differences.map((difference) => {
    const column = difference.object === 'column' ? columnOf(difference, expected) : '';
    const place: SchemaPlace = column === '' ? whole : { kind: 'column', key, column };
    const own = additions.get(column);
    const statements = own === undefined ? [...additions.values()] : [own];
    return finding(
      difference,
      place,
      isRebuild ? { kind: 'rebuild', request } : { kind: 'statements', statements },
      live,
      isRebuild && column !== '' ? conversionOf(column, expected, found) : undefined,
    );
  });
}

function columnOf({ name }: SchemaDifference, table: TableSnapshot): string {
  return foldName(name.slice(table.name.length + 1));
}

/** Whether a rebuild makes the one of the other: rows keep their key, and what is stored does not become computed. */
function canBeRebuilt(expected: TableSnapshot, found: TableSnapshot): boolean {
  if (expected.virtual || found.virtual || primaryKey(expected) !== primaryKey(found)) return false;
  const wanted = columnsOf(expected);
  return found.columns.every(
    ({ name, generated }) => generated !== 'no' || (wanted.get(foldName(name))?.generated ?? 'no') === 'no',
  );
}

function primaryKey({ constraints }: TableSnapshot): string | undefined {
  return constraints.find(({ kind }) => kind === 'primary key')?.columns.join();
}

/** The statement that adds each column which is missing, by the column's name in lower case. */
function missingColumns(expected: TableSnapshot, found: TableSnapshot): ReadonlyMap<string, string> {
  const there = columnsOf(found);
  return new Map(
    [...columnsOf(expected)]
      .filter(([name]) => !there.has(name))
      .map(([name, { sql }]) => [name, `ALTER TABLE ${quoteName(found.name)} ADD COLUMN ${sql}`]),
  );
}

/** Whether something is left to mend when all missing columns were added, or one of them cannot be. */
function needsRebuild(
  expected: TableSnapshot,
  found: TableSnapshot,
  additions: ReadonlyMap<string, string>,
): boolean {
  const added = expected.columns.filter(({ name }) => additions.has(foldName(name)));
  if (!added.every(canBeAdded)) return true;
  // A check that stands beside a column comes with it.
  const checks = expected.constraints.filter(
    ({ kind, tableSql, expression }) =>
      kind === 'check' &&
      tableSql === undefined &&
      expression !== undefined &&
      added.some(({ sql }) => sql.includes(expression)),
  );
  const completed: TableSnapshot = {
    ...found,
    columns: [...found.columns, ...added],
    constraints: [...found.constraints, ...checks],
  };
  const tables = (table: TableSnapshot): SchemaSnapshot => ({
    ...emptySchema,
    tables: new Map([['t', table]]),
  });
  return withoutExtras(compareSchemas(tables(expected), tables(completed))).length > 0;
}

function objectFindings(
  key: string,
  expected: ObjectSnapshot,
  live: SchemaSnapshot,
  waits: boolean,
): Finding[] {
  const found = live.objects.get(key);
  const only = (object: ObjectSnapshot | undefined): SchemaSnapshot =>
    object === undefined ? emptySchema : { ...emptySchema, objects: new Map([[key, object]]) };
  const remedy = waits ? none : objectRemedy(key, expected, found, live);
  return withoutExtras(compareSchemas(only(expected), only(found))).map((difference) =>
    finding(difference, { kind: 'object', key, column: '' }, remedy, live),
  );
}

function objectRemedy(
  key: string,
  expected: ObjectSnapshot,
  found: ObjectSnapshot | undefined,
  live: SchemaSnapshot,
): Remedy {
  if (live.tables.has(key)) return none;
  if (found === undefined) return { kind: 'statements', statements: [expected.sql] };
  // Of another type or on another table, it is somebody else's.
  if (found.type !== expected.type || foldName(found.table) !== foldName(expected.table)) return none;
  // With a view go the triggers on it.
  const onView = [...live.objects.values()].filter(
    ({ type, table }) =>
      expected.type === 'view' && type === 'trigger' && foldName(table) === foldName(found.name),
  );
  return {
    kind: 'statements',
    statements: [
      `DROP ${found.type.toUpperCase()} ${quoteName(found.name)}`,
      expected.sql,
      ...onView.map(({ sql }) => sql),
    ],
  };
}

/** The version of the last migration that made or changed a thing. */
export function makerOf(place: SchemaPlace, steps: readonly ReplayStep[]): number {
  const maker = steps.findLast(({ before, after }) => textOf(place, before) !== textOf(place, after));
  return (maker ?? steps.at(-1))?.migration.version ?? 0;
}

function textOf({ kind, key, column }: SchemaPlace, schema: SchemaSnapshot): string | undefined {
  if (kind === 'object') return schema.objects.get(key)?.sql;
  const table = schema.tables.get(key);
  return kind === 'table' || table === undefined ? table?.sql : columnsOf(table).get(column)?.sql;
}

/**
 * Mends every finding that can be mended: adds what is missing, makes again what has another form.
 *
 * Must run inside a transaction, with foreign keys off.
 *
 * @param live the schema in which they were found
 * @throws DatabaseError when SQLite refuses, because rows do not fit the rules
 */
export async function mendDrift(
  db: DatabaseBridge,
  findings: readonly Finding[],
  live: SchemaSnapshot,
): Promise<CheckViolations[]> {
  const violations: CheckViolations[] = [];
  const done = new Set<RebuildRequest | string>();
  for (const { remedy } of findings) {
    if (remedy.kind === 'rebuild' && !done.has(remedy.request)) {
      done.add(remedy.request);
      violations.push(...(await rebuildTable(db, live, remedy.request)));
    } else if (remedy.kind === 'statements')
      for (const statement of remedy.statements) {
        if (done.has(statement)) continue;
        done.add(statement);
        await db.executeScript(statement);
      }
  }
  return violations;
}
