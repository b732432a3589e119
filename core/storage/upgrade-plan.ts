import type { DatabaseBridge } from '../database/database-bridge.js';
import { withSnapshot } from '../database/transaction.js';
import { resolveDatabaseFile, type DatabaseFile } from './database-file.js';
import { readOnly } from './database-reading.js';
import type { DatabaseState } from './database-state.js';
import { upTo, type ChangeTerms } from './change-terms.js';
import { adoptionAfter, type AdoptionTerms } from './adoption-terms.js';
import { adoptConnection, adoptHistoryBy, type AdoptReport } from './history-adoption.js';
import { LegacyBridge } from './legacy-migrations.js';
import { isUpToDate, refuseOutsideTransaction, type MigrationPlan } from './migration-plan.js';
import type { DownScript, Migration } from './migration.js';
import {
  plannedMigration,
  plannedWork,
  type PlannedCompletion,
  type PlannedMigration,
} from './planned-work.js';
import { resolveSettings, type ConnectionUpgradeOptions, type UpgradeOptions } from './upgrade-options.js';
import type { UpgradeWork } from './upgrade-request.js';
import { resolveSource, type ResolvedSource } from './upgrade-source.js';

/** A script that would be carried out. */
export interface PlannedScript extends PlannedMigration {
  readonly release: string | undefined;
  /** The name of the file that would run: the migration's own, or its down file. */
  readonly script: string;
  /** Its text; undefined for a migration in code. */
  readonly sql: string | undefined;
  /** Whether it runs outside of a transaction. */
  readonly noTransaction: boolean;
  /** The tables of which it says that they may lose rows. */
  readonly allowLoss: readonly string[];
  /** The objects of which it says that they vanish. */
  readonly drops: readonly string[];
}

/** What would be done to a database, in this order. */
export interface UpgradePlan {
  readonly database: string;
  /** What the database is now. */
  readonly found: DatabaseState['kind'];
  /** Whether there is nothing to do. */
  readonly upToDate: boolean;
  /** The version that it is at now; 0 where nothing is applied. */
  readonly version: number;
  /** The version that it would be at afterwards. */
  readonly target: number;
  readonly adopt: readonly PlannedMigration[];
  readonly complete: readonly PlannedCompletion[];
  /** What would be undone, the newest first. */
  readonly rollBack: readonly PlannedScript[];
  readonly apply: readonly PlannedScript[];
}

/**
 * Says what `upgradeDatabase` would do with the same options, and refuses what it would refuse. Changes no byte and
 * takes no lock. A program that lets nobody read is waited for: for `lockWaitMs`, or five seconds unless that is given.
 *
 * ```ts
 * const { apply } = await planUpgrade({ database: 'notes.db', migrations: 'migrations' });
 * for (const { filename, sql } of apply) console.log(filename, sql);
 * ```
 *
 * @throws what `upgradeDatabase` throws before its first write, but for a permission that this user lacks
 */
export function planUpgrade(options: UpgradeOptions): Promise<UpgradePlan> {
  return planChange(options, upTo(options.to));
}

/** Says what `changeDatabase` would do with the same options and terms. */
export async function planChange(options: UpgradeOptions, terms: ChangeTerms): Promise<UpgradePlan> {
  resolveSettings(options);
  const source = await resolveSource(options);
  return planFile(source, await resolveDatabaseFile(options.database, 'plan'), options, terms);
}

/** Says what `changeFile` would do. */
export async function planFile(
  source: ResolvedSource,
  file: DatabaseFile,
  options: UpgradeOptions,
  terms: ChangeTerms,
): Promise<UpgradePlan> {
  const bridge = new LegacyBridge(source, terms.goal, terms.undoFromHistory);
  try {
    const work = file.exists
      ? await readOnly(source.driver, file, options, bridge.look)
      : await bridge.surveyNothing();
    return planOf(options, work);
  } catch (error) {
    const adoption = adoptionBefore(error, options, terms);
    if (adoption === undefined) throw error;
    return planAfterAdoption(
      await adoptHistoryBy(source, { ...options, ...adoption, dryRun: true }),
      source,
      terms,
    );
  }
}

