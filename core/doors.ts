// What only some callers use is loaded when it is called: a program that starts with nothing to do loads little.

import type * as Backups from './storage/backups.js';
import type * as BundleFile from './storage/bundle-file.js';
import type * as BundleMaking from './storage/bundle-making.js';
import type * as CheckFiles from './storage/check-files.js';
import type * as DatabaseBaseline from './storage/database-baseline.js';
import type * as DatabaseChecks from './storage/database-checks.js';
import type * as DatabaseDrift from './storage/database-drift.js';
import type * as DatabaseHistory from './storage/database-history.js';
import type * as DatabaseInspection from './storage/database-inspection.js';
import type * as DatabaseRollback from './storage/database-rollback.js';
import type * as DatabaseVerification from './storage/database-verification.js';
import type * as FleetFiles from './storage/fleet-files.js';
import type * as HistoryAccess from './storage/history-access.js';
import type * as HistoryAdoption from './storage/history-adoption.js';
import type * as HistoryRepair from './storage/history-repair.js';
import type * as MigrationFiles from './storage/migration-files.js';
import type * as Rehearsal from './storage/rehearsal.js';
import type * as UpgradeAll from './storage/upgrade-all.js';
import type * as UpgradePlan from './storage/upgrade-plan.js';

/** Loads what it needs when it is called: see `applyRetention` in `storage/backups.ts`. */
export const applyRetention: typeof Backups.applyRetention = async (...given) =>
  (await import('./storage/backups.js')).applyRetention(...given);

/** Loads what it needs when it is called: see `createBackup` in `storage/backups.ts`. */
export const createBackup: typeof Backups.createBackup = async (...given) =>
  (await import('./storage/backups.js')).createBackup(...given);

/** Loads what it needs when it is called: see `listBackups` in `storage/backups.ts`. */
export const listBackups: typeof Backups.listBackups = async (...given) =>
  (await import('./storage/backups.js')).listBackups(...given);

/** Loads what it needs when it is called: see `restoreBackup` in `storage/backups.ts`. */
export const restoreBackup: typeof Backups.restoreBackup = async (...given) =>
  (await import('./storage/backups.js')).restoreBackup(...given);

/** Loads what it needs when it is called: see `verifyBackup` in `storage/backups.ts`. */
export const verifyBackup: typeof Backups.verifyBackup = async (...given) =>
  (await import('./storage/backups.js')).verifyBackup(...given);

/** Loads what it needs when it is called: see `writeBundle` in `storage/bundle-file.ts`. */
export const writeBundle: typeof BundleFile.writeBundle = async (...given) =>
  (await import('./storage/bundle-file.js')).writeBundle(...given);

/** Loads what it needs when it is called: see `bundleMigrations` in `storage/bundle-making.ts`. */
export const bundleMigrations: typeof BundleMaking.bundleMigrations = async (...given) =>
  (await import('./storage/bundle-making.js')).bundleMigrations(...given);

/** Loads what it needs when it is called: see `readChecks` in `storage/check-files.ts`. */
export const readChecks: typeof CheckFiles.readChecks = async (...given) =>
  (await import('./storage/check-files.js')).readChecks(...given);

/** Loads what it needs when it is called: see `baselineDatabase` in `storage/database-baseline.ts`. */
export const baselineDatabase: typeof DatabaseBaseline.baselineDatabase = async (...given) =>
  (await import('./storage/database-baseline.js')).baselineDatabase(...given);

/** Loads what it needs when it is called: see `runChecks` in `storage/database-checks.ts`. */
export const runChecks: typeof DatabaseChecks.runChecks = async (...given) =>
  (await import('./storage/database-checks.js')).runChecks(...given);

/** Loads what it needs when it is called: see `findDrift` in `storage/database-drift.ts`. */
export const findDrift: typeof DatabaseDrift.findDrift = async (...given) =>
  (await import('./storage/database-drift.js')).findDrift(...given);

/** Loads what it needs when it is called: see `listHistory` in `storage/database-history.ts`. */
export const listHistory: typeof DatabaseHistory.listHistory = async (...given) =>
  (await import('./storage/database-history.js')).listHistory(...given);

/** Loads what it needs when it is called: see `inspectDatabase` in `storage/database-inspection.ts`. */
export const inspectDatabase: typeof DatabaseInspection.inspectDatabase = async (...given) =>
  (await import('./storage/database-inspection.js')).inspectDatabase(...given);

