import type { DatabaseBridge, DatabaseDriver } from '../../core/database/database-bridge.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';

/** Gives `use` a database in memory on which a script was carried out, with foreign keys off. */
export async function withDatabase<T>(
  script: string,
  use: (db: DatabaseBridge) => Promise<T>,
  driver: DatabaseDriver = sqlite3Driver,
): Promise<T> {
  const db = await driver.open(':memory:', 'create');
  try {
    await db.executeScript(`PRAGMA foreign_keys = OFF; ${script}`);
    return await use(db);
  } finally {
    await db.close();
  }
}
