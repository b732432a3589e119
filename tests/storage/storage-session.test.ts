import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import type { StorageSession, Writer } from '../../core/storage/storage-session.js';
import { journalModes, StorageDatabase } from '../support/storage-database.js';

/** A promise and the function that fulfils it. */
function gate(): { readonly passed: Promise<void>; readonly open: () => void } {
  let open: () => void = () => undefined;
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open };
}

describe.each(journalModes)('a session on a database in %s mode', (journalMode) => {
  let storage: StorageDatabase;
  let session: StorageSession;

  beforeEach(async () => {
    storage = await StorageDatabase.make(journalMode);
    session = storage.session;
    await storage.write('CREATE TABLE t (x)');
  });

  afterEach(() => storage.remove());

  const insert = (x: number) => (db: Writer) => db.execute('INSERT INTO t VALUES (?)', [x]);
  const count = () => session.read(async (db) => (await db.query('SELECT count(*) AS n FROM t'))[0]?.n);
  const stored = async () => (await storage.rows('SELECT x FROM t ORDER BY x')).map((row) => row.x);

  test('keeps the writes of others out of a transaction that is rolled back', async () => {
    const { passed, open } = gate();
    const failing = session.write(async (db) => {
      await insert(1)(db);
      await passed;
      throw new Error('rolled back');
    });
    const other = session.write(insert(2));
    open();
    await expect(failing).rejects.toThrow('rolled back');
    await other;
    expect(await stored()).toEqual([2]);
  });

  test('shows no reader what is not committed', async () => {
    const { passed, open } = gate();
    const failing = session.write(async (db) => {
      await insert(1)(db);
      await passed;
      throw new Error('rolled back');
    });
    const seen = count();
    open();
    await expect(failing).rejects.toThrow('rolled back');
    expect(await seen).toBe(0);
  });

  test('carries out work in the order in which it was asked for', async () => {
    const order: number[] = [];
    await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        session[index % 2 === 0 ? 'write' : 'read'](async (db) => {
          await db.query('SELECT 1');
          order.push(index);
        }),
      ),
    );
    expect(order).toEqual(Array.from({ length: 50 }, (_, index) => index));
  });

  test('goes on after work that failed', async () => {
    const results = await Promise.allSettled([
      session.read((db) => db.query('SELECT * FROM nowhere')),
      session.write(() => Promise.reject(new Error('no'))),
      session.write(insert(3)),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled']);
    expect(await stored()).toEqual([3]);
  });

  test('lets reading work see one state, whatever other programs write', async () => {
    const counts = await session.read(async (db) => {
      const before = await db.query('SELECT count(*) AS n FROM t');
      if (journalMode === 'wal') await storage.write('INSERT INTO t VALUES (1)');
      return [...before, ...(await db.query('SELECT count(*) AS n FROM t'))];
    });
    expect(counts).toEqual([{ n: 0 }, { n: 0 }]);
  });

  test('makes work that is asked for inside work a part of it', async () => {
    const outer = session.write(async () => {
      await session.write(async (db) => {
        await session.write(insert(1));
        await insert(2)(db);
      });
      expect(await count()).toBe(2);
      throw new Error('all of it');
    });
    await expect(outer).rejects.toThrow('all of it');
    expect(await stored()).toEqual([]);
  });

  test('undoes inner work alone where the outer goes on without it', async () => {
    await session.write(async (db) => {
      await insert(1)(db);
      const inner = session.write(async (inside) => {
        await insert(2)(inside);
        throw new Error('inner');
      });
      await expect(inner).rejects.toThrow('inner');
      await Promise.all([session.write(insert(3)), session.write(insert(4))]);
    });
    expect(await stored()).toEqual([1, 3, 4]);
  });

  test('waits for inner work that the outer does not wait for', async () => {
    let inner: Promise<unknown> = Promise.resolve();
    await session.write((db) => {
      inner = session.write(insert(1));
      return insert(2)(db);
    });
    expect(await stored()).toEqual([1, 2]);
    await inner;
  });

  test('takes work that is asked for after its surroundings ended as work of its own', async () => {
    const { passed, open } = gate();
    let late: Promise<unknown> = Promise.resolve();
    const outer = session.write(() => {
      late = passed.then(() => session.write(insert(1)));
      return Promise.reject(new Error('rolled back'));
    });
    await expect(outer).rejects.toThrow('rolled back');
    const another = session.write(async (db) => {
      open();
      for (let round = 0; round < 10; round++) await insert(2)(db);
      throw new Error('rolled back as well');
    });
    await expect(another).rejects.toThrow('rolled back as well');
    await late;
    expect(await stored()).toEqual([1]);
  });

  test('refuses writing work inside reading work', async () => {
    const attempt = session.read(() => session.write(insert(1)));
    await expect(attempt).rejects.toThrow('Writing work was asked for inside reading work.');
    expect(await stored()).toEqual([]);
  });

  test('closes when all work is done, and takes none afterwards', async () => {
    const writing = [session.write(insert(1)), session.write(() => session.write(insert(2)))];
    await Promise.all([session.close(), session.close()]);
    await Promise.all(writing);
    expect(await stored()).toEqual([1, 2]);
    await expect(session.read((db) => db.query('SELECT 1'))).rejects.toMatchObject({
      sqliteCode: 'SQLITE_MISUSE',
      message: 'The storage is closed.',
    });
    await expect(session.write(insert(3))).rejects.toMatchObject({ sqliteCode: 'SQLITE_MISUSE' });
  });

  test('refuses to be closed by its own work, which could never end', async () => {
    await expect(session.write(() => session.close())).rejects.toThrow('cannot be closed by its own work');
    await session.write(insert(1));
  });
});
