import { setTimeout as pause } from 'node:timers/promises';

import { DatabaseError, InvalidOptionError, isSqliteError, messageOf } from '../errors.js';
import type { DatabaseBridge } from './database-bridge.js';

/** How long a COMMIT is tried again while other connections are still reading, in milliseconds. */
const COMMIT_PATIENCE_MS = 30_000;
const BUSY_PAUSE_MS = 5;

export interface TransactionOptions {
  /**
   * For how many milliseconds a COMMIT that meets SQLITE_BUSY is tried again, on top of the connection's own busy
   * timeout. 0 tries once. Default: 30 000.
   */
  readonly commitPatienceMs?: number;
  /**
   * For how many milliseconds a BEGIN that meets SQLITE_BUSY is tried again, on top of the connection's own busy
   * timeout. Default: 0, which tries once.
   */
  readonly beginPatienceMs?: number;
  /** Called before each further try; ends the waiting by throwing. */
  readonly beforeRetry?: () => void;
}

export interface WritingOptions<Result> extends TransactionOptions {
  /**
   * Whether work with this result has written anything. Where it has not, the transaction is rolled back: a COMMIT would
   * wait for readers all the same. Default: it has.
   */
  readonly writes?: (result: Result) => boolean;
}

/**
 * Carries out `work` in a transaction of its own: all of it is kept, or nothing.
 *
 * The transaction begins as a writing one, because one that turns to writing later meets SQLITE_BUSY without any wait.
 * Nothing else may use the connection meanwhile: it would fall into this transaction.
 *
 * @throws DatabaseError when the transaction cannot begin or be committed, and whatever `work` throws; nothing of the
 *   work is kept then
 * @throws InvalidOptionError when a transaction is open on the connection
 */
export async function withTransaction<Result>(
  db: DatabaseBridge,
  work: () => Promise<Result>,
  options: WritingOptions<Result> = {},
): Promise<Result> {
  await namingOpenTransaction(begin(db, options));
  return endingTransaction(db, work, options);
}

/**
 * Carries out `work` as a part of the transaction that is open, or in one of its own where none is.
 *
 * @throws what `withTransaction` throws
 */
export async function withinTransaction<Result>(
  db: DatabaseBridge,
  work: () => Promise<Result>,
  options: WritingOptions<Result> = {},
): Promise<Result> {
  try {
    await begin(db, options);
  } catch (error) {
    if (!isWithinTransaction(error)) throw error;
    return withSavepoint(db, work);
  }
  return endingTransaction(db, work, options);
}

/** The port has no question for it; SQLite answers by its refusal to begin another one. */
function isWithinTransaction(error: unknown): boolean {
  return messageOf(error).includes('within a transaction');
}

/** @throws InvalidOptionError when it cannot begin because a transaction is open */
async function namingOpenTransaction(beginning: Promise<unknown>): Promise<void> {
  try {
    await beginning;
  } catch (error) {
    if (!isWithinTransaction(error)) throw error;
    throw new InvalidOptionError('A transaction is open on the connection that was handed over.', {
      hint: 'Nothing was changed. Commit it or roll it back first: what is done here has transactions of its own.',
      cause: error,
    });
  }
}

async function begin(db: DatabaseBridge, options: TransactionOptions): Promise<void> {
  const { beginPatienceMs = 0, beforeRetry } = options;
  await whileBusy(() => db.execute('BEGIN IMMEDIATE'), beginPatienceMs, beforeRetry);
}

async function endingTransaction<Result>(
  db: DatabaseBridge,
  work: () => Promise<Result>,
  options: WritingOptions<Result>,
): Promise<Result> {
  try {
    const result = await work();
    if (options.writes?.(result) ?? true) await commit(db, options);
    else await db.execute('ROLLBACK');
    return result;
  } catch (error) {
    await rollBack(db, ['ROLLBACK'], error);
    throw error;
  }
}

/**
 * Commits the transaction that is open.
 *
 * @throws DatabaseError when it cannot be committed
 */
export async function commit(
  db: DatabaseBridge,
  { commitPatienceMs = COMMIT_PATIENCE_MS, beforeRetry }: TransactionOptions = {},
): Promise<void> {
  // COMMIT can say BUSY, while another connection still reads, and leave the transaction open.
  await whileBusy(() => db.execute('COMMIT'), commitPatienceMs, beforeRetry);
}

