import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';

import type BetterSqlite3 from 'better-sqlite3';

import { isSqliteError, messageOf, type DatabaseError } from '../errors.js';
import type {
  DatabaseDriver,
  ExecuteResult,
  LocalBridge,
  OpenMode,
  Row,
  SqlValue,
} from './database-bridge.js';
import { codeOf, databaseError, interruptedCopy, loadPackage } from './driver-errors.js';

type Database = BetterSqlite3.Database;
type Statement = BetterSqlite3.Statement;

/** How long a connection waits for another one's lock before it says SQLITE_BUSY, and between two tries. */
const BUSY_TIMEOUT_MS = 5_000;
const BUSY_PAUSE_MS = 5;

/** Pages of a copy between two turns of the event loop: 4 MiB of the usual size. */
const PAGES_PER_STEP = 1_024;

/** More than the time of two changes of a file can lie apart without its time of change telling them apart. */
const CLOCK_TICK_MS = 50;

/** @param otherwise the code of what the package itself refuses, which has none */
function reported(error: unknown, otherwise = 'SQLITE_MISUSE'): DatabaseError {
  const message = messageOf(error);
  const own = message.includes('parameter values were provided') ? 'SQLITE_RANGE' : otherwise;
  return databaseError(codeOf(error) ?? own, message, error);
}

/** Whether waiting can help: a transaction that has read what is outdated now can never write. */
function isLocked(error: unknown): boolean {
  const code = codeOf(error) ?? '';
  return code.startsWith('SQLITE_BUSY') && code !== 'SQLITE_BUSY_SNAPSHOT';
}

function isRow(value: unknown): value is Row {
  return typeof value === 'object' && value !== null;
}

/** As the other driver binds it. This package makes REAL of every number, and refuses what has no type in SQLite. */
function bindable(value: unknown): unknown {
  if (value === undefined) return null;
  if (typeof value === 'boolean') return value ? 1n : 0n;
  return typeof value === 'number' && (value | 0) === value ? BigInt(value) : value;
}

/** Binds values by position, which this package does for `?` alone: for `?1` they are given by their numbers. */
function withValues<Result>(
  { source }: Statement,
  parameters: readonly SqlValue[],
  use: (...values: unknown[]) => Result,
): Result {
  if (parameters.length === 0) return use();
  const values = parameters.map(bindable);
  try {
    return use(values);
  } catch (error) {
    // Refused before anything was carried out.
    if (!messageOf(error).startsWith('Too many parameter values')) throw error;
    const numbers = new Set(Array.from(source.matchAll(/\?(\d+)/g), ([, number]) => Number(number)));
    const numbered = values.flatMap((value, index) => (numbers.has(index + 1) ? [[index + 1, value]] : []));
    const others = values.filter((_value, index) => !numbers.has(index + 1));
    return use(others, Object.fromEntries(numbered));
  }
}

/** The package cuts white space off the end of a name, and would open another file. */
function usablePath(path: string): string {
  const absolute = resolve(path);
  if (absolute === absolute.trim()) return absolute;
  throw databaseError(
    'SQLITE_CANTOPEN',
    `better-sqlite3 cannot open "${absolute}", whose name ends with white space`,
    undefined,
  );
}

/** What differs once a file was written. The file is never opened: that would drop this process's locks on it. */
function stampOf(path: string): string {
  const { ino, size, mtimeNs } = statSync(path, { bigint: true });
  return [ino, size, mtimeNs].join(' ');
}

class BetterSqlite3Bridge implements LocalBridge {
  #last: Promise<unknown> = Promise.resolve();

  #calls = 0;

  #isInterrupted = false;

  #waitMs: number;

  constructor(
    readonly location: string,
    private readonly database: Database,
    private readonly openSource: (path: string) => Database,
    waitMs: number,
  ) {
    this.#waitMs = waitMs;
  }

