import type { DatabaseBridge } from '../database/database-bridge.js';
import { withSnapshot, withTransaction } from '../database/transaction.js';
import { messageOf, MigrationFailedError } from '../errors.js';
import { readDataVersion } from './data-version.js';
import { findCheckViolations } from './database-integrity.js';
import type { Inventory } from './database-inventory.js';
import { LARGEST_USER_VERSION, type DatabaseState } from './database-state.js';
import {
  guardAgainstLeftovers,
  guardAgainstLoss,
  markTransaction,
  newViolations,
  type GuardedStep,
} from './migration-guards.js';
import { appliedMigrations, attemptAt, type Attempt } from './history-row.js';
import { ensureHistory, readHistory, recordAttempt, recordAttempts } from './migration-history.js';
import { isUpToDate, refuseOutsideTransaction, type RollBack } from './migration-plan.js';
import { runAlone, runDown, runUp } from './migration-replay.js';
import { effectOf, isHarmless, mayAddCheck } from './migration-effect.js';
import type { Migration } from './migration.js';
import { blameTriggers, isOfTriggers, type OwnTrigger } from './own-triggers.js';
import { applyQuickly, quickMigration, readStanding, withoutMigration, type Standing } from './quick-step.js';
import { refuseLosses, rollBackStep, tryToUndo } from './rollback-trial.js';
import { StockTaking } from './stock-taking.js';
import type { CheckViolations } from './check-violations.js';
import type { UpgradeConnection } from './upgrade-connection.js';
import type { RunRequest, RunResult, UpgradeWork } from './upgrade-request.js';

/** What one step turned out to be, once its transaction is committed. */
type Step =
  | { readonly kind: 'finished' }
  | { readonly kind: 'adopted'; readonly files: readonly string[]; readonly ms: number }
  | { readonly kind: 'applied'; readonly migration: Migration; readonly ms: number }
  | { readonly kind: 'rolled back'; readonly migration: Migration; readonly ms: number }
  | { readonly kind: 'needs no transaction'; readonly migration: Migration; readonly undone?: RollBack };

/** The steps of one upgrade, each in a transaction of its own, on one connection. */
export class UpgradeSteps {
  private readonly attempts: Attempt[] = [];
  private state: DatabaseState | undefined;
  private version: number | undefined;
  private before: Inventory | undefined;
  private readonly stock: StockTaking;
  private readonly losses: string[] = [];
  /** What is known between two transactions; undefined where the next one has to look. */
  private standing: Standing | undefined;
  /** The migration of which it was told that it begins, when its quick way did not lead to the end. */
  private begun: Migration | undefined;
  /** Whether the history is known to be there, in today's shape. */
  private hasHistory = false;
  /** Whether a file may have added a CHECK to rows that were there. */
  private addsCheck = false;
  /** Whether it is known that what is to be undone loses nothing undeclared. */
  private lossesRefused = false;

  private readonly db: DatabaseBridge;

  constructor(
    private readonly request: RunRequest,
    private readonly connection: UpgradeConnection,
  ) {
    this.db = connection.db;
    this.stock = new StockTaking(this.db, request.historyTable, request.settings);
  }

  /** Carries out every step that there is. */
  async carryOut(): Promise<RunResult> {
    if (this.request.settings.transaction === 'all') await this.allSteps();
    else while (await this.nextStep());
    return {
      state: this.state,
      version: this.version,
      attempts: this.attempts,
      before: this.before,
      after: this.before === undefined ? undefined : await withSnapshot(this.db, () => this.stock.now()),
      backup: this.connection.backup,
      removedBackups: [],
      losses: this.losses,
      checkViolations: await this.checkViolations(),
      ownTriggers: await this.ownTriggers(),
    };
  }

  private async checkViolations(): Promise<CheckViolations[]> {
    // What came into an empty database came past its checks.
    const wasEmpty = this.state?.kind === 'absent' || this.state?.kind === 'empty';
    if (this.attempts.length === 0 || !this.request.settings.countRows || wasEmpty) return [];
    // What files write past a CHECK, SQLite refuses.
    const isOfFiles = this.attempts.every(
      ({ origin, status }) => origin === 'migration' && status === 'applied',
    );
    if (isOfFiles && this.connection.checksHeld && !this.addsCheck) return [];
    return await findCheckViolations(this.db);
  }

