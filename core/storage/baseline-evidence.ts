import { footprint, hasElement, sameElement, type SchemaElement } from './migration-footprint.js';
import type { ReplayStep } from './migration-replay.js';
import { columnsOf, compareSchemas } from './schema-comparison.js';
import { isEmptySchema, type SchemaSnapshot } from './schema-snapshot.js';
import { foldName } from './sql-tokens.js';

/** Whether a file changes the schema, so that something can be seen of it. */
export function changesSchema({ before, after }: ReplayStep): boolean {
  return compareSchemas(before, after).length > 0;
}

/**
 * Why a schema is not what files make: everything that is missing or different, and everything that they take away and
 * that is still there. What it has beyond does not count.
 *
 * Pure.
 *
 * @param steps the files, the first one first
 * @returns nothing where the schema holds all that they make
 */
export function misfits(live: SchemaSnapshot, steps: readonly ReplayStep[]): string[] {
  const last = steps.at(-1);
  if (last === undefined) return [];
  const drift = compareSchemas(last.after, live).filter(({ kind }) => kind !== 'extra');
  return [
    ...drift.map(({ sentence }) => sentence),
    ...steps.flatMap((step) => removals(step, live, last.after)),
  ];
}

/** What a step takes away, no later one brings back, and the schema still has. */
function removals(
  { migration, before, after }: ReplayStep,
  live: SchemaSnapshot,
  final: SchemaSnapshot,
): string[] {
  const sentence = (what: string): string => `${what} is there, which ${migration.filename} takes away`;
  const isLeft = (key: string, kind: 'tables' | 'objects'): boolean =>
    !after[kind].has(key) && !final[kind].has(key) && live[kind].has(key);
  const tables = [...before.tables].filter(([key]) => isLeft(key, 'tables'));
  const objects = [...before.objects].filter(([key]) => isLeft(key, 'objects'));
  const columns = [...before.tables].flatMap(([key, table]) => {
    const [now, end, found] = [after, final, live].map((schema) => {
      const other = schema.tables.get(key);
      return other === undefined ? undefined : columnsOf(other);
    });
    if (now === undefined) return [];
    return table.columns
      .filter(({ name }) => {
        const column = foldName(name);
        return !now.has(column) && end?.has(column) !== true && found?.has(column) === true;
      })
      .map(({ name }) => sentence(`column ${table.name}.${name}`));
  });
  return [
    ...tables.map(([, { name }]) => sentence(`table ${name}`)),
    ...objects.map(([, { type, name }]) => sentence(`${type} ${name}`)),
    ...columns,
  ];
}

/**
 * What a schema has already of files that are not recorded: they were begun, or done, by something that did not write it
 * down.
 *
 * Pure. What the recorded files make as well shows nothing.
 *
 * @param all every file, the first one first
 * @param recorded those that are recorded
 */
export function unrecordedWork(
  live: SchemaSnapshot,
  all: readonly ReplayStep[],
  recorded: readonly ReplayStep[],
): string[] {
  const known = new Set(recorded.map(({ migration }) => migration.version));
  const made = recorded.at(-1)?.after;
  const isNew = (step: ReplayStep, element: SchemaElement): boolean =>
    hasElement(live, element) &&
    (made === undefined ||
      !hasElement(made, element) ||
      (sameElement(live, step.after, element) && !sameElement(live, made, element)));
  return all
    .filter(({ migration }) => !known.has(migration.version))
    .flatMap((step) =>
      footprint(step)
        .filter((element) => isNew(step, element))
        .map(({ label }) => `${label} is there, which ${step.migration.filename} makes`),
    );
}

/**
 * Finds the newest file that changes the schema and up to which everything is there, by the number of files up to it.
 *
 * Pure. Files after it that change data only leave nothing to be seen, and are not counted.
 *
 * @returns 0 where not even the first such file is wholly there
 */
export function findBaseline(live: SchemaSnapshot, steps: readonly ReplayStep[]): number {
  for (let count = steps.length; count > 0; count -= 1) {
    const step = steps[count - 1];
    // A schema with nothing in it would be found everywhere.
    if (step === undefined || !changesSchema(step) || isEmptySchema(step.after)) continue;
    if (misfits(live, steps.slice(0, count)).length === 0) return count;
  }
  return 0;
}

/**
 * What shows that a file has been carried out, as a person calls it.
 *
 * @param found a schema in which later files were carried out, too: what they took away shows nothing any more
 */
export function evidenceOf(step: ReplayStep, found: SchemaSnapshot): string[] {
  const made = footprint(step)
    .filter((element) => hasElement(found, element))
    .map(({ label }) => label);
  const gone = (schema: SchemaSnapshot): string[] =>
    compareSchemas(step.before, schema)
      .filter(({ kind }) => kind === 'missing')
      .map(({ object, name }) => `no ${object} ${name}`);
  const still = new Set(gone(found));
  return [...made, ...gone(step.after).filter((what) => still.has(what))];
}
