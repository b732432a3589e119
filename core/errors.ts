/**
 * Every situation in which this package refuses or fails. docs/recovery.md has a heading for each, and a test
 * holds the two lists equal.
 */
export const errorCodes = [
  // the database
  'NEWER_DATABASE',
  'FOREIGN_DATABASE',
  'OTHER_HISTORY',
  'UNREADABLE_DATABASE',
  'DAMAGED_DATABASE',
  'NEEDS_RECOVERY',
  'BAD_HISTORY',
  'HISTORY_ELSEWHERE',
  'ALREADY_RECORDED',
  // its file
  'NOT_A_FILE',
  'MISSING_DATABASE',
  'MISSING_BACKUP',
  'HARD_LINKED_FILE',
  'NO_ACCESS',
  'NO_SPACE',
  // the migration files
  'UNREADABLE_MIGRATIONS',
  'NO_MIGRATIONS',
  'BAD_MIGRATION_NAME',
  'DUPLICATE_MIGRATION',
  'BAD_MIGRATION_TEXT',
  'BAD_DIRECTIVE',
  'FORBIDDEN_STATEMENT',
  'BAD_LEGACY_TABLE',
  'BAD_BUNDLE',
  'CHANGED_MIGRATION',
  'MISSING_MIGRATION',
  'OUT_OF_ORDER_MIGRATION',
  'NO_WAY_BACK',
  'UNMET_REQUIREMENT',
  'TAMPERED_HISTORY',
  'REPAIR_FAILED',
  'BASELINE_MISMATCH',
  'UNFINISHED_HISTORY',
  'ADOPTION_MISMATCH',
  // the upgrade
  'LEGACY_REFUSED',
  'MIGRATION_FAILED',
  'TRANSACTION_ENDED',
  'ROWS_LOST',
  'OBJECTS_LOST',
  'FOREIGN_KEYS_BROKEN',
  'LEFT_BEHIND',
  'ADOPTION_FAILED',
  'SCHEMA_MISMATCH',
  'INTERRUPTED',
  // other processes
  'LOCKED',
  'LOCK_LOST',
  'BAD_LOCK',
  // backups
  'BACKUP_FAILED',
  'BAD_BACKUP',
  // the caller
  'BAD_OPTION',
  'BAD_VALUE',
  'PRAGMA_REFUSED',
  'SEQUENCE_EXHAUSTED',
  'NO_DRIVER',
  'DATABASE_ERROR',
] as const;

export type ErrorCode = (typeof errorCodes)[number];

/** What an error says besides its sentence. */
export interface ErrorDetails {
  /** The next step for the person who reads it. */
  readonly hint: string;
  /** The error underneath, where there is one. */
  readonly cause?: unknown;
}

/** The base of every error that this package throws: a code to test for, a sentence to show, a hint with the next step. */
export class UpgradeBridgeError<Code extends ErrorCode = ErrorCode> extends Error {
  readonly code: Code;
  readonly hint: string;

  constructor(code: Code, message: string, details: ErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.code = code;
    this.hint = details.hint;
  }
}

/** The history names a migration that this program does not know: a newer program was here. */
export class NewerDatabaseError extends UpgradeBridgeError {
  /**
   * @param databaseVersion the newest version in the history
   * @param programVersion the newest version among the files
   */
  constructor(
    message: string,
    readonly databaseVersion: number,
    readonly programVersion: number,
    details: ErrorDetails,
  ) {
    super('NEWER_DATABASE', message, details);
  }
}

/** The database belongs to another program or another tool. */
export class ForeignDatabaseError extends UpgradeBridgeError {
  constructor(message: string, details: ErrorDetails) {
    super('FOREIGN_DATABASE', message, details);
  }
}

/** Another tool keeps the history of the database, and nobody has asked to take it over. */
export class OtherHistoryError extends UpgradeBridgeError<'OTHER_HISTORY'> {
  /**
   * @param tool the tool as people call it
   * @param table where it keeps its history; undefined for `PRAGMA user_version`
   */
  constructor(
    message: string,
    readonly tool: string,
    readonly table: string | undefined,
    details: ErrorDetails,
  ) {
    super('OTHER_HISTORY', message, details);
  }
}

/** The file cannot be used as a database: it is none, it is damaged, or it waits for recovery. */
export class UnreadableDatabaseError extends UpgradeBridgeError<
  'UNREADABLE_DATABASE' | 'DAMAGED_DATABASE' | 'NEEDS_RECOVERY' | 'BAD_HISTORY'
> {}

/** The path does not lead to a file that can be opened safely. */
export class FileAccessError extends UpgradeBridgeError<
  'NOT_A_FILE' | 'MISSING_DATABASE' | 'MISSING_BACKUP' | 'HARD_LINKED_FILE' | 'NO_ACCESS' | 'NO_SPACE'
