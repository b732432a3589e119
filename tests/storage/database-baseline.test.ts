import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readdir } from 'node:fs/promises';

import {
  baselineDatabase,
  inspectDatabase,
  upgradeDatabase,
  verifyDatabase,
  type BaselineOptions,
  type BaselineReport,
} from '../../core/index.js';
import { DatabaseFolder } from '../support/database-folder.js';
import { withLegacy } from '../support/legacy-driver.js';
import { migrationsOf } from '../support/migration-values.js';
import { notesFiles, notesLegacyVersions, notesMigrations } from '../support/notes-world.js';
import { journalModes } from '../support/storage-database.js';

/** The SQL of the files up to a version, as another tool would have run it. */
const upTo = (version: number): string => Object.values(notesFiles).slice(0, version).join('\n');
const filenames = Object.keys(notesFiles);

let place: DatabaseFolder;

afterEach(() => place.remove());

function baseline(options: Partial<BaselineOptions> = {}): Promise<BaselineReport> {
  return baselineDatabase({ database: place.path, migrations: notesMigrations, backup: false, ...options });
}

const verify = () => verifyDatabase(place.path, { migrations: notesMigrations });
const history = () =>
  place.rows('SELECT version, status, origin, checksum, details FROM schema_migrations ORDER BY id');

