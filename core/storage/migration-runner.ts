import type { DatabaseBridge, DatabaseDriver } from '../database/database-bridge.js';
import { tidyBackups } from './backup-policy.js';
import type { Logger } from '../logger.js';
import type { DatabaseFile } from './database-file.js';
import { whileKeptOut } from './database-reading.js';
import { nameReadError, readUserVersion } from './database-state.js';
import { shortWaitMs } from './defaults.js';
import { acquireMigrationLock } from './migration-lock.js';
import { ensureWal } from './sqlite-schema.js';
import { UpgradeConnection } from './upgrade-connection.js';
import type { Progress } from './upgrade-progress.js';
import type { ChangeRequest, RunRequest, RunResult } from './upgrade-request.js';
import { UpgradeSteps } from './upgrade-steps.js';

type Closeable = Pick<DatabaseBridge, 'close'>;

const pageCount = 'SELECT page_count, journal_mode FROM pragma_page_count, pragma_journal_mode';

/** Sets up the connection of an upgrade. It is nobody else's: what others do on theirs cannot fall into its transactions. */
async function openForUpgrade(request: ChangeRequest, file: DatabaseFile): Promise<DatabaseBridge> {
  const { driver, early, settings, signal } = request;
  const wait = { lockWaitMs: settings.lockWaitMs, signal };
  try {
    const db = early?.take() ?? (await driver.open(file.canonicalPath, 'create', shortWaitMs));
    try {
      // Foreign keys are off before BEGIN: inside a transaction the switch does nothing ("PRAGMA foreign_keys"). In WAL mode,
      // EXTRA is what FULL is ("PRAGMA synchronous"): the difference is a rollback journal's.
      const setUp = `PRAGMA busy_timeout = ${shortWaitMs}; PRAGMA foreign_keys = OFF; PRAGMA synchronous = EXTRA`;
      // To set the last one, SQLite reads the schema, and may be kept from that.
      await whileKeptOut(wait, () => db.executeScript(setUp));
      // A new file has no page yet, whoever made it, and none again where the making of it was cut off and SQLite has now
      // rolled it back; only under the lock may its journal mode be chosen.
      const mayBeNew = file.sizeBytes === 0 || file.journalBytes > 0;
      const [row] = mayBeNew ? await whileKeptOut(wait, () => db.query(pageCount)) : [];
      if (row?.page_count === 0) await ensureWal(db, row.journal_mode);
      return db;
    } catch (error) {
      await db.close();
      throw error;
    }
  } catch (error) {
    throw nameReadError(error, file.path);
  }
}

/**
 * Keeps a database from being written when the connection of a failed upgrade closes: the last one to close carries a
 * write-ahead log over into the file, unless it may only read ("Write-Ahead Logging", section 4).
 */
async function keepLog(driver: DatabaseDriver, file: DatabaseFile, logger: Logger): Promise<Closeable> {
  try {
    const reader = await driver.open(file.canonicalPath, 'read-only', shortWaitMs);
    try {
      await readUserVersion(reader);
    } catch (error) {
      await reader.close();
      throw error;
    }
    return reader;
  } catch (error) {
    // What made the upgrade fail is what the caller has to know.
    logger.debug({ err: error }, 'the log could not be kept apart');
    return { close: () => Promise.resolve() };
  }
}

/** Lends the caller's own connection to an upgrade: foreign keys are off, and are on again where they were. */
async function withoutForeignKeys<Result>(db: DatabaseBridge, work: () => Promise<Result>): Promise<Result> {
  const [row] = await db.query('PRAGMA foreign_keys');
  await db.executeScript('PRAGMA foreign_keys = OFF');
  try {
    return await work();
  } finally {
    if (row?.foreign_keys === 1) await db.executeScript('PRAGMA foreign_keys = ON');
  }
}

/**
 * Carries out an upgrade under the lock: the baseline of a legacy database first, in one transaction, then each pending
 * file in one, together with its history row and user_version.
 *
 * What is to be done is decided anew inside each transaction, so that two processes that both believe to hold the lock
 * still apply each file once.
 *
 * @throws LockedError when other processes do not let go in time, or the lock was lost
 * @throws MigrationFailedError when a file failed; it was rolled back and recorded as failed
 * @throws InterruptedError when `signal` was aborted
 */
export async function runMigrations(request: RunRequest): Promise<RunResult> {
  const removedBackups: string[] = [];
  const progress: Progress = (event) => {
    if (event.kind === 'old-backups-removed') removedBackups.push(...event.paths);
    request.progress(event);
  };
  const result = await underLock({ ...request, progress }, (connection) =>
    new UpgradeSteps(request, connection).carryOut(),
  );
  return { ...result, removedBackups };
}

/**
 * Carries out work on a connection of its own that nobody else uses, under the lock.
 *
 * @throws LockedError when other processes do not let go in time, and whatever `work` throws
 */
export async function underLock<Result>(
  request: ChangeRequest,
  work: (connection: UpgradeConnection) => Promise<Result>,
): Promise<Result> {
  const { target, driver, settings, logger, progress, signal } = request;
  if (!('canonicalPath' in target))
    return withoutForeignKeys(target, () => work(new UpgradeConnection(request, target, undefined)));
  const lock = await acquireMigrationLock(target, {
    waitMs: settings.lockWaitMs,
    logger,
    signal,
    onWait: ({ heldSince }) => {
      progress({ kind: 'waiting', since: heldSince });
    },
  });
  try {
    const db = await openForUpgrade(request, target);
    const connection = new UpgradeConnection(request, db, lock);
    let keeper: Closeable | undefined;
    try {
      return await work(connection);
    } catch (error) {
      keeper = await keepLog(driver, target, logger);
      throw error;
    } finally {
      await db.close();
      await keeper?.close();
      // Also after a failure: a program that fails at every start makes a copy at every start.
      if (connection.backup !== undefined)
        await tidyBackups(settings.backup, { driver, file: target, logger, progress });
    }
  } finally {
    await lock.release();
  }
}
