import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { DatabaseBridge, OpenMode } from '../../core/database/database-bridge.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import type { Backup } from '../../core/storage/backup-files.js';
import { backUpDatabase, type BackupOptions } from '../../core/storage/database-backup.js';
import { resolveDatabaseFile } from '../../core/storage/database-file.js';

/** The time of every backup that names no other. */
export const backupTime = new Date('2026-11-20T06:02:05.123Z');

/** A database in a folder of its own, and what is done with it. */
export class BackupFolder {
  readonly folder = mkdtempSync(join(tmpdir(), 'database-backup-'));
  readonly path = this.at('worlds.db');
  private readonly connections: DatabaseBridge[] = [];

  at(name: string): string {
    return join(this.folder, name);
  }

  /** The names of all files. */
  files(): string[] {
    return readdirSync(this.folder).sort();
  }

  async connect(mode: OpenMode = 'create', path = this.path): Promise<DatabaseBridge> {
    const db = await sqlite3Driver.open(path, mode);
    this.connections.push(db);
    return db;
  }

  /** A database that has something of everything; its connection stays open. */
  async newDatabase(setup = ''): Promise<DatabaseBridge> {
    const db = await this.connect();
    await db.executeScript(
      `${setup};
    PRAGMA user_version = 4; PRAGMA application_id = 77;
    CREATE TABLE worlds(id TEXT PRIMARY KEY, name);
    CREATE TABLE notes(text, shout GENERATED ALWAYS AS (upper(text)), size AS (length(text)) STORED);
    CREATE TABLE numbered(id INTEGER PRIMARY KEY AUTOINCREMENT, x);
    CREATE TABLE plain(a PRIMARY KEY, b) WITHOUT ROWID;
    CREATE TABLE typed(n INT, check_me CHECK (check_me < 5)) STRICT;
    CREATE INDEX by_size ON notes(lower(text), text DESC) WHERE text <> '';
    CREATE VIEW loud AS SELECT shout FROM notes;
    CREATE VIEW broken AS SELECT * FROM gone;
    CREATE TRIGGER kept AFTER DELETE ON worlds BEGIN DELETE FROM numbered; END;
    CREATE VIRTUAL TABLE search USING fts5(body);
    INSERT INTO search VALUES ('find me');
    INSERT INTO worlds(rowid, id, name) VALUES (9, 'b', x'00ff'), (3, 'a', 1e300), (70, 'c', 9007199254740993);
    INSERT INTO notes(rowid, text) VALUES (50, 'later'), (5, 'sooner'), (-7, 'first');
    INSERT INTO numbered(x) VALUES (1), (2); DELETE FROM numbered;
    INSERT INTO plain VALUES (1, 'x');
    ANALYZE;`.replace('check_me CHECK', 'check_me INT CHECK'),
    );
    return db;
  }

  /** Makes a backup as an upgrade does: while a writing transaction is open that has written nothing yet. */
  async backUp(db: DatabaseBridge, options: Partial<BackupOptions> = {}): Promise<Backup> {
    await db.execute('BEGIN IMMEDIATE');
    try {
      const file = await resolveDatabaseFile(this.path);
      const usual = { driver: sqlite3Driver, from: 'legacy4', to: 'v11', now: backupTime };
      return await backUpDatabase(file, { ...usual, ...options });
    } finally {
      await db.execute('ROLLBACK');
    }
  }

  async closeAll(): Promise<void> {
    for (const db of this.connections.splice(0)) await db.close();
  }

  async remove(): Promise<void> {
    await this.closeAll();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The error that a promise ends with. */
export const failure = (work: Promise<unknown>): Promise<unknown> => work.catch((error: unknown) => error);
