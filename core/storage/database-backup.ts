import { access, constants } from 'node:fs/promises';
import { basename } from 'node:path';

import type { DatabaseDriver, LocalBridge } from '../database/database-bridge.js';
import { withRollback } from '../database/transaction.js';
import { FileAccessError, UpgradeBridgeError } from '../errors.js';
import { moduleLogger, type Logger } from '../logger.js';
import { backupPath, backupPlaceOf, type Backup } from './backup-files.js';
import { refuseWhenAborted } from './copy-failures.js';
import { hasOrphanedLog, resolveDatabaseFile, type DatabaseFile } from './database-file.js';
import { countedRows, takePicture } from './database-picture.js';
import { shortWaitMs } from './defaults.js';
import { nameFileError } from './database-reading.js';
import { databaseBytes, requireSpace } from './free-space.js';
import { findHistories } from './history-table.js';
import { checkedWaitMs } from './migration-lock.js';
import { sweepPartials, type PartialFiles } from './partial-files.js';
import {
  checkFullCheckBytes,
  copyDatabase,
  findFaults,
  withInterrupt,
  type CopyOptions,
} from './verified-copy.js';

export interface BackupOptions extends CopyOptions {
  /** What is in the database: `legacy4`, `v9`. */
  readonly from: string;
  /** What is about to happen: `v11`, `restore`. */
  readonly to: string;
  /** Where backups are kept; beside the database unless given. Databases of the same name need a folder each. */
  readonly folder?: string | undefined;
  /** The time that the name tells; the present one unless given. */
  readonly now?: Date | undefined;
  /** What was seen of unfinished copies; looked for unless given. */
  readonly partials?: PartialFiles | undefined;
  readonly logger?: Logger | undefined;
}

export interface CreateBackupOptions extends Omit<BackupOptions, 'from' | 'to' | 'partials'> {
  /** How long to wait for another program that writes, in milliseconds. Default: 60 000. */
  readonly waitMs?: number | undefined;
}

/** Whether a backup could be restored, and what it holds or what is wrong with it. */
export type BackupVerdict =
  | {
      readonly verified: true;
      readonly userVersion: number;
      readonly tables: number;
      readonly rows: number;
    }
  | { readonly verified: false; readonly reason: string };

export interface VerifyOptions extends CopyOptions {
  readonly driver: DatabaseDriver;
}

/**
 * Makes one verified copy of a database on a connection of its own: it gets its name when it is whole and on disk.
 *
 * The caller keeps others from writing meanwhile (`BEGIN IMMEDIATE`) and has written nothing yet.
 *
 * @throws BackupError when the copy is not equal to the database
 * @throws FileAccessError when there is no room or no permission
 * @throws InterruptedError when `signal` is aborted
 */
export async function backUpDatabase(file: DatabaseFile, options: BackupOptions): Promise<Backup> {
  const source = await options.driver.open(file.canonicalPath, 'read-only');
  try {
    return await backUpConnection(source, file, options);
  } finally {
    await source.close();
  }
}

/** The same as `backUpDatabase`, on a connection that is there. */
export async function backUpConnection(
  source: LocalBridge,
  file: DatabaseFile,
  options: BackupOptions,
): Promise<Backup> {
  checkFullCheckBytes(options.fullCheckBytes);
  const logger = moduleLogger(options.logger, 'database-backup');
  const place = await backupPlaceOf(file.canonicalPath, options.folder);
  for (const path of await sweepPartials(place, options.partials)) {
    logger.info({ path }, 'removed an unfinished backup of a process that was killed');
  }
  const { from, to, now: time = new Date() } = options;
  const copy = await copyDatabase(source, backupPath(place, time, from, to), 'number', options);
  const { path, sizeBytes } = copy;
  logger.info({ path, sizeBytes, rows: countedRows(copy.picture) }, 'backup made and verified');
  return { path, name: basename(path), time, from, to, sizeBytes };
}

/**
 * Makes a verified backup of a database because somebody asks for one. Other programs go on reading, and wait with
 * their writes.
 *
 * @throws what `backUpDatabase` throws, and FileAccessError when there is no database
 * @throws UnreadableDatabaseError when it is no database, LockedError when another program does not let go in time
 */
