import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import BetterSqlite3 from 'better-sqlite3';

import { upgradeDatabase, type ProgressEvent } from '../../core/index.js';
import { migrationsOf } from '../support/migration-values.js';
import { ScratchDatabase } from '../support/scratch-database.js';
import { journalModes } from '../support/storage-database.js';

const first = {
  '001_notes.sql':
    "CREATE TABLE notes (id INTEGER PRIMARY KEY, title TEXT); INSERT INTO notes VALUES (1, 'mine');",
  // Whatever deletes is counted before and after.
  '002_counted.sql': 'DELETE FROM notes WHERE 0;',
};
const last = { '009_last.sql': 'CREATE TABLE the_last (a);' };

describe.each(journalModes)('a file is held against what there was before it, in %s mode,', (journal) => {
  let scratch: ScratchDatabase;

  beforeEach(async () => {
    scratch = await ScratchDatabase.make(journal, 'CREATE TABLE mine (a); DROP TABLE mine;');
  });

  afterEach(() => scratch.remove());

  const upgrade = (
    files: Readonly<Record<string, string>>,
    onProgress?: (event: ProgressEvent) => void,
  ): ReturnType<typeof upgradeDatabase> =>
    upgradeDatabase({
      database: scratch.path,
      migrations: migrationsOf({ ...first, ...files, ...last }),
      backup: false,
      ...(onProgress === undefined ? {} : { onProgress }),
    });

  it('also where each file before it was counted', async () => {
    const files = { '003_a.sql': 'DELETE FROM notes WHERE 0;', '004_b.sql': 'DELETE FROM notes WHERE 0;' };
    expect(await upgrade(files)).toMatchObject({ version: 9 });
    expect(await scratch.value('SELECT count(*) FROM notes')).toBe(1);
  });

  it('also where the rows that it deletes came with a file that was not counted', async () => {
    const files = {
      '003_rows.sql': "INSERT INTO notes (title) VALUES ('a'), ('b'), ('c');",
      '004_wrong.sql': "DELETE FROM notes WHERE title IN ('a', 'b');",
    };
    await expect(upgrade(files)).rejects.toMatchObject({
      code: 'ROWS_LOST',
      message: expect.stringContaining('notes would go from 4 to 2 rows'),
      place: { filename: '004_wrong.sql' },
    });
    expect(await scratch.value('SELECT count(*) FROM notes')).toBe(4);
  });

  it('also where the table that it drops came with a file that was not counted', async () => {
    const files = { '003_tags.sql': 'CREATE TABLE tags (tag);', '004_wrong.sql': 'DROP TABLE tags;' };
    await expect(upgrade(files)).rejects.toMatchObject({
      code: 'OBJECTS_LOST',
      message: expect.stringContaining('would remove table tags'),
      place: { filename: '004_wrong.sql' },
    });
    expect(await scratch.objects()).toContain('table tags');
  });

  it('also where the rows that it deletes were written by another program meanwhile', async () => {
    const files = { '003_wrong.sql': "DELETE FROM notes WHERE title = 'theirs';" };
    const upgrading = upgrade(files, (event) => {
      if (event.kind !== 'applied' || event.version !== 2) return;
      const other = new BetterSqlite3(scratch.path);
      other.exec("INSERT INTO notes (title) VALUES ('theirs'), ('theirs')");
      other.close();
    });
    await expect(upgrading).rejects.toMatchObject({
      code: 'ROWS_LOST',
      place: { filename: '003_wrong.sql' },
    });
    expect(await scratch.value('SELECT count(*) FROM notes')).toBe(3);
  });

  it.each([
    ['at once', {}],
    ['after files that can do no harm', { '004_more.sql': 'CREATE TABLE more (a);' }],
  ])('also where it only adds, and what it adds points nowhere: %s', async (_title, between) => {
    const files = {
      '003_tags.sql': 'CREATE TABLE tags (note INTEGER REFERENCES notes (id));',
      ...between,
      '005_wrong.sql': 'INSERT INTO tags VALUES (7);',
    };
    await expect(upgrade(files)).rejects.toMatchObject({
      code: 'FOREIGN_KEYS_BROKEN',
      place: { filename: '005_wrong.sql' },
    });
    expect(await scratch.value('SELECT count(*) FROM tags')).toBe(0);
  });

  it('also where the key was there before the upgrade', async () => {
    await upgrade({});
    await scratch.run('CREATE TABLE tags (note INTEGER REFERENCES notes (id))');
    const files = {
      '010_more.sql': 'CREATE TABLE more (a);',
      '011_wrong.sql': 'INSERT INTO tags VALUES (7);',
      '012_end.sql': 'CREATE TABLE the_end (a);',
    };
    await expect(upgrade(files)).rejects.toMatchObject({
      code: 'FOREIGN_KEYS_BROKEN',
      place: { filename: '011_wrong.sql' },
    });
  });

  it('also where only objects came since what it takes back was counted: a counter of ids', async () => {
    const files = {
      '003_ids.sql': 'CREATE TABLE ids (id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO ids VALUES (9);',
      '004_counted.sql': 'DELETE FROM ids WHERE 0;',
      '005_more.sql': 'CREATE TABLE more (a); ALTER TABLE ids ADD COLUMN note TEXT;',
      '006_wrong.sql': "DELETE FROM sqlite_sequence WHERE name = 'ids';",
    };
    await expect(upgrade(files)).rejects.toMatchObject({
      code: 'ROWS_LOST',
      message: expect.stringContaining('the AUTOINCREMENT counter of ids would go from 9 back to 0'),
      place: { filename: '006_wrong.sql' },
    });
  });

  it('and references that were broken when it was counted stay so, and become no more', async () => {
    await upgrade({});
    await scratch.run(
      `PRAGMA foreign_keys = OFF; CREATE TABLE tags (note INTEGER REFERENCES notes (id)); INSERT INTO tags VALUES (7)`,
    );
    const kept = {
      '010_counted.sql': 'DELETE FROM notes WHERE 0;',
      '011_more.sql': 'CREATE TABLE more (a);',
      '012_same.sql': 'UPDATE notes SET title = title;',
    };
    expect(await upgrade(kept)).toMatchObject({ violations: [{ table: 'tags', rows: 1 }] });
    const wrong = {
      '013_more.sql': 'CREATE TABLE much (a);',
      '014_wrong.sql': 'INSERT INTO tags VALUES (8);',
    };
    await expect(upgrade({ ...kept, ...wrong })).rejects.toMatchObject({
      code: 'FOREIGN_KEYS_BROKEN',
      place: { filename: '014_wrong.sql' },
    });
  });

  it('also where another program broke a reference after only objects came', async () => {
    await upgrade({});
    await scratch.run('CREATE TABLE tags (note INTEGER REFERENCES notes (id))');
    const files = {
      '010_counted.sql': 'DELETE FROM notes WHERE 0;',
      '011_more.sql': 'CREATE TABLE more (a);',
      '012_counted.sql': 'UPDATE notes SET title = title;',
    };
    const theirs = upgrade(files, (event) => {
      if (event.kind !== 'applied' || event.version !== 11) return;
      const other = new BetterSqlite3(scratch.path);
      other.pragma('foreign_keys = OFF');
      other.exec('INSERT INTO tags VALUES (7)');
      other.close();
    });
    // What they broke is theirs: it is reported, and not held against the file.
    expect(await theirs).toMatchObject({ version: 12, violations: [{ table: 'tags', rows: 1 }] });
  });

  it('and the report tells the rows of every table before and after, also where nothing had to be guarded', async () => {
    await upgrade({});
    await scratch.run(
      `CREATE TABLE "odd ""name""" (k PRIMARY KEY) WITHOUT ROWID; INSERT INTO "odd ""name""" VALUES (1), (2);
       CREATE TABLE "ünï" (a); CREATE VIRTUAL TABLE texts USING fts5(body); INSERT INTO texts VALUES ('x');`,
    );
    const files = {
      '010_more.sql': 'CREATE TABLE more (a);',
      '011_index.sql': 'CREATE INDEX i ON more (a);',
    };
    expect((await upgrade(files)).rows).toEqual([
      { table: 'more', before: 0, after: 0 },
      { table: 'notes', before: 1, after: 1 },
      { table: 'odd "name"', before: 2, after: 2 },
      { table: 'texts', before: 1, after: 1 },
      { table: 'the_last', before: 0, after: 0 },
      { table: 'ünï', before: 0, after: 0 },
    ]);
  });
});
