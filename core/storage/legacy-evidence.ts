import type { Migration } from './migration.js';
import type { Replay, ReplayStep } from './migration-replay.js';
import {
  columnMeaning,
  columnsOf,
  constraintMeaning,
  constraintsOver,
  sameObject,
} from './schema-comparison.js';
import { isEmptySchema, type SchemaSnapshot, type TableSnapshot } from './schema-snapshot.js';

/**
 * What each number that old releases kept in `PRAGMA user_version` claims: the versions of the migrations whose work
 * such a database should hold. 0 claims nothing and needs no entry.
 */
export type LegacyVersions = Readonly<Record<number, readonly number[]>>;

/** One thing that a migration adds to the schema. */
export interface SchemaElement {
  /** `constraints`: the keys, checks and column rules of a table that was there before. */
  readonly type: 'table' | 'constraints' | 'column' | 'index' | 'trigger' | 'view';
  /** The key of the table it belongs to, in lower case; a view's own. */
  readonly table: string;
  /** Its own key, in lower case. */
  readonly name: string;
  /** What a person calls it. */
  readonly label: string;
}

/** How much of one migration is in a legacy database. */
export interface FileEvidence {
  readonly migration: Migration;
  /**
   * - `present`: its whole footprint is there.
   * - `partial`: a part is there, or something is there in another form.
   * - `absent`: nothing of it is there.
   * - `data-only`: it changes no schema, so that nothing can be seen of it.
   */
  readonly state: 'present' | 'partial' | 'absent' | 'data-only';
  /** Whether the user_version of the database claims this file. */
  readonly claimed: boolean;
  /** Whether any legacy version claims it; of the others, a claim says nothing. */
  readonly claimable: boolean;
  readonly missing: readonly SchemaElement[];
  readonly different: readonly SchemaElement[];
}

/** What a database without a history really is. */
export type Evidence =
  | { readonly kind: 'empty'; readonly claimed: number }
  | { readonly kind: 'foreign'; readonly claimed: number; readonly reasons: readonly string[] }
  | {
      readonly kind: 'legacy';
      readonly claimed: number;
      /** The highest legacy version whose files are all wholly there; 0 where none is. */
      readonly evident: number;
      readonly files: readonly FileEvidence[];
    };

/** What a step adds to the schema it found. */
function footprint({ before, after }: ReplayStep): SchemaElement[] {
  const elements: SchemaElement[] = [];
  for (const [table, snapshot] of after.tables) {
    const earlier = before.tables.get(table);
    if (earlier === undefined) {
      elements.push({ type: 'table', table, name: table, label: `table ${snapshot.name}` });
      continue;
    }
    const known = columnsOf(earlier);
    for (const [name, column] of columnsOf(snapshot))
      if (!known.has(name))
        elements.push({ type: 'column', table, name, label: `column ${snapshot.name}.${column.name}` });
    if (!sameForm(earlier, snapshot))
      elements.push({
        type: 'constraints',
        table,
        name: table,
        label: `constraints of table ${snapshot.name}`,
      });
  }
  for (const [name, object] of after.objects) {
    const earlier = before.objects.get(name);
    if (earlier === undefined || !sameObject(earlier, object))
      elements.push({
        type: object.type,
        table: object.table.toLowerCase(),
        name,
        label: `${object.type} ${object.name}`,
      });
  }
  return elements;
}

/** What a step takes away from the schema it found. */
function removals({ before, after }: ReplayStep): string[] {
  return [
    ...[...before.tables.keys()].filter((name) => !after.tables.has(name)),
    ...[...before.objects.keys()].filter((name) => !after.objects.has(name)),
  ];
}

/** Whether a table has the rules of another, as far as both have the same columns. */
export function sameForm(found: TableSnapshot, form: TableSnapshot): boolean {
  if (found.virtual || form.virtual) return found.sql === form.sql;
  const foundColumns = columnsOf(found);
  const formColumns = columnsOf(form);
  for (const [name, column] of formColumns) {
    const other = foundColumns.get(name);
    if (other !== undefined && columnMeaning(other) !== columnMeaning(column)) return false;
  }
  const expected = constraintsOver(form, foundColumns).map(constraintMeaning);
  const present = constraintsOver(found, formColumns).map(constraintMeaning);
  return (
    found.strict === form.strict &&
    found.withoutRowid === form.withoutRowid &&
    expected.every((meaning) => present.includes(meaning)) &&
    present.every((meaning) => expected.includes(meaning))
  );
}

function hasElement(schema: SchemaSnapshot, element: SchemaElement): boolean {
  switch (element.type) {
    case 'table':
    case 'constraints':
      return schema.tables.has(element.table);
    case 'column': {
      const table = schema.tables.get(element.table);
      return table !== undefined && columnsOf(table).has(element.name);
    }
    case 'index':
    case 'trigger':
    case 'view':
      return schema.objects.has(element.name);
  }
}

