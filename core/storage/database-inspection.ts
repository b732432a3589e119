import type { DatabaseBridge } from '../database/database-bridge.js';
import { UpgradeBridgeError, type ErrorCode } from '../errors.js';
import { readChangedFiles, type ChangedFile } from './changed-files.js';
import { resolveDatabaseFile } from './database-file.js';
import { readOnly } from './database-reading.js';
import {
  probeDatabase,
  wrongUserVersion,
  type DatabaseState,
  type ProbedState,
  type WrongUserVersion,
} from './database-state.js';
import { fileStatuses, type FileStatus } from './file-status.js';
import { claimDifferences } from './legacy-evidence.js';
import { appliedTwice, tamperedHistory } from './history-chain.js';
import { findSigns } from './history-tampering.js';
import { LegacyBridge, looksTampered } from './legacy-migrations.js';
import type { AppliedMigration } from './history-row.js';
import { readHistoryShape } from './history-table.js';
import { readHistory } from './migration-history.js';
import { isUpToDate, planMigrations, type MigrationPlan } from './migration-plan.js';
import type { Migration } from './migration.js';
import { summarise, type OtherHistory, type OtherHistorySummary } from './other-history.js';
import { findOtherHistories } from './other-history-reading.js';
import { plannedWork, type PlannedWork } from './planned-work.js';
import type { MigrationSource } from './upgrade-options.js';
import { resolveSource, type ResolvedSource } from './upgrade-source.js';
import { worldLegacyVersions, worldMigrationsDir } from './world-migrations.js';

/** What a database is and what an upgrade would do to it. */
export interface Inspection extends PlannedWork {
  readonly database: string;
  /** `newer`: its history has a migration that these files do not. */
  readonly kind: DatabaseState['kind'] | 'newer';
  readonly userVersion: number | undefined;
  /** Set where there is a history and `user_version` does not tell its newest applied version. */
  readonly wrongUserVersion: WrongUserVersion | undefined;
  /** The legacy version that `PRAGMA user_version` claims; undefined where there is a history. */
  readonly claimed: number | undefined;
  /** The legacy version that the schema really has. */
  readonly evident: number | undefined;
  /** The newest applied version; 0 where there is none. */
  readonly version: number;
  /** Every way in which the claim and the schema differ, as sentences. */
  readonly differences: readonly string[];
  readonly applied: readonly AppliedMigration[];
  /** The newest attempts that failed, of versions that do not stand applied. */
  readonly failed: readonly AppliedMigration[];
  /** Every migration that is a file or stands in the history, by version. */
  readonly files: readonly FileStatus[];
  /** The applied files that are not what they were when they were applied. */
  readonly changed: readonly ChangedFile[];
  /** Every sign that somebody changed the history by hand, as sentences. */
  readonly tampering: readonly string[];
  /** The histories that other tools keep or have kept in it. */
  readonly otherHistories: readonly OtherHistorySummary[];
  /** Why an upgrade would be refused. */
  readonly problem: { readonly code: ErrorCode; readonly message: string; readonly hint: string } | undefined;
}

const nothing: MigrationPlan = { baseline: [], undo: [], pending: [] };

function planOrProblem(
  state: DatabaseState,
  migrations: readonly Migration[],
  tampering: readonly string[],
): { plan: MigrationPlan; problem: UpgradeBridgeError | undefined } {
  try {
    const plan = planMigrations(state, migrations);
    const isDoubtful = state.kind === 'managed' && appliedTwice(state.history).length > 0;
    return tampering.length === 0 || (isUpToDate(plan) && !isDoubtful)
      ? { plan, problem: undefined }
      : { plan: nothing, problem: tamperedHistory(tampering) };
  } catch (error) {
    if (!(error instanceof UpgradeBridgeError)) throw error;
    if (tampering.length > 0 && looksTampered.some((code) => code === error.code))
      return { plan: nothing, problem: tamperedHistory(tampering) };
    return { plan: nothing, problem: error };
  }
}

interface Found {
  readonly probed: ProbedState;
  /** Every attempt; a database in which each of them failed is not managed for that. */
  readonly history: readonly AppliedMigration[];
  readonly changed: readonly ChangedFile[];
  readonly tampering: readonly string[];
  readonly others: readonly OtherHistory[];
}

