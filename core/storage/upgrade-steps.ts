import { withSnapshot, withTransaction } from '../database/transaction.js';
import { messageOf, MigrationFailedError } from '../errors.js';
import type { CheckViolations } from './check-violations.js';
import { readDataVersion } from './data-version.js';
import { findCheckViolations } from './database-integrity.js';
import { FailedAttempt, FullSteps, type OutsideStep } from './full-steps.js';
import { attemptAt } from './history-row.js';
import { ensureHistory, recordAttempt } from './migration-history.js';
import { isUpToDate, refuseOutsideTransaction } from './migration-plan.js';
import type { OwnTrigger } from './own-triggers.js';
import { LeftQuickWay, QuickSteps } from './quick-steps.js';
import { quickMigration, readStanding, type Standing } from './standing.js';
import { UpgradeCourse, type Step } from './upgrade-course.js';
import type { UpgradeConnection } from './upgrade-connection.js';
import type { RunRequest, RunResult, UpgradeWork } from './upgrade-request.js';

/** What a look at the database found. */
interface Found {
  readonly work: UpgradeWork;
  readonly standing: Standing | undefined;
}

/** The steps of one upgrade in their order, each in a transaction of its own, on one connection. */
export class UpgradeSteps {
  private readonly course: UpgradeCourse;
  private readonly full: FullSteps;
  private readonly quick: QuickSteps;

  constructor(
    private readonly request: RunRequest,
    private readonly connection: UpgradeConnection,
  ) {
    this.course = new UpgradeCourse(request, connection);
    this.full = new FullSteps(this.course);
    this.quick = new QuickSteps(this.course);
  }

  /** Carries out every step that there is. */
  async carryOut(): Promise<RunResult> {
    if (this.request.settings.transaction === 'all') await this.allSteps();
    else while (await this.nextStep());
    const { db, state, version, attempts, before, after, stock, losses } = this.course;
    return {
      state,
      version,
      attempts,
      before,
      after: before === undefined ? undefined : (after ?? (await withSnapshot(db, () => stock.now()))),
      backup: this.connection.backup,
      removedBackups: [],
      losses,
      checkViolations: await this.checkViolations(),
      ownTriggers: await this.ownTriggers(),
    };
  }

  private async checkViolations(): Promise<CheckViolations[]> {
    const { addsCheck, attempts, db, state } = this.course;
    // What came into an empty database came past its checks.
    const wasEmpty = state?.kind === 'absent' || state?.kind === 'empty';
    if (attempts.length === 0 || !this.request.settings.countRows || wasEmpty) return [];
    // What files write past a CHECK, SQLite refuses; and where a file is there already, only the history is written.
    const isOfFiles = attempts.every(
      ({ origin, status }) => (origin === 'migration' || origin === 'legacy') && status === 'applied',
    );
    return isOfFiles && this.connection.checksHeld && !addsCheck ? [] : await findCheckViolations(db);
  }

  private async ownTriggers(): Promise<readonly OwnTrigger[]> {
    const { attempts, db, standing } = this.course;
    const applied = attempts.filter(({ origin, status }) => origin === 'migration' && status === 'applied');
    const versions = applied.map(({ version }) => version);
    const canBe = versions.length > 0 && standing?.plain !== true;
    return canBe ? await this.request.bridge.ownTriggers(db, versions) : [];
  }

  /** Carries out the next steps, the last of them in the transaction that is committed here. False when there was none. */
  private async nextStep(): Promise<boolean> {
    const { course } = this;
    this.connection.refuseToGoOn();
    if (course.standing !== undefined && isUpToDate(course.standing.work.plan)) return false;
    try {
      const step = await this.inTransaction(() => this.look());
      if (step.kind === 'needs no transaction') course.tell(await this.outside(step));
      else course.tell(step);
      return step.kind !== 'finished';
    } catch (error) {
      if (!(error instanceof LeftQuickWay)) throw error;
      await course.beginAgain(error.migration);
      return true;
    }
  }

  /** Carries out all steps in one transaction. */
  private async allSteps(): Promise<void> {
    this.connection.refuseToGoOn();
    const all = async (): Promise<Step[]> => {
      const done: Step[] = [];
      for (let step = await this.lookFully(); step.kind !== 'finished'; step = await this.lookFully()) {
        done.push(step);
        this.connection.refuseToGoOn();
      }
      return done;
    };
    const steps = await this.inTransaction(() => this.connection.interruptible(all));
    for (const step of steps) this.course.tell(step);
  }

  private async lookFully(): Promise<Step> {
    const { work } = await this.work();
    refuseOutsideTransaction(work.plan);
    if (this.course.before === undefined && !isUpToDate(work.plan)) await this.prepare(work, false);
    const step = await this.fullStep(work);
    if (step.kind !== 'needs no transaction') return step;
    throw new Error(`${step.migration.filename} was let through, and needs no transaction.`);
  }

