import type { DatabaseBridge } from '../database/database-bridge.js';
import { MigrationFailedError, OtherHistoryError, UpgradeBridgeError } from '../errors.js';
import { resolveDatabaseFile, type DatabaseFile } from './database-file.js';
import { readPatiently } from './database-reading.js';
import {
  needsReplay,
  probeDatabase,
  recogniseDatabase,
  stateLabel,
  type DatabaseState,
  type ProbedState,
} from './database-state.js';
import { adoptConnection, adoptHistory, type AdoptReport } from './history-adoption.js';
import type { ChangeTerms } from './change-terms.js';
import { completeFile } from './legacy-completion.js';
import { weighEvidence } from './legacy-evidence.js';
import { LegacyRefusedError, resolveLegacyMode, type LegacyMode } from './legacy-mode.js';
import { attemptAt, type Attempt } from './history-row.js';
import {
  isUpToDate,
  planMigrations,
  refuseOutsideTransaction,
  type Goal,
  type MigrationPlan,
} from './migration-plan.js';
import { refuseUnmetRequirements, refuseWithoutDatabase } from './migration-requirements.js';
import { appliedTwice, refuseTampering } from './history-chain.js';
import { fillHistory } from './history-filling.js';
import { findSigns } from './history-tampering.js';
import { keptMigrations } from './kept-migrations.js';
import type { Replay } from './migration-replay.js';
import { runMigrations } from './migration-runner.js';
import type { Migration } from './migration.js';
import { ownTriggers, type OwnTrigger } from './own-triggers.js';
import { compareSchemas } from './schema-comparison.js';
import { readSchema, type SchemaSnapshot } from './schema-snapshot.js';
import {
  resolveProgress,
  resolveSettings,
  type ConnectionUpgradeOptions,
  type UpgradeOptions,
} from './upgrade-options.js';
import { resolveSource, sealDatabase, type ResolvedSource } from './upgrade-source.js';
import { logReport, reportIntent, reportUpgrade, type UpgradeReport } from './upgrade-report.js';
import { nothingDone, type BaselineResult, type Bridge, type UpgradeWork } from './upgrade-request.js';

/** What a history from which rows were taken out looks like. */
export const looksTampered = ['OUT_OF_ORDER_MIGRATION', 'FOREIGN_DATABASE', 'OTHER_HISTORY'] as const;

const nothingReplayed: Replay = { steps: [], final: { tables: new Map(), objects: new Map() } };

/** Brings old databases over: weighs claim and evidence, adopts what is there, completes what is half there. */
export class LegacyBridge implements Bridge {
  private strict = false;
  /** Whether the history is known to be as it was written. */
  private trusted = false;

  /**
   * @param goal where the upgrade is to end
   * @param undoFromHistory whether migrations that are no files of this program may be undone by what the history kept
   * @param legacyMode whether a legacy database may be upgraded
   */
  constructor(
    private readonly source: ResolvedSource,
    private readonly goal: Goal = { kind: 'newest' },
    private readonly undoFromHistory = false,
    private readonly legacyMode: LegacyMode = 'bridge',
  ) {}

  /** Says what a probed database is; the files are replayed only where its schema has to be weighed. */
  async recognise(probed: ProbedState): Promise<DatabaseState> {
    const replay = needsReplay(probed) ? await this.source.replayed() : nothingReplayed;
    return recogniseDatabase(probed, replay, this.source.legacy);
  }

  /** Decides what is to be done, with the way back of unknown migrations where it is wanted. */
  async plan(db: DatabaseBridge, state: DatabaseState): Promise<MigrationPlan> {
    const { migrations, historyTable } = this.source;
    const kept =
      this.undoFromHistory && state.kind === 'managed'
        ? await keptMigrations(db, historyTable, state, migrations)
        : [];
    try {
      const plan = planMigrations(state, migrations, this.goal, kept);
      const doubtful = state.kind === 'managed' && appliedTwice(state.history).length > 0;
      if (doubtful || !isUpToDate(plan)) await this.refuseTampering(db, state);
      await refuseUnmetRequirements(db, plan.pending);
      return plan;
    } catch (error) {
      if (error instanceof UpgradeBridgeError && looksTampered.some((code) => code === error.code))
        await this.refuseTampering(db, state);
      throw error;
    }
  }

  /** What is decided from a history that was changed could run a file twice. One without rows counts, too. */
  private async refuseTampering(db: DatabaseBridge, state: DatabaseState): Promise<void> {
    if (this.trusted) return;
    refuseTampering(await findSigns(db, this.source.historyTable, state));
    this.trusted = true;
  }

  /** Says what a database is and what would be done. */
  readonly survey = async (db: DatabaseBridge): Promise<UpgradeWork> => {
    const state = await this.recognise(await probeDatabase(db, this.source.historyTable));
    const plan = await this.plan(db, state);
    if (state.kind === 'legacy') this.strict = true;
    return { state, plan, from: stateLabel(state) };
  };

