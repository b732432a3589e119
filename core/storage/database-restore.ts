import { rm, stat } from 'node:fs/promises';

import type { LocalBridge } from '../database/database-bridge.js';
import { BackupError, InvalidOptionError, isSqliteError } from '../errors.js';
import { moduleLogger, type Logger } from '../logger.js';
import { backupPath as newBackupPath, backupPlaceOf, timeStamp } from './backup-files.js';
import { backUpConnection, contentLabel, verifyBackup, type VerifyOptions } from './database-backup.js';
import { hasOrphanedLog, resolveDatabaseFile, type DatabaseFile } from './database-file.js';
import { countedRows, type DatabasePicture } from './database-picture.js';
import { takePlaceOf } from './file-system.js';
import { databaseBytes, requireSpace } from './free-space.js';
import { replaceContent } from './live-restore.js';
import { acquireMigrationLock, checkedWaitMs } from './migration-lock.js';
import { sweepPartials } from './partial-files.js';
import { keepAside, lookFirst, moveAside } from './set-aside-files.js';
import { checkFullCheckBytes, copyDamagedDatabase, copyDatabase } from './verified-copy.js';

export interface RestoreOptions extends VerifyOptions {
  /** How long to wait for other processes, in milliseconds. Default: 60 000. */
  readonly waitMs?: number | undefined;
  /** Where the copy of what is there now is kept; beside the database unless given. */
  readonly folder?: string | undefined;
  readonly now?: Date | undefined;
  readonly logger?: Logger | undefined;
}

/** A copy of what was there before a restore. */
export interface SavedCopy {
  readonly path: string;
  /** Whether it can be restored: what was damaged is kept page by page, as it was. */
  readonly verified: boolean;
}

/** What a restore did. */
export interface RestoreReport {
  readonly database: string;
  readonly backup: string;
  /** undefined when nothing was there that could be copied. */
  readonly saved: SavedCopy | undefined;
  /**
   * Where files lie now that were no database, or a log without one; and copies of a file and the log or the journal that
   * lay beside it, where the two do not go together.
   */
  readonly setAside: readonly string[];
  readonly userVersion: number;
  readonly tables: number;
  readonly rows: number;
}

/**
 * Makes a database hold again what a backup holds.
 *
 * What is there now is copied first. The content is then written into the file itself, in one transaction, so that other
 * programs may keep it open: with a write-ahead log they go on reading, without they wait.
 *
 * @throws BackupError `BAD_BACKUP` when the backup does not verify; nothing was changed then
 * @throws LockedError when an upgrade is running or the database is in use
 * @throws FileAccessError, InterruptedError
 */
export async function restoreBackup(
  backupPath: string,
  databasePath: string,
  options: RestoreOptions,
): Promise<RestoreReport> {
  const waitMs = checkedWaitMs(options.waitMs);
  checkFullCheckBytes(options.fullCheckBytes);
  const backup = await resolveDatabaseFile(backupPath, 'read');
  const target = await resolveDatabaseFile(databasePath, 'replace');
  if (backup.canonicalPath === target.canonicalPath) {
    throw new InvalidOptionError(`"${backupPath}" cannot be restored over itself.`, {
      hint: 'Name the backup first and the database second.',
    });
  }
  const verdict = await verifyBackup(backup.canonicalPath, options);
  if (!verdict.verified) {
    throw new BackupError('BAD_BACKUP', `"${backupPath}" cannot be restored: ${verdict.reason}.`, {
      hint: 'Nothing was changed. List the backups and choose another one.',
    });
  }
  const { logger: parent, signal } = options;
  const lock = await acquireMigrationLock(target, { waitMs, logger: parent, signal });
  try {
    const logger = moduleLogger(parent, 'database-restore');
    // Another process may have changed what is there while we waited.
    const file = await resolveDatabaseFile(databasePath, 'replace');
    const source = await options.driver.open(backup.canonicalPath, 'read-only');
    try {
      const restored = await restoreInto(file, source, { ...options, waitMs }, logger);
      const { saved, setAside, picture } = restored;
      logger.info({ database: file.canonicalPath, backup: backupPath, saved, setAside }, 'backup restored');
      return {
        database: file.canonicalPath,
        backup: backup.canonicalPath,
        saved,
        setAside,
        userVersion: picture.userVersion,
        tables: picture.rows.size,
        rows: countedRows(picture),
      };
    } finally {
      await source.close();
    }
  } finally {
    await lock.release();
  }
}

