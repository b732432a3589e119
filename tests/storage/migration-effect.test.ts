import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { upgradeConnection, upgradeDatabase, type Migration } from '../../core/index.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import {
  canDoNoHarm,
  effectOf,
  effectOfPlain,
  effectOfTokens,
  makesRules,
  mayAddCheck,
} from '../../core/storage/migration-effect.js';
import { withLegacy } from '../support/legacy-driver.js';
import { migrationsOf } from '../support/migration-values.js';

const migration = (sql: string): Pick<Migration, 'sql' | 'statements' | 'code'> => ({
  sql,
  statements: [{ sql, line: 1 }],
});

describe('the form of a statement', () => {
  it('says of it, where it says anything, what a look at each token says', () => {
    const begin = [
      ...['create table t (', 'CREATE TABLE IF NOT EXISTS t(', 'create table t as', 'create table main.t (a) as', 'create\nview v as'],
      ...['create index i on t', 'create unique index', 'create virtual table t', 'create temp view', 'create view temp.v'],
      ...['alter table t add', 'ALTER TABLE t\nADD COLUMN c', 'alter table "add" rename', 'alter table add drop column', 'alter table t'],
      ...['insert into t', 'insert or replace into t', 'insert /*', 'update t set', 'update or rollback t set', 'delete from t', ''],
    ]; // prettier-ignore
    const word = [
      ...['add', 'rename', 'drop', 'as', 'select', 'references', 'replace', 'on conflict', '(', ')', ',', '.', '"temp"', 'temp', '[temp]'],
      ...["'replace'", 'set', 'values', '-- add\n', '/* as */', 'sqlite_x', 'pragma_y', 'virtual', '\u212A', 'name', '1', '\n'],
    ]; // prettier-ignore
    let told = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(...begin),
        fc.array(fc.constantFrom(...word), { maxLength: 5 }),
        (first, rest) => {
          const sql = [first, ...rest].join(' ');
          const effect = effectOfPlain(sql);
          if (effect === undefined) return;
          told += 1;
          expect(effect).toBe(effectOfTokens(sql));
        },
      ),
      { numRuns: 10_000 },
    );
    expect(told).toBeGreaterThan(1_000);
  });
});

describe('a statement by its words', () => {
  it.each([
    'CREATE TABLE t (a, b REFERENCES u(a))',
    "CREATE TABLE IF NOT EXISTS main.t (a GENERATED ALWAYS AS ('x'))",
    'CREATE INDEX i ON t (a)',
    'CREATE VIEW v AS SELECT * FROM t',
    'CREATE TRIGGER r AFTER INSERT ON t BEGIN DELETE FROM u; END',
    'ALTER TABLE t ADD COLUMN c TEXT NOT NULL DEFAULT 1',
    'CREATE TABLE weather (temp REAL)',
    '/* why */ ALTER TABLE t ADD c',
  ])('adds objects: %s', (sql) => {
    expect(effectOf(migration(sql))).toBe('objects');
  });

  it.each([
    'INSERT INTO t VALUES (1)',
    'INSERT OR IGNORE INTO t SELECT * FROM u',
    'INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 2',
    'CREATE TABLE t AS SELECT 1',
    'CREATE TABLE main.t AS VALUES (1)',
    'CREATE UNIQUE INDEX i ON t (a)',
  ])('adds rows: %s', (sql) => {
    expect(effectOf(migration(sql))).toBe('rows');
  });

  it.each(['UPDATE t SET a = 1', 'UPDATE OR IGNORE t SET a = 1 FROM u RETURNING a'])(
    'changes values: %s',
    (sql) => {
      expect(effectOf(migration(sql))).toBe('values');
    },
  );

  it.each([
    'DELETE FROM t',
    'DROP TABLE t',
    'DROP INDEX i',
    'ALTER TABLE t RENAME TO u',
    'ALTER TABLE t RENAME COLUMN a TO b',
    'ALTER TABLE t DROP COLUMN a',
    'ALTER TABLE t ADD COLUMN c REFERENCES u(a)',
    'INSERT OR REPLACE INTO t VALUES (1)',
    'REPLACE INTO t VALUES (1)',
    "UPDATE OR REPLACE t SET a = 'x'",
    'INSERT OR ROLLBACK INTO t VALUES (1)',
    'INSERT INTO sqlite_sequence VALUES (1, 2)',
    'UPDATE "sqlite_sequence" SET seq = 0',
    'WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x',
    'CREATE TEMP TABLE t (a)',
    'INSERT INTO temp.t VALUES (1)',
    "INSERT INTO 'sqlite_sequence' VALUES (1, 2)",
    "INSERT INTO t SELECT name FROM pragma_table_info('u')",
    'ALTER TABLE t ADD COLUMN c AS (a) VIRTUAL',
    'ALTER TABLE t RENAME TO add',
    'ALTER TABLE t DROP COLUMN add',
    'CREATE TABLE temp.t (a)',
    'CREATE TABLE "Temp" . t AS SELECT 1',
    "CREATE VIEW 'temp'.v AS SELECT 1",
    'CREATE TRIGGER temp.r AFTER INSERT ON t BEGIN DELETE FROM u; END',
    'CREATE UNIQUE INDEX temp.i ON t (a)',
    'CREATE TEMPORARY TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END',
    'CREATE VIRTUAL TABLE t USING fts5(a)',
    'PRAGMA foreign_key_check',
    'COMMIT',
    'ATTACH ? AS x',
    'VACUUM',
    'SELECT 1',
  ])('can do anything: %s', (sql) => {
    expect(effectOf(migration(sql))).toBe('anything');
  });

  it('of a file is what its worst statement can do', () => {
    const [file] = migrationsOf({
      '0001_a.sql': 'CREATE TABLE t (a); INSERT INTO t VALUES (1); DROP TABLE t;',
    });
    expect(file === undefined ? undefined : effectOf(file)).toBe('anything');
  });

  it('of code can be anything', () => {
    const code = { up: () => Promise.resolve(), down: undefined, downDirectives: noDirectives };
    expect(effectOf({ statements: [], code })).toBe('anything');
  });
});

