import { chmod, mkdtemp, readdir, realpath, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';

import type { DatabaseDriver, LocalBridge } from '../database/database-bridge.js';
import { BackupError, FileAccessError, InvalidOptionError, messageOf } from '../errors.js';
import type { Logger } from '../logger.js';
import { readDataVersion } from './data-version.js';
import type { DatabaseFile } from './database-file.js';
import { nameReadError, readUserVersion } from './database-state.js';
import { systemErrorCode } from './file-system.js';
import { databaseBytes, largestTableBytes, requireSpace } from './free-space.js';
import { isProcessAlive } from './partial-files.js';
import { copyDatabase, copySnapshot } from './verified-copy.js';

/** Room for what grows besides: the history, the schema, the lock. */
const SURPLUS_BYTES = 1024 ** 2;

/** Folders that this process is using now. */
const using = new Set<string>();

/** A copy of a database on which everything may be tried. */
export interface RehearsalCopy {
  readonly path: string;
  /** The folder that is the copy's own, and goes with it. */
  readonly folder: string;
  readonly bytes: number;
}

export interface RehearsalCopyOptions {
  readonly driver: DatabaseDriver;
  /** Where the copy's folder is made; beside the database unless given. */
  readonly folder: string | undefined;
  /** How many copies there will be at a time. */
  readonly copies: number;
  /** Up to how many bytes the copy is checked with integrity_check. */
  readonly fullCheckBytes: number;
  readonly signal: AbortSignal | undefined;
  readonly logger: Logger;
}

/**
 * Gives `use` a verified copy of a database, in a folder of its own, and removes both whatever happens. The database
 * itself is only read.
 *
 * @throws FileAccessError when there is no room, or the folder cannot be written
 * @throws BackupError when the copy is not equal to the database
 * @throws InterruptedError when `signal` is aborted, and whatever `use` throws
 */
export async function withRehearsalCopy<Result>(
  file: DatabaseFile,
  options: RehearsalCopyOptions,
  use: (copy: RehearsalCopy) => Promise<Result>,
): Promise<Result> {
  const parent = await parentFolder(file, options.folder);
  await sweepFolders(file, parent, options.logger);
  let folder: string | undefined;
  try {
    const copy = await reading(options.driver, file, async (source) => {
      const bytes = await databaseBytes(source);
      const rebuilt = 2 * (await largestTableBytes(source));
      requireSpace([{ folder: parent, bytes: options.copies * bytes + rebuilt + SURPLUS_BYTES }]);
      folder = await makeFolder(file, parent);
      return copyInto(source, join(folder, basename(file.canonicalPath)), folder, options);
    });
    return await use(copy);
  } finally {
    if (folder !== undefined) await removeFolder(folder);
  }
}

async function reading<Result>(
  driver: DatabaseDriver,
  file: DatabaseFile,
  work: (source: LocalBridge) => Promise<Result>,
): Promise<Result> {
  try {
    const source = await driver.open(file.canonicalPath, 'read-only');
    try {
      await readUserVersion(source);
      return await work(source);
    } finally {
      await source.close();
    }
  } catch (error) {
    throw nameReadError(error, file.path);
  }
}

async function copyInto(
  source: LocalBridge,
  path: string,
  folder: string,
  { driver, fullCheckBytes, signal }: RehearsalCopyOptions,
): Promise<RehearsalCopy> {
  const copying = { driver, fullCheckBytes, signal };
  const version = await readDataVersion(source);
  let sizeBytes: number;
  try {
    ({ sizeBytes } = await copyDatabase(source, path, 'refuse', copying));
  } catch (error) {
    const wasWritten = error instanceof BackupError && (await readDataVersion(source)) !== version;
    if (!wasWritten) throw error;
    ({ sizeBytes } = await copySnapshot(source, path, 'refuse', copying));
  }
  // Nobody else may enter the folder; the database itself may be one that only may be read.
  await chmod(path, 0o600);
  const [mode] = await source.query('PRAGMA journal_mode');
  if (mode?.journal_mode === 'wal') await useLog(driver, path);
  return { path, folder, bytes: sizeBytes };
}

/** The copy comes without a write-ahead log: it gets one where the database has one. */
async function useLog(driver: DatabaseDriver, path: string): Promise<void> {
  const db = await driver.open(path, 'read-write');
  try {
    await db.query('PRAGMA journal_mode = WAL');
  } finally {
    await db.close();
  }
}

// Folders

async function parentFolder(file: DatabaseFile, folder: string | undefined): Promise<string> {
  if (folder === undefined) return file.folder;
  try {
    if (folder !== '' && (await stat(folder)).isDirectory()) return await realpath(folder);
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR'].includes(systemErrorCode(error) ?? '')) throw error;
  }
  throw new InvalidOptionError(`The folder for the rehearsal, "${folder}", does not exist or is no folder.`, {
    hint: 'Make it first, or leave the option out: the copy then lies beside the database.',
  });
}

async function makeFolder(file: DatabaseFile, parent: string): Promise<string> {
  try {
    const folder = await mkdtemp(join(parent, `${folderPrefix(file)}${process.pid}-`));
    using.add(folder);
    return folder;
  } catch (error) {
    throw new FileAccessError('NO_ACCESS', `No copy can be made in "${parent}": ${messageOf(error)}.`, {
      hint: 'Let this user write the folder, or choose another one for the rehearsal; nothing was changed.',
      cause: error,
    });
  }
}

async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  using.delete(folder);
}

function folderPrefix(file: DatabaseFile): string {
  return `${basename(file.canonicalPath)}.rehearsal-`;
}

/** Removes what rehearsals of this database left that were killed. */
async function sweepFolders(file: DatabaseFile, parent: string, logger: Logger): Promise<void> {
  const prefix = folderPrefix(file);
  try {
    for (const name of await readdir(parent)) {
      const [, maker] = name.startsWith(prefix)
        ? (/^(\d+)-\w{6}$/.exec(name.slice(prefix.length)) ?? [])
        : [];
      const folder = join(parent, name);
      if (maker === undefined || isUsed(folder, Number(maker))) continue;
      await removeFolder(folder);
      logger.info({ folder }, 'removed what was left of a rehearsal that was killed');
    }
  } catch (error) {
    // What is in the way of this rehearsal is said by what it needs itself.
    logger.warn({ err: messageOf(error) }, 'what was left of earlier rehearsals could not be removed');
  }
}

function isUsed(folder: string, maker: number): boolean {
  // In a container, every process may have had our number.
  return maker === process.pid ? using.has(folder) : isProcessAlive(maker);
}
