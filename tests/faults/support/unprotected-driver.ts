import type { LocalBridge, DatabaseDriver, OpenMode, Row } from '../../../core/database/database-bridge.js';

/** What a program of the harness does to the connections of the library. The library itself has no such switch. */
export interface Weakening {
  /** This level instead of the one that is asked for; `PRAGMA synchronous` still tells the latter. */
  readonly synchronous?: string | undefined;
  /** Set on every connection that is opened. */
  readonly journalMode?: string | undefined;
  /** Pages that a connection keeps in memory: with few, SQLite writes in the middle of a transaction. */
  readonly cachePages?: number | undefined;
}

const setting = /\bPRAGMA synchronous\s*=\s*(\w+)/i;
const question = /^PRAGMA synchronous\s*;?$/i;
const levels = ['OFF', 'NORMAL', 'FULL', 'EXTRA'];

/** Weakens every connection that the driver opens from now on, in this process. */
export function weakenDriver(driver: DatabaseDriver, weakening: Weakening): void {
  const open = driver.open.bind(driver);
  driver.open = async (location: string, mode: OpenMode) => {
    const db = await open(location, mode);
    const { journalMode, cachePages } = weakening;
    if (journalMode !== undefined && mode !== 'read-only')
      await db.query(`PRAGMA journal_mode = ${journalMode}`);
    if (cachePages !== undefined) await db.query(`PRAGMA cache_size = ${cachePages}`);
    return weakening.synchronous === undefined ? db : withSynchronous(db, weakening.synchronous);
  };
}

function withSynchronous(db: LocalBridge, level: string): LocalBridge {
  let asked = levels.indexOf('FULL');
  const rewritten = (sql: string): string => {
    const wanted = setting.exec(sql)?.[1]?.toUpperCase();
    if (wanted === undefined) return sql;
    asked = levels.includes(wanted) ? levels.indexOf(wanted) : Number(wanted);
    return sql.replace(setting, `PRAGMA synchronous = ${level}`);
  };
  return {
    location: db.location,
    execute: (sql, parameters) => db.execute(rewritten(sql), parameters),
    executeScript: (sql) => db.executeScript(rewritten(sql)),
    query: (sql, parameters): Promise<Row[]> =>
      question.test(sql) ? Promise.resolve([{ synchronous: asked }]) : db.query(rewritten(sql), parameters),
    backupTo: (path) => db.backupTo(path),
    restoreFrom: (path, whileLocked) => db.restoreFrom(path, whileLocked),
    interrupt: () => {
      db.interrupt();
    },
    close: () => db.close(),
  };
}
