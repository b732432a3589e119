import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import {
  inspectDatabase,
  planUpgrade,
  repairHistory,
  rollBackDatabase,
  upgradeDatabase,
  verifyDatabase,
  type ProgressEvent,
  type UpgradeOptions,
} from '../../core/index.js';
import type { DatabaseDriver } from '../../core/database/database-bridge.js';
import { checksumOf } from '../../core/storage/migration-text.js';
import { appliedTwice, findTampering } from '../../core/storage/history-chain.js';
import { hashesIn } from '../support/database-copy.js';
import { drivers } from '../support/drivers.js';
import { historyTable } from '../support/history-table.js';
import { ScratchDatabase } from '../support/scratch-database.js';
import { journalModes } from '../support/storage-database.js';

const files = {
  '001_one.sql': '-- migration: release 1.0.0\nCREATE TABLE one (a);',
  '002_two.sql': 'CREATE TABLE two (a);',
  '002_two.down.sql': 'DROP TABLE two;',
  '003_three.sql': 'CREATE TABLE three (a);',
  '003_three.down.sql': 'DROP TABLE three;',
};
const wrong = { '004_four.sql': 'INSERT INTO nowhere VALUES (1);' };

/** The table as the first version of the package made it. */
const firstShape = `CREATE TABLE schema_migrations (
  id INTEGER PRIMARY KEY AUTOINCREMENT, version INTEGER NOT NULL, filename TEXT NOT NULL, description TEXT NOT NULL,
  checksum TEXT NOT NULL, applied_at TEXT NOT NULL, execution_time_ms INTEGER NOT NULL, status TEXT NOT NULL,
  origin TEXT NOT NULL, details TEXT);
  INSERT INTO schema_migrations (version, filename, description, checksum, applied_at, execution_time_ms, status, origin)
  VALUES (1, '001_one.sql', 'one', '${checksumOf(files['001_one.sql'])}', '2025-01-31T09:30:00.000Z', 3, 'applied', 'migration'),
    (2, '002_two.sql', 'two', '${checksumOf(files['002_two.sql'])}', '2025-02-01T09:30:00.000Z', 4, 'failed', 'migration'),
    (2, '002_two.sql', 'two', '${checksumOf(files['002_two.sql'])}', '2025-02-01T09:31:00.000Z', 5, 'applied', 'migration');
  CREATE TABLE one (a); CREATE TABLE two (a); PRAGMA user_version = 2;`;

const cases = journalModes.flatMap((journal) => drivers.map((driver) => ({ journal, driver })));

it('is applied twice where nothing between says that it was undone, and nobody has repaired it', () => {
  const row = (version: number, status: string, origin = 'migration') => ({ version, status, origin });
  const twice = [row(1, 'applied'), row(2, 'applied'), row(2, 'failed'), row(2, 'applied')];
  expect(appliedTwice(twice)).toEqual([2]);
  expect(appliedTwice([row(1, 'applied'), row(1, 'rolled_back'), row(1, 'applied')])).toEqual([]);
  expect(appliedTwice([row(1, 'applied'), row(1, 'applied', 'repaired')])).toEqual([]);
});

