import { withTransaction } from '../database/transaction.js';
import { messageOf, MigrationFailedError } from '../errors.js';
import type { CheckViolations } from './check-violations.js';
import { readDataVersion } from './data-version.js';
import { findCheckViolations } from './database-integrity.js';
import { FailedAttempt, FullSteps, type OutsideStep } from './full-steps.js';
import { attemptAt } from './history-row.js';
import { ensureHistory, recordAttempt } from './migration-history.js';
import { isUpToDate, refuseOutsideTransaction } from './migration-plan.js';
import type { OwnTrigger } from './own-triggers.js';
import { quickGroup } from './quick-group.js';
import { LeftQuickWay, QuickSteps } from './quick-steps.js';
import { readStanding, type Standing } from './standing.js';
import { UpgradeCourse, type Step } from './upgrade-course.js';
import type { UpgradeConnection } from './upgrade-connection.js';
import type { RunRequest, RunResult, UpgradeWork } from './upgrade-request.js';

/** What a look at the database found. */
interface Found {
  readonly work: UpgradeWork;
  readonly standing: Standing | undefined;
}

/** What became of the transaction that was opened for a look: the last steps, some of them, or none. */
type Outcome = 'finished' | 'stepped' | OutsideStep;

/** What the report tells of the finished database. */
type Conclusion = Pick<RunResult, 'after' | 'checkViolations' | 'ownTriggers'>;

