import type { DatabaseDriver, LocalBridge, OpenMode } from '../database/database-bridge.js';
import { withSnapshot } from '../database/transaction.js';
import { FileAccessError, LockedError, UpgradeBridgeError } from '../errors.js';
import type { DatabaseFile } from './database-file.js';
import { nameReadError } from './database-state.js';

/**
 * Carries out reading work on a connection of its own, on one and the same state of the database.
 *
 * @param mode `read-only` changes no byte of the file; `read-write` lets SQLite first undo a change that was cut off
 * @throws UnreadableDatabaseError, FileAccessError when SQLite cannot read the file
 */
export async function readDatabase<Result>(
  driver: DatabaseDriver,
  file: DatabaseFile,
  mode: Exclude<OpenMode, 'create'>,
  work: (db: LocalBridge) => Promise<Result>,
): Promise<Result> {
  try {
    const db = await driver.open(file.canonicalPath, mode);
    try {
      return await withSnapshot(db, () => work(db));
    } finally {
      await db.close();
    }
  } catch (error) {
    throw withoutJournal(nameReadError(error, file.path), file);
  }
}

/** Where no journal waits, SQLite could not read because a database in WAL mode needs files beside it ("Write-Ahead Logging"). */
function withoutJournal(error: unknown, file: DatabaseFile): unknown {
  const waits = file.journalBytes > 0 || file.walBytes > 0;
  if (waits || !(error instanceof UpgradeBridgeError) || error.code !== 'NEEDS_RECOVERY') return error;
  return new FileAccessError(
    'NO_ACCESS',
    `"${file.path}" is in WAL mode, and its folder cannot be written.`,
    {
      hint: 'To read such a database SQLite makes files beside it: let this user write the folder, or copy the file.',
      cause: error,
    },
  );
}

/** How long a reader waits for others, and what ends the waiting. */
export interface Patience {
  readonly lockWaitMs: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * Carries out reading work before a database is changed: waits while a writer keeps readers out, and lets SQLite undo a
 * change that was cut off.
 *
 * @throws LockedError, UnreadableDatabaseError, FileAccessError when SQLite cannot read the file
 */
export async function readPatiently<Result>(
  driver: DatabaseDriver,
  file: DatabaseFile,
  { lockWaitMs, signal }: Patience,
  work: (db: LocalBridge) => Promise<Result>,
): Promise<Result> {
  const started = performance.now();
  for (let mode: 'read-only' | 'read-write' = 'read-only'; ;) {
    try {
      return await readDatabase(driver, file, mode, work);
    } catch (error) {
      const waits = error instanceof LockedError && performance.now() - started < lockWaitMs;
      const recovers =
        error instanceof UpgradeBridgeError && error.code === 'NEEDS_RECOVERY' && mode === 'read-only';
      if (signal?.aborted === true || !(waits || recovers)) throw error;
      if (recovers) mode = 'read-write';
    }
  }
}
