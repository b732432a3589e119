import type { DriverOption } from '../database/drivers.js';
import { InvalidOptionError } from '../errors.js';
import type { Logger } from '../logger.js';
import { adoptionTerms, type AdoptionTerms } from './adoption-terms.js';
import { checkRetention } from './retention-limits.js';
import type { BackupPolicy } from './backup-policy.js';
import type { CodeMigration } from './code-migrations.js';
import type { LegacyVersions } from './legacy-evidence.js';
import type { LegacyMode } from './legacy-mode.js';
import { defaultFullCheckBytes, defaultLockWaitMs } from './defaults.js';
import type { RunnerSettings } from './upgrade-request.js';
import type { MigrationBundle } from './migration-bundle.js';
import type { Migration } from './migration.js';
import { safeProgress, type Progress } from './upgrade-progress.js';

/**
 * A folder of SQL files; a bundle of one; or migrations as values, those that `readMigrations` returns and those in code, in
 * any order.
 */
export type Migrations = string | MigrationBundle | readonly (Migration | CodeMigration)[];

/** Where the files are and what the past means. */
export interface MigrationSource extends DriverOption {
  readonly migrations: Migrations;
  /** Migrations in code that stand between those of `migrations`, by their numbers. */
  readonly code?: readonly CodeMigration[] | undefined;
  /**
   * What each number that old releases left in `PRAGMA user_version` claims. Without it, a database that holds tables
   * and has no history is foreign.
   */
  readonly legacy?: LegacyVersions | undefined;
  /**
   * The name of the table that holds the history: letters, digits and `_`. Default: `schema_migrations`. A database that
   * has its history under another name is refused.
   */
  readonly historyTable?: string | undefined;
  /**
   * Whether every file is read at every start. Otherwise files are read where the listing of their folder (names, sizes,
   * times of change) is not the one that the last upgrade saw, and where there is something to do. Of a bundle, likewise,
   * whether every text is held against its checksum. Default: false.
   */
  readonly rereadFiles?: boolean | undefined;
  readonly logger?: Logger | undefined;
}

export interface UpgradeOptions extends MigrationSource {
  /** The path of the database file. It is made where it does not exist. */
  readonly database: string;
  /** The version at which the upgrade ends; later files stay pending. Default: the newest. */
  readonly to?: number | undefined;
  /**
   * How long to wait for other processes, in milliseconds; 0 tries once. Default: 60 000; for a plan, 5 000.
   */
  readonly lockWaitMs?: number | undefined;
  /**
   * Whether the rows of every table are counted before and after each step, so that a loss is noticed. Default: true.
   */
  readonly countRows?: boolean | undefined;
  /**
   * Up to which size of the database, in bytes, every index is held against its table before the first write. Larger
   * ones get SQLite's quick check. Default: 1 GiB.
   */
  readonly fullCheckBytes?: number | undefined;
  /** Where the copy before the first write goes and how many are kept; `false` for none. Default: beside the file, all kept. */
  readonly backup?: BackupPolicy | undefined;
  /**
   * `each` (the default): a transaction a file, so that what was applied before a failure stays; files in a row that can
   * do no harm may share one where neither `onProgress` nor `logger` is given. `all`: one transaction for the whole upgrade,
   * so that all of it is kept or nothing.
   */
  readonly transaction?: 'each' | 'all' | undefined;
  /** What is done with a legacy database: `bridge` (the default) upgrades it. */
  readonly legacyMode?: LegacyMode | undefined;
  /**
   * Whether the history that another tool keeps is taken over first, as `adoptHistory` does, in a transaction of its own;
   * where several tools keep one, with whose it is. Default: false; such a database is refused.
   */
  readonly adopt?: boolean | AdoptionTerms | undefined;
  /** Told what happens, as it happens. */
  readonly onProgress?: Progress | undefined;
  /** Stops the upgrade: the step that is going on is rolled back. */
  readonly signal?: AbortSignal | undefined;
}

/** What an upgrade on the caller's own connection takes. */
export type ConnectionUpgradeOptions = Omit<UpgradeOptions, 'backup' | 'database'>;

/** The options that an upgrade and the opening of a storage have in common, by their names. */
export const sharedOptionNames = {
  adopt: true,
  backup: true,
  code: true,
  countRows: true,
  database: true,
  driver: true,
  fullCheckBytes: true,
  historyTable: true,
  legacy: true,
  legacyMode: true,
  lockWaitMs: true,
  logger: true,
  onProgress: true,
  rereadFiles: true,
  signal: true,
  transaction: true,
} as const;

/** Every option of an upgrade and of the way back by its name: one object of options may serve both. */
export const changeOptionNames = {
  ...sharedOptionNames,
  allowLoss: true,
  fromHistory: true,
  migrations: true,
  to: true,
} as const satisfies Record<keyof UpgradeOptions | 'allowLoss' | 'fromHistory', true>;

function wholeNumber(value: number | undefined, fallback: number, name: string, unit: string): number {
  if (value === undefined) return fallback;
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new InvalidOptionError(`${name} must be a whole number of ${unit}, 0 or more, and is ${value}.`, {
    hint: `Leave ${name} out to have ${fallback}.`,
  });
}

/** @throws InvalidOptionError when an option cannot be used */
export function resolveSettings(options: Omit<UpgradeOptions, 'database' | 'onProgress'>): RunnerSettings {
  if (options.backup !== undefined && options.backup !== false) checkRetention(options.backup);
  adoptionTerms(options.adopt);
  return {
    lockWaitMs: wholeNumber(options.lockWaitMs, defaultLockWaitMs, 'lockWaitMs', 'milliseconds'),
    countRows: options.countRows ?? true,
    fullCheckBytes: wholeNumber(options.fullCheckBytes, defaultFullCheckBytes, 'fullCheckBytes', 'bytes'),
    backup: options.backup ?? {},
    transaction: options.transaction ?? 'each',
    lossAllowed: false,
  };
}

export function resolveProgress(options: UpgradeOptions, logger: Logger): Progress {
  return safeProgress(options.onProgress, logger);
}
