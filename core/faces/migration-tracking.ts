import type { DatabaseBridge } from '../database/database-bridge.js';
import type { UpgradeBridgeError } from '../errors.js';
import { moduleLogger, type Logger } from '../logger.js';
import { ensureHistoryTable, isPending, listApplied, recordApplied } from '../doors.js';
import type { HistoryAccessOptions, RecordedFile } from '../storage/history-access.js';
import { asBridge, type InjectedBridge } from '../storage/injected-bridge.js';
import { historyTableOf } from '../storage/history-table.js';
import type { AppliedMigration } from '../storage/history-row.js';
import { withoutConnection } from './connection-secrecy.js';

export interface MigrationTrackingOptions extends HistoryAccessOptions {
  /** Told of each operation at the level `debug`. */
  readonly logger?: Logger | undefined;
}

/**
 * The history alone, for a program that carries its files out by itself: `ensureHistoryTable`, `listApplied`, `isPending`
 * and `recordApplied` over one connection. No error and no line of the log says what the connection leads to.
 *
 * ```ts
 * const tracking = new MigrationTracking(bridge);
 * if (await tracking.isPending('002_add_tags.sql')) {
 *   await carryOut('002_add_tags.sql');
 *   await tracking.recordMigration('002_add_tags.sql');
 * }
 * ```
 */
export class MigrationTracking {
  readonly #db: DatabaseBridge;
  readonly #options: HistoryAccessOptions;
  readonly #logger: Logger;

  /**
   * @param db an open connection; it stays open, and stays the caller's
   * @throws InvalidOptionError when the connection lacks a verb, or no table can have the name that is given to the history
   */
  constructor(db: InjectedBridge, { logger, ...options }: MigrationTrackingOptions = {}) {
    historyTableOf(options);
    this.#db = asBridge(db);
    this.#options = options;
    this.#logger = moduleLogger(logger, 'migration-tracking');
  }

  /** Makes the table where there is none. A second call changes nothing. */
  ensureMigrationsTable(): Promise<void> {
    return this.#told('the table of migrations is there', {}, () =>
      ensureHistoryTable(this.#db, this.#options),
    );
  }

  /** What stands applied, the oldest first. Of very many, `eachAppliedMigration` keeps fewer in memory. */
  getAppliedMigrations(): Promise<AppliedMigration[]> {
    return this.#told('applied migrations read', {}, async () => {
      const applied: AppliedMigration[] = [];
      for await (const migration of this.#applied()) applied.push(migration);
      return applied;
    });
  }

  /** What stands applied, the oldest first, one after the other: memory does not grow with their number. */
  async *eachAppliedMigration(): AsyncGenerator<AppliedMigration, void, undefined> {
    try {
      yield* this.#applied();
      this.#logger.debug({}, 'applied migrations read');
    } catch (error) {
      throw this.#failed('applied migrations read', {}, error);
    }
  }

  /**
   * Whether a file does not stand applied.
   *
   * @throws MigrationFileError (BAD_MIGRATION_NAME) when that is not the name of a migration
   * @throws AlreadyRecordedError when a file of another name stands applied under its number
   */
  isPending(filename: string): Promise<boolean> {
    return this.#told('asked whether a migration is pending', { file: filename }, () =>
      isPending(this.#db, filename, this.#options),
    );
  }

  /**
   * Records a file that was carried out; in the transaction that is open, or else in one of its own.
   *
   * @param checksum what `Migration.checksum` says of it
   * @throws AlreadyRecordedError when it stands applied
   * @throws MigrationFileError (BAD_MIGRATION_NAME), InvalidOptionError when the name or the checksum is none
   */
  recordMigration(filename: string, checksum?: string): Promise<void> {
    return this.#told('migration recorded', { file: filename }, () =>
      recordApplied(this.#db, { filename, checksum }, this.#options),
    );
  }

  /**
   * Records many files at once: all of them, or none.
   *
   * @throws what `recordMigration` throws, also when one is there twice
   */
  recordMigrations(files: readonly RecordedFile[]): Promise<void> {
    return this.#told('migrations recorded', { files: files.length }, () =>
      recordApplied(this.#db, files, this.#options),
    );
  }

  #applied(): AsyncGenerator<AppliedMigration, void, undefined> {
    return listApplied(this.#db, { ...this.#options, order: 'applied_at' });
  }

  async #told<Result>(what: string, about: object, work: () => Promise<Result>): Promise<Result> {
    try {
      const result = await work();
      this.#logger.debug(about, what);
      return result;
    } catch (error) {
      throw this.#failed(what, about, error);
    }
  }

  #failed(what: string, about: object, error: unknown): UpgradeBridgeError {
    const told = withoutConnection(error, this.#db);
    this.#logger.debug({ ...about, code: told.code }, `failed: ${what}`);
    return told;
  }
}
