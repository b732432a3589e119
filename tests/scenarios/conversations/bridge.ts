import { openConnection, type DriverName, type Row, type SqlValue } from 'sqlite-upgrade-bridge';

/** All that the program knows of its database. */
export interface ConversationsBridge {
  execute(sql: string, values?: readonly SqlValue[]): Promise<void>;
  query(sql: string, values?: readonly SqlValue[]): Promise<readonly Row[]>;
  transaction<Result>(work: () => Promise<Result>): Promise<Result>;
  close(): Promise<void>;
}

/** The program's bridge over one of two drivers. */
export async function openBridge(path: string, driver: DriverName): Promise<ConversationsBridge> {
  const db = await openConnection(path, { driver });
  await db.execute('PRAGMA foreign_keys = ON');
  return {
    async execute(sql, values) {
      await db.execute(sql, values);
    },
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
