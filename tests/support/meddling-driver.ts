import type { DatabaseDriver, SqlValue } from '../../core/database/database-bridge.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';

/**
 * Real connections, with somebody who acts between two of their statements.
 *
 * @param after is told of each statement that was executed, and is waited for
 */
export function meddlingDriver(
  after: (sql: string, parameters: readonly SqlValue[]) => Promise<void>,
): DatabaseDriver {
  return {
    name: 'meddling',
    async open(location, mode) {
      const db = await sqlite3Driver.open(location, mode);
      return {
        location: db.location,
        async execute(sql, parameters = []) {
          const result = await db.execute(sql, parameters);
          await after(sql, parameters);
          return result;
        },
        executeScript: (sql) => db.executeScript(sql),
        query: (sql, parameters) => db.query(sql, parameters),
        async backupTo(path) {
          await db.backupTo(path);
          await after('backup', [path]);
        },
        restoreFrom: (path, whileLocked) => db.restoreFrom(path, whileLocked),
        interrupt: () => {
          db.interrupt();
        },
        close: () => db.close(),
      };
    },
  };
}
