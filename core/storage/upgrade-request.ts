import type { DatabaseBridge, DatabaseDriver } from '../database/database-bridge.js';
import type { Logger } from '../logger.js';
import type { BackupPolicy } from './backup-policy.js';
import type { DatabaseFile } from './database-file.js';
import type { CountedTable, Holdings } from './database-inventory.js';
import type { EarlyConnection } from './early-connection.js';
import type { DatabaseState } from './database-state.js';
import type { Attempt } from './history-row.js';
import type { HistoryTable } from './history-table.js';
import type { MigrationPlan } from './migration-plan.js';
import type { AllowedLoss } from './migration-guards.js';
import type { Migration } from './migration.js';
import type { CheckViolations } from './check-violations.js';
import type { OwnTrigger } from './own-triggers.js';
import type { PartialFiles } from './partial-files.js';
import type { Progress } from './upgrade-progress.js';

/** What the transaction that is open is for. */
export interface UpgradeWork {
  readonly state: DatabaseState;
  readonly plan: MigrationPlan;
  /** What the database is before the upgrade, as the name of a backup says it: `legacy4`, `v9`. */
  readonly from: string;
  /** Whether it has a history that is known to have today's shape. */
  readonly hasWholeHistory?: boolean;
  /** How large it is; undefined where that has to be asked. */
  readonly bytes?: number | undefined;
  /** What `readDataVersion` said when it was looked at; undefined where it was not asked. */
  readonly dataVersion?: number | undefined;
  /** Whether it is known to have none, and nothing that bears a name which a history is to have. */
  readonly hasRoomForHistory?: boolean;
}

/** What adopting and completing a legacy database did. */
export interface BaselineResult {
  readonly attempts: readonly Attempt[];
}

/** The part of a legacy upgrade that the runner does not know. */
export interface Bridge {
  /** Looks at the database and says what is to be done; called inside each transaction before it does anything. */
  readonly look: (db: DatabaseBridge) => Promise<UpgradeWork>;
  /** Fills in what the history does not say of what stands applied, before the first step. */
  readonly fillHistory: (db: DatabaseBridge, state: DatabaseState) => Promise<void>;
  /** Completes what is partly there, inside the open transaction, and says what the history must record. */
  readonly adopt: (db: DatabaseBridge, work: UpgradeWork) => Promise<BaselineResult>;
  /** The database's own triggers on what the migrations with these versions write. */
  readonly ownTriggers: (db: DatabaseBridge, versions: readonly number[]) => Promise<readonly OwnTrigger[]>;
  /** Holds the finished database against a fresh one, before the last transaction is committed. */
  readonly verify: (db: DatabaseBridge, last: Migration | undefined) => Promise<void>;
  /**
   * Says in the history that nothing is left to do, before the last transaction is committed.
   *
   * @param lists whether the tables are to be asked for on the way
   */
  readonly seal: (db: DatabaseBridge, lists: boolean) => Promise<readonly CountedTable[] | undefined>;
}

export interface RunnerSettings {
  /** How long to wait for other processes, in milliseconds. */
  readonly lockWaitMs: number;
  /** Whether the rows of every table are counted before and after each step. */
  readonly countRows: boolean;
  /** Up to which size of the database, in bytes, every index is held against its table before the first write. */
  readonly fullCheckBytes: number;
  readonly backup: BackupPolicy;
  /** `each`: a transaction a step, or a few that can do no harm. `all`: one for the whole upgrade, so that all of it is kept or nothing. */
  readonly transaction: 'each' | 'all';
  /** What undoing may lose without the down file's saying so. */
  readonly lossAllowed: AllowedLoss;
}

/** A database that is to be changed, and how. */
export interface ChangeRequest {
  readonly driver: DatabaseDriver;
  /** The database's file, or the one connection to a database in memory. */
  readonly target: DatabaseFile | DatabaseBridge;
  readonly historyTable: HistoryTable;
  readonly settings: RunnerSettings;
  readonly logger: Logger;
  readonly progress: Progress;
  readonly signal: AbortSignal | undefined;
  /** What the backup's name says the database becomes, such as `v11`. */
  readonly to: string;
  /** What was seen of unfinished copies, where many databases share that look. */
  readonly partials?: PartialFiles | undefined;
  /** The connection on which the database was looked at before. */
  readonly early?: EarlyConnection | undefined;
}

/** A database that is to be upgraded, with the part that the runner does not know. */
export interface RunRequest extends ChangeRequest {
  readonly bridge: Bridge;
  /** Whether anybody is told of each step as it is done. */
  readonly watched: boolean;
}

/** What was done, in the order in which it was done. */
export interface RunResult {
  /** What the database was when the lock was held; undefined when there was nothing to do at the first look. */
  readonly state: DatabaseState | undefined;
  /** The newest version that stands applied at the end, whoever applied it; undefined when nobody looked. */
  readonly version: number | undefined;
  readonly attempts: readonly Attempt[];
  /** What the database held before the first step and after the last; undefined when there was nothing to do. */
  readonly before: Pick<Holdings, 'rows'> | undefined;
  readonly after: Holdings | undefined;
  readonly backup: string | undefined;
  /** Older copies that were removed afterwards. */
  readonly removedBackups: readonly string[];
  /** What undoing lost, as sentences. */
  readonly losses: readonly string[];
  /** Rows that break a CHECK of their table and were kept. */
  readonly checkViolations: readonly CheckViolations[];
  /** The database's own triggers on what the applied migrations write. */
  readonly ownTriggers: readonly OwnTrigger[];
}

/** The result of an upgrade that found nothing to do. */
export const nothingDone: RunResult = {
  state: undefined,
  version: undefined,
  attempts: [],
  before: undefined,
  after: undefined,
  backup: undefined,
  removedBackups: [],
  losses: [],
  checkViolations: [],
  ownTriggers: [],
};
