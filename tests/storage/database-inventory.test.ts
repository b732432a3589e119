import { describe, expect, it } from '@jest/globals';

import { countViolations, foreignKeyName, takeInventory } from '../../core/storage/database-inventory.js';
import { ensureHistory } from '../../core/storage/migration-history.js';
import { historyTable } from '../support/history-table.js';
import { withDatabase } from '../support/memory-database.js';

describe('takeInventory', () => {
  it('finds nothing in an empty database', () =>
    withDatabase('', async (db) => {
      expect(await takeInventory(db, historyTable, { countRows: true })).toEqual({
        rows: new Map(),
        objects: [],
        sequences: new Map(),
        foreignKeys: new Set(),
        violations: [],
        historyTable: 'schema_migrations',
        attempts: 0,
      });
    }));

  it('counts the rows of every table, and leaves out what is of SQLite and the history', () =>
    withDatabase(
      `CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a UNIQUE); INSERT INTO t (a) VALUES (1), (2);
       CREATE TABLE "odd ""name""" (k PRIMARY KEY) WITHOUT ROWID; INSERT INTO "odd ""name""" VALUES (1);
       CREATE TABLE sqliteX (a); CREATE VIRTUAL TABLE texts USING fts5(body); INSERT INTO texts VALUES ('x'), ('y'), ('z');
       ANALYZE;`,
      async (db) => {
        await ensureHistory(db, historyTable);
        const { rows, objects, attempts } = await takeInventory(db, historyTable, { countRows: true });
        expect(Object.fromEntries(rows)).toEqual({ t: 2, 'odd "name"': 1, sqliteX: 0, texts: 3 });
        expect(objects.filter(({ table }) => table === 't')).toEqual([
          { type: 'table', name: 't', table: 't' },
          { type: 'column', name: 't.id', table: 't' },
          { type: 'column', name: 't.a', table: 't' },
        ]);
        expect(objects.some(({ name }) => name.includes('schema_migrations'))).toBe(false);
        expect(attempts).toBe(0);
        expect((await takeInventory(db, historyTable, { countRows: false })).rows.size).toBe(0);
      },
    ));

  it('names every kind of object, columns by their table', () =>
    withDatabase(
      `CREATE TABLE t (a, b AS (a) STORED, c AS (a)); CREATE INDEX i ON t (a); CREATE VIEW v AS SELECT a FROM t;
       CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END; CREATE VIRTUAL TABLE f USING fts5(x);`,
      async (db) => {
        const { objects } = await takeInventory(db, historyTable, { countRows: false });
        const named = objects
          .filter(({ table }) => !table.startsWith('f_'))
          .map(({ type, name }) => `${type} ${name}`);
        expect(named.sort()).toEqual([
          'column t.a',
          'column t.b',
          'column t.c',
          'index i',
          'table f',
          'table t',
          'trigger r',
          'view v',
        ]);
      },
    ));

  it('passes over a table whose module is not there', () =>
    withDatabase(
      `CREATE TABLE t (a); INSERT INTO t VALUES (1); PRAGMA writable_schema = ON;
       INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql)
         VALUES ('table', 'theirs', 'theirs', 0, 'CREATE VIRTUAL TABLE theirs USING their_module(a)');
       PRAGMA writable_schema = RESET;`,
      async (db) => {
        const { rows } = await takeInventory(db, historyTable, { countRows: true });
        expect(Object.fromEntries(rows)).toEqual({ t: 1 });
      },
    ));

  it('keeps all 64 bits of a counter, and passes over one that is no number', () =>
    withDatabase(
      `CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT); CREATE TABLE u (id INTEGER PRIMARY KEY AUTOINCREMENT);
       INSERT INTO sqlite_sequence VALUES ('t', 9223372036854775807), ('u', 'many');`,
      async (db) => {
        const { sequences } = await takeInventory(db, historyTable, { countRows: false });
        expect([...sequences]).toEqual([['t', 9_223_372_036_854_775_807n]]);
      },
    ));
});

describe('countViolations', () => {
  it('counts by table and key, keys of several columns as one', () =>
    withDatabase(
      `CREATE TABLE p (a, b, PRIMARY KEY (a, b)); CREATE TABLE q (id INTEGER PRIMARY KEY);
       CREATE TABLE c (x, y, q REFERENCES q, FOREIGN KEY (x, y) REFERENCES p(a, b));
       INSERT INTO p VALUES (1, 2); INSERT INTO c VALUES (1, 2, 9), (1, 3, NULL), (NULL, 3, 8), (2, 2, 7);`,
      async (db) => {
        expect(await countViolations(db)).toEqual([
          { table: 'c', columns: 'q', parent: 'q', rows: 3 },
          { table: 'c', columns: 'x,y', parent: 'p', rows: 2 },
        ]);
        const { foreignKeys } = await takeInventory(db, historyTable, { countRows: false });
        expect(foreignKeys).toEqual(
          new Set([
            foreignKeyName({ table: 'c', columns: 'q', parent: 'q' }),
            foreignKeyName({ table: 'C', columns: 'X,Y', parent: 'P' }),
          ]),
        );
      },
    ));

  it('counts every row whose parent table is gone', () =>
    withDatabase(
      'CREATE TABLE c (p REFERENCES gone(id)); INSERT INTO c VALUES (1), (2), (NULL)',
      async (db) => {
        expect(await countViolations(db)).toEqual([{ table: 'c', columns: 'p', parent: 'gone', rows: 2 }]);
      },
    ));

  it('passes over a key that SQLite cannot check, because it fits no key of its parent', () =>
    withDatabase(
      `CREATE TABLE p (id); CREATE TABLE c (p REFERENCES p(id)); INSERT INTO c VALUES (1);
       CREATE TABLE d (q REFERENCES gone); INSERT INTO d VALUES (1);`,
      async (db) => {
        expect(await countViolations(db)).toEqual([{ table: 'd', columns: 'q', parent: 'gone', rows: 1 }]);
      },
    ));
});
