import type { DatabaseBridge } from '../../core/database/database-bridge.js';

/**
 * A real connection whose failures are seen.
 *
 * @param seen is told of each statement that failed, and is waited for before the caller is told
 */
export function observedBridge(
  db: DatabaseBridge,
  seen: (sql: string, error: unknown) => Promise<void>,
): DatabaseBridge {
  const telling = async <Result>(sql: string, statement: Promise<Result>): Promise<Result> => {
    try {
      return await statement;
    } catch (error) {
      await seen(sql, error);
      throw error;
    }
  };
  return {
    location: db.location,
    execute: (sql, parameters) => telling(sql, db.execute(sql, parameters)),
    executeScript: (sql) => telling(sql, db.executeScript(sql)),
    query: (sql, parameters) => telling(sql, db.query(sql, parameters)),
    close: () => db.close(),
  };
}
