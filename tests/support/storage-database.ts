import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { DatabaseBridge, Row, SqlValue } from '../../core/database/database-bridge.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import { applyPragmas } from '../../core/storage/sqlite-schema.js';
import { StorageSession } from '../../core/storage/storage-session.js';

export type JournalMode = 'wal' | 'delete';

/** The journal modes that databases in the field have. */
export const journalModes: readonly JournalMode[] = ['wal', 'delete'];

const migrations = new URL('../../migrations/', import.meta.url);

/** A database file at the newest schema, in a folder of its own, and a session on it. */
export class StorageDatabase {
  private constructor(
    readonly path: string,
    readonly session: StorageSession,
    /** Another connection, with foreign keys off: what any other program could write or read. */
    readonly other: DatabaseBridge,
    private readonly folder: string,
  ) {}

  static async make(journalMode: JournalMode): Promise<StorageDatabase> {
    const folder = await mkdtemp(join(tmpdir(), 'storage-database-'));
    const path = join(folder, 'storage.db');
    const other = await sqlite3Driver.open(path, 'create');
    await other.execute('PRAGMA foreign_keys = OFF');
    await other.query(`PRAGMA journal_mode = ${journalMode}`);
    const names = (await readdir(migrations)).filter((name) => /^\d{4}_.*(?<!\.down)\.sql$/.test(name));
    for (const name of names.sort())
      await other.executeScript(await readFile(new URL(name, migrations), 'utf8'));
    const db = await sqlite3Driver.open(path, 'read-write');
    await applyPragmas(db);
    return new StorageDatabase(path, new StorageSession(db), other, folder);
  }

  /** Rows as another program sees them. */
  rows(sql: string, ...parameters: readonly SqlValue[]): Promise<Row[]> {
    return this.other.query(sql, parameters);
  }

  /** Carries out statements as another program would, without foreign keys. */
  write(script: string): Promise<void> {
    return this.other.executeScript(script);
  }

  async remove(): Promise<void> {
    await this.session.close();
    await this.other.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}
