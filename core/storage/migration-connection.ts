import type { DatabaseBridge } from '../database/database-bridge.js';
import { MigrationFailedError } from '../errors.js';
import { HISTORY_TABLE } from './migration-history.js';
import type { MigrationConnection } from './migration.js';
import { refuseForbidden } from './sql-script.js';

/** Of how many texts it is remembered that they may run: code that writes many rows says the same again and again. */
const REMEMBERED_TEXTS = 200;

function tooLate(filename: string): MigrationFailedError {
  return new MigrationFailedError(
    'TRANSACTION_ENDED',
    `Migration ${filename} used its connection after it had returned; the call was not carried out.`,
    { filename, statement: undefined, line: undefined },
    { hint: 'Await every call inside of up and down, and keep the connection nowhere.' },
  );
}

function notAwaited(calls: number): Error {
  return new Error(
    `it returned while ${calls === 1 ? 'a call' : `${calls} calls`} of its connection ${calls === 1 ? 'was' : 'were'} still going on; await each of them`,
  );
}

/**
 * Lets code use a connection until its promise settles, and no longer: a call that comes later would fall into a
 * transaction that is none of its business.
 *
 * @throws what `work` throws; Error when it returned before its calls had ended; the calls reject with MigrationFileError
 *   where they say what may not stand in a migration
 */
export async function lendConnection(
  db: DatabaseBridge,
  filename: string,
  work: (connection: MigrationConnection) => Promise<void>,
): Promise<void> {
  const goingOn = new Set<Promise<unknown>>();
  const allowed = new Set<string>();
  let lent = true;

  const lend = async <Result>(sql: string, call: () => Promise<Result>): Promise<Result> => {
    if (!lent) throw tooLate(filename);
    if (!allowed.has(sql)) {
      refuseForbidden(sql, { file: filename, historyTable: HISTORY_TABLE });
      if (allowed.size >= REMEMBERED_TEXTS) allowed.clear();
      allowed.add(sql);
    }
    return call();
  };
  const watched = <Result>(call: Promise<Result>): Promise<Result> => {
    const ending = call.finally(() => goingOn.delete(ending));
    goingOn.add(ending);
    return ending;
  };

  try {
    await work({
      execute: (sql, parameters) => watched(lend(sql, () => db.execute(sql, parameters))),
      executeScript: (sql) => watched(lend(sql, () => db.executeScript(sql))),
      query: (sql, parameters) => watched(lend(sql, () => db.query(sql, parameters))),
    });
    lent = false;
    if (goingOn.size > 0) throw notAwaited(goingOn.size);
  } finally {
    lent = false;
    // What has begun ends within this transaction, whatever becomes of it.
    await Promise.allSettled(goingOn);
  }
}