describe.each(cases)('the history, in $journal mode, by $driver.name,', ({ journal, driver }) => {
  let scratch: ScratchDatabase;

  beforeEach(async () => {
    scratch = await ScratchDatabase.make(journal, 'CREATE TABLE mine (a); DROP TABLE mine;');
    await scratch.write(files);
  });

  afterEach(() => scratch.remove());

  const source = (): UpgradeOptions => ({
    database: scratch.path,
    migrations: scratch.migrations,
    backup: false,
    driver,
  });
  const columns = async (): Promise<string> =>
    String(await scratch.value("SELECT group_concat(name) FROM pragma_table_info('schema_migrations')"));

  async function tampering(): Promise<string[]> {
    const db = await driver.open(scratch.path, 'read-only');
    try {
      return await findTampering(db, historyTable);
    } finally {
      await db.close();
    }
  }

  /** Five rows: three applied, one failed, one rolled back. */
  async function eventful(): Promise<void> {
    await scratch.write(wrong);
    await expect(upgradeDatabase(source())).rejects.toMatchObject({ code: 'MIGRATION_FAILED' });
    await scratch.write({ '004_four.sql': 'SELECT 1;' });
    await rollBackDatabase({ ...source(), allowLoss: true });
  }

  describe('chained row by row,', () => {
    beforeEach(eventful);

    it('holds after everything that may happen', async () => {
      expect(await scratch.history()).toEqual([
        '1 applied migration',
        '2 applied migration',
        '3 applied migration',
        '4 failed migration',
        '3 rolled_back migration',
      ]);
      expect(await tampering()).toEqual([]);
      await upgradeDatabase(source());
      expect(await tampering()).toEqual([]);
      expect(await verifyDatabase(scratch.path, source())).toMatchObject({ ok: true, tampering: [] });
    });

    it.each([
      ['version', '7'],
      ['filename', "'002_other.sql'"],
      ['description', "'something else'"],
      ['checksum', `'${checksumOf('')}'`],
      ['applied_at', "'2001-01-01T00:00:00.000Z'"],
      ['execution_time_ms', 'execution_time_ms + 1'],
      ['status', "'failed'"],
      ['origin', "'legacy'"],
      ['details', "'{}'"],
      ['release', "'9.9.9'"],
      ['up_sql', "up_sql || ' '"],
      ['down_sql', 'NULL'],
      ['hash', 'NULL'],
      ['hash', "'abc'"],
    ])('tells that somebody changed %s', async (column, value) => {
      await scratch.run(`UPDATE schema_migrations SET ${column} = ${value} WHERE id = 2`);
      const [sentence, ...more] = await tampering();
      expect(sentence).toMatch(/^row 2 \(.*\) or a row before it was changed, moved or taken out$/);
      expect(more).toEqual([]);
    });

    it.each([
      ['the first row was', 'DELETE FROM schema_migrations WHERE id = 1', /^row 2 /],
      ['a row in the middle was', 'DELETE FROM schema_migrations WHERE id = 3', /^row 4 /],
      ['the last row was', 'DELETE FROM schema_migrations WHERE id = 5', /^one or more rows after row 4 /],
      ['the last rows were', 'DELETE FROM schema_migrations WHERE id > 3', /^one or more rows after row 3 /],
      ['all rows were', 'DELETE FROM schema_migrations', /^one or more rows after row 0 /],
    ])('tells that %s taken out', async (_title, script, sentence) => {
      await scratch.run(script);
      expect(await tampering()).toEqual([expect.stringMatching(sentence)]);
    });

    it.each([
      ['the last row was taken out', 'DELETE FROM schema_migrations WHERE id = 5'],
      ['a row was changed', "UPDATE schema_migrations SET description = 'x' WHERE id = 2"],
      ['all rows were taken out', 'DELETE FROM schema_migrations'],
      ['user_version was put ahead', 'PRAGMA user_version = 3'],
    ])('decides nothing from a history of which %s', async (_title, script) => {
      await scratch.run(script);
      const before = await hashesIn(scratch.folder);
      for (const attempt of [upgradeDatabase, planUpgrade])
        await expect(attempt(source())).rejects.toMatchObject({ code: 'TAMPERED_HISTORY' });
      await expect(rollBackDatabase(source())).rejects.toMatchObject({
        // Without a row there is nothing that could be undone.
        code: script.includes('WHERE') || script.includes('PRAGMA') ? 'TAMPERED_HISTORY' : 'NO_WAY_BACK',
      });
      expect(await hashesIn(scratch.folder)).toEqual(before);
    });

    it.each([
      ['a file looks late', 'DELETE FROM schema_migrations WHERE id = 1'],
      ['it looks like nobody knows whose', 'DELETE FROM schema_migrations; PRAGMA user_version = 0'],
    ])('is what an upgrade names also where by what was taken out %s', async (_title, script) => {
      await scratch.run(script);
      const before = await hashesIn(scratch.folder);
      for (const attempt of [upgradeDatabase, planUpgrade])
        await expect(attempt(source())).rejects.toMatchObject({ code: 'TAMPERED_HISTORY' });
      expect(await hashesIn(scratch.folder)).toEqual(before);
    });

    it('is looked at again where a row was taken out between the first look and the lock', async () => {
      await upgradeDatabase(source());
      await scratch.write({ '005_five.sql': 'CREATE TABLE five (a);' });
      let isDone = false;
      const meddling: DatabaseDriver = {
        ...driver,
        async open(location, mode) {
          const db = await driver.open(location, mode);
          const execute: typeof db.execute = db.execute.bind(db);
          return Object.assign(db, {
            execute: async (...call: Parameters<typeof execute>) => {
              if (call[0] === 'BEGIN IMMEDIATE' && !isDone) {
                isDone = true;
                await scratch.run('DELETE FROM schema_migrations WHERE version = 3; DROP TABLE three');
              }
              return execute(...call);
            },
          });
        },
      };
      await expect(upgradeDatabase({ ...source(), driver: meddling })).rejects.toMatchObject({
        code: 'TAMPERED_HISTORY',
      });
      expect(await scratch.objects()).not.toContain('table five');
    });

    it('tells that the newest row got another number', async () => {
      await scratch.run('UPDATE schema_migrations SET id = 50 WHERE id = 5');
      expect(await tampering()).toEqual(['row 50 has a number that was never given: the newest one is 5']);
    });

    it('tells that rows changed places', async () => {
      await scratch.run(`UPDATE schema_migrations SET id = 99 WHERE id = 2;
        UPDATE schema_migrations SET id = 2 WHERE id = 3; UPDATE schema_migrations SET id = 3 WHERE id = 99;`);
      expect(await tampering()).toEqual([expect.stringMatching(/^row 2 \(003_three\.sql, applied\)/)]);
    });

    it('tells that a row was slipped in, also one that claims the hash of another', async () => {
      await scratch.run(`INSERT INTO schema_migrations (version, filename, description, checksum, applied_at,
          execution_time_ms, status, origin, hash)
        SELECT version, filename, description, checksum, applied_at, execution_time_ms, status, origin, hash
        FROM schema_migrations WHERE id = 3`);
      expect(await tampering()).toEqual([expect.stringMatching(/^row 6 /)]);
    });

    it('tells that the row of an undoing was taken out, and takes that as it is when told so', async () => {
      await upgradeDatabase(source());
      await scratch.run("DELETE FROM schema_migrations WHERE status = 'rolled_back'");
      const found = [expect.stringMatching(/^row 6 .* was changed, moved or taken out$/)];
      expect((await verifyDatabase(scratch.path, source())).tampering).toEqual(found);
      expect((await inspectDatabase(scratch.path, source())).tampering).toEqual(found);
      await expect(upgradeDatabase(source())).rejects.toMatchObject({ code: 'TAMPERED_HISTORY' });
      await expect(repairHistory(source())).rejects.toMatchObject({ code: 'TAMPERED_HISTORY' });
      await repairHistory({ ...source(), acceptTampering: true });
      expect(await verifyDatabase(scratch.path, source())).toMatchObject({ ok: true, tampering: [] });
      expect((await upgradeDatabase(source())).upToDate).toBe(true);
    });

    it('tells that its hashes were taken out', async () => {
      await scratch.run('ALTER TABLE schema_migrations DROP COLUMN hash');
      expect(await tampering()).toEqual(['its column hash was taken out']);
      await expect(upgradeDatabase(source())).rejects.toMatchObject({ code: 'TAMPERED_HISTORY' });
      await repairHistory({ ...source(), acceptTampering: true });
      expect(await tampering()).toEqual([]);
    });

    it('shows in user_version where the last row was taken out and the counter put back', async () => {
      await upgradeDatabase(source());
      await scratch.run(`DELETE FROM schema_migrations WHERE id = 7;
        UPDATE sqlite_sequence SET seq = 6 WHERE name = 'schema_migrations'`);
      expect(await tampering()).toEqual([]);
      const { ok, userVersion } = await verifyDatabase(scratch.path, source());
      expect({ ok, userVersion }).toEqual({ ok: false, userVersion: { found: 4, expected: 3 } });
    });
  });

  describe('of the first shape,', () => {
    beforeEach(() => scratch.run(firstShape));

    it('is read as it is, and nothing is written where there is nothing to do', async () => {
      const before = await hashesIn(scratch.folder);
      const inspection = await inspectDatabase(scratch.path, source());
      expect(inspection.applied.map(({ id, version, release }) => [id, version, release])).toEqual([
        [1, 1, undefined],
        [3, 2, undefined],
      ]);
      expect(await tampering()).toEqual([]);
      expect((await upgradeDatabase({ ...source(), to: 2 })).upToDate).toBe(true);
      expect(await hashesIn(scratch.folder)).toEqual(before);
    });

    it('gets the later columns with the next file, and its rows are trusted once', async () => {
      await upgradeDatabase(source());
      expect(await columns()).toMatch(/,details,release,up_sql,down_sql,hash,seal$/);
      expect(
        await scratch.rows('SELECT id, version, applied_at, execution_time_ms AS ms FROM schema_migrations'),
      ).toEqual([
        { id: 1, version: 1, applied_at: '2025-01-31T09:30:00.000Z', ms: 3 },
        { id: 2, version: 2, applied_at: '2025-02-01T09:30:00.000Z', ms: 4 },
        { id: 3, version: 2, applied_at: '2025-02-01T09:31:00.000Z', ms: 5 },
        expect.objectContaining({ id: 4, version: 3 }),
      ]);
      expect(await scratch.value('SELECT count(*) FROM schema_migrations WHERE hash IS NULL')).toBe(0);
      expect(await tampering()).toEqual([]);
      await scratch.run('UPDATE schema_migrations SET execution_time_ms = 9 WHERE id = 1');
      expect(await tampering()).toEqual([expect.stringMatching(/^row 1 /)]);
    });

    it('keeps the texts and the releases of files that fit, from the next file on', async () => {
      await scratch.run("UPDATE schema_migrations SET checksum = '' WHERE id = 3");
      await upgradeDatabase(source());
      expect(
        await scratch.rows('SELECT id, checksum, release, up_sql, down_sql FROM schema_migrations LIMIT 3'),
      ).toEqual([
        {
          id: 1,
          checksum: checksumOf(files['001_one.sql']),
          release: '1.0.0',
          up_sql: files['001_one.sql'],
          down_sql: null,
        },
        expect.objectContaining({ id: 2, up_sql: null }),
        {
          id: 3,
          checksum: checksumOf(files['002_two.sql']),
          release: null,
          up_sql: files['002_two.sql'],
          down_sql: files['002_two.down.sql'],
        },
      ]);
      expect(await tampering()).toEqual([]);
      await scratch.write({ '002_two.sql': 'CREATE TABLE other (a);' });
      await expect(upgradeDatabase(source())).rejects.toMatchObject({ code: 'CHANGED_MIGRATION' });
    });

    it('gets them in the transaction of that file, and not where it is stopped', async () => {
      const before = await columns();
      const controller = new AbortController();
      const onProgress = ({ kind }: ProgressEvent): void => {
        if (kind === 'applying') controller.abort();
      };
      const stopped = upgradeDatabase({ ...source(), onProgress, signal: controller.signal });
      await expect(stopped).rejects.toMatchObject({ code: 'INTERRUPTED' });
      expect(await columns()).toBe(before);
    });

    it('gets them with the row of an attempt that fails, too', async () => {
      await scratch.write({ '003_three.sql': 'INSERT INTO nowhere VALUES (1);' });
      await expect(upgradeDatabase(source())).rejects.toMatchObject({ code: 'MIGRATION_FAILED' });
      expect((await scratch.history()).at(-1)).toBe('3 failed migration');
      expect(await tampering()).toEqual([]);
    });

    it('can be undone from, by the files', async () => {
      const report = await rollBackDatabase({ ...source(), allowLoss: true });
      expect(report).toMatchObject({ version: 1 });
      expect(await tampering()).toEqual([]);
    });
  });
});
