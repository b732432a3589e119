import { performance } from 'node:perf_hooks';

import type { LocalBridge } from '../database/database-bridge.js';
import {
  BackupError,
  DatabaseError,
  FileAccessError,
  InterruptedError,
  isSqliteError,
  LockedError,
} from '../errors.js';
import type { Logger } from '../logger.js';
import type { DatabaseFile } from './database-file.js';
import { pictureDifferences, takePicture, type DatabasePicture } from './database-picture.js';
import { claimPartial, discardPartial } from './partial-files.js';
import { copyDatabase, withInterrupt, type CopyOptions } from './verified-copy.js';

/** How long SQLite itself waits for the lock of another connection at a time, where a wait has its own end; and else. */
const [SHORT_WAIT_MS, USUAL_WAIT_MS] = [100, 5_000];

export interface ReplaceOptions extends CopyOptions {
  readonly file: DatabaseFile;
  readonly waitMs: number;
  readonly logger: Logger;
  /** Copies what is there, on the connection that it is given, while no other program can write. */
  readonly save: (connection: LocalBridge) => Promise<void>;
  /** Removes that copy again, because what is there stays. */
  readonly discard: () => Promise<void>;
}

/**
 * Replaces what a database holds, under the eyes of the programs that have it open. From before the present content is
 * saved until the new one is there, no other program can write, so that no write is lost between the two.
 *
 * @param live a connection to the database, of no use afterwards but to be closed
 * @param source a connection to what it is to hold
 * @returns what it holds then
 */
export async function replaceContent(
  live: LocalBridge,
  source: LocalBridge,
  options: ReplaceOptions,
): Promise<DatabasePicture> {
  const { signal, file } = options;
  // What is committed must outlast a power cut ("PRAGMA synchronous").
  await live.execute('PRAGMA synchronous = EXTRA');
  const expected = await withInterrupt(source, signal, () => takePicture(source));
  await refuseOtherEncoding(live, source, file);
  const hasLog = (await pragma(live, 'journal_mode')) === 'wal';
  const version = await pragma(live, 'data_version');
  const fits =
    (await pragma(source, 'journal_mode')) !== 'wal' && (!hasLog || (await samePageSize(live, source)));
  try {
    if (fits) await replaceFrom(source.location, hasLog, live, options);
    else await replaceFromCopy(source, hasLog, live, options);
  } catch (error) {
    // After any other failure a copy too many is better than one that is missing.
    if (error instanceof InterruptedError || isSqliteError(error, 'SQLITE_BUSY', 'SQLITE_INTERRUPT'))
      await options.discard();
    throw restoreFailure(error, file, options.waitMs);
  }
  await verifyContent(live, expected, version, options);
  return expected;
}

/** Connections that are open cannot take it: all their statements would fail from then on. */
async function refuseOtherEncoding(
  live: LocalBridge,
  source: LocalBridge,
  file: DatabaseFile,
): Promise<void> {
  const [present, other] = [await pragma(live, 'encoding'), await pragma(source, 'encoding')];
  if (present === other) return;
  throw new BackupError(
    'BAD_BACKUP',
    `The backup has the text encoding ${other}, and "${file.path}" has ${present}.`,
    {
      hint: 'Nothing was changed. Close all programs that use the database, move it away, and restore again.',
    },
  );
}

/**
 * Brings the backup into a form that the database can take: pages of its own size, which a write-ahead log asks for, and
 * a header without the log mode, which would be taken over.
 */
async function replaceFromCopy(
  source: LocalBridge,
  hasLog: boolean,
  live: LocalBridge,
  options: ReplaceOptions,
): Promise<void> {
  if (hasLog) await source.query(`PRAGMA page_size = ${await pragma(live, 'page_size')}`);
  const copy = await claimPartial(`${options.file.canonicalPath}.backup-restoring`);
  try {
    await copyDatabase(source, copy, 'refuse', options);
    await replaceFrom(copy, hasLog, live, options);
  } finally {
    await discardPartial(copy);
  }
}