  private async ownTriggers(): Promise<readonly OwnTrigger[]> {
    const applied = this.attempts.filter(
      ({ origin, status }) => origin === 'migration' && status === 'applied',
    );
    const versions = applied.map(({ version }) => version);
    return versions.length > 0 ? await this.request.bridge.ownTriggers(this.db, versions) : [];
  }

  /** Carries out the next step in a transaction of its own. False when there was none. */
  private async nextStep(): Promise<boolean> {
    this.connection.refuseToGoOn();
    if (this.standing !== undefined && isUpToDate(this.standing.work.plan)) return false;
    if (await this.quickStep()) return true;
    const step = await this.inTransaction(() => this.connection.interruptible(() => this.look()));
    this.tell(step.kind === 'needs no transaction' ? await this.outside(step) : step);
    return step.kind !== 'finished';
  }

  /** Carries out the next step in two calls of the driver, where it is one for which that is enough. */
  private async quickStep(): Promise<boolean> {
    const migration = this.standing === undefined ? undefined : quickMigration(this.standing);
    if (this.standing === undefined || migration === undefined) return false;
    const started = performance.now();
    this.tellBegin('applied', migration);
    const done = await applyQuickly(this.connection, this.request.historyTable, migration, this.standing);
    this.standing = done?.standing;
    if (done === undefined) {
      this.connection.refuseToGoOn();
      this.begun = migration;
      return false;
    }
    this.attempts.push(done.attempt);
    this.addsCheck ||= mayAddCheck(migration);
    this.stock.passOver(effectOf(migration));
    this.version = Math.max(this.version ?? 0, migration.version);
    this.tell({ kind: 'applied', migration, ms: performance.now() - started });
    return true;
  }

  /** Carries out all steps in one transaction. */
  private async allSteps(): Promise<void> {
    this.connection.refuseToGoOn();
    const all = async (): Promise<Step[]> => {
      const done: Step[] = [];
      for (let step = await this.look(); step.kind !== 'finished'; step = await this.look()) {
        done.push(step);
        this.connection.refuseToGoOn();
      }
      return done;
    };
    const steps = await this.inTransaction(() => this.connection.interruptible(all));
    for (const step of steps) this.tell(step);
  }

  /** Looks at the database inside the transaction that is open, and carries out what comes first. */
  private async look(): Promise<Step> {
    const work = await this.work();
    if (this.before === undefined) this.state = work.state;
    if (this.request.settings.transaction === 'all') refuseOutsideTransaction(work.plan);
    if (this.before === undefined && !isUpToDate(work.plan)) await this.prepare(work);
    const [undone] = work.plan.undo;
    const [next] = work.plan.pending;
    if (work.plan.baseline.length > 0) return this.adopt(work);
    await this.refuseLosses(work);
    if (undone?.migration.down?.directives.noTransaction === true)
      return { kind: 'needs no transaction', migration: undone.migration, undone };
    if (undone !== undefined) return this.rollBack(undone);
    if (next === undefined) return { kind: 'finished' };
    if (next.directives.noTransaction) return { kind: 'needs no transaction', migration: next };
    return this.apply(next, work);
  }

  /** What is to be done: looked up, unless nobody else can have written since the step before. */
  private async work(): Promise<UpgradeWork> {
    const { standing } = this;
    this.standing = undefined;
    const dataVersion = standing === undefined ? undefined : await readDataVersion(this.db);
    if (standing !== undefined && standing.dataVersion === dataVersion) return standing.work;
    this.hasHistory = false;
    const work = await this.request.bridge.look(this.db);
    if (work.state.kind === 'managed') this.version = work.state.applied.at(-1)?.version ?? 0;
    return work;
  }

