import { describe, expect, it } from '@jest/globals';

import { compareDigests, digestTables, type TableDigest } from '../../core/storage/table-digest.js';
import { historyTable } from '../support/history-table.js';
import { withDatabase } from '../support/memory-database.js';

const digests = (script: string): Promise<Map<string, TableDigest>> =>
  withDatabase(script, (db) => digestTables(db, historyTable));

/** How what one script makes differs from what another does, as sentences. */
async function differences(before: string, after: string): Promise<string[]> {
  return compareDigests(await digests(before), await digests(after)).map(({ sentence }) => sentence);
}

const fill = (count: number, value = 'i'): string =>
  `INSERT INTO t SELECT ${value} FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ${count}) SELECT i FROM n);`;

describe('the digest of a table', () => {
  it('is the same for the same rows, whatever the order of the columns and the names of tables and columns', async () => {
    const one = "CREATE TABLE Notes (a TEXT, B); INSERT INTO Notes (a, b) VALUES ('x', 1), (NULL, 2.5);";
    const two = "CREATE TABLE notes (b, A TEXT); INSERT INTO notes (a, b) VALUES ('x', 1), (NULL, 2.5);";
    expect(await differences(one, two)).toEqual([]);
  });

  it.each([
    ['1', '2'],
    ['1', "'1'"],
    ['1', '1.0'],
    ["'1'", "x'31'"],
    ['NULL', "''"],
    ["''", "x''"],
    ["'a'", "'A'"],
    ["'a'", "'a '"],
    ["'a'", "'a' || char(0)"],
    ["'a' || char(0) || 'b'", "'a' || char(0) || 'c'"],
    ["CAST(x'FF' AS TEXT)", "CAST(x'FE' AS TEXT)"],
    ['9223372036854775807', '9223372036854775806'],
    ['9007199254740992', '9007199254740993'],
    ['0.1', '0.1 + 2e-17'],
    ['9e999', '-9e999'],
    ["'é'", "'e' || char(769)"],
    ["printf('%.*c', 20000, 'a')", "printf('%.*c', 19999, 'a') || 'b'"],
    ["printf('%.*c', 20000, 'a')", "CAST(printf('%.*c', 20000, 'a') AS BLOB)"],
    ['zeroblob(700000)', "zeroblob(699999) || x'01'"],
    ["printf('%.*c', 16384, 'a')", "printf('%.*c', 16385, 'a')"],
  ])('tells %s from %s', async (one, two) => {
    const table = (value: string): string => `CREATE TABLE t (v); INSERT INTO t VALUES (${value});`;
    expect(await differences(table(one), table(two))).toEqual(['the rows of t differ in v']);
    expect(await differences(table(one), table(one))).toEqual([]);
  });

  it('names the columns whose values differ, and depends on the order of the rows', async () => {
    const before = 'CREATE TABLE t (a, b, c); INSERT INTO t VALUES (1, 2, 3), (4, 5, 6);';
    expect(await differences(before, before.replace('5', '7').replace('6', '8'))).toEqual([
      'the rows of t differ in b, c',
    ]);
    expect(
      await differences(before, 'CREATE TABLE t (a, b, c); INSERT INTO t VALUES (4, 5, 6), (1, 2, 3);'),
    ).toEqual(['the rows of t differ in a, b, c']);
  });

  it('does not let a value run over into the next', async () => {
    const table = (one: string, two: string): string =>
      `CREATE TABLE t (v); INSERT INTO t VALUES ('${one}'), ('${two}');`;
    expect(await differences(table('ab', 'c'), table('a', 'bc'))).toEqual(['the rows of t differ in v']);
    const long = 'x'.repeat(20_000);
    expect(await differences(table(`${long}a`, long), table(long, `a${long}`))).toEqual([
      'the rows of t differ in v',
    ]);
  });

  it('tells tables that came, went, grew and shrank', async () => {
    expect(
      await differences(
        'CREATE TABLE gone (a); INSERT INTO gone VALUES (1); CREATE TABLE t (a); INSERT INTO t VALUES (1), (2);',
        'CREATE TABLE here (a); CREATE TABLE t (a); INSERT INTO t VALUES (1);',
      ),
    ).toEqual([
      'table gone is gone, with 1 row',
      'table here is new, with 0 rows',
      'table t has 1 row instead of 2',
    ]);
  });

  it('leaves the history and the tables of SQLite out', async () => {
    const script =
      'CREATE TABLE schema_migrations (a); CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT); ANALYZE;';
    expect([...(await digests(script)).keys()]).toEqual(['t']);
  });

  it.each([
    ['a rowid', 'CREATE TABLE t (v);'],
    ['a rowid under another name', 'CREATE TABLE t (v, rowid, _rowid_);'],
    ['no rowid that can be named', 'CREATE TABLE t (v, rowid, _rowid_, oid);'],
    ['a key of its own', 'CREATE TABLE t (v PRIMARY KEY) WITHOUT ROWID;'],
    ['a key in descending order', 'CREATE TABLE t (v INTEGER, PRIMARY KEY (v DESC)) WITHOUT ROWID;'],
  ])('reads every row of a table with %s, page by page', async (_title, create) => {
    for (const count of [0, 1, 199, 200, 201, 1001]) {
      const columns = create.includes('rowid,') || create.includes('rowid_') ? 't (v)' : 't';
      const script = create + fill(count).replace('INTO t', `INTO ${columns}`);
      expect((await digests(script)).get('t')?.rows).toBe(count);
      if (count === 0) continue;
      const changed = `${script} UPDATE t SET v = -1 WHERE v = ${count};`;
      expect(await differences(script, changed)).toEqual(['the rows of t differ in v']);
    }
  });

  it('reads every row of a table whose key is of several values of every kind', async () => {
    const keys = [
      '-9223372036854775808',
      '9223372036854775807',
      '0.1',
      "''",
      "'it''s'",
      "'5'",
      '5',
      "'a' || char(0) || 'b'",
      "x''",
      "x'00'",
      "CAST(x'FF' AS TEXT)",
    ];
    const script = `CREATE TABLE t (a, b TEXT COLLATE NOCASE, v, PRIMARY KEY (b, a)) WITHOUT ROWID;
      ${keys.map((key) => fill(60, `${key}, 'k' || (i / 7), i`).replace('INTO t', 'OR REPLACE INTO t')).join('\n')}`;
    const { rows } = (await digests(script)).get('t') ?? { rows: 0 };
    const [counted] = await withDatabase(script, (db) => db.query('SELECT count(*) AS rows FROM t'));
    expect(rows).toBe(counted?.rows);
    expect(rows).toBeGreaterThan(90);
  });

  it('reads what is in a virtual table, and passes over one whose module is not here', async () => {
    const script = "CREATE VIRTUAL TABLE f USING fts5(body); INSERT INTO f VALUES ('one'), ('two');";
    expect(await differences(script, script.replace('two', 'six'))).toEqual(['the rows of f differ in body']);
    const unknown = `PRAGMA writable_schema = ON;
      INSERT INTO sqlite_schema VALUES ('table', 'strange', 'strange', 0, 'CREATE VIRTUAL TABLE strange USING nowhere(a)');`;
    expect([...(await digests(`CREATE TABLE t (a); ${unknown}`)).keys()]).toEqual(['t']);
  });

  it('reads generated columns, and names that need quotes', async () => {
    const script = (factor: number): string =>
      `CREATE TABLE "my ""table""" ("a b" INTEGER, twice GENERATED ALWAYS AS ("a b" * ${factor})); INSERT INTO "my ""table""" VALUES (1);`;
    expect(await differences(script(2), script(3))).toEqual(['the rows of my "table" differ in twice']);
  });
});
