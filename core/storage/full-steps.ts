import type { DatabaseBridge } from '../database/database-bridge.js';
import { messageOf } from '../errors.js';
import type { Inventory } from './database-inventory.js';
import { userVersionFor } from './database-state.js';
import { appliedMigrations, attemptAt, type Attempt } from './history-row.js';
import { effectOf, isHarmless } from './migration-effect.js';
import {
  guardAgainstLeftovers,
  guardAgainstLoss,
  markTransaction,
  newViolations,
  type GuardedStep,
} from './migration-guards.js';
import type { RollBack } from './migration-plan.js';
import { runAlone, runDown, runUp } from './migration-replay.js';
import type { Migration } from './migration.js';
import { blameTriggers, isOfTriggers } from './own-triggers.js';
import { refuseLosses, rollBackStep, tryToUndo } from './rollback-trial.js';
import { readStanding, withoutMigration, type Standing } from './standing.js';
import type { Step, UpgradeCourse } from './upgrade-course.js';
import type { UpgradeWork } from './upgrade-request.js';

/** A migration that failed inside its transaction, on its way to be recorded after the roll-back. */
export class FailedAttempt extends Error {
  constructor(
    readonly kind: 'applied' | 'rolled back',
    readonly migration: Migration,
    readonly started: number,
    override readonly cause: unknown,
  ) {
    super(messageOf(cause), { cause });
  }
}

/** A step that SQLite refuses inside a transaction. */
export interface OutsideStep {
  readonly kind: 'needs no transaction';
  readonly migration: Migration;
  readonly undone?: RollBack;
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

/** Steps that are carried out statement by statement, with what the database holds counted before and after. */
export class FullSteps {
  private readonly db: DatabaseBridge;
  /** Whether it is known that what is to be undone loses nothing undeclared. */
  private lossesRefused = false;

  constructor(private readonly course: UpgradeCourse) {
    this.db = course.db;
  }

  /** Records what a legacy database holds, and completes what is there in part. */
  async adopt(work: UpgradeWork): Promise<Step> {
    const { bridge } = this.course.request;
    const { stock } = this.course;
    const started = performance.now();
    const before = await stock.now();
    // Where nothing has to be completed, nothing but the history is written.
    const completes = work.plan.baseline.some(({ state }) => state === 'partial');
    const finish = completes ? await markTransaction(this.db) : undefined;
    if (completes) this.course.willRunFiles();
    const { attempts } = await bridge.adopt(this.db, work);
    await finish?.(adoption);
    const after = completes ? await this.guard(adoption, before) : before;
    const violations = after.violations.length > 0 ? { violations: after.violations } : {};
    await this.course.record(
      ...attempts.map((attempt, index) => ({
        ...attempt,
        details: { ...attempt.details, ...(index === attempts.length - 1 ? violations : {}) },
      })),
    );
    await stock.remember(after, attempts.length);
    this.course.standing = await this.standingAfter(work, attempts);
    if (work.plan.pending.length === 0) await this.course.finish(undefined, after);
    const files = attempts.map(({ filename }) => filename);
    return { kind: 'adopted', files, ms: performance.now() - started };
  }

  /** How the database stands once its baseline is recorded, as the next look would find it. */
  private async standingAfter(
    work: UpgradeWork,
    attempts: readonly Attempt[],
  ): Promise<Standing | undefined> {
    const { course, db } = this;
    const history = attempts.map((attempt, index) => ({ ...attempt, id: index + 1 }));
    const applied = appliedMigrations(history);
    course.version = applied.at(-1)?.version;
    const state = { kind: 'managed', userVersion: userVersionFor(applied), history, applied } as const;
    const rest = { ...work, state, plan: { ...work.plan, baseline: [] }, hasRoomForHistory: false };
    return readStanding(db, course.request.historyTable, rest, true);
  }

  apply(migration: Migration, work: UpgradeWork): Promise<Step> {
    const { request, stock } = this.course;
    return this.attempting('applied', migration, async (started) => {
      const counted = (await isHarmless(this.db, migration)) ? undefined : await stock.now();
      const finish = await markTransaction(this.db);
      this.course.willRunFiles();
      await runUp(this.db, request.historyTable, migration);
      await finish(stepOf(migration));
      const guarded =
        counted === undefined
          ? undefined
          : { before: counted, after: await this.guard(stepOf(migration), counted) };
      await this.recordApplied(migration, { guarded, started, work });
    });
  }

