import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { withLegacy, type LegacyRow } from './legacy-driver.js';
import type { JournalMode } from './storage-database.js';

/** A database file in a folder of its own, beside a folder of migrations. */
export class ScratchDatabase {
  /** The folder of the database, in which there is nothing else. */
  readonly folder: string;
  readonly path: string;
  readonly migrations: string;

  private constructor(private readonly root: string) {
    this.folder = join(root, 'data');
    this.path = join(this.folder, 'app.db');
    this.migrations = join(root, 'migrations');
  }

  /** @param script is carried out on the new database; without it there is no file yet */
  static async make(journal: JournalMode, script?: string): Promise<ScratchDatabase> {
    const scratch = new ScratchDatabase(await mkdtemp(join(tmpdir(), 'scratch-database-')));
    await mkdir(scratch.folder);
    await mkdir(scratch.migrations);
    if (script !== undefined) await scratch.run(`PRAGMA journal_mode = ${journal}; ${script}`);
    return scratch;
  }

  /** Writes files into the folder of migrations. */
  async write(files: Readonly<Record<string, string>>): Promise<void> {
    for (const [name, text] of Object.entries(files)) await writeFile(join(this.migrations, name), text);
  }

  /** Carries out a script on a connection of its own, as another program would. */
  run(script: string): Promise<void> {
    return withLegacy(this.path, (connection) => connection.run(script));
  }

  rows(sql: string): Promise<LegacyRow[]> {
    return withLegacy(this.path, (connection) => connection.rows(sql));
  }

  /** The one value that a query gives. */
  async value(sql: string): Promise<unknown> {
    const [row] = await this.rows(sql);
    return row === undefined ? undefined : Object.values(row)[0];
  }

  /** A line for each attempt, oldest first: `2 applied migration`. */
  async history(): Promise<string[]> {
    const rows = await this.rows(
      "SELECT version || ' ' || status || ' ' || origin AS line FROM schema_migrations ORDER BY id",
    );
    return rows.map(({ line }) => String(line));
  }

  /** Every object but SQLite's own and the history, as `table notes`. */
  async objects(): Promise<string[]> {
    const rows = await this.rows(
      `SELECT type || ' ' || name AS line FROM sqlite_schema
       WHERE name NOT LIKE 'sqlite%' AND tbl_name <> 'schema_migrations' ORDER BY line`,
    );
    return rows.map(({ line }) => String(line));
  }

  remove(): Promise<void> {
    return rm(this.root, { recursive: true, force: true });
  }
}
