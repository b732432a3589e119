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
 * One connection to one SQLite database: the few verbs that everything above needs.
 *
 * Calls are carried out in the order in which they are made. Every method rejects with a `DatabaseError`
 * that carries SQLite's result code.
 */
export interface DatabaseBridge {
  /** The path that was opened, or `:memory:`. */
  readonly location: string;
  /** Carries out exactly one statement; whatever follows it in `sql` is not run. */
  execute(sql: string, parameters?: readonly SqlValue[]): Promise<ExecuteResult>;
  /** Carries out every statement of a script, in order, up to the first that fails. */
  executeScript(sql: string): Promise<void>;
  /** Carries out exactly one statement and returns its rows. */
  query(sql: string, parameters?: readonly SqlValue[]): Promise<Row[]>;
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
   * @param whileLocked runs when no other connection can write any more, before anything is written; with a
   *   write-ahead log others can still read. What it throws ends the copy, and nothing has changed.
   */
  restoreFrom(path: string, whileLocked?: () => Promise<void>): Promise<void>;
  /** Makes the statement or the copy that is running end with `SQLITE_INTERRUPT`; does nothing when none is. */
  interrupt(): void;
  /** Closes the connection and gives its locks back. */
  close(): Promise<void>;
}

/** Opens connections. The one place where a driver is chosen. */
export interface DatabaseDriver {
  readonly name: string;
  /**
   * @param location a file path, or `:memory:` for a database of this connection alone
   * @throws DatabaseError when SQLite cannot open it
   */
  open(location: string, mode: OpenMode): Promise<DatabaseBridge>;
}