> {}

/** A migration file, its name, or the folder is not as it must be. */
export class MigrationFileError extends UpgradeBridgeError {
  /** @param file the name of the file at fault, or the folder's path where no single file is */
  constructor(
    code:
      | 'UNREADABLE_MIGRATIONS'
      | 'NO_MIGRATIONS'
      | 'BAD_MIGRATION_NAME'
      | 'DUPLICATE_MIGRATION'
      | 'BAD_MIGRATION_TEXT'
      | 'BAD_DIRECTIVE'
      | 'FORBIDDEN_STATEMENT'
      | 'BAD_LEGACY_TABLE'
      | 'BAD_BUNDLE',
    message: string,
    readonly file: string,
    /** The line at fault, counted from 1. */
    readonly line: number | undefined,
    details: ErrorDetails,
  ) {
    super(code, message, details);
  }
}

/** The files and the history contradict each other. */
export class HistoryConflictError extends UpgradeBridgeError {
  constructor(
    code:
      | 'CHANGED_MIGRATION'
      | 'MISSING_MIGRATION'
      | 'OUT_OF_ORDER_MIGRATION'
      | 'NO_WAY_BACK'
      | 'UNMET_REQUIREMENT',
    message: string,
    readonly version: number,
    details: ErrorDetails,
  ) {
    super(code, message, details);
  }
}

/** A migration is to be recorded as applied whose number stands applied already. */
export class AlreadyRecordedError extends UpgradeBridgeError<'ALREADY_RECORDED'> {
  /** @param filename the file that was to be recorded */
  constructor(
    message: string,
    readonly filename: string,
    readonly version: number,
    details: ErrorDetails,
  ) {
    super('ALREADY_RECORDED', message, details);
  }
}

/** Where in a migration file a failure happened. */
export interface FailurePlace {
  readonly filename: string;
  /** The statement's number within the file, counted from 1; undefined when the file as a whole is at fault. */
  readonly statement: number | undefined;
  /** The line on which that statement begins, counted from 1. */
  readonly line: number | undefined;
}

/** A migration could not be applied and was rolled back whole; what was applied before it stays. */
export class MigrationFailedError extends UpgradeBridgeError<
  | 'MIGRATION_FAILED'
  | 'TRANSACTION_ENDED'
  | 'ROWS_LOST'
  | 'OBJECTS_LOST'
  | 'FOREIGN_KEYS_BROKEN'
  | 'LEFT_BEHIND'
  | 'SCHEMA_MISMATCH'
> {
  /** What undoing would lose and nobody has allowed, a sentence each, as `allowLoss` takes them; otherwise none. */
  readonly losses: readonly string[];

  constructor(
    code: MigrationFailedError['code'],
    message: string,
    readonly place: FailurePlace,
    details: ErrorDetails & { readonly losses?: readonly string[] },
  ) {
    super(code, message, details);
    this.losses = details.losses ?? [];
  }
}

/** Another process holds the database and did not finish in the time that was given. */
export class LockedError extends UpgradeBridgeError<'LOCKED' | 'LOCK_LOST' | 'BAD_LOCK'> {}

/** The upgrade was asked to stop and did so between two steps or in the middle of one, which was rolled back. */
export class InterruptedError extends UpgradeBridgeError {
  constructor(message: string, details: ErrorDetails) {
    super('INTERRUPTED', message, details);
  }
}

/** A copy could not be made, verified or brought back. */
export class BackupError extends UpgradeBridgeError<'BACKUP_FAILED' | 'BAD_BACKUP'> {}

/** A caller gave an option that cannot be used. */
export class InvalidOptionError extends UpgradeBridgeError {
  constructor(message: string, details: ErrorDetails) {
    super('BAD_OPTION', message, details);
  }
}

/** SQLite or its driver reported an error that no other class names. */
export class DatabaseError extends UpgradeBridgeError {
  /** @param sqliteCode SQLite's primary result code by name, such as `SQLITE_BUSY` ("Result and Error Codes") */
  constructor(
    message: string,
    readonly sqliteCode: string,
    details: ErrorDetails,
  ) {
    super('DATABASE_ERROR', message, details);
  }
}

/** Whether an error is SQLite's, with one of the given result codes. */
export function isSqliteError(error: unknown, ...sqliteCodes: readonly string[]): error is DatabaseError {
  return error instanceof DatabaseError && sqliteCodes.includes(error.sqliteCode);
}

/** The sentence of whatever was thrown. */
export function messageOf(error: unknown): string {
  // Errors of the driver and of the file system may come from another realm, where `instanceof Error` is false.
  const hasMessage = typeof error === 'object' && error !== null && 'message' in error;
  return hasMessage && typeof error.message === 'string' ? error.message : String(error);
}
