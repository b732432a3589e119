import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { LocalBridge } from '../../core/database/database-bridge.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import { moveDatabase, upgradeConnection, upgradeDatabase, type UpgradeOptions } from '../../core/index.js';
import { meddlingDriver } from '../support/meddling-driver.js';
import { ScratchDatabase } from '../support/scratch-database.js';
import { journalModes } from '../support/storage-database.js';
import { watchedDriver } from '../support/watched-driver.js';

const first = { '001_notes.sql': 'CREATE TABLE notes (title TEXT CHECK (title <> char(0)));' };
const undone = {
  ...first,
  '002_tags.sql': 'CREATE TABLE tags (tag);',
  '002_tags.down.sql': '-- migration: drops tags\nDROP TABLE tags;',
};

describe.each(journalModes)(
  'an upgrade after whose last commit nobody else gets in, in %s mode,',
  (journal) => {
    let scratch: ScratchDatabase;
    let other: LocalBridge;

    beforeEach(async () => {
      scratch = await ScratchDatabase.make(journal, 'CREATE TABLE mine (a); DROP TABLE mine;');
      await scratch.write(first);
    });

    afterEach(() => scratch.remove());

    /** Another program takes the database for itself as soon as so many migrations stand applied. */
    async function lockedAt(
      standing: number,
      work: (options: UpgradeOptions) => Promise<unknown>,
      more: Partial<UpgradeOptions> = {},
    ): Promise<void> {
      other = await sqlite3Driver.open(scratch.path, 'read-write');
      let locks = 0;
      const driver = meddlingDriver(async (sql) => {
        if (sql !== 'COMMIT' || locks > 0) return;
        const [history] = await other.query("SELECT 1 FROM sqlite_schema WHERE name = 'schema_migrations'");
        if (history === undefined) return;
        const [row] = await other.query('PRAGMA user_version');
        if (row?.user_version !== standing) return;
        locks += 1;
        await other.execute('BEGIN EXCLUSIVE');
      });
      const { path: database, migrations } = scratch;
      try {
        await work({ database, migrations, driver, lockWaitMs: 0, ...more });
        expect(locks).toBe(1);
      } finally {
        await other.close();
      }
    }

    it.each([
      ['adds', 'CREATE TABLE tags (tag TEXT);'],
      ['changes rows', "UPDATE notes SET title = upper(title); DELETE FROM notes WHERE title = '';"],
      ['adds a CHECK', 'ALTER TABLE notes ADD COLUMN size INTEGER CHECK (size > 0);'],
      ['fires a trigger', "INSERT INTO notes (title) VALUES ('second');"],
      ['needs no transaction', '-- migration: no-transaction\nVACUUM;'],
    ])('is told as done where the last file %s', async (_what, last) => {
      await upgradeDatabase({ database: scratch.path, migrations: scratch.migrations });
      await scratch.run(`INSERT INTO notes (title) VALUES ('one');
      CREATE TABLE seen (title); CREATE TRIGGER own AFTER INSERT ON notes BEGIN INSERT INTO seen VALUES (new.title); END;`);
      await scratch.write({ '002_last.sql': last });
      await lockedAt(2, async (options) => {
        await expect(upgradeDatabase(options)).resolves.toMatchObject({
          version: 2,
          applied: [{ filename: '002_last.sql' }],
          rows: expect.arrayContaining([expect.objectContaining({ table: 'notes', before: 1 })]),
        });
      });
    });

    it('is told as done where all of it is one transaction', async () => {
      await scratch.write({ '002_tags.sql': 'CREATE TABLE tags (tag TEXT);' });
      const all = async (options: UpgradeOptions) => {
        await expect(upgradeDatabase(options)).resolves.toMatchObject({ version: 2 });
      };
      await lockedAt(2, all, { transaction: 'all' });
    });

    it('is told as done where a legacy database was only to be adopted', async () => {
      await scratch.run('CREATE TABLE notes (title TEXT CHECK (title <> char(0))); PRAGMA user_version = 1;');
      const legacy = { 1: [1] };
      await lockedAt(
        1,
        async (options) => {
          await expect(upgradeDatabase(options)).resolves.toMatchObject({
            version: 1,
            adopted: [{ version: 1 }],
          });
        },
        { legacy },
      );
    });

    it('is told as done where a migration was undone', async () => {
      await scratch.write(undone);
      await upgradeDatabase({ database: scratch.path, migrations: scratch.migrations });
      await lockedAt(1, async (options) => {
        await expect(moveDatabase({ ...options, to: 1 })).resolves.toMatchObject({
          version: 1,
          rolledBack: [{ version: 2 }],
        });
      });
    });

    it('is told as up to date where another one has done it meanwhile, without waiting for a reader', async () => {
      await upgradeDatabase({ database: scratch.path, migrations: scratch.migrations });
      await scratch.write({ '002_tags.sql': 'CREATE TABLE tags (tag TEXT);' });
      const { path: database, migrations } = scratch;
      other = await sqlite3Driver.open(database, 'read-write');
      let reads = 0;
      const script = async (sql: string): Promise<void> => {
        if (!sql.includes('PRAGMA synchronous') || (reads += 1) > 1) return;
        await upgradeConnection(other, { migrations });
        await other.execute('BEGIN');
        await other.query('SELECT * FROM notes');
      };
      await expect(
        upgradeDatabase({ database, migrations, driver: watchedDriver({ script }), lockWaitMs: 0 }),
      ).resolves.toMatchObject({ version: 2, applied: [] });
      expect(reads).toBe(1);
      await other.close();
    });
  },
);