  execute(sql: string, parameters: readonly SqlValue[] = []): Promise<ExecuteResult> {
    return this.#inTurn(() =>
      this.#statement(sql, (statement) => {
        if (statement.reader) return this.#runReader(statement, parameters);
        const { changes, lastInsertRowid } = withValues(statement, parameters, (...values) =>
          statement.run(...values),
        );
        return { changes, lastInsertRowid: Number(lastInsertRowid) };
      }),
    );
  }

  executeScript(sql: string): Promise<void> {
    return this.#inTurn(async () => {
      try {
        await this.#statement(sql, (statement) => {
          if (statement.reader) statement.all();
          else statement.run();
        });
      } catch (error) {
        if (messageOf(error).includes('contains no statements')) return;
        if (!messageOf(error).includes('contains more than one statement')) throw error;
        this.#script(sql);
      }
    });
  }

  query(sql: string, parameters: readonly SqlValue[] = []): Promise<Row[]> {
    return this.#inTurn(() =>
      this.#statement(sql, (statement) =>
        withValues(statement, parameters, (...values) => {
          if (statement.reader) return statement.all(...values).filter(isRow);
          statement.run(...values);
          return [];
        }),
      ),
    );
  }

  backupTo(path: string): Promise<void> {
    return this.#inTurn(() => this.#copy(this.database, path));
  }

  restoreFrom(path: string, whileLocked?: () => Promise<void>): Promise<void> {
    return this.#inTurn(async () => {
      if (this.database.memory)
        throw databaseError('SQLITE_MISUSE', 'better-sqlite3 restores into files only', undefined);
      const source = this.openSource(path);
      try {
        if (this.database.pragma('locking_mode', { simple: true }) === 'exclusive')
          await this.#replaceHeld(source);
        else await this.#copy(source, this.location, whileLocked);
      } finally {
        source.close();
      }
    });
  }

  interrupt(): void {
    this.#isInterrupted = this.#calls > 0;
  }

  close(): Promise<void> {
    return this.#inTurn(() => {
      this.database.close();
      return Promise.resolve();
    });
  }

  /**
   * Carries out one call after the other, each in a turn of the event loop of its own: between two of them timers,
   * signals and the other connections of this process have theirs.
   */
  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#calls += 1;
    const turn = this.#last.then(async () => {
      try {
        await nextTurn();
        return await work();
      } finally {
        this.#calls -= 1;
        this.#isInterrupted = false;
      }
    });
    this.#last = turn.then(nothing, nothing);
    return turn;
  }

  /**
   * Carries out a statement, and again while other connections are in the way. SQLite's own wait would keep everything
   * in this process waiting, and so also a connection that could let go.
   */
  async #statement<Result>(sql: string, use: (statement: Statement) => Result): Promise<Result> {
    const started = performance.now();
    for (;;) {
      if (this.#isInterrupted) throw databaseError('SQLITE_INTERRUPT', 'interrupted', undefined);
      let statement: Statement | undefined;
      const carryOut = (): Result => {
        statement = this.database.prepare(sql);
        return use(statement);
      };
      try {
        return /busy_timeout/i.test(sql) ? this.#withOwnWait(carryOut) : carryOut();
      } catch (error) {
        // What wrote a part inside a transaction leaves the decision to whoever began it ("sqlite3_step").
        const repeatable = !this.database.inTransaction || (statement?.readonly ?? true);
        if (!isLocked(error) || !repeatable || performance.now() - started >= this.#waitMs)
          throw reported(error);
      }
      await pause(BUSY_PAUSE_MS);
    }
  }

  #script(sql: string): void {
    try {
      this.#withOwnWait(() => this.database.exec(sql));
    } catch (error) {
      throw reported(error);
    }
  }

  /** Lets SQLite itself wait for locks, and keeps what the work sets about it. */
  #withOwnWait<Result>(work: () => Result): Result {
    this.database.pragma(`busy_timeout = ${this.#waitMs}`);
    try {
      return work();
    } finally {
      this.#waitMs = Number(this.database.pragma('busy_timeout', { simple: true }));
      this.database.pragma('busy_timeout = 0');
    }
  }

  /** The package tells what a statement changed only where it returns no rows. */
  #runReader(statement: Statement, parameters: readonly SqlValue[]): ExecuteResult {
    const number = (expression: string): number =>
      Number(this.database.prepare(`SELECT ${expression}`).pluck().get());
    const before = number('total_changes()');
    withValues(statement, parameters, (...values) => statement.all(...values));
    return {
      changes: number('total_changes()') === before ? 0 : number('changes()'),
      lastInsertRowid: number('last_insert_rowid()'),
    };
  }

  /** "SQLite Backup API", on a connection of the package's own to the destination. */
  async #copy(source: Database, path: string, whileLocked?: () => Promise<void>): Promise<void> {
    const destination = usablePath(path);
    const started = performance.now();
    while (!(await this.#tryCopy(source, destination, whileLocked))) {
      if (performance.now() - started >= this.#waitMs)
        throw databaseError('SQLITE_BUSY', 'database is locked', undefined);
      await pause(BUSY_PAUSE_MS);
    }
  }

  /** False where the destination was locked: the package takes that for the end of the copy. */
  async #tryCopy(
    source: Database,
    destination: string,
    whileLocked: (() => Promise<void>) | undefined,
  ): Promise<boolean> {
    let work: 'to do' | 'going on' | 'done' = whileLocked === undefined ? 'done' : 'to do';
    const failures: unknown[] = [];
    let left = { pages: Infinity, since: performance.now() };
    const progress = ({ remainingPages }: BetterSqlite3.BackupMetadata): number => {
      if (this.#isInterrupted) failures.push(interruptedCopy());
      if (failures.length > 0) throw new Error('the copy ends here');
      // The first step, of no pages, has taken the locks.
      if (work === 'to do') {
        work = 'going on';
        whileLocked?.().then(
          () => {
            work = 'done';
          },
          (error: unknown) => {
            failures.push(error);
          },
        );
      }
      if (work === 'going on') return 0;
      if (remainingPages < left.pages) left = { pages: remainingPages, since: performance.now() };
      else if (performance.now() - left.since > this.#waitMs) {
        failures.push(databaseError('SQLITE_BUSY', 'database is locked', undefined));
        throw new Error('the copy ends here');
      }
      return PAGES_PER_STEP;
    };
    try {
      await source.backup(destination, { progress });
    } catch (error) {
      throw failures.length > 0 ? failures[0] : reported(error, 'SQLITE_CANTOPEN');
    }
    return Number.isFinite(left.pages) || source.pragma('page_count', { simple: true }) === 0;
  }

  /**
   * Replaces a database that this connection keeps others from writing. The copy is written by a connection of the
   * package's own, for which this one has to let go: when that one has the lock, the file must be as it was left.
   */
  async #replaceHeld(source: Database): Promise<void> {
    await pause(CLOCK_TICK_MS);
    const held = stampOf(this.location);
    const refuseChanged = (): Promise<void> =>
      stampOf(this.location) === held
        ? Promise.resolve()
        : Promise.reject(
            databaseError('SQLITE_ABORT', 'another program wrote to the database meanwhile', undefined),
          );
    try {
      // The next access gives the lock back ("PRAGMA locking_mode").
      this.database.pragma('locking_mode = NORMAL');
      this.database.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get();
      await this.#copy(source, this.location, refuseChanged);
    } catch (error) {
      await this.#statement('BEGIN IMMEDIATE', (statement) => statement.run());
      this.database.pragma('locking_mode = EXCLUSIVE');
      await this.#statement('ROLLBACK', (statement) => statement.run());
      if (isSqliteError(error, 'SQLITE_BUSY')) await refuseChanged();
      throw error;
    }
  }
}

