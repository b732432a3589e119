import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

import type { DatabaseBridge } from '../../core/database/database-bridge.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import { check, expectRefusal, refusalOf, titled, type ScriptFault } from '../support/script-faults.js';

describe('a migration file', () => {
  test.each([
    'CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; SELECT CASE 1 WHEN 1 THEN 2 END; END',
    "INSERT INTO t VALUES ('BEGIN; COMMIT; ? :a $b /* -- \"')",
    'CREATE TABLE "commit"("begin", [end], `pragma`)',
    'CREATE TABLE a(b REFERENCES c ON UPDATE CASCADE ON DELETE CASCADE)',
    'CREATE TEMP TABLE x AS SELECT 1',
    'INSERT INTO t SELECT version FROM schema_migrations',
    'UPDATE t SET a = (SELECT max(version) FROM schema_migrations)',
    'DELETE FROM t WHERE a IN (SELECT version FROM schema_migrations)',
    'SELECT * FROM t JOIN schema_migrations ON schema_migrations.version = t.a',
    'CREATE VIEW v AS SELECT * FROM schema_migrations',
    'CREATE VIEW v AS SELECT * FROM t JOIN u ON schema_migrations = 1',
    'ALTER TABLE t RENAME COLUMN a TO schema_migrations',
    "UPDATE sqlite_sequence SET seq = 9 WHERE name = 't'",
    'SELECT name FROM sqlite_schema',
    'SELECT load_extension FROM t',
    "SELECT 'load_extension(', 'pragma_optimize'",
    'ANALYZE',
    'REINDEX t',
    'PRAGMA table_info(t)',
    'PRAGMA main.foreign_key_check',
    'PRAGMA "integrity_check"(10)',
    "SELECT * FROM pragma_table_info('t')",
    'INSERT INTO t(a) VALUES (1) ON CONFLICT DO UPDATE SET a = 2',
  ])('may hold %s', (sql) => {
    expect(check(sql)).toEqual([{ sql, line: 1 }]);
  });

  const one = 'SELECT 1;\n';
  const code = 'BAD_DIRECTIVE';
  const faults: readonly ScriptFault[] = [
    // transactions and other databases
    {
      sql: `${one}BEGIN;`,
      line: 2,
      reason: /BEGIN would start/,
      hint: /Delete the lines with BEGIN and COMMIT/,
    },
    {
      sql: `${one}begin immediate`,
      line: 2,
      reason: /BEGIN would/,
      hint: /Delete the lines with BEGIN and COMMIT/,
    },
    {
      sql: `${one}COMMIT`,
      line: 2,
      reason: /COMMIT would end/,
      hint: /Delete the lines with BEGIN and COMMIT/,
    },
    { sql: `${one}END TRANSACTION`, line: 2, reason: /END would end/, hint: /misspelt/ },
    { sql: `${one}ROLLBACK TO a`, line: 2, reason: /ROLLBACK would end/, hint: /whole or not at all/ },
    { sql: `${one}SAVEPOINT a`, line: 2, reason: /SAVEPOINT/, hint: /whole or not at all/ },
    { sql: `${one}RELEASE a`, line: 2, reason: /RELEASE/, hint: /whole or not at all/ },
    { sql: `${one}/* x */ ATTACH 'a' AS b`, line: 2, reason: /ATTACH would open/, hint: /in your program/ },
    { sql: `${one}DETACH b`, line: 2, reason: /DETACH/, hint: /in your program/ },
    { sql: `${one}EXPLAIN PRAGMA user_version = 3`, line: 2, reason: /EXPLAIN/, hint: /Delete the word/ },
    { sql: `${one}VACUUM`, line: 2, reason: /VACUUM cannot/, hint: /-- migration: no-transaction/ },
    { sql: `${one}VACUUM INTO 'a'`, line: 2, reason: /another database file/, hint: /backup/ },
    {
      sql: "VACUUM main INTO 'a'",
      line: 1,
      noTransaction: true,
      reason: /another database file/,
      hint: /backup/,
    },
    // pragmas
    {
      sql: `${one}PRAGMA foreign_keys = OFF`,
      line: 2,
      reason: /foreign_keys does nothing/,
      hint: /not enforced/,
    },
    { sql: `${one}PRAGMA foreign_keys`, line: 2, reason: /foreign_keys does nothing/, hint: /not enforced/ },
    {
      sql: `${one}pragma main."Foreign_Keys"(0)`,
      line: 2,
      reason: /foreign_keys does nothing/,
      hint: /not enforced/,
    },
    { sql: `PRAGMA defer_foreign_keys = 1`, line: 1, reason: /not enforced/, hint: /checked/ },
    { sql: `PRAGMA legacy_alter_table = ON`, line: 1, reason: /RENAME/, hint: /views and triggers/ },
    { sql: `PRAGMA writable_schema = 1`, line: 1, reason: /damage the schema/, hint: /rebuild the table/ },
    { sql: `PRAGMA user_version = 3`, line: 1, reason: /version/, hint: /written for you/ },
    { sql: `PRAGMA journal_mode = WAL`, line: 1, reason: /inside the transaction/, hint: /no-transaction/ },
    { sql: `PRAGMA auto_vacuum = 2`, line: 1, reason: /VACUUM on the same connection/, hint: /your program/ },
    {
      sql: `PRAGMA page_size = 4096`,
      line: 1,
      reason: /VACUUM on the same connection/,
      hint: /your program/,
    },
    { sql: `PRAGMA 'query_only' = 1`, line: 1, reason: /query_only is of no use/, hint: /table_info/ },
    { sql: `PRAGMA optimize`, line: 1, reason: /optimize is of no use/, hint: /table_info/ },
    { sql: `PRAGMA constructor`, line: 1, reason: /constructor is of no use/, hint: /table_info/ },
    { sql: `SELECT * FROM pragma_optimize`, line: 1, reason: /writes/, hint: /ANALYZE/ },
    { sql: `SELECT "Load_Extension" ('a')`, line: 1, reason: /run code/, hint: /opens the database/ },
    // the history
    ...[
      'INSERT INTO schema_migrations VALUES (1)',
      'INSERT OR IGNORE INTO main."Schema_Migrations" VALUES (1)',
      "REPLACE INTO 'schema_migrations' VALUES (1)",
      'WITH a AS (SELECT 1) INSERT INTO [schema_migrations] SELECT * FROM a',
    ].map((sql) => ({
      sql: `${one}${sql}`,
      line: 2,
      reason: /write a row into .*, the history/,
      hint: /Delete the statement: the row of this file is written for you/,
    })),
    ...[
      'UPDATE schema_migrations SET version = 1',
      'UPDATE OR IGNORE main.schema_migrations SET version = 1',
      'DELETE FROM schema_migrations',
      'CREATE TABLE IF NOT EXISTS schema_migrations (version)',
      'CREATE TEMP TABLE schema_migrations (version)',
      'CREATE TEMPORARY TABLE schema_migrations (version)',
      'CREATE VIEW schema_migrations AS SELECT 1',
      'CREATE VIRTUAL TABLE schema_migrations USING fts5(a)',
      'CREATE UNIQUE INDEX i ON schema_migrations(name)',
      'CREATE INDEX schema_migrations ON t(a)',
      'CREATE TRIGGER r AFTER UPDATE OF a ON schema_migrations BEGIN SELECT 1; END',
      'CREATE TRIGGER r AFTER UPDATE ON t BEGIN DELETE FROM schema_migrations; END',
      'DROP TABLE schema_migrations',
      'DROP TABLE IF EXISTS main.schema_migrations',
      'ALTER TABLE schema_migrations ADD COLUMN a',
      'ALTER TABLE t RENAME TO schema_migrations',
    ].map((sql) => ({
      sql: `${one}${sql}`,
      line: 2,
      reason: /change schema_migrations, the history/,
      hint: /itself creates and keeps this table/,
    })),
    ...[
      'sqlite_schema',
      'sqlite_master',
      '"SQLITE_MASTER"',
      'temp.sqlite_temp_master',
      'sqlite_temp_schema',
    ].map((name) => ({
      sql: `${one}UPDATE ${name} SET sql = ''`,
      line: 2,
      reason: /in which SQLite keeps the schema/,
      hint: /CREATE, ALTER and DROP/,
    })),
    // outside of a transaction
    { sql: 'VACUUM;\nVACUUM', line: 2, code, noTransaction: true, reason: /holds 2 statements/, hint: /file of its own/ }, // prettier-ignore
    { sql: 'CREATE TABLE a(b)', line: 1, code, noTransaction: true, reason: /holds CREATE; expected VACUUM/, hint: /Delete the line/ }, // prettier-ignore
    { sql: 'PRAGMA table_info(t)', line: 1, code, noTransaction: true, reason: /holds PRAGMA/, hint: /Delete the line/ }, // prettier-ignore
    { sql: 'COMMIT', line: 1, noTransaction: true, reason: /COMMIT would end/, hint: /Delete the lines/ },
    { sql: 'PRAGMA foreign_keys = 1', line: 1, noTransaction: true, reason: /foreign_keys/, hint: /Delete/ },
    ...['PRAGMA journal_mode', 'PRAGMA journal_mode = OFF', 'PRAGMA "delete".journal_mode(memory)'].map(
      (sql) => ({
        sql,
        line: 1,
        noTransaction: true,
        reason: /not kept in the database/,
        hint: /WAL or PRAGMA journal_mode = DELETE/,
      }),
    ),
  ];

  test.each(faults.map(titled))('may not hold %s', (_title, fault) => {
    expectRefusal(fault);
  });

  test.each(['VACUUM', 'VACUUM main', 'PRAGMA journal_mode = WAL', "PRAGMA main.journal_mode('delete')"])(
    'may hold %s outside of a transaction',
    (sql) => {
      expect(check(sql, true)).toEqual([{ sql, line: 1 }]);
    },
  );

  test('guards the history under the name that it has', () => {
    expect(refusalOf('DELETE FROM history', false, 'History').message).toContain(
      'history of applied migrations',
    );
    expect(check('DELETE FROM schema_migrations', false, 'history')).toHaveLength(1);
  });
});

