import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { DatabaseBridge } from '../../core/database/database-bridge.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import { RowObserver, rowStatementOf } from '../../core/storage/touched-rows.js';
import { historyTable } from '../support/history-table.js';

describe('the table that a statement writes', () => {
  it.each([
    ['INSERT INTO notes VALUES (1)', 'inserted notes'],
    ['insert or replace into main."my notes" (a) select a from other', 'inserted my notes'],
    ['REPLACE INTO [notes] VALUES (1)', 'inserted notes'],
    ['INSERT INTO notes VALUES (1) ON CONFLICT DO UPDATE SET a = 2', 'inserted notes'],
    ['UPDATE notes SET a = (SELECT b FROM c)', 'updated notes'],
    ['UPDATE OR IGNORE temp.notes AS n SET a = 1', 'updated notes'],
    ['DELETE FROM `notes` WHERE a IN (SELECT b FROM c)', 'deleted notes'],
    ['-- all of them\nDELETE /* really */ FROM notes', 'deleted notes'],
    ["WITH a AS (SELECT 'INSERT INTO b'), c AS (SELECT 1) UPDATE notes SET d = 1", 'updated notes'],
    [
      'WITH RECURSIVE a(b) AS (SELECT 1 UNION SELECT b FROM a) INSERT INTO notes SELECT b FROM a',
      'inserted notes',
    ],
    ['WITH a AS MATERIALIZED (SELECT 1) DELETE FROM notes RETURNING *', 'deleted notes'],
    ['CREATE TABLE notes AS SELECT 1', 'create notes'],
    ['CREATE TABLE main.notes AS WITH a AS (SELECT 1) SELECT * FROM a', 'create notes'],
    ['ALTER TABLE new_notes RENAME TO notes', 'rename new_notes to notes'],
  ])('of %p is told', (sql, told) => {
    const found = rowStatementOf(sql);
    const kind = found?.kind === 'write' ? found.change : found?.kind;
    const to = found?.kind === 'rename' ? ` to ${found.to}` : '';
    expect(`${kind ?? ''} ${found?.table ?? ''}${to}`).toBe(told);
  });

  it.each([
    'SELECT 1',
    'WITH a AS (SELECT 1) SELECT * FROM a',
    'VALUES (1)',
    'CREATE TABLE notes (a)',
    'CREATE TEMP TABLE notes AS SELECT 1',
    'CREATE TRIGGER t AFTER INSERT ON notes BEGIN UPDATE notes SET a = 1; END',
    'CREATE INDEX i ON notes (a)',
    'ALTER TABLE notes RENAME COLUMN a TO b',
    'ALTER TABLE notes ADD COLUMN c',
    'DROP TABLE notes',
    'PRAGMA foreign_keys = ON',
    'VACUUM',
    '',
  ])('of %p is none', (sql) => {
    expect(rowStatementOf(sql)).toBeUndefined();
  });
});

describe('an observer', () => {
  let folder: string;
  let observer: RowObserver;
  let db: DatabaseBridge;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'touched-rows-'));
    const path = join(folder, 'a.db');
    observer = new RowObserver(sqlite3Driver, path, historyTable, 'first');
    db = await observer.driver.open(path, 'create');
    await db.executeScript(
      'CREATE TABLE notes (id INTEGER PRIMARY KEY, a); CREATE TABLE schema_migrations (a)',
    );
  });

  afterEach(async () => {
    await db.close();
    await rm(folder, { recursive: true, force: true });
  });

  const record = (): Promise<unknown> => db.execute('INSERT INTO schema_migrations VALUES (1)');

  it('counts the rows of each table for each step, but not those of the history', async () => {
    await db.executeScript('INSERT INTO notes (a) VALUES (1), (2), (3)');
    await record();
    observer.begin('second');
    await db.execute('UPDATE Notes SET a = ? WHERE id < ?', [0, 3]);
    await db.executeScript('DELETE FROM notes WHERE id = 1; INSERT INTO notes (a) VALUES (4); SELECT 1');
    await db.query('DELETE FROM notes WHERE id = 3 RETURNING a');
    await record();
    expect(observer.rowsOf('first')).toEqual({
      touched: [{ table: 'notes', inserted: 3, updated: 0, deleted: 0 }],
      inConsequence: 0,
    });
    expect(observer.rowsOf('second')).toEqual({
      touched: [{ table: 'Notes', inserted: 1, updated: 2, deleted: 2 }],
      inConsequence: 0,
    });
    expect(observer.rowsOf('third')).toEqual({ touched: [], inConsequence: 0 });
  });

  it('counts a rebuild for the table that was rebuilt, and what a table was made of', async () => {
    await db.executeScript('INSERT INTO notes (a) VALUES (1), (2)');
    observer.begin('rebuild');
    await db.executeScript(`CREATE TABLE new_notes (id INTEGER PRIMARY KEY, a NOT NULL);
      INSERT INTO new_notes SELECT id, a FROM notes; DROP TABLE notes; ALTER TABLE new_notes RENAME TO notes;
      CREATE TABLE summary AS SELECT count(*) AS n FROM notes;`);
    expect(observer.rowsOf('rebuild').touched).toEqual([
      { table: 'notes', inserted: 2, updated: 0, deleted: 0 },
      { table: 'summary', inserted: 1, updated: 0, deleted: 0 },
    ]);
  });

  it('counts what triggers did apart', async () => {
    await db.executeScript(`CREATE TABLE log (a);
      CREATE TRIGGER logged AFTER UPDATE ON notes BEGIN INSERT INTO log VALUES (1); INSERT INTO log VALUES (2); END`);
    await db.executeScript('INSERT INTO notes (a) VALUES (1), (2)');
    await record();
    observer.begin('update');
    await db.execute('UPDATE notes SET a = 0');
    await record();
    expect(observer.rowsOf('first').inConsequence).toBe(0);
    expect(observer.rowsOf('update')).toEqual({
      touched: [{ table: 'notes', inserted: 0, updated: 2, deleted: 0 }],
      inConsequence: 4,
    });
  });

  it('changes nothing of what a statement answers, and lets failures through', async () => {
    expect(await db.execute('INSERT INTO notes (a) VALUES (1)')).toEqual({ changes: 1, lastInsertRowid: 1 });
    expect(await db.query('INSERT INTO notes (a) VALUES (2) RETURNING a')).toEqual([{ a: 2 }]);
    const script =
      'INSERT INTO notes (a) VALUES (3); INSERT INTO nowhere VALUES (1); INSERT INTO notes (a) VALUES (4)';
    await expect(db.executeScript(script)).rejects.toThrow('no such table: nowhere');
    expect(await db.query('SELECT count(*) AS n FROM notes')).toEqual([{ n: 3 }]);
  });

  it('looks at one database alone', async () => {
    const other = await observer.driver.open(':memory:', 'create');
    await other.executeScript('CREATE TABLE others (a); INSERT INTO others VALUES (1)');
    await other.close();
    expect(observer.rowsOf('first').touched).toEqual([]);
  });
});
