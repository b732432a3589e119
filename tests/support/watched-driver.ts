import type { DatabaseDriver, LocalBridge, OpenMode } from '../../core/database/database-bridge.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import { isSqliteError } from '../../core/errors.js';

/** What somebody sees, and does, who stands beside an upgrade's connections. */
export interface Watch {
  /** Is told of each connection before it is opened, with how long it will wait for locks, and may refuse it. */
  readonly opening?: (mode: OpenMode, waitMs: number | undefined) => void;
  /** Is told of each script before it is carried out, and is waited for. */
  readonly script?: (sql: string) => Promise<void>;
  /** Is told of each call that another program kept out, and is waited for. */
  readonly keptOut?: () => Promise<void>;
}

/** Real connections beside which somebody stands. */
export function watchedDriver({ opening, script, keptOut }: Watch): DatabaseDriver {
  const watched = async <Result>(call: Promise<Result>): Promise<Result> => {
    try {
      return await call;
    } catch (error) {
      if (isSqliteError(error, 'SQLITE_BUSY')) await keptOut?.();
      throw error;
    }
  };
  return {
    name: 'watched',
    async open(location, mode, waitMs): Promise<LocalBridge> {
      opening?.(mode, waitMs);
      const db = await sqlite3Driver.open(location, mode, waitMs);
      return {
        location,
        execute: (sql, parameters) => watched(db.execute(sql, parameters)),
        async executeScript(sql) {
          await script?.(sql);
          await watched(db.executeScript(sql));
        },
        query: (sql, parameters) => watched(db.query(sql, parameters)),
        backupTo: (path) => db.backupTo(path),
        restoreFrom: (path, whileLocked) => db.restoreFrom(path, whileLocked),
        interrupt: () => {
          db.interrupt();
        },
        close: () => db.close(),
      };
    },
  };
}
