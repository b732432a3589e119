import { ForeignDatabaseError, HistoryConflictError, NewerDatabaseError } from '../errors.js';
import type { DatabaseState, ManagedState } from './database-state.js';
import type { FileEvidence } from './legacy-evidence.js';
import type { AppliedMigration } from './migration-history.js';
import type { Migration } from './migration.js';

/** What must happen so that a database ends at the newest known migration. */
export interface MigrationPlan {
  /** The files that a legacy database holds, wholly or in part: recorded, and completed, before anything else. */
  readonly baseline: readonly FileEvidence[];
  /** The files to apply, by version. */
  readonly pending: readonly Migration[];
}

/** Whether there is nothing to do. */
export function isUpToDate(plan: MigrationPlan): boolean {
  return plan.baseline.length === 0 && plan.pending.length === 0;
}

function refuseNewer(applied: readonly AppliedMigration[], known: readonly Migration[]): void {
  const program = known.at(-1)?.version ?? 0;
  const newest = applied.at(-1);
  if (newest === undefined || newest.version <= program) return;
  throw new NewerDatabaseError(
    `The database is at version ${newest.version} (${newest.filename}), this program knows versions up to ${program}.`,
    newest.version,
    program,
    { hint: 'Use the program that wrote it, or a newer one. Nothing was changed.' },
  );
}

function refuseMissing(applied: readonly AppliedMigration[], versions: ReadonlyMap<number, Migration>): void {
  const missing = applied.find(({ version }) => !versions.has(version));
  if (missing === undefined) return;
  throw new HistoryConflictError(
    'MISSING_MIGRATION',
    `Migration ${missing.filename} was applied on ${missing.appliedAt} and is not among the files.`,
    missing.version,
    { hint: 'Put the file back: the files are the only description of how the database came to be.' },
  );
}

function refuseChanged(applied: readonly AppliedMigration[], versions: ReadonlyMap<number, Migration>): void {
  const changed = applied.find(({ version, checksum }) => versions.get(version)?.checksum !== checksum);
  const file = changed === undefined ? undefined : versions.get(changed.version);
  if (changed === undefined || file === undefined) return;
  throw new HistoryConflictError(
    'CHANGED_MIGRATION',
    `Migration ${file.filename} was changed after it was applied on ${changed.appliedAt}: its checksum was ${changed.checksum.slice(0, 12)}… and is ${file.checksum.slice(0, 12)}….`,
    changed.version,
    {
      hint: 'Undo the change to the file and put what it was meant to do into a new file with the next number.',
    },
  );
}

function refuseLate(applied: readonly AppliedMigration[], pending: readonly Migration[]): void {
  // What was adopted has no order of its own, so only what was run here makes a lower number late.
  const newest = applied.filter(({ origin }) => origin === 'migration').at(-1);
  const late = pending.find(({ version }) => newest !== undefined && version < newest.version);
  if (late === undefined || newest === undefined) return;
  throw new HistoryConflictError(
    'OUT_OF_ORDER_MIGRATION',
    `Migration ${late.filename} is new, but ${newest.filename} with a higher number is applied already.`,
    late.version,
    { hint: `Give the file a number above ${newest.version}.` },
  );
}

function planManaged({ applied }: ManagedState, known: readonly Migration[]): MigrationPlan {
  const versions = new Map(known.map((migration) => [migration.version, migration]));
  refuseNewer(applied, known);
  refuseMissing(applied, versions);
  refuseChanged(applied, versions);
  const done = new Set(applied.map(({ version }) => version));
  const pending = known.filter(({ version }) => !done.has(version));
  refuseLate(applied, pending);
  return { baseline: [], pending };
}

/**
 * Decides what must happen to a database so that it ends at the newest known migration.
 *
 * Pure: reads nothing, writes nothing. Called once to learn whether there is work at all, and again once the lock is
 * held, because another process may have upgraded while we waited.
 *
 * @param known the files, by version
 * @throws ForeignDatabaseError when the database is not ours
 * @throws NewerDatabaseError when the history has a migration newer than every known one
 * @throws HistoryConflictError when an applied file is gone or changed, or a new one comes too late
 */
export function planMigrations(found: DatabaseState, known: readonly Migration[]): MigrationPlan {
  switch (found.kind) {
    case 'absent':
    case 'empty':
      return { baseline: [], pending: known };
    case 'legacy':
      return {
        baseline: found.files.filter(({ state }) => state === 'present' || state === 'partial'),
        pending: found.files
          .filter(({ state }) => state === 'absent' || state === 'data-only')
          .map(({ migration }) => migration),
      };
    case 'managed':
      return planManaged(found, known);
    case 'foreign':
      throw new ForeignDatabaseError(`This is not a database of this program: ${found.reasons.join('; ')}.`, {
        hint: 'Nothing was changed. Check the path; if the database is meant to be taken over, say what its versions mean (legacy versions).',
      });
  }
}
