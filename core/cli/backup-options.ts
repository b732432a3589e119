import { Option, type Command } from 'commander';

import type { BackupPolicy } from '../index.js';
import { count, days, path, seconds } from './options.js';

/** Where backups are. */
export interface BackupFolderOptions {
  readonly backupDir?: string;
}

/** How many backups are kept. */
export interface RetentionOptions {
  readonly keep?: number;
  readonly keepDays?: number;
}

/** The copy before the first write of a change. */
export interface BackupPolicyOptions extends BackupFolderOptions, RetentionOptions {
  readonly backup: boolean;
}

export interface LockWaitOptions {
  readonly lockWait?: number;
}

export function addLockWait(command: Command): Command {
  return command.option(
    '--lock-wait <seconds>',
    'how long to wait for other processes (default: 60)',
    seconds,
  );
}

export function addBackupFolder(command: Command): Command {
  return command.option(
    '--backup-dir <dir>',
    'the folder of the backups, which must exist (default: beside the database)',
    path,
  );
}

export function addRetention(command: Command): Command {
  return command
    .option('--keep <count>', 'keep this many backups, and remove older ones (default: all)', count)
    .option(
      '--keep-days <days>',
      'keep backups for so many days, and remove older ones (default: for ever)',
      days,
    );
}

export function addBackupPolicy(command: Command): Command {
  command.addOption(
    new Option('--no-backup', 'make no copy before the first write').conflicts([
      'backupDir',
      'keep',
      'keepDays',
    ]),
  );
  return addRetention(addBackupFolder(command));
}

export function backupPolicyOf({ backup, backupDir, keep, keepDays }: BackupPolicyOptions): BackupPolicy {
  return backup && { folder: backupDir, keepCount: keep, keepDays };
}