async function replaceFrom(
  path: string,
  hasLog: boolean,
  live: LocalBridge,
  options: ReplaceOptions,
): Promise<void> {
  const { signal, waitMs, driver, file, save } = options;
  const saveCurrent = async (): Promise<void> => {
    const reader = await driver.open(file.canonicalPath, 'read-only');
    try {
      await save(reader);
    } finally {
      await reader.close();
    }
  };
  if (hasLog) {
    await whileInUse(live, waitMs, signal, () =>
      withInterrupt(live, signal, () => live.restoreFrom(path, saveCurrent)),
    );
    return;
  }
  // In this mode the end of a transaction keeps its lock: nobody else can write any more, and all can read. A COMMIT
  // would keep readers out as well.
  await whileInUse(live, waitMs, signal, () => live.execute('BEGIN IMMEDIATE'));
  await live.query('PRAGMA locking_mode = EXCLUSIVE');
  await live.execute('ROLLBACK');
  await saveCurrent();
  await whileInUse(live, waitMs, signal, () => withInterrupt(live, signal, () => live.restoreFrom(path)));
}

/**
 * Reads back what was written.
 *
 * @param version the connection's data_version before, which changes with what others write, and with the
 *   restore only where the driver writes that on a connection of its own
 */
async function verifyContent(
  live: LocalBridge,
  expected: DatabasePicture,
  version: string,
  { file, logger }: ReplaceOptions,
): Promise<void> {
  const found = await takePicture(live);
  const all = pictureDifferences(expected, found);
  const touched = all.length > 0 && (await pragma(live, 'data_version')) !== version;
  // Programs that go on writing at once change rows, and no more than that.
  const differences = touched ? pictureDifferences(expected, { ...found, rows: expected.rows }) : all;
  if (differences.length > 0) {
    throw new BackupError(
      'BACKUP_FAILED',
      `"${file.path}" does not hold what was restored: ${differences.slice(0, 3).join('; ')}.`,
      { hint: 'Close the other programs that use the database, and restore again.' },
    );
  }
  if (touched) logger.info({}, 'another program wrote right after the restore');
  // The log has grown by the whole database; where readers keep it from shrinking now, a later checkpoint does it.
  await live.query('PRAGMA wal_checkpoint(TRUNCATE)');
}

/** Tries again while other connections are in the way. */
async function whileInUse(
  live: LocalBridge,
  waitMs: number,
  signal: AbortSignal | undefined,
  attempt: () => Promise<unknown>,
): Promise<void> {
  const started = performance.now();
  await live.query(`PRAGMA busy_timeout = ${SHORT_WAIT_MS}`);
  try {
    for (;;) {
      try {
        await attempt();
        return;
      } catch (error) {
        if (!isSqliteError(error, 'SQLITE_BUSY') || performance.now() - started >= waitMs) throw error;
        if (signal?.aborted === true) throw interrupted(error);
      }
    }
  } finally {
    await live.query(`PRAGMA busy_timeout = ${USUAL_WAIT_MS}`);
  }
}

function restoreFailure(error: unknown, file: DatabaseFile, waitMs: number): unknown {
  if (isSqliteError(error, 'SQLITE_INTERRUPT')) return interrupted(error);
  if (isSqliteError(error, 'SQLITE_BUSY')) {
    return new LockedError(
      'LOCKED',
      `"${file.path}" is in use by another program; waited ${waitMs / 1000} s.`,
      {
        hint: 'Nothing was changed. Close the other programs, or allow a longer wait.',
        cause: error,
      },
    );
  }
  if (isSqliteError(error, 'SQLITE_FULL')) {
    return new FileAccessError('NO_SPACE', `There is no room to restore "${file.path}".`, {
      hint: 'Make room and restore again; nothing was changed.',
      cause: error,
    });
  }
  if (!(error instanceof DatabaseError)) return error;
  return new BackupError('BACKUP_FAILED', `"${file.path}" cannot be restored: ${error.message}`, {
    hint: `${error.hint} What was there is still there.`,
    cause: error,
  });
}

function interrupted(cause: unknown): InterruptedError {
  return new InterruptedError('Interrupted while a backup was restored.', {
    hint: 'The database is as it was. Start again at any time.',
    cause,
  });
}

async function samePageSize(live: LocalBridge, source: LocalBridge): Promise<boolean> {
  return (await pragma(live, 'page_size')) === (await pragma(source, 'page_size'));
}

async function pragma(
  db: LocalBridge,
  name: 'data_version' | 'encoding' | 'journal_mode' | 'page_size',
): Promise<string> {
  const [row] = await db.query(`PRAGMA ${name}`);
  return String(row?.[name]);
}
