import { checkRetention } from './retention-limits.js';
import { moduleLogger, type Logger } from '../logger.js';
import { backupPlaceOf, backupsIn, removeBackups, type Backup } from './backup-files.js';
import { verifyBackup, type BackupVerdict, type VerifyOptions } from './database-backup.js';

export interface ListOptions extends VerifyOptions {
  /** Where backups are kept; beside the database unless given. */
  readonly folder?: string | undefined;
  /** Whether each is looked through, which reads all of it. */
  readonly verify?: boolean | undefined;
}

export interface ListedBackup extends Backup {
  /** undefined when it was not asked for. */
  readonly verdict: BackupVerdict | undefined;
}

export interface RetentionOptions extends VerifyOptions {
  readonly folder?: string | undefined;
  /** How many are kept; all unless given. */
  readonly keepCount?: number | undefined;
  /** For how many days they are kept; for ever unless given. */
  readonly keepDays?: number | undefined;
  readonly now?: Date | undefined;
  readonly logger?: Logger | undefined;
}

const DAY_MS = 86_400_000;

/** Every backup of a database, the newest first, whether the database still exists or not. */
export async function listBackups(databasePath: string, options: ListOptions): Promise<ListedBackup[]> {
  const backups = await backupsIn(await backupPlaceOf(databasePath, options.folder));
  const listed: ListedBackup[] = [];
  for (const backup of backups) {
    const verdict = options.verify === true ? await verifyBackup(backup.path, options) : undefined;
    listed.push({ ...backup, verdict });
  }
  return listed;
}

/**
 * Removes the backups of a database that are too many or too old. The newest one that verifies stays in any case, and
 * all stay while none does. Other files are not touched.
 *
 * @returns the backups that were removed
 */
export async function applyRetention(databasePath: string, options: RetentionOptions): Promise<Backup[]> {
  checkRetention(options);
  const { keepCount = Infinity, keepDays = Infinity, now = new Date() } = options;
  const logger = moduleLogger(options.logger, 'backup-retention');
  const place = await backupPlaceOf(databasePath, options.folder);
  const backups = await backupsIn(place);
  const outdated = backups.filter(
    ({ time }, index) => index >= keepCount || now.getTime() - time.getTime() > keepDays * DAY_MS,
  );
  if (outdated.length === 0) return [];
  const lastResort = await newestVerified(backups, options);
  if (lastResort === undefined) {
    logger.warn({ folder: place.folder }, 'no backup can be verified: none is removed');
    return [];
  }
  const removed = outdated.filter((backup) => backup !== lastResort);
  await removeBackups(place, removed);
  for (const { path } of removed) logger.info({ path }, 'removed an outdated backup');
  return removed;
}

async function newestVerified(
  backups: readonly Backup[],
  options: VerifyOptions,
): Promise<Backup | undefined> {
  for (const backup of backups) {
    if ((await verifyBackup(backup.path, options)).verified) return backup;
  }
  return undefined;
}
