import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import {
  createBackup,
  rehearseUpgrade,
  upgradeDatabase,
  verifyBackup,
  verifyDatabase,
} from '../../core/index.js';
import { findCheckViolations } from '../../core/storage/database-integrity.js';
import { drivers } from '../support/drivers.js';
import { migrationsOf } from '../support/migration-values.js';
import { ScratchDatabase } from '../support/scratch-database.js';

let scratch: ScratchDatabase;

afterEach(() => scratch.remove());

describe.each(drivers)('a check whose text stands in double quotes, through $name', (driver) => {
  it('counts the rows that break it', async () => {
    scratch = await ScratchDatabase.make(
      'delete',
      `PRAGMA ignore_check_constraints = ON;
       CREATE TABLE t ("kind" TEXT CHECK ("kind" IN ("a", "it's", "b""c")), n CHECK ("rowid" < 3 AND t."n" <> "kind"),
         x CHECK ("x" <> "no" COLLATE "nocase"), y CHECK (length("y") > CAST("0" AS "integer")));
       INSERT INTO t VALUES ('a', 'n', 'yes', 'y'), ('it''s', 'n', 'NO', ''), ('b"c', 'b"c', 'x', 'y'), ('z', 'n', 'x', 'y');`,
    );
    const db = await driver.open(scratch.path, 'read-only');
    try {
      const found = await findCheckViolations(db);
      expect(found.map(({ expression, rows }) => [expression, rows])).toEqual([
        [`("kind" IN ("a", "it's", "b""c"))`, 1],
        ['("rowid" < 3 AND t."n" <> "kind")', 2],
        ['("x" <> "no" COLLATE "nocase")', 1],
        ['(length("y") > CAST("0" AS "integer"))', 1],
      ]);
    } finally {
      await db.close();
    }
  });

  describe('in a table of a database that has a history', () => {
    const first = { '001_first.sql': 'CREATE TABLE first (a);' };
    const migrations = migrationsOf({ ...first, '002_second.sql': 'ALTER TABLE first ADD COLUMN b;' });

    beforeEach(async () => {
      scratch = await ScratchDatabase.make('wal', 'CREATE TABLE gone (a); DROP TABLE gone;');
      await upgradeDatabase({ database: scratch.path, migrations: migrationsOf(first), driver });
      await scratch.run(`CREATE TABLE own (kind CHECK (kind IN ("a", "b"))); INSERT INTO own VALUES ('a');`);
    });

    it('lets it be rehearsed, backed up, upgraded and verified', async () => {
      const target = { migrations, driver };
      await rehearseUpgrade({ database: scratch.path, ...target });
      const backup = await createBackup(scratch.path, { driver });
      expect(await verifyBackup(backup.path, { driver })).toMatchObject({ verified: true });
      expect(await upgradeDatabase({ database: scratch.path, ...target })).toMatchObject({ version: 2 });
      expect(await verifyDatabase(scratch.path, target)).toMatchObject({
        ok: true,
        integrity: { brokenRules: [] },
      });
    });
  });
});
