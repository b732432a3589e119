import type { DatabaseBridge } from '../database/database-bridge.js';
import {
  DatabaseError,
  FileAccessError,
  isSqliteError,
  LockedError,
  UnreadableDatabaseError,
  UpgradeBridgeError,
} from '../errors.js';
import { refusalBeside } from './files-beside.js';
import { matchHistory } from './history-matching.js';
import { weighEvidence, type FileEvidence, type LegacyVersions } from './legacy-evidence.js';
import { appliedMigrations, type AppliedMigration } from './history-row.js';
import { readHistoryShape, type HistoryTable } from './history-table.js';
import { readHistory } from './migration-history.js';
import type { Replay } from './migration-replay.js';
import { describeHistory, type OtherHistory } from './other-history.js';
import { findOtherHistories, userVersionHistory } from './other-history-reading.js';
import { emptySchema, isEmptySchema, readSchema, type SchemaSnapshot } from './schema-snapshot.js';

/** A database with a history: what stands applied is what the history says. */
export interface ManagedState {
  readonly kind: 'managed';
  readonly userVersion: number;
  /** Every attempt, oldest first. */
  readonly history: readonly AppliedMigration[];
  /** What stands applied, by version. */
  readonly applied: readonly AppliedMigration[];
}

/** A database of which no history tells anything: empty, legacy or somebody else's. */
export interface UnmanagedState {
  readonly kind: 'unmanaged';
  readonly userVersion: number;
  readonly schema: SchemaSnapshot;
  /** The histories of other tools in which there is a row. */
  readonly others: readonly OtherHistory[];
  /** The SQLite that reads the database, where it was asked (`sqliteIdentity`). */
  readonly sqlite?: string | undefined;
}

/** Where the history should be stands something else. */
export interface OccupiedState {
  readonly kind: 'occupied';
  readonly userVersion: number;
  /** What stands there, as a sentence goes on. */
  readonly description: string;
  /** The histories of other tools in which there is a row. */
  readonly others: readonly OtherHistory[];
}

/** What a look at the database alone can tell. */
export type ProbedState = ManagedState | UnmanagedState | OccupiedState;

/** What is in a database, once it has been held against the files. */
export type DatabaseState =
  | { readonly kind: 'absent' }
  | { readonly kind: 'empty'; readonly userVersion: number }
  | {
      readonly kind: 'legacy';
      readonly claimed: number;
      readonly evident: number;
      readonly files: readonly FileEvidence[];
    }
  | ManagedState
  | {
      readonly kind: 'foreign';
      readonly userVersion: number;
      readonly reasons: readonly string[];
      /** Whether something else stands under the name of our history. */
      readonly occupied: boolean;
      /** The history that another tool keeps, which can be taken over; the first of several. */
      readonly other?: OtherHistory | undefined;
    };

export async function readUserVersion(db: DatabaseBridge): Promise<number> {
  const [row] = await db.query('PRAGMA user_version');
  return Number(row?.user_version);
}

export const LARGEST_USER_VERSION = 0x7fffffff;

/** What `PRAGMA user_version` is to say: the newest version while it fits, otherwise how many migrations stand applied. */
export function userVersionFor(standing: readonly { readonly version: number }[]): number {
  const newest = Math.max(0, ...standing.map(({ version }) => version));
  return newest <= LARGEST_USER_VERSION ? newest : standing.length;
}

/** What `PRAGMA user_version` of a managed database says where it does not tell the newest applied version. */
export interface WrongUserVersion {
  readonly found: number;
  readonly expected: number;
}

/** Holds `user_version` against the history; undefined where it is right, or there is no history. */
export function wrongUserVersion(state: DatabaseState): WrongUserVersion | undefined {
  if (state.kind !== 'managed') return undefined;
  const expected = userVersionFor(state.applied);
  return state.userVersion === expected ? undefined : { found: state.userVersion, expected };
}

/** Gives SQLite's first refusal of a file its name: no database, damaged, waiting for recovery, out of reach. */
export function nameReadError(error: unknown, path: string): unknown {
  if (error instanceof UpgradeBridgeError && error.code !== 'DATABASE_ERROR') return error;
  if (isSqliteError(error, 'SQLITE_NOTADB'))
    return new UnreadableDatabaseError(
      'UNREADABLE_DATABASE',
      `"${path}" is not a SQLite database, or it is encrypted.`,
      {
        hint: 'Nothing was changed. Check the path; if a database should be there, restore a backup.',
        cause: error,
      },
    );
  if (isSqliteError(error, 'SQLITE_CORRUPT'))
    return new UnreadableDatabaseError(
      'DAMAGED_DATABASE',
      `The database "${path}" is damaged: ${error.message}.`,
      {
        hint: 'Restore a backup, or save what can be read with the ".recover" command of the sqlite3 shell.',
        cause: error,
      },
    );
  if (isSqliteError(error, 'SQLITE_READONLY', 'SQLITE_CANTOPEN')) {
    const refusal = refusalBeside(path, error);
    if (refusal !== undefined) return refusal;
  }
  if (isSqliteError(error, 'SQLITE_READONLY'))
    return new UnreadableDatabaseError(
      'NEEDS_RECOVERY',
      `The last program that wrote to "${path}" was stopped in the middle of a change, which must be undone first.`,
      {
        hint: 'Open it for writing once: run "upgrade-bridge up", or start the program that it belongs to.',
        cause: error,
      },
    );
  if (isSqliteError(error, 'SQLITE_BUSY'))
    return new LockedError('LOCKED', `Another program keeps "${path}" to itself.`, {
      hint: error.hint,
      cause: error,
    });
  if (isSqliteError(error, 'SQLITE_FULL'))
    return new FileAccessError('NO_SPACE', `The disk of "${path}" is full.`, {
      hint: 'Make room on the disk and try again; what was not finished was rolled back.',
      cause: error,
    });
  if (isSqliteError(error, 'SQLITE_CANTOPEN', 'SQLITE_PERM'))
    return new FileAccessError('NO_ACCESS', `"${path}" could not be opened: ${error.message}.`, {
      hint: 'Let this user read and write the file, what lies beside it and its folder; a full disk, or too many open files, can be the cause as well.',
      cause: error,
    });
  if (isSqliteError(error, 'SQLITE_IOERR') && !isSqliteError(error.cause, 'SQLITE_IOERR'))
    return new DatabaseError(`"${path}" could not be read or written: ${error.message}.`, error.sqliteCode, {
      hint: 'Check the disk: it may be full, or failing. What was not finished was rolled back.',
      cause: error,
    });
  return error;
}