/** Says what `changeConnection` would do with the same options and terms. */
export async function planConnectionChange(
  db: DatabaseBridge,
  options: ConnectionUpgradeOptions,
  terms: ChangeTerms,
): Promise<UpgradePlan> {
  const source = await resolveSource(options);
  const bridge = new LegacyBridge(source, terms.goal, terms.undoFromHistory);
  try {
    const work = await withSnapshot(db, () => bridge.look(db));
    return planOf({ ...options, database: db.location }, work);
  } catch (error) {
    const adoption = adoptionBefore(error, options, terms);
    if (adoption === undefined) throw error;
    return planAfterAdoption(
      await adoptConnection(db, { ...options, ...adoption, dryRun: true }),
      source,
      terms,
    );
  }
}

/** The terms on which another tool's history would be taken over before an upgrade; undefined where it would not. */
function adoptionBefore(
  error: unknown,
  options: Pick<UpgradeOptions, 'adopt'>,
  { goal }: ChangeTerms,
): AdoptionTerms | undefined {
  return goal.kind === 'newest' || goal.kind === 'up' ? adoptionAfter(error, options) : undefined;
}

/** What an upgrade would do that takes another tool's history over first. */
function planAfterAdoption(
  { database, files, pending, version }: AdoptReport,
  { migrations }: ResolvedSource,
  { goal }: ChangeTerms,
): UpgradePlan {
  const recorded = new Set(files.map((file) => file.version));
  const left = new Set(pending);
  const apply = migrations.filter(
    (migration) => left.has(migration.filename) && !(goal.kind === 'up' && migration.version > goal.to),
  );
  return {
    database,
    found: 'foreign',
    upToDate: false,
    version: 0,
    target: Math.max(version, ...apply.map((migration) => migration.version)),
    adopt: migrations.filter((migration) => recorded.has(migration.version)).map(plannedMigration),
    complete: [],
    rollBack: [],
    apply: apply.map((migration) => plannedScript(migration, migration)),
  };
}

function planOf(options: UpgradeOptions, { state, plan }: UpgradeWork): UpgradePlan {
  if (resolveSettings(options).transaction === 'all') refuseOutsideTransaction(plan);
  const { adoptable, completable } = plannedWork(plan);
  const applied = state.kind === 'managed' ? state.applied.map(({ version }) => version) : [];
  return {
    database: options.database,
    found: state.kind,
    upToDate: isUpToDate(plan),
    version: applied.at(-1) ?? 0,
    target: versionAfter(applied, plan),
    adopt: adoptable,
    complete: completable,
    rollBack: plan.undo.map(({ migration }) => wayBack(migration)),
    apply: plan.pending.map((migration) => plannedScript(migration, migration)),
  };
}

function versionAfter(applied: readonly number[], { baseline, undo, pending }: MigrationPlan): number {
  const undone = new Set(undo.map(({ migration }) => migration.version));
  const standing = applied.filter((version) => !undone.has(version));
  const added = [...baseline.map(({ migration }) => migration), ...pending].map(({ version }) => version);
  return Math.max(0, ...standing, ...added);
}

function wayBack(migration: Migration): PlannedScript {
  const { down } = migration;
  return plannedScript(migration, down ?? { ...migration, sql: '' });
}

function plannedScript(
  migration: Migration,
  { filename, sql, directives }: Pick<DownScript, 'filename' | 'sql' | 'directives'>,
): PlannedScript {
  return {
    ...plannedMigration(migration),
    release: migration.release,
    script: filename,
    sql: migration.code === undefined ? sql : undefined,
    noTransaction: directives.noTransaction,
    allowLoss: directives.allowLoss,
    drops: directives.drops,
  };
}
