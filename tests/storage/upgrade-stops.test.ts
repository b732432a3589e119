import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, renameSync, rmdirSync, statSync } from 'node:fs';

import { upgradeDatabase, type UpgradeOptions } from '../../core/index.js';
import { ScratchDatabase } from '../support/scratch-database.js';
import { journalModes } from '../support/storage-database.js';

const files = {
  '001_notes.sql': 'CREATE TABLE notes (title TEXT);',
  '002_tags.sql': 'CREATE TABLE tags (tag TEXT);',
  '003_third.sql': "INSERT INTO notes VALUES ('third');",
  '004_fourth.sql': "INSERT INTO notes VALUES ('fourth'); DELETE FROM tags;",
  '005_fifth.sql': "INSERT INTO notes VALUES ('fifth');",
};

describe.each(journalModes)(
  'an upgrade whose lock another process has taken over, in %s mode,',
  (journal) => {
    let scratch: ScratchDatabase;

    beforeEach(async () => {
      scratch = await ScratchDatabase.make(journal, 'CREATE TABLE mine (a); DROP TABLE mine;');
      await scratch.write(files);
    });

    afterEach(() => scratch.remove());

    /** The lock is another process's from the moment on when a file was applied. */
    function takenOverAfter(version: number): UpgradeOptions {
      const lock = `${scratch.path}.lock`;
      return {
        database: scratch.path,
        migrations: scratch.migrations,
        backup: false,
        onProgress: (event) => {
          if (event.kind !== 'applied' || event.version !== version) return;
          // Made beside it first: a folder that is made in the place of a removed one can be given its number.
          const other = mkdtempSync(`${lock}.`);
          rmdirSync(lock);
          renameSync(other, lock);
        },
      };
    }

    it.each([1, 2, 3, 4])(
      'ends after file %i, keeps what was applied, and leaves the lock to it',
      async (version) => {
        await expect(upgradeDatabase(takenOverAfter(version))).rejects.toMatchObject({ code: 'LOCK_LOST' });
        const applied = Array.from({ length: version }, (_, index) => `${index + 1} applied migration`);
        expect(await scratch.history()).toEqual(applied);
        expect(statSync(`${scratch.path}.lock`).isDirectory()).toBe(true);
      },
    );

    it('goes on where it stands once that one has let go', async () => {
      await expect(upgradeDatabase(takenOverAfter(3))).rejects.toMatchObject({ code: 'LOCK_LOST' });
      rmdirSync(`${scratch.path}.lock`);
      await expect(
        upgradeDatabase({ database: scratch.path, migrations: scratch.migrations, backup: false }),
      ).resolves.toMatchObject({ version: 5, applied: [{ version: 4 }, { version: 5 }] });
      expect(await scratch.value('SELECT group_concat(title) FROM notes')).toBe('third,fourth,fifth');
    });
  },
);
