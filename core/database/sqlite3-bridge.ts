import sqlite3 from 'sqlite3';

import { DatabaseError } from '../errors.js';
import type {
  DatabaseBridge,
  DatabaseDriver,
  ExecuteResult,
  OpenMode,
  Row,
  SqlValue,
} from './database-bridge.js';

// What the declarations of the driver leave out.
declare module 'sqlite3' {
  interface Backup {
    /** Whether the copy can go on no more. */
    readonly failed: boolean;
    step(pages: number, callback: (error: Error | null, done: boolean) => void): void;
    finish(callback: () => void): void;
  }
  interface Database {
    backup(
      filename: string,
      destination: string,
      source: string,
      filenameIsDestination: boolean,
      callback: (error: Error | null) => void,
    ): Backup;
  }
}

/** How long SQLite itself waits for another connection's lock before it says SQLITE_BUSY. */
const BUSY_TIMEOUT_MS = 5_000;

/** Pages of a copy between two looks at whether it was interrupted: 4 MiB of the usual size. */
const PAGES_PER_STEP = 1_024;

const openFlags: Record<OpenMode, number> = {
  'read-only': sqlite3.OPEN_READONLY | sqlite3.OPEN_FULLMUTEX,
  'read-write': sqlite3.OPEN_READWRITE | sqlite3.OPEN_FULLMUTEX,
  create: sqlite3.OPEN_READWRITE | sqlite3.OPEN_CREATE | sqlite3.OPEN_FULLMUTEX,
};

const hints: Readonly<Record<string, string>> = {
  SQLITE_BUSY: 'Another program is using the database. Try again when it has finished.',
  SQLITE_FULL: 'The disk is full. Make room and try again; nothing of the failed step was kept.',
  SQLITE_IOERR: 'The disk or the file system reported an error. Check it before you try again.',
  SQLITE_READONLY: 'The file or its folder cannot be written. Check the permissions.',
  SQLITE_CANTOPEN: 'Check that the path is right and that the file and its folder are readable and writable.',
  SQLITE_CORRUPT:
    'The file is damaged. Restore a backup, or try the ".recover" command of the sqlite3 shell.',
  SQLITE_NOTADB: 'The file is not a SQLite database, or it is encrypted.',
};

/** Asked for its parts rather than its class, of which each realm (a worker's, a test's) has one of its own. */
function partsOf(error: unknown): { readonly code: string; readonly message: string } {
  if (typeof error !== 'object' || error === null) return { code: 'SQLITE_ERROR', message: String(error) };
  return {
    code: 'code' in error && typeof error.code === 'string' ? error.code : 'SQLITE_ERROR',
    message: 'message' in error ? String(error.message) : 'unknown error',
  };
}

function databaseError(error: unknown): DatabaseError {
  const { code, message } = partsOf(error);
  return new DatabaseError(message.replace(/^SQLITE_[A-Z]+: /, ''), code, {
    hint: hints[code] ?? 'See "Result and Error Codes" in the SQLite documentation.',
    cause: error,
  });
}

function interruptedCopy(): DatabaseError {
  return new DatabaseError('interrupted', 'SQLITE_INTERRUPT', {
    hint: 'The copy was stopped; what it was to replace is as it was.',
  });
}

function isRow(value: unknown): value is Row {
  return typeof value === 'object' && value !== null;
}

class Sqlite3Bridge implements DatabaseBridge {
  #closed = false;

  #copyInterrupted = false;

  constructor(
    readonly location: string,
    private readonly database: sqlite3.Database,
  ) {}

  execute(sql: string, parameters: readonly SqlValue[] = []): Promise<ExecuteResult> {
    return new Promise((resolve, reject) => {
      this.database.run(sql, [...parameters], function (error: Error | null) {
        if (error === null) resolve({ changes: this.changes, lastInsertRowid: this.lastID });
        else reject(databaseError(error));
      });
    });
  }

  executeScript(sql: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.database.exec(sql, (error) => {
        if (error === null) resolve();
        else reject(databaseError(error));
      });
    });
  }

  query(sql: string, parameters: readonly SqlValue[] = []): Promise<Row[]> {
    return new Promise((resolve, reject) => {
      this.database.all(sql, [...parameters], (error: Error | null, rows: unknown[]) => {
        if (error === null) resolve(rows.filter(isRow));
        else reject(databaseError(error));
      });
    });
  }

  backupTo(path: string): Promise<void> {
    return this.#copy(path, true);
  }

  restoreFrom(path: string, whileLocked?: () => Promise<void>): Promise<void> {
    return this.#copy(path, false, whileLocked);
  }

  /** "SQLite Backup API", with the file either as destination or as source. */
  async #copy(path: string, fileIsDestination: boolean, whileLocked?: () => Promise<void>): Promise<void> {
    this.#copyInterrupted = false;
    const backup = await new Promise<sqlite3.Backup>((resolve, reject) => {
      const started = this.database.backup(path, 'main', 'main', fileIsDestination, (error) => {
        if (error === null) resolve(started);
        else reject(databaseError(error));
      });
    });
    try {
      // A step of no pages takes the locks.
      let done = await this.#step(backup, 0);
      await whileLocked?.();
      while (!done) done = await this.#step(backup, PAGES_PER_STEP);
    } finally {
      // Unless all is done, this rolls the destination back.
      await new Promise<void>((resolve) => {
        backup.finish(resolve);
      });
    }
  }

  /** Whether the copy is complete. */
  #step(backup: sqlite3.Backup, pages: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
      backup.step(pages, (error: Error | null, done: boolean) => {
        if (error !== null) reject(databaseError(error));
        else if (backup.failed) reject(databaseError(new Error('the copy cannot be started')));
        else if (this.#copyInterrupted && !done) reject(interruptedCopy());
        else resolve(done);
      });
    });
  }

  interrupt(): void {
    this.#copyInterrupted = true;
    if (!this.#closed) this.database.interrupt();
  }

  close(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.database.close((error) => {
        this.#closed ||= error === null;
        if (error === null) resolve();
        else reject(databaseError(error));
      });
    });
  }
}

/** The driver of the `sqlite3` package (node-sqlite3). The only code that knows it. */
export const sqlite3Driver: DatabaseDriver = {
  name: 'sqlite3',

  open(location: string, mode: OpenMode): Promise<DatabaseBridge> {
    return new Promise((resolve, reject) => {
      const database = new sqlite3.Database(location, openFlags[mode], (error) => {
        if (error !== null) {
          reject(databaseError(error));
          return;
        }
        // The driver runs calls side by side on a pool of threads unless it is told to keep their order.
        database.serialize();
        database.configure('busyTimeout', BUSY_TIMEOUT_MS);
        resolve(new Sqlite3Bridge(location, database));
      });
    });
  },
};
