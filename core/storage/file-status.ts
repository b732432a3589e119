import type { FileEvidence } from './legacy-evidence.js';
import { appliedMigrations, isChanged, type AppliedMigration, type Origin } from './history-row.js';
import type { MigrationPlan } from './migration-plan.js';
import type { Migration } from './migration.js';

/**
 * How one migration stands to a database.
 *
 * - `applied`, `failed`, `rolled_back`: how the newest attempt ended.
 * - `changed`, `missing`, `newer`: it is applied, and the file was changed since, is gone, or was never one of these.
 * - `adoptable`, `completable`: a legacy database holds all of it, a part of it.
 * - `pending`: nobody has tried it yet.
 */
export type FileState =
  | 'applied'
  | 'changed'
  | 'missing'
  | 'newer'
  | 'failed'
  | 'rolled_back'
  | 'adoptable'
  | 'completable'
  | 'pending';

/** One migration, as a file, in the history or both. */
export interface FileStatus {
  readonly version: number;
  readonly filename: string;
  readonly description: string;
  readonly state: FileState;
  /** The release that it belongs to. */
  readonly release: string | undefined;
  /** When the newest attempt ended, in UTC, ISO 8601. */
  readonly appliedAt: string | undefined;
  /** How long that took. */
  readonly executionTimeMs: number | undefined;
  readonly origin: Origin | undefined;
}

/**
 * Says of every migration that is a file or stands in the history how it stands to the database, by version.
 *
 * Pure.
 *
 * @param history every attempt, oldest first
 * @param plan what an upgrade would do; nothing where it would be refused
 */
export function fileStatuses(
  history: readonly AppliedMigration[],
  known: readonly Migration[],
  { baseline }: Pick<MigrationPlan, 'baseline'>,
): FileStatus[] {
  const files = new Map(known.map((migration) => [migration.version, migration]));
  const applied = new Map(appliedMigrations(history).map((attempt) => [attempt.version, attempt]));
  const latest = new Map(history.map((attempt) => [attempt.version, attempt]));
  const evidence = new Map(baseline.map(({ migration, state }) => [migration.version, state]));
  const newest = known.at(-1)?.version ?? 0;

  return [...new Set([...files.keys(), ...latest.keys()])]
    .sort((one, other) => one - other)
    .flatMap((version) => {
      const file = files.get(version);
      const standing = applied.get(version);
      const attempt = standing ?? latest.get(version);
      const told = file ?? attempt;
      if (told === undefined) return [];
      return [
        {
          version,
          filename: told.filename,
          description: told.description,
          state:
            standing === undefined
              ? openState(attempt, evidence.get(version))
              : standingState(standing, file, newest),
          release: standing?.release ?? told.release,
          appliedAt: attempt?.appliedAt,
          executionTimeMs: attempt?.executionTimeMs,
          origin: attempt?.origin,
        },
      ];
    });
}

function standingState(applied: AppliedMigration, file: Migration | undefined, newest: number): FileState {
  if (file === undefined) return applied.version > newest ? 'newer' : 'missing';
  return isChanged(applied, file) ? 'changed' : 'applied';
}

function openState(
  attempt: AppliedMigration | undefined,
  found: FileEvidence['state'] | undefined,
): FileState {
  if (found === 'present') return 'adoptable';
  if (found === 'partial') return 'completable';
  return attempt?.status ?? 'pending';
}
