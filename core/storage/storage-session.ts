import { AsyncLocalStorage } from 'node:async_hooks';

import type { DatabaseBridge } from '../database/database-bridge.js';
import { withSavepoint, withSnapshot, withTransaction } from '../database/transaction.js';
import { DatabaseError, UpgradeBridgeError } from '../errors.js';
import { moduleLogger, type Logger } from '../logger.js';

/** What reading work may do. */
export type Reader = Pick<DatabaseBridge, 'query'>;

/** What writing work may do. */
export type Writer = Pick<DatabaseBridge, 'query' | 'execute'>;

/** Work that is going on: what is asked for inside it joins its own queue, and so its transaction. */
interface Scope {
  readonly kind: 'session' | 'reading' | 'writing';
  readonly parent: Scope | undefined;
  open: boolean;
  last: Promise<unknown>;
}

/**
 * One connection, shared by everybody who holds the handle.
 *
 * A connection has one transaction at a time, so a statement that came between would become part of somebody else's
 * transaction, and vanish with its ROLLBACK. Here one piece of work follows another, in the order in which they were
 * asked for, and each has the connection to itself.
 *
 * Work may ask for more work: that belongs to the work around it, and is undone with it.
 */
export class StorageSession {
  readonly #db: DatabaseBridge;
  readonly #session: Scope = { kind: 'session', parent: undefined, open: true, last: Promise.resolve() };
  readonly #current = new AsyncLocalStorage<Scope>();
  #closing: Promise<void> | undefined;

  /**
   * @param db a connection that is set up and that nobody else uses; `close` closes it
   * @param logger told what callers may want to know and nothing fails for
   */
  constructor(
    db: DatabaseBridge,
    readonly logger: Logger = moduleLogger(undefined, 'storage'),
  ) {
    this.#db = db;
  }

  /**
   * Carries out queries that all see one and the same state of the database.
   *
   * @throws DatabaseError when SQLite refuses or the session is closed, and whatever `work` throws
   */
  async read<Result>(work: (reader: Reader) => Promise<Result>): Promise<Result> {
    const around = this.#around();
    return this.#afterOthers(around, 'reading', (scope) => {
      const run = () => whole(scope, () => work(this.#db));
      return around.kind === 'session' ? withSnapshot(this.#db, run) : run();
    });
  }

  /**
   * Carries out writing work in one transaction: all of it is kept, or nothing.
   *
   * @throws DatabaseError when SQLite refuses or the session is closed, and whatever `work` throws
   */
  async write<Result>(work: (writer: Writer) => Promise<Result>): Promise<Result> {
    const around = this.#around();
    if (around.kind === 'reading') {
      throw new UpgradeBridgeError('DATABASE_ERROR', 'Writing work was asked for inside reading work.', {
        hint: 'Ask for writing work around both.',
      });
    }
    return this.#afterOthers(around, 'writing', (scope) => {
      const run = () => whole(scope, () => work(this.#db));
      return around.kind === 'session' ? withTransaction(this.#db, run) : withSavepoint(this.#db, run);
    });
  }

  /**
   * Closes the connection once all work is done that was asked for before. A second call waits for the first.
   *
   * @throws DatabaseError when SQLite cannot close the connection
   */
  async close(): Promise<void> {
    if (this.#around().kind !== 'session') {
      throw new UpgradeBridgeError('DATABASE_ERROR', 'The storage cannot be closed by its own work.', {
        hint: 'Close it after the work.',
      });
    }
    this.#closing ??= this.#session.last.then(() => this.#db.close());
    await this.#closing;
  }

  /** The innermost work that is still going on where this is called. */
  #around(): Scope {
    let scope = this.#current.getStore();
    while (scope !== undefined && !scope.open) scope = scope.parent;
    return scope ?? this.#session;
  }

  async #afterOthers<Result>(
    around: Scope,
    kind: Scope['kind'],
    run: (scope: Scope) => Promise<Result>,
  ): Promise<Result> {
    if (around.kind === 'session' && this.#closing !== undefined) {
      throw new DatabaseError('The storage is closed.', 'SQLITE_MISUSE', { hint: 'Open the storage again.' });
    }
    const scope: Scope = { kind, parent: around, open: true, last: Promise.resolve() };
    const result = around.last.then(() => this.#current.run(scope, () => run(scope)));
    // The next one waits for the end of this, not for its success, which is the business of who asked for it.
    around.last = result.then(nothing, nothing);
    return result;
  }
}

/** Carries out work together with all that it asked for and did not wait for: that belongs to its transaction as well. */
async function whole<Result>(scope: Scope, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } finally {
    let last: Promise<unknown>;
    do {
      last = scope.last;
      await last;
    } while (last !== scope.last);
    scope.open = false;
  }
}

function nothing(): void {
  // The result is somebody else's.
}
