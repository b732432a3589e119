import { describe, expect, it } from '@jest/globals';

import { probeDatabase } from '../../core/storage/database-state.js';
import { historyTableOf } from '../../core/storage/history-table.js';
import { ensureHistory } from '../../core/storage/migration-history.js';
import { readPlainState } from '../../core/storage/unmanaged-state.js';
import { historyTable } from '../support/history-table.js';
import { withDatabase } from '../support/memory-database.js';

const keys =
  'CREATE TABLE p (a INTEGER PRIMARY KEY AUTOINCREMENT); CREATE TABLE "C ü" (a REFERENCES p, b TEXT);';

describe('a database without a history is known by one query', () => {
  it.each([
    ['nothing', ''],
    ['nothing but a version', 'PRAGMA user_version = 4'],
    ['a version below none', 'PRAGMA user_version = -4; CREATE TABLE t (a)'],
    ['keys and counters', `${keys} INSERT INTO p VALUES (7)`],
    [
      'indexes, triggers and views',
      `${keys} CREATE INDEX i ON p (a DESC); CREATE VIEW v AS SELECT a FROM p;
      CREATE TRIGGER i AFTER UPDATE ON p BEGIN SELECT 1; END`,
    ],
    ['a view of what is not there', 'CREATE VIEW v AS SELECT * FROM gone'],
    ['statistics', `${keys} INSERT INTO p VALUES (1); ANALYZE`],
  ])('with %s', async (_title, script) => {
    await withDatabase(script, async (db) => {
      const found = await readPlainState(db, historyTable, undefined);
      const { kind, userVersion, schema, others } = found ?? { kind: 'none' };
      expect({ kind, userVersion, schema, others }).toEqual(await probeDatabase(db, historyTable));
    });
  });

  it.each([
    [
      'something has the name of the history',
      `CREATE VIEW ${historyTable.name.toUpperCase()} AS SELECT 1 AS a`,
    ],
    ['an index has it', `CREATE TABLE t (a); CREATE INDEX ${historyTable.name} ON t (a)`],
    ['another tool keeps one', 'CREATE TABLE knex_migrations (id, name, batch, migration_time)'],
    ['it has a virtual table', 'CREATE VIRTUAL TABLE words USING fts5(word)'],
  ])('unless %s', async (_title, script) => {
    await withDatabase(script, async (db) => {
      expect(await readPlainState(db, historyTable, undefined)).toBeUndefined();
    });
  });

  it('unless a history is in it, under whatever name', async () => {
    await withDatabase('', async (db) => {
      await ensureHistory(db, historyTable);
      expect(await readPlainState(db, historyTable, undefined)).toBeUndefined();
      const other = historyTableOf({ historyTable: 'elsewhere' });
      expect(await readPlainState(db, other, undefined)).toBeUndefined();
    });
  });

  it.each([
    'PRAGMA user_version = 2',
    'CREATE TABLE another (a)',
    'ALTER TABLE p ADD COLUMN b TEXT',
    'ALTER TABLE p RENAME TO q',
    'DROP INDEX i',
    'DROP INDEX i; CREATE INDEX i ON p (a DESC)',
  ])('and is known again until %s', async (change) => {
    await withDatabase(`${keys} CREATE INDEX i ON p (a); PRAGMA user_version = 1`, async (db) => {
      const known = await readPlainState(db, historyTable, undefined);
      await db.executeScript('INSERT INTO p VALUES (1)');
      expect(await readPlainState(db, historyTable, known)).toBe(known);
      await db.executeScript(change);
      const now = await readPlainState(db, historyTable, known);
      expect(now).not.toBe(known);
      expect(now?.schema).toEqual((await readPlainState(db, historyTable, undefined))?.schema);
    });
  });
});
