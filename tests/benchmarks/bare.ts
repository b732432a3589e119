import sqlite3 from 'sqlite3';

/** A bare handle of the driver, its calls as promises. */
export interface Bare {
  exec(sql: string): Promise<void>;
  all(sql: string): Promise<Record<string, unknown>[]>;
  close(): Promise<void>;
}

const isRow = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

/** Opens a database with nothing between the caller and the driver. */
export function openBare(path: string, mode: 'read-only' | 'create' = 'create'): Promise<Bare> {
  const flags = mode === 'read-only' ? sqlite3.OPEN_READONLY : sqlite3.OPEN_READWRITE | sqlite3.OPEN_CREATE;
  return new Promise((resolve, reject) => {
    const database = new sqlite3.Database(path, flags | sqlite3.OPEN_FULLMUTEX, (failure) => {
      if (failure !== null) {
        reject(failure);
        return;
      }
      const settle = (done: () => void, fail: (error: Error) => void) => (error: Error | null) => {
        if (error === null) done();
        else fail(error);
      };
      resolve({
        exec: (sql) => new Promise((done, fail) => database.exec(sql, settle(done, fail))),
        all: (sql) =>
          new Promise((done, fail) => {
            database.all(sql, (error: Error | null, rows: unknown[]) => {
              if (error === null) done(rows.filter(isRow));
              else fail(error);
            });
          }),
        close: () =>
          new Promise((done, fail) => {
            database.close(settle(done, fail));
          }),
      });
    });
  });
}

/** Opens a database, gives it to `use`, and closes it whatever happens. */
export async function withBare<Result>(path: string, use: (db: Bare) => Promise<Result>): Promise<Result> {
  const db = await openBare(path);
  try {
    return await use(db);
  } finally {
    await db.close();
  }
}

/** The only number that a query returns. */
export async function numberOf(db: Bare, sql: string): Promise<number> {
  const [row] = await db.all(sql);
  return Number(Object.values(row ?? {})[0]);
}
