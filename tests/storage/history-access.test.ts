import { afterEach, beforeEach, describe, expect, it, test } from '@jest/globals';

import type { DatabaseBridge } from '../../core/database/database-bridge.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import {
  adoptHistory,
  AlreadyRecordedError,
  ensureHistoryTable,
  inspectDatabase,
  isPending,
  listApplied,
  listHistory,
  recordApplied,
  verifyDatabase,
  type AppliedMigration,
  type ListAppliedOptions,
  type RecordedFile,
} from '../../core/index.js';
import { DatabaseFolder } from '../support/database-folder.js';
import { migrationsOf } from '../support/migration-values.js';
import { notesFiles } from '../support/notes-files.js';
import { startProgram } from '../support/processes.js';
import { untyped } from '../support/untyped.js';

let place: DatabaseFolder;
let db: DatabaseBridge;

beforeEach(async () => {
  place = await DatabaseFolder.make();
  db = await sqlite3Driver.open(place.path, 'create');
});

afterEach(async () => {
  await db.close();
  await place.remove();
});

async function listed(options: ListAppliedOptions = {}): Promise<AppliedMigration[]> {
  const found: AppliedMigration[] = [];
  for await (const migration of listApplied(db, options)) found.push(migration);
  return found;
}

const filenames = async (options: ListAppliedOptions = {}): Promise<string[]> =>
  (await listed(options)).map(({ filename }) => filename);

/** So many files, the first of the number `from`. */
const files = (count: number, from = 1): RecordedFile[] =>
  Array.from({ length: count }, (_, index) => ({
    filename: `${String(from + index).padStart(5, '0')}_file.sql`,
  }));

const twoFiles = migrationsOf({
  '001_notes.sql': notesFiles['001_notes.sql'],
  '002_pins.sql': notesFiles['002_pins.sql'],
});

