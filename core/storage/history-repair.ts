import type { ChangedFile } from './changed-files.js';
import { changeHistory, type HistoryChangeOptions } from './history-change.js';
import { decideRepair, type MarkedMigration } from './repair-decision.js';
import type { Drift } from './schema-mending.js';
import type { CheckViolations } from './check-violations.js';

export interface RepairOptions extends HistoryChangeOptions {
  /** Whether applied files that were changed are taken as they are now. Default: true; otherwise they are refused. */
  readonly acceptChanged?: boolean | undefined;
  /** Whether a history that was changed by hand is taken as it is now. Default: false. */
  readonly acceptTampering?: boolean | undefined;
  /** Versions that do not stand applied, and do so from now on, without being run. */
  readonly markApplied?: readonly number[] | undefined;
  /** Versions that stand applied, and do not from now on, without being undone: the next upgrade runs them. */
  readonly markPending?: readonly number[] | undefined;
  /** Whether the schema is mended: what is missing is added, what is different gets its right form. Default: false. */
  readonly completeMissing?: boolean | undefined;
}

/** What a repair did; with `dryRun`, what it would do. */
export interface RepairReport {
  readonly database: string;
  readonly dryRun: boolean;
  /** Whether there was nothing to repair; nothing was written then. */
  readonly nothingToDo: boolean;
  /** The changes by hand that were accepted, as sentences. */
  readonly acceptedTampering: readonly string[];
  readonly acceptedChanges: readonly ChangedFile[];
  readonly markedApplied: readonly MarkedMigration[];
  readonly markedPending: readonly MarkedMigration[];
  /** What was missing or different, with the statements that mended it. */
  readonly mended: readonly Drift[];
  /** What is left of it, because only a person can tell what to do. Looked for with `completeMissing` only. */
  readonly unmended: readonly Drift[];
  /** Rows that break a check of a table that was mended. They were kept. */
  readonly checkViolations: readonly CheckViolations[];
  /** user_version where it was not the newest version. */
  readonly userVersion: { readonly found: number; readonly expected: number } | undefined;
  /** The newest version that stands applied afterwards. */
  readonly version: number;
  /** The path of the copy that was made before the first write. */
  readonly backup: string | undefined;
  readonly ms: number;
}

/**
 * Repairs a history after a person has decided: accepts files that were changed after they were applied, and by option a
 * history that was changed by hand, says of migrations that they stand applied or not, and mends the schema. Also puts
 * user_version right.
 *
 * It runs like an upgrade: under the lock, after a copy, in one transaction with the guards of a migration. Nothing is
 * taken out of the history: each migration concerned gets a row of the origin `repaired` that says what was done.
 *
 * ```ts
 * const { acceptedChanges } = await repairHistory({ database: 'notes.db', migrations: 'migrations', dryRun: true });
 * ```
 *
 * @throws UpgradeBridgeError TAMPERED_HISTORY where the history was changed by hand and `acceptTampering` is not given;
 *   REPAIR_FAILED where there is no history, or the schema cannot be mended because of the rows in it
 * @throws HistoryConflictError CHANGED_MIGRATION without `acceptChanged`; MISSING_MIGRATION where an applied file is gone
 *   that is not marked as pending
 * @throws InvalidOptionError when a version cannot be marked so
 * @throws NewerDatabaseError, ForeignDatabaseError, FileAccessError, LockedError as `upgradeDatabase` does
 */
export async function repairHistory(options: RepairOptions): Promise<RepairReport> {
  const started = performance.now();
  const { acceptChanged = true, acceptTampering = false, completeMissing = false } = options;
  const { markApplied = [], markPending = [] } = options;
  const wishes = { acceptChanged, acceptTampering, markApplied, markPending, completeMissing };
  const { change, checkViolations, backup } = await changeHistory(
    options,
    { title: 'The repair', label: 'repair' },
    (db, source) => decideRepair(db, source, wishes),
  );
  const { found, set: expected } = change.userVersion;
  return {
    database: options.database,
    dryRun: options.dryRun ?? false,
    nothingToDo: change.attempts.length === 0,
    acceptedTampering: change.acceptedTampering,
    acceptedChanges: change.acceptedChanges,
    markedApplied: change.markedApplied,
    markedPending: change.markedPending.map(({ version, filename }) => ({ version, filename })),
    mended: change.mended,
    unmended: change.unmended,
    checkViolations,
    userVersion: found === expected ? undefined : { found, expected },
    version: change.standing.at(-1) ?? 0,
    backup,
    ms: Math.round(performance.now() - started),
  };
}
