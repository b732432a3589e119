import type { DatabaseBridge } from '../database/database-bridge.js';
import { inspectDatabase, listApplied } from '../doors.js';
import { InvalidOptionError } from '../errors.js';
import type { ChangeTerms } from '../storage/change-terms.js';
import { asBridge, type InjectedBridge } from '../storage/injected-bridge.js';
import type { UpgradeOptions } from '../storage/upgrade-options.js';
import type { UpgradePlan } from '../storage/upgrade-plan.js';
import type { UpgradeReport } from '../storage/upgrade-report.js';

/**
 * A database: the path of its file, with the lock, the copy and all else that `upgradeDatabase` promises; or an open
 * connection to it, with the weaker promises of `upgradeConnection`.
 */
export type MigrationTarget = string | InjectedBridge;

/** The same, with a connection that has all verbs. */
export type CheckedTarget = string | DatabaseBridge;

export type TargetOptions = Omit<UpgradeOptions, 'database'>;

/** Callers without types may give anything. @throws InvalidOptionError */
export function checkedTarget(target: MigrationTarget): CheckedTarget {
  if (typeof target === 'string') return target;
  const given: unknown = target;
  if (typeof given === 'object' && given !== null) return asBridge(target);
  throw new InvalidOptionError('The first parameter must be the path of a database or an open connection.', {
    hint: 'Give a path such as "data/notes.db", or what openConnection returns.',
  });
}

export async function changeTarget(
  target: CheckedTarget,
  options: TargetOptions,
  terms: ChangeTerms,
): Promise<UpgradeReport> {
  const { changeConnection, changeDatabase } = await import('../storage/database-change.js');
  return typeof target === 'string'
    ? changeDatabase({ ...options, database: target }, terms)
    : changeConnection(target, options, terms);
}

export async function planTarget(
  target: CheckedTarget,
  options: TargetOptions,
  terms: ChangeTerms,
): Promise<UpgradePlan> {
  const { planChange, planConnectionChange } = await import('../storage/upgrade-plan.js');
  return typeof target === 'string'
    ? planChange({ ...options, database: target }, terms)
    : planConnectionChange(target, options, terms);
}

/** The newest version that the history has applied; 0 where there is none. */
export async function versionOf(target: CheckedTarget, options: TargetOptions): Promise<number> {
  if (typeof target === 'string') return (await inspectDatabase(target, options)).version;
  let version = 0;
  for await (const applied of listApplied(target, { historyTable: options.historyTable }))
    version = applied.version;
  return version;
}
