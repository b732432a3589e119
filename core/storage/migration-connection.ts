import type { DatabaseBridge, SqlValue } from '../database/database-bridge.js';
import { MigrationFailedError } from '../errors.js';
import { markTransaction, type GuardedStep } from './migration-guards.js';
import type { HistoryTable } from './history-table.js';
import type { MigrationConnection } from './migration.js';
import { checkScript, refuseForbidden } from './sql-script.js';
import { refuseForeignValues, refuseIncompleteCall } from './statement-values.js';

/** Of how many texts it is remembered that they may run: code that writes many rows says the same again and again. */
const REMEMBERED_TEXTS = 200;

function tooLate({ subject, place }: GuardedStep): MigrationFailedError {
  return new MigrationFailedError(
    'TRANSACTION_ENDED',
    `${subject} used its connection after it had returned; the call was not carried out.`,
    place,
    { hint: 'Await every call inside of up and down, and keep the connection nowhere.' },
  );
}

function transactionGone({ subject, place }: GuardedStep): MigrationFailedError {
  return new MigrationFailedError(
    'TRANSACTION_ENDED',
    `${subject} went on after its transaction had ended; the call was not carried out.`,
    place,
    { hint: 'A failed statement ended it (ON CONFLICT ROLLBACK, RAISE(ROLLBACK)): use ABORT.' },
  );
}

function notAwaited(calls: number): Error {
  return new Error(
    `it returned while ${calls === 1 ? 'a call' : `${calls} calls`} of its connection ${calls === 1 ? 'was' : 'were'} still going on; await each of them`,
  );
}

/** Carries out the calls of one migration one after the other, as long as its transaction is open. */
class CallQueue {
  private last: Promise<unknown> = Promise.resolve();
  private isOpen = true;

  private constructor(
    private readonly step: GuardedStep,
    private readonly proveOpen: (step: GuardedStep) => Promise<void>,
  ) {}

  static async begin(db: DatabaseBridge, step: GuardedStep): Promise<CallQueue> {
    return new CallQueue(step, await markTransaction(db));
  }

  /** What comes after a statement that ended the transaction would be kept whatever becomes of the migration. */
  carryOut<Result>(call: () => Promise<Result>): Promise<Result> {
    const turn = this.last.then(async () => {
      if (!this.isOpen) throw transactionGone(this.step);
      try {
        return await call();
      } catch (error) {
        this.isOpen = await this.isStillOpen();
        throw error;
      }
    });
    this.last = turn.catch(() => undefined);
    return turn;
  }

  /** @throws MigrationFailedError (TRANSACTION_ENDED) when the transaction is over */
  end(): Promise<void> {
    return this.proveOpen(this.step);
  }

  private async isStillOpen(): Promise<boolean> {
    try {
      await this.proveOpen(this.step);
      return true;
    } catch {
      // Whatever keeps it from being known, nothing more may be written.
      return false;
    }
  }
}

/**
 * Lets code use a connection until its promise settles, and no longer: a call that comes later would fall into a
 * transaction that is none of its business.
 *
 * @throws what `work` throws; Error when it returned before its calls had ended; MigrationFailedError when the transaction
 *   has. The calls reject with MigrationFileError where they say what may not stand in a migration
 */
export async function lendConnection(
  db: DatabaseBridge,
  historyTable: HistoryTable,
  filename: string,
  work: (connection: MigrationConnection) => Promise<void>,
): Promise<void> {
  const place = { filename, statement: undefined, line: undefined };
  const step: GuardedStep = { subject: `Migration ${filename}`, place };
  const queue = await CallQueue.begin(db, step);
  const goingOn = new Set<Promise<unknown>>();
  const allowed = new Set<string>();
  let lent = true;

  const allow = (sql: string, values: number | undefined): void => {
    const seen = `${values ?? 'script'} ${sql}`;
    if (allowed.has(seen)) return;
    const allowance = { file: filename, noTransaction: false, historyTable: historyTable.name };
    if (values === undefined) checkScript(sql, allowance);
    else {
      refuseForbidden(sql, allowance);
      refuseIncompleteCall(sql, values, filename);
    }
    if (allowed.size >= REMEMBERED_TEXTS) allowed.clear();
    allowed.add(seen);
  };
  const call = async <Result>(
    sql: string,
    values: readonly SqlValue[] | undefined,
    statement: () => Promise<Result>,
  ): Promise<Result> => {
    if (!lent) throw tooLate(step);
    allow(sql, values?.length);
    refuseForeignValues(values ?? [], filename);
    return queue.carryOut(statement);
  };
  const watched = <Result>(running: Promise<Result>): Promise<Result> => {
    const ending = running.finally(() => goingOn.delete(ending));
    goingOn.add(ending);
    return ending;
  };

  try {
    await work({
      execute: (sql, values = []) => watched(call(sql, values, () => db.execute(sql, values))),
      executeScript: (sql) => watched(call(sql, undefined, () => db.executeScript(sql))),
      query: (sql, values = []) => watched(call(sql, values, () => db.query(sql, values))),
    });
    lent = false;
    if (goingOn.size > 0) throw notAwaited(goingOn.size);
  } finally {
    lent = false;
    // What has begun ends within this transaction, whatever becomes of it.
    await Promise.allSettled(goingOn);
  }
  await queue.end();
}