/** The steps of one upgrade in their order, on one connection. */
export class UpgradeSteps {
  private readonly course: UpgradeCourse;
  private readonly full: FullSteps;
  private readonly quick: QuickSteps;
  private conclusion: Conclusion = { after: undefined, checkViolations: [], ownTriggers: [] };
  private isFinished = false;

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
    while (await this.nextStep());
    const { state, version, attempts, before, losses } = this.course;
    const { backup } = this.connection;
    return { state, version, attempts, before, backup, removedBackups: [], losses, ...this.conclusion };
  }

  /** Reads what the report tells. Once the last step is committed, another program may keep the database to itself. */
  private async conclude(): Promise<void> {
    const { before, after, stock } = this.course;
    this.conclusion = {
      after: before === undefined ? undefined : (after ?? (await stock.now())),
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
    if (this.isFinished) return false;
    this.connection.refuseToGoOn();
    try {
      const outcome = await this.inTransaction(() => (this.isOne ? this.everyStep() : this.look()));
      if (typeof outcome === 'object') course.tell(await this.outside(outcome));
      return true;
    } catch (error) {
      if (!(error instanceof LeftQuickWay)) throw error;
      await course.beginAgain(error.migration);
      return true;
    }
  }

  /** Whether the whole upgrade is one transaction. */
  private get isOne(): boolean {
    return this.request.settings.transaction === 'all';
  }

  /** Whether it is known that nothing is left to do. */
  private get isDone(): boolean {
    const { standing } = this.course;
    return standing !== undefined && isUpToDate(standing.work.plan);
  }

  /** Carries out all steps in the transaction that is open. */
  private async everyStep(): Promise<'finished'> {
    for (let outcome: Outcome = 'stepped'; outcome === 'stepped' && !this.isDone;) {
      outcome = await this.look();
      if (typeof outcome === 'object')
        throw new Error(`${outcome.migration.filename} was let through, and needs no transaction.`);
      this.connection.refuseToGoOn();
    }
    return 'finished';
  }

  /** Looks at the database inside the transaction that is open, and carries out what comes first. */
  private async look(): Promise<Outcome> {
    const { work, standing } = await this.connection.interruptible(() => this.lookAround());
    const step = standing === undefined ? undefined : await this.quick.carryOut(standing);
    if (step === undefined) return this.connection.interruptible(() => this.fullStep(work));
    await this.finishQuickly(step);
    return this.isDone ? 'finished' : 'stepped';
  }

  /** What is to be done, and how the database stands, where a quick step may be the first. */
  private async lookAround(): Promise<Found> {
    const { work, standing } = await this.work();
    if (isUpToDate(work.plan)) return { work, standing: undefined };
    if (this.isOne) refuseOutsideTransaction(work.plan);
    if (this.course.before === undefined) return { work, standing: await this.prepare(work) };
    return { work, standing: standing ?? (await this.standing(work)) };
  }

  private async finishQuickly({ migration, ms }: Step & { kind: 'applied' }): Promise<void> {
    if (!this.isDone) return;
    try {
      await this.course.finish(migration);
    } catch (error) {
      throw new FailedAttempt('applied', migration, performance.now() - ms, error);
    }
  }

  /** Carries out what comes first, guarded. */
  private async fullStep(work: UpgradeWork): Promise<Outcome> {
    const { course, full } = this;
    const [undone] = work.plan.undo;
    const [next] = work.plan.pending;
    if (work.plan.baseline.length > 0) course.note(await full.adopt(work));
    else {
      await full.refuseLosses(work);
      if (undone?.migration.down?.directives.noTransaction === true)
        return { kind: 'needs no transaction', migration: undone.migration, undone };
      if (undone === undefined && next === undefined) return 'finished';
      if (undone === undefined && next?.directives.noTransaction === true)
        return { kind: 'needs no transaction', migration: next };
      if (undone !== undefined) course.note(await full.rollBack(undone));
      else if (next !== undefined) course.note(await full.apply(next, work));
    }
    return this.stepped(work);
  }

  /** After the last step it is looked at once more what is to be done, in the same transaction. */
  private async stepped({ plan: { baseline, undo, pending } }: UpgradeWork): Promise<'finished' | 'stepped'> {
    if (this.isDone) return 'finished';
    const mayBeLast = pending.length === 0 && (baseline.length > 0 || undo.length === 1);
    return mayBeLast && isUpToDate((await this.work()).work.plan) ? 'finished' : 'stepped';
  }

  /** What is to be done: looked up, unless nobody else can have written since the step before. */
  private async work(): Promise<Found> {
    const { course } = this;
    const { standing } = course;
    course.standing = undefined;
    if (standing !== undefined && (await this.stillHolds(standing))) return { work: standing.work, standing };
    const work = await this.request.bridge.look(course.db);
    course.looked(work);
    if (work.state.kind === 'managed') course.version = work.state.applied.at(-1)?.version ?? 0;
    if (course.before === undefined) course.state = work.state;
    return { work, standing: undefined };
  }

  private async stillHolds({ dataVersion }: Standing): Promise<boolean> {
    // In a transaction that writes, nobody else does.
    return this.isOne || dataVersion === (await readDataVersion(this.course.db));
  }

  /**
   * Everything that has to be sure before the first write.
   *
   * @returns how the database stands, where its first step can be a quick one
   */
  private async prepare(work: UpgradeWork): Promise<Standing | undefined> {
    const { course } = this;
    if (work.state.kind !== 'absent' && work.state.kind !== 'empty')
      await this.connection.secure(work.from, work.bytes);
    await this.request.bridge.fillHistory(course.db, work.state);
    const standing = await this.standing(work);
    const rows =
      standing === undefined ? (await course.stock.now()).rows : await course.stock.begin(standing);
    course.before = { rows };
    return standing;
  }

  /** How the database stands, where its next step can be a quick one. */
  private async standing(work: UpgradeWork): Promise<Standing | undefined> {
    const { course } = this;
    if (work.plan.baseline.length > 0 || work.plan.undo.length > 0) return undefined;
    const { historyTable, settings } = this.request;
    const lists = course.before === undefined && settings.countRows;
    const standing = await readStanding(course.db, historyTable, work, course.hasHistory, lists);
    return standing !== undefined && quickGroup(standing, 1).migrations.length > 0 ? standing : undefined;
  }

  private outside(step: OutsideStep): Promise<Step> {
    return this.full
      .outside(step, async (work) => {
        await this.inTransaction(async () => this.stepped(await work()));
      })
      .catch(async (error: unknown) => {
        throw await this.named(error);
      });
  }

  private async inTransaction(work: () => Promise<Outcome>): Promise<Outcome> {
    const { connection, course } = this;
    try {
      const outcome = await connection.transaction(
        work,
        (found) => found !== 'finished' || course.hasNews,
        async (found) => {
          if (found === 'finished') await connection.interruptible(() => this.conclude());
        },
      );
      if (course.hasNews) course.commits.settle();
      // A transaction in which nothing is written takes no other along.
      else await course.commits.press();
      course.keep();
      this.isFinished = outcome === 'finished';
      return outcome;
    } catch (error) {
      this.course.forget();
      await this.pressAnyway();
      if (error instanceof LeftQuickWay) throw error;
      throw await this.named(error);
    }
  }

  /** After a failure, which is what the caller has to know, also where what made it keeps this from being done. */
  private async pressAnyway(): Promise<void> {
    try {
      await this.course.commits.press();
    } catch (error) {
      this.request.logger.warn({ err: messageOf(error) }, 'what was committed may not be on the disk yet');
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
