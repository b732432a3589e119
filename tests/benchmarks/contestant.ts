import type { Script } from './scripts.js';

/** Upgrades the database at a path and closes it. */
export type Upgrade = (database: string) => Promise<void>;

/**
 * Upgrades the databases at many paths, several at a time.
 *
 * @param ended called when one of them is done
 */
export type UpgradeMany = (databases: readonly string[], atOnce: number, ended: () => void) => Promise<void>;

/** What a contestant is told before it upgrades. */
export interface Setup {
  /** Where its migrations are, in its own form. */
  readonly folder: string;
  readonly scripts: readonly Script[];
  /** Pragmas of the connection, as SQL: for everybody who leaves the connection to the program. */
  readonly pragmas: string;
}

/** Somebody who brings databases to the newest of a list of migrations. */
export interface MigrationContestant {
  /** A query of one number: how many migrations the history holds. */
  readonly history: string;
  /** The files of its migrations by their names, in the form that it reads. */
  readonly files: (scripts: readonly Script[]) => ReadonlyMap<string, string>;
  /** Loads what its package loads only once something is pending. */
  readonly loadUpgrade?: () => Promise<void>;
  /** Does what a program does before its first database: makes the values that are made once. */
  readonly prepare: (setup: Setup) => Promise<Upgrade>;
  /** The same for many databases, by somebody who can go through them by himself. */
  readonly prepareMany?: (setup: Setup) => Promise<UpgradeMany>;
}

/** Whether a module's default export is a contestant. */
export function isContestant(value: unknown): value is MigrationContestant {
  return (
    typeof value === 'object' &&
    value !== null &&
    'history' in value &&
    typeof value.history === 'string' &&
    'files' in value &&
    typeof value.files === 'function' &&
    'prepare' in value &&
    typeof value.prepare === 'function'
  );
}