/**
 * Carries out `work`, which only reads, so that all its queries see one and the same state of the database.
 *
 * @throws DatabaseError when the database cannot be read, and whatever `work` throws
 * @throws InvalidOptionError when a transaction is open on the connection
 */
export async function withSnapshot<Result>(db: DatabaseBridge, work: () => Promise<Result>): Promise<Result> {
  await namingOpenTransaction(db.execute('BEGIN'));
  try {
    const result = await work();
    await db.execute('COMMIT');
    return result;
  } catch (error) {
    await rollBack(db, ['ROLLBACK'], error);
    throw error;
  }
}

/**
 * Carries out `work` in a transaction of which nothing is kept. A COMMIT would wait for readers, even where nothing was
 * written.
 *
 * @param begin `BEGIN IMMEDIATE` where the work writes, or nobody else may, so that it waits for other writers before and
 *   not in its middle
 * @throws DatabaseError when the transaction cannot begin or be rolled back, and whatever `work` throws
 */
export async function withRollback<Result>(
  db: DatabaseBridge,
  begin: 'BEGIN' | 'BEGIN IMMEDIATE',
  work: () => Promise<Result>,
  { beginPatienceMs = 0, beforeRetry }: Omit<TransactionOptions, 'commitPatienceMs'> = {},
): Promise<Result> {
  await whileBusy(() => db.execute(begin), beginPatienceMs, beforeRetry);
  let result: Result;
  try {
    result = await work();
  } catch (error) {
    await rollBack(db, ['ROLLBACK'], error);
    throw error;
  }
  await rollBack(db, ['ROLLBACK'], undefined);
  return result;
}

/**
 * Carries out `work` as a part of the transaction that is open: where it fails, it alone is undone.
 *
 * @throws DatabaseError when SQLite refuses, and whatever `work` throws
 */
export async function withSavepoint<Result>(
  db: DatabaseBridge,
  work: () => Promise<Result>,
): Promise<Result> {
  await db.execute('SAVEPOINT part');
  try {
    const result = await work();
    await db.execute('RELEASE part');
    return result;
  } catch (error) {
    await rollBack(db, ['ROLLBACK TO part', 'RELEASE part'], error);
    throw error;
  }
}

/**
 * Tries work that begins and commits its transaction by itself, in as few calls as it likes.
 *
 * @returns undefined where SQLite refused any of it: nothing of it is kept then, and who wants to know why does it again
 *   with `withTransaction`
 * @throws whatever else `work` throws
 */
export async function tryTransaction<Result>(
  db: DatabaseBridge,
  work: () => Promise<Result>,
): Promise<Result | undefined> {
  try {
    return await work();
  } catch (error) {
    await rollBack(db, ['ROLLBACK'], error);
    if (error instanceof DatabaseError) return undefined;
    throw error;
  }
}

async function whileBusy(
  attempt: () => Promise<unknown>,
  patienceMs: number,
  beforeRetry: (() => void) | undefined,
): Promise<void> {
  const start = performance.now();
  for (;;) {
    try {
      await attempt();
      return;
    } catch (error) {
      if (!isSqliteError(error, 'SQLITE_BUSY') || performance.now() - start >= patienceMs) throw error;
    }
    await pause(BUSY_PAUSE_MS);
    beforeRetry?.();
  }
}

/**
 * Undoes what `first` made fail; undefined where nothing did. After a full disk, an I/O error or an interrupt, SQLite has
 * done so by itself.
 */
export async function rollBack(
  db: DatabaseBridge,
  statements: readonly string[],
  first: unknown,
): Promise<void> {
  try {
    for (const statement of statements) await db.execute(statement);
  } catch (error) {
    if (/no transaction is active|no such savepoint/.test(messageOf(error))) return;
    if (first === undefined) throw error;
    throw new DatabaseError(
      `${messageOf(first)} What had been done could not be rolled back: ${messageOf(error)}`,
      error instanceof DatabaseError ? error.sqliteCode : 'SQLITE_ERROR',
      {
        hint: 'Close this connection: SQLite rolls back what it left, when the database is opened next.',
        cause: new AggregateError([first, error]),
      },
    );
  }
}