  /** The same where it will be done, and so refuses what is not to be upgraded: it may have become legacy meanwhile. */
  readonly look = async (db: DatabaseBridge): Promise<UpgradeWork> => {
    const work = await this.survey(db);
    if (work.state.kind === 'legacy' && this.legacyMode !== 'bridge')
      throw new LegacyRefusedError(reportIntent(db.location, work, 0));
    return work;
  };

  /** What is to be done where there is no database yet: then what SQLite can do is asked of one in memory. */
  async surveyNothing(): Promise<UpgradeWork> {
    const state: DatabaseState = { kind: 'absent' };
    const plan = planMigrations(state, this.source.migrations, this.goal);
    await refuseWithoutDatabase(this.source.driver, plan.pending);
    return { state, plan, from: stateLabel(state) };
  }

  readonly fillHistory = async (db: DatabaseBridge, state: DatabaseState): Promise<void> => {
    const { historyTable, migrations } = this.source;
    if (state.kind === 'managed') await fillHistory(db, historyTable, state.applied, migrations);
  };

  readonly adopt = async (db: DatabaseBridge, work: UpgradeWork): Promise<BaselineResult> => {
    const { historyTable, logger } = this.source;
    const replay = await this.source.replayed();
    const { baseline } = work.plan;
    const versions = new Set(baseline.map(({ migration }) => migration.version));
    const adopted = replay.steps.filter(({ migration }) => versions.has(migration.version));
    const attempts: Attempt[] = [];
    for (const file of baseline) {
      const started = performance.now();
      if (file.state === 'partial') {
        const { completed, replaced } = await completeFile(db, historyTable, file, adopted);
        logger.info({ file: file.migration.filename, objects: completed }, 'legacy migration completed');
        attempts.push(
          attemptAt(file.migration, {
            status: 'applied',
            origin: 'completed',
            executionTimeMs: performance.now() - started,
            details: { completed, ...(replaced.length > 0 ? { replaced } : {}) },
          }),
        );
      } else {
        attempts.push(
          attemptAt(file.migration, { status: 'applied', origin: 'legacy', executionTimeMs: 0, details: {} }),
        );
      }
    }
    this.proveBaseline(await readSchema(db, historyTable), replay, work);
    return { attempts };
  };

  readonly ownTriggers = (
    db: DatabaseBridge,
    versions: readonly number[],
  ): Promise<readonly OwnTrigger[]> => {
    const migrations = this.source.migrations.filter(({ version }) => versions.includes(version));
    return ownTriggers(db, migrations, this.source.replayed);
  };

  /**
   * Proves that a database that was bridged has the schema of a fresh one. One that had a history before may have
   * drifted by its owner's doing; that is for `verify` to say.
   */
  readonly verify = async (db: DatabaseBridge, last: Migration | undefined): Promise<void> => {
    if (!this.strict || this.goal.kind !== 'newest') return;
    const { final } = await this.source.replayed();
    const differences = compareSchemas(final, await readSchema(db, this.source.historyTable)).filter(
      ({ kind }) => kind !== 'extra',
    );
    if (differences.length === 0) return;
    throw new MigrationFailedError(
      'SCHEMA_MISMATCH',
      `The upgraded database would not have the schema of a fresh one: ${differences.map(({ sentence }) => sentence).join('; ')}.`,
      { filename: last?.filename ?? '(adoption)', statement: undefined, line: undefined },
      { hint: 'The last step was rolled back. Report this with the output of "upgrade-bridge status".' },
    );
  };

  /** Where the upgrade ends at the newest migration, the next start need not look for more. */
  readonly seal = async (db: DatabaseBridge): Promise<void> => {
    if (this.goal.kind === 'newest') await sealDatabase(db, this.source);
  };

  /** Weighs the database again after completion: everything that is about to be recorded must be wholly there now. */
  private proveBaseline(schema: SchemaSnapshot, replay: Replay, { state, plan }: UpgradeWork): void {
    const claimed = state.kind === 'legacy' ? state.claimed : 0;
    const evidence = weighEvidence(schema, claimed, replay, this.source.legacy);
    const files = evidence.kind === 'legacy' ? evidence.files : [];
    const present = new Set(
      files.filter((file) => file.state === 'present').map(({ migration }) => migration.version),
    );
    const unproven = plan.baseline.filter(({ migration }) => !present.has(migration.version));
    if (evidence.kind === 'legacy' && unproven.length === 0) return;
    const names = unproven.map(({ migration }) => migration.filename).join(', ');
    throw new UpgradeBridgeError(
      'ADOPTION_FAILED',
      `The legacy database could not be completed: ${names} would still not be wholly there.`,
      { hint: 'Nothing was changed. Report this with the output of "upgrade-bridge status".' },
    );
  }
}

/** Brings the database in a file where `terms` say; takes over another tool's history first where `adopt` says so. */
export async function changeDatabase(options: UpgradeOptions, terms: ChangeTerms): Promise<UpgradeReport> {
  const started = performance.now();
  resolveSettings(options);
  const source = await resolveSource(options);
  const file = await resolveDatabaseFile(options.database, 'write');
  return changeFile({ source, file, options, terms, started });
}

