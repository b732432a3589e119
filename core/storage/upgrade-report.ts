import type { Logger } from '../logger.js';
import type { Holdings } from './database-inventory.js';
import type { DatabaseState } from './database-state.js';
import { claimDifferences } from './legacy-evidence.js';
import type { Attempt, ToleratedViolations } from './history-row.js';
import { isUpToDate } from './migration-plan.js';
import type { OtherTool } from './other-history.js';
import type { OwnTrigger } from './own-triggers.js';
import { plannedWork, type PlannedWork } from './planned-work.js';
import type { CheckViolations } from './check-violations.js';
import { nothingDone, type RunResult, type UpgradeWork } from './upgrade-request.js';

/** One migration that an upgrade recorded. */
export interface ReportedMigration {
  readonly version: number;
  readonly filename: string;
  readonly ms: number;
}

/** A migration that was there in part, with the objects that were added. */
export interface CompletedMigration extends ReportedMigration {
  readonly objects: readonly string[];
  /** The old statements of what was there in another form and was replaced; the history keeps them as well. */
  readonly replaced: readonly string[];
}

/** The history of another tool that an upgrade took over. */
export interface AdoptedFrom {
  readonly tool: OtherTool;
  /** The tool as people call it. */
  readonly title: string;
  /** Where that history stands now; undefined for `PRAGMA user_version`. */
  readonly table: string | undefined;
  /** How its table was called before it had to give up its name. */
  readonly renamedFrom: string | undefined;
}

/** How many rows a table had before and after. */
export interface RowCount {
  readonly table: string;
  readonly before: number;
  readonly after: number;
}

/** What opening a database found and did. */
export interface UpgradeReport {
  readonly database: string;
  /** What the database was: `absent`, `empty`, `legacy` or `managed`. */
  readonly found: DatabaseState['kind'];
  /** Whether there was nothing to do; nothing was written then. */
  readonly upToDate: boolean;
  /** The legacy version that `PRAGMA user_version` claimed; undefined where the database has a history. */
  readonly claimed: number | undefined;
  /** The legacy version that the schema really had. */
  readonly evident: number | undefined;
  /** Every way in which the claim and the schema differed, as sentences. */
  readonly differences: readonly string[];
  readonly adopted: readonly ReportedMigration[];
  /** Whose history was taken over first, where the option `adopt` said so; undefined otherwise. */
  readonly adoptedFrom: AdoptedFrom | undefined;
  readonly completed: readonly CompletedMigration[];
  readonly applied: readonly ReportedMigration[];
  /** What was undone, the newest first. */
  readonly rolledBack: readonly ReportedMigration[];
  /** What undoing lost, as sentences. */
  readonly losses: readonly string[];
  /** The version that the database is at now. */
  readonly version: number;
  /** Tables that are there before or after, with their rows; empty when nothing was done or counting is off. */
  readonly rows: readonly RowCount[];
  /** Rows that break a foreign key and were kept: they did before, or the key is new to their table. */
  readonly violations: readonly ToleratedViolations[];
  /** Rows that break a CHECK of their table and were kept, because they were there before it. */
  readonly checkViolations: readonly CheckViolations[];
  /**
   * Triggers of the database's own on tables whose rows an applied migration writes: what the migration did went through
   * them, and one that leaves rows out or changes others does so without an error.
   */
  readonly ownTriggers: readonly OwnTrigger[];
  /** The path of the copy that was made before the first write. */
  readonly backup: string | undefined;
  /** The paths of older copies that were removed, being more or older than are to be kept. */
  readonly removedBackups: readonly string[];
  /** What an upgrade would do to a legacy database that `legacyMode` keeps from being upgraded; undefined otherwise. */
  readonly wouldDo: PlannedWork | undefined;
  readonly ms: number;
}

type Rows = Pick<Holdings, 'rows'>;