function nothing(): void {
  // The result is somebody else's.
}

async function load(): Promise<typeof BetterSqlite3> {
  const { default: driver } = await import('better-sqlite3');
  // The package loads its binary with the first database.
  new driver(':memory:').close();
  return driver;
}

/** The driver of the `better-sqlite3` package, which is loaded when the first database is opened with it. */
export const betterSqlite3Driver: DatabaseDriver = {
  name: 'better-sqlite3',
  plainFiles: true,

  async open(location: string, mode: OpenMode, waitMs = BUSY_TIMEOUT_MS): Promise<LocalBridge> {
    const Driver = await loadPackage('better-sqlite3', load, 'better-sqlite3@12');
    const open = (path: string, options: BetterSqlite3.Options): Database => {
      const location = path === ':memory:' || path === '' ? path : usablePath(path);
      try {
        return new Driver(location, { ...options, timeout: 0 });
      } catch (error) {
        throw reported(error, 'SQLITE_CANTOPEN');
      }
    };
    const readonly = mode === 'read-only';
    const database = open(location, { readonly, fileMustExist: mode !== 'create' });
    // The package is compiled with another default than SQLite's.
    database.pragma('foreign_keys = OFF');
    return new BetterSqlite3Bridge(location, database, (path) => open(path, { readonly: true }), waitMs);
  },
};