describe('the history alone', () => {
  it('is made once, with an index for what is looked up', async () => {
    await ensureHistoryTable(db);
    await ensureHistoryTable(db);
    expect(await place.rows("SELECT name FROM sqlite_schema WHERE tbl_name = 'schema_migrations'")).toEqual([
      { name: 'schema_migrations' },
      { name: 'idx_schema_migrations_version' },
      { name: 'idx_schema_migrations_applied_at' },
    ]);
    const plan = await db.query('EXPLAIN QUERY PLAN SELECT * FROM schema_migrations WHERE version = 1');
    expect(String(plan[0]?.detail)).toContain('USING INDEX idx_schema_migrations_version');
  });

  it('that is there is found without waiting for a program that reads on and on', async () => {
    await db.execute('PRAGMA journal_mode = DELETE');
    await ensureHistoryTable(db);
    const reader = await sqlite3Driver.open(place.path, 'read-only');
    await reader.execute('BEGIN');
    await reader.query('SELECT * FROM sqlite_schema');
    await expect(ensureHistoryTable(db)).resolves.toBeUndefined();
    await reader.close();
  });

  it('is empty where there is none, and nothing is made by asking', async () => {
    expect(await listed()).toEqual([]);
    expect(await isPending(db, '001_notes.sql')).toBe(true);
    expect(await place.rows('SELECT * FROM sqlite_schema')).toEqual([]);
  });

  it('takes a file, and makes the table for it', async () => {
    await recordApplied(db, { filename: '007_add_tags.sql', checksum: 'abc' });
    expect(await listed()).toEqual([
      {
        id: 1,
        version: 7,
        filename: '007_add_tags.sql',
        description: 'add tags',
        checksum: 'abc',
        appliedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
        executionTimeMs: 0,
        status: 'applied',
        origin: 'recorded',
        details: {},
        release: undefined,
      },
    ]);
    expect(await isPending(db, '007_add_tags.sql')).toBe(false);
    expect(await isPending(db, '008_more.sql')).toBe(true);
    expect(await place.rows('PRAGMA user_version')).toEqual([{ user_version: 7 }]);
  });

  it('is a history like any other: an upgrade goes on from it, and the chain holds', async () => {
    await db.executeScript(notesFiles['001_notes.sql']);
    const [first, second] = twoFiles;
    await recordApplied(db, { filename: '001_notes.sql', checksum: first?.checksum });
    const upgraded = await place.upgrade({ migrations: twoFiles });
    expect(upgraded.applied).toMatchObject([{ version: 2 }]);
    expect(await isPending(db, '002_pins.sql')).toBe(false);
    expect(await verifyDatabase(place.path, { migrations: twoFiles })).toMatchObject({
      ok: true,
      tampering: [],
    });
    expect(second?.version).toBe(2);
  });

  it('does not hold a file against a row without a checksum', async () => {
    await db.executeScript(notesFiles['001_notes.sql']);
    await recordApplied(db, { filename: '001_notes.sql' });
    const found = await inspectDatabase(place.path, { migrations: twoFiles });
    expect(found).toMatchObject({ kind: 'managed', changed: [], problem: undefined });
    expect(found.files.map(({ state }) => state)).toEqual(['applied', 'pending']);
    await place.upgrade({ migrations: twoFiles });
    expect(await verifyDatabase(place.path, { migrations: twoFiles })).toMatchObject({ ok: true });
  });

  it('holds a file against a row with another checksum', async () => {
    await recordApplied(db, { filename: '001_notes.sql', checksum: 'of another text' });
    await expect(place.upgrade({ migrations: twoFiles })).rejects.toMatchObject({
      code: 'CHANGED_MIGRATION',
    });
  });

  it('is listed by number, or by time', async () => {
    await recordApplied(db, [
      { filename: '003_c.sql' },
      { filename: '001_a.sql' },
      { filename: '002_b.sql' },
    ]);
    expect(await filenames()).toEqual(['001_a.sql', '002_b.sql', '003_c.sql']);
    expect(await filenames({ order: 'applied_at' })).toEqual(['003_c.sql', '001_a.sql', '002_b.sql']);
    await expect(filenames(untyped({}, { order: 'id; DROP TABLE x' }))).rejects.toMatchObject({
      code: 'BAD_OPTION',
    });
  });

  it('counts what was undone or failed as pending, and takes it again', async () => {
    await place.upgrade({ migrations: twoFiles });
    await place.run(
      `INSERT INTO schema_migrations (version, filename, description, checksum, applied_at, execution_time_ms, status, origin)
       SELECT 2, filename, description, checksum, '2030-01-01', 0, 'rolled_back', 'migration' FROM schema_migrations WHERE version = 2`,
    );
    expect(await filenames()).toEqual(['001_notes.sql']);
    expect(await isPending(db, '002_pins.sql')).toBe(true);
    await recordApplied(db, { filename: '002_pins.sql' });
    expect(await filenames()).toEqual(['001_notes.sql', '002_pins.sql']);
    expect((await listHistory(place.path)).map(({ status }) => status)).toEqual([
      ...['applied', 'applied', 'rolled_back', 'applied'],
    ]);
  });

  it('can have another name', async () => {
    const options = { historyTable: 'past' };
    await recordApplied(db, { filename: '001_a.sql' }, options);
    expect(await filenames(options)).toEqual(['001_a.sql']);
    await expect(filenames()).rejects.toMatchObject({ code: 'HISTORY_ELSEWHERE' });
    await expect(recordApplied(db, { filename: '002_b.sql' })).rejects.toMatchObject({
      code: 'HISTORY_ELSEWHERE',
    });
    await expect(ensureHistoryTable(db, { historyTable: 'a"b' })).rejects.toMatchObject({
      code: 'BAD_OPTION',
    });
  });

  it('is not written into the table of another tool, nor where a trigger hangs on it', async () => {
    await place.run('CREATE TABLE migrations (id INTEGER, filename TEXT UNIQUE)');
    const options = { historyTable: 'migrations' };
    for (const work of [
      () => ensureHistoryTable(db, options),
      () => recordApplied(db, { filename: '001_a.sql' }, options),
      () => isPending(db, '001_a.sql', options),
      () => listed(options),
    ])
      await expect(work()).rejects.toMatchObject({ code: 'FOREIGN_DATABASE' });
    await recordApplied(db, { filename: '001_a.sql' });
    await place.run('CREATE TRIGGER t AFTER INSERT ON schema_migrations BEGIN SELECT 1; END');
    await expect(recordApplied(db, { filename: '002_b.sql' })).rejects.toMatchObject({ code: 'BAD_HISTORY' });
  });

  describe.each([
    ['elsewhere', 'migrations'],
    ['under the name of ours', 'schema_migrations'],
  ])('beside the history of another tool, %s', (_title, table) => {
    const isRefused = async (): Promise<void> => {
      for (const work of [
        () => ensureHistoryTable(db),
        () => isPending(db, '002_seed.sql'),
        () => recordApplied(db, { filename: '004_more.sql' }),
        () => listed(),
      ])
        await expect(work()).rejects.toMatchObject({
          code: 'OTHER_HISTORY',
          table,
          hint: expect.stringContaining('upgrade-bridge adopt'),
        });
    };

    beforeEach(() =>
      place.run(
        `CREATE TABLE ${table} (id INTEGER PRIMARY KEY, filename TEXT, checksum TEXT, applied_at TEXT);
         INSERT INTO ${table} (filename) VALUES ('001_init.sql'), ('002_seed.sql'), ('003_tags.sql')`,
      ),
    );

    it('is neither made nor asked nor written, and the other one can still be taken over', async () => {
      expect(await place.isUntouchedBy(isRefused)).toBe(true);
    });

    it('goes on once it was taken over', async () => {
      const migrations = migrationsOf(
        Object.fromEntries(['001_init', '002_seed', '003_tags'].map((name) => [`${name}.sql`, 'SELECT 1;'])),
      );
      await adoptHistory({ database: place.path, migrations, backup: false });
      expect(await isPending(db, '002_seed.sql')).toBe(false);
      await recordApplied(db, { filename: '004_more.sql' });
      expect(await filenames()).toHaveLength(4);
    });
  });

  it('that tells nothing yet does not hide that of another tool', async () => {
    await ensureHistoryTable(db);
    await place.run(
      "CREATE TABLE knex_migrations (id, name, batch, migration_time); INSERT INTO knex_migrations VALUES (1, '001_init.js', 1, 1)",
    );
    await expect(recordApplied(db, { filename: '002_b.sql' })).rejects.toMatchObject({
      code: 'OTHER_HISTORY',
      tool: 'knex',
    });
  });

  it('tells of a row that nobody can have written', async () => {
    await recordApplied(db, { filename: '001_a.sql' });
    await place.run("UPDATE schema_migrations SET origin = 'magic'");
    await expect(listed()).rejects.toMatchObject({ code: 'BAD_HISTORY' });
  });
});