/** Whether an element that both schemas have is the same in both. */
function sameElement(live: SchemaSnapshot, form: SchemaSnapshot, element: SchemaElement): boolean {
  if (element.type === 'index' || element.type === 'trigger' || element.type === 'view') {
    const found = live.objects.get(element.name);
    const expected = form.objects.get(element.name);
    return found !== undefined && expected !== undefined && sameObject(expected, found);
  }
  const found = live.tables.get(element.table);
  const expected = form.tables.get(element.table);
  if (found === undefined || expected === undefined) return false;
  if (element.type !== 'column') return sameForm(found, expected);
  const column = columnsOf(found).get(element.name);
  const wanted = columnsOf(expected).get(element.name);
  return column !== undefined && wanted !== undefined && columnMeaning(column) === columnMeaning(wanted);
}

type Weight = 'present' | 'different' | 'absent' | 'superseded';

/** Weighs one element of step `index` against the live schema. */
function weigh(
  live: SchemaSnapshot,
  replay: Replay,
  index: number,
  element: SchemaElement,
  claimed: ReadonlySet<number>,
): Weight {
  if (!hasElement(live, element)) {
    const remover = replay.steps.slice(index + 1).find((step) => !hasElement(step.after, element));
    return remover !== undefined && claimed.has(remover.migration.version) ? 'superseded' : 'absent';
  }
  const later = replay.steps.slice(index);
  if (later.some((step) => hasElement(step.after, element) && sameElement(live, step.after, element)))
    return 'present';
  const earlier = replay.steps.slice(0, index);
  return earlier.some((step) => hasElement(step.after, element) && sameElement(live, step.after, element))
    ? 'absent'
    : 'different';
}

function weighFile(
  live: SchemaSnapshot,
  replay: Replay,
  index: number,
  step: ReplayStep,
  claimed: ReadonlySet<number>,
  claimable: ReadonlySet<number>,
): FileEvidence {
  const version = step.migration.version;
  const elements = footprint(step);
  const gone = removals(step);
  const base = {
    migration: step.migration,
    claimed: claimed.has(version),
    claimable: claimable.has(version),
    missing: [],
    different: [],
  };
  if (elements.length === 0) {
    if (gone.length === 0) return { ...base, state: 'data-only' };
    const stillThere = gone.some((name) => live.tables.has(name) || live.objects.has(name));
    return { ...base, state: !stillThere && claimed.has(version) ? 'present' : 'absent' };
  }
  const weights = elements.map((element) => ({
    element,
    weight: weigh(live, replay, index, element, claimed),
  }));
  const withWeight = (weight: Weight): SchemaElement[] =>
    weights.filter((each) => each.weight === weight).map((each) => each.element);
  const missing = withWeight('absent');
  const different = withWeight('different');
  if (missing.length === 0 && different.length === 0) return { ...base, state: 'present' };
  const untouched = withWeight('present').length === 0 && different.length === 0;
  return untouched
    ? { ...base, missing, state: 'absent' }
    : { ...base, missing, different, state: 'partial' };
}

/** Every form that the files give a table, oldest first, with the columns it was created with. */
function tableForms(
  replay: Replay,
  table: string,
): { created: TableSnapshot; forms: TableSnapshot[] } | undefined {
  const forms = replay.steps.flatMap((step) => step.after.tables.get(table) ?? []);
  const created = forms[0];
  return created === undefined ? undefined : { created, forms: [...new Set(forms)] };
}

function primaryKey(table: TableSnapshot): string {
  return table.constraints.find(({ kind }) => kind === 'primary key')?.columns.join() ?? 'none';
}

/** What keeps a table from being the one that a form describes; undefined where it is that one. */
function strangeness(live: TableSnapshot, created: TableSnapshot, form: TableSnapshot): string | undefined {
  if (live.virtual !== form.virtual)
    return `table ${live.name} is ${live.virtual ? 'a' : 'not a'} virtual table`;
  const columns = columnsOf(live);
  const wanted = columnsOf(form);
  for (const name of columnsOf(created).keys())
    if (wanted.has(name) && !columns.has(name)) return `table ${live.name} has no column ${name}`;
  for (const [name, column] of columns) {
    const expected = wanted.get(name);
    if (expected !== undefined && expected.type !== column.type)
      return `column ${live.name}.${column.name} has the type ${column.type || '(none)'}, not ${expected.type || '(none)'}`;
  }
  if (primaryKey(live) !== primaryKey(form))
    return `table ${live.name} has the primary key (${primaryKey(live)}), not (${primaryKey(form)})`;
  if (live.withoutRowid !== form.withoutRowid || live.strict !== form.strict)
    return `table ${live.name} has other table options`;
  return undefined;
}

