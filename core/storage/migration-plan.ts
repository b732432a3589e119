import {
  ForeignDatabaseError,
  HistoryConflictError,
  InvalidOptionError,
  NewerDatabaseError,
} from '../errors.js';
import type { DatabaseState, ManagedState } from './database-state.js';
import type { FileEvidence } from './legacy-evidence.js';
import { isChanged, isOtherFile, type AppliedMigration } from './history-row.js';
import type { Migration } from './migration.js';
import { anotherName } from './history-table.js';
import { otherHistory } from './other-history.js';

/** So many digits of a checksum are shown where they are enough. */
const CHECKSUM_DIGITS = 12;

/** Where an upgrade is to end. */
export type Goal =
  /** At the newest known migration. */
  | { readonly kind: 'newest' }
  /** At this version: later files stay pending, and nothing is undone. */
  | { readonly kind: 'up'; readonly to: number }
  /** At this version: what was applied after it is undone, and nothing is applied. */
  | { readonly kind: 'down'; readonly to: number }
  /** At this version, whichever way it lies. */
  | { readonly kind: 'to'; readonly to: number }
  /** Where the database is without these versions: they are undone, and nothing is applied. */
  | { readonly kind: 'without'; readonly versions: readonly number[] };

/** One applied migration that is to be undone. */
export interface RollBack {
  readonly applied: AppliedMigration;
  /** The file, or what the history kept of it, with its way back. */
  readonly migration: Migration;
}

/** What must happen so that a database ends where it shall. */
export interface MigrationPlan {
  /** The files that a legacy database holds, wholly or in part: recorded, and completed, before anything else. */
  readonly baseline: readonly FileEvidence[];
  /** What to undo, the newest first; before anything is applied. */
  readonly undo: readonly RollBack[];
  /** The files to apply, by version. */
  readonly pending: readonly Migration[];
}

/** Whether there is nothing to do. */
export function isUpToDate(plan: MigrationPlan): boolean {
  return plan.baseline.length === 0 && plan.undo.length === 0 && plan.pending.length === 0;
}

/**
 * Refuses a plan that is to be carried out in one transaction, where a file of it cannot run in any.
 *
 * @throws InvalidOptionError that names every such file
 */
export function refuseOutsideTransaction({ undo, pending }: MigrationPlan): void {
  const scripts = [...undo.map(({ migration }) => migration.down), ...pending];
  const outside = scripts.filter((script) => script?.directives.noTransaction === true);
  if (outside.length === 0) return;
  throw new InvalidOptionError(
    `${outside.map((script) => script?.filename).join(', ')} cannot run inside a transaction, and the whole upgrade is to be one.`,
    { hint: 'Nothing was changed. Upgrade with a transaction for each file.' },
  );
}

function isOfCode({ filename }: AppliedMigration): boolean {
  return filename.endsWith(' (code)');
}

function hintForCode(applied: AppliedMigration): string {
  return isOfCode(applied)
    ? 'It is a migration in code: give the module that has it (the option code, --code MODULE). '
    : '';
}

/** @throws NewerDatabaseError when the newest applied migration is newer than every known one */
export function refuseNewer(applied: readonly AppliedMigration[], known: readonly Migration[]): void {
  const program = known.at(-1)?.version ?? 0;
  const newest = applied.at(-1);
  if (newest === undefined || newest.version <= program) return;
  throw new NewerDatabaseError(
    `The database is at version ${newest.version} (${newest.filename}), and this program knows versions up to ${program}.`,
    newest.version,
    program,
    { hint: `${hintForCode(newest)}Use the program that wrote it, or a newer one. Nothing was changed.` },
  );
}

/** @throws HistoryConflictError (MISSING_MIGRATION) when an applied migration is not among the known ones */
export function refuseMissing(
  applied: readonly AppliedMigration[],
  versions: ReadonlyMap<number, Migration>,
): void {
  const missing = applied.find(({ version }) => !versions.has(version));
  if (missing === undefined) return;
  throw new HistoryConflictError(
    'MISSING_MIGRATION',
    `Migration ${missing.filename} was applied on ${missing.appliedAt} and is not among the files.`,
    missing.version,
    {
      hint: isOfCode(missing)
        ? `${hintForCode(missing)}Code that is gone has to be put back.`
        : 'Put the file back: the files are the only description of how the database came to be.',
    },
  );
}

/** The applied migrations whose file is not the one that was applied. */
export function changedMigrations(
  applied: readonly AppliedMigration[],
  versions: ReadonlyMap<number, Migration>,
): { readonly applied: AppliedMigration; readonly file: Migration }[] {
  return applied.flatMap((attempt) => {
    const file = versions.get(attempt.version);
    return file === undefined || !isChanged(attempt, file) ? [] : [{ applied: attempt, file }];
  });
}