/** Loads what it needs when it is called: see `moveDatabase` in `storage/database-rollback.ts`. */
export const moveDatabase: typeof DatabaseRollback.moveDatabase = async (...given) =>
  (await import('./storage/database-rollback.js')).moveDatabase(...given);

/** Loads what it needs when it is called: see `planMove` in `storage/database-rollback.ts`. */
export const planMove: typeof DatabaseRollback.planMove = async (...given) =>
  (await import('./storage/database-rollback.js')).planMove(...given);

/** Loads what it needs when it is called: see `planRollBack` in `storage/database-rollback.ts`. */
export const planRollBack: typeof DatabaseRollback.planRollBack = async (...given) =>
  (await import('./storage/database-rollback.js')).planRollBack(...given);

/** Loads what it needs when it is called: see `rollBackDatabase` in `storage/database-rollback.ts`. */
export const rollBackDatabase: typeof DatabaseRollback.rollBackDatabase = async (...given) =>
  (await import('./storage/database-rollback.js')).rollBackDatabase(...given);

/** Loads what it needs when it is called: see `verifyDatabase` in `storage/database-verification.ts`. */
export const verifyDatabase: typeof DatabaseVerification.verifyDatabase = async (...given) =>
  (await import('./storage/database-verification.js')).verifyDatabase(...given);

/** Loads what it needs when it is called: see `findDatabases` in `storage/fleet-files.ts`. */
export const findDatabases: typeof FleetFiles.findDatabases = async (...given) =>
  (await import('./storage/fleet-files.js')).findDatabases(...given);

/** Loads what it needs when it is called: see `ensureHistoryTable` in `storage/history-access.ts`. */
export const ensureHistoryTable: typeof HistoryAccess.ensureHistoryTable = async (...given) =>
  (await import('./storage/history-access.js')).ensureHistoryTable(...given);

/** Loads what it needs when it is called: see `isPending` in `storage/history-access.ts`. */
export const isPending: typeof HistoryAccess.isPending = async (...given) =>
  (await import('./storage/history-access.js')).isPending(...given);

/** Loads what it needs when it is used: see `listApplied` in `storage/history-access.ts`. */
export const listApplied: typeof HistoryAccess.listApplied = async function* (...given) {
  const room = await import('./storage/history-access.js');
  yield* room.listApplied(...given);
};

/** Loads what it needs when it is called: see `recordApplied` in `storage/history-access.ts`. */
export const recordApplied: typeof HistoryAccess.recordApplied = async (...given) =>
  (await import('./storage/history-access.js')).recordApplied(...given);

/** Loads what it needs when it is called: see `adoptHistory` in `storage/history-adoption.ts`. */
export const adoptHistory: typeof HistoryAdoption.adoptHistory = async (...given) =>
  (await import('./storage/history-adoption.js')).adoptHistory(...given);

/** Loads what it needs when it is called: see `repairHistory` in `storage/history-repair.ts`. */
export const repairHistory: typeof HistoryRepair.repairHistory = async (...given) =>
  (await import('./storage/history-repair.js')).repairHistory(...given);

/** Loads what it needs when it is called: see `readMigrations` in `storage/migration-files.ts`. */
export const readMigrations: typeof MigrationFiles.readMigrations = async (...given) =>
  (await import('./storage/migration-files.js')).readMigrations(...given);

/** Loads what it needs when it is called: see `rehearseUpgrade` in `storage/rehearsal.ts`. */
export const rehearseUpgrade: typeof Rehearsal.rehearseUpgrade = async (...given) =>
  (await import('./storage/rehearsal.js')).rehearseUpgrade(...given);

/** Loads what it needs when it is called: see `planAll` in `storage/upgrade-all.ts`. */
export const planAll: typeof UpgradeAll.planAll = async (...given) =>
  (await import('./storage/upgrade-all.js')).planAll(...given);

/** Loads what it needs when it is called: see `upgradeAll` in `storage/upgrade-all.ts`. */
export const upgradeAll: typeof UpgradeAll.upgradeAll = async (...given) =>
  (await import('./storage/upgrade-all.js')).upgradeAll(...given);

/** Loads what it needs when it is called: see `planUpgrade` in `storage/upgrade-plan.ts`. */
export const planUpgrade: typeof UpgradePlan.planUpgrade = async (...given) =>
  (await import('./storage/upgrade-plan.js')).planUpgrade(...given);
