import type { DatabaseBridge, DatabaseDriver, OpenMode } from '../database/database-bridge.js';
import { withSnapshot } from '../database/transaction.js';
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
  work: (db: DatabaseBridge) => Promise<Result>,
): Promise<Result> {
  try {
    const db = await driver.open(file.canonicalPath, mode);
    try {
      return await withSnapshot(db, () => work(db));
    } finally {
      await db.close();
    }
  } catch (error) {
    throw nameReadError(error, file.path);
  }
}
