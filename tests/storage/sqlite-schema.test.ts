import { writeFile } from 'node:fs/promises';

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import type { DatabaseBridge } from '../../core/database/database-bridge.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import { InvalidOptionError, isSqliteError } from '../../core/errors.js';
import { applyPragmas, ensureWal } from '../../core/storage/sqlite-schema.js';
import { observedBridge } from '../support/observed-bridge.js';
import { journalModes, StorageDatabase } from '../support/storage-database.js';

const FULL = 2;
const EXTRA = 3;

async function pragma(db: DatabaseBridge, name: string): Promise<unknown> {
  const [row] = await db.query(`PRAGMA ${name}`);
  return Object.values(row ?? {})[0];
}

describe.each(journalModes)('the settings of a connection to a database in %s mode', (journalMode) => {
  let storage: StorageDatabase;
  let db: DatabaseBridge;

  beforeEach(async () => {
    storage = await StorageDatabase.make(journalMode);
    db = await sqlite3Driver.open(storage.path, 'read-write');
  });

  afterEach(async () => {
    await db.close();
    await storage.remove();
  });

  test('are foreign keys, patience, an untrusted schema, and commits that survive a power cut', async () => {
    await db.query('PRAGMA foreign_keys = OFF');
    await applyPragmas(db);
    expect(await pragma(db, 'foreign_keys')).toBe(1);
    expect(await pragma(db, 'busy_timeout')).toBe(5000);
    expect(await pragma(db, 'trusted_schema')).toBe(0);
    expect(await pragma(db, 'synchronous')).toBe(journalMode === 'wal' ? FULL : EXTRA);
    expect(await pragma(db, 'journal_mode')).toBe(journalMode);
  });

  test('are what the caller asks for', async () => {
    await applyPragmas(db, { busyTimeoutMs: 17, synchronous: 'NORMAL' });
    expect(await pragma(db, 'busy_timeout')).toBe(17);
    expect(await pragma(db, 'synchronous')).toBe(1);
  });

  test('keep rows from naming a world that is not there', async () => {
    await applyPragmas(db);
    await expect(
      db.execute("INSERT INTO world_chats (id, world_id, name) VALUES ('c', 'nowhere', 'C')"),
    ).rejects.toMatchObject({ sqliteCode: 'SQLITE_CONSTRAINT' });
  });

  test('fail for what is wrong with the file where that is what SQLite finds', async () => {
    const path = `${storage.path}-text`;
    await writeFile(path, 'This is no database. '.repeat(100));
    const text = await sqlite3Driver.open(path, 'read-write');
    try {
      await expect(applyPragmas(text)).rejects.toMatchObject({
        code: 'DATABASE_ERROR',
        sqliteCode: 'SQLITE_NOTADB',
      });
    } finally {
      await text.close();
    }
  });

  test('are refused inside a transaction, where SQLite would ignore them', async () => {
    await db.query('PRAGMA foreign_keys = OFF');
    await db.execute('BEGIN');
    await expect(applyPragmas(db)).rejects.toMatchObject({
      code: 'PRAGMA_REFUSED',
      message: expect.stringContaining('PRAGMA foreign_keys did not take'),
    });
    await db.execute('ROLLBACK');
  });

  test('say why SQLite refused, where it did with an error', async () => {
    await db.query('PRAGMA foreign_keys = ON');
    await db.execute('BEGIN');
    await expect(applyPragmas(db, { synchronous: 'OFF' })).rejects.toMatchObject({
      code: 'PRAGMA_REFUSED',
      message: expect.stringContaining('PRAGMA synchronous did not take'),
      cause: expect.objectContaining({ message: expect.stringContaining('inside a transaction') }),
    });
    await db.execute('ROLLBACK');
  });

  test.each([-1, 1.5, Number.NaN, 2 ** 31])('are refused for a busy timeout of %p', async (busyTimeoutMs) => {
    await expect(applyPragmas(db, { busyTimeoutMs })).rejects.toBeInstanceOf(InvalidOptionError);
  });
});

describe('WAL mode', () => {
  let storage: StorageDatabase;
  let db: DatabaseBridge;

  beforeEach(async () => {
    storage = await StorageDatabase.make('delete');
    await storage.session.close();
    db = await sqlite3Driver.open(storage.path, 'read-write');
  });

  afterEach(async () => {
    await db.close();
    await storage.remove();
  });

  test('is set where it does not hold', async () => {
    await ensureWal(db);
    const fresh = await sqlite3Driver.open(storage.path, 'read-only');
    expect(await pragma(fresh, 'journal_mode')).toBe('wal');
    await fresh.close();
  });

  test('is not set again where it holds', async () => {
    await ensureWal(db);
    const asked: string[] = [];
    const query: DatabaseBridge['query'] = (sql, parameters) => {
      asked.push(sql);
      return db.query(sql, parameters);
    };
    await ensureWal({ ...observedBridge(db, () => Promise.resolve()), query });
    expect(asked).toEqual(['PRAGMA journal_mode']);
  });

  test('is set as soon as a writer is gone', async () => {
    await storage.other.execute('BEGIN IMMEDIATE');
    let busy = 0;
    const watched = observedBridge(db, async (_sql, error) => {
      if (isSqliteError(error, 'SQLITE_BUSY')) busy += 1;
      if (busy === 2) await storage.other.execute('ROLLBACK');
    });
    await ensureWal(watched);
    expect(busy).toBe(2);
    expect(await pragma(db, 'journal_mode')).toBe('wal');
  });

  test('is not asked of a database in memory', async () => {
    const memory = await sqlite3Driver.open(':memory:', 'create');
    await ensureWal(memory);
    expect(await pragma(memory, 'journal_mode')).toBe('memory');
    await memory.close();
  });

  test('is an error where it does not take', async () => {
    // A database without a name lives in a temporary file and cannot have a write-ahead log.
    const nameless = await sqlite3Driver.open('', 'create');
    await expect(ensureWal(nameless)).rejects.toMatchObject({
      code: 'PRAGMA_REFUSED',
      message: expect.stringContaining('it should be wal and is delete'),
    });
    await nameless.close();
  });
});