describe('the pragmas that a file may use', () => {
  let database: DatabaseBridge;

  beforeAll(async () => {
    database = await sqlite3Driver.open(':memory:', 'create');
    await database.executeScript(
      'CREATE TABLE t(a PRIMARY KEY REFERENCES t(a)); CREATE INDEX i ON t(a); INSERT INTO t VALUES (1)',
    );
  });

  afterAll(async () => {
    await database.close();
  });

  async function settings(): Promise<unknown[]> {
    const names = await database.query('SELECT name FROM pragma_pragma_list ORDER BY name');
    const values: unknown[] = [];
    for (const { name } of names) {
      // These do something even without a value; a temp schema may come into being by looking for a table in it.
      if (/checkpoint|vacuum$|optimize|shrink_memory|case_sensitive_like|database_list/.test(String(name)))
        continue;
      values.push(name, await database.query(`PRAGMA ${String(name)}`));
    }
    values.push(
      await database.query('SELECT total_changes(), (SELECT group_concat(sql) FROM sqlite_schema)'),
    );
    return values;
  }

  const allowed = refusalOf('PRAGMA optimize')
    .hint.replace(/^.*A file may use |\.$/g, '')
    .split(', ');

  test('are those that only read, whatever their argument', async () => {
    expect(allowed).toHaveLength(10);
    const before = await settings();
    for (const name of allowed) {
      for (const form of [name, `main.${name}`, `${name}(t)`, `${name} = i`, `${name} = 1`, `${name}(ON)`]) {
        expect(check(`PRAGMA ${form}`)).toHaveLength(1);
        await database.query(`PRAGMA ${form}`).catch(() => []);
      }
    }
    expect(await settings()).toEqual(before);
  });
});
