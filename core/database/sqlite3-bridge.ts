import type sqlite3 from 'sqlite3';

import { messageOf, type DatabaseError } from '../errors.js';
import { requirePackage } from '../require-package.js';
import type {
  DatabaseDriver,
  ExecuteResult,
  LocalBridge,
  OpenMode,
  Row,
  SqlValue,
} from './database-bridge.js';
import { codeOf, databaseError, interruptedCopy, noDriver } from './driver-errors.js';

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

/** Statements that change no row and return none: the driver takes them to its threads once, and any other one twice. */
const transactionControl = /^(?:BEGIN(?: IMMEDIATE)?|COMMIT|ROLLBACK|(?:SAVEPOINT|RELEASE|ROLLBACK TO) \w+)$/;

const noChange: ExecuteResult = { changes: 0, lastInsertRowid: 0 };

/** @param error what the driver reported; its messages begin with the code */
function reported(error: unknown): DatabaseError {
  const code = codeOf(error) ?? 'SQLITE_ERROR';
  return databaseError(code, messageOf(error).replace(/^SQLITE_[A-Z]+: /, ''), error);
}

function isRow(value: unknown): value is Row {
  return typeof value === 'object' && value !== null;
}

class Sqlite3Bridge implements LocalBridge {
  #closed = false;

  #copyInterrupted = false;

  constructor(
    readonly location: string,
    private readonly database: sqlite3.Database,
  ) {}

  execute(sql: string, parameters: readonly SqlValue[] = []): Promise<ExecuteResult> {
    if (transactionControl.test(sql)) return this.executeScript(sql).then(() => noChange);
    return new Promise((resolve, reject) => {
      this.database.run(sql, [...parameters], function (error: Error | null) {
        if (error === null) resolve({ changes: this.changes, lastInsertRowid: this.lastID });
        else reject(reported(error));
      });
    });
  }

  executeScript(sql: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.database.exec(sql, (error) => {
        if (error === null) resolve();
        else reject(reported(error));
      });
    });
  }

  query(sql: string, parameters: readonly SqlValue[] = []): Promise<Row[]> {
    return new Promise((resolve, reject) => {
      this.database.all(sql, [...parameters], (error: Error | null, rows: unknown[]) => {
        if (error === null) resolve(rows.filter(isRow));
        else reject(reported(error));
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
        else reject(reported(error));
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
        if (error !== null) reject(reported(error));
        else if (backup.failed)
          reject(databaseError('SQLITE_ERROR', 'the copy cannot be started', undefined));
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
        else reject(reported(error));
      });
    });
  }
}

/** What `open` of SQLite is told, in numbers of the package. */
function openFlags(
  { OPEN_CREATE, OPEN_FULLMUTEX, OPEN_READONLY, OPEN_READWRITE }: typeof sqlite3,
  mode: OpenMode,
): number {
  switch (mode) {
    case 'read-only':
      return OPEN_READONLY | OPEN_FULLMUTEX;
    case 'read-write':
      return OPEN_READWRITE | OPEN_FULLMUTEX;
    case 'create':
      return OPEN_READWRITE | OPEN_CREATE | OPEN_FULLMUTEX;
  }
}

/** @throws UpgradeBridgeError (NO_DRIVER) when it is not installed, or was built for another system or another Node */
function load(): typeof sqlite3 {
  try {
    const found = requirePackage('sqlite3');
    if (isPackage(found)) return found;
  } catch (error) {
    throw noDriver('sqlite3', 'sqlite3', error);
  }
  throw noDriver('sqlite3', 'sqlite3', new Error('another package bears its name'));
}

function isPackage(value: unknown): value is typeof sqlite3 {
  return typeof value === 'object' && value !== null && 'Database' in value && 'OPEN_FULLMUTEX' in value;
}

/** The driver of the `sqlite3` package (node-sqlite3), which is loaded when the first database is opened. */
export const sqlite3Driver: DatabaseDriver = {
  name: 'sqlite3',
  plainFiles: true,
  threads: true,

  async open(location: string, mode: OpenMode, waitMs = BUSY_TIMEOUT_MS): Promise<LocalBridge> {
    const driver = load();
    return new Promise((resolve, reject) => {
      const database = new driver.Database(location, openFlags(driver, mode), (error) => {
        if (error !== null) {
          reject(reported(error));
          return;
        }
        // The driver runs calls side by side on a pool of threads unless it is told to keep their order.
        database.serialize();
        database.configure('busyTimeout', waitMs);
        resolve(new Sqlite3Bridge(location, database));
      });
    });
  },
};
