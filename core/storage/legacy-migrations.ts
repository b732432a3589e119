import type { DatabaseBridge } from '../database/database-bridge.js';
import { HistoryConflictError, MigrationFailedError, UpgradeBridgeError } from '../errors.js';
import type { DatabaseFile } from './database-file.js';
import {
  needsReplay,
  probeDatabase,
  recogniseDatabase,
  stateLabel,
  type DatabaseState,
  type ProbedState,
} from './database-state.js';
import type { CountedTable } from './database-inventory.js';
import type { ChangeTerms } from './change-terms.js';
import { readDataVersion } from './data-version.js';
import { adoptBaseline } from './legacy-baseline.js';
import { LegacyRefusedError, resolveLegacyMode, type LegacyMode } from './legacy-mode.js';
import {
  isUpToDate,
  planMigrations,
  refuseOutsideTransaction,
  type Goal,
  type MigrationPlan,
} from './migration-plan.js';
import { refuseUnmetRequirements, refuseWithoutDatabase } from './migration-requirements.js';
import { appliedTwice, refuseTampering } from './history-chain.js';
import type { EarlyConnection } from './early-connection.js';
import { fillHistory } from './history-filling.js';
import { findSigns } from './history-tampering.js';
import { isNameOfHistory } from './history-table.js';
import { keptMigrations } from './kept-migrations.js';
import { readManagedState } from './managed-state.js';
import type { Replay } from './migration-replay.js';
import { runMigrations } from './migration-runner.js';
import type { Migration } from './migration.js';
import type { PartialFiles } from './partial-files.js';
import { ownTriggers, type OwnTrigger } from './own-triggers.js';
import { compareSchemas } from './schema-comparison.js';
import { readSchema } from './schema-snapshot.js';
import { resolveProgress, resolveSettings, type UpgradeOptions } from './upgrade-options.js';
import { readPlainState, type PlainState } from './unmanaged-state.js';
import { sealDatabase, type ResolvedSource } from './upgrade-source.js';
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
  /** A database without any history, and what was decided of it: both hold until anything in its schema changes. */
  private surveyed: { readonly plain: PlainState; readonly work: UpgradeWork } | undefined;
  /** What the first look found on a connection of ours, for the next one on the same: it holds until another one commits. */
  private seen: { readonly db: DatabaseBridge; readonly work: UpgradeWork } | undefined;
  /** Whether one query may be enough to know the database: it has, or may have, a history that is as it should be. */
  private readable = true;

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
    const replay = needsReplay(probed) ? await this.source.replayed(probed.sqlite) : nothingReplayed;
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
      else await this.tellTampering(db, state);
      await refuseUnmetRequirements(db, plan.pending);
      return plan;
    } catch (error) {
      if (error instanceof HistoryConflictError && error.code === 'CHANGED_MIGRATION')
        throw await this.doubting(error, db, state);
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

  /** Not the file alone may be another one: where its row was changed, that is said as well. */
  private async doubting(
    error: HistoryConflictError,
    db: DatabaseBridge,
    state: DatabaseState,
  ): Promise<HistoryConflictError> {
    const [sign] = this.trusted ? [] : await findSigns(db, this.source.historyTable, state);
    if (sign === undefined) return error;
    return new HistoryConflictError('CHANGED_MIGRATION', error.message, error.version, {
      hint: `The history was changed by hand as well (${sign}), so that the row may be wrong and the file right. Compare the file with its release first. ${error.hint}`,
      cause: error.cause,
    });
  }

  /** Where nothing is to be done, nothing can go wrong by a history that was changed: it is only told. */
  private async tellTampering(db: DatabaseBridge, state: DatabaseState): Promise<void> {
    if (this.trusted || state.kind !== 'managed') return;
    const signs = await findSigns(db, this.source.historyTable, state);
    if (signs.length > 0) this.source.logger.warn({ signs }, 'the history was changed by hand');
  }

  /** Says what a database is and what would be done. */
  readonly survey = async (db: DatabaseBridge): Promise<UpgradeWork> => {
    const known = await this.lookAtOnce(db);
    if (known !== undefined) return known;
    const probed = await probeDatabase(db, this.source.historyTable);
    const state = await this.recognise(probed);
    const plan = await this.plan(db, state);
    if (state.kind === 'legacy') this.strict = true;
    return { state, plan, from: stateLabel(state) };
  };

  /** The same in one query, where that is enough. */
  readonly surveyAtOnce = async (db: DatabaseBridge): Promise<UpgradeWork | undefined> => {
    const work = await this.lookAtOnce(db);
    this.seen = work?.dataVersion === undefined ? undefined : { db, work };
    return work;
  };

  private async lookAtOnce(db: DatabaseBridge): Promise<UpgradeWork | undefined> {
    const { historyTable } = this.source;
    const managed = this.readable ? await readManagedState(db, historyTable) : undefined;
    // A history that was as it should be, and is no more, may have been changed since.
    if (this.readable && managed === undefined) this.trusted = false;
    this.readable = managed !== undefined;
    const plain =
      managed === undefined ? await readPlainState(db, historyTable, this.surveyed?.plain) : undefined;
    if (plain !== undefined && plain === this.surveyed?.plain) return this.surveyed.work;
    const probed = managed?.state ?? plain;
    if (probed === undefined) return undefined;
    // Nothing was changed in a history that is as it was written, nor in one that is not there.
    this.trusted = true;
    const state = await this.recognise(probed);
    const plan = await this.plan(db, state);
    if (state.kind === 'legacy') this.strict = true;
    const hasRoomForHistory =
      plain?.rows.every(({ name }) => !isNameOfHistory(String(name), historyTable)) === true;
    const work: UpgradeWork = {
      ...{ state, plan, from: stateLabel(state), hasWholeHistory: managed !== undefined, hasRoomForHistory },
      ...{ bytes: managed?.bytes, dataVersion: managed?.dataVersion },
    };
    this.surveyed = plain === undefined ? undefined : { plain, work };
    return work;
  }

  /** The same where it will be done, and so refuses what is not to be upgraded: it may have become legacy meanwhile. */
  readonly look = async (db: DatabaseBridge): Promise<UpgradeWork> => {
    const work = (await this.stillSeen(db)) ?? (await this.survey(db));
    if (work.state.kind === 'legacy' && this.legacyMode !== 'bridge')
      throw new LegacyRefusedError(reportIntent(db.location, work, 0));
    return work;
  };

  /** What the look before found, where nobody can have changed it since. */
  private async stillSeen(db: DatabaseBridge): Promise<UpgradeWork | undefined> {
    const { seen } = this;
    // What comes after is our own doing, which that number does not tell.
    this.seen = undefined;
    return seen?.db === db && seen.work.dataVersion === (await readDataVersion(db)) ? seen.work : undefined;
  }

  /** What is to be done where there is no database yet: then what SQLite can do is asked of one in memory. */
  async surveyNothing(): Promise<UpgradeWork> {
    const state: DatabaseState = { kind: 'absent' };
    this.readable = false;
    const plan = planMigrations(state, this.source.migrations, this.goal);
    await refuseWithoutDatabase(this.source.driver, plan.pending);
    return { state, plan, from: stateLabel(state) };
  }

  readonly fillHistory = async (db: DatabaseBridge, state: DatabaseState): Promise<void> => {
    const { historyTable, migrations } = this.source;
    if (state.kind !== 'managed') return;
    const lacksNothing = this.readable && state.applied.every(({ checksum }) => checksum !== '');
    if (!lacksNothing) await fillHistory(db, historyTable, state.applied, migrations);
  };

  readonly adopt = (db: DatabaseBridge, work: UpgradeWork): Promise<BaselineResult> => {
    this.readable = true;
    return adoptBaseline(db, this.source, work);
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
  readonly seal = async (db: DatabaseBridge, lists: boolean): Promise<readonly CountedTable[] | undefined> =>
    this.goal.kind === 'newest' ? await sealDatabase(db, this.source, lists) : undefined;
}

/** An upgrade whose work is decided. */
interface Change {
  readonly target: DatabaseFile | DatabaseBridge;
  /** What the first look found. */
  readonly work: UpgradeWork;
  readonly bridge: LegacyBridge;
  readonly source: ResolvedSource;
  readonly options: UpgradeOptions;
  readonly terms: ChangeTerms;
  readonly started: number;
  readonly partials?: PartialFiles | undefined;
  /** The connection of the first look, which may become that of the change. */
  readonly early?: EarlyConnection | undefined;
}

/**
 * Hands what is to be done over to the runner, where there is anything, and says what was done.
 *
 * @throws LegacyRefusedError when the database is a legacy one and may not be upgraded
 */
export async function carryOut({
  target,
  work,
  bridge,
  source,
  options,
  terms,
  started,
  partials,
  early,
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
        watched: options.onProgress !== undefined || options.logger !== undefined,
        settings: { ...resolveSettings(options), lossAllowed: terms.lossAllowed },
        logger,
        progress: resolveProgress(options, logger),
        signal: options.signal,
        to: `v${goal}`,
        partials,
        early,
      });
  const report = reportUpgrade(options.database, work.state, result, performance.now() - started);
  logReport(report, logger);
  return report;
}
