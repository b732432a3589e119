import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { rename } from 'node:fs/promises';

import type { DatabaseBridge } from '../../core/database/database-bridge.js';
import { changeHistory, type HistoryChange } from '../../core/storage/history-change.js';
import { attemptAt } from '../../core/storage/history-row.js';
import { DatabaseFolder } from '../support/database-folder.js';
import { openLegacy } from '../support/legacy-driver.js';
import { migrationOf, migrationsOf } from '../support/migration-values.js';
import { journalModes } from '../support/storage-database.js';

const migrations = migrationsOf({
  '0001_one.sql': 'CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2);',
});
const second = migrationOf('0002_two.sql', 'SELECT 1;');
const done = { status: 'applied', origin: 'repaired', executionTimeMs: 0, details: {} } as const;

const subject = { title: 'The change', label: 'change' };

describe.each(journalModes)('a change of the history, in %s mode', (journal) => {
  let place: DatabaseFolder;

  beforeEach(async () => {
    place = await DatabaseFolder.make(journal);
    await place.upgrade({ migrations });
  });

  afterEach(() => place.remove());

  /** Records a second migration, with some work on the schema before. */
  function change(
    mend: (db: DatabaseBridge) => Promise<void>,
    decision: Partial<HistoryChange> = {},
  ): Promise<unknown> {
    const decide = (): Promise<HistoryChange> =>
      Promise.resolve({
        from: 'v1',
        mend: async (db) => {
          await mend(db);
          return [];
        },
        rechain: false,
        attempts: [attemptAt(second, done)],
        tolerated: () => undefined,
        standing: [1, 2],
        userVersion: { found: 1, set: 2 },
        ...decision,
      });
    return changeHistory({ database: place.path, migrations, backup: false }, subject, decide);
  }

  const run = (script: string) => (db: DatabaseBridge) => db.executeScript(script);
  const state = async (): Promise<unknown[]> => [
    ...(await place.rows('SELECT id FROM t')),
    ...(await place.rows('SELECT version FROM schema_migrations')),
    ...(await place.rows('PRAGMA user_version')),
    ...(await place.rows("SELECT name FROM sqlite_schema WHERE name = 'more'")),
  ];
  const untouched = [{ id: 1 }, { id: 2 }, { version: 1 }, { user_version: 1 }];

  it('is kept with the work, the row and user_version', async () => {
    await change(run('CREATE TABLE more (a)'));
    expect(await state()).toEqual([
      ...[{ id: 1 }, { id: 2 }, { version: 1 }, { version: 2 }],
      ...[{ user_version: 2 }, { name: 'more' }],
    ]);
  });

  it.each([
    ['loses a row', 'CREATE TABLE more (a); DELETE FROM t WHERE id = 2', 'ROWS_LOST'],
    ['loses a table', 'CREATE TABLE more (a); DROP TABLE t', 'OBJECTS_LOST'],
    ['writes into the history', 'CREATE TABLE more (a); DELETE FROM schema_migrations', 'OBJECTS_LOST'],
    ['ends the transaction and begins another', 'ROLLBACK; BEGIN', 'TRANSACTION_ENDED'],
    ['leaves something behind', 'CREATE TABLE more (a); CREATE TEMP TABLE left_over (a)', 'LEFT_BEHIND'],
  ])('is undone where the work %s', async (_title, script, code) => {
    await expect(change(run(script))).rejects.toMatchObject({ code, place: { filename: '(change)' } });
    expect(await state()).toEqual(untouched);
  });

  it('is undone where the history would not say what was decided', async () => {
    await expect(change(run(''), { standing: [2] })).rejects.toMatchObject({
      code: 'BAD_HISTORY',
      message: 'The history would not say what was decided: it has 1, 2 applied, not 2.',
    });
    expect(await state()).toEqual(untouched);
  });

  it('is undone where the work throws', async () => {
    await expect(change(run('CREATE TABLE more (a); SELECT * FROM nowhere'))).rejects.toThrow(
      'no such table: nowhere',
    );
    expect(await state()).toEqual(untouched);
  });

  it('decides anew once it has the database to itself', async () => {
    let looks = 0;
    // Nobody else can begin before this one has ended.
    const other = await openLegacy(place.path);
    await other.run('PRAGMA busy_timeout = 10000; BEGIN IMMEDIATE; INSERT INTO t VALUES (3)');
    let committed: Promise<void> | undefined;
    const decide = async (db: DatabaseBridge): Promise<HistoryChange> => {
      looks += 1;
      const rows = await db.query('SELECT count(*) AS rows FROM t');
      committed ??= other.run('COMMIT');
      return {
        from: 'v1',
        mend: () => Promise.resolve([]),
        rechain: false,
        attempts: rows[0]?.rows === 2 ? [attemptAt(second, done)] : [],
        tolerated: () => undefined,
        standing: [1, 2],
        userVersion: { found: 1, set: 2 },
      };
    };
    const { change: decided } = await changeHistory({ database: place.path, migrations }, subject, decide);
    await committed;
    await other.close();
    expect({ looks, attempts: decided.attempts }).toEqual({ looks: 2, attempts: [] });
    expect(await place.rows('SELECT version FROM schema_migrations')).toEqual([{ version: 1 }]);
  });

  it('makes no database where there is none', async () => {
    await rename(place.path, `${place.path}.away`);
    await expect(change(run(''))).rejects.toMatchObject({ code: 'MISSING_DATABASE' });
    expect(Object.keys(await place.hashes())).toEqual(['a.db.away']);
  });
});
