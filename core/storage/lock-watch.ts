import { lstatSync, readdirSync, rmdirSync, type BigIntStats } from 'node:fs';

import { LockedError, messageOf } from '../errors.js';
import { systemErrorCode } from './file-system.js';

/** A lock that did not change during so many looks has no owner, whatever the clock says about its age. */
const LOOKS_WITHOUT_LIFE = 100;

/** Who else holds the database, as far as the lock tells. */
export interface LockWait {
  readonly lockPath: string;
  readonly heldSince: Date;
  readonly lastSignOfLife: Date;
}

/**
 * Looks at a lock that another process holds.
 *
 * Nothing here goes through the thread pool, so that between the look at a dead lock and its removal nobody else comes.
 */
export class LockWatch {
  #seen = '';
  #looksWithoutLife = 0;

  constructor(private readonly path: string) {}

  /**
   * What the lock tells; undefined when it is gone.
   *
   * @throws LockedError `BAD_LOCK` when what is there will never go away by itself
   */
  look(): LockWait | undefined {
    const found = lstatOrGone(this.path);
    if (found === undefined) return undefined;
    if (!found.isDirectory()) throw badLock(this.path, 'is not a folder, so no lock of ours');
    const inside = namesIn(this.path);
    if (inside.length > 0) {
      throw badLock(this.path, `is not empty (it holds ${inside.slice(0, 3).join(', ')})`);
    }

    const seen = [found.ino, found.birthtimeNs, found.mtimeNs].join(' ');
    this.#looksWithoutLife = seen === this.#seen ? this.#looksWithoutLife + 1 : 0;
    this.#seen = seen;
    if (this.#looksWithoutLife >= LOOKS_WITHOUT_LIFE) {
      removeDeadLock(this.path);
      return undefined;
    }
    // The library sets the first time up to a second ahead; some file systems keep no time of birth.
    const lastSignOfLife = new Date(Math.min(Number(found.mtimeMs), Date.now()));
    const born = found.birthtimeMs > 0n ? Number(found.birthtimeMs) : lastSignOfLife.getTime();
    return {
      lockPath: this.path,
      heldSince: new Date(Math.min(born, lastSignOfLife.getTime())),
      lastSignOfLife,
    };
  }
}

/** What is at a path itself, links not followed; undefined when there is nothing. */
export function lstatOrGone(path: string): BigIntStats | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false });
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    // Just released; or another user's: whether it is empty shows when it is removed.
    if (['ENOENT', 'EACCES', 'EPERM'].includes(systemErrorCode(error) ?? '')) return [];
    throw error;
  }
}

function removeDeadLock(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return;
    throw badLock(path, `cannot be removed (${messageOf(error)})`, error);
  }
}

/** What is at the lock's place needs a person: no process will ever remove it. */
export function badLock(path: string, what: string, cause?: unknown): LockedError {
  return new LockedError('BAD_LOCK', `The lock "${path}" ${what}; it will never go away by itself.`, {
    hint: `Make sure that no upgrade is running, move "${path}" away, and try again; nothing was changed.`,
    cause,
  });
}
