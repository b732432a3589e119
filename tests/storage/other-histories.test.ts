import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { DatabaseBridge } from '../../core/database/database-bridge.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import { probeDatabase } from '../../core/storage/database-state.js';
import { standingRows, summarise, type OtherHistorySummary } from '../../core/storage/other-history.js';
import { findOtherHistories } from '../../core/storage/other-history-reading.js';
import { historyTable } from '../support/history-table.js';

let db: DatabaseBridge;

beforeEach(async () => {
  db = await sqlite3Driver.open(':memory:', 'create');
});

afterEach(() => db.close());

async function found(script: string): Promise<OtherHistorySummary[]> {
  await db.executeScript(script);
  return (await findOtherHistories(db, historyTable)).map(summarise);
}

/** The labels of what stands applied in the only history. */
async function standing(script: string): Promise<string[]> {
  await db.executeScript(script);
  const histories = await findOtherHistories(db, historyTable);
  expect(histories).toHaveLength(1);
  return histories.flatMap((history) => standingRows(history).map(({ label }) => label));
}

const flyway = `CREATE TABLE flyway_schema_history (installed_rank INT NOT NULL PRIMARY KEY, version VARCHAR(50),
  description VARCHAR(200) NOT NULL, type VARCHAR(20) NOT NULL, script VARCHAR(1000) NOT NULL, checksum INT,
  installed_by VARCHAR(100) NOT NULL, installed_on TEXT NOT NULL DEFAULT '2024-01-01', execution_time INT NOT NULL,
  success BOOLEAN NOT NULL);`;
const flywayRow = (rank: number, version: string, type: string, success = 1): string =>
  `INSERT INTO flyway_schema_history VALUES (${rank}, ${version}, 'd', '${type}', 'V${rank}__d.sql', 1, 'me', '2024', 1, ${success});`;

const prisma = `CREATE TABLE "_prisma_migrations" ("id" TEXT PRIMARY KEY NOT NULL, "checksum" TEXT NOT NULL, "finished_at" DATETIME,
  "migration_name" TEXT NOT NULL, "logs" TEXT, "rolled_back_at" DATETIME, "started_at" DATETIME NOT NULL DEFAULT current_timestamp,
  "applied_steps_count" INTEGER UNSIGNED NOT NULL DEFAULT 0);`;

const releases = `CREATE TABLE schema_migrations (id INTEGER PRIMARY KEY, version TEXT UNIQUE, description TEXT, applied_at TEXT,
  checksum TEXT, execution_time_ms INTEGER, status TEXT);`;

describe('another tool is recognised by the columns of its table', () => {
  it.each([
    ['knex', 'CREATE TABLE anything (id INTEGER PRIMARY KEY, name, batch, migration_time)'],
    ['umzug', 'CREATE TABLE `SequelizeMeta` (`name` VARCHAR(255) NOT NULL UNIQUE PRIMARY KEY)'],
    ['umzug', 'CREATE TABLE umzug (name, "createdAt", "updatedAt")'],
    [
      'drizzle',
      'CREATE TABLE "__drizzle_migrations" (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at numeric)',
    ],
    ['prisma', prisma],
    ['dbmate', 'CREATE TABLE schema_migrations (version varchar(128) primary key)'],
    [
      'rails',
      'CREATE TABLE schema_migrations (version varchar); CREATE TABLE ar_internal_metadata (key, value)',
    ],
    ['golang_migrate', 'CREATE TABLE schema_migrations (version uint64,dirty bool)'],
    ['flyway', flyway],
    ['sqlite', 'CREATE TABLE migrations (id INTEGER PRIMARY KEY, name TEXT, up TEXT, down TEXT)'],
    ['sibling', 'CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, name TEXT, applied_at TEXT)'],
    ['sibling', 'CREATE TABLE migrations (id INTEGER PRIMARY KEY, version UNIQUE, name, applied_at)'],
    ['files', 'CREATE TABLE migrations (id INTEGER PRIMARY KEY, filename TEXT UNIQUE, checksum, applied_at)'],
    ['releases', releases],
  ])('%s: %s', async (tool, script) => {
    expect(await found(script)).toMatchObject([{ tool, rows: 0, newest: undefined, unfinished: [] }]);
  });

  it.each([
    ['one more column', 'CREATE TABLE knex_migrations (id, name, batch, migration_time, note)'],
    ['a column less', 'CREATE TABLE knex_migrations (id, name, batch)'],
    ['what a table of anybody could have', 'CREATE TABLE files (id INTEGER PRIMARY KEY, hash, created_at)'],
    [
      'names that could be anything',
      'CREATE TABLE tags (name); CREATE TABLE app (version); CREATE TABLE x (version, dirty)',
    ],
    ['a view', 'CREATE VIEW knex_migrations AS SELECT 1 AS id, 2 AS name, 3 AS batch, 4 AS migration_time'],
  ])('and not with %s', async (_title, script) => {
    expect(await found(script)).toEqual([]);
  });

  it('whatever the letters of the names, and beside a virtual table', async () => {
    const script = `CREATE VIRTUAL TABLE words USING fts5(name);
      CREATE TABLE "Knex Migrations" (ID INTEGER PRIMARY KEY, Name, BATCH, Migration_Time);
      INSERT INTO "Knex Migrations" VALUES (1, '001_a.js', 1, 1700000000000), (10, '010_c.js', 3, 1), (9, '009_b.js', 2, 1)`;
    expect(await found(script)).toEqual([
      { tool: 'knex', title: 'knex', table: 'Knex Migrations', rows: 3, newest: '010_c.js', unfinished: [] },
    ]);
    const [history] = await findOtherHistories(db, historyTable);
    expect(history?.rows[0]).toMatchObject({ name: '001_a.js', appliedAt: '2023-11-14T22:13:20.000Z' });
  });

  it('every one of several', async () => {
    const script = `CREATE TABLE knex_migrations (id, name, batch, migration_time); ${releases}`;
    expect((await found(script)).map(({ tool }) => tool)).toEqual(['knex', 'releases']);
    await db.executeScript("INSERT INTO knex_migrations VALUES (1, 'a', 1, 1)");
    expect(await probeDatabase(db, historyTable)).toMatchObject({
      kind: 'occupied',
      others: [{ tool: 'knex' }],
    });
  });

  it('keeps the digits of a version of 64 bits', async () => {
    await db.executeScript(
      'CREATE TABLE schema_migrations (version uint64, dirty bool); INSERT INTO schema_migrations VALUES (9223372036854775807, false)',
    );
    expect((await findOtherHistories(db, historyTable))[0]?.rows[0]?.version).toBe('9223372036854775807');
  });
});

