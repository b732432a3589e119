import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { upgradeDatabase, type UpgradeOptions, type UpgradeReport } from '../../core/index.js';
import { hashesIn } from './database-copy.js';
import { withLegacy, type LegacyRow } from './legacy-driver.js';
import type { JournalMode } from './storage-database.js';

/** A database file in a folder of its own, written by other programs than this one. */
export class DatabaseFolder {
  private constructor(
    readonly folder: string,
    readonly path: string,
    private readonly journal: JournalMode,
  ) {}

  static async make(journal: JournalMode = 'wal'): Promise<DatabaseFolder> {
    const folder = await mkdtemp(join(tmpdir(), 'database-folder-'));
    return new DatabaseFolder(folder, join(folder, 'a.db'), journal);
  }

  /** Carries out a script as another program would, in the journal mode and without foreign keys. */
  async run(script: string): Promise<void> {
    await withLegacy(this.path, async (connection) => {
      // A database of no page would not keep the mode.
      await connection.run(
        `PRAGMA journal_mode = ${this.journal}; BEGIN; CREATE TABLE gone (a); DROP TABLE gone; COMMIT`,
      );
      await connection.run(script);
    });
  }

  rows(sql: string): Promise<LegacyRow[]> {
    return withLegacy(this.path, (connection) => connection.rows(sql));
  }

  /** Upgrades the database, which keeps its journal mode. */
  async upgrade(options: Omit<UpgradeOptions, 'database'>): Promise<UpgradeReport> {
    await this.run('');
    return upgradeDatabase({ backup: false, ...options, database: this.path });
  }

  /** Waits until somebody holds the lock of an upgrade: the first look at the database is over then. */
  async locked(): Promise<void> {
    while (!existsSync(`${this.path}.lock`)) await pause(5);
  }

  /** The hash of each file in the folder. */
  hashes(): Promise<Readonly<Record<string, string>>> {
    return hashesIn(this.folder);
  }

  /** Carries out `work` and tells whether every byte in the folder is as it was. */
  async isUntouchedBy(work: () => Promise<unknown>): Promise<boolean> {
    const before = await this.hashes();
    await work();
    return JSON.stringify(await this.hashes()) === JSON.stringify(before);
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }
}