/** Everything in the live schema that bears one of our names and is not ours. */
function strangers(live: SchemaSnapshot, replay: Replay): string[] {
  const reasons: string[] = [];
  const names = new Set(replay.steps.flatMap((step) => [...step.after.tables.keys()]));
  for (const name of names) {
    const other = live.objects.get(name);
    if (other !== undefined)
      reasons.push(`${other.type} ${other.name} bears the name of a table of this program`);
    const table = live.tables.get(name);
    const known = tableForms(replay, name);
    if (table === undefined || known === undefined) continue;
    const found = known.forms.map((form) => strangeness(table, known.created, form));
    const reason = found.at(-1);
    if (reason !== undefined && !found.includes(undefined)) reasons.push(reason);
  }
  for (const step of replay.steps)
    for (const [name, object] of step.after.objects) {
      const table = live.tables.get(name);
      if (table !== undefined)
        reasons.push(`table ${table.name} bears the name of the ${object.type} ${object.name}`);
      const other = live.objects.get(name);
      if (
        other !== undefined &&
        (other.type !== object.type || other.table.toLowerCase() !== object.table.toLowerCase())
      )
        reasons.push(
          `${other.type} ${other.name} on ${other.table} bears the name of the ${object.type} on ${object.table}`,
        );
    }
  return [...new Set(reasons)];
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, 5).join(', ');
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown;
}

/**
 * Finds out what a database without a history really is, by holding its schema against what each file adds.
 *
 * Pure. The claim is only a claim: where it and the schema differ, the schema decides.
 *
 * @param userVersion the number in `PRAGMA user_version`
 */
export function weighEvidence(
  live: SchemaSnapshot,
  userVersion: number,
  replay: Replay,
  legacyVersions: LegacyVersions,
): Evidence {
  const highest = Math.max(0, ...Object.keys(legacyVersions).map(Number));
  const claimed = userVersion;
  const foreign = (...reasons: string[]): Evidence => ({ kind: 'foreign', claimed, reasons });
  if (claimed < 0 || claimed > highest)
    return foreign(`user_version is ${claimed}, outside 0 to ${highest}, and there is no history`);
  if (isEmptySchema(live)) return { kind: 'empty', claimed };
  if (Object.keys(legacyVersions).length === 0)
    return foreign(
      `it holds ${list(namesIn(live))} and has no history, and no table of legacy versions is given`,
    );
  const reasons = strangers(live, replay);
  if (reasons.length > 0) return foreign(...reasons);
  const ours = replay.steps.some((step) =>
    [...step.after.tables.keys()].some((name) => live.tables.has(name)),
  );
  if (!ours) return foreign(`it holds ${list(namesIn(live))}, and no table of this program`);

  const claims = new Set(legacyVersions[claimed] ?? []);
  const claimable = new Set(Object.values(legacyVersions).flat());
  const files = replay.steps.map((step, index) => weighFile(live, replay, index, step, claims, claimable));
  const whole = new Set(
    files.filter(({ state }) => state === 'present').map(({ migration }) => migration.version),
  );
  const evident = Math.max(
    0,
    ...Object.entries(legacyVersions)
      .filter(([, versions]) => versions.every((version) => whole.has(version)))
      .map(([version]) => Number(version)),
  );
  return { kind: 'legacy', claimed, evident, files };
}

function namesIn(schema: SchemaSnapshot): string[] {
  return [...schema.tables.values(), ...schema.objects.values()].map(({ name }) => name);
}

/** Every way in which the claim and the evidence differ, as sentences. */
export function claimDifferences(evidence: Evidence): string[] {
  switch (evidence.kind) {
    case 'foreign':
      return [];
    case 'empty':
      return evidence.claimed === 0 ? [] : [`user_version claims ${evidence.claimed}, but there is no table`];
    case 'legacy':
      return [
        ...(evidence.claimed === evidence.evident
          ? []
          : [`user_version claims ${evidence.claimed}, the schema is evidently that of ${evidence.evident}`]),
        ...evidence.files.flatMap(({ migration, state, claimed, claimable, missing, different }) => [
          ...(claimed && state === 'absent'
            ? [`${migration.filename} is claimed, and nothing of it is there`]
            : []),
          ...(claimable && !claimed && state === 'present'
            ? [`${migration.filename} is there without being claimed`]
            : []),
          ...(state === 'partial'
            ? [
                ...missing.map(({ label }) => `${migration.filename}: ${label} is missing`),
                ...different.map(({ label }) => `${migration.filename}: ${label} has another form`),
              ]
            : []),
        ]),
      ];
  }
}
