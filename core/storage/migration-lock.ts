import { access, constants } from 'node:fs/promises';
import { dirname } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

import { FileAccessError, InterruptedError, InvalidOptionError, LockedError, messageOf } from '../errors.js';
import { moduleLogger, type Logger } from '../logger.js';
import type { DatabaseFile } from './database-file.js';
import { defaultLockWaitMs } from './defaults.js';
import { systemErrorCode } from './file-system.js';
import { LockFolder } from './lock-folder.js';
import { lockLibrary } from './lock-library.js';
import { badLock, lstatOrGone, LockWatch, type LockWait } from './lock-watch.js';

export type { LockWait } from './lock-watch.js';

/** A lock whose owner gave no sign of life for so long is taken over. */
const STALE_MS = 10_000;
/** How often an owner gives a sign of life. */
const UPDATE_MS = 2_500;
/** How often a waiting process looks, and by how much the looks of several are spread. */
const POLL_MS = 100;
const POLL_SPREAD_MS = 40;
/** How long after its time a waiting process still tries when it finds no lock but does not get it either. */
const SURPLUS_MS = 1_000;

export interface MigrationLockOptions {
  /** How long to wait for another process, in milliseconds; 0 tries once. */
  readonly waitMs?: number | undefined;
  readonly logger?: Logger | undefined;
  /** Called once, when it is found that another process holds the lock. */
  readonly onWait?: ((wait: LockWait) => void) | undefined;
  /** Ends the waiting with an `InterruptedError`. */
  readonly signal?: AbortSignal | undefined;
}

/** The right to upgrade one database, until it is released. */
export interface MigrationLock {
  readonly path: string;
  /** Whether another process has, or may have, taken it over: finish or roll back the current step, and stop. */
  readonly lost: boolean;
  /** Gives the lock back; a second call does nothing. Never throws, and never removes a lock that was taken over. */
  release(): Promise<void>;
}

/** Where the lock of a database is, whether the database exists or not. */
export function lockPathOf(file: DatabaseFile): string {
  return `${file.canonicalPath}.lock`;
}

/**
 * Waits until no other process upgrades the database, and keeps others waiting until it is released.
 *
 * A courtesy, not a guarantee: two processes can hold it when one of them was stopped for longer than ten seconds.
 * SQLite's own write transaction decides who writes; the lock spares the others its busy timeout.
 *
 * @throws LockedError `LOCKED` when the time is over, `BAD_LOCK` when what is at its place will never go away by itself
 * @throws FileAccessError when the lock cannot be made
 * @throws InterruptedError when `signal` is aborted
 */
export async function acquireMigrationLock(
  file: DatabaseFile,
  options: MigrationLockOptions = {},
): Promise<MigrationLock> {
  const waitMs = checkedWaitMs(options.waitMs);
  const path = lockPathOf(file);
  const logger = moduleLogger(options.logger, 'migration-lock');
  const started = performance.now();
  const watch = new LockWatch(path);
  let told = false;

  for (;;) {
    refuseWhenAborted(options.signal, file);
    const lock = await tryLock(file, path, logger);
    if (lock !== undefined) {
      if (options.signal?.aborted === true) await lock.release();
      refuseWhenAborted(options.signal, file);
      logger.debug({ lock: path }, 'lock acquired');
      return lock;
    }
    const wait = watch.look();
    const waited = performance.now() - started;
    // A lock that was released between the try and the look deserves another try, even when the time is over.
    if (waited >= waitMs && (wait !== undefined || waited >= waitMs + SURPLUS_MS)) {
      throw lockedError(file, wait, waitMs);
    }
    if (wait !== undefined && !told) {
      told = true;
      const since = wait.heldSince.toISOString();
      logger.info({ lock: path, since }, `waiting: the lock has been held since ${since}`);
      options.onWait?.(wait);
    }
    await pause(
      Math.min(POLL_MS + Math.random() * POLL_SPREAD_MS, Math.max(waitMs - waited, 1)),
      options.signal,
    );
  }
}

/**
 * A time to wait for other processes, in milliseconds, and the default where none is given.
 *
 * @throws InvalidOptionError when it is not a whole number of 0 or more
 */
export function checkedWaitMs(waitMs = defaultLockWaitMs): number {
  if (Number.isSafeInteger(waitMs) && waitMs >= 0) return waitMs;
  throw new InvalidOptionError(`The time to wait for other processes cannot be ${waitMs}.`, {
    hint: 'Give a whole number of milliseconds, 0 or more; 0 tries once.',
  });
}

