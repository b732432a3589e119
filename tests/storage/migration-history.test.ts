import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { DatabaseBridge } from '../../core/database/database-bridge.js';
import { upgradeDatabase } from '../../core/index.js';
import { probeDatabase } from '../../core/storage/database-state.js';
import { findTampering } from '../../core/storage/history-chain.js';
import { appliedMigrations, attemptAt } from '../../core/storage/history-row.js';
import { readHistoryShape } from '../../core/storage/history-table.js';
import {
  ensureHistory,
  readHistory,
  readKeptTexts,
  recordAttempt,
} from '../../core/storage/migration-history.js';
import type { Migration } from '../../core/storage/migration.js';
import { hashesIn } from '../support/database-copy.js';
import { drivers } from '../support/drivers.js';
import { historyTable } from '../support/history-table.js';
import { withLegacy } from '../support/legacy-driver.js';
import { migrationOf } from '../support/migration-values.js';

const migration = (version: number): Migration =>
  migrationOf(`${String(version).padStart(4, '0')}_step.sql`, `CREATE TABLE t${version} (a);`);
const done = { status: 'applied', origin: 'migration', executionTimeMs: 1.6, details: {} } as const;

describe.each(drivers)('by $name:', (driver) => {
  let db: DatabaseBridge;

  beforeEach(async () => {
    db = await driver.open(':memory:', 'create');
  });

  afterEach(() => db.close());

  async function record(
    version: number,
    outcome: Partial<Parameters<typeof attemptAt>[1]> = {},
  ): Promise<void> {
    await recordAttempt(db, historyTable, attemptAt(migration(version), { ...done, ...outcome }));
  }

  describe('the history', () => {
    it('is none where there is no such table, and is made where it is none', async () => {
      expect(await readHistoryShape(db, historyTable)).toEqual({ kind: 'none' });
      await ensureHistory(db, historyTable);
      expect(await readHistoryShape(db, historyTable)).toMatchObject({ kind: 'ours' });
      expect(await readHistory(db, historyTable)).toEqual([]);
    });

    it('is left alone where it is there', async () => {
      await ensureHistory(db, historyTable);
      await record(1);
      await ensureHistory(db, historyTable);
      expect(await readHistory(db, historyTable)).toHaveLength(1);
    });

    it('gives back what was recorded, oldest first', async () => {
      await ensureHistory(db, historyTable);
      await record(3, { origin: 'legacy' });
      await record(1, { status: 'failed', details: { error: 'it fell' } });
      await record(1, { origin: 'completed', details: { completed: ['table x'] } });
      await record(2, { details: { violations: [{ table: 't', columns: 'a', parent: 'p', rows: 3 }] } });
      const history = await readHistory(db, historyTable);
      expect(
        history.map(({ id, version, status, origin, details }) => ({ id, version, status, origin, details })),
      ).toEqual([
        { id: 1, version: 3, status: 'applied', origin: 'legacy', details: {} },
        { id: 2, version: 1, status: 'failed', origin: 'migration', details: { error: 'it fell' } },
        { id: 3, version: 1, status: 'applied', origin: 'completed', details: { completed: ['table x'] } },
        {
          id: 4,
          version: 2,
          status: 'applied',
          origin: 'migration',
          details: { violations: [{ table: 't', columns: 'a', parent: 'p', rows: 3 }] },
        },
      ]);
      const { checksum, description, filename } = migration(3);
      expect(history[0]).toMatchObject({ checksum, description, filename, executionTimeMs: 2 });
      expect(history[0]?.appliedAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      expect(appliedMigrations(history).map(({ version }) => version)).toEqual([1, 2, 3]);
    });

    it('lets a version stand by its newest row', async () => {
      await ensureHistory(db, historyTable);
      await record(1);
      await record(2);
      await record(2, { status: 'rolled_back' });
      await record(3, { status: 'failed' });
      expect(appliedMigrations(await readHistory(db, historyTable)).map(({ version }) => version)).toEqual([
        1,
      ]);
      await record(2);
      expect(appliedMigrations(await readHistory(db, historyTable)).map(({ id }) => id)).toEqual([1, 5]);
    });

    it('keeps the text of what was applied, and none of what failed', async () => {
      await ensureHistory(db, historyTable);
      await record(1, { status: 'failed' });
      expect(await readKeptTexts(db, historyTable, 1)).toEqual({ up: undefined, down: undefined });
      await record(1);
      expect(await readKeptTexts(db, historyTable, 1)).toEqual({
        up: 'CREATE TABLE t1 (a);',
        down: undefined,
      });
    });

    it('ignores what it does not know in the details', async () => {
      await ensureHistory(db, historyTable);
      await record(1);
      await db.execute('UPDATE schema_migrations SET details = ?', [
        JSON.stringify({ completed: 'no list', violations: [{ table: 't' }, 5, null], error: 7, more: true }),
      ]);
      expect((await readHistory(db, historyTable))[0]?.details).toEqual({ violations: [] });
    });

    it('says where it was changed by hand', async () => {
      await ensureHistory(db, historyTable);
      for (const version of [1, 2, 3]) await record(version);
      expect(await findTampering(db, historyTable)).toEqual([]);
      await db.execute('UPDATE schema_migrations SET applied_at = ? WHERE version = 2', [
        '2001-01-01T00:00:00.000Z',
      ]);
      expect(await findTampering(db, historyTable)).toEqual([
        'row 2 (0002_step.sql, applied) or a row before it was changed, moved or taken out',
      ]);
      await db.execute('DELETE FROM schema_migrations WHERE version = 2');
      expect(await findTampering(db, historyTable)).toEqual([
        'row 3 (0003_step.sql, applied) or a row before it was changed, moved or taken out',
      ]);
    });
  });

  describe('what stands where the history should be', () => {
    it.each([
      ['a view', 'CREATE VIEW schema_migrations AS SELECT 1 AS version', 'a view named schema_migrations'],
      [
        'a view in other letters',
        'CREATE VIEW Schema_Migrations AS SELECT 1 AS version',
        'a view named schema_migrations',
      ],
      [
        'an index',
        'CREATE TABLE t (a); CREATE INDEX schema_migrations ON t (a)',
        'an index named schema_migrations',
      ],
      [
        'a trigger',
        'CREATE TABLE t (a); CREATE TRIGGER schema_migrations AFTER INSERT ON t BEGIN SELECT 1; END',
        'a trigger named schema_migrations',
      ],
      [
        'the table of dbmate',
        'CREATE TABLE schema_migrations (version varchar(128) primary key)',
        'a table schema_migrations of dbmate or Rails, with the columns version',
      ],
      [
        'the table of golang-migrate',
        'CREATE TABLE "Schema_migrations" (Version uint64, dirty bool)',
        'a table schema_migrations of golang-migrate, with the columns version, dirty',
      ],
      [
        'the table of the sibling',
        'CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, name TEXT, applied_at TEXT)',
        'a table schema_migrations of a sibling of this tool that keeps no checksums, with the columns version, name, applied_at',
      ],
      [
        'the table of another tool',
        'CREATE TABLE schema_migrations (id, hash)',
        'a table schema_migrations of another tool, with the columns id, hash',
      ],
    ])('is named: %s', async (_title, script, description) => {
      await db.executeScript(script);
      expect(await readHistoryShape(db, historyTable)).toEqual({ kind: 'foreign', description });
      expect(await probeDatabase(db, historyTable)).toMatchObject({
        kind: 'occupied',
        description: `where the history (schema_migrations) should be stands ${description}`,
      });
    });

    it('is ours with additional columns', async () => {
      await ensureHistory(db, historyTable);
      await db.executeScript('ALTER TABLE schema_migrations ADD COLUMN note TEXT');
      await record(1);
      expect(await readHistoryShape(db, historyTable)).toMatchObject({ kind: 'ours' });
      expect(await readHistory(db, historyTable)).toHaveLength(1);
    });
  });

  describe('a history that cannot be trusted', () => {
    /** A table of our columns without any rule, as somebody could have made it by hand. */
    const loose = `DROP TABLE schema_migrations; CREATE TABLE schema_migrations (id, version, filename, description, checksum,
    applied_at, execution_time_ms, status, origin, details);`;
    const insert = (row: Readonly<Record<string, string>>): string => {
      const values: Readonly<Record<string, string>> = {
        id: '1',
        version: '1',
        filename: "'0001_step.sql'",
        description: "'step'",
        checksum: "'abc'",
        applied_at: "'2025-01-31T09:30:00.000Z'",
        execution_time_ms: '1',
        status: "'applied'",
        origin: "'migration'",
        details: 'NULL',
        ...row,
      };
      return `INSERT INTO schema_migrations (${Object.keys(values).join(', ')}) VALUES (${Object.values(values).join(', ')});`;
    };

    const bad: readonly (readonly [title: string, script: string, sentence: RegExp])[] = [
      [
        'a version that is text',
        insert({ version: "'1'" }),
        /row 1 has "1" in version, where a whole number belongs/,
      ],
      ['a version that is NULL', insert({ version: 'NULL' }), /row 1 has null in version/],
      ['a version below zero', insert({ version: '-1' }), /row 1 has -1 in version/],
      ['a version that is no whole number', insert({ version: '1.5' }), /row 1 has 1\.5 in version/],
      [
        'a version that JavaScript cannot hold',
        insert({ version: '9007199254740993' }),
        /in version, where a whole number belongs/,
      ],
      ['a version that is bytes', insert({ version: "x'01'" }), /in version, where a whole number belongs/],
      ['no number of the row', insert({ id: 'NULL' }), /row null has null in id/],
      [
        'a checksum that is a number',
        insert({ checksum: '5' }),
        /row 1 has 5 in checksum, where text belongs/,
      ],
      [
        'a filename that is a number',
        insert({ filename: '7' }),
        /row 1 has 7 in filename, where text belongs/,
      ],
      ['a duration below zero', insert({ execution_time_ms: '-3' }), /row 1 has -3 in execution_time_ms/],
      [
        'a status that is none',
        insert({ status: "'done'" }),
        /row 1 has "done" in status, where one of applied, failed, rolled_back belongs/,
      ],
      [
        'an origin that is none',
        insert({ origin: "'elsewhere'" }),
        /row 1 has "elsewhere" in origin, where one of migration, legacy, completed, baseline, adopted, repaired, recorded belongs/,
      ],
      ['details that are no JSON', insert({ details: "'{no'" }), /row 1 has details that are not JSON/],
      ['details that are no object', insert({ details: "'5'" }), /row 1 has details that are not an object/],
      ['details that are a number', insert({ details: '5' }), /row 1 has 5 in details, where text belongs/],
      [
        'a version that is applied twice',
        insert({}) + insert({ id: '2' }),
        /version 1 is recorded as applied twice/,
      ],
      [
        'a version that is applied twice after it was rolled back once',
        [
          insert({}),
          insert({ id: '2', status: "'rolled_back'" }),
          insert({ id: '3' }),
          insert({ id: '4' }),
        ].join(''),
        /version 1 is recorded as applied twice/,
      ],
      [
        'a trigger on it',
        `${insert({})} CREATE TRIGGER sly AFTER INSERT ON schema_migrations BEGIN DELETE FROM schema_migrations; END`,
        /the trigger sly hangs on it/,
      ],
    ];

    it.each(bad)('has %s', async (_title, script, sentence) => {
      await ensureHistory(db, historyTable);
      await db.executeScript(`${loose} ${script}`);
      await expect(readHistory(db, historyTable)).rejects.toMatchObject({ code: 'BAD_HISTORY' });
      await expect(readHistory(db, historyTable)).rejects.toThrow(sentence);
      await expect(probeDatabase(db, historyTable)).rejects.toThrow(sentence);
    });

    it('stops an upgrade before it changes a byte', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'bad-history-'));
      try {
        const database = join(folder, 'a.db');
        await upgradeDatabase({ database, migrations: [migration(1)], backup: false, driver });
        await withLegacy(database, (connection) =>
          connection.run(`${loose} ${insert({})} ${insert({ id: '2' })} PRAGMA wal_checkpoint(TRUNCATE);`),
        );
        const bytes = await hashesIn(folder);
        await expect(
          upgradeDatabase({ database, migrations: [migration(1), migration(2)], driver }),
        ).rejects.toMatchObject({
          code: 'BAD_HISTORY',
          message:
            'The history (table schema_migrations) cannot be trusted: version 1 is recorded as applied twice.',
        });
        expect(await hashesIn(folder)).toEqual(bytes);
      } finally {
        await rm(folder, { recursive: true });
      }
    });
  });
});
