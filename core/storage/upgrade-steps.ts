import type { DatabaseBridge, DatabaseDriver } from '../database/database-bridge.js';
import { withTransaction } from '../database/transaction.js';
import { InterruptedError, isSqliteError, LockedError, messageOf } from '../errors.js';
import type { Logger } from '../logger.js';
import { backUpBeforeUpgrade, type BackupPolicy } from './backup-policy.js';
import type { DatabaseFile } from './database-file.js';
import { databaseBytes } from './free-space.js';
import { refuseDamage } from './database-integrity.js';
import { takeInventory, type Inventory } from './database-inventory.js';
import { nameReadError, readUserVersion, type DatabaseState } from './database-state.js';
import {
  guardAgainstLeftovers,
  guardAgainstLoss,
  markTransaction,
  newViolations,
  type GuardedStep,
} from './migration-guards.js';
import { attemptAt, ensureHistory, recordAttempt, type Attempt } from './migration-history.js';
import type { MigrationLock } from './migration-lock.js';
import { isUpToDate, type MigrationPlan } from './migration-plan.js';
import { runStatements } from './migration-replay.js';
import type { Migration } from './migration.js';
import type { Progress } from './upgrade-progress.js';

/** What the transaction that is open is for. */
export interface UpgradeWork {
  readonly state: DatabaseState;
  readonly plan: MigrationPlan;
  /** What the database is before the upgrade, as the name of a backup says it: `legacy4`, `v9`. */
  readonly from: string;
}

/** What adopting and completing a legacy database did. */
export interface BaselineResult {
  readonly attempts: readonly Attempt[];
}

/** The part of a legacy upgrade that the runner does not know. */
export interface Bridge {
  /** Looks at the database and says what is to be done; called inside each transaction before it does anything. */
  readonly look: (db: DatabaseBridge) => Promise<UpgradeWork>;
  /** Completes what is partly there, inside the open transaction, and says what the history must record. */
  readonly adopt: (db: DatabaseBridge, work: UpgradeWork) => Promise<BaselineResult>;
  /** Holds the finished database against a fresh one, before the last transaction is committed. */
  readonly verify: (db: DatabaseBridge, last: Migration | undefined) => Promise<void>;
}

export interface RunnerSettings {
  /** How long to wait for other processes, in milliseconds. */
  readonly lockWaitMs: number;
  /** Whether the rows of every table are counted before and after each step. */
  readonly countRows: boolean;
  /** Up to which size of the database, in bytes, every index is held against its table before the first write. */
  readonly integrityCheckUpToBytes: number;
  readonly backup: BackupPolicy;
}

export interface RunRequest {
  readonly driver: DatabaseDriver;
  /** The database's file, or the one connection to a database in memory. */
  readonly target: DatabaseFile | DatabaseBridge;
  readonly bridge: Bridge;
  readonly settings: RunnerSettings;
  readonly logger: Logger;
  readonly progress: Progress;
  readonly signal: AbortSignal | undefined;
  /** What the backup's name says the database becomes, such as `v11`. */
  readonly to: string;
}

/** What was done, in the order in which it was done. */
export interface RunResult {
  /** What the database was when its first step began; undefined when there was nothing to do. */
  readonly state: DatabaseState | undefined;
  /** The newest version that stands applied at the end, whoever applied it; undefined when nobody looked. */
  readonly version: number | undefined;
  readonly attempts: readonly Attempt[];
  /** What the database held before the first step and after the last; undefined when there was nothing to do. */
  readonly before: Inventory | undefined;
  readonly after: Inventory | undefined;
  readonly backup: string | undefined;
}

/** The result of an upgrade that found nothing to do. */
export const nothingDone: RunResult = {
  state: undefined,
  version: undefined,
  attempts: [],
  before: undefined,
  after: undefined,
  backup: undefined,
};

const LARGEST_USER_VERSION = 0x7fffffff;

/** What one step turned out to be, once its transaction is committed. */
type Step =
  | { readonly kind: 'finished' }
  | { readonly kind: 'adopted'; readonly files: readonly string[]; readonly ms: number }
  | { readonly kind: 'applied'; readonly migration: Migration; readonly ms: number }
  | { readonly kind: 'needs no transaction'; readonly migration: Migration };

/** The steps of one upgrade, each in a transaction of its own, on one connection. */
export class UpgradeSteps {
  private readonly attempts: Attempt[] = [];
  private state: DatabaseState | undefined;
  private version: number | undefined;
  private before: Inventory | undefined;
  private latest: { inventory: Inventory; dataVersion: number } | undefined;
  private backup: string | undefined;

  /** @param lock what keeps other upgraders away; undefined for a database that no other process can reach */
  constructor(
    private readonly request: RunRequest,
    private readonly db: DatabaseBridge,
    private readonly lock: MigrationLock | undefined,
  ) {}

  /** Carries out every step that there is. */
  async carryOut(): Promise<RunResult> {
    while (await this.nextStep());
    return {
      state: this.state,
      version: this.version,
      attempts: this.attempts,
      before: this.before,
      after: this.latest?.inventory,
      backup: this.backup,
    };
  }

