import sqlite3 from 'sqlite3';

/** A row as the driver gives it. */
export type LegacyRow = Readonly<Record<string, unknown>>;

/** The sqlite3 driver with promises, and nothing of core: what makes and reads legacy databases must not depend on it. */
export interface LegacyConnection {
  /** Carries out a script, statement by statement. */
  run(script: string): Promise<void>;
  /** Carries out one statement and returns its rows. */
  rows(sql: string): Promise<LegacyRow[]>;
  close(): Promise<void>;
}

function isRow(value: unknown): value is LegacyRow {
  return typeof value === 'object' && value !== null;
}

/** Opens a database, and makes the file where it is missing. Foreign keys are off, as the old programs left them. */
export function openLegacy(path: string): Promise<LegacyConnection> {
  return new Promise((resolve, reject) => {
    const database = new sqlite3.Database(path, (failure) => {
      if (failure !== null) {
        reject(failure);
        return;
      }
      database.serialize();
      resolve({
        run: (script) =>
          new Promise((done, fail) => {
            database.exec(script, (error) => {
              if (error === null) done();
              else fail(error);
            });
          }),
        rows: (sql) =>
          new Promise((done, fail) => {
            database.all(sql, (error: Error | null, rows: unknown[]) => {
              if (error === null) done(rows.filter(isRow));
              else fail(error);
            });
          }),
        close: () =>
          new Promise((done, fail) => {
            database.close((error) => {
              if (error === null) done();
              else fail(error);
            });
          }),
      });
    });
  });
}

/** Opens a database, gives the connection to `use`, and closes it whatever happens. */
export async function withLegacy<T>(
  path: string,
  use: (connection: LegacyConnection) => Promise<T>,
): Promise<T> {
  const connection = await openLegacy(path);
  try {
    return await use(connection);
  } finally {
    await connection.close();
  }
}