  private tell(step: Step): void {
    const { progress, logger } = this.request;
    if (step.kind === 'adopted') {
      progress(step);
      logger.info({ files: step.files.length, ms: Math.round(step.ms) }, 'legacy database adopted');
    } else if (step.kind === 'applied') {
      const { version, filename } = step.migration;
      progress({ kind: 'applied', version, filename, ms: step.ms });
      logger.info({ version, file: filename, ms: Math.round(step.ms) }, 'migration applied');
    } else if (step.kind === 'rolled back') {
      const { version, filename } = step.migration;
      progress({ kind: 'rolled-back', version, filename, ms: step.ms });
      logger.info({ version, file: filename, ms: Math.round(step.ms) }, 'migration rolled back');
    }
  }

  /** Everything that has to be sure before the first write. */
  private async prepare(work: UpgradeWork): Promise<void> {
    if (work.state.kind !== 'absent' && work.state.kind !== 'empty') await this.connection.secure(work.from);
    await this.request.bridge.fillHistory(this.db, work.state);
    this.before = await this.stock.now();
  }

  private async adopt(work: UpgradeWork): Promise<Step> {
    const { bridge } = this.request;
    const started = performance.now();
    const before = await this.stock.now();
    const finish = await markTransaction(this.db);
    const { attempts } = await bridge.adopt(this.db, work);
    await finish(adoption);
    // Where nothing has to be completed, nothing but the history is written.
    const completes = attempts.some(({ origin }) => origin !== 'legacy');
    const after = completes ? await this.guard(adoption, before) : before;
    const violations = after.violations.length > 0 ? { violations: after.violations } : {};
    await this.record(
      ...attempts.map((attempt, index) => ({
        ...attempt,
        details: { ...attempt.details, ...(index === attempts.length - 1 ? violations : {}) },
      })),
    );
    if (work.plan.pending.length === 0) await this.finish(undefined);
    await this.stock.remember(after, attempts.length);
    const files = attempts.map(({ filename }) => filename);
    return { kind: 'adopted', files, ms: performance.now() - started };
  }

  private apply(migration: Migration, work: UpgradeWork): Promise<Step> {
    return this.attempting('applied', migration, async (started) => {
      const counted = (await isHarmless(this.db, migration)) ? undefined : await this.stock.now();
      const finish = await markTransaction(this.db);
      await runUp(this.db, this.request.historyTable, migration);
      await finish(stepOf(migration));
      const guarded =
        counted === undefined
          ? undefined
          : { before: counted, after: await this.guard(stepOf(migration), counted) };
      await this.recordApplied(migration, { guarded, started, work });
    });
  }

  /** Runs the way back of a migration; the row that it was applied stays, and one that it was undone is added. */
  private rollBack(undone: RollBack): Promise<Step> {
    const { migration } = undone;
    const guarded = rollBackStep(undone, this.request.settings.lossAllowed);
    return this.attempting('rolled back', migration, async (started) => {
      const before = await this.stock.now();
      const finish = await markTransaction(this.db);
      await runDown(this.db, this.request.historyTable, migration);
      await finish(guarded);
      const after = await this.guard(guarded, before);
      await this.recordRolledBack(undone, started);
      await this.stock.remember(after, 1);
    });
  }

  /** For the few statements that SQLite refuses inside a transaction: the history follows in one of its own. */
  private outside({ migration, undone }: Step & { kind: 'needs no transaction' }): Promise<Step> {
    const kind = undone === undefined ? 'applied' : 'rolled back';
    return this.attempting(kind, migration, async (started) => {
      const before = await this.stock.now();
      const script = undone === undefined ? migration : (migration.down ?? migration);
      await this.connection.interruptible(() => runAlone(this.db, script));
      const guarded =
        undone === undefined ? stepOf(migration) : rollBackStep(undone, this.request.settings.lossAllowed);
      const after = await this.guard(guarded, before);
      await this.inTransaction(async () => {
        const work = await this.request.bridge.look(this.db);
        this.hasHistory = false;
        // Another process may have done the same meanwhile: then its row stands.
        if (undone === undefined && work.plan.pending.some(({ version }) => version === migration.version))
          await this.recordApplied(migration, { guarded: { before, after }, started, work });
        if (undone !== undefined && work.plan.undo.some(({ applied }) => applied.id === undone.applied.id)) {
          await this.recordRolledBack(undone, started);
          await this.stock.remember(after, 1);
        }
      });
    }).catch(async (error: unknown) => {
      throw await this.named(error);
    });
  }

