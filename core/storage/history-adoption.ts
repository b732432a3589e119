import type { DatabaseBridge } from '../database/database-bridge.js';
import { decideAdoption, type AdoptedFile, type Adoption } from './adoption-decision.js';
import { Replays } from './adoption-matching.js';
import type { AdoptionTerms } from './adoption-terms.js';
import {
  changeHistory,
  changeHistoryThrough,
  type ConnectionHistoryOptions,
  type HistoryChangeOptions,
  type HistoryChangeResult,
  type HistoryChangeSubject,
} from './history-change.js';
import { standingRows, type OtherTool } from './other-history.js';
import type { ResolvedSource } from './upgrade-source.js';

export interface AdoptOptions extends HistoryChangeOptions, AdoptionTerms {}

/** What an adoption recorded; with `dryRun`, what it would record. */
export interface AdoptReport {
  readonly database: string;
  readonly dryRun: boolean;
  /** Whether the database has a history of this package already; nothing was written then. */
  readonly nothingToDo: boolean;
  /** Whose history it is; undefined where there is nothing to do. */
  readonly tool: OtherTool | undefined;
  /** The tool as people call it. */
  readonly title: string | undefined;
  /** Where that history stands now; undefined for `PRAGMA user_version`. */
  readonly table: string | undefined;
  /** How a table was called that had to give up its name. */
  readonly renamedFrom: string | undefined;
  /** How many rows stand applied in it. */
  readonly rows: number;
  /** The newest version that stands applied afterwards. */
  readonly version: number;
  readonly files: readonly AdoptedFile[];
  /** The files that are not recorded: the next upgrade applies them. */
  readonly pending: readonly string[];
  /**
   * In what the schema is not what the recorded files make, and what it has of pending ones already, as sentences; accepted
   * by `acceptDifferences`.
   */
  readonly differences: readonly string[];
  /** `PRAGMA user_version` before and after. */
  readonly userVersion: { readonly found: number; readonly set: number };
  /** The path of the copy that was made before the first write. */
  readonly backup: string | undefined;
  readonly ms: number;
}

/**
 * Takes over the history that another tool keeps in a database: finds the file of each of its rows by name, number,
 * release, checksum or place, holds those files against the schema, and records them with the origin `adopted`. Nothing
 * is run; the next upgrade applies the files that have no row.
 *
 * It runs like an upgrade: under the lock, after a copy, in one transaction. The other tool's table stays as it is; where
 * it bears the name of our history it is renamed by the tool (`schema_migrations_dbmate`).
 *
 * ```ts
 * const { files, pending } = await adoptHistory({ database: 'shop.db', migrations: 'migrations', dryRun: true });
 * ```
 *
 * @throws UpgradeBridgeError UNFINISHED_HISTORY when the other tool has not finished its work; ADOPTION_MISMATCH when a
 *   row has no file, the schema is not what the files make, or there is no such history
 * @throws ForeignDatabaseError, FileAccessError, UnreadableDatabaseError, LockedError as `upgradeDatabase` does
 */
export function adoptHistory(options: AdoptOptions): Promise<AdoptReport> {
  return adopt(options, (decide) => changeHistory(options, subject, decide));
}

/** Does what `adoptHistory` does by files that were read already. */
export function adoptHistoryBy(source: ResolvedSource, options: AdoptOptions): Promise<AdoptReport> {
  return adopt(options, (decide) => changeHistory(options, subject, decide, source));
}

/** What an adoption through an open connection takes. */
export type ConnectionAdoptOptions = ConnectionHistoryOptions & AdoptionTerms;

/**
 * Does what `adoptHistory` does through one open connection, with the weaker promises of `upgradeConnection`.
 *
 * @throws what `adoptHistory` throws
 */
export function adoptConnection(db: DatabaseBridge, options: ConnectionAdoptOptions): Promise<AdoptReport> {
  return adopt({ ...options, database: db.location }, (decide) =>
    changeHistoryThrough(db, options, subject, decide),
  );
}

const subject: HistoryChangeSubject = { title: 'Taking the history over', label: 'adopted' };

type Decide = (db: DatabaseBridge, source: ResolvedSource) => Promise<Adoption>;

async function adopt(
  options: AdoptOptions,
  carryOut: (decide: Decide) => Promise<HistoryChangeResult<Adoption>>,
): Promise<AdoptReport> {
  const started = performance.now();
  const { tool, table, acceptDifferences = false } = options;
  const replays = new Replays();
  const { change, backup } = await carryOut(async (db, source) =>
    decideAdoption(
      db,
      source,
      { tool, table, acceptDifferences, journal: await source.drizzleJournal() },
      replays,
    ),
  );
  const { history, renamed, files, pending, differences } = change;
  const isRenamed = renamed !== undefined && renamed.from === history?.table;
  return {
    database: options.database,
    dryRun: options.dryRun ?? false,
    nothingToDo: history === undefined,
    tool: history?.tool,
    title: history?.title,
    table: isRenamed ? renamed.to : history?.table,
    renamedFrom: isRenamed ? renamed.from : undefined,
    rows: history === undefined ? 0 : standingRows(history).length,
    version: change.standing.at(-1) ?? 0,
    files,
    pending,
    differences,
    userVersion: change.userVersion,
    backup,
    ms: Math.round(performance.now() - started),
  };
}
