import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';

import type { DatabaseBridge } from '../../core/database/database-bridge.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import { DatabaseError, MigrationTracking } from '../../core/index.js';

let folder: string;
let db: DatabaseBridge;
let lines: unknown[];

const log = pino({ level: 'debug' }, { write: (line: string) => lines.push(JSON.parse(line)) });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'secret-place-'));
  db = await sqlite3Driver.open(join(folder, 'private.db'), 'create');
  lines = [];
});

afterEach(async () => {
  await db.close();
  await rm(folder, { recursive: true, force: true });
});

/** Only the verbs of the port, as a bridge of the caller's own has them. */
function bridgeOf(query: DatabaseBridge['query'], location = 'remote'): DatabaseBridge {
  return {
    location,
    execute: (sql, parameters) => db.execute(sql, parameters),
    executeScript: (sql) => db.executeScript(sql),
    query,
    close: () => db.close(),
  };
}

describe('MigrationTracking', () => {
  it('keeps the history of a program that runs its files itself', async () => {
    const tracking = new MigrationTracking(bridgeOf((sql, parameters) => db.query(sql, parameters)));
    await tracking.ensureMigrationsTable();
    await tracking.ensureMigrationsTable();
    expect(await tracking.getAppliedMigrations()).toEqual([]);
    expect(await tracking.isPending('001_create_conversations.sql')).toBe(true);
    await tracking.recordMigration('001_create_conversations.sql', 'abc');
    await tracking.recordMigration('002_create_messages.sql');
    await tracking.recordMigrations([{ filename: '003_add_titles.sql' }, { filename: '004_add_agents.sql' }]);
    expect(await tracking.isPending('001_create_conversations.sql')).toBe(false);
    expect(
      (await tracking.getAppliedMigrations()).map(({ filename, checksum }) => [filename, checksum]),
    ).toEqual([
      ['001_create_conversations.sql', 'abc'],
      ['002_create_messages.sql', ''],
      ['003_add_titles.sql', ''],
      ['004_add_agents.sql', ''],
    ]);
    await expect(tracking.recordMigration('001_create_conversations.sql')).rejects.toMatchObject({
      name: 'AlreadyRecordedError',
      code: 'ALREADY_RECORDED',
    });
    await expect(tracking.recordMigration('create.sql')).rejects.toMatchObject({
      code: 'BAD_MIGRATION_NAME',
    });
  });

  it('lists by the time at which they were applied', async () => {
    const tracking = new MigrationTracking(db, { historyTable: 'migrations' });
    await tracking.recordMigration('002_b.sql');
    await tracking.recordMigration('001_a.sql');
    await db.executeScript("UPDATE migrations SET applied_at = '1999' WHERE version = 1");
    const seen: string[] = [];
    for await (const { filename } of tracking.eachAppliedMigration()) seen.push(filename);
    expect(seen).toEqual(['001_a.sql', '002_b.sql']);
    expect(await db.query("SELECT name FROM sqlite_schema WHERE name = 'schema_migrations'")).toEqual([]);
  });

  it('takes no name that no table can have', () => {
    expect(() => new MigrationTracking(db, { historyTable: 'a b' })).toThrow(
      "The history's table must be named",
    );
  });

  it('logs each operation at the level debug, and nothing of the connection', async () => {
    const tracking = new MigrationTracking(db, { logger: log });
    await tracking.ensureMigrationsTable();
    await tracking.isPending('001_a.sql');
    await tracking.recordMigration('001_a.sql');
    await tracking.recordMigrations([{ filename: '002_b.sql' }, { filename: '003_c.sql' }]);
    await tracking.getAppliedMigrations();
    await tracking.recordMigration('001_a.sql').catch(() => undefined);
    const line = (msg: string, about: object): unknown => ({
      level: 20,
      module: 'migration-tracking',
      msg,
      ...about,
    });
    expect(lines).toMatchObject([
      line('the table of migrations is there', {}),
      line('asked whether a migration is pending', { file: '001_a.sql' }),
      line('migration recorded', { file: '001_a.sql' }),
      line('migrations recorded', { files: 2 }),
      line('applied migrations read', {}),
      line('failed: migration recorded', { file: '001_a.sql', code: 'ALREADY_RECORDED' }),
    ]);
    expect(JSON.stringify(lines)).not.toMatch(/secret|private/);
  });

  it.each([
    ['an error of the bridge itself', () => new Error('connect failed: tls://user:secret@private/db')],
    ['an error that names the file', () => new Error(`cannot open ${join(folder, 'private.db')}`)],
    [
      'an error of ours that names the file',
      () => new DatabaseError(`"${join(folder, 'private.db')}" is busy.`, 'SQLITE_BUSY', { hint: 'Wait.' }),
    ],
    [
      'an error of ours that was caused by one that names the file',
      () => new DatabaseError('busy', 'SQLITE_BUSY', { hint: 'Wait.', cause: new Error('private.db') }),
    ],
  ])('says nothing of the connection in an error: %s', async (_, make) => {
    const broken = bridgeOf(() => Promise.reject(make()), join(folder, 'private.db'));
    const tracking = new MigrationTracking(broken, { logger: log });
    for (const work of [
      () => tracking.ensureMigrationsTable(),
      () => tracking.getAppliedMigrations(),
      () => tracking.isPending('001_a.sql'),
      () => tracking.recordMigration('001_a.sql'),
    ]) {
      const error: unknown = await work().catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({
        code: 'DATABASE_ERROR',
        message: expect.stringContaining('connection failed'),
      });
      expect(error).not.toHaveProperty('cause');
      expect(JSON.stringify([error, String(error)])).not.toMatch(/secret|private/);
    }
    expect(JSON.stringify(lines)).not.toMatch(/secret|private/);
  });

  it('says what SQLite said where that names no place', async () => {
    await db.executeScript('CREATE TABLE t (a)');
    await db.close();
    const tracking = new MigrationTracking(db);
    await expect(tracking.isPending('001_a.sql')).rejects.toMatchObject({ code: 'DATABASE_ERROR' });
    db = await sqlite3Driver.open(join(folder, 'private.db'), 'create');
  });
});
