import type { DatabaseDriver } from '../../core/database/database-bridge.js';
import { databaseError } from '../../core/database/driver-errors.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';

/** A driver, and the scripts that it was given. */
export interface InterferingDriver {
  readonly driver: DatabaseDriver;
  readonly scripts: string[];
}

/**
 * The real driver, which carries a script out up to each COMMIT and then lets somebody else act, or fail.
 *
 * @param act is told how many transactions that write were committed, and is waited for
 * @param refuses says before which script the disk is full
 * @param changed what is carried out instead of a script
 */
export function interferingDriver(
  act: (commits: number) => Promise<void>,
  refuses: (script: string) => boolean = () => false,
  changed: (script: string) => string = (script) => script,
): InterferingDriver {
  const scripts: string[] = [];
  let commits = 0;
  let writes = false;
  const driver: DatabaseDriver = {
    name: 'interfering',
    async open(location, mode) {
      const db = await sqlite3Driver.open(location, mode);
      if (mode === 'read-only') return db;
      return {
        location: db.location,
        async execute(sql, parameters) {
          const result = await db.execute(sql, parameters);
          // The first look is in a transaction as well, which only reads.
          if (sql.startsWith('BEGIN')) writes = sql === 'BEGIN IMMEDIATE';
          if (sql === 'COMMIT' && writes) await act((commits += 1));
          return result;
        },
        async executeScript(sql) {
          scripts.push(sql);
          if (refuses(sql)) {
            await db.execute('ROLLBACK');
            throw databaseError('SQLITE_FULL', 'database or disk is full', undefined);
          }
          const [first = '', ...rest] = changed(sql).split(/(?<=\nCOMMIT;\n)/);
          await db.executeScript(first);
          for (const part of rest) {
            await act((commits += 1));
            await db.executeScript(part);
          }
        },
        query: (sql, parameters) => db.query(sql, parameters),
        backupTo: (path) => db.backupTo(path),
        restoreFrom: (path, whileLocked) => db.restoreFrom(path, whileLocked),
        interrupt: () => {
          db.interrupt();
        },
        close: () => db.close(),
      };
    },
  };
  return { driver, scripts };
}