/** The lock, or undefined while another process holds it. */
async function tryLock(file: DatabaseFile, path: string, logger: Logger): Promise<MigrationLock | undefined> {
  // Loaded only where a lock is taken: the library listens to the signals and to the exit of the whole process.
  const { lock } = lockLibrary();
  keepFileSizeLimitAnError();
  const folder = new LockFolder(path);
  let lost = false;
  let releasing: Promise<void> | undefined;

  const release = async (giveBack: () => Promise<void>): Promise<void> => {
    try {
      await giveBack();
      logger.debug({ lock: path }, 'lock released');
    } catch (error) {
      lost ||= !folder.isOurs();
      const sentence = lost ? 'the lock was taken over before it was released' : 'the lock cannot be removed';
      logger.warn({ lock: path, err: error }, sentence);
    }
  };

  try {
    const giveBack = await lock(file.canonicalPath, {
      realpath: false,
      lockfilePath: path,
      stale: STALE_MS,
      update: UPDATE_MS,
      retries: 0,
      fs: folder.asFileSystem(),
      // The library's own answer is to throw inside a timer, which would end the process.
      onCompromised: (error) => {
        lost = true;
        logger.error({ lock: path, err: error }, 'lock lost: another process may have taken it over');
      },
    });
    return {
      path,
      get lost() {
        lost ||= releasing === undefined && !folder.isOurs();
        return lost;
      },
      release: () => (releasing ??= release(giveBack)),
    };
  } catch (error) {
    if (isHeld(error, path)) return undefined;
    throw await lockFailure(error, file, path);
  }
}

/** Whether an attempt failed because somebody has the lock, or something that `LockWatch` names is in its place. */
function isHeld(error: unknown, path: string): boolean {
  switch (systemErrorCode(error) ?? '') {
    case 'ELOCKED':
      return true;
    case 'ENOTDIR':
    case 'ENOTEMPTY':
    case 'EEXIST':
      return lstatOrGone(path) !== undefined;
    case 'ENOENT':
      // Somebody else removed the same stale lock, or the folder of the database is gone.
      return lstatOrGone(dirname(path)) !== undefined;
    default:
      return false;
  }
}

async function lockFailure(cause: unknown, file: DatabaseFile, path: string): Promise<Error> {
  const code = systemErrorCode(cause) ?? '';
  if (code === 'EACCES' || code === 'EPERM') {
    const found = lstatOrGone(path);
    if (found !== undefined && (await isWritable(file.folder))) {
      return badLock(
        path,
        `was left behind by user ${String(found.uid)} and cannot be removed by this one`,
        cause,
      );
    }
  }
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new FileAccessError('NO_SPACE', `There is no room for the lock "${path}".`, {
      hint: 'Make room on the disk and try again; nothing was changed.',
      cause,
    });
  }
  return new FileAccessError('NO_ACCESS', `The lock "${path}" cannot be made: ${messageOf(cause)}`, {
    hint: `Let this user write the folder "${file.folder}"; nothing was changed.`,
    cause,
  });
}

async function isWritable(folder: string): Promise<boolean> {
  try {
    await access(folder, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function lockedError(file: DatabaseFile, wait: LockWait | undefined, waitMs: number): LockedError {
  const holder =
    wait === undefined
      ? 'other processes take turns'
      : `its lock has been held since ${wait.heldSince.toISOString()} ` +
        `(last sign of life ${wait.lastSignOfLife.toISOString()})`;
  return new LockedError(
    'LOCKED',
    `"${file.path}" is being upgraded: ${holder}; waited ${waitMs / 1000} s.`,
    {
      hint:
        'Try again when that upgrade has finished, or allow a longer wait. The lock of a process that was killed ' +
        'goes away by itself within 15 seconds.',
    },
  );
}

function refuseWhenAborted(signal: AbortSignal | undefined, file: DatabaseFile): void {
  if (signal?.aborted !== true) return;
  throw new InterruptedError(`Interrupted while waiting for the lock of "${file.path}".`, {
    hint: 'Nothing was changed. Start again at any time.',
    cause: signal.reason,
  });
}

/** Waits, and no longer than until `signal` is aborted. */
async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(ms, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    if (signal?.aborted !== true) throw error;
  }
}

/**
 * A write beyond the file size limit (`ulimit -f`) raises SIGXFSZ, which Node ignores, so that SQLite reports an error.
 * The lock library's listener would end the process instead, unless there is another one.
 */
function keepFileSizeLimitAnError(): void {
  if (!process.listeners('SIGXFSZ').includes(ignoreSignal)) process.on('SIGXFSZ', ignoreSignal);
}

function ignoreSignal(): void {
  // The failed write is reported where it happened.
}