function otherFile(applied: AppliedMigration, file: Migration): HistoryConflictError {
  return new HistoryConflictError(
    'CHANGED_MIGRATION',
    `Number ${applied.version} was applied on ${applied.appliedAt} as ${applied.filename}, and among the files it is ${file.filename}, which says something else.`,
    applied.version,
    {
      hint: 'If two branches took the same number, give the file that this database has not applied the next free one, and put the other one back. If the file was renamed and changed, "upgrade-bridge verify" shows what changed.',
    },
  );
}

/** A checksum in as many digits as tell it from another one. */
function apart(checksum: string, other: string): string {
  let digits = CHECKSUM_DIGITS;
  while (digits < checksum.length && other.startsWith(checksum.slice(0, digits))) digits += 1;
  const shown = checksum.slice(0, digits);
  return shown === checksum ? checksum : `${shown}…`;
}

/** @throws HistoryConflictError (CHANGED_MIGRATION) when an applied file was changed */
export function refuseChanged(
  applied: readonly AppliedMigration[],
  versions: ReadonlyMap<number, Migration>,
): void {
  const [first] = changedMigrations(applied, versions);
  if (first === undefined) return;
  const { applied: changed, file } = first;
  if (isOtherFile(changed, file)) throw otherFile(changed, file);
  throw new HistoryConflictError(
    'CHANGED_MIGRATION',
    `Migration ${file.filename} was changed after it was applied on ${changed.appliedAt}: its checksum was ${apart(changed.checksum, file.checksum)} and is ${apart(file.checksum, changed.checksum)}.`,
    changed.version,
    {
      hint: 'Undo the change to the file and put what it was meant to do into a new file with the next number. "upgrade-bridge verify" shows what changed, "upgrade-bridge repair" accepts it.',
    },
  );
}

/** The versions whose files were run here and stand, and those of which somebody said that they do not. */
function rememberedRuns(history: readonly AppliedMigration[]): { ran: Set<number>; again: Set<number> } {
  const [ran, again] = [new Set<number>(), new Set<number>()];
  for (const { version, status, origin } of history) {
    if (status === 'applied' && origin === 'migration') ran.add(version);
    if (status === 'rolled_back') ran.delete(version);
    if (status === 'rolled_back' && origin === 'repaired') again.add(version);
  }
  return { ran, again };
}

function refuseLate(
  applied: readonly AppliedMigration[],
  pending: readonly Migration[],
  history: readonly AppliedMigration[],
): void {
  const { ran, again } = rememberedRuns(history);
  // What was adopted has no order of its own, so only what was run here makes a lower number late.
  const newest = applied.filter(({ version }) => ran.has(version)).at(-1);
  const late = pending.find(
    ({ version }) => newest !== undefined && version < newest.version && !again.has(version),
  );
  if (late === undefined || newest === undefined) return;
  throw new HistoryConflictError(
    'OUT_OF_ORDER_MIGRATION',
    `Migration ${late.filename} is new, but ${newest.filename} with a higher number is applied already.`,
    late.version,
    { hint: `Give the file a number above ${newest.version}.` },
  );
}

/** The migrations that the goal lets be applied. */
function within(goal: Goal, pending: readonly Migration[]): readonly Migration[] {
  switch (goal.kind) {
    case 'newest':
      return pending;
    case 'down':
    case 'without':
      return [];
    case 'up':
    case 'to':
      return pending.filter(({ version }) => version <= goal.to);
  }
}

/** @throws InvalidOptionError when the goal is a version that neither the files nor the database know */
export function refuseUnknownTarget(
  goal: Goal,
  known: readonly Migration[],
  applied: readonly AppliedMigration[] = [],
): void {
  if (goal.kind === 'newest' || goal.kind === 'without' || goal.to === 0) return;
  if ([...known, ...applied].some(({ version }) => version === goal.to)) return;
  throw new InvalidOptionError(`There is no migration ${goal.to} to go to.`, {
    hint: `Give one of ${known.map(({ version }) => version).join(', ')}, or 0 for none.`,
  });
}

/** Whether the goal is not reached while a version stands applied. */
function undoes(goal: Goal, version: number): boolean {
  switch (goal.kind) {
    case 'newest':
    case 'up':
      return false;
    case 'down':
    case 'to':
      return version > goal.to;
    case 'without':
      return goal.versions.includes(version);
  }
}

/** Then a database may stay newer than the program that brings it back a step. */
function appliesNothing(goal: Goal): boolean {
  return goal.kind === 'down' || goal.kind === 'without';
}

function inOrder(versions: ReadonlyMap<number, Migration>): readonly Migration[] {
  return [...versions.values()].sort((one, other) => one.version - other.version);
}

