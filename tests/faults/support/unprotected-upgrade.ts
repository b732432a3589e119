import type { LocalBridge, DatabaseDriver } from '../../../core/database/database-bridge.js';
import { resolveDatabaseFile } from '../../../core/storage/database-file.js';
import { readDatabase } from '../../../core/storage/database-reading.js';
import { LegacyBridge } from '../../../core/storage/legacy-migrations.js';
import { runMigrations } from '../../../core/storage/migration-runner.js';
import { resolveProgress, resolveSettings } from '../../../core/storage/upgrade-options.js';
import { resolveSource } from '../../../core/storage/upgrade-source.js';
import type { UpgradeOptions } from '../../../core/storage/upgrade-options.js';
import type { Bridge, RunRequest, RunResult, UpgradeWork } from '../../../core/storage/upgrade-request.js';
import { UpgradeConnection } from '../../../core/storage/upgrade-connection.js';
import { UpgradeSteps } from '../../../core/storage/upgrade-steps.js';

/**
 * What an upgrade can be made to do without. The library has no such switches: the upgrade is put together here from its
 * parts, without one or the other.
 *
 * - `lock`: every process believes that it holds the lock.
 * - `second look`: what is to be done is decided once, before anything is locked, and not again in each transaction.
 * - `transactions`: each statement is kept as soon as it has run.
 * - `integrity check`: SQLite's checks find nothing.
 */
export const protections = ['lock', 'second look', 'transactions', 'integrity check'] as const;
export type Protection = (typeof protections)[number];

const transactionControl = /^(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE)\b/;
const integrityQuestion = /^PRAGMA (integrity|quick)_check/;
const nothingChanged = { changes: 0, lastInsertRowid: 0 };

function unprotectedConnection(db: LocalBridge, without: ReadonlySet<Protection>): LocalBridge {
  const isIgnored = (sql: string): boolean => without.has('transactions') && transactionControl.test(sql);
  return {
    location: db.location,
    execute: (sql, parameters) =>
      isIgnored(sql) ? Promise.resolve(nothingChanged) : db.execute(sql, parameters),
    executeScript: (sql) =>
      db.executeScript(
        sql
          .split(';\n')
          .filter((statement) => !isIgnored(statement))
          .join(';\n'),
      ),
    query: (sql, parameters) =>
      without.has('integrity check') && integrityQuestion.test(sql)
        ? Promise.resolve([{ result: 'ok' }])
        : db.query(sql, parameters),
    backupTo: (path) => db.backupTo(path),
    restoreFrom: (path, whileLocked) => db.restoreFrom(path, whileLocked),
    interrupt: () => {
      db.interrupt();
    },
    close: () => db.close(),
  };
}

/** Decides before the first step, and then does one after the other what was decided. */
function decidedOnce(bridge: Bridge, decided: UpgradeWork): Bridge {
  const rest = [...decided.plan.pending];
  let baseline = decided.plan.baseline;
  let isFirst = true;
  return {
    look: () => {
      if (!isFirst && baseline.length > 0) baseline = [];
      else if (!isFirst) rest.shift();
      isFirst = false;
      return Promise.resolve({ ...decided, plan: { ...decided.plan, baseline, pending: [...rest] } });
    },
    adopt: (db, work) => bridge.adopt(db, work),
    verify: (db, last) => bridge.verify(db, last),
    fillHistory: () => Promise.resolve(),
    seal: (db, lists) => bridge.seal(db, lists),
    ownTriggers: (db, versions) => bridge.ownTriggers(db, versions),
  };
}

/** Upgrades the database of a file as the library does, without some of its protections. */
export async function upgradeWithout(
  missing: readonly Protection[],
  options: UpgradeOptions,
): Promise<RunResult> {
  const without = new Set(missing);
  const request = await requestOf(options, without);
  if (!without.has('lock')) return await runMigrations(request);
  const db = await request.driver.open(options.database, 'create');
  try {
    await db.executeScript('PRAGMA busy_timeout = 250; PRAGMA foreign_keys = OFF');
    return await upgradeUnlocked(db, request);
  } finally {
    await db.close();
  }
}

/** Upgrades on a connection that somebody else uses as well. */
export async function upgradeOn(db: LocalBridge, options: UpgradeOptions): Promise<RunResult> {
  return await upgradeUnlocked(db, await requestOf(options, new Set()));
}

function upgradeUnlocked(db: LocalBridge, request: RunRequest): Promise<RunResult> {
  return new UpgradeSteps(request, new UpgradeConnection(request, db, undefined)).carryOut();
}

async function requestOf(options: UpgradeOptions, without: ReadonlySet<Protection>): Promise<RunRequest> {
  const source = await resolveSource(options);
  const driver: DatabaseDriver = {
    name: source.driver.name,
    open: async (location, mode) => unprotectedConnection(await source.driver.open(location, mode), without),
  };
  const target = await resolveDatabaseFile(options.database, 'write');
  const legacy = new LegacyBridge({ ...source, driver });
  return {
    driver,
    target,
    historyTable: source.historyTable,
    bridge: without.has('second look')
      ? decidedOnce(legacy, await readDatabase(driver, target, 'read-only', legacy.look))
      : legacy,
    settings: resolveSettings(options),
    logger: source.logger,
    progress: resolveProgress(options, source.logger),
    watched: options.onProgress !== undefined,
    signal: undefined,
    to: `v${source.migrations.at(-1)?.version ?? 0}`,
  };
}