  /** Carries out the next step. False when there was none. */
  private async nextStep(): Promise<boolean> {
    this.refuseToGoOn();
    const step = await this.inTransaction(async () => {
      const work = await this.request.bridge.look(this.db);
      if (work.state.kind === 'managed') this.version = work.state.applied.at(-1)?.version;
      if (this.before === undefined && !isUpToDate(work.plan)) await this.prepare(work);
      return this.decide(work);
    });
    this.tell(step.kind === 'needs no transaction' ? await this.applyOutside(step.migration) : step);
    return step.kind !== 'finished';
  }

  private async decide(work: UpgradeWork): Promise<Step> {
    const [next] = work.plan.pending;
    if (work.plan.baseline.length > 0) return this.adopt(work);
    if (next === undefined) return { kind: 'finished' };
    if (next.directives.noTransaction) return { kind: 'needs no transaction', migration: next };
    return this.apply(next, work);
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
    }
  }

  /** Everything that has to be sure before the first write. */
  private async prepare(work: UpgradeWork): Promise<void> {
    const { settings, target, driver, logger, progress, signal } = this.request;
    if (work.state.kind !== 'absent' && work.state.kind !== 'empty') {
      const started = performance.now();
      const bytes = await databaseBytes(this.db);
      const depth = bytes <= settings.integrityCheckUpToBytes ? 'full' : 'quick';
      const { brokenRules, staleIndexes } = await refuseDamage(this.db, depth);
      for (const line of [...brokenRules, ...staleIndexes])
        logger.warn({ finding: line }, 'found before the upgrade');
      progress({ kind: 'checked', depth, ms: performance.now() - started });
      if ('canonicalPath' in target) {
        this.backup = await backUpBeforeUpgrade(settings.backup, {
          driver,
          file: target,
          holder: this.db,
          from: work.from,
          to: this.request.to,
          fullCheckBytes: settings.integrityCheckUpToBytes,
          logger,
          progress,
          signal,
        });
      }
    }
    this.state = work.state;
    this.before = await this.inventory();
  }

  private async adopt(work: UpgradeWork): Promise<Step> {
    const { bridge } = this.request;
    const started = performance.now();
    const before = await this.inventory();
    const finish = await markTransaction(this.db);
    const { attempts } = await bridge.adopt(this.db, work);
    await finish(adoption);
    const after = await this.guard(adoption, before);
    const violations = after.violations.length > 0 ? { violations: after.violations } : {};
    for (const [index, attempt] of attempts.entries()) {
      const details = { ...attempt.details, ...(index === attempts.length - 1 ? violations : {}) };
      await this.record({ ...attempt, details });
    }
    if (work.plan.pending.length === 0) await bridge.verify(this.db, undefined);
    await this.remember(after, attempts.length);
    const files = attempts.map(({ filename }) => filename);
    return { kind: 'adopted', files, ms: performance.now() - started };
  }

  private apply(migration: Migration, work: UpgradeWork): Promise<Step> {
    return this.attempting(migration, async (started) => {
      const before = await this.inventory();
      const finish = await markTransaction(this.db);
      await runStatements(this.db, migration);
      await finish(stepOf(migration));
      const after = await this.guard(stepOf(migration), before);
      await this.recordApplied(migration, { before, after, started, work });
    });
  }

  /** For the few statements that SQLite refuses inside a transaction: the history follows in one of its own. */
  private applyOutside(migration: Migration): Promise<Step> {
    return this.attempting(migration, async (started) => {
      const before = await this.inventory();
      await runStatements(this.db, migration);
      const after = await this.guard(stepOf(migration), before);
      await this.inTransaction(async () => {
        const work = await this.request.bridge.look(this.db);
        // Another process may have done the same meanwhile: then its row stands.
        if (work.plan.pending.some(({ version }) => version === migration.version))
          await this.recordApplied(migration, { before, after, started, work });
      });
    }).catch(async (error: unknown) => {
      throw await this.named(error);
    });
  }

  private async attempting(migration: Migration, work: (started: number) => Promise<void>): Promise<Step> {
    const started = performance.now();
    const { version, filename } = migration;
    this.request.progress({ kind: 'applying', version, filename });
    try {
      await work(started);
    } catch (error) {
      throw error instanceof FailedAttempt ? error : new FailedAttempt(migration, started, error);
    }
    return { kind: 'applied', migration, ms: performance.now() - started };
  }

  private async recordApplied(
    migration: Migration,
    done: { before: Inventory; after: Inventory; started: number; work: UpgradeWork },
  ): Promise<void> {
    const { before, after, started, work } = done;
    const tolerated = newViolations(before.violations, after.violations).length > 0;
    await this.record(
      attemptAt(migration, {
        status: 'applied',
        origin: 'migration',
        executionTimeMs: performance.now() - started,
        details: tolerated ? { violations: after.violations } : {},
      }),
    );
    if (work.plan.pending.length === 1) await this.request.bridge.verify(this.db, migration);
    await this.remember(after, 1);
  }

  /** Compares what a step left with what it found; what it left is also what the next step finds. */
  private async guard(step: GuardedStep, before: Inventory): Promise<Inventory> {
    await guardAgainstLeftovers(this.db, step);
    const after = await takeInventory(this.db, this.request.settings);
    guardAgainstLoss(step, before, after);
    return after;
  }

  private async record(attempt: Attempt): Promise<void> {
    await ensureHistory(this.db);
    await recordAttempt(this.db, attempt);
    this.attempts.push(attempt);
    const version = attempt.version <= LARGEST_USER_VERSION ? attempt.version : this.attempts.length;
    if (version > (await readUserVersion(this.db)))
      await this.db.executeScript(`PRAGMA user_version = ${version}`);
  }

  /** The inventory now: taken anew only when another connection has written since the last one. */
  private async inventory(): Promise<Inventory> {
    const version = await dataVersion(this.db);
    if (this.latest?.dataVersion === version) return this.latest.inventory;
    const inventory = await takeInventory(this.db, this.request.settings);
    this.latest = { inventory, dataVersion: version };
    return inventory;
  }

  private async remember(after: Inventory, recorded: number): Promise<void> {
    this.latest = {
      inventory: { ...after, attempts: after.attempts + recorded },
      dataVersion: await dataVersion(this.db),
    };
  }

  private async inTransaction<Result>(work: () => Promise<Result>): Promise<Result> {
    const { lockWaitMs } = this.request.settings;
    const taken = this.attempts.length;
    try {
      return await withTransaction(this.db, work, {
        beginPatienceMs: lockWaitMs,
        commitPatienceMs: lockWaitMs,
        beforeRetry: () => {
          this.refuseToGoOn();
        },
      });
    } catch (error) {
      this.attempts.length = taken;
      this.latest = undefined;
      throw await this.named(error);
    }
  }

  /** Gives a failure its name, and writes it down where it is a migration's. */
  private async named(error: unknown): Promise<unknown> {
    const { signal, settings } = this.request;
    if (signal?.aborted === true) return interrupted(signal);
    if (error instanceof FailedAttempt) return this.recordFailure(error);
    if (isSqliteError(error, 'SQLITE_BUSY')) return busy(settings.lockWaitMs, error);
    return nameReadError(error, this.db.location);
  }

  /** Writes the failed attempt down in a transaction of its own; where that cannot be done either, the log has it. */
  private async recordFailure({ migration, started, cause }: FailedAttempt): Promise<unknown> {
    const { progress, logger } = this.request;
    const error = messageOf(cause);
    progress({ kind: 'failed', version: migration.version, filename: migration.filename, error });
    logger.error({ version: migration.version, file: migration.filename, err: error }, 'migration failed');
    const executionTimeMs = performance.now() - started;
    const outcome = { status: 'failed', origin: 'migration', executionTimeMs, details: { error } } as const;
    try {
      await withTransaction(this.db, async () => {
        await ensureHistory(this.db);
        await recordAttempt(this.db, attemptAt(migration, outcome));
      });
    } catch (unrecorded) {
      logger.warn({ err: messageOf(unrecorded) }, 'the failed attempt could not be recorded');
    }
    return cause;
  }

  private refuseToGoOn(): void {
    if (this.request.signal?.aborted === true) throw interrupted(this.request.signal);
    if (this.lock?.lost ?? false)
      throw new LockedError(
        'LOCK_LOST',
        'Another process took the upgrade over, because this one gave no sign of life for too long.',
        { hint: 'What was applied stays. Open the database again: the upgrade continues where it stands.' },
      );
  }
}