  /** Runs the way back of a migration; the row that it was applied stays, and one that it was undone is added. */
  rollBack(undone: RollBack): Promise<Step> {
    const { request, stock } = this.course;
    const { migration } = undone;
    const guarded = rollBackStep(undone, request.settings.lossAllowed);
    return this.attempting('rolled back', migration, async (started) => {
      const before = await stock.now();
      const finish = await markTransaction(this.db);
      await runDown(this.db, request.historyTable, migration);
      await finish(guarded);
      const after = await this.guard(guarded, before);
      await this.recordRolledBack(undone, started);
      await stock.remember(after, 1);
    });
  }

  /**
   * For the few statements that SQLite refuses inside a transaction: the history follows in one of its own.
   *
   * @param inTransaction carries work out in a transaction of its own, and is told what was to be done
   */
  outside(
    { migration, undone }: OutsideStep,
    inTransaction: (work: () => Promise<UpgradeWork>) => Promise<void>,
  ): Promise<Step> {
    const { request, connection, stock } = this.course;
    const kind = undone === undefined ? 'applied' : 'rolled back';
    return this.attempting(kind, migration, async (started) => {
      const before = await stock.now();
      const script = undone === undefined ? migration : (migration.down ?? migration);
      await connection.interruptible(() => runAlone(this.db, script));
      const guarded =
        undone === undefined ? stepOf(migration) : rollBackStep(undone, request.settings.lossAllowed);
      const after = await this.guard(guarded, before);
      await inTransaction(async () => {
        const work = await request.bridge.look(this.db);
        this.course.looked(work);
        // Another process may have done the same meanwhile: then its row stands.
        if (undone === undefined && work.plan.pending.some(({ version }) => version === migration.version))
          await this.recordApplied(migration, { guarded: { before, after }, started, work });
        if (undone !== undefined && work.plan.undo.some(({ applied }) => applied.id === undone.applied.id)) {
          await this.recordRolledBack(undone, started);
          await stock.remember(after, 1);
        }
        return work;
      });
    });
  }

  /**
   * The guard of one step tells all of its losses. Before several steps all of them are tried, so that their losses are
   * told together, and nothing is kept where one of them fails.
   */
  async refuseLosses({ plan: { undo } }: UpgradeWork): Promise<void> {
    const { historyTable, settings } = this.course.request;
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
    const { course } = this;
    const started = performance.now();
    course.tellBegin(kind, migration);
    course.begun = undefined;
    try {
      await work(started);
    } catch (error) {
      if (error instanceof FailedAttempt) throw error;
      const isBlamed = kind === 'applied' && isOfTriggers(error);
      const cause = isBlamed
        ? blameTriggers(error, await course.request.bridge.ownTriggers(this.db, [migration.version]))
        : error;
      throw new FailedAttempt(kind, migration, started, cause);
    }
    return { kind, migration, ms: performance.now() - started };
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
    const { course } = this;
    const { guarded, started, work } = done;
    const { before, after } = guarded ?? {};
    const isTolerated = newViolations(before?.violations ?? [], after?.violations ?? []).length > 0;
    await course.record(
      attemptAt(migration, {
        status: 'applied',
        origin: 'migration',
        executionTimeMs: performance.now() - started,
        details: isTolerated ? { violations: after?.violations ?? [] } : {},
      }),
    );
    course.reach(migration);
    const isLast = work.plan.pending.length === 1;
    if (after === undefined) course.stock.passOver(effectOf(migration));
    else if (!isLast) await course.stock.remember(after, 1);
    const rest = withoutMigration(work, migration);
    course.standing = await readStanding(this.db, course.request.historyTable, rest, true);
    if (isLast) await course.finish(migration, after);
  }

  private async recordRolledBack({ applied, migration }: RollBack, started: number): Promise<void> {
    const { course } = this;
    const executionTimeMs = performance.now() - started;
    const outcome = { status: 'rolled_back', origin: applied.origin, executionTimeMs, details: {} } as const;
    await course.record({ ...attemptAt(migration, outcome), checksum: applied.checksum });
    await course.setUserVersion(await course.newestStamp());
  }

  /** Compares what a step left with what it found; what it left is also what the next step finds. */
  private async guard(step: GuardedStep, before: Inventory): Promise<Inventory> {
    await guardAgainstLeftovers(this.db, step);
    const after = await this.course.stock.after();
    this.course.losses.push(...guardAgainstLoss(step, before, after));
    return after;
  }
}
