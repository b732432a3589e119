import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import type { DatabaseBridge } from '../../core/database/database-bridge.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import { withSavepoint, withSnapshot, withTransaction } from '../../core/database/transaction.js';
import { isSqliteError } from '../../core/errors.js';
import { observedBridge } from '../support/observed-bridge.js';
import { journalModes, StorageDatabase } from '../support/storage-database.js';

describe.each(journalModes)('a transaction in %s mode', (journalMode) => {
  let storage: StorageDatabase;
  let db: DatabaseBridge;

  beforeEach(async () => {
    storage = await StorageDatabase.make(journalMode);
    db = await sqlite3Driver.open(storage.path, 'read-write');
    await db.execute('CREATE TABLE t (x UNIQUE)');
  });

  afterEach(async () => {
    await db.close();
    await storage.remove();
  });

  const insert = (x: number) => db.execute('INSERT INTO t VALUES (?)', [x]);
  const stored = () => storage.rows('SELECT x FROM t ORDER BY x');

  test('keeps all of its work and gives its result', async () => {
    const result = await withTransaction(db, async () => {
      await insert(1);
      await insert(2);
      expect(await stored()).toEqual([]);
      return 'done';
    });
    expect(result).toBe('done');
    expect(await stored()).toEqual([{ x: 1 }, { x: 2 }]);
  });

  test('keeps nothing where its work fails, and lets the error travel', async () => {
    const failure = new Error('no');
    const attempt = withTransaction(db, async () => {
      await insert(1);
      throw failure;
    });
    await expect(attempt).rejects.toBe(failure);
    expect(await stored()).toEqual([]);
    await withTransaction(db, () => insert(3));
    expect(await stored()).toEqual([{ x: 3 }]);
  });

  test('writes from its beginning, so that it need not turn to writing later', async () => {
    await withTransaction(db, async () => {
      await storage.other.query('PRAGMA busy_timeout = 0');
      await expect(storage.write('INSERT INTO t VALUES (9)')).rejects.toMatchObject({
        sqliteCode: 'SQLITE_BUSY',
      });
    });
  });

  test('does not hide the first error where SQLite has rolled back by itself', async () => {
    await insert(1);
    const attempt = withTransaction(db, async () => {
      await insert(2);
      await db.execute('INSERT OR ROLLBACK INTO t VALUES (1)');
    });
    await expect(attempt).rejects.toMatchObject({
      sqliteCode: 'SQLITE_CONSTRAINT',
      message: 'UNIQUE constraint failed: t.x',
    });
    expect(await stored()).toEqual([{ x: 1 }]);
  });

  test('tells both errors where what was done cannot be rolled back', async () => {
    const failure = new Error('The first.');
    const stuck: DatabaseBridge = {
      ...observedBridge(db, () => Promise.resolve()),
      // A disk that fails cannot be had in a test.
      execute: (sql) => db.execute(sql === 'ROLLBACK' ? 'SELECT * FROM nowhere' : sql),
    };
    const error: unknown = await withTransaction(stuck, () => Promise.reject(failure)).catch(
      (caught: unknown) => caught,
    );
    expect(error).toHaveProperty('message', expect.stringMatching(/The first\..*no such table: nowhere/));
    expect(error).toHaveProperty('cause.errors.0', failure);
    await db.execute('ROLLBACK');
  });

  test('undoes a savepoint alone', async () => {
    await withTransaction(db, async () => {
      await insert(1);
      const part = withSavepoint(db, async () => {
        await insert(2);
        throw new Error('a part');
      });
      await expect(part).rejects.toThrow('a part');
      await withSavepoint(db, () => withSavepoint(db, () => insert(3)));
    });
    expect(await stored()).toEqual([{ x: 1 }, { x: 3 }]);
  });

  test('refuses at commit what breaks a deferred foreign key, and keeps nothing', async () => {
    await db.executeScript(
      'PRAGMA foreign_keys = ON; CREATE TABLE child (x REFERENCES t (x) DEFERRABLE INITIALLY DEFERRED)',
    );
    const attempt = withTransaction(db, () => db.execute('INSERT INTO child VALUES (1)'));
    await expect(attempt).rejects.toMatchObject({ sqliteCode: 'SQLITE_CONSTRAINT' });
    expect(await storage.rows('SELECT * FROM child')).toEqual([]);
    await withTransaction(db, () => insert(1));
  });

  test('lets reading work see one state, whatever others write', async () => {
    await insert(1);
    const seen = await withSnapshot(db, async () => {
      const before = await db.query('SELECT count(*) AS n FROM t');
      if (journalMode === 'wal') await storage.write('INSERT INTO t VALUES (2)');
      return [...before, ...(await db.query('SELECT count(*) AS n FROM t'))];
    });
    expect(seen).toEqual([{ n: 1 }, { n: 1 }]);
    await expect(withSnapshot(db, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    await withTransaction(db, () => insert(3));
  });
});

describe('a COMMIT that meets a reader of a rollback journal', () => {
  let storage: StorageDatabase;
  let db: DatabaseBridge;

  beforeEach(async () => {
    storage = await StorageDatabase.make('delete');
    db = await sqlite3Driver.open(storage.path, 'read-write');
    await db.execute('CREATE TABLE t (x)');
    await db.query('PRAGMA busy_timeout = 0');
    await storage.other.execute('BEGIN');
    await storage.other.query('SELECT * FROM t');
  });

  afterEach(async () => {
    await db.close();
    await storage.remove();
  });

  test('is tried again until the reader is gone', async () => {
    let busy = 0;
    const watched = observedBridge(db, async (sql, error) => {
      if (sql !== 'COMMIT' || !isSqliteError(error, 'SQLITE_BUSY')) return;
      busy += 1;
      if (busy === 2) await storage.other.execute('COMMIT');
    });
    await withTransaction(watched, () => db.execute('INSERT INTO t VALUES (1)'));
    expect(busy).toBe(2);
    expect(await storage.rows('SELECT x FROM t')).toEqual([{ x: 1 }]);
  });

  test('is given up at last, and nothing is kept', async () => {
    const attempt = withTransaction(db, () => db.execute('INSERT INTO t VALUES (1)'), {
      commitPatienceMs: 0,
    });
    await expect(attempt).rejects.toMatchObject({ sqliteCode: 'SQLITE_BUSY' });
    await storage.other.execute('COMMIT');
    expect(await db.query('SELECT x FROM t')).toEqual([]);
    await withTransaction(db, () => db.execute('INSERT INTO t VALUES (2)'));
  });
});
