import { resolveDriver } from '../database/drivers.js';
import { FileAccessError } from '../errors.js';
import { resolveDatabaseFile } from './database-file.js';
import { readDatabase } from './database-reading.js';
import type { AppliedMigration } from './history-row.js';
import { hasHistory, historyTableOf } from './history-table.js';
import { readHistory } from './migration-history.js';
import type { MigrationSource } from './upgrade-options.js';

/**
 * Everything that was ever tried on a database, oldest first: what was adopted, completed, applied or rolled back, and
 * what failed. Changes no byte of it, and needs no files.
 *
 * @returns nothing where there is no history yet
 * @throws FileAccessError (MISSING_DATABASE) when there is no such file
 * @throws UpgradeBridgeError (HISTORY_ELSEWHERE) when a table of another name holds the history
 * @throws ForeignDatabaseError when another tool keeps its history there
 * @throws UnreadableDatabaseError when it cannot be read or its history cannot be trusted
 */
export async function listHistory(
  path: string,
  options: Pick<MigrationSource, 'driver' | 'historyTable'> = {},
): Promise<AppliedMigration[]> {
  const driver = resolveDriver(options.driver);
  const table = historyTableOf(options);
  const file = await resolveDatabaseFile(path, 'read');
  if (!file.exists)
    throw new FileAccessError('MISSING_DATABASE', `There is no database at "${path}".`, {
      hint: 'Check the path.',
    });
  return readDatabase(driver, file, 'read-only', async (db) =>
    (await hasHistory(db, table)) ? readHistory(db, table) : [],
  );
}
