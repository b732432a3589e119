import { constants } from 'node:os';

import { isSqliteError, type ErrorCode } from '../errors.js';
import type { WrongUserVersion } from '../index.js';
import { isNamed } from './error-text.js';
import { StoppedBySignal } from './stop-signals.js';

/** What the command tells its caller in one number. */
export const exitStatus = {
  done: 0,
  failed: 1,
  /** Something is pending, or the database is not as its files say. */
  found: 2,
  /** The database is newer than this program. */
  newer: 3,
  /** Another process holds the database. */
  locked: 4,
  /** An applied file, or the history itself, is not what it was. */
  changed: 5,
  /** EX_USAGE of sysexits(3). */
  usage: 64,
} as const;

type Outcome = keyof typeof exitStatus;

const outcomes: Readonly<Record<ErrorCode, Outcome>> = {
  NEWER_DATABASE: 'newer',
  FOREIGN_DATABASE: 'failed',
  OTHER_HISTORY: 'failed',
  UNREADABLE_DATABASE: 'failed',
  DAMAGED_DATABASE: 'failed',
  NEEDS_RECOVERY: 'failed',
  BAD_HISTORY: 'changed',
  HISTORY_ELSEWHERE: 'failed',
  ALREADY_RECORDED: 'failed',
  NOT_A_FILE: 'failed',
  MISSING_DATABASE: 'failed',
  MISSING_BACKUP: 'failed',
  HARD_LINKED_FILE: 'failed',
  NO_ACCESS: 'failed',
  NO_SPACE: 'failed',
  UNREADABLE_MIGRATIONS: 'failed',
  NO_MIGRATIONS: 'failed',
  BAD_MIGRATION_NAME: 'failed',
  DUPLICATE_MIGRATION: 'failed',
  BAD_MIGRATION_TEXT: 'failed',
  BAD_DIRECTIVE: 'failed',
  FORBIDDEN_STATEMENT: 'failed',
  BAD_LEGACY_TABLE: 'failed',
  BAD_BUNDLE: 'failed',
  CHANGED_MIGRATION: 'changed',
  MISSING_MIGRATION: 'failed',
  OUT_OF_ORDER_MIGRATION: 'failed',
  NO_WAY_BACK: 'failed',
  UNMET_REQUIREMENT: 'failed',
  TAMPERED_HISTORY: 'changed',
  REPAIR_FAILED: 'failed',
  BASELINE_MISMATCH: 'failed',
  UNFINISHED_HISTORY: 'failed',
  ADOPTION_MISMATCH: 'failed',
  LEGACY_REFUSED: 'failed',
  MIGRATION_FAILED: 'failed',
  TRANSACTION_ENDED: 'failed',
  ROWS_LOST: 'failed',
  OBJECTS_LOST: 'failed',
  FOREIGN_KEYS_BROKEN: 'failed',
  LEFT_BEHIND: 'failed',
  ADOPTION_FAILED: 'failed',
  SCHEMA_MISMATCH: 'failed',
  INTERRUPTED: 'failed',
  LOCKED: 'locked',
  LOCK_LOST: 'locked',
  // Nobody holds it and waiting does not help.
  BAD_LOCK: 'failed',
  BACKUP_FAILED: 'failed',
  BAD_BACKUP: 'failed',
  BAD_OPTION: 'usage',
  BAD_VALUE: 'failed',
  PRAGMA_REFUSED: 'failed',
  SEQUENCE_EXHAUSTED: 'failed',
  NO_DRIVER: 'failed',
  DATABASE_ERROR: 'failed',
};

/** The exit status that an error's code stands for. */
export function exitStatusOfCode(code: ErrorCode): number {
  return exitStatus[outcomes[code]];
}

/** The exit status of a command that a signal stopped, as a shell has it: 128 and the signal's number. */
export function exitStatusOfStop({ signal }: StoppedBySignal): number {
  return 128 + constants.signals[signal];
}

/** The exit status for whatever was thrown. */
export function exitStatusOfError(error: unknown): number {
  if (!isNamed(error)) return exitStatus.failed;
  if (error.code === 'INTERRUPTED' && error.cause instanceof StoppedBySignal)
    return exitStatusOfStop(error.cause);
  if (isSqliteError(error, 'SQLITE_BUSY')) return exitStatus.locked;
  return exitStatusOfCode(error.code);
}

/** For a wrong `user_version`: that the last row of a history was taken out shows only there, ahead of it. */
export function exitStatusOfUserVersion({ found, expected }: WrongUserVersion): number {
  return found > expected ? exitStatus.changed : exitStatus.found;
}

/** The table of exit statuses that stands in a command's help. */
export function exitStatusHelp(...lines: readonly (readonly [Outcome | 'signal', string])[]): string {
  const rows = lines.map(
    ([outcome, meaning]) =>
      `  ${(outcome === 'signal' ? '130, 143' : String(exitStatus[outcome])).padEnd(10)}${meaning}`,
  );
  return ['Exit status:', ...rows].join('\n');
}