describe('a name that is none', () => {
  it.each([
    '',
    'notes.sql',
    '001.sql',
    '001_a',
    '000_zero.sql',
    '../001_a.sql',
    'sql/001_a.sql',
    '001_a.down.sql',
    "001_a'; DROP TABLE schema_migrations; --.sql",
    '001_ä.sql',
    '001_a.sql\0',
    '001_a.sql\n',
    '99999999999999999999_a.sql',
  ])('is refused: %j', async (filename) => {
    const refused = { code: 'BAD_MIGRATION_NAME' };
    await expect(recordApplied(db, { filename })).rejects.toMatchObject(refused);
    await expect(isPending(db, filename)).rejects.toMatchObject(refused);
    expect(await place.rows('SELECT * FROM sqlite_schema')).toEqual([]);
  });

  it.each([
    ['../001_a.sql', 'Give the name without its folder.'],
    ['sql\\001_a.sql', 'Give the name without its folder.'],
    ['001_a.down.sql', 'That is a way back; give the name of its migration.'],
  ])('is refused with what to give instead: %j', async (filename, hint) => {
    await expect(isPending(db, filename)).rejects.toMatchObject({ code: 'BAD_MIGRATION_NAME', hint });
  });

  it.each([7, null, ['001_a.sql'], {}])('is refused where a caller gives no text: %j', async (filename) => {
    const given = untyped({ filename: '' }, { filename });
    await expect(recordApplied(db, given)).rejects.toMatchObject({ code: 'BAD_OPTION' });
    await expect(isPending(db, given.filename)).rejects.toMatchObject({ code: 'BAD_OPTION' });
  });

  it.each(['', ' ', 7, null])('of a checksum, too: %j', async (checksum) => {
    const given = untyped({ filename: '001_a.sql' }, { checksum });
    await expect(recordApplied(db, given)).rejects.toMatchObject({ code: 'BAD_OPTION' });
  });

  it('keeps what stands in a checksum as a value', async () => {
    const checksum = "'); DROP TABLE schema_migrations; --";
    await recordApplied(db, { filename: '001_a.sql', checksum });
    expect((await listed())[0]?.checksum).toBe(checksum);
  });
});

