import type { DatabaseBridge } from '../database/database-bridge.js';
import type { FileEvidence, SchemaElement } from './legacy-evidence.js';
import type { Replay, ReplayStep } from './migration-replay.js';
import { columnsOf } from './schema-comparison.js';
import { readSchema, type SchemaSnapshot } from './schema-snapshot.js';
import { quoteName, type ColumnDefinition } from './table-definition.js';
import { rebuildTable, type CheckViolations } from './table-rebuild.js';

/** What completing one file did. */
export interface Completion {
  /** The objects that were added or given their right form, as a person calls them. */
  readonly completed: readonly string[];
  readonly checkViolations: readonly CheckViolations[];
}

/** Whether ALTER TABLE ADD COLUMN takes this definition ("ALTER TABLE", the restrictions of ADD COLUMN). */
function canBeAdded(column: ColumnDefinition): boolean {
  return (
    column.generated !== 'stored' &&
    column.defaultKind !== 'expression' &&
    !(column.notNull && column.defaultKind === 'none') &&
    !/\b(primary\s+key|unique|references)\b/i.test(column.sql)
  );
}

/** The statement that makes an element, in the newest form that the adopted files give it. */
function objectSql(element: SchemaElement, step: ReplayStep, target: SchemaSnapshot): string {
  const object = target.objects.get(element.name) ?? step.after.objects.get(element.name);
  if (object === undefined) throw new Error(`The replay has no ${element.label}.`);
  return object.sql;
}

/**
 * Adds what is missing of a partly present file and gives its right form to what has another one, object by object:
 * tables, columns, constraints, then indexes, triggers and views. The file's data statements do not run.
 *
 * Must run inside a transaction, with foreign keys off.
 *
 * @param target the schema after the newest file that the database holds, wholly or in part
 */
export async function completeFile(
  db: DatabaseBridge,
  { migration, missing, different }: FileEvidence,
  replay: Replay,
  target: SchemaSnapshot,
): Promise<Completion> {
  const step = replay.steps.find((each) => each.migration.version === migration.version);
  if (step === undefined) throw new Error(`The replay has no migration ${migration.version}.`);
  const checkViolations: CheckViolations[] = [];

  for (const element of missing) {
    const table = step.after.tables.get(element.table);
    if (element.type === 'table' && table !== undefined) await db.executeScript(table.sql);
  }

  const rebuilds = new Map<string, string[]>();
  for (const element of different)
    if (element.type === 'table' || element.type === 'constraints' || element.type === 'column')
      rebuilds.set(element.table, []);
  for (const element of missing) {
    if (element.type !== 'column') continue;
    const table = step.after.tables.get(element.table);
    const column = table === undefined ? undefined : columnsOf(table).get(element.name);
    if (table === undefined || column === undefined) continue;
    if (canBeAdded(column))
      await db.executeScript(`ALTER TABLE ${quoteName(table.name)} ADD COLUMN ${column.sql}`);
    else rebuilds.set(element.table, [...(rebuilds.get(element.table) ?? []), element.name]);
  }
  for (const [name, addColumns] of rebuilds) {
    const live = await readSchema(db);
    const table = live.tables.get(name);
    const form = target.tables.get(name) ?? step.after.tables.get(name);
    if (table === undefined || form === undefined) continue;
    checkViolations.push(...(await rebuildTable(db, live, { table, form, addColumns })));
  }

  for (const element of different)
    if (element.type === 'index' || element.type === 'trigger' || element.type === 'view')
      await db.executeScript(`DROP ${element.type} ${quoteName(element.name)}`);
  for (const type of ['index', 'view', 'trigger'] as const)
    for (const element of [...missing, ...different])
      if (element.type === type) await db.executeScript(objectSql(element, step, target));

  return { completed: [...missing, ...different].map(({ label }) => label), checkViolations };
}
