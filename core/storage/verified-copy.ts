import { existsSync, renameSync } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

import type { DatabaseDriver, LocalBridge } from '../database/database-bridge.js';
import { withSnapshot } from '../database/transaction.js';
import { BackupError, InvalidOptionError, isSqliteError, UpgradeBridgeError } from '../errors.js';
import { readDataVersion } from './data-version.js';
import { copyFailure, refuseWhenAborted, unlikeItsSource } from './copy-failures.js';
import { checkIntegrity } from './database-integrity.js';
import { pictureDifferences, pictureOf, takePicture, type DatabasePicture } from './database-picture.js';
import { syncFile, syncFolder, takePlaceOf } from './file-system.js';
import { defaultFullCheckBytes } from './defaults.js';
import { copyLockedFiles, isWorthItsBytes } from './locked-copy.js';
import { claimPartial, discardPartial } from './partial-files.js';

const INTERRUPT_AGAIN_MS = 20;

export interface CopyOptions {
  readonly driver: DatabaseDriver;
  /** Up to how many bytes a copy is checked with integrity_check; above, with quick_check. Default: 1 GiB. */
  readonly fullCheckBytes?: number | undefined;
  /** Ends the copying with an `InterruptedError`. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Whether a write transaction in which nothing was written is open on another connection, for as long as it takes to make
   * the copy: then the file itself can be copied. Default: false.
   */
  readonly isLocked?: boolean | undefined;
}

/** What happens when a file of the name is there already: the copy gets a number behind its name, or is given up. */
export type OnTaken = 'number' | 'refuse';

/** A copy and what it holds. */
export interface CopiedDatabase {
  readonly path: string;
  readonly sizeBytes: number;
  readonly picture: DatabasePicture;
}

/**
 * Makes the file `target` a copy of what `source` sees. It appears under its name whole, verified and on disk, or not
 * at all. Whoever may read the source may read the copy.
 *
 * The copy is made by `VACUUM INTO`, which reads every row, keeps every rowid, and leaves a file in rollback mode. What
 * that cannot do (an index on a function that only the application has), a copy page by page can. A large database that
 * is locked is copied as a file; where that cannot be done, it is copied as any other.
 *
 * @param source a connection that nothing else uses meanwhile; others should be kept from writing
 * @throws BackupError when the copy is not equal to its source
 * @throws FileAccessError when there is no room or no permission
 * @throws InterruptedError when `signal` is aborted
 */
export async function copyDatabase(
  source: LocalBridge,
  target: string,
  onTaken: OnTaken,
  options: CopyOptions,
): Promise<CopiedDatabase> {
  const picture = takePicture;
  const version = await readDataVersion(source);
  const { driver, signal, isLocked = false } = options;
  if (isLocked && driver.plainFiles === true && (await isWorthItsBytes(source))) {
    try {
      const copy = (partial: string): Promise<void> => copyLockedFiles(source, partial, signal);
      return await makeAndVerify(source, target, onTaken, options, { version, picture, copy });
    } catch (error) {
      // Whatever kept it from being right, the next way says what it is, or does without.
      refuseWhenAborted(signal);
      if (!(error instanceof UpgradeBridgeError)) throw error;
    }
  }
  try {
    const copy = (partial: string): Promise<unknown> => source.execute('VACUUM INTO ?', [partial]);
    return await makeAndVerify(source, target, onTaken, options, { version, picture, copy });
  } catch (error) {
    if (!canTryPages(error)) throw error;
    const copy = (partial: string): Promise<void> => source.backupTo(partial);
    return await makeAndVerify(source, target, onTaken, options, { version, picture, copy });
  }
}

/**
 * The same of a database to which others may go on writing: the copy is what it was when the copying began. With a
 * write-ahead log nobody waits; without one, writers wait until the copy is made.
 *
 * The copy is made page by page, in a transaction that reads: `VACUUM INTO` can run in none.
 *
 * @throws what `copyDatabase` throws
 */
export async function copySnapshot(
  source: LocalBridge,
  target: string,
  onTaken: OnTaken,
  options: CopyOptions,
): Promise<CopiedDatabase> {
  return withSnapshot(source, async () => {
    // The transaction sees what stands when it first reads.
    await source.query('SELECT 1 FROM sqlite_schema LIMIT 1');
    const copy = (partial: string): Promise<void> => source.backupTo(partial);
    const way = { version: await readDataVersion(source), picture: pictureOf, copy };
    return makeAndVerify(source, target, onTaken, options, way);
  });
}

/** Keeps a damaged database as it is, page by page, for whoever wants to save something from it. Not verified. */
export async function copyDamagedDatabase(
  source: LocalBridge,
  target: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  const { path } = await intoPlace(source.location, target, 'number', (partial) =>
    withInterrupt(source, signal, () => source.backupTo(partial)),
  );
  return path;
}

