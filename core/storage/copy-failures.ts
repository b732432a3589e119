import {
  BackupError,
  DatabaseError,
  FileAccessError,
  InterruptedError,
  isSqliteError,
  messageOf,
  UpgradeBridgeError,
} from '../errors.js';
import { systemErrorCode } from './file-system.js';

/** The copy holds something else. */
export function unlikeItsSource(source: string, wrong: readonly string[]): BackupError {
  return new BackupError(
    'BACKUP_FAILED',
    `The copy of "${source}" is not right: ${wrong.slice(0, 3).join('; ')}.`,
    {
      hint: 'Nothing was changed, and the copy was removed. Check the disk, and the database with "PRAGMA integrity_check".',
    },
  );
}

/** @throws InterruptedError when the signal is aborted */
export function refuseWhenAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw interrupted(signal.reason);
}

function interrupted(cause: unknown): InterruptedError {
  return new InterruptedError('Interrupted while a copy of the database was made.', {
    hint: 'The unfinished copy was removed, and nothing else was changed. Start again at any time.',
    cause,
  });
}

/** Gives what kept a copy from being made its name. */
export function copyFailure(error: unknown, source: string, target: string): unknown {
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
