import { strangers } from './legacy-strangers.js';
import {
  footprint,
  hasElement,
  remakes,
  removalsAreThere,
  sameElement,
  type SchemaElement,
} from './migration-footprint.js';
import type { Replay, ReplayStep } from './migration-replay.js';
import type { Migration } from './migration.js';
import { isEmptySchema, type SchemaSnapshot } from './schema-snapshot.js';
import { shownName } from './sql-tokens.js';

/**
 * What each number that old releases kept in `PRAGMA user_version` claims: the versions of the migrations whose work
 * such a database should hold. 0 claims nothing and needs no entry.
 */
export type LegacyVersions = Readonly<Record<number, readonly number[]>>;

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

/** `superseded`: gone, because a later file that took it away has been there. */
type Weight = 'present' | 'different' | 'absent' | 'superseded';

/** What the files are weighed against. */
interface Scales {
  readonly live: SchemaSnapshot;
  readonly steps: readonly ReplayStep[];
  /** The versions that the database claims. */
  readonly claimed: ReadonlySet<number>;
}

/** Weighs one element of step `index` against the live schema. */
function weigh(scales: Scales, index: number, element: SchemaElement): Weight {
  const { live, steps } = scales;
  if (!hasElement(live, element)) {
    const remover = steps.findIndex((step, place) => place > index && !hasElement(step.after, element));
    return remover !== -1 && hasHappened(scales, remover) ? 'superseded' : 'absent';
  }
  const isLike = (step: ReplayStep): boolean =>
    hasElement(step.after, element) && sameElement(live, step.after, element);
  if (steps.slice(index).some(isLike)) return 'present';
  return steps.slice(0, index).some(isLike) ? 'absent' : 'different';
}

/** Whether a step that takes something away has been carried out: its claim says so, or all else that it makes is there. */
function hasHappened(scales: Scales, index: number): boolean {
  const step = scales.steps[index];
  if (step === undefined) return false;
  if (scales.claimed.has(step.migration.version)) return true;
  const elements = footprint(step);
  return (
    elements.length > 0 &&
    elements.every((element) => ['present', 'superseded'].includes(weigh(scales, index, element)))
  );
}

/** @param undone the elements that earlier files make once more, because they are still to be applied */
function weighFile(
  scales: Scales,
  index: number,
  step: ReplayStep,
  undone: ReadonlySet<string>,
): Pick<FileEvidence, 'state' | 'missing' | 'different'> {
  const elements = footprint(step);
  const nothing = { missing: [], different: [] };
  if (elements.length === 0) {
    const stillThere = removalsAreThere(step, scales.live);
    if (stillThere === undefined) return { ...nothing, state: 'data-only' };
    const isGone = !stillThere && scales.claimed.has(step.migration.version);
    return { ...nothing, state: isGone ? 'present' : 'absent' };
  }
  const weights = elements.map((element) => ({ element, weight: weigh(scales, index, element) }));
  const withWeight = (...wanted: readonly Weight[]): SchemaElement[] =>
    weights.filter(({ weight }) => wanted.includes(weight)).map(({ element }) => element);
  const missing = withWeight('absent');
  const different = withWeight('different');
  const there = withWeight('present', 'different');
  const lasts = there.some((element) => !undone.has(`${element.type} ${element.name}`));
  if (!lasts && missing.length + there.length > 0)
    return { missing: [...missing, ...there], different: [], state: 'absent' };
  const state = missing.length === 0 && different.length === 0 ? 'present' : 'partial';
  return { missing, different, state };
}

/** Weighs every file, in the order in which those that are absent would be applied. */
function weighFiles(scales: Scales, claimable: ReadonlySet<number>): FileEvidence[] {
  const undone = new Set<string>();
  return scales.steps.map((step, index) => {
    const evidence = weighFile(scales, index, step, undone);
    if (evidence.state === 'absent') for (const key of remakes(step)) undone.add(key);
    const { migration } = step;
    const claimed = scales.claimed.has(migration.version);
    return { migration, claimed, claimable: claimable.has(migration.version), ...evidence };
  });
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, 5).map(shownName).join(', ');
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
  const files = weighFiles({ live, steps: replay.steps, claimed: claims }, claimable);
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
