import { existsSync, renameSync } from 'node:fs';
import { chmod, chown, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

import type { DatabaseBridge, DatabaseDriver } from '../database/database-bridge.js';
import {
  BackupError,
  FileAccessError,
  InterruptedError,
  InvalidOptionError,
  isSqliteError,
  messageOf,
  UpgradeBridgeError,
  DatabaseError,
} from '../errors.js';
import { checkIntegrity } from './database-integrity.js';
import { pictureDifferences, takePicture, type DatabasePicture } from './database-picture.js';
import { syncFile, syncFolder, systemErrorCode } from './file-system.js';
import { claimPartial, discardPartial } from './partial-files.js';

/** Copies up to this size are held against all their indexes (integrity_check), larger ones only looked through. */
export const defaultFullCheckBytes = 1024 ** 3;

const INTERRUPT_AGAIN_MS = 20;

export interface CopyOptions {
  readonly driver: DatabaseDriver;
  /** Up to how many bytes a copy is checked with integrity_check; above, with quick_check. Default: 1 GiB. */
  readonly fullCheckBytes?: number | undefined;
  /** Ends the copying with an `InterruptedError`. */
  readonly signal?: AbortSignal | undefined;
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
 * that cannot do (an index on a function that only the application has), a copy page by page can.
 *
 * @param source a connection that nothing else uses meanwhile; others should be kept from writing
 * @throws BackupError when the copy is not equal to its source
 * @throws FileAccessError when there is no room or no permission
 * @throws InterruptedError when `signal` is aborted
 */
export async function copyDatabase(
  source: DatabaseBridge,
  target: string,
  onTaken: OnTaken,
  options: CopyOptions,
): Promise<CopiedDatabase> {
  const version = await dataVersion(source);
  try {
    return await makeAndVerify(source, target, onTaken, options, version, (partial) =>
      source.execute('VACUUM INTO ?', [partial]),
    );
  } catch (error) {
    if (!canTryPages(error)) throw error;
    return await makeAndVerify(source, target, onTaken, options, version, (partial) =>
      source.backupTo(partial),
    );
  }
}

/** Keeps a damaged database as it is, page by page, for whoever wants to save something from it. Not verified. */
export async function copyDamagedDatabase(
  source: DatabaseBridge,
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
  db: DatabaseBridge,
  sizeBytes: number,
  fullCheckBytes = defaultFullCheckBytes,
): Promise<readonly string[]> {
  if (sizeBytes > fullCheckBytes) return (await checkIntegrity(db, 'quick')).damage;
  try {
    return (await checkIntegrity(db, 'full')).damage;
  } catch (error) {
    // An index on a function that only the application has cannot be held against its table here.
    if (!(isSqliteError(error, 'SQLITE_ERROR') && error.message.includes('unknown function'))) throw error;
    return (await checkIntegrity(db, 'quick')).damage;
  }
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
  db: DatabaseBridge,
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

async function makeAndVerify(
  source: DatabaseBridge,
  target: string,
  onTaken: OnTaken,
  options: CopyOptions,
  version: number,
  copy: (partial: string) => Promise<unknown>,
): Promise<CopiedDatabase> {
  const { driver, signal } = options;
  const { path, result } = await intoPlace(source.location, target, onTaken, async (partial) => {
    await withInterrupt(source, signal, () => copy(partial));
    const expected = await withInterrupt(source, signal, () => takePicture(source));
    // Read-write, so that a copy made page by page can be freed of the log mode of its source.
    const check = await driver.open(partial, 'read-write');
    try {
      return await withInterrupt(check, signal, async () => {
        await check.query('PRAGMA journal_mode = DELETE');
        const { size } = await stat(partial);
        const faults = await findFaults(check, size, options.fullCheckBytes);
        refuseWhenAborted(signal);
        const differences = pictureDifferences(expected, await takePicture(check));
        if ((await dataVersion(source)) !== version) {
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
    await inheritPermissions(source, partial);
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

async function inheritPermissions(source: string, target: string): Promise<void> {
  const { mode, uid, gid } = await stat(source);
  if (process.getuid?.() === 0) await chown(target, uid, gid);
  await chmod(target, mode & 0o777);
}

/** A number that changes when another connection has written to the database ("PRAGMA data_version"). */
export async function dataVersion(db: DatabaseBridge): Promise<number> {
  const [row] = await db.query('PRAGMA data_version');
  return Number(row?.data_version);
}

/** Whether VACUUM stumbled over what the database is, rather than over the disk, a lock or damage. */
function canTryPages(error: unknown): boolean {
  return (
    error instanceof BackupError && (error.cause === undefined || isSqliteError(error.cause, 'SQLITE_ERROR'))
  );
}

function unlikeItsSource(source: string, wrong: readonly string[]): BackupError {
  return new BackupError(
    'BACKUP_FAILED',
    `The copy of "${source}" is not right: ${wrong.slice(0, 3).join('; ')}.`,
    {
      hint: 'Nothing was changed, and the copy was removed. Check the disk, and the database with "PRAGMA integrity_check".',
    },
  );
}

function refuseWhenAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw interrupted(signal.reason);
}

function interrupted(cause: unknown): InterruptedError {
  return new InterruptedError('Interrupted while a copy of the database was made.', {
    hint: 'The unfinished copy was removed, and nothing else was changed. Start again at any time.',
    cause,
  });
}

function copyFailure(error: unknown, source: string, target: string): unknown {
  const system = systemErrorCode(error) ?? '';
  if (isSqliteError(error, 'SQLITE_INTERRUPT')) return interrupted(error);
  if (isSqliteError(error, 'SQLITE_FULL') || ['ENOSPC', 'EDQUOT'].includes(system)) {
    return new FileAccessError('NO_SPACE', `There is no room for the copy "${target}".`, {
      hint: 'Make room, or choose another folder for backups; nothing was changed.',
      cause: error,
    });
  }
  if (['EACCES', 'EPERM', 'EROFS'].includes(system)) {
    return new FileAccessError('NO_ACCESS', `The copy "${target}" cannot be made: ${messageOf(error)}`, {
      hint: 'Let this user write the folder, or choose another folder for backups; nothing was changed.',
      cause: error,
    });
  }
  if (error instanceof UpgradeBridgeError && !(error instanceof DatabaseError)) return error;
  return new BackupError('BACKUP_FAILED', `"${source}" cannot be copied: ${messageOf(error)}`, {
    hint: error instanceof DatabaseError ? error.hint : 'Nothing was changed.',
    cause: error,
  });
}
