import { openConnection, type DatabaseBridge, type DriverName } from 'sqlite-upgrade-bridge';

/** All that the program knows of its database. */
export interface ConversationsBridge extends DatabaseBridge {
  transaction<Result>(work: () => Promise<Result>): Promise<Result>;
}

/** The program's bridge over one of two drivers. */
export async function openBridge(path: string, driver: DriverName): Promise<ConversationsBridge> {
  const db = await openConnection(path, { driver });
  await db.executeScript('PRAGMA foreign_keys = ON');
  return {
    location: db.location,
    execute: (sql, values) => db.execute(sql, values),
    executeScript: (sql) => db.executeScript(sql),
    query: (sql, values) => db.query(sql, values),
    close: () => db.close(),
    async transaction(work) {
      await db.execute('BEGIN IMMEDIATE');
      try {
        const result = await work();
        await db.execute('COMMIT');
        return result;
      } catch (error) {
        await db.execute('ROLLBACK');
        throw error;
      }
    },
  };
}
