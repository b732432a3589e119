import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { DatabaseBridge, OpenMode } from '../../core/database/database-bridge.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import { DatabaseError } from '../../core/errors.js';

describe('the bridge to the sqlite3 driver', () => {
  let folder: string;
  let path: string;
  let open: DatabaseBridge[];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sqlite3-bridge-'));
    path = join(folder, 'bridge.db');
    open = [];
  });

  afterEach(async () => {
    await Promise.all(open.map((db) => db.close()));
    await rm(folder, { recursive: true, force: true });
  });

  async function opened(mode: OpenMode, location = path): Promise<DatabaseBridge> {
    const db = await sqlite3Driver.open(location, mode);
    open.push(db);
    return db;
  }

  async function closed(db: DatabaseBridge): Promise<void> {
    open = open.filter((other) => other !== db);
    await db.close();
  }

  test('carries out calls in the order in which they are made, without waiting between them', async () => {
    const db = await opened('create');
    const rounds = Array.from({ length: 100 }, (_, index) => [
      db.execute(`CREATE TABLE t${index} (x)`),
      db.execute(`INSERT INTO t${index} VALUES (?)`, [index]),
      db.executeScript(`UPDATE t${index} SET x = x + 1; UPDATE t${index} SET x = x * 2;`),
      db.query(`SELECT x FROM t${index}`),
    ]);
    const results = await Promise.all(rounds.map((round) => Promise.all(round)));
    expect(results.map((round) => round[3])).toEqual(
      Array.from({ length: 100 }, (_, index) => [{ x: (index + 1) * 2 }]),
    );
  });

  test('says what a statement changed', async () => {
    const db = await opened('create', ':memory:');
    await db.execute('CREATE TABLE t (id INTEGER PRIMARY KEY, x)');
    expect(await db.execute('INSERT INTO t VALUES (7, 1), (9, 2)')).toEqual({
      changes: 2,
      lastInsertRowid: 9,
    });
    expect(await db.execute('UPDATE t SET x = 3 WHERE id = ?', [7])).toMatchObject({ changes: 1 });
    expect(await db.execute('DELETE FROM t WHERE id = ?', [8])).toMatchObject({ changes: 0 });
  });

  test('gives back every kind of value as it was stored', async () => {
    const db = await opened('create');
    const text = 'zwölf Boxkämpfer 🥊 \u{10FFFF} e\u0301 \u202e rtl\u0000after NUL\r\n';
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
    await db.execute('CREATE TABLE t (a, b, c, d, e, f)');
    await db.execute('INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)', [text, bytes, null, -5, 0.1, '']);
    const [row] = await db.query('SELECT *, typeof(b) AS kind FROM t');
    expect(row).toMatchObject({ a: text, c: null, d: -5, e: 0.1, f: '', kind: 'blob' });
    expect(ArrayBuffer.isView(row?.b)).toBe(true);
    expect(Array.from(Object.values(row?.b ?? {}))).toEqual(Array.from(bytes));
  });

  test('stores a text of 20 MB and gives it back', async () => {
    const db = await opened('create');
    const text = 'ä'.repeat(10_000_000);
    await db.execute('CREATE TABLE t (x)');
    await db.execute('INSERT INTO t VALUES (?)', [text]);
    expect((await db.query('SELECT x FROM t'))[0]?.x === text).toBe(true);
  });

  test('carries out one statement by execute and all by executeScript', async () => {
    const db = await opened('create', ':memory:');
    await db.execute('CREATE TABLE one (x); CREATE TABLE two (x)');
    expect(await db.query('SELECT name FROM sqlite_schema')).toEqual([{ name: 'one' }]);
    await db.executeScript(
      "CREATE TABLE two (x); INSERT INTO two VALUES ('a;b'); INSERT INTO two VALUES (2);",
    );
    expect(await db.query('SELECT x FROM two')).toEqual([{ x: 'a;b' }, { x: 2 }]);
  });

  test('keeps what a script did before the statement that failed', async () => {
    const db = await opened('create', ':memory:');
    const script = 'CREATE TABLE one (x); INSERT INTO nowhere VALUES (1); CREATE TABLE two (x);';
    await expect(db.executeScript(script)).rejects.toMatchObject({ sqliteCode: 'SQLITE_ERROR' });
    expect(await db.query('SELECT name FROM sqlite_schema')).toEqual([{ name: 'one' }]);
  });

  test.each([
    ['SQLITE_ERROR', 'SELECT * FROM nowhere', 'no such table: nowhere'],
    ['SQLITE_CONSTRAINT', 'INSERT INTO t VALUES (1)', 'UNIQUE constraint failed: t.x'],
    ['SQLITE_MISMATCH', "INSERT INTO t VALUES ('text')", 'datatype mismatch'],
  ])('gives %s with a sentence and a hint, from every verb', async (code, sql, message) => {
    const db = await opened('create', ':memory:');
    await db.executeScript('CREATE TABLE t (x INTEGER PRIMARY KEY); INSERT INTO t VALUES (1);');
    for (const attempt of [db.execute(sql), db.query(sql), db.executeScript(sql)]) {
      const error: unknown = await attempt.catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(DatabaseError);
      expect(error).toMatchObject({ code: 'DATABASE_ERROR', sqliteCode: code, message });
      expect(error).toHaveProperty('hint', expect.stringMatching(/\.$/));
      expect(error).toHaveProperty('cause.message', `${code}: ${message}`);
    }
  });

  test('says SQLITE_BUSY where another connection writes', async () => {
    const holder = await opened('create');
    await holder.execute('CREATE TABLE t (x)');
    await holder.execute('BEGIN IMMEDIATE');
    const other = await opened('read-write');
    await other.query('PRAGMA busy_timeout = 0');
    await expect(other.execute('BEGIN IMMEDIATE')).rejects.toMatchObject({ sqliteCode: 'SQLITE_BUSY' });
  });

  test.each(['read-only', 'read-write'] as const)(
    'does not make a file that is missing: %s',
    async (mode) => {
      await expect(sqlite3Driver.open(path, mode)).rejects.toMatchObject({ sqliteCode: 'SQLITE_CANTOPEN' });
      expect(await readdir(folder)).toEqual([]);
    },
  );

  test('says SQLITE_NOTADB of a file that is no database', async () => {
    await writeFile(
      path,
      'not a database, but long enough to be taken for the head of one, and so read as one at all...',
    );
    const db = await opened('read-only');
    await expect(db.query('SELECT * FROM sqlite_schema')).rejects.toMatchObject({
      sqliteCode: 'SQLITE_NOTADB',
    });
  });

  test.each(['wal', 'delete'])(
    'changes no byte of a database in %s mode that is read only',
    async (journal) => {
      const writer = await opened('create');
      await writer.query(`PRAGMA journal_mode = ${journal}`);
      await writer.executeScript('CREATE TABLE t (x); INSERT INTO t VALUES (1);');
      await closed(writer);
      const before = await readFile(path);
      const reader = await opened('read-only');
      expect(await reader.query('SELECT x FROM t')).toEqual([{ x: 1 }]);
      await expect(reader.execute('INSERT INTO t VALUES (2)')).rejects.toMatchObject({
        sqliteCode: 'SQLITE_READONLY',
      });
      await closed(reader);
      expect((await readFile(path)).equals(before)).toBe(true);
    },
  );

  test('interrupts the statement that is running, and is usable afterwards', async () => {
    const db = await opened('create', ':memory:');
    const endless = db.query(
      'WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n',
    );
    const interrupted = expect(endless).rejects.toMatchObject({ sqliteCode: 'SQLITE_INTERRUPT' });
    // The statement starts on another thread: it is asked to stop until it did.
    const asking = setInterval(() => {
      db.interrupt();
    }, 1);
    await interrupted.finally(() => {
      clearInterval(asking);
    });
    expect(await db.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  test('does nothing by an interrupt where no statement is running', async () => {
    const db = await opened('create', ':memory:');
    db.interrupt();
    expect(await db.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  test('waits with closing for what was asked before, and refuses what is asked after', async () => {
    const db = await opened('create');
    const writing = db.executeScript('CREATE TABLE t (x); INSERT INTO t VALUES (1);');
    await closed(db);
    await writing;
    await expect(db.query('SELECT 1')).rejects.toMatchObject({ sqliteCode: 'SQLITE_MISUSE' });
    expect(await (await opened('read-only')).query('SELECT x FROM t')).toEqual([{ x: 1 }]);
  });

  test('gives its locks back when it closes in a transaction', async () => {
    const first = await opened('create');
    await first.execute('CREATE TABLE t (x)');
    await first.execute('BEGIN IMMEDIATE');
    await first.execute('INSERT INTO t VALUES (1)');
    await closed(first);
    const second = await opened('read-write');
    await second.execute('BEGIN IMMEDIATE');
    expect(await second.query('SELECT * FROM t')).toEqual([]);
  });
});