export async function createBackup(databasePath: string, options: CreateBackupOptions): Promise<Backup> {
  const waitMs = checkedWaitMs(options.waitMs);
  const file = await resolveDatabaseFile(databasePath, 'read');
  if (!file.exists) throw missing('MISSING_DATABASE', `There is no database at "${databasePath}".`);
  const make = async (source: LocalBridge, isLocked: boolean): Promise<Backup> => {
    const place = await backupPlaceOf(file.canonicalPath, options.folder);
    await sweepPartials(place);
    requireSpace([{ folder: place.folder, bytes: await databaseBytes(source) }]);
    return await backUpConnection(source, file, {
      ...options,
      isLocked,
      from: await contentLabel(source),
      to: 'copy',
    });
  };
  try {
    const source = await options.driver.open(file.canonicalPath, 'read-only');
    try {
      return (await isWritable(file))
        ? await whileOthersWait(file, { ...options, waitMs }, () => make(source, true))
        : await make(source, false);
    } finally {
      await source.close();
    }
  } catch (error) {
    throw await nameFileError(error, file);
  }
}

/** Keeps other programs from writing while `work` is done. */
async function whileOthersWait<Result>(
  file: DatabaseFile,
  { driver, waitMs, signal }: CreateBackupOptions & { readonly waitMs: number },
  work: () => Promise<Result>,
): Promise<Result> {
  const holder = await driver.open(file.canonicalPath, 'read-write', Math.min(waitMs, shortWaitMs));
  try {
    return await withRollback(holder, 'BEGIN IMMEDIATE', work, {
      beginPatienceMs: waitMs,
      beforeRetry: () => {
        refuseWhenAborted(signal);
      },
    });
  } finally {
    await holder.close();
  }
}

/**
 * Looks at a backup as a restore would, and changes nothing.
 *
 * @throws FileAccessError when there is no file
 * @throws InterruptedError when `signal` is aborted
 */
export async function verifyBackup(path: string, options: VerifyOptions): Promise<BackupVerdict> {
  checkFullCheckBytes(options.fullCheckBytes);
  const file = await resolveDatabaseFile(path, 'locate');
  if (!file.exists) throw missing('MISSING_BACKUP', `There is no backup at "${path}".`);
  if (file.canonicalPath.endsWith('.partial')) return { verified: false, reason: 'it was never finished' };
  if (hasOrphanedLog(file)) return { verified: false, reason: 'its data is in a log without its file' };
  try {
    const db = await options.driver.open(file.canonicalPath, 'read-only');
    try {
      return await withInterrupt(db, options.signal, async () => {
        const [fault] = await findFaults(db, file.sizeBytes, options.fullCheckBytes);
        if (fault !== undefined) return { verified: false, reason: fault };
        const picture = await takePicture(db);
        const { userVersion, rows } = picture;
        // What is left of a copy that was killed opens as a valid, empty database.
        if (rows.size === 0) return { verified: false, reason: 'it holds no table' };
        return { verified: true, userVersion, tables: rows.size, rows: countedRows(picture) };
      });
    } finally {
      await db.close();
    }
  } catch (error) {
    if (!(error instanceof UpgradeBridgeError) || options.signal?.aborted === true) throw error;
    return { verified: false, reason: error.message };
  }
}

/** What a database is called in the name of its backup: `v9` with a history, `legacy4` without. */
export async function contentLabel(db: LocalBridge): Promise<string> {
  const [row] = await db.query('PRAGMA user_version');
  const version = Number(row?.user_version);
  if (version < 0) return 'unknown';
  return `${(await findHistories(db)).length > 0 ? 'v' : 'legacy'}${version}`;
}

async function isWritable(file: DatabaseFile): Promise<boolean> {
  try {
    for (const path of [file.canonicalPath, file.folder]) await access(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function missing(code: 'MISSING_DATABASE' | 'MISSING_BACKUP', sentence: string): FileAccessError {
  const more = code === 'MISSING_BACKUP' ? ' "upgrade-bridge backups" lists the backups of a database.' : '';
  return new FileAccessError(code, sentence, { hint: `Check the path.${more}` });
}