const noDirectives = { noTransaction: false, allowLoss: [], drops: [] };

describe('rows that are added', () => {
  const [rows] = migrationsOf({ '0001_a.sql': 'INSERT INTO t VALUES (1);' });

  it('can do harm where a trigger, a foreign key or ON CONFLICT REPLACE may stand in the schema', () => {
    expect([true, false].map((plain) => rows !== undefined && canDoNoHarm(rows, plain))).toEqual([
      true,
      false,
    ]);
  });

  it('can do harm after a rule that stands in the same file', () => {
    const [file] = migrationsOf({
      '0001_a.sql': 'CREATE TRIGGER r AFTER INSERT ON t BEGIN DELETE FROM u; END; INSERT INTO t VALUES (1);',
    });
    expect(file === undefined ? undefined : canDoNoHarm(file, true)).toBe(false);
  });

  it.each([
    'CREATE TRIGGER r AFTER INSERT ON t BEGIN DELETE FROM u; END',
    'CREATE TABLE u (a REFERENCES t(a))',
    'CREATE TABLE u (a UNIQUE ON CONFLICT REPLACE)',
    'CREATE VIRTUAL TABLE u USING fts5(a)',
  ])('can do harm after %s', (sql) => {
    expect(makesRules(migration(sql))).toBe(true);
  });
});

