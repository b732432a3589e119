import { UpgradeBridgeError } from '../errors.js';
import { resolveDatabaseFile } from './database-file.js';
import { readPatiently } from './database-reading.js';
import { readUserVersion } from './database-state.js';
import { inspectDatabase } from './database-inspection.js';
import type { ChangeTerms } from './change-terms.js';
import { changeDatabase } from './database-change.js';
import { refuseUnknownOptions } from './known-options.js';
import type { AllowedLoss } from './migration-guards.js';
import { changeOptionNames, resolveSettings, type UpgradeOptions } from './upgrade-options.js';
import { resolveSource } from './upgrade-source.js';
import { planChange, type UpgradePlan } from './upgrade-plan.js';
import type { UpgradeReport } from './upgrade-report.js';

export interface RollBackOptions extends Omit<UpgradeOptions, 'to'> {
  /** The version to go back to; 0 undoes everything. Default: the one before the newest. */
  readonly to?: number | undefined;
  /**
   * Whether the down files may lose rows and objects without saying so themselves. Default: false, and then an error says
   * what would be lost. A list allows these losses only, as `losses` of that error names them: when more would be lost by
   * then, it is refused again.
   */
  readonly allowLoss?: AllowedLoss | undefined;
  /**
   * Whether migrations that are no files of this program are undone by the texts that the history kept of them, so that an
   * older program can bring a newer database back. Default: false.
   */
  readonly fromHistory?: boolean | undefined;
}

export interface MoveOptions extends RollBackOptions {
  /** The version to go to, whichever way it lies. */
  readonly to: number;
}

/**
 * Undoes applied migrations, the newest first, each by its down file in a transaction of its own. The history keeps every
 * row.
 *
 * @throws HistoryConflictError (NO_WAY_BACK) that names every migration without a down file, before anything runs
 * @throws MigrationFailedError (OBJECTS_LOST, ROWS_LOST) when something would be lost and `allowLoss` is not given
 * @throws what `upgradeDatabase` throws
 */
export async function rollBackDatabase(options: RollBackOptions): Promise<UpgradeReport> {
  refuseUnknownOptions('rollBackDatabase', options, changeOptionNames);
  await recover(options);
  return changeDatabase({ ...options, to: undefined }, await downwards(options));
}

/**
 * Says what `rollBackDatabase` would do with the same options, and changes no byte. What would be lost is not known before
 * it is tried.
 *
 * @throws what `rollBackDatabase` throws before its first write
 */
export async function planRollBack(options: RollBackOptions): Promise<UpgradePlan> {
  return planChange({ ...options, to: undefined }, await downwards(options));
}

/**
 * Brings a database to a version, up or down.
 *
 * @throws what `upgradeDatabase` and `rollBackDatabase` throw
 */
export async function moveDatabase(options: MoveOptions): Promise<UpgradeReport> {
  refuseUnknownOptions('moveDatabase', options, changeOptionNames);
  return changeDatabase({ ...options, to: undefined }, termsOf(options, { kind: 'to', to: options.to }));
}

/**
 * Says what `moveDatabase` would do with the same options, and changes no byte.
 *
 * @throws what `moveDatabase` throws before its first write
 */
export function planMove(options: MoveOptions): Promise<UpgradePlan> {
  return planChange({ ...options, to: undefined }, termsOf(options, { kind: 'to', to: options.to }));
}

function termsOf(options: RollBackOptions, goal: ChangeTerms['goal']): ChangeTerms {
  return { goal, lossAllowed: options.allowLoss ?? false, undoFromHistory: options.fromHistory ?? false };
}

/** Lets SQLite undo a change that was cut off, as everything does that writes. */
async function recover(options: RollBackOptions): Promise<void> {
  const { driver } = await resolveSource(options);
  const { lockWaitMs } = resolveSettings(options);
  const file = await resolveDatabaseFile(options.database, 'write');
  if (file.exists) await readPatiently(driver, file, { lockWaitMs, signal: options.signal }, readUserVersion);
}

async function downwards(options: RollBackOptions): Promise<ChangeTerms> {
  const { kind, applied, problem } = await inspectDatabase(options.database, options);
  if (applied.length === 0)
    throw new UpgradeBridgeError(
      'NO_WAY_BACK',
      `There is nothing to undo in "${options.database}" (${kind}).`,
      {
        hint:
          problem?.code === 'OTHER_HISTORY'
            ? 'Another tool keeps the history; adopt it first.'
            : 'Only a database with a history can go back: upgrade it first.',
      },
    );
  return termsOf(options, { kind: 'down', to: options.to ?? applied.at(-2)?.version ?? 0 });
}