function planUndo(
  applied: readonly AppliedMigration[],
  versions: ReadonlyMap<number, Migration>,
  goal: Goal,
): readonly RollBack[] {
  const undone = applied.filter(({ version }) => undoes(goal, version)).reverse();
  for (const attempt of undone) {
    const file = versions.get(attempt.version);
    if (file !== undefined && isOtherFile(attempt, file)) throw otherFile(attempt, file);
  }
  const without = undone.filter(({ version }) => !hasWayBack(versions.get(version)));
  if (without[0] !== undefined)
    throw new HistoryConflictError(
      'NO_WAY_BACK',
      `There is no way back from ${without.map(({ filename }) => filename).join(', ')}: nothing says how to undo it.`,
      without[0].version,
      { hint: `Nothing was changed. ${wayBackHint(without[0].filename)}` },
    );
  return undone.flatMap((attempt) => {
    const migration = versions.get(attempt.version);
    return migration === undefined ? [] : [{ applied: attempt, migration }];
  });
}

function wayBackHint(filename: string): string {
  const missing = filename.endsWith('.sql')
    ? `Write ${filename.replace(/(\.up)?\.sql$/, '.down.sql')}`
    : `Give ${filename} a function down`;
  return `${missing}, or restore the backup that was made before the upgrade.`;
}

/** Whether a migration says how to undo it. */
export function hasWayBack(migration: Migration | undefined): boolean {
  return migration?.down !== undefined || migration?.code?.down !== undefined;
}

/** What the history does not know cannot be undone by it; and to record it first, only to undo it, asks for a look. */
function refuseUnrecorded(files: readonly FileEvidence[], goal: Goal): void {
  const held = files.filter(({ state }) => state === 'present' || state === 'partial');
  const first = held.find(({ migration }) => undoes(goal, migration.version))?.migration;
  if (first === undefined) return;
  throw new HistoryConflictError(
    'NO_WAY_BACK',
    `The database has no history yet, so that ${first.filename} and what came after it cannot be undone.`,
    first.version,
    { hint: 'Nothing was changed. Upgrade it first; what it holds is recorded then, and can be undone.' },
  );
}

function planManaged(
  { applied, history }: ManagedState,
  known: readonly Migration[],
  goal: Goal,
  kept: readonly Migration[],
): MigrationPlan {
  refuseUnknownTarget(goal, known, applied);
  const versions = new Map([...kept, ...known].map((migration) => [migration.version, migration]));
  const undoable = new Map([...known, ...kept].map((migration) => [migration.version, migration]));
  const undo = planUndo(applied, undoable, goal);
  const undone = new Set(undo.map(({ migration }) => migration.version));
  const standing = applied.filter(({ version }) => !undone.has(version));
  refuseNewer(standing, appliesNothing(goal) ? inOrder(versions) : known);
  refuseMissing(standing, versions);
  refuseChanged(standing, versions);
  const done = new Set(applied.map(({ version }) => version));
  const pending = within(
    goal,
    known.filter(({ version }) => !done.has(version)),
  );
  refuseLate(standing, pending, history);
  return { baseline: [], undo, pending };
}

/**
 * Decides what must happen to a database so that it ends where it shall.
 *
 * Pure: reads nothing, writes nothing. Called once to learn whether there is work at all, and again once the lock is
 * held, because another process may have upgraded while we waited.
 *
 * @param known the files, by version
 * @param kept migrations that are no files of this program, or have no way back there, made from what the history kept of
 *   them: used only to undo
 * @throws ForeignDatabaseError when the database is not ours
 * @throws OtherHistoryError when another tool keeps the history, and nobody has asked to take it over
 * @throws NewerDatabaseError when the history has a migration newer than every known one
 * @throws HistoryConflictError when an applied file is gone or changed, a new one comes too late, or one that is to be
 *   undone has no way back
 */
export function planMigrations(
  found: DatabaseState,
  known: readonly Migration[],
  goal: Goal = { kind: 'newest' },
  kept: readonly Migration[] = [],
): MigrationPlan {
  switch (found.kind) {
    case 'absent':
    case 'empty':
      refuseUnknownTarget(goal, known, []);
      return { baseline: [], undo: [], pending: within(goal, known) };
    case 'legacy': {
      refuseUnknownTarget(goal, known, []);
      refuseUnrecorded(found.files, goal);
      const absent = found.files.filter(({ state }) => state === 'absent' || state === 'data-only');
      return {
        baseline: found.files.filter(({ state }) => state === 'present' || state === 'partial'),
        undo: [],
        pending: within(
          goal,
          absent.map(({ migration }) => migration),
        ),
      };
    }
    case 'managed':
      return planManaged(found, known, goal, kept);
    case 'foreign':
      if (found.other !== undefined) throw otherHistory(found.other, found.occupied);
      throw new ForeignDatabaseError(
        `This cannot be taken for a database of this program: ${found.reasons.join('; ')}.`,
        {
          hint: `Nothing was changed. Check the path; if something of your own bears a name that this program needs, rename it${found.occupied ? `, ${anotherName}` : ''}; if old releases of your program wrote the file, say what their user_version means (the option legacy, --legacy FILE).`,
        },
      );
  }
}
