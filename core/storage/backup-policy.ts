import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';

import type { DatabaseBridge, DatabaseDriver } from '../database/database-bridge.js';
import { messageOf } from '../errors.js';
import type { Logger } from '../logger.js';
import { backupPlaceOf } from './backup-files.js';
import { applyRetention } from './backup-retention.js';
import { backUpDatabase } from './database-backup.js';
import type { DatabaseFile } from './database-file.js';
import { syncFolder } from './file-system.js';
import { checkFreeSpace } from './free-space.js';
import type { PartialFiles } from './partial-files.js';
import type { Progress } from './upgrade-progress.js';

/** Where the copy before an upgrade goes and how many are kept. */
export interface BackupSettings {
  /** The folder for the copies; beside the database unless given. Databases of the same name need a folder each. */
  readonly folder?: string | undefined;
  /** How many copies are kept, this one included; all unless given. The newest that verifies always stays. */
  readonly keepCount?: number | undefined;
  /** For how many days copies are kept; for ever unless given. */
  readonly keepDays?: number | undefined;
}

/** `false`: no copy is made. */
export type BackupPolicy = BackupSettings | false;

/** The database that is about to change, and who wants to know. */
export interface BackupOccasion {
  readonly driver: DatabaseDriver;
  readonly file: DatabaseFile;
  /** The connection that keeps other writers away. */
  readonly holder: DatabaseBridge;
  /** The bytes of the database. */
  readonly bytes: number;
  /** What the database is: `legacy4`, `v9`. */
  readonly from: string;
  /** What it becomes: `v11`. */
  readonly to: string;
  /** Up to how many bytes the copy is checked with integrity_check. */
  readonly fullCheckBytes: number;
  /** What was seen of unfinished copies, where many databases share that look. */
  readonly partials: PartialFiles | undefined;
  readonly logger: Logger;
  readonly progress: Progress;
  readonly signal: AbortSignal | undefined;
}

/**
 * Makes sure that there is room for the upgrade, and makes the copy that it can be undone with.
 *
 * @returns the path of the copy; undefined where none is wanted
 * @throws FileAccessError (NO_SPACE) before anything is written
 * @throws BackupError when the copy could not be made or verified
 */
export async function backUpBeforeUpgrade(
  policy: BackupPolicy,
  { file, holder, bytes, progress, ...occasion }: BackupOccasion,
): Promise<string | undefined> {
  const place = policy === false ? undefined : await backupPlaceOf(file.canonicalPath, policy.folder);
  await checkFreeSpace(file, holder, { backupFolder: place?.folder, databaseBytes: bytes });
  if (policy === false) return undefined;
  const started = performance.now();
  const { path } = await backUpDatabase(file, { ...occasion, isLocked: true, folder: policy.folder });
  progress({ kind: 'backed-up', path, ms: performance.now() - started });
  return path;
}

/** Removes the copy of an upgrade that nothing came of: the database is what the copy is. */
export async function withdrawBackup(
  path: string,
  { logger, progress }: Pick<BackupOccasion, 'logger' | 'progress'>,
): Promise<void> {
  try {
    await rm(path);
    await syncFolder(dirname(path));
    progress({ kind: 'backup-removed', path });
  } catch (error) {
    logger.warn({ path, err: messageOf(error) }, 'a backup that is not needed could not be removed');
  }
}

/** Removes the copies that are too many or too old, after an upgrade that made one. */
export async function tidyBackups(
  policy: BackupPolicy,
  occasion: Pick<BackupOccasion, 'driver' | 'file' | 'logger' | 'progress'>,
): Promise<void> {
  if (policy === false || (policy.keepCount === undefined && policy.keepDays === undefined)) return;
  const { file, progress, ...rest } = occasion;
  try {
    const removed = await applyRetention(file.canonicalPath, { ...policy, ...rest });
    if (removed.length > 0) progress({ kind: 'old-backups-removed', paths: removed.map(({ path }) => path) });
  } catch (error) {
    // A copy too many is no reason to say that the upgrade failed.
    occasion.logger.warn({ err: messageOf(error) }, 'old backups could not be removed');
  }
}