/** A file that is to be changed, by migrations that were read already. */
export interface FileChange {
  readonly source: ResolvedSource;
  readonly file: DatabaseFile;
  readonly options: UpgradeOptions;
  readonly terms: ChangeTerms;
  /** When the work began, as `performance.now()` tells it. */
  readonly started: number;
}

/** Does what `changeDatabase` does, with files that many databases may share. */
export async function changeFile(change: FileChange): Promise<UpgradeReport> {
  try {
    return await changeOwn(change);
  } catch (error) {
    if (change.options.adopt !== true || !(error instanceof OtherHistoryError)) throw error;
    return adoptAndChange(change);
  }
}

async function adoptAndChange(change: FileChange): Promise<UpgradeReport> {
  const adoption = await adoptHistory(change.options);
  // One copy is enough: that of the database before anything was written.
  const options: UpgradeOptions =
    adoption.backup === undefined ? change.options : { ...change.options, backup: false };
  return withAdoption(await changeOwn({ ...change, options }), adoption);
}

/** Both steps as one: what was taken over, and what was carried out after it. */
function withAdoption(
  report: UpgradeReport,
  { files, backup, tool, title, table, renamedFrom }: AdoptReport,
): UpgradeReport {
  return {
    ...report,
    found: 'foreign',
    upToDate: report.upToDate && files.length === 0,
    adopted: [...files.map(({ version, filename }) => ({ version, filename, ms: 0 })), ...report.adopted],
    adoptedFrom: tool === undefined || title === undefined ? undefined : { tool, title, table, renamedFrom },
    backup: backup ?? report.backup,
  };
}

async function changeOwn(change: FileChange): Promise<UpgradeReport> {
  const { source, file, options, terms, started } = change;
  const { lockWaitMs } = resolveSettings(options);
  const logger = source.logger.child({ database: options.database });
  if (file.networkFileSystem !== undefined)
    logger.warn(
      { fileSystem: file.networkFileSystem },
      'the database is on a network file system, where locks may fail',
    );
  const legacyMode = resolveLegacyMode(options.legacyMode);
  const bridge = new LegacyBridge({ ...source, logger }, terms.goal, terms.undoFromHistory, legacyMode);
  const patience = { lockWaitMs, signal: options.signal };
  const work = file.exists
    ? await readPatiently(source.driver, file, patience, bridge.survey)
    : await bridge.surveyNothing();
  return carryOut({ target: file, work, bridge, source: { ...source, logger }, options, terms, started });
}

/** Brings the database of one open connection where `terms` say; takes over another tool's history first where `adopt` says so. */
export async function changeConnection(
  db: DatabaseBridge,
  options: ConnectionUpgradeOptions,
  terms: ChangeTerms,
): Promise<UpgradeReport> {
  try {
    return await changeOwnConnection(db, options, terms);
  } catch (error) {
    if (options.adopt !== true || !(error instanceof OtherHistoryError)) throw error;
    const adoption = await adoptConnection(db, options);
    return withAdoption(await changeOwnConnection(db, options, terms), adoption);
  }
}

async function changeOwnConnection(
  db: DatabaseBridge,
  options: ConnectionUpgradeOptions,
  terms: ChangeTerms,
): Promise<UpgradeReport> {
  const started = performance.now();
  const source = await resolveSource(options);
  const { goal, undoFromHistory } = terms;
  const bridge = new LegacyBridge(source, goal, undoFromHistory, resolveLegacyMode(options.legacyMode));
  const work = await bridge.survey(db);
  return carryOut({
    target: db,
    work,
    bridge,
    source,
    options: { ...options, database: db.location },
    terms,
    started,
  });
}

interface Change {
  readonly target: DatabaseFile | DatabaseBridge;
  /** What the first look found. */
  readonly work: UpgradeWork;
  readonly bridge: LegacyBridge;
  readonly source: ResolvedSource;
  readonly options: UpgradeOptions;
  readonly terms: ChangeTerms;
  readonly started: number;
}

async function carryOut({
  target,
  work,
  bridge,
  source,
  options,
  terms,
  started,
}: Change): Promise<UpgradeReport> {
  const { driver, migrations, historyTable, logger } = source;
  const legacyMode = resolveLegacyMode(options.legacyMode);
  if (work.state.kind === 'legacy' && legacyMode !== 'bridge') {
    const report = reportIntent(options.database, work, performance.now() - started);
    logReport(report, logger);
    if (legacyMode === 'inspect-only') return report;
    throw new LegacyRefusedError(report);
  }
  if (options.transaction === 'all') refuseOutsideTransaction(work.plan);
  const goal = 'to' in terms.goal ? terms.goal.to : (migrations.at(-1)?.version ?? 0);
  const result = isUpToDate(work.plan)
    ? nothingDone
    : await runMigrations({
        driver,
        target,
        historyTable,
        bridge,
        settings: { ...resolveSettings(options), lossAllowed: terms.lossAllowed },
        logger,
        progress: resolveProgress(options, logger),
        signal: options.signal,
        to: `v${goal}`,
      });
  const report = reportUpgrade(options.database, work.state, result, performance.now() - started);
  logReport(report, logger);
  return report;
}