describe('a loss that comes by a rule of the schema', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'migration-effect-'));
  });

  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  const table = {
    '0001_table.sql': 'CREATE TABLE t (a UNIQUE ON CONFLICT REPLACE, b UNIQUE ON CONFLICT REPLACE);',
  };
  const filler = { '0002_more.sql': 'CREATE TABLE u (a);', '0003_more.sql': 'CREATE TABLE v (a);' };
  const last = { '0009_last.sql': 'CREATE TABLE w (a);' };

  it.each([
    ['a conflict that replaces a row', 'INSERT INTO t VALUES (1, 2);', ''],
    [
      'a trigger of the owner',
      'INSERT INTO t VALUES (3, 3);',
      'CREATE TRIGGER r AFTER INSERT ON t BEGIN DELETE FROM t; END;',
    ],
    [
      'an UPDATE and its trigger',
      'UPDATE t SET a = 3;',
      'CREATE TRIGGER r AFTER UPDATE ON t BEGIN DELETE FROM t; END;',
    ],
  ])('is noticed in the middle of an upgrade: %s', async (_title, sql, rule) => {
    const database = join(folder, 'a.db');
    const options = { database, backup: false as const };
    await upgradeDatabase({ ...options, migrations: migrationsOf(table) });
    await withLegacy(database, (connection) =>
      connection.run(`INSERT INTO t VALUES (1, 1), (2, 2); ${rule}`),
    );
    const files = { ...table, ...filler, '0004_rows.sql': sql, ...last };
    await expect(upgradeDatabase({ ...options, migrations: migrationsOf(files) })).rejects.toMatchObject({
      code: 'ROWS_LOST',
      place: { filename: '0004_rows.sql' },
    });
  });

  it('is noticed where the rule came with a file of the same upgrade', async () => {
    const files = {
      '0001_table.sql': 'CREATE TABLE t (a);',
      '0002_rows.sql': 'INSERT INTO t VALUES (1);',
      '0003_rule.sql': 'CREATE TRIGGER r AFTER INSERT ON t BEGIN DELETE FROM t; END;',
      '0004_rows.sql': 'INSERT INTO t VALUES (2);',
      ...last,
    };
    const upgrade = upgradeDatabase({
      database: join(folder, 'a.db'),
      migrations: migrationsOf(files),
      backup: false,
    });
    await expect(upgrade).rejects.toMatchObject({ code: 'ROWS_LOST', place: { filename: '0004_rows.sql' } });
  });

  it.each([
    [
      'ROWS_LOST',
      'a trigger that stands before the rows',
      'CREATE TRIGGER r AFTER INSERT ON t BEGIN DELETE FROM u; END; INSERT INTO t VALUES (1);',
    ],
    [
      'FOREIGN_KEYS_BROKEN',
      'a key that stands before the rows',
      'CREATE TABLE v (a REFERENCES u(a)); INSERT INTO v VALUES (9);',
    ],
    [
      'LEFT_BEHIND',
      'a temporary trigger',
      'CREATE TRIGGER temp.r AFTER INSERT ON t BEGIN DELETE FROM u; END;',
    ],
  ])('is refused (%s) where it comes with the file itself: %s', async (code, _title, sql) => {
    const database = join(folder, 'a.db');
    const tables = {
      '0001_tables.sql': 'CREATE TABLE t (a); CREATE TABLE u (a PRIMARY KEY); INSERT INTO u VALUES (1);',
    };
    const options = { database, backup: false as const };
    await upgradeDatabase({ ...options, migrations: migrationsOf(tables) });
    const files = { ...tables, '0002_rule.sql': sql, '0003_rows.sql': 'INSERT INTO t VALUES (2);', ...last };
    await expect(upgradeDatabase({ ...options, migrations: migrationsOf(files) })).rejects.toMatchObject({
      code,
      place: { filename: '0002_rule.sql' },
    });
  });

  it('is noticed where a trigger of the caller hangs on the connection alone', async () => {
    const db = await sqlite3Driver.open(':memory:', 'create');
    try {
      const tables = {
        '0001_tables.sql': 'CREATE TABLE t (a); CREATE TABLE u (a); INSERT INTO u VALUES (1);',
      };
      await upgradeConnection(db, { migrations: migrationsOf(tables) });
      await db.executeScript('CREATE TEMP TRIGGER r AFTER INSERT ON t BEGIN DELETE FROM u; END');
      const files = { ...tables, '0002_rows.sql': 'INSERT INTO t VALUES (2);', ...last };
      const upgrade = upgradeConnection(db, { migrations: migrationsOf(files) });
      await expect(upgrade).rejects.toMatchObject({ code: 'LEFT_BEHIND' });
      expect(await db.query('SELECT a FROM u')).toEqual([{ a: 1 }]);
    } finally {
      await db.close();
    }
  });
});

describe('a CHECK', () => {
  it.each([
    ['ALTER TABLE t ADD COLUMN a CHECK (a > 0)', true],
    ["ALTER TABLE t ADD COLUMN a DEFAULT ';' CONSTRAINT c CHECK (a <> '')", true],
    ['CREATE TABLE t (a CHECK (a > 0))', false],
    ['ALTER TABLE t ADD COLUMN a', false],
  ])('may come to rows that are there by %s: %s', (sql, may) => {
    expect(mayAddCheck(migration(sql))).toBe(may);
  });
});
