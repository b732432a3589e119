import { describe, expect, it } from '@jest/globals';

import { DatabaseError, ForeignDatabaseError, messageOf, UpgradeBridgeError } from '../../core/errors.js';
import {
  nameReadError,
  needsReplay,
  probeDatabase,
  recogniseDatabase,
  userVersionFor,
} from '../../core/storage/database-state.js';
import { attemptAt } from '../../core/storage/history-row.js';
import { ensureHistory, recordAttempt } from '../../core/storage/migration-history.js';
import { replayMigrations } from '../../core/storage/migration-replay.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import { historyTable } from '../support/history-table.js';
import { withDatabase } from '../support/memory-database.js';
import { migrationsOf } from '../support/migration-values.js';

const migrations = migrationsOf({ '0001_one.sql': 'CREATE TABLE t (a TEXT);' });
const legacy = { 1: [1] };

/** What a database is that was made by a script, and whether the files had to be asked. */
async function recognised(script: string): Promise<{ kind: string; asked: boolean }> {
  const replay = await replayMigrations({ driver: sqlite3Driver, historyTable }, migrations);
  return withDatabase(script, async (db) => {
    const probed = await probeDatabase(db, historyTable);
    return { kind: recogniseDatabase(probed, replay, legacy).kind, asked: needsReplay(probed) };
  });
}

describe('a database is recognised as', () => {
  it.each([
    ['empty', '', false],
    ['empty', 'PRAGMA user_version = 1', false],
    ['foreign', 'PRAGMA user_version = 2', false],
    ['legacy', 'CREATE TABLE t (a TEXT)', true],
    ['foreign', 'CREATE TABLE other (a)', true],
    ['foreign', 'CREATE TABLE schema_migrations (version)', false],
    ['foreign', 'CREATE TABLE t (a TEXT); CREATE VIEW schema_migrations AS SELECT 1', false],
  ])('%s: %s', async (kind, script, asked) => {
    expect(await recognised(script)).toEqual({ kind, asked });
  });

  it.each([
    ['managed', 'applied'],
    ['managed', 'rolled_back'],
    ['empty', 'failed'],
  ] as const)('%s where its history knows one migration that was %s', async (kind, status) => {
    await withDatabase('', async (db) => {
      await ensureHistory(db, historyTable);
      for (const migration of migrations)
        await recordAttempt(
          db,
          historyTable,
          attemptAt(migration, { status, origin: 'migration', executionTimeMs: 1, details: {} }),
        );
      const probed = await probeDatabase(db, historyTable);
      const replay = await replayMigrations({ driver: sqlite3Driver, historyTable }, migrations);
      expect(recogniseDatabase(probed, replay, legacy).kind).toBe(kind);
    });
  });
});

describe("SQLite's first refusal of a file gets its name", () => {
  it.each([
    ['SQLITE_NOTADB', 'UNREADABLE_DATABASE', '"a.db" is not a SQLite database, or it is encrypted.'],
    ['SQLITE_CORRUPT', 'DAMAGED_DATABASE', 'The database "a.db" is damaged: as SQLite says.'],
    [
      'SQLITE_READONLY',
      'NEEDS_RECOVERY',
      'The last program that wrote to "a.db" was stopped in the middle of a change',
    ],
    ['SQLITE_BUSY', 'LOCKED', '"a.db"'],
    ['SQLITE_FULL', 'NO_SPACE', '"a.db"'],
    ['SQLITE_CANTOPEN', 'NO_ACCESS', '"a.db" could not be opened: as SQLite says.'],
    ['SQLITE_PERM', 'NO_ACCESS', '"a.db" could not be opened: as SQLite says.'],
    ['SQLITE_IOERR', 'DATABASE_ERROR', '"a.db" could not be read or written: as SQLite says.'],
  ])('%s is %s', (sqliteCode, code, sentence) => {
    const cause = new DatabaseError('as SQLite says', sqliteCode, { hint: 'Look.' });
    const named = nameReadError(cause, 'a.db');
    expect(named).toBeInstanceOf(UpgradeBridgeError);
    expect(named).toMatchObject({ code, cause });
    expect(messageOf(named)).toContain(sentence);
  });

  it('and what has a name keeps it', () => {
    const others: readonly unknown[] = [
      new DatabaseError('no such table', 'SQLITE_ERROR', { hint: 'Look.' }),
      new ForeignDatabaseError('theirs', { hint: 'Look.' }),
      new TypeError('oops'),
      'text',
    ];
    for (const other of others) expect(nameReadError(other, 'a.db')).toBe(other);
    const once = nameReadError(new DatabaseError('io', 'SQLITE_IOERR', { hint: 'Look.' }), 'a.db');
    expect(nameReadError(once, 'a.db')).toBe(once);
  });
});

it('the stamp tells the newest version, or how many stand applied where that does not fit', () => {
  expect(userVersionFor([])).toBe(0);
  expect(userVersionFor([{ version: 3 }, { version: 11 }])).toBe(11);
  expect(userVersionFor([{ version: 2_147_483_647 }])).toBe(2_147_483_647);
  expect(userVersionFor([{ version: 1 }, { version: 20_250_131_093_000 }])).toBe(2);
});
