import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { LocalBridge, OpenMode, SqlValue } from '../../core/database/database-bridge.js';
import { codeOf } from '../../core/database/driver-errors.js';
import { DatabaseError } from '../../core/errors.js';
import { drivers } from '../support/drivers.js';

describe.each(drivers)('the bridge to $name', (driver) => {
  let folder: string;
  let path: string;
  let open: LocalBridge[];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bridge-'));
    path = join(folder, 'bridge.db');
    open = [];
  });

  afterEach(async () => {
    await Promise.all(open.map((db) => db.close()));
    await rm(folder, { recursive: true, force: true });
  });

  async function opened(mode: OpenMode, location = path): Promise<LocalBridge> {
    const db = await driver.open(location, mode);
    open.push(db);
    return db;
  }

  async function closed(db: LocalBridge): Promise<void> {
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
    await db.execute('CREATE TABLE one (x);');
    await Promise.allSettled([
      db.execute('DELETE FROM one; CREATE TABLE two (x)'),
      db.query('SELECT * FROM one; CREATE TABLE two (x)'),
    ]);
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
      expect(error).toHaveProperty('cause.message', expect.stringContaining(message));
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
      await expect(driver.open(path, mode)).rejects.toMatchObject({ sqliteCode: 'SQLITE_CANTOPEN' });
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

  test('interrupts work on a database, and is usable afterwards', async () => {
    const db = await opened('create', ':memory:');
    const endless = async (): Promise<void> => {
      // Short enough for a driver that can be interrupted between statements only.
      for (;;)
        await db.query(
          'WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 10000) SELECT max(x) FROM n',
        );
    };
    const interrupted = expect(endless()).rejects.toMatchObject({
      sqliteCode: 'SQLITE_INTERRUPT',
      message: 'interrupted',
    });
    // It may fall between two statements: they are asked to stop until one did.
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

  test('does nothing by an interrupt once it is closed', async () => {
    const db = await opened('create', ':memory:');
    await closed(db);
    expect(() => {
      db.interrupt();
    }).not.toThrow();
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

  test('leaves foreign keys alone until they are switched on, and waits five seconds for locks', async () => {
    const db = await opened('create');
    expect(await db.query('PRAGMA foreign_keys')).toEqual([{ foreign_keys: 0 }]);
    expect(await db.query('PRAGMA busy_timeout')).toEqual([{ timeout: 5000 }]);
    await db.executeScript('PRAGMA busy_timeout = 40; PRAGMA foreign_keys = ON;');
    expect(await db.query('PRAGMA busy_timeout')).toEqual([{ timeout: 40 }]);
    await db.execute('PRAGMA busy_timeout = 70');
    expect(await db.query('PRAGMA busy_timeout')).toEqual([{ timeout: 70 }]);
    expect(await db.query('PRAGMA foreign_keys')).toEqual([{ foreign_keys: 1 }]);
  });

  test('binds values by position, and numbers as SQLite would write them', async () => {
    const db = await opened('create', ':memory:');
    const [row] = await db.query('SELECT ?2 AS b, ?1 AS a, ?1 AS again, typeof(?2) AS kind', ['x', 5]);
    expect(row).toEqual({ a: 'x', again: 'x', b: 5, kind: 'integer' });
    const mixed = await db.query('SELECT ?1 AS a, ?2 AS b, ? AS c, ?1 AS again, ? AS d', [1, 2, 3, 4]);
    expect(mixed).toEqual([{ a: 1, b: 2, c: 3, again: 1, d: 4 }]);
    await db.execute('CREATE TABLE t (x TEXT)');
    const values = [0, -0, 1, -7, 2147483647, -2147483648, 0.5, 1e300];
    for (const value of values) await db.execute('INSERT INTO t VALUES (?)', [value]);
    expect((await db.query('SELECT x FROM t')).map(({ x }) => x)).toEqual([
      '0',
      '0',
      '1',
      '-7',
      '2147483647',
      '-2147483648',
      '0.5',
      '1.0e+300',
    ]);
    const [empty] = await db.query('SELECT typeof(?) AS kind', [new Uint8Array(0)]);
    expect(empty).toEqual({ kind: 'blob' });
  });

  test('binds what has no type in SQLite as numbers and NULL', async () => {
    const db = await opened('create', ':memory:');
    const values: SqlValue[] = ['', '', ''];
    // What a caller without types could give.
    Object.assign(values, [true, false, undefined]);
    const [row] = await db.query('SELECT ? AS a, ? AS b, ? AS c', values);
    expect(row).toEqual({ a: 1, b: 0, c: null });
  });

  test('refuses more values than a statement has parameters, and carries nothing out', async () => {
    const db = await opened('create', ':memory:');
    await db.execute('CREATE TABLE t (x)');
    for (const sql of ['INSERT INTO t VALUES (1)', 'INSERT INTO t VALUES (?)', 'INSERT INTO t VALUES (?1)'])
      await expect(db.execute(sql, [1, 2])).rejects.toMatchObject({ sqliteCode: 'SQLITE_RANGE' });
    expect(await db.query('SELECT * FROM t')).toEqual([]);
  });

  test('gives integers beyond 2^53 rounded, and keeps them exact in SQL', async () => {
    const db = await opened('create', ':memory:');
    await db.executeScript('CREATE TABLE t (x); INSERT INTO t VALUES (9007199254740993);');
    expect(await db.query('SELECT x, CAST(x AS TEXT) AS text FROM t')).toEqual([
      { x: 9007199254740992, text: '9007199254740993' },
    ]);
  });

  test('takes statements that return rows and such that return none, from every verb', async () => {
    const db = await opened('create', ':memory:');
    await db.execute('CREATE TABLE t (id INTEGER PRIMARY KEY, x)');
    await db.execute('INSERT INTO t (x) VALUES (1), (2) RETURNING x');
    expect(await db.query('INSERT INTO t (x) VALUES (3) RETURNING id')).toEqual([{ id: 3 }]);
    expect(await db.query('DELETE FROM t WHERE id = ?', [3])).toEqual([]);
    await db.execute('SELECT * FROM t');
    await db.executeScript('SELECT * FROM t');
    await db.executeScript('-- nothing');
    await db.executeScript('');
    await db.executeScript('/* a */; INSERT INTO t (x) VALUES (4); -- b\n; INSERT INTO t (x) VALUES (5)');
    expect(await db.query('SELECT x FROM t')).toEqual([{ x: 1 }, { x: 2 }, { x: 4 }, { x: 5 }]);
  });

  test('goes on after a call that failed', async () => {
    const db = await opened('create', ':memory:');
    const calls = [
      db.execute('CREATE TABLE t (x UNIQUE)'),
      db.execute('INSERT INTO t VALUES (1)'),
      db.execute('INSERT INTO t VALUES (1)'),
      db.execute('INSERT INTO t VALUES (2)'),
    ];
    const outcomes = (await Promise.allSettled(calls)).map(({ status }) => status);
    expect(outcomes).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
    expect(await db.query('SELECT x FROM t')).toEqual([{ x: 1 }, { x: 2 }]);
  });

  test('waits for a connection of the same process that lets go in time', async () => {
    const holder = await opened('create');
    await holder.execute('CREATE TABLE t (x)');
    await holder.execute('BEGIN IMMEDIATE');
    const other = await opened('read-write');
    const waiting = other.execute('INSERT INTO t VALUES (2)');
    for (let count = 0; count < 50; count += 1) await holder.execute('INSERT INTO t VALUES (1)');
    await holder.execute('COMMIT');
    await waiting;
    expect(await holder.query('SELECT count(*) AS number FROM t')).toEqual([{ number: 51 }]);
  });

  test('keeps the order of its calls also where the first has to wait', async () => {
    const holder = await opened('create');
    await holder.execute('CREATE TABLE t (x)');
    await holder.execute('BEGIN IMMEDIATE');
    const other = await opened('read-write');
    const calls = [other.execute('INSERT INTO t VALUES (1)'), other.query('SELECT x FROM t')];
    for (let count = 0; count < 20; count += 1) await holder.query('SELECT 1');
    await holder.execute('COMMIT');
    expect((await Promise.all(calls))[1]).toEqual([{ x: 1 }]);
  });

  test('does not wait where a transaction has read what is outdated', async () => {
    const [first, second] = [await opened('create'), await opened('create')];
    await first.query('PRAGMA journal_mode = WAL');
    await first.execute('CREATE TABLE t (x)');
    await second.execute('BEGIN');
    await second.query('SELECT * FROM t');
    await first.execute('INSERT INTO t VALUES (1)');
    await expect(second.execute('INSERT INTO t VALUES (2)')).rejects.toMatchObject({
      sqliteCode: 'SQLITE_BUSY',
    });
    await second.execute('ROLLBACK');
  });

  test('says SQLITE_CORRUPT of a database that is damaged', async () => {
    const writer = await opened('create');
    await writer.executeScript('CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(9000));');
    await closed(writer);
    const bytes = await readFile(path);
    bytes.fill(0xff, 4096, 8192);
    await writeFile(path, bytes);
    const db = await opened('read-only');
    await expect(db.query('SELECT * FROM t')).rejects.toMatchObject({ sqliteCode: 'SQLITE_CORRUPT' });
  });

  test('says SQLITE_CANTOPEN of a folder that is missing, and of a folder', async () => {
    const missing = join(folder, 'missing', 'a.db');
    await expect(driver.open(missing, 'create')).rejects.toMatchObject({ sqliteCode: 'SQLITE_CANTOPEN' });
    await expect(driver.open(folder, 'create')).rejects.toMatchObject({ sqliteCode: 'SQLITE_CANTOPEN' });
  });

  test('never opens another file than the one of the name', async () => {
    await closed(await opened('create'));
    const [outcome] = await Promise.allSettled([opened('create', `${path} `)]);
    if (outcome.status === 'fulfilled') await outcome.value.execute('CREATE TABLE t (x)');
    const db = await opened('read-only');
    expect(await db.query('SELECT name FROM sqlite_schema')).toEqual([]);
  });

  describe('copies', () => {
    const fill = `CREATE TABLE t (x); WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 3000)
      INSERT INTO t SELECT randomblob(1000) FROM n; PRAGMA user_version = 7;`;

    async function filled(journal: string): Promise<LocalBridge> {
      const db = await opened('create');
      await db.query(`PRAGMA journal_mode = ${journal}`);
      await db.executeScript(fill);
      return db;
    }

    const sum = 'SELECT count(*) AS number, sum(length(x)) AS bytes FROM t';

    test.each(['wal', 'delete'])('a database in %s mode page by page into a file', async (journal) => {
      const db = await filled(journal);
      const copy = join(folder, 'copy.db');
      await db.backupTo(copy);
      const copied = await opened('read-only', copy);
      expect(await copied.query(sum)).toEqual([{ number: 3000, bytes: 3000000 }]);
      expect(await copied.query('PRAGMA journal_mode')).toEqual([{ journal_mode: journal }]);
      expect(await copied.query('PRAGMA user_version')).toEqual([{ user_version: 7 }]);
    });

    test('an empty database', async () => {
      const db = await opened('create');
      const copy = join(folder, 'copy.db');
      await db.backupTo(copy);
      expect(await (await opened('read-only', copy)).query('SELECT * FROM sqlite_schema')).toEqual([]);
    });

    test('into a file that is locked end with SQLITE_BUSY, and not as if they were done', async () => {
      const db = await filled('delete');
      await db.query('PRAGMA busy_timeout = 50');
      const holder = await opened('create', join(folder, 'copy.db'));
      await holder.executeScript('CREATE TABLE kept (x); BEGIN EXCLUSIVE');
      await expect(db.backupTo(join(folder, 'copy.db'))).rejects.toMatchObject({ sqliteCode: 'SQLITE_BUSY' });
      await holder.execute('ROLLBACK');
      expect(await holder.query('SELECT name FROM sqlite_schema')).toEqual([{ name: 'kept' }]);
    });

    test('can be interrupted', async () => {
      const db = await filled('delete');
      const copying = expect(db.backupTo(join(folder, 'copy.db'))).rejects.toMatchObject({
        sqliteCode: 'SQLITE_INTERRUPT',
      });
      const asking = setInterval(() => {
        db.interrupt();
      }, 0);
      db.interrupt();
      await copying.finally(() => {
        clearInterval(asking);
      });
      expect(await db.query(sum)).toEqual([{ number: 3000, bytes: 3000000 }]);
    });

    test('are not ended by an interrupt that came before them', async () => {
      const db = await filled('delete');
      db.interrupt();
      await db.backupTo(join(folder, 'copy.db'));
      const copied = await opened('read-only', join(folder, 'copy.db'));
      expect(await copied.query(sum)).toEqual([{ number: 3000, bytes: 3000000 }]);
    });

    test('are told as interrupted only where nothing was changed', async () => {
      const db = await filled('wal');
      const copy = await opened('create', join(folder, 'copy.db'));
      await copy.executeScript('CREATE TABLE small (x)');
      await closed(copy);
      // So small a database is copied in one go: an interrupt may come too late.
      const outcome = await db
        .restoreFrom(join(folder, 'copy.db'), () => {
          db.interrupt();
          return Promise.resolve();
        })
        .then(
          () => 'done',
          (error: unknown) => codeOf(error),
        );
      const [table] = await db.query('SELECT name FROM sqlite_schema');
      expect([
        ['done', 'small'],
        ['DATABASE_ERROR', 't'],
      ]).toContainEqual([outcome, table?.name]);
    });

    test.each(['wal', 'delete'])(
      'back into a database in %s mode that other connections have open',
      async (journal) => {
        const db = await filled(journal);
        const copy = join(folder, 'copy.db');
        await db.execute('VACUUM INTO ?', [copy]);
        const reader = await opened('read-only');
        await db.executeScript('DELETE FROM t; CREATE TABLE later (x); PRAGMA user_version = 8');
        expect(await reader.query(sum)).toEqual([{ number: 0, bytes: null }]);
        await db.restoreFrom(copy);
        for (const each of [db, reader]) {
          expect(await each.query(sum)).toEqual([{ number: 3000, bytes: 3000000 }]);
          expect(await each.query('PRAGMA user_version')).toEqual([{ user_version: 7 }]);
        }
        expect(await db.query('PRAGMA journal_mode')).toEqual([{ journal_mode: journal }]);
        expect(await db.query('PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
        await db.execute('INSERT INTO t VALUES (1)');
      },
    );

    test('back let work be done while nobody else can write and all can read', async () => {
      const db = await filled('wal');
      const copy = join(folder, 'copy.db');
      await db.execute('VACUUM INTO ?', [copy]);
      await db.executeScript('DELETE FROM t');
      const other = await opened('read-write');
      await other.query('PRAGMA busy_timeout = 0');
      await db.restoreFrom(copy, async () => {
        await expect(other.execute('INSERT INTO t VALUES (1)')).rejects.toMatchObject({
          sqliteCode: 'SQLITE_BUSY',
        });
        expect(await other.query(sum)).toEqual([{ number: 0, bytes: null }]);
      });
      expect(await other.query(sum)).toEqual([{ number: 3000, bytes: 3000000 }]);
    });

    test('back change nothing when that work fails', async () => {
      const db = await filled('wal');
      const copy = join(folder, 'copy.db');
      await db.execute('VACUUM INTO ?', [copy]);
      await db.executeScript('DELETE FROM t');
      const stop = new Error('no room');
      await expect(db.restoreFrom(copy, () => Promise.reject(stop))).rejects.toBe(stop);
      expect(await db.query(sum)).toEqual([{ number: 0, bytes: null }]);
      await (await opened('read-write')).execute('INSERT INTO t VALUES (1)');
    });

    test('back keep others from writing on a connection that does, until a reader lets it go on', async () => {
      const db = await filled('delete');
      const copy = join(folder, 'copy.db');
      await db.execute('VACUUM INTO ?', [copy]);
      await db.executeScript('DELETE FROM t');
      const other = await opened('read-write');
      for (const each of [db, other]) await each.query('PRAGMA busy_timeout = 50');
      await other.execute('BEGIN');
      await other.query(sum);

      await db.execute('BEGIN IMMEDIATE');
      await db.query('PRAGMA locking_mode = EXCLUSIVE');
      await db.execute('ROLLBACK');
      await expect(db.restoreFrom(copy)).rejects.toMatchObject({ sqliteCode: 'SQLITE_BUSY' });
      await other.execute('COMMIT');
      await expect(other.execute('INSERT INTO t VALUES (1)')).rejects.toMatchObject({
        sqliteCode: 'SQLITE_BUSY',
      });
      await db.restoreFrom(copy);
      await closed(db);
      expect(await other.query(sum)).toEqual([{ number: 3000, bytes: 3000000 }]);
    });

    test('back of other pages are refused by a database with a write-ahead log', async () => {
      const db = await filled('wal');
      const copy = join(folder, 'copy.db');
      const source = await opened('create', copy);
      await source.executeScript('PRAGMA page_size = 1024; CREATE TABLE t (x);');
      await closed(source);
      await expect(db.restoreFrom(copy)).rejects.toMatchObject({ sqliteCode: 'SQLITE_READONLY' });
      expect(await db.query(sum)).toEqual([{ number: 3000, bytes: 3000000 }]);
    });
  });
});
