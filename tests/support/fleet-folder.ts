import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { upgradeDatabase } from '../../core/index.js';
import type { Migration } from '../../core/storage/migration.js';
import { hashesIn } from './database-copy.js';
import { withLegacy } from './legacy-driver.js';
import { migrationsOf } from './migration-values.js';

/** What the databases of a fleet begin with, and what is pending then. */
export const fleetMigrations: readonly Migration[] = migrationsOf({
  '0001_notes.sql': 'CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT);',
  '0002_pins.sql': 'ALTER TABLE notes ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;',
  '0003_tags.sql': 'CREATE TABLE tags (note INTEGER, tag TEXT);',
});

/** A folder of its own with databases of one program. */
export class FleetFolder {
  private constructor(readonly path: string) {}

  static async make(): Promise<FleetFolder> {
    return new FleetFolder(await mkdtemp(join(tmpdir(), 'fleet-')));
  }

  /** The whole path of a file in the folder. */
  at(name: string): string {
    return join(this.path, name);
  }

  /** Makes databases with a row in each, which were upgraded by `migrations`, and returns their paths. */
  async databases(names: readonly string[], migrations = fleetMigrations.slice(0, 1)): Promise<string[]> {
    const paths = names.map((name) => this.at(name));
    for (const database of paths) {
      await mkdir(dirname(database), { recursive: true });
      await upgradeDatabase({ database, migrations, backup: false });
      await withLegacy(database, (program) => program.run("INSERT INTO notes (text) VALUES ('kept')"));
    }
    return paths;
  }

  /** A file that is no database. */
  async garbage(name: string): Promise<string> {
    await writeFile(this.at(name), 'no database, but long enough to be looked at as one '.repeat(50));
    return this.at(name);
  }

  /** The versions that the history of a database says are applied. */
  async versions(database: string): Promise<unknown[]> {
    const rows = await withLegacy(database, (program) =>
      program.rows("SELECT version FROM schema_migrations WHERE status = 'applied' ORDER BY version"),
    );
    return rows.map(({ version }) => version);
  }

  /** The hash of each file in the folder. */
  hashes(): Promise<Readonly<Record<string, string>>> {
    return hashesIn(this.path);
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}