/** A migration that failed inside its transaction, on its way to be recorded after the roll-back. */
class FailedAttempt extends Error {
  constructor(
    readonly migration: Migration,
    readonly started: number,
    override readonly cause: unknown,
  ) {
    super(messageOf(cause), { cause });
  }
}

const adoption: GuardedStep = {
  subject: 'Adopting the legacy database',
  place: { filename: '(adoption)', statement: undefined, line: undefined },
};

function stepOf({ filename, directives }: Migration): GuardedStep {
  return {
    subject: `Migration ${filename}`,
    place: { filename, statement: undefined, line: undefined },
    directives,
  };
}

function interrupted(signal: AbortSignal): InterruptedError {
  return new InterruptedError(
    'The upgrade was stopped on request; the step that was going on was rolled back.',
    {
      hint: 'What was applied before stays. Open the database again: the upgrade continues where it stands.',
      cause: signal.reason,
    },
  );
}

function busy(waitMs: number, cause: unknown): LockedError {
  return new LockedError('LOCKED', `Another program kept the database busy for ${waitMs} ms.`, {
    hint: 'Find out what holds a transaction open on it, or wait longer (lockWaitMs, --lock-wait).',
    cause,
  });
}

async function dataVersion(db: DatabaseBridge): Promise<number> {
  const [row] = await db.query('PRAGMA data_version');
  return Number(row?.data_version);
}
