import { access, constants } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';

import type { DatabaseDriver, LocalBridge, OpenMode } from '../database/database-bridge.js';
import { withSnapshot } from '../database/transaction.js';
import { DatabaseError, FileAccessError, isSqliteError, LockedError, UpgradeBridgeError } from '../errors.js';
import type { DatabaseFile } from './database-file.js';
import { nameReadError } from './database-state.js';
import { defaultReadWaitMs, shortWaitMs } from './defaults.js';
import { systemErrorCode } from './file-system.js';
import { interrupted } from './upgrade-stops.js';

interface ReadingOptions<Result> {
  /** Tried before: what takes a single query, and so needs no snapshot; undefined where that is not enough. */
  readonly atOnce?: ((db: LocalBridge) => Promise<Result | undefined>) | undefined;
  /** How long SQLite itself waits for others, in milliseconds. */
  readonly waitMs?: number;
}

/**
 * Carries out reading work on a connection of its own, on one and the same state of the database.
 *
 * @param mode `read-only` changes no byte of the file; `read-write` lets SQLite first undo a change that was cut off
 * @throws LockedError when another program lets nobody read for five seconds
 * @throws UnreadableDatabaseError, FileAccessError when SQLite cannot read the file
 */
export async function readDatabase<Result>(
  driver: DatabaseDriver,
  file: DatabaseFile,
  mode: Exclude<OpenMode, 'create'>,
  work: (db: LocalBridge) => Promise<Result>,
  { atOnce, waitMs = defaultReadWaitMs }: ReadingOptions<Result> = {},
): Promise<Result> {
  try {
    const db = await driver.open(file.canonicalPath, mode, waitMs);
    try {
      return (await atOnce?.(db)) ?? (await withSnapshot(db, () => work(db)));
    } finally {
      await db.close();
    }
  } catch (error) {
    throw await nameFileError(error, file);
  }
}

/**
 * Gives a failure to read a database its name. Where no rollback journal waits, SQLite could not read because a database in
 * WAL mode needs files beside it, which this user or this file system does not let it make ("Write-Ahead Logging").
 */
export async function nameFileError(error: unknown, file: DatabaseFile): Promise<unknown> {
  const named = nameReadError(error, file.path);
  const isUnclear =
    named instanceof UpgradeBridgeError && (named.code === 'NEEDS_RECOVERY' || named.code === 'NO_ACCESS');
  if (
    !isUnclear ||
    !(named.cause instanceof DatabaseError) ||
    (named.code === 'NEEDS_RECOVERY' && file.journalBytes > 0)
  )
    return named;
  const refusal = await refusalToWrite(file.folder);
  if (refusal === undefined) return named;
  return new FileAccessError(
    'NO_ACCESS',
    `"${file.path}" cannot be read: to read a database in WAL mode, or one that waits for recovery, SQLite makes files beside it, and ${refusal}.`,
    {
      hint: 'Let this user write the folder, or copy the file and its -wal together to where that is so.',
      cause: error,
    },
  );
}

async function refusalToWrite(folder: string): Promise<string | undefined> {
  try {
    await access(folder, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    return systemErrorCode(error) === 'EROFS'
      ? 'its file system is read-only'
      : 'this user may not write its folder';
  }
}

/** How long a reader waits for others, and what ends the waiting. */
export interface Patience {
  readonly lockWaitMs: number;
  readonly signal: AbortSignal | undefined;
}

/** The same for one that changes nothing, as options say it. */
export interface ReadPatience {
  readonly lockWaitMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const PAUSE_MS = 5;

/**
 * Tries again while another program lets nobody read. Each try may wait for a short while itself.
 *
 * @throws InterruptedError when `signal` is aborted meanwhile, and whatever else `attempt` throws
 */
export async function whileKeptOut<Result>(
  { lockWaitMs, signal }: Patience,
  attempt: () => Promise<Result>,
): Promise<Result> {
  const started = performance.now();
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof LockedError) && !isSqliteError(error, 'SQLITE_BUSY')) throw error;
      if (signal?.aborted === true) throw interrupted(signal);
      if (performance.now() - started >= lockWaitMs) throw error;
    }
    await pause(PAUSE_MS);
  }
}

/**
 * Carries out reading work that changes no byte; waits, for as long as it is told, while a writer keeps readers out.
 *
 * @throws LockedError, UnreadableDatabaseError, FileAccessError when SQLite cannot read the file
 * @throws InterruptedError when `signal` is aborted while it waits
 */
export function readOnly<Result>(
  driver: DatabaseDriver,
  file: DatabaseFile,
  { lockWaitMs = defaultReadWaitMs, signal }: ReadPatience,
  work: (db: LocalBridge) => Promise<Result>,
): Promise<Result> {
  return whileKeptOut({ lockWaitMs, signal }, () =>
    readDatabase(driver, file, 'read-only', work, { waitMs: shortWaitMs }),
  );
}

/**
 * Carries out reading work before a database is changed: waits while a writer keeps readers out, and lets SQLite undo a
 * change that was cut off.
 *
 * @throws LockedError, UnreadableDatabaseError, FileAccessError when SQLite cannot read the file
 * @throws InterruptedError when `signal` is aborted while it waits
 */
export async function readPatiently<Result>(
  driver: DatabaseDriver,
  file: DatabaseFile,
  patience: Patience,
  work: (db: LocalBridge) => Promise<Result>,
  atOnce?: (db: LocalBridge) => Promise<Result | undefined>,
): Promise<Result> {
  let mode: 'read-only' | 'read-write' = 'read-only';
  return whileKeptOut(patience, async () => {
    try {
      return await readDatabase(driver, file, mode, work, { atOnce, waitMs: shortWaitMs });
    } catch (error) {
      const recovers =
        error instanceof UpgradeBridgeError && error.code === 'NEEDS_RECOVERY' && mode === 'read-only';
      if (!recovers || patience.signal?.aborted === true) throw error;
      mode = 'read-write';
    }
    return readDatabase(driver, file, mode, work, { atOnce, waitMs: shortWaitMs });
  });
}
