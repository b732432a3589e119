import type { DatabaseBridge } from '../database/database-bridge.js';
import { inspectDatabase } from '../storage/database-inspection.js';
import { listApplied } from '../storage/history-access.js';
import { changeConnection, changeDatabase, type ChangeTerms } from '../storage/legacy-migrations.js';
import type { UpgradeOptions } from '../storage/upgrade-options.js';
import { planChange, planConnectionChange, type UpgradePlan } from '../storage/upgrade-plan.js';
import type { UpgradeReport } from '../storage/upgrade-report.js';

/**
 * A database: the path of its file, with the lock, the copy and all else that `upgradeDatabase` promises; or an open
 * connection to it, with the weaker promises of `upgradeConnection`.
 */
export type MigrationTarget = string | DatabaseBridge;

export type TargetOptions = Omit<UpgradeOptions, 'database'>;

export function changeTarget(
  target: MigrationTarget,
  options: TargetOptions,
  terms: ChangeTerms,
): Promise<UpgradeReport> {
  return typeof target === 'string'
    ? changeDatabase({ ...options, database: target }, terms)
    : changeConnection(target, options, terms);
}

export function planTarget(
  target: MigrationTarget,
  options: TargetOptions,
  terms: ChangeTerms,
): Promise<UpgradePlan> {
  return typeof target === 'string'
    ? planChange({ ...options, database: target }, terms)
    : planConnectionChange(target, options, terms);
}

/** The newest version that the history has applied; 0 where there is none. */
export async function versionOf(target: MigrationTarget, options: TargetOptions): Promise<number> {
  if (typeof target === 'string') return (await inspectDatabase(target, options)).version;
  let version = 0;
  for await (const applied of listApplied(target, { historyTable: options.historyTable }))
    version = applied.version;
  return version;
}