describe.each(journalModes)('baselineDatabase, in %s mode', (journal) => {
  beforeEach(async () => {
    place = await DatabaseFolder.make(journal);
  });

  it.each([1, 2, 3, 4, 5])('finds that a database holds the files up to %i', async (version) => {
    await place.run(upTo(version));
    const report = await baseline();
    expect(report.version).toBe(version);
    expect(report.files.map(({ filename }) => filename)).toEqual(filenames.slice(0, version));
    expect(report.pending).toEqual(filenames.slice(version));
    expect(await history()).toMatchObject(
      notesMigrations.slice(0, version).map((file) => ({
        version: file.version,
        status: 'applied',
        origin: 'baseline',
        checksum: file.checksum,
      })),
    );
    expect(await place.rows('PRAGMA user_version')).toEqual([{ user_version: version }]);
    const upgraded = await upgradeDatabase({
      database: place.path,
      migrations: notesMigrations,
      backup: false,
    });
    expect(upgraded.applied.map(({ filename }) => filename)).toEqual(filenames.slice(version));
    expect(await verify()).toMatchObject({ ok: true, drift: [], pending: [], extras: [] });
  });

  it('shows why, and why not more', async () => {
    await place.run(upTo(2));
    const { files, next } = await baseline({ dryRun: true });
    expect(files).toEqual([
      {
        version: 1,
        filename: '0001_create_notes.sql',
        evidence: [
          ...['table notes', 'table drafts', 'index notes_by_title'],
          ...['trigger notes_touch', 'view note_titles'],
        ],
        assumed: false,
      },
      {
        version: 2,
        filename: '0002_tag_notes.sql',
        evidence: ['column notes.tag', 'index notes_by_tag'],
        assumed: false,
      },
    ]);
    expect(next?.filename).toBe('0003_require_titles.sql');
    expect(next?.misfits).toEqual(
      expect.arrayContaining(['table folders is missing', 'column notes.folder is missing']),
    );
  });

  it('takes files that change data only to have run when a later one is there, and leaves those at the end pending', async () => {
    const files = {
      '0001_a.sql': 'CREATE TABLE a (x);',
      '0002_fill.sql': 'INSERT INTO a VALUES (1);',
      '0003_b.sql': 'CREATE TABLE b (x);',
      '0004_fill.sql': 'INSERT INTO b VALUES (2);',
    };
    await place.run(`${files['0001_a.sql']} ${files['0003_b.sql']}`);
    const migrations = migrationsOf(files);
    const report = await baseline({ migrations });
    expect(report).toMatchObject({ version: 3, pending: ['0004_fill.sql'], next: undefined });
    expect(report.files.map(({ assumed }) => assumed)).toEqual([false, true, false]);
    expect((await history()).map((row) => JSON.parse(String(row.details)) as unknown)).toEqual([
      { notes: ['is there: table a'] },
      { notes: ['changes data only, and is taken to have run'] },
      { notes: ['is there: table b'] },
    ]);
    await upgradeDatabase({ database: place.path, migrations, backup: false });
    expect(await place.rows('SELECT x FROM a UNION ALL SELECT x FROM b')).toEqual([{ x: 2 }]);
  });

  it('believes somebody who says that the last ones have run, too', async () => {
    await place.run(upTo(7));
    expect(await baseline({ dryRun: true })).toMatchObject({ version: 5 });
    const report = await baseline({ at: 7 });
    expect(report).toMatchObject({ version: 7, pending: [] });
    expect(report.files.filter(({ assumed }) => assumed).map(({ version }) => version)).toEqual([6, 7]);
    expect(await verify()).toMatchObject({ ok: true });
  });

  it('records less than there is when it is told to', async () => {
    await place.run(upTo(2));
    const report = await baseline({ at: 1 });
    expect(report).toMatchObject({ version: 1, next: { filename: '0002_tag_notes.sql', misfits: [] } });
    expect(report.extras.map(({ name }) => name)).toEqual(['notes.tag', 'notes_by_tag']);
  });

  it('keeps what else is in the database, and every row', async () => {
    await place.run(
      `${upTo(3)} CREATE TABLE orders (id INTEGER PRIMARY KEY, note REFERENCES notes(id)); CREATE INDEX by_note ON orders (note);
       INSERT INTO notes (title) VALUES ('one'), ('two'); INSERT INTO orders VALUES (1, 404); PRAGMA user_version = 77`,
    );
    const report = await baseline();
    expect(report).toMatchObject({ version: 3, userVersion: { found: 77, set: 3 } });
    expect(report.extras.map(({ sentence }) => sentence)).toEqual([
      "table orders is an addition of this database's own",
      "index by_note is an addition of this database's own",
    ]);
    expect(await place.rows('SELECT title FROM notes')).toEqual([{ title: 'one' }, { title: 'two' }]);
    expect(await place.rows('SELECT note FROM orders')).toEqual([{ note: 404 }]);
    const { newViolations, violations } = await verify();
    expect({ newViolations, rows: violations.map(({ rows }) => rows) }).toEqual({
      newViolations: [],
      rows: [1],
    });
  });

  it('says what it would do, and does nothing, when asked for that', async () => {
    await place.run(upTo(4));
    let report: BaselineReport | undefined;
    expect(await place.isUntouchedBy(async () => (report = await baseline({ dryRun: true })))).toBe(true);
    expect(report).toMatchObject({ dryRun: true, version: 4, backup: undefined });
  });

  it('makes a verified copy before it writes', async () => {
    await place.run(`${upTo(2)} INSERT INTO notes (title) VALUES ('kept')`);
    const { backup } = await baseline({ backup: {} });
    expect(backup).toMatch(/\.backup-.*-unmanaged-to-baseline$/);
    expect(await withLegacy(String(backup), (copy) => copy.rows('SELECT title FROM notes'))).toEqual([
      { title: 'kept' },
    ]);
  });

  it('of two that begin at the same time is done by one, and refused to the other', async () => {
    await place.run(upTo(2));
    const ends = await Promise.allSettled([baseline(), baseline()]);
    expect(ends.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(await history()).toHaveLength(2);
  });

  it('is possible where every upgrade failed so far', async () => {
    const broken = migrationsOf({ '0001_create_notes.sql': 'SELECT * FROM nowhere;' });
    await expect(place.upgrade({ migrations: broken })).rejects.toMatchObject({ code: 'MIGRATION_FAILED' });
    await place.run(upTo(1));
    expect(await baseline()).toMatchObject({ version: 1 });
    expect(await history()).toMatchObject([{ status: 'failed' }, { status: 'applied', origin: 'baseline' }]);
  });
});

describe('baselineDatabase refuses', () => {
  beforeEach(async () => {
    place = await DatabaseFolder.make();
  });

  async function refusal(options: Partial<BaselineOptions> = {}): Promise<string> {
    let message = '';
    const refused = async () => {
      await expect(
        baseline(options).catch((error: unknown) => {
          message = error instanceof Error ? error.message : '';
          throw error;
        }),
      ).rejects.toMatchObject({ code: 'BASELINE_MISMATCH' });
    };
    expect(await place.isUntouchedBy(refused)).toBe(true);
    return message;
  }

  it('a version that does not fit, and names what is missing and what is different', async () => {
    await place.run(
      `${upTo(2)} DROP INDEX notes_by_title; DROP TRIGGER notes_touch;
       CREATE TRIGGER notes_touch AFTER UPDATE ON notes BEGIN SELECT 1; END;`,
    );
    expect(await refusal({ at: 2 })).toMatch(
      /^The database does not hold what the files up to version 2 make: index notes_by_title is missing; trigger notes_touch differs: expected .*, found .*\.$/s,
    );
  });

  it('a version whose file takes something away that is still there', async () => {
    await place.run(upTo(4));
    expect(await refusal({ at: 5 })).toBe(
      'The database does not hold what the files up to version 5 make: table drafts is there, which 0005_drop_drafts.sql takes away.',
    );
  });

  it('a column that is still there, and an index', async () => {
    const migrations = migrationsOf({
      '0001_a.sql': 'CREATE TABLE a (x, y); CREATE INDEX by_x ON a (x);',
      '0002_b.sql': 'DROP INDEX by_x; ALTER TABLE a DROP COLUMN y; CREATE TABLE b (x);',
    });
    await place.run('CREATE TABLE a (x, Y); CREATE INDEX by_x ON a (x); CREATE TABLE b (x)');
    expect(await refusal({ migrations, at: 2 })).toMatch(
      /: index by_x is there, which 0002_b\.sql takes away; column a\.y is there, which 0002_b\.sql takes away\.$/,
    );
    expect(await baseline({ migrations, dryRun: true })).toMatchObject({ version: 1 });
  });

  it('a database that holds none of the files', async () => {
    await place.run('CREATE TABLE orders (id)');
    expect(await refusal()).toMatch(
      /^The database holds none of these files wholly; of 0001_create_notes\.sql: table notes is missing; table drafts is missing; /,
    );
  });

  it('to find files that leave nothing behind', async () => {
    const migrations = migrationsOf({
      '0001_a.sql': 'CREATE TABLE a (x);',
      '0002_b.sql': '-- migration: drops a\nDROP TABLE a;',
    });
    await place.run('CREATE TABLE orders (id)');
    expect(await refusal({ migrations })).toMatch(/of 0001_a\.sql: table a is missing\.$/);
  });

  it('a database with a history', async () => {
    await place.upgrade({ migrations: notesMigrations });
    expect(await refusal()).toBe('The database has a history already.');
  });

  it('a database with nothing in it', async () => {
    await place.run('');
    expect(await refusal()).toBe('There is nothing in the database that could be recorded.');
  });

  it('a version that there is not', async () => {
    await place.run(upTo(2));
    const refused = () => expect(baseline({ at: 12 })).rejects.toMatchObject({ code: 'BAD_OPTION' });
    expect(await place.isUntouchedBy(refused)).toBe(true);
  });

  it('where there is no database, and makes none', async () => {
    await expect(baseline()).rejects.toMatchObject({ code: 'MISSING_DATABASE' });
    expect(await readdir(place.folder)).toEqual([]);
  });

  it("a history that is another tool's", async () => {
    await place.run(`${upTo(2)} CREATE TABLE schema_migrations (version TEXT)`);
    const refused = () => expect(baseline()).rejects.toMatchObject({ code: 'FOREIGN_DATABASE' });
    expect(await place.isUntouchedBy(refused)).toBe(true);
  });
});

it('a legacy database of ours can be recorded where it fits, without its table of versions', async () => {
  place = await DatabaseFolder.make();
  await place.run(`${upTo(2)} PRAGMA user_version = 2`);
  const before = await inspectDatabase(place.path, {
    migrations: notesMigrations,
    legacy: notesLegacyVersions,
  });
  expect(before.kind).toBe('legacy');
  expect(await baseline()).toMatchObject({ version: 2, userVersion: { found: 2, set: 2 } });
});
