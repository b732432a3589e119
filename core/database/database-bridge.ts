/** A value as SQLite stores it. Integers beyond 2^53 lose their last digits on the way to JavaScript: keep them in SQL. */
export type SqlValue = string | number | null | Uint8Array;

/** One row of a result, keyed by column name. */
export type Row = Readonly<Record<string, SqlValue>>;

/** What one writing statement did. */
export interface ExecuteResult {
  /** Rows that the statement itself changed; rows changed by triggers and cascades are not counted. */
  readonly changes: number;
  /** The rowid of the last row inserted on this connection. */
  readonly lastInsertRowid: number;
}

/**
 * - `read-only`: changes no byte of the database; fails where the file is missing.
 * - `read-write`: fails where the file is missing.
 * - `create`: makes the file where it is missing.
 */
export type OpenMode = 'read-only' | 'read-write' | 'create';

/**
 * One connection to one SQLite database: the few verbs that an upgrade needs, and nothing that only a file of this
 * machine has, so that another engine can stand behind them. A program that has `execute` and `query` only hands them
 * over as they are (`asBridge`).
 *
 * - Calls are carried out in the order in which they are made, all on the same connection: BEGIN, COMMIT and ROLLBACK are
 *   statements as any other, and none of them is open when the connection is handed over.
 * - Values beside a statement are bound by position, one for each `?` of it; whole numbers of 32 bits are bound as INTEGER.
 *   This package's own statements name no parameter by a number; a migration in code may use `?1`, also more than once.
 * - Numbers come as JavaScript numbers, never as BigInt.
 * - Every method rejects with a `DatabaseError` that carries SQLite's primary result code: who waits for a lock knows it by
 *   `SQLITE_BUSY`, and what is refused by `SQLITE_ERROR`. Of another error, `asBridge` takes the `code` where it has one.
 */
export interface DatabaseBridge {
  /** The path that was opened, or `:memory:`; of another engine, what a message may call the database. */
  readonly location: string;
  /** Carries out exactly one statement. What follows it in `sql` is never run: a driver may refuse it. */
  execute(sql: string, parameters?: readonly SqlValue[]): Promise<ExecuteResult>;
  /** Carries out every statement of a script, in order, up to the first that fails. */
  executeScript(sql: string): Promise<void>;
  /** Carries out exactly one statement and returns its rows; none where it gives none. */
  query(sql: string, parameters?: readonly SqlValue[]): Promise<Row[]>;
  /** Closes the connection and gives its locks back. */
  close(): Promise<void>;
}

/** A connection to a database of this machine: what copies, restores and stops need besides. */
export interface LocalBridge extends DatabaseBridge {
  /**
   * Copies the database page by page into the file at `path`, damage and journal mode included. The file is made
   * where it is missing; its content is replaced.
   */
  backupTo(path: string): Promise<void>;
  /**
   * Replaces the content of this database by that of the file at `path`, page by page, in one transaction. Other
   * connections stay usable and see the new content. A database with a write-ahead log keeps it, and can only take
   * pages of its own size (`SQLITE_READONLY`).
   *
   * A connection that keeps others from writing (`PRAGMA locking_mode = EXCLUSIVE`) does so until the copy is done or
   * has failed: what they wrote is never overwritten unseen.
   *
   * @param whileLocked runs when no other connection can write any more, before anything is written; with a
   *   write-ahead log others can still read. What it throws ends the copy, and nothing has changed.
   */
  restoreFrom(path: string, whileLocked?: () => Promise<void>): Promise<void>;
  /**
   * Makes the statement or the copy that is running end with `SQLITE_INTERRUPT`; does nothing when none is. A driver
   * without threads cannot be called while a statement runs, and so can only end copies.
   */
  interrupt(): void;
}

/** Opens connections to databases of this machine. The one place where a driver is chosen. */
export interface DatabaseDriver {
  readonly name: string;
  /**
   * Whether its databases are files in SQLite's own format under SQLite's own locks, so that one that is locked may be
   * copied as a file. Not so unless it is said.
   */
  readonly plainFiles?: boolean;
  /**
   * Whether a statement runs on another thread, so that meanwhile other connections can be used and it can be interrupted.
   * Not so unless it is said.
   */
  readonly threads?: boolean;
  /**
   * Opens a connection that waits for the locks of others, until it is told otherwise ("PRAGMA busy_timeout"), and does
   * not enforce foreign keys ("PRAGMA foreign_keys").
   *
   * @param location a file path, or `:memory:` for a database of this connection alone
   * @param waitMs how long it waits for each of these locks, in milliseconds; five seconds unless given
   * @throws DatabaseError when SQLite cannot open it
   * @throws UpgradeBridgeError (NO_DRIVER) when the package behind it cannot be loaded
   */
  open(location: string, mode: OpenMode, waitMs?: number): Promise<LocalBridge>;
}