/** In what a database file contradicts itself; none when it is whole. */
export async function findFaults(
  db: LocalBridge,
  sizeBytes: number,
  fullCheckBytes = defaultFullCheckBytes,
): Promise<readonly string[]> {
  return (await checkIntegrity(db, sizeBytes > fullCheckBytes ? 'quick' : 'full')).damage;
}

/** @throws InvalidOptionError when the option is given and not a number of bytes */
export function checkFullCheckBytes(bytes: number | undefined): void {
  if (bytes === undefined || (Number.isSafeInteger(bytes) && bytes >= 0)) return;
  throw new InvalidOptionError(`The size up to which everything is checked cannot be ${bytes}.`, {
    hint: 'Give a whole number of bytes, 0 or more.',
  });
}

/** Lets an abort interrupt what runs on a connection, while `work` is done. */
export async function withInterrupt<Result>(
  db: LocalBridge,
  signal: AbortSignal | undefined,
  work: () => Promise<Result>,
): Promise<Result> {
  refuseWhenAborted(signal);
  let again: NodeJS.Timeout | undefined;
  const interrupt = (): void => {
    db.interrupt();
    // An interrupt that falls between two statements stops nothing.
    again = setInterval(() => {
      db.interrupt();
    }, INTERRUPT_AGAIN_MS);
  };
  signal?.addEventListener('abort', interrupt, { once: true });
  try {
    return await work();
  } finally {
    signal?.removeEventListener('abort', interrupt);
    clearInterval(again);
  }
}

/** How a copy is made, and what it is compared with. */
interface WayToCopy {
  /** What `readDataVersion` said when it began. */
  readonly version: number;
  readonly picture: (source: LocalBridge) => Promise<DatabasePicture>;
  readonly copy: (partial: string) => Promise<unknown>;
}

async function makeAndVerify(
  source: LocalBridge,
  target: string,
  onTaken: OnTaken,
  options: CopyOptions,
  { version, picture, copy }: WayToCopy,
): Promise<CopiedDatabase> {
  const { driver, signal } = options;
  const { path, result } = await intoPlace(source.location, target, onTaken, async (partial) => {
    await withInterrupt(source, signal, () => copy(partial));
    const expected = await withInterrupt(source, signal, () => picture(source));
    // Read-write, so that a copy made page by page can be freed of the log mode of its source.
    const check = await driver.open(partial, 'read-write');
    try {
      return await withInterrupt(check, signal, async () => {
        // This also folds the log into a copy that has one beside it.
        const [journal] = await check.query('PRAGMA journal_mode = DELETE');
        if (journal?.journal_mode !== 'delete') throw unlikeItsSource(source.location, ['it keeps its log']);
        const { size } = await stat(partial);
        const faults = await findFaults(check, size, options.fullCheckBytes);
        refuseWhenAborted(signal);
        const differences = pictureDifferences(expected, await takePicture(check));
        if ((await readDataVersion(source)) !== version) {
          throw new BackupError('BACKUP_FAILED', `"${source.location}" was changed while it was copied.`, {
            hint: 'Try again when no other program writes.',
          });
        }
        const wrong = [...faults, ...differences];
        if (wrong.length > 0) throw unlikeItsSource(source.location, wrong);
        return { sizeBytes: size, picture: expected };
      });
    } finally {
      await check.close();
    }
  });
  return { path, ...result };
}

/** Makes a file under a temporary name, in the same folder, and gives it its name when it is whole and on disk. */
async function intoPlace<Result>(
  source: string,
  target: string,
  onTaken: OnTaken,
  make: (partial: string) => Promise<Result>,
): Promise<{ readonly path: string; readonly result: Result }> {
  const partial = await claimPartial(target);
  try {
    // Made first, so that no other user can read what SQLite writes into it.
    await (await open(partial, 'wx', 0o600)).close();
    const result = await make(partial);
    await takePlaceOf(await stat(source), partial);
    await syncFile(partial);
    const path = giveName(partial, target, onTaken);
    await syncFolder(dirname(target));
    return { path, result };
  } catch (error) {
    throw copyFailure(error, source, target);
  } finally {
    await discardPartial(partial);
  }
}

/** Renames a file so that it replaces none: without a pause between look and rename. */
function giveName(partial: string, target: string, onTaken: OnTaken): string {
  let path = target;
  for (let count = 2; existsSync(path); count += 1) {
    if (onTaken === 'refuse') {
      throw new BackupError('BACKUP_FAILED', `"${target}" was made by another program meanwhile.`, {
        hint: 'Nothing was changed. Try again.',
      });
    }
    path = `${target}-${count}`;
  }
  renameSync(partial, path);
  return path;
}

/** Whether VACUUM stumbled over what the database is, rather than over the disk, a lock or damage. */
function canTryPages(error: unknown): boolean {
  return (
    error instanceof BackupError && (error.cause === undefined || isSqliteError(error.cause, 'SQLITE_ERROR'))
  );
}