  /**
   * The guard of one step tells all of its losses. Before several steps all of them are tried, so that their losses are
   * told together, and nothing is kept where one of them fails.
   */
  private async refuseLosses({ plan: { undo } }: UpgradeWork): Promise<void> {
    const { historyTable, settings } = this.request;
    const { lossAllowed, countRows } = settings;
    const [first] = undo;
    if (first === undefined || lossAllowed === true || this.lossesRefused) return;
    this.lossesRefused = true;
    if (undo.length === 1) return;
    const started = performance.now();
    const trial = await tryToUndo(this.db, historyTable, undo, { countRows });
    if (trial.failed !== undefined)
      throw new FailedAttempt('rolled back', trial.failed.migration, started, trial.failed.error);
    try {
      refuseLosses(undo, trial, lossAllowed);
    } catch (error) {
      throw new FailedAttempt('rolled back', first.migration, started, error);
    }
  }

  private async attempting(
    kind: 'applied' | 'rolled back',
    migration: Migration,
    work: (started: number) => Promise<void>,
  ): Promise<Step> {
    const started = performance.now();
    if (this.begun !== migration) this.tellBegin(kind, migration);
    this.begun = undefined;
    try {
      await work(started);
    } catch (error) {
      if (error instanceof FailedAttempt) throw error;
      const isBlamed = kind === 'applied' && isOfTriggers(error);
      const cause = isBlamed
        ? blameTriggers(error, await this.request.bridge.ownTriggers(this.db, [migration.version]))
        : error;
      throw new FailedAttempt(kind, migration, started, cause);
    }
    return { kind, migration, ms: performance.now() - started };
  }

  private tellBegin(kind: 'applied' | 'rolled back', { version, filename }: Migration): void {
    this.request.progress({ kind: kind === 'applied' ? 'applying' : 'rolling-back', version, filename });
  }

  /** @param done.guarded what was counted before and after, where the migration could do harm */
  private async recordApplied(
    migration: Migration,
    done: {
      guarded: { before: Inventory; after: Inventory } | undefined;
      started: number;
      work: UpgradeWork;
    },
  ): Promise<void> {
    const { guarded, started, work } = done;
    const { before, after } = guarded ?? {};
    const isTolerated = newViolations(before?.violations ?? [], after?.violations ?? []).length > 0;
    await this.record(
      attemptAt(migration, {
        status: 'applied',
        origin: 'migration',
        executionTimeMs: performance.now() - started,
        details: isTolerated ? { violations: after?.violations ?? [] } : {},
      }),
    );
    if (work.plan.pending.length === 1) await this.finish(migration);
    this.addsCheck ||= mayAddCheck(migration);
    if (after === undefined) this.stock.passOver(effectOf(migration));
    else await this.stock.remember(after, 1);
    this.version = Math.max(this.version ?? 0, migration.version);
    this.standing = await readStanding(this.db, this.request.historyTable, withoutMigration(work, migration));
  }

  /** Proves the finished database, and says in its history that it is. */
  private async finish(last: Migration | undefined): Promise<void> {
    await this.request.bridge.verify(this.db, last);
    await this.request.bridge.seal(this.db);
  }

  private async recordRolledBack({ applied, migration }: RollBack, started: number): Promise<void> {
    const executionTimeMs = performance.now() - started;
    const outcome = { status: 'rolled_back', origin: applied.origin, executionTimeMs, details: {} } as const;
    await this.record({ ...attemptAt(migration, outcome), checksum: applied.checksum });
    await this.setUserVersion(await this.newestStamp());
  }

  /** Compares what a step left with what it found; what it left is also what the next step finds. */
  private async guard(step: GuardedStep, before: Inventory): Promise<Inventory> {
    await guardAgainstLeftovers(this.db, step);
    const after = await this.stock.after();
    this.losses.push(...guardAgainstLoss(step, before, after));
    return after;
  }

