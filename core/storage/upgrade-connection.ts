import type { DatabaseBridge, LocalBridge } from '../database/database-bridge.js';
import { commit, withTransaction, type TransactionOptions } from '../database/transaction.js';
import { isSqliteError } from '../errors.js';
import { backUpBeforeUpgrade, withdrawBackup } from './backup-policy.js';
import { DamageCheck } from './damage-check.js';
import { nameReadError } from './database-state.js';
import { databaseBytes } from './free-space.js';
import type { MigrationLock } from './migration-lock.js';
import type { ChangeRequest } from './upgrade-request.js';
import { interrupted, keptBusy, lockLost } from './upgrade-stops.js';

const INTERRUPT_EVERY_MS = 20;

/** The connection on which a database is changed: its transactions wait for others, and can be stopped. */
export class UpgradeConnection {
  /** The path of the copy that was made before the first write. */
  backup: string | undefined;
  /** Whether it is known that no row of the database broke a CHECK before the upgrade. */
  checksHeld = false;
  /** What has to be over before the transaction that is open may be committed. */
  private check: DamageCheck | undefined;
  /** Stops the statement that is running. */
  private interruptRunning: (() => void) | undefined;

  /** @param lock what keeps other upgraders away; undefined for a database that no other process can reach */
  constructor(
    private readonly request: ChangeRequest,
    readonly db: DatabaseBridge | LocalBridge,
    private readonly lock: MigrationLock | undefined,
  ) {}

  /**
   * Makes sure of everything that has to be sure before the first commit: that the database is whole, that there is room,
   * and that there is a copy. To be called in the transaction that will write.
   *
   * @param from what the database is, as the name of the copy says it
   * @param known how large it is, where that is known
   */
  async secure(from: string, known?: number): Promise<void> {
    const { settings, target, driver, logger, progress, signal, to, partials } = this.request;
    const bytes = known ?? (await databaseBytes(this.db));
    this.check = await DamageCheck.begin(this.db, bytes, this.request);
    this.check.onFailure(() => this.interruptRunning?.());
    if (!('canonicalPath' in target)) return;
    this.backup = await backUpBeforeUpgrade(settings.backup, {
      driver,
      file: target,
      holder: this.db,
      bytes,
      from,
      to,
      fullCheckBytes: settings.fullCheckBytes,
      partials,
      logger,
      progress,
      signal,
    });
  }

  /** Removes the copy again. To be called when nothing was committed and no one needs to find out why. */
  async withdrawBackup(): Promise<void> {
    if (this.backup !== undefined) await withdrawBackup(this.backup, this.request);
    this.backup = undefined;
  }

  /**
   * Carries out work in a transaction of its own. What it throws is what went wrong, not yet what it is called.
   *
   * @param writes whether work with this result has written anything
   * @param conclude what is to be done besides before the commit, once the database is known to be whole
   */
  transaction<Result>(
    work: () => Promise<Result>,
    writes: (result: Result) => boolean,
    conclude?: (result: Result) => Promise<void>,
  ): Promise<Result> {
    const proven = async (): Promise<Result> => {
      const result = await this.provingWhole(work);
      await conclude?.(result);
      return result;
    };
    return withTransaction(this.db, proven, { ...this.patience(), writes });
  }

  private async provingWhole<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } finally {
      // Of a damaged database it says more than what the work stumbled over.
      await this.proveWhole();
    }
  }

  /** Commits the transaction that is open. */
  commit(): Promise<void> {
    return commit(this.db, this.patience());
  }

  private patience(): TransactionOptions {
    const { lockWaitMs } = this.request.settings;
    return {
      beginPatienceMs: lockWaitMs,
      commitPatienceMs: lockWaitMs,
      beforeRetry: () => {
        this.refuseToGoOn();
      },
    };
  }

  /**
   * Waits until it is known that the database is whole. To be called before anything is committed.
   *
   * @throws UnreadableDatabaseError (DAMAGED_DATABASE)
   */
  async proveWhole(): Promise<void> {
    const { check } = this;
    if (check === undefined) return;
    this.check = undefined;
    try {
      const { brokenRules } = await check.end();
      this.checksHeld = 'canonicalPath' in this.request.target && brokenRules.length === 0;
    } catch (error) {
      await this.withdrawBackup();
      throw error;
    }
  }

  /**
   * Lets a stop, and damage that is found, reach the statement that is running, where the connection can do that. SQLite
   * forgets an interrupt that comes between two statements, so it is repeated; COMMIT and ROLLBACK stay outside, because
   * they must not be cut off.
   */
  async interruptible<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.check?.hasFailed === true) await this.proveWhole();
    const { signal } = this.request;
    this.refuseToGoOn();
    let repeat: NodeJS.Timeout | undefined;
    const interrupt = (): void => {
      if ('interrupt' in this.db) this.db.interrupt();
      repeat ??= setInterval(interrupt, INTERRUPT_EVERY_MS);
    };
    signal?.addEventListener('abort', interrupt, { once: true });
    const around = this.interruptRunning;
    this.interruptRunning = interrupt;
    try {
      const result = await work();
      this.refuseToGoOn();
      return result;
    } finally {
      this.interruptRunning = around;
      signal?.removeEventListener('abort', interrupt);
      clearInterval(repeat);
    }
  }

  /** @throws InterruptedError, LockedError when the work is to end here */
  refuseToGoOn(): void {
    if (this.request.signal?.aborted === true) throw interrupted(this.request.signal);
    if (this.lock?.lost ?? false) throw lockLost();
  }

  /** Gives a failure its name. */
  nameFailure(error: unknown): unknown {
    const { signal, settings } = this.request;
    if (signal?.aborted === true) return interrupted(signal);
    if (isSqliteError(error, 'SQLITE_BUSY')) return keptBusy(this.db.location, settings.lockWaitMs, error);
    return nameReadError(error, this.db.location);
  }
}
