import type { DatabaseDriver } from '../database/database-bridge.js';
import { resolveDriver, type DriverOption } from '../database/drivers.js';
import { InvalidOptionError, MigrationFileError } from '../errors.js';
import { moduleLogger, type Logger } from '../logger.js';
import { checkRetention } from './backup-retention.js';
import type { BackupPolicy } from './backup-policy.js';
import { mergeMigrations, type CodeMigration } from './code-migrations.js';
import type { LegacyVersions } from './legacy-evidence.js';
import type { LegacyMode } from './legacy-mode.js';
import { readMigrations, refuseHistoryWrites } from './migration-files.js';
import { historyTableOf, type HistoryTable } from './migration-history.js';
import { defaultLockWaitMs } from './migration-lock.js';
import { replayMigrations, type Replay } from './migration-replay.js';
import type { RunnerSettings } from './upgrade-request.js';
import type { Migration } from './migration.js';
import { safeProgress, type Progress } from './upgrade-progress.js';
import { defaultFullCheckBytes } from './verified-copy.js';

/** Where the files are and what the past means. */
export interface MigrationSource extends DriverOption {
  /** A folder of SQL files; or migrations as values, those that `readMigrations` returns and those in code, in any order. */
  readonly migrations: string | readonly (Migration | CodeMigration)[];
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
  readonly logger?: Logger | undefined;
}

export interface UpgradeOptions extends MigrationSource {
  /** The path of the database file. It is made where it does not exist. */
  readonly database: string;
  /** The version at which the upgrade ends; later files stay pending. Default: the newest. */
  readonly to?: number | undefined;
  /** How long to wait for other processes, in milliseconds. Default: 60 000. */
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
   * `each` (the default): a transaction a file, so that what was applied before a failure stays. `all`: one transaction
   * for the whole upgrade, so that all of it is kept or nothing.
   */
  readonly transaction?: 'each' | 'all' | undefined;
  /** What is done with a legacy database: `bridge` (the default) upgrades it. */
  readonly legacyMode?: LegacyMode | undefined;
  /**
   * Whether the history that another tool keeps is taken over first, as `adoptHistory` does, in a transaction of its own.
   * Default: false; such a database is refused.
   */
  readonly adopt?: boolean | undefined;
  /** Told what happens, as it happens. */
  readonly onProgress?: Progress | undefined;
  /** Stops the upgrade: the step that is going on is rolled back. */
  readonly signal?: AbortSignal | undefined;
}

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

/** The options with every default filled in, and the files read. */
export interface ResolvedSource {
  readonly driver: DatabaseDriver;
  readonly migrations: readonly Migration[];
  readonly legacy: LegacyVersions;
  readonly historyTable: HistoryTable;
  readonly logger: Logger;
  /** What the migrations make. They are replayed once, when it is first asked for. */
  readonly replayed: () => Promise<Replay>;
}

/**
 * Reads the files, puts them and the migrations in code into one sequence, and checks the table of legacy versions
 * against it.
 *
 * @throws MigrationFileError when a file, the folder or the table is not as it must be, or two have the same number
 * @throws InvalidOptionError when a migration in code, or the name of the history's table, is not as it must be
 */
export async function resolveSource(source: MigrationSource): Promise<ResolvedSource> {
  const driver = resolveDriver(source.driver);
  const historyTable = historyTableOf(source);
  const files =
    typeof source.migrations === 'string'
      ? await readMigrations(source.migrations, { historyTable: historyTable.name })
      : source.migrations;
  const migrations = mergeMigrations(files, source.code ?? []);
  // What was read before was perhaps read for a history of another name.
  if (files === source.migrations) refuseHistoryWrites(migrations, historyTable.name);
  const legacy = source.legacy ?? {};
  refuseUnknownVersions(legacy, migrations);
  const logger = moduleLogger(source.logger, 'upgrade');
  let replay: Promise<Replay> | undefined;
  const replayed = (): Promise<Replay> => (replay ??= replayMigrations({ driver, historyTable }, migrations));
  return { driver, migrations, legacy, historyTable, logger, replayed };
}

function isVersionList(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((version) => Number.isSafeInteger(version));
}

function refuseUnknownVersions(
  legacy: Readonly<Record<string, unknown>>,
  migrations: readonly Migration[],
): void {
  const known = new Set(migrations.map(({ version }) => version));
  for (const [claim, versions] of Object.entries(legacy)) {
    const problem = !/^\d+$/.test(claim)
      ? `"${claim}" is not a user_version`
      : !isVersionList(versions)
        ? `what ${claim} claims is not a list of migration versions`
        : versions.every((version) => known.has(version))
          ? undefined
          : `${claim} claims migration ${versions.filter((version) => !known.has(version)).join(', ')}, and there is no such file`;
    if (problem !== undefined)
      throw new MigrationFileError(
        'BAD_LEGACY_TABLE',
        `The table of legacy versions is wrong: ${problem}.`,
        'legacy',
        undefined,
        {
          hint: 'It maps each user_version to the versions of the files that it claims, such as { "1": [3], "2": [3, 4] }.',
        },
      );
  }
}

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
