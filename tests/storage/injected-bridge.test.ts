import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import BetterSqlite3 from 'better-sqlite3';

import {
  asBridge,
  MigrationService,
  MigrationTracking,
  openStorage,
  upgradeConnection,
  type InjectedBridge,
} from '../../core/index.js';
import { migrationsOf } from '../support/migration-values.js';
import { untyped } from '../support/untyped.js';

let database: BetterSqlite3.Database;

/** As one writes it who knows nothing of this package. */
const plain: InjectedBridge = {
  execute: (sql, parameters = []) =>
    new Promise((resolve) => {
      const statement = database.prepare(sql);
      if (statement.reader) statement.all(...parameters);
      else statement.run(...parameters);
      resolve(undefined);
    }),
  query: (sql, parameters = []) =>
    new Promise((resolve) => {
      const rows: unknown[] = database.prepare(sql).all(...parameters);
      resolve(rows.filter((row) => typeof row === 'object' && row !== null).map((row) => ({ ...row })));
    }),
};

const first = { '0001_notes.sql': 'CREATE TABLE notes (a INTEGER); INSERT INTO notes VALUES (1), (2);' };

beforeEach(() => {
  database = new BetterSqlite3(':memory:');
});

afterEach(() => {
  database.close();
});

describe('a bridge of two verbs over better-sqlite3', () => {
  it('is upgraded, and a file that fails is rolled back', async () => {
    const driver = 'better-sqlite3';
    const done = await upgradeConnection(plain, { migrations: migrationsOf(first), driver });
    expect(done).toMatchObject({ version: 1, database: '(injected)' });
    const bad = {
      ...first,
      '0002_bad.sql': 'INSERT INTO notes VALUES (3);\nINSERT INTO nowhere VALUES (1);',
    };
    await expect(upgradeConnection(plain, { migrations: migrationsOf(bad), driver })).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      message: expect.stringContaining('statement 2, line 2: no such table: nowhere'),
    });
    expect(database.prepare('SELECT count(*) FROM notes').pluck().get()).toBe(2);
  });

  it.each(['ON', 'OFF'])('is guarded, whether LIKE tells letters apart or not (%s)', async (tells) => {
    const driver = 'better-sqlite3';
    const files = {
      '0001_t.sql': 'CREATE TABLE t (a UNIQUE ON CONFLICT REPLACE, b UNIQUE ON CONFLICT REPLACE);',
    };
    await upgradeConnection(plain, { migrations: migrationsOf(files), driver });
    database.exec(`PRAGMA case_sensitive_like = ${tells}; INSERT INTO t VALUES (1, 1), (2, 2)`);
    const replacing = { ...files, '0002_row.sql': 'INSERT INTO t VALUES (1, 2);' };
    const refused = upgradeConnection(plain, { migrations: migrationsOf(replacing), driver });
    await expect(refused).rejects.toMatchObject({ code: 'ROWS_LOST' });
    expect(database.prepare('SELECT count(*) FROM t').pluck().get()).toBe(2);
  });

  it('keeps account', async () => {
    const tracking = new MigrationTracking(plain);
    await tracking.ensureMigrationsTable();
    await tracking.recordMigrations([{ filename: '001_a.sql' }, { filename: '002_b.sql' }]);
    expect(await tracking.isPending('002_b.sql')).toBe(false);
    expect((await tracking.getAppliedMigrations()).map(({ filename }) => filename)).toEqual([
      '001_a.sql',
      '002_b.sql',
    ]);
  });

  it('carries a storage', async () => {
    const storage = await openStorage({ database: asBridge(plain), driver: 'better-sqlite3' });
    await storage.worlds.save({ id: 'w', name: 'World' });
    await storage.agents.save({
      id: 'a',
      worldId: 'w',
      name: 'Agent',
      type: 'chat',
      provider: 'p',
      model: 'm',
    });
    await storage.events.append({ worldId: 'w', chatId: null, type: 'said', payload: {} });
    expect(await storage.events.list('w', null, { fromSeq: 1 })).toHaveLength(1);
    expect(await storage.archives.archive('w', 'a')).toMatchObject({ messageCount: 0 });
    expect(await storage.worlds.delete('w')).toBe(true);
    await storage.close();
  });

  it('is refused by name where its numbers are BigInts', async () => {
    database.defaultSafeIntegers(true);
    await expect(
      upgradeConnection(plain, { migrations: migrationsOf(first), driver: 'better-sqlite3' }),
    ).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringMatching(/as a BigInt, and numbers must be numbers/),
    });
  });

  it('has its failures named by their primary codes', async () => {
    await expect(asBridge(plain).query('SELECT * FROM nowhere')).rejects.toMatchObject({
      name: 'DatabaseError',
      code: 'DATABASE_ERROR',
      sqliteCode: 'SQLITE_ERROR',
      message: expect.stringContaining('no such table: nowhere'),
    });
    database.exec('CREATE TABLE t (a UNIQUE); INSERT INTO t VALUES (1)');
    await expect(asBridge(plain).execute('INSERT INTO t VALUES (1)')).rejects.toMatchObject({
      sqliteCode: 'SQLITE_CONSTRAINT',
    });
  });
});

describe('a bridge that lacks a verb', () => {
  it.each([
    ['query', 'The connection has no method query.'],
    ['execute', 'The connection has no method execute.'],
  ])('is refused, and the verb named: %s', async (verb, message) => {
    const given = untyped(plain, { [verb]: undefined });
    const refused = { code: 'BAD_OPTION', message };
    expect(() => new MigrationTracking(given)).toThrow(expect.objectContaining(refused));
    expect(() => new MigrationService(given, 'migrations')).toThrow(expect.objectContaining(refused));
    await expect(upgradeConnection(given, { migrations: [] })).rejects.toMatchObject(refused);
  });
});
