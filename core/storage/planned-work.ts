import type { MigrationPlan } from './migration-plan.js';

/** A file that would be applied, or recorded because its work is there already. */
export interface PlannedMigration {
  readonly version: number;
  readonly filename: string;
  readonly description: string;
}

/** A file that is there in part, with what would be added or given its right form. */
export interface PlannedCompletion extends PlannedMigration {
  readonly objects: readonly string[];
}

/** What an upgrade would do. */
export interface PlannedWork {
  readonly adoptable: readonly PlannedMigration[];
  readonly completable: readonly PlannedCompletion[];
  readonly pending: readonly PlannedMigration[];
}

/** Says what a plan would do. */
export function plannedWork({ baseline, pending }: MigrationPlan): PlannedWork {
  return {
    adoptable: baseline
      .filter((file) => file.state === 'present')
      .map(({ migration }) => plannedMigration(migration)),
    completable: baseline
      .filter((file) => file.state === 'partial')
      .map(({ migration, missing, different }) => ({
        ...plannedMigration(migration),
        objects: [...missing, ...different].map(({ label }) => label),
      })),
    pending: pending.map(plannedMigration),
  };
}

export function plannedMigration({ version, filename, description }: PlannedMigration): PlannedMigration {
  return { version, filename, description };
}
