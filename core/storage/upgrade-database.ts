import { upTo } from './change-terms.js';
import { asBridge, type InjectedBridge } from './injected-bridge.js';
import { refuseUnknownOptions } from './known-options.js';
import { resolveLegacyMode } from './legacy-mode.js';
import { findUpToDate } from './up-to-date.js';
import {
  changeOptionNames,
  resolveSettings,
  type ConnectionUpgradeOptions,
  type UpgradeOptions,
} from './upgrade-options.js';
import type { UpgradeReport } from './upgrade-report.js';

/**
 * Brings a database to the newest migration: finds out what it is, adopts and completes what an old release left, applies
 * the rest under a cross-process lock, and proves the result. An up-to-date database is only read.
 *
 * ```ts
 * const report = await upgradeDatabase({ database: 'notes.db', migrations: 'migrations', legacy: { 1: [1], 2: [1, 2] } });
 * ```
 *
 * @throws ForeignDatabaseError, NewerDatabaseError, UnreadableDatabaseError, FileAccessError when the file is not to be
 *   touched; not a byte of it has changed
 * @throws OtherHistoryError when another tool keeps its history, and the option `adopt` does not say to take it over
 * @throws MigrationFileError, HistoryConflictError when the files are at fault; not a byte has changed
 * @throws MigrationFailedError when a step failed and was rolled back; the steps before it stay
 * @throws LockedError when other processes do not let go in time
 * @throws LegacyRefusedError when `legacyMode` is `refuse` and the database is a legacy one; nothing was changed
 */
export async function upgradeDatabase(options: UpgradeOptions): Promise<UpgradeReport> {
  refuseUnknownOptions('upgradeDatabase', options, changeOptionNames);
  resolveSettings(options);
  resolveLegacyMode(options.legacyMode);
  const upToDate = await findUpToDate(options, false);
  if (upToDate !== undefined) return upToDate.report;
  const { changeDatabase } = await import('./database-change.js');
  return changeDatabase(options, upTo(options.to));
}

/**
 * Brings the database of one open connection to the newest migration, as `upgradeDatabase` does with a file: for a
 * database in memory, and for an engine of the caller's own behind the few verbs of an `InjectedBridge`.
 *
 * Each step is guarded, and kept whole or not at all, as ever. Besides, the promises are weaker: no lock keeps other
 * upgraders waiting, so that only the engine's own `BEGIN IMMEDIATE` decides between them; no copy is made; a stop is
 * heeded inside a step only where the connection has `interrupt`, and otherwise before the step is committed; and how
 * well a commit outlasts a power cut is what the connection was set up for. Nothing else may use the connection
 * meanwhile, and no transaction may be open on it. It stays open.
 *
 * @param options `driver` opens the databases in memory in which files are tried; the connection itself is the caller's
 * @throws InvalidOptionError when the connection lacks a verb, or a transaction is open on it; nothing was changed
 * @throws what `upgradeDatabase` throws, and the errors of the connection
 */
export async function upgradeConnection(
  db: InjectedBridge,
  options: ConnectionUpgradeOptions,
): Promise<UpgradeReport> {
  refuseUnknownOptions('upgradeConnection', options, changeOptionNames);
  const { changeConnection } = await import('./database-change.js');
  return changeConnection(asBridge(db), options, upTo(options.to));
}