interface Restored {
  readonly saved: SavedCopy | undefined;
  readonly setAside: readonly string[];
  readonly picture: DatabasePicture;
}

async function restoreInto(
  file: DatabaseFile,
  source: LocalBridge,
  options: RestoreOptions & { readonly waitMs: number },
  logger: Logger,
): Promise<Restored> {
  const place = await backupPlaceOf(file.canonicalPath, options.folder);
  await sweepPartials(place);
  const backupBytes = await databaseBytes(source);
  requireSpace([
    { folder: place.folder, bytes: file.sizeBytes + file.walBytes },
    // What the file grows by, and the log or the journal of that.
    { folder: file.folder, bytes: backupBytes + Math.max(backupBytes, file.sizeBytes) },
  ]);
  const stamp = timeStamp(options.now ?? new Date());
  const look = file.exists && !hasOrphanedLog(file) ? await lookFirst(file, options.driver) : 'unusable';
  // Whatever is opened for writing takes over the log or the journal beside it, also that of another database.
  const kept = look === 'doubtful' || look === 'hidden' ? await keepAside(file, stamp, options.signal) : [];
  for (const path of kept) logger.warn({ path }, 'kept aside as it lay there');
  const live = look === 'unusable' ? undefined : await openUsable(file, options);
  if (live === undefined) {
    const before = file.exists ? await stat(file.canonicalPath) : undefined;
    const setAside = await moveAside(file, stamp);
    for (const path of setAside) logger.warn({ path }, 'moved aside: it is no database that can be opened');
    const { picture } = await copyDatabase(source, file.canonicalPath, 'refuse', options);
    if (before !== undefined) await takePlaceOf(before, file.canonicalPath);
    return { saved: undefined, setAside: [...kept, ...setAside], picture };
  }
  try {
    const empty = (await databaseBytes(live)) === 0;
    let saved: SavedCopy | undefined;
    const save = async (connection: LocalBridge): Promise<void> => {
      if (!empty) saved = await saveCurrent(connection, file, options, logger);
    };
    const discard = async (): Promise<void> => {
      if (saved !== undefined) await rm(saved.path);
    };
    const picture = await replaceContent(live, source, { ...options, file, save, discard, logger });
    return { saved, setAside: kept, picture };
  } finally {
    await live.close();
  }
}

/** A connection to what is there; undefined when it is no database, or one too damaged to be written into. */
async function openUsable(file: DatabaseFile, options: RestoreOptions): Promise<LocalBridge | undefined> {
  const live = await options.driver.open(file.canonicalPath, 'read-write');
  try {
    await live.query('PRAGMA journal_mode');
    return live;
  } catch (error) {
    await live.close();
    if (isSqliteError(error, 'SQLITE_NOTADB', 'SQLITE_CORRUPT')) return undefined;
    throw error;
  }
}

async function saveCurrent(
  connection: LocalBridge,
  file: DatabaseFile,
  options: RestoreOptions,
  logger: Logger,
): Promise<SavedCopy> {
  const from = await contentLabel(connection);
  try {
    const { path } = await backUpConnection(connection, file, { ...options, from, to: 'restore' });
    return { path, verified: true };
  } catch (error) {
    if (!(error instanceof BackupError)) throw error;
    const place = await backupPlaceOf(file.canonicalPath, options.folder);
    const wanted = newBackupPath(place, options.now ?? new Date(), from, 'restore');
    const path = await copyDamagedDatabase(connection, wanted, options.signal);
    logger.warn({ path, err: error }, 'what was there is damaged: it was kept as it is, page by page');
    return { path, verified: false };
  }
}