describe('a file that stands applied', () => {
  it('is refused a second time, and nothing is written', async () => {
    await recordApplied(db, { filename: '001_a.sql' });
    const before = await place.rows('SELECT * FROM schema_migrations');
    const error: unknown = await recordApplied(db, { filename: '001_a.sql' }).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(AlreadyRecordedError);
    expect(error).toMatchObject({ code: 'ALREADY_RECORDED', filename: '001_a.sql', version: 1 });
    expect(await place.rows('SELECT * FROM schema_migrations')).toEqual(before);
  });

  it('keeps its number from others', async () => {
    await recordApplied(db, { filename: '001_a.sql' });
    const refused = {
      code: 'ALREADY_RECORDED',
      message: expect.stringMatching(
        /^The number of 0001_b\.sql is that of 001_a\.sql, which stands applied since/,
      ),
    };
    await expect(recordApplied(db, { filename: '0001_b.sql' })).rejects.toMatchObject(refused);
    await expect(isPending(db, '0001_b.sql')).rejects.toMatchObject(refused);
  });

  it('keeps a whole list out, as one that is there twice does', async () => {
    await recordApplied(db, { filename: '003_c.sql' });
    await expect(recordApplied(db, [...files(2), { filename: '003_c.sql' }])).rejects.toMatchObject({
      filename: '003_c.sql',
    });
    await expect(recordApplied(db, [...files(2), ...files(1)])).rejects.toMatchObject({
      code: 'ALREADY_RECORDED',
    });
    expect(await filenames()).toEqual(['003_c.sql']);
  });

  it('is recorded by one of several processes, and each other is told', async () => {
    await ensureHistoryTable(db);
    const programs = Array.from({ length: 4 }, () =>
      startProgram('record-migration', place.path, '001_a.sql'),
    );
    await Promise.all(programs.map((program) => program.said('ready')));
    for (const program of programs) program.tell('go');
    const ends = await Promise.all(programs.map((program) => program.end()));
    const said = ends.map(({ stdout }): unknown => JSON.parse(stdout.replace('ready\n', '')));
    expect(ends.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
    expect(said.filter((word) => word === 'fine')).toHaveLength(1);
    expect(said.filter((word) => word !== 'fine')).toEqual(
      Array(3).fill(expect.objectContaining({ code: 'ALREADY_RECORDED' })),
    );
    expect(await filenames()).toEqual(['001_a.sql']);
  });

  it('is recorded once when one program asks several times at once', async () => {
    const asked = await Promise.allSettled(Array.from({ length: 5 }, () => recordApplied(db, files(1))));
    expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    await Promise.all(files(20, 2).map((file) => recordApplied(db, file)));
    expect(await listed()).toHaveLength(21);
    await expect(verifyDatabase(place.path, { migrations: twoFiles })).rejects.toMatchObject({
      code: 'NEWER_DATABASE',
    });
  });
});

describe('a transaction of the caller', () => {
  test('takes the row with it, whichever way it ends', async () => {
    await db.execute('BEGIN');
    await db.executeScript('CREATE TABLE a (id)');
    await recordApplied(db, { filename: '001_a.sql' });
    expect(await isPending(db, '001_a.sql')).toBe(false);
    await db.execute('ROLLBACK');
    expect(await isPending(db, '001_a.sql')).toBe(true);
    await db.execute('BEGIN IMMEDIATE');
    await recordApplied(db, { filename: '001_a.sql' });
    await db.execute('COMMIT');
    expect(await filenames()).toEqual(['001_a.sql']);
  });

  test('goes on after a refusal', async () => {
    await recordApplied(db, { filename: '001_a.sql' });
    await db.execute('BEGIN');
    await db.executeScript('CREATE TABLE kept (id)');
    await expect(recordApplied(db, [{ filename: '002_b.sql' }, { filename: '001_a.sql' }])).rejects.toThrow();
    await db.execute('COMMIT');
    expect(await filenames()).toEqual(['001_a.sql']);
    expect(await place.rows("SELECT name FROM sqlite_schema WHERE name = 'kept'")).toHaveLength(1);
  });
});

describe('ten thousand rows', () => {
  it('are recorded in one go, listed page by page, and found', async () => {
    const all = files(10_000);
    await recordApplied(db, all);
    let seen = 0;
    for await (const { version } of listApplied(db)) expect(version).toBe((seen += 1));
    expect(seen).toBe(10_000);
    expect(await filenames({ order: 'applied_at' })).toEqual(all.map(({ filename }) => filename));
    expect(await isPending(db, '09999_file.sql')).toBe(false);
    expect(await isPending(db, '10001_file.sql')).toBe(true);
    await recordApplied(db, { filename: '10001_file.sql' });
    expect(await place.rows('PRAGMA user_version')).toEqual([{ user_version: 10_001 }]);
  }, 60_000);

  it('are listed while rows come and go', async () => {
    await recordApplied(db, files(1_200));
    let seen = 0;
    for await (const { version } of listApplied(db)) {
      seen += 1;
      if (version === 100) await recordApplied(db, files(1, 5_000));
    }
    expect(seen).toBe(1_201);
  });
});

describe('numbers that do not fit into user_version', () => {
  it('leave the number of applied migrations there', async () => {
    await recordApplied(db, [{ filename: '20260101120000_a.sql' }, { filename: '20260101120001_b.sql' }]);
    expect(await place.rows('PRAGMA user_version')).toEqual([{ user_version: 2 }]);
    await recordApplied(db, { filename: '20260101120002_c.sql' });
    expect(await place.rows('PRAGMA user_version')).toEqual([{ user_version: 3 }]);
  });
});

describe('the indexes', () => {
  it('come to a history of an earlier version of this package with its next row, and are no drift', async () => {
    await place.upgrade({ migrations: twoFiles.slice(0, 1) });
    await place.run('DROP INDEX idx_schema_migrations_version; DROP INDEX idx_schema_migrations_applied_at');
    expect(
      await place.isUntouchedBy(() => verifyDatabase(place.path, { migrations: twoFiles.slice(0, 1) })),
    ).toBe(true);
    const upgraded = await place.upgrade({ migrations: twoFiles });
    expect(upgraded.applied).toHaveLength(1);
    expect(await verifyDatabase(place.path, { migrations: twoFiles })).toMatchObject({
      ok: true,
      drift: [],
      extras: [],
    });
    expect(await place.rows("SELECT name FROM sqlite_schema WHERE type = 'index'")).toHaveLength(2);
  });

  it('follow a table that is renamed, and leave what bears their name alone', async () => {
    const indexes = "SELECT tbl_name FROM sqlite_schema WHERE type = 'index'";
    await ensureHistoryTable(db);
    await place.run('ALTER TABLE schema_migrations RENAME TO past');
    await ensureHistoryTable(db, { historyTable: 'past' });
    expect(await place.rows(indexes)).toEqual([{ tbl_name: 'past' }, { tbl_name: 'past' }]);
    await place.run('DROP INDEX idx_schema_migrations_version; CREATE TABLE idx_past_version (id)');
    await recordApplied(db, { filename: '001_a.sql' }, { historyTable: 'past' });
    expect(await place.rows(indexes)).toEqual([{ tbl_name: 'past' }]);
  });
});
