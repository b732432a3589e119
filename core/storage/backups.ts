import { resolveDriver, type DriverOption } from '../database/drivers.js';
import type { Logger } from '../logger.js';
import type { Backup } from './backup-files.js';
import * as retention from './backup-retention.js';
import type { BackupSettings } from './backup-policy.js';
import * as backup from './database-backup.js';
import * as restoring from './database-restore.js';

/** What every work on a backup takes. */
export interface BackupCheckOptions extends DriverOption {
  /**
   * Up to which size of a database, in bytes, a copy is checked with SQLite's full check. Larger ones get the quick one.
   * Default: 1 GiB.
   */
  readonly fullCheckBytes?: number | undefined;
  /** Stops the work, which leaves nothing behind. */
  readonly signal?: AbortSignal | undefined;
}

export interface CreateBackupOptions extends BackupCheckOptions, Pick<BackupSettings, 'folder'> {
  /** How long to wait for another program that writes, in milliseconds. Default: 60 000. */
  readonly lockWaitMs?: number | undefined;
  readonly logger?: Logger | undefined;
}

export interface ListBackupsOptions extends BackupCheckOptions, Pick<BackupSettings, 'folder'> {
  /** Whether each is looked through, which reads all of it. Default: false. */
  readonly verify?: boolean | undefined;
}

export interface RestoreBackupOptions extends CreateBackupOptions {
  /** The folder for the copy of what is there now; beside the database unless given. */
  readonly folder?: string | undefined;
}

export interface RetentionOptions extends BackupCheckOptions, BackupSettings {
  readonly logger?: Logger | undefined;
}

/**
 * Makes a verified copy of a database while other programs go on reading it; their writes wait.
 *
 * ```ts
 * const { path } = await createBackup('notes.db', { folder: 'backups' });
 * ```
 *
 * @throws FileAccessError when there is no database, no room or no permission
 * @throws BackupError when the copy is not equal to the database
 * @throws LockedError when another program does not let go in time
 */
export function createBackup(database: string, options: CreateBackupOptions = {}): Promise<Backup> {
  const { lockWaitMs: waitMs, ...rest } = options;
  return backup.createBackup(database, { ...rest, ...checks(options), waitMs });
}

/** Every backup of a database, the newest first, whether the database still exists or not. */
export function listBackups(
  database: string,
  options: ListBackupsOptions = {},
): Promise<retention.ListedBackup[]> {
  return retention.listBackups(database, { ...options, ...checks(options) });
}

/**
 * Looks at a backup as a restore would, and changes nothing.
 *
 * @throws FileAccessError when there is no such file
 */
export function verifyBackup(path: string, options: BackupCheckOptions = {}): Promise<backup.BackupVerdict> {
  return backup.verifyBackup(path, checks(options));
}

/**
 * Makes a database hold again what a backup holds. What is there now is copied first; then the content is written into
 * the file itself, so that programs that have it open see it.
 *
 * ```ts
 * const [newest] = await listBackups('notes.db');
 * if (newest !== undefined) await restoreBackup(newest.path, 'notes.db');
 * ```
 *
 * @throws BackupError `BAD_BACKUP` when the backup does not verify; nothing was changed then
 * @throws LockedError when an upgrade is running or the database is in use
 * @throws FileAccessError when there is no such file, no room or no permission
 */
export function restoreBackup(
  backupPath: string,
  database: string,
  options: RestoreBackupOptions = {},
): Promise<restoring.RestoreReport> {
  const { lockWaitMs: waitMs, ...rest } = options;
  return restoring.restoreBackup(backupPath, database, { ...rest, ...checks(options), waitMs });
}

/**
 * Removes the backups of a database that are too many or too old. The newest one that verifies stays in any case.
 *
 * @returns the backups that were removed
 */
export function applyRetention(database: string, options: RetentionOptions): Promise<Backup[]> {
  return retention.applyRetention(database, { ...options, ...checks(options) });
}

function checks({ driver, fullCheckBytes, signal }: BackupCheckOptions): backup.VerifyOptions {
  return { driver: resolveDriver(driver), fullCheckBytes, signal };
}
