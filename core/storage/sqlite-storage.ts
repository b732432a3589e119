import { sqlite3Driver } from '../database/sqlite3-bridge.js';
import type { DatabaseBridge } from '../database/database-bridge.js';
import { InvalidOptionError } from '../errors.js';
import { moduleLogger } from '../logger.js';
import { agentsOf, type Agents } from './agents.js';
import { archivesOf, type Archives } from './archives.js';
import { chatsOf, type Chats } from './chats.js';
import { eventsOf, type Events } from './events.js';
import { changeDatabase, upgradeConnection, upTo } from './legacy-migrations.js';
import { refuseUnknownOptions } from './known-options.js';
import type { LegacyVersions } from './legacy-evidence.js';
import { LegacyRefusedError } from './legacy-mode.js';
import { memoryOf, type Memory } from './memory.js';
import { applyPragmas, checkPragmaOptions, type PragmaOptions } from './sqlite-schema.js';
import { StorageSession } from './storage-session.js';
import { sharedOptionNames, type UpgradeOptions } from './upgrade-options.js';
import type { UpgradeReport } from './upgrade-report.js';
import { worldLegacyVersions, worldMigrationsDir } from './world-migrations.js';
import { worldsOf, type Worlds } from './worlds.js';

export interface StorageOptions
  extends Omit<UpgradeOptions, 'database' | 'migrations' | 'legacy' | 'to'>, PragmaOptions {
  /**
   * The path of the database file, made where it does not exist; or `:memory:` for one that lives as long as the handle,
   * with no lock, no backup and no second process.
   */
  readonly database: string;
  /** A folder of migrations that makes the tables of the world storage layer and more. Default: the package's own. */
  readonly migrationsDir?: string | undefined;
  /** What old versions mean to that folder. Default: the world storage layer's own versions with its own folder. */
  readonly legacy?: LegacyVersions | undefined;
}

const storageOptionNames = {
  ...sharedOptionNames,
  busyTimeoutMs: true,
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

async function openUpgraded(options: StorageOptions): Promise<{ db: DatabaseBridge; report: UpgradeReport }> {
  const upgrade: UpgradeOptions = {
    ...options,
    // The storage works on the newest schema only.
    to: undefined,
    migrations: options.migrationsDir ?? worldMigrationsDir,
    legacy: options.legacy ?? (options.migrationsDir === undefined ? worldLegacyVersions : undefined),
  };
  if (options.database === ':memory:') {
    const db = await sqlite3Driver.open(':memory:', 'create');
    try {
      return { db, report: await upgradeConnection(db, upgrade) };
    } catch (error) {
      await db.close();
      throw error;
    }
  }
  const report = await changeDatabase(upgrade, upTo(undefined));
  if (report.wouldDo !== undefined) throw new LegacyRefusedError(report);
  return { db: await sqlite3Driver.open(options.database, 'read-write'), report };
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
  if (typeof options.database !== 'string')
    throw new InvalidOptionError('openStorage needs the path of a database.', {
      hint: "Call it as openStorage({ database: 'worlds.db' }).",
    });
  checkPragmaOptions(options);
  const { db, report } = await openUpgraded(options);
  try {
    await applyPragmas(db, options);
  } catch (error) {
    await db.close();
    throw error;
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
