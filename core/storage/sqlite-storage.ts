import type { DatabaseBridge } from '../database/database-bridge.js';
import { resolveDriver } from '../database/drivers.js';
import { InvalidOptionError } from '../errors.js';
import { moduleLogger } from '../logger.js';
import { agentsOf, type Agents } from './agents.js';
import { archivesOf, type Archives } from './archives.js';
import { chatsOf, type Chats } from './chats.js';
import { eventsOf, type Events } from './events.js';
import { upTo } from './change-terms.js';
import { refuseUnknownOptions } from './known-options.js';
import type { LegacyVersions } from './legacy-evidence.js';
import { LegacyRefusedError, resolveLegacyMode } from './legacy-mode.js';
import { memoryOf, type Memory } from './memory.js';
import { applyPragmas, checkPragmaOptions, type PragmaOptions } from './sqlite-schema.js';
import { StorageSession } from './storage-session.js';
import { findUpToDate } from './up-to-date.js';
import {
  resolveSettings,
  sharedOptionNames,
  type Migrations,
  type UpgradeOptions,
} from './upgrade-options.js';
import type { UpgradeReport } from './upgrade-report.js';
import { worldLegacyVersions, worldMigrationsDir } from './world-migrations.js';
import { worldsOf, type Worlds } from './worlds.js';

export interface StorageOptions
  extends Omit<UpgradeOptions, 'database' | 'migrations' | 'legacy' | 'to'>, PragmaOptions {
  /**
   * The path of the database file, made where it does not exist; or `:memory:` for one that lives as long as the handle,
   * with no lock, no backup and no second process; or an open connection of the caller's own, with the weaker promises of
   * `upgradeConnection`. The handle takes the connection over and closes it; where opening fails, it stays open.
   */
  readonly database: string | DatabaseBridge;
  /** A folder of migrations that makes the tables of the world storage layer and more. Default: the package's own. */
  readonly migrationsDir?: string | undefined;
  /** The same as a value: a bundle of such a folder, or what `readMigrations` returned. */
  readonly migrations?: Exclude<Migrations, string> | undefined;
  /** What old versions mean to those migrations. Default: the world storage layer's own versions with its own migrations. */
  readonly legacy?: LegacyVersions | undefined;
}

const storageOptionNames = {
  ...sharedOptionNames,
  busyTimeoutMs: true,
  migrations: true,
  migrationsDir: true,
  synchronous: true,
} as const satisfies Record<keyof StorageOptions, true>;

/** An open world storage on the newest schema. */
export interface Storage {
  readonly worlds: Worlds;
  readonly agents: Agents;
  readonly memory: Memory;
  readonly chats: Chats;
  readonly archives: Archives;
  readonly events: Events;
  /** What opening found and did. */
  readonly report: UpgradeReport;
  /** Waits for the work that was asked for and closes the connection. A second call does nothing. */
  close(): Promise<void>;
}

/** Callers without types may give anything. */
function isConnection(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'query' in value;
}

/** A connection to a database on the newest schema, and whether it was opened here. */
interface Opened {
  readonly db: DatabaseBridge;
  readonly isOwn: boolean;
  readonly report: UpgradeReport;
}

async function openUpgraded({ database, migrationsDir, ...options }: StorageOptions): Promise<Opened> {
  if (migrationsDir !== undefined && options.migrations !== undefined)
    throw new InvalidOptionError('openStorage was given migrations twice, as a folder and as a value.', {
      hint: 'Leave out migrationsDir or migrations.',
    });
  const own = migrationsDir ?? options.migrations;
  const upgrade: Omit<UpgradeOptions, 'database'> = {
    ...options,
    // The storage works on the newest schema only.
    to: undefined,
    migrations: own ?? worldMigrationsDir,
    legacy: options.legacy ?? (own === undefined ? worldLegacyVersions : undefined),
  };
  const driver = resolveDriver(options.driver);
  if (typeof database === 'string' && database !== ':memory:') {
    resolveSettings(upgrade);
    resolveLegacyMode(options.legacyMode);
    const upToDate = await findUpToDate({ ...upgrade, database }, true);
    if (upToDate !== undefined) return { ...upToDate, isOwn: true };
  }
  const { changeConnection, changeDatabase } = await import('./database-change.js');
  const newest = upTo(undefined);
  if (typeof database !== 'string')
    return {
      db: database,
      isOwn: false,
      report: await upgraded(changeConnection(database, upgrade, newest)),
    };
  if (database !== ':memory:') {
    const report = await upgraded(changeDatabase({ ...upgrade, database }, newest));
    return { db: await driver.open(database, 'read-write'), isOwn: true, report };
  }
  const db = await driver.open(':memory:', 'create');
  try {
    return { db, isOwn: true, report: await upgraded(changeConnection(db, upgrade, newest)) };
  } catch (error) {
    await db.close();
    throw error;
  }
}

/** @throws LegacyRefusedError when the database was only looked at */
async function upgraded(change: Promise<UpgradeReport>): Promise<UpgradeReport> {
  const report = await change;
  if (report.wouldDo !== undefined) throw new LegacyRefusedError(report);
  return report;
}

/**
 * Opens a world storage, whatever release of it last wrote the file: the handle stands on the newest schema, every row
 * is there, and the history says what happened.
 *
 * ```ts
 * const storage = await openStorage({ database: 'worlds.db' });
 * await storage.worlds.save({ id: 'w1', name: 'First world' });
 * await storage.close();
 * ```
 *
 * @throws LegacyRefusedError when `legacyMode` is `refuse` or `inspect-only` and the database is a legacy one; its
 *   `report` says what an upgrade would do
 * @throws what `upgradeDatabase` throws; UpgradeBridgeError (PRAGMA_REFUSED) when the connection cannot be set up
 */
export async function openStorage(options: StorageOptions): Promise<Storage> {
  refuseUnknownOptions('openStorage', options, storageOptionNames);
  if (typeof options.database !== 'string' && !isConnection(options.database))
    throw new InvalidOptionError('openStorage needs the path of a database, or an open connection.', {
      hint: "Call it as openStorage({ database: 'worlds.db' }).",
    });
  checkPragmaOptions(options);
  const { db, isOwn, report } = await openUpgraded(options);
  try {
    await applyPragmas(db, options);
  } catch (error) {
    if (isOwn) await db.close();
    const { nameReadError } = await import('./database-state.js');
    throw nameReadError(error, db.location);
  }
  const session = new StorageSession(db, moduleLogger(options.logger, 'storage'));
  return {
    worlds: worldsOf(session),
    agents: agentsOf(session),
    memory: memoryOf(session),
    chats: chatsOf(session),
    archives: archivesOf(session),
    events: eventsOf(session),
    report,
    close: () => session.close(),
  };
}