async function look(db: DatabaseBridge, { historyTable, migrations }: ResolvedSource): Promise<Found> {
  const probed = await probeDatabase(db, historyTable);
  const others = await findOtherHistories(db, historyTable);
  const tampering = await findSigns(db, historyTable, probed);
  if (probed.kind === 'managed') {
    const { history, applied } = probed;
    return {
      probed,
      history,
      changed: await readChangedFiles(db, historyTable, applied, migrations),
      tampering,
      others,
    };
  }
  const shape = await readHistoryShape(db, historyTable);
  const history = shape.kind === 'ours' ? await readHistory(db, historyTable, shape) : [];
  return { probed, history, changed: [], tampering, others };
}

function lastFailures(
  history: readonly AppliedMigration[],
  applied: readonly AppliedMigration[],
): AppliedMigration[] {
  const standing = new Set(applied.map(({ version }) => version));
  const failed = history.filter(({ status, version }) => status === 'failed' && !standing.has(version));
  return [...new Map(failed.map((attempt) => [attempt.version, attempt])).values()];
}

function differencesOf(state: DatabaseState): string[] {
  switch (state.kind) {
    case 'legacy':
      return claimDifferences(state);
    case 'empty':
      return claimDifferences({ kind: 'empty', claimed: state.userVersion });
    case 'absent':
    case 'managed':
    case 'foreign':
      return [];
  }
}

function userVersionOf(state: DatabaseState): number | undefined {
  switch (state.kind) {
    case 'absent':
      return undefined;
    case 'legacy':
      return state.claimed;
    case 'empty':
    case 'managed':
    case 'foreign':
      return state.userVersion;
  }
}

/** Those that have a table, and the one that is kept in user_version alone. */
function otherHistoriesOf(state: DatabaseState, tables: readonly OtherHistory[]): readonly OtherHistory[] {
  return tables.length === 0 && state.kind === 'foreign' && state.other !== undefined
    ? [state.other]
    : tables;
}

export interface InspectionOptions extends MigrationSource {
  /** How long to wait for a program that lets nobody read, in milliseconds. Default: 5 000. */
  readonly lockWaitMs?: number | undefined;
}

/**
 * Says what a database is, what stands applied, and what an upgrade would do, without changing a byte of it.
 *
 * @param path the database file; it need not exist
 * @param source the files and the past to hold it against; the world storage layer's own unless said
 * @throws UnreadableDatabaseError, FileAccessError when it cannot be read
 * @throws MigrationFileError when the files are not as they must be
 * @throws UpgradeBridgeError (HISTORY_ELSEWHERE) when a table of another name holds the history
 */
export async function inspectDatabase(
  path: string,
  source: InspectionOptions = { migrations: worldMigrationsDir, legacy: worldLegacyVersions },
): Promise<Inspection> {
  const resolved = await resolveSource(source);
  const file = await resolveDatabaseFile(path, 'read');
  const bridge = new LegacyBridge(resolved);
  const found = file.exists
    ? await readOnly(resolved.driver, file, source, (db) => look(db, resolved))
    : undefined;
  const state: DatabaseState =
    found === undefined ? { kind: 'absent' } : await bridge.recognise(found.probed);
  const { plan, problem } = planOrProblem(state, resolved.migrations, found?.tampering ?? []);
  const applied = state.kind === 'managed' ? state.applied : [];
  return {
    database: path,
    kind: problem?.code === 'NEWER_DATABASE' ? 'newer' : state.kind,
    userVersion: userVersionOf(state),
    wrongUserVersion: wrongUserVersion(state),
    claimed: state.kind === 'legacy' || state.kind === 'empty' ? userVersionOf(state) : undefined,
    evident: state.kind === 'legacy' ? state.evident : state.kind === 'empty' ? 0 : undefined,
    version: applied.at(-1)?.version ?? 0,
    differences: differencesOf(state),
    applied,
    failed: lastFailures(found?.history ?? [], applied),
    changed: found?.changed ?? [],
    tampering: found?.tampering ?? [],
    ...plannedWork(plan),
    files: fileStatuses(found?.history ?? [], resolved.migrations, plan),
    otherHistories: otherHistoriesOf(state, found?.others ?? []).map(summarise),
    problem:
      problem === undefined
        ? undefined
        : { code: problem.code, message: problem.message, hint: problem.hint },
  };
}