  private async record(...attempts: readonly Attempt[]): Promise<void> {
    if (!this.hasHistory) await ensureHistory(this.db, this.request.historyTable);
    this.hasHistory = true;
    const userVersion = await recordAttempts(this.db, this.request.historyTable, attempts);
    this.attempts.push(...attempts);
    const applied = attempts.filter(({ status }) => status === 'applied');
    if (applied.length === 0) return;
    const version = Math.max(...applied.map((attempt) => attempt.version));
    // What an old release claimed can be ahead of what is applied, and must not stay so.
    const isNewest = version > userVersion && version <= LARGEST_USER_VERSION;
    const stamp = isNewest ? version : await this.newestStamp();
    if (stamp !== userVersion) await this.setUserVersion(stamp);
  }

  /** user_version tells the newest version while it fits, and otherwise how many migrations stand applied. */
  private async newestStamp(): Promise<number> {
    const applied = appliedMigrations(await readHistory(this.db, this.request.historyTable));
    const newest = applied.at(-1)?.version ?? 0;
    return newest <= LARGEST_USER_VERSION ? newest : applied.length;
  }

  private async setUserVersion(stamp: number): Promise<void> {
    await this.db.executeScript(`PRAGMA user_version = ${stamp}`);
  }

  private async inTransaction<Result>(work: () => Promise<Result>): Promise<Result> {
    const taken = this.attempts.length;
    try {
      return await this.connection.transaction(work);
    } catch (error) {
      this.attempts.length = taken;
      this.stock.forget();
      this.standing = undefined;
      this.hasHistory = false;
      throw await this.named(error);
    }
  }

  /** Gives a failure its name, and writes it down where it is a migration's. */
  private async named(error: unknown): Promise<unknown> {
    const isStopped = this.request.signal?.aborted === true;
    const failure = error instanceof FailedAttempt && !isStopped ? await this.recordFailure(error) : error;
    return this.connection.nameFailure(failure);
  }

  /** Writes the failed attempt down in a transaction of its own; where that cannot be done either, the log has it. */
  private async recordFailure({ kind, migration, started, cause }: FailedAttempt): Promise<unknown> {
    const { progress, logger } = this.request;
    // To be told what undoing would lose is no failure.
    if (kind === 'rolled back' && isLoss(cause)) {
      if (this.attempts.length === 0) await this.connection.withdrawBackup();
      return cause;
    }
    const error = messageOf(cause);
    progress({ kind: 'failed', version: migration.version, filename: migration.filename, error });
    logger.error({ version: migration.version, file: migration.filename, err: error }, 'migration failed');
    const executionTimeMs = performance.now() - started;
    const outcome = { status: 'failed', origin: 'migration', executionTimeMs, details: { error } } as const;
    try {
      await withTransaction(this.db, async () => {
        await ensureHistory(this.db, this.request.historyTable);
        await recordAttempt(this.db, this.request.historyTable, attemptAt(migration, outcome));
      });
    } catch (unrecorded) {
      logger.warn({ err: messageOf(unrecorded) }, 'the failed attempt could not be recorded');
    }
    return cause;
  }
}

/** A migration that failed inside its transaction, on its way to be recorded after the roll-back. */
class FailedAttempt extends Error {
  constructor(
    readonly kind: 'applied' | 'rolled back',
    readonly migration: Migration,
    readonly started: number,
    override readonly cause: unknown,
  ) {
    super(messageOf(cause), { cause });
  }
}

function isLoss(error: unknown): boolean {
  return (
    error instanceof MigrationFailedError && (error.code === 'ROWS_LOST' || error.code === 'OBJECTS_LOST')
  );
}

const adoption: GuardedStep = {
  subject: 'Adopting the legacy database',
  place: { filename: '(adoption)', statement: undefined, line: undefined },
};

function stepOf({ filename, directives, code }: Migration): GuardedStep {
  return {
    subject: `Migration ${filename}`,
    place: { filename, statement: undefined, line: undefined },
    directives,
    isCode: code !== undefined,
  };
}