  /** Looks at the database inside the transaction that is open, and carries out what comes first. */
  private async look(): Promise<Step | OutsideStep> {
    const { work, standing } = await this.connection.interruptible(() => this.lookAround());
    const step = standing === undefined ? undefined : await this.quick.carryOut(standing);
    if (step === undefined) return this.connection.interruptible(() => this.fullStep(work));
    await this.finishQuickly(step);
    return step;
  }

  /** What is to be done, and how the database stands, where a quick step may be the first. */
  private async lookAround(): Promise<Found> {
    const { work, standing } = await this.work();
    if (isUpToDate(work.plan)) return { work, standing: undefined };
    if (this.course.before === undefined) return { work, standing: await this.prepare(work, true) };
    return { work, standing: standing ?? (await this.standing(work)) };
  }

  private async finishQuickly({ migration, ms }: Step & { kind: 'applied' }): Promise<void> {
    const { course } = this;
    if (course.standing === undefined || !isUpToDate(course.standing.work.plan)) return;
    try {
      await course.finish(migration);
    } catch (error) {
      throw new FailedAttempt('applied', migration, performance.now() - ms, error);
    }
  }

  /** Carries out what comes first, guarded. */
  private async fullStep(work: UpgradeWork): Promise<Step | OutsideStep> {
    const [undone] = work.plan.undo;
    const [next] = work.plan.pending;
    if (work.plan.baseline.length > 0) return this.full.adopt(work);
    await this.full.refuseLosses(work);
    if (undone?.migration.down?.directives.noTransaction === true)
      return { kind: 'needs no transaction', migration: undone.migration, undone };
    if (undone !== undefined) return this.full.rollBack(undone);
    if (next === undefined) return { kind: 'finished' };
    if (next.directives.noTransaction) return { kind: 'needs no transaction', migration: next };
    return this.full.apply(next, work);
  }

  /** What is to be done: looked up, unless nobody else can have written since the step before. */
  private async work(): Promise<Found> {
    const { course } = this;
    const { standing, db } = course;
    course.standing = undefined;
    const dataVersion = standing === undefined ? undefined : await readDataVersion(db);
    if (standing !== undefined && standing.dataVersion === dataVersion)
      return { work: standing.work, standing };
    course.hasHistory = false;
    const work = await this.request.bridge.look(db);
    if (work.state.kind === 'managed') course.version = work.state.applied.at(-1)?.version ?? 0;
    if (course.before === undefined) course.state = work.state;
    return { work, standing: undefined };
  }

  /**
   * Everything that has to be sure before the first write.
   *
   * @returns how the database stands, where its first step can be a quick one
   */
  private async prepare(work: UpgradeWork, mayBeQuick: boolean): Promise<Standing | undefined> {
    const { course } = this;
    if (work.state.kind !== 'absent' && work.state.kind !== 'empty')
      await this.connection.secure(work.from, work.bytes);
    await this.request.bridge.fillHistory(course.db, work.state);
    const standing = mayBeQuick ? await this.standing(work) : undefined;
    const rows =
      standing === undefined ? (await course.stock.now()).rows : await course.stock.begin(standing);
    course.before = { rows };
    return standing;
  }

  /** How the database stands, where its next step can be a quick one. */
  private async standing(work: UpgradeWork): Promise<Standing | undefined> {
    const { course } = this;
    if (work.plan.baseline.length > 0 || work.plan.undo.length > 0) return undefined;
    const standing = await readStanding(course.db, this.request.historyTable, work, course.hasHistory);
    return standing !== undefined && quickMigration(standing) !== undefined ? standing : undefined;
  }

  private outside(step: OutsideStep): Promise<Step> {
    return this.full
      .outside(step, (work) => this.inTransaction(work))
      .catch(async (error: unknown) => {
        throw await this.named(error);
      });
  }

  private async inTransaction<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      const result = await this.connection.transaction(work);
      this.course.keep();
      this.quick.settle();
      return result;
    } catch (error) {
      this.course.forget();
      await this.quick.press();
      if (error instanceof LeftQuickWay) throw error;
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
    const { progress, logger, historyTable } = this.request;
    const { db, attempts } = this.course;
    // To be told what undoing would lose is no failure.
    if (kind === 'rolled back' && isLoss(cause)) {
      if (attempts.length === 0) await this.connection.withdrawBackup();
      return cause;
    }
    const error = messageOf(cause);
    progress({ kind: 'failed', version: migration.version, filename: migration.filename, error });
    logger.error({ version: migration.version, file: migration.filename, err: error }, 'migration failed');
    const executionTimeMs = performance.now() - started;
    const outcome = { status: 'failed', origin: 'migration', executionTimeMs, details: { error } } as const;
    try {
      await withTransaction(db, async () => {
        await ensureHistory(db, historyTable);
        await recordAttempt(db, historyTable, attemptAt(migration, outcome));
      });
    } catch (unrecorded) {
      logger.warn({ err: messageOf(unrecorded) }, 'the failed attempt could not be recorded');
    }
    return cause;
  }
}

function isLoss(error: unknown): boolean {
  return (
    error instanceof MigrationFailedError && (error.code === 'ROWS_LOST' || error.code === 'OBJECTS_LOST')
  );
}