function rowCounts(before: Rows | undefined, after: Rows | undefined): RowCount[] {
  if (before === undefined || after === undefined) return [];
  const tables = [...new Set([...before.rows.keys(), ...after.rows.keys()])].sort();
  return tables.map((table) => ({
    table,
    before: before.rows.get(table) ?? 0,
    after: after.rows.get(table) ?? 0,
  }));
}

function reported({ version, filename, executionTimeMs }: Attempt): ReportedMigration {
  return { version, filename, ms: executionTimeMs };
}

/**
 * Says what was found and done.
 *
 * @param probed what the first look found
 * @param ms how long the whole took, in milliseconds
 */
export function reportUpgrade(
  database: string,
  probed: DatabaseState,
  result: RunResult,
  ms: number,
): UpgradeReport {
  const { attempts, before, after } = result;
  // Another process may have been here between the first look and the lock. A file that the lock needed is empty.
  const second = result.state ?? probed;
  const state = probed.kind === 'absent' && second.kind === 'empty' ? probed : second;
  const withOrigin = (origin: Attempt['origin']): Attempt[] =>
    attempts.filter((attempt) => attempt.origin === origin && attempt.status === 'applied');
  return {
    database,
    found: state.kind,
    upToDate: attempts.length === 0,
    claimed: state.kind === 'legacy' ? state.claimed : state.kind === 'empty' ? state.userVersion : undefined,
    evident: state.kind === 'legacy' ? state.evident : state.kind === 'empty' ? 0 : undefined,
    differences:
      state.kind === 'legacy'
        ? claimDifferences(state)
        : state.kind === 'empty'
          ? claimDifferences({ kind: 'empty', claimed: state.userVersion })
          : [],
    adopted: withOrigin('legacy').map(reported),
    adoptedFrom: undefined,
    completed: withOrigin('completed').map((attempt) => ({
      ...reported(attempt),
      objects: attempt.details.completed ?? [],
      replaced: attempt.details.replaced ?? [],
    })),
    applied: withOrigin('migration').map(reported),
    rolledBack: attempts.filter(({ status }) => status === 'rolled_back').map(reported),
    losses: result.losses,
    version: result.version ?? (state.kind === 'managed' ? (state.applied.at(-1)?.version ?? 0) : 0),
    rows: rowCounts(before, after),
    violations: after?.violations ?? [],
    checkViolations: result.checkViolations,
    ownTriggers: result.ownTriggers,
    backup: result.backup,
    removedBackups: result.removedBackups,
    wouldDo: undefined,
    ms: Math.round(ms),
  };
}

/**
 * Says what was found and what an upgrade would do, where nothing was done.
 *
 * @param ms how long it took to find out, in milliseconds
 */
export function reportIntent(database: string, { state, plan }: UpgradeWork, ms: number): UpgradeReport {
  return {
    ...reportUpgrade(database, state, nothingDone, ms),
    upToDate: isUpToDate(plan),
    wouldDo: plannedWork(plan),
  };
}

/** Writes what an upgrade found and did to the log. */
export function logReport(report: UpgradeReport, logger: Logger): void {
  const { found, claimed, evident, version, ms } = report;
  if (report.upToDate) {
    logger.debug({ version, ms }, 'up to date');
    return;
  }
  for (const difference of report.differences) logger.warn({ difference }, 'claim and evidence differ');
  if (report.wouldDo !== undefined) {
    logger.info({ found, claimed, evident, ms }, 'legacy database left as it is');
    return;
  }
  for (const violation of report.violations)
    logger.warn(violation, 'rows that break a foreign key were kept');
  for (const trigger of report.ownTriggers)
    logger.warn(trigger, "the database's own trigger acts where a migration wrote");
  for (const violation of report.checkViolations) logger.warn(violation, 'rows that break a check were kept');
  logger.info(
    {
      found,
      claimed,
      evident,
      adopted: report.adopted.length,
      completed: report.completed.length,
      applied: report.applied.length,
      rolledBack: report.rolledBack.length,
      version,
      rows: report.rows.reduce((sum, { after }) => sum + after, 0),
      ms,
    },
    'upgraded',
  );
}
