import { sqlite3Driver } from '../database/sqlite3-bridge.js';
import { FileAccessError, ForeignDatabaseError } from '../errors.js';
import { resolveDatabaseFile } from './database-file.js';
import { readDatabase } from './database-reading.js';
import { HISTORY_TABLE, readHistory, readHistoryShape, type AppliedMigration } from './migration-history.js';

/**
 * Everything that was ever tried on a database, oldest first: what was adopted, completed, applied or rolled back, and
 * what failed. Changes no byte of it, and needs no files.
 *
 * @returns nothing where there is no history yet
 * @throws FileAccessError (MISSING_DATABASE) when there is no such file
 * @throws ForeignDatabaseError when another tool keeps its history there
 * @throws UnreadableDatabaseError when it cannot be read or its history cannot be trusted
 */
export async function listHistory(path: string): Promise<AppliedMigration[]> {
  const file = await resolveDatabaseFile(path, 'read');
  if (!file.exists)
    throw new FileAccessError('MISSING_DATABASE', `There is no database at "${path}".`, {
      hint: 'Check the path.',
    });
  return readDatabase(sqlite3Driver, file, 'read-only', async (db) => {
    const shape = await readHistoryShape(db);
    switch (shape.kind) {
      case 'none':
        return [];
      case 'ours':
        return readHistory(db);
      case 'foreign':
        throw new ForeignDatabaseError(
          `There is no history of this program: where it (${HISTORY_TABLE}) should be stands ${shape.description}.`,
          { hint: 'Check the path, or look at that table with the tool that keeps it.' },
        );
    }
  });
}