/**
 * Looks at a database: is there a history of ours, and what does it say?
 *
 * A history in which nothing was ever applied or rolled back tells nothing: the database is then weighed by its schema.
 *
 * @throws UnreadableDatabaseError when SQLite cannot read it or the history cannot be trusted
 * @throws UpgradeBridgeError (HISTORY_ELSEWHERE) when a table of another name holds the history
 */
export async function probeDatabase(db: DatabaseBridge, table: HistoryTable): Promise<ProbedState> {
  try {
    const [row] = await db.query(
      'SELECT user_version AS userVersion, EXISTS (SELECT 1 FROM sqlite_schema) AS filled FROM pragma_user_version',
    );
    const userVersion = Number(row?.userVersion);
    if (row?.filled !== 1) return { kind: 'unmanaged', userVersion, schema: emptySchema, others: [] };
    const shape = await readHistoryShape(db, table);
    if (shape.kind === 'foreign')
      return {
        kind: 'occupied',
        userVersion,
        description: `where the history (${table.name}) should be stands ${shape.description}`,
        others: await findKeptHistories(db, table),
      };
    if (shape.kind === 'ours') {
      const history = await readHistory(db, table, shape);
      if (history.some(({ status }) => status !== 'failed'))
        return { kind: 'managed', userVersion, history, applied: appliedMigrations(history) };
    }
    const schema = await readSchema(db, table);
    return { kind: 'unmanaged', userVersion, schema, others: await findKeptHistories(db, table) };
  } catch (error) {
    throw nameReadError(error, db.location);
  }
}

/** The histories of other tools in which there is a row. */
export async function findKeptHistories(db: DatabaseBridge, table: HistoryTable): Promise<OtherHistory[]> {
  return (await findOtherHistories(db, table)).filter(({ rows }) => rows.length > 0);
}

/** Whether the files have to be replayed before a probed database can be recognised. */
export function needsReplay(probed: ProbedState): probed is UnmanagedState {
  return probed.kind === 'unmanaged' && !isEmptySchema(probed.schema);
}

/** Whether a history tells of these files: in a legacy database it is otherwise that of something else, which shares the file. */
function tells(history: OtherHistory, { steps }: Replay): boolean {
  const files = steps.map(({ migration }) => migration);
  return matchHistory(history, files).matches.length > 0;
}

/** The history that is kept in user_version alone: it says something only of a database with tables of these files. */
function versionHistory(
  { userVersion, schema }: UnmanagedState,
  replay: Replay,
  legacyVersions: LegacyVersions,
): OtherHistory | undefined {
  if (userVersion <= 0 || Object.keys(legacyVersions).length > 0) return undefined;
  const isOurs = replay.steps.some(({ after }) =>
    [...after.tables.keys()].some((name) => schema.tables.has(name)),
  );
  return isOurs ? userVersionHistory(userVersion) : undefined;
}

/**
 * Says what a probed database is.
 *
 * Pure.
 *
 * @param replay what the files make; undefined is enough where `needsReplay` says no
 */
export function recogniseDatabase(
  probed: ProbedState,
  replay: Replay,
  legacyVersions: LegacyVersions,
): DatabaseState {
  switch (probed.kind) {
    case 'managed':
      return probed;
    case 'occupied':
      return {
        kind: 'foreign',
        userVersion: probed.userVersion,
        reasons: [probed.description],
        occupied: true,
        other: probed.others[0],
      };
    case 'unmanaged': {
      const evidence = weighEvidence(probed.schema, probed.userVersion, replay, legacyVersions);
      const other = probed.others.find((history) => evidence.kind !== 'legacy' || tells(history, replay));
      if (other !== undefined)
        return {
          kind: 'foreign',
          userVersion: probed.userVersion,
          reasons: [`its history is kept by ${describeHistory(other)}`],
          occupied: false,
          other,
        };
      switch (evidence.kind) {
        case 'empty':
          return { kind: 'empty', userVersion: evidence.claimed };
        case 'foreign':
          return {
            kind: 'foreign',
            userVersion: evidence.claimed,
            reasons: evidence.reasons,
            occupied: false,
            other: versionHistory(probed, replay, legacyVersions),
          };
        case 'legacy':
          return evidence;
      }
    }
  }
}

/** What a database is, as the name of a backup says it: `legacy4`, `v9`. */
export function stateLabel(state: DatabaseState): string {
  switch (state.kind) {
    case 'legacy':
      return `legacy${state.claimed}`;
    case 'managed':
      return `v${state.applied.at(-1)?.version ?? 0}`;
    case 'absent':
    case 'empty':
    case 'foreign':
      return state.kind;
  }
}