describe('what is not finished is told', () => {
  it.each([
    [
      'golang-migrate, dirty',
      'CREATE TABLE schema_migrations (version uint64, dirty bool); INSERT INTO schema_migrations VALUES (3, true)',
      ['version 3 is marked dirty: it was begun and did not end well'],
    ],
    [
      'Flyway, failed',
      flyway + flywayRow(1, "'1'", 'SQL') + flywayRow(2, "'2'", 'SQL', 0),
      ['V2__d.sql is marked as failed'],
    ],
    [
      'Prisma, not ended',
      `${prisma} INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at) VALUES ('a', 'x', '2024_init', '2024-02-29')`,
      ['2024_init was begun at 2024-02-29 and not finished'],
    ],
    [
      'releases, failed and unknown',
      `${releases} INSERT INTO schema_migrations (version, status) VALUES ('1.0.0', 'failed'), ('1.1.0', 'running')`,
      ['release 1.0.0 is marked as failed', 'release 1.1.0 has the status "running", which is not known'],
    ],
    [
      'knex, locked',
      `CREATE TABLE knex_migrations (id, name, batch, migration_time);
       CREATE TABLE knex_migrations_lock ("index" INTEGER PRIMARY KEY, is_locked INTEGER);
       INSERT INTO knex_migrations_lock (is_locked) VALUES (1)`,
      ['knex holds its lock (knex_migrations_lock), or was stopped while it did'],
    ],
  ])('%s', async (_title, script, unfinished) => {
    expect(await found(script)).toMatchObject([{ unfinished }]);
  });
});

describe('what came later decides', () => {
  it('Prisma: a failed attempt that was rolled back, and one that ended after it', async () => {
    const names = await standing(`${prisma}
      INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, finished_at, rolled_back_at) VALUES
        ('c', 'x', '2_b', 3000000000000, 3000000000001, NULL), ('b', 'x', '2_b', 2000000000000, NULL, 2000000000001),
        ('a', 'x', '1_a', 1000000000000, 1000000000001, NULL), ('d', 'x', '3_c', 4000000000000, NULL, 4000000000001)`);
    expect(names).toEqual(['1_a', '2_b']);
  });

  it('Prisma: an attempt that was rolled back hides none that ended before it', async () => {
    const names = await standing(`${prisma}
      INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, finished_at, rolled_back_at) VALUES
        ('a', 'x', '1_a', 1000000000000, 1000000000001, NULL), ('b', 'x', '1_a', 2000000000000, NULL, 2000000000001)`);
    expect(names).toEqual(['1_a']);
  });

  it('Flyway: undone, done again, deleted, and the making of a schema', async () => {
    const rows = [
      flywayRow(0, 'NULL', 'SCHEMA'),
      flywayRow(1, "'1'", 'SQL'),
      flywayRow(2, "'2'", 'SQL', 0),
      flywayRow(3, "'2'", 'SQL'),
      flywayRow(4, "'3'", 'SQL'),
      flywayRow(5, "'3'", 'UNDO_SQL'),
      flywayRow(6, "'4'", 'SQL'),
      flywayRow(7, "'4'", 'DELETE'),
    ];
    expect(await standing(flyway + rows.join(''))).toEqual(['V1__d.sql', 'V3__d.sql']);
  });

  it('releases: rolled back, and not yet applied', async () => {
    const names =
      await standing(`${releases} INSERT INTO schema_migrations (version, applied_at, status) VALUES
      ('1.0.0', '2024-01-01', 'applied'), ('1.1.0', '2024-01-02', 'rolled_back'), ('1.2.0', NULL, 'pending')`);
    expect(names).toEqual(['release 1.0.0']);
  });
});
