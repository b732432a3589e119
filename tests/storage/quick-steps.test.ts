import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import BetterSqlite3 from 'better-sqlite3';

import { upgradeDatabase, type LegacyVersions, type ProgressEvent } from '../../core/index.js';
import { attemptAt, linkedRow } from '../../core/storage/history-row.js';
import type { Migration } from '../../core/storage/migration.js';
import { migrationsOf, unchecked } from '../support/migration-values.js';
import { ScratchDatabase } from '../support/scratch-database.js';
import { journalModes } from '../support/storage-database.js';

const files = {
  '001_notes.sql': 'CREATE TABLE notes (title TEXT);',
  '002_second.sql': "INSERT INTO notes VALUES ('second');",
  '003_third.sql': "INSERT INTO notes VALUES ('third');",
  '004_fourth.sql': "INSERT INTO notes VALUES ('fourth');",
  '005_fifth.sql': "INSERT INTO notes VALUES ('fifth');",
};

describe.each(journalModes)('between two steps of an upgrade, in %s mode, another program', (journal) => {
  let scratch: ScratchDatabase;

  beforeEach(async () => {
    scratch = await ScratchDatabase.make(journal, 'CREATE TABLE mine (a); DROP TABLE mine;');
  });

  afterEach(() => scratch.remove());

  /** What another program does on a connection of its own once a version is applied, without the lock. */
  function after(
    version: number,
    work: (other: BetterSqlite3.Database) => void,
  ): (event: ProgressEvent) => void {
    return (event) => {
      if (event.kind !== 'applied' || event.version !== version) return;
      const other = new BetterSqlite3(scratch.path);
      try {
        other.transaction(work)(other);
      } finally {
        other.close();
      }
    };
  }

  function record(other: BetterSqlite3.Database, migration: Migration): void {
    const outcome = { status: 'applied', origin: 'migration', executionTimeMs: 1, details: {} } as const;
    const last = other.prepare('SELECT hash FROM schema_migrations ORDER BY id DESC LIMIT 1').pluck().get();
    const row = linkedRow(attemptAt(migration, outcome), String(last));
    const names = Object.keys(row);
    other
      .prepare(`INSERT INTO schema_migrations (${names.join()}) VALUES (${names.map(() => '?').join()})`)
      .run(Object.values(row));
    other.pragma(`user_version = ${migration.version}`);
  }

  it.each([2, 3])(
    'applies the next file: after file %i, each is applied once all the same',
    async (version) => {
      const migrations = migrationsOf(files);
      const report = await upgradeDatabase({
        database: scratch.path,
        migrations,
        backup: false,
        onProgress: after(version, (other) => {
          const next = migrations.find((migration) => migration.version === version + 1);
          if (next === undefined) throw new Error('There is no such file.');
          other.exec(next.sql);
          record(other, next);
        }),
      });
      expect(report).toMatchObject({ version: 5 });
      expect(await scratch.rows('SELECT title FROM notes')).toEqual(
        ['second', 'third', 'fourth', 'fifth'].map((title) => ({ title })),
      );
      expect(await scratch.history()).toEqual([1, 2, 3, 4, 5].map((each) => `${each} applied migration`));
    },
  );
});

describe.each(journalModes)('a step in the middle of an upgrade, in %s mode,', (journal) => {
  let scratch: ScratchDatabase;

  beforeEach(async () => {
    scratch = await ScratchDatabase.make(journal, 'CREATE TABLE mine (a); DROP TABLE mine;');
  });

  afterEach(() => scratch.remove());

  /** What user_version says after each file. */
  async function stamps(migrations: readonly Migration[], legacy: LegacyVersions = {}): Promise<unknown[]> {
    const seen: unknown[] = [];
    await upgradeDatabase({
      database: scratch.path,
      migrations,
      legacy,
      backup: false,
      onProgress: ({ kind }) => {
        if (kind !== 'applied') return;
        const other = new BetterSqlite3(scratch.path, { readonly: true });
        seen.push(other.pragma('user_version', { simple: true }));
        other.close();
      },
    });
    return seen;
  }

  const tables = (...numbers: readonly number[]): readonly Migration[] =>
    migrationsOf(Object.fromEntries(numbers.map((each) => [`${each}_t.sql`, `CREATE TABLE t${each} (a);`])));

  it('stamps the database with its number', async () => {
    expect(await stamps(tables(1, 2, 3, 40, 41))).toEqual([1, 2, 3, 40, 41]);
  });

  it('counts the files where their numbers do not fit', async () => {
    const first = 20250101120000;
    expect(await stamps(tables(1, 2, first, first + 1, first + 2, first + 3))).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('leaves the number of a newer file that a legacy database held already', async () => {
    await scratch.run('CREATE TABLE t5 (a); PRAGMA user_version = 9;');
    expect(await stamps(tables(1, 2, 3, 5, 6), { 9: [5] })).toEqual([5, 5, 5, 6]);
  });

  it('keeps the text of its file, whatever stands in it', async () => {
    const text = `INSERT INTO notes VALUES (3);
-- ', NULL, 'a hash'); UPDATE notes SET title = 4; --`;
    const migrations = migrationsOf({ ...files, '003_third.sql': text });
    await upgradeDatabase({ database: scratch.path, migrations, backup: false });
    expect(await scratch.value('SELECT up_sql FROM schema_migrations WHERE version = 3')).toBe(text);
    expect(await scratch.value('SELECT group_concat(title) FROM notes')).toBe('second,3,fourth,fifth');
  });

  it.each([
    { version: 2, before: 0 },
    { version: 5, before: 0 },
    { version: 2, before: 1 },
    { version: 5, before: 4 },
  ])(
    'is refused where file $version ends the transaction ($before applied before)',
    async ({ version, before }) => {
      const good = migrationsOf(files);
      const options = { database: scratch.path, backup: false as const };
      await upgradeDatabase({ ...options, migrations: good.slice(0, before) });
      const migrations = good.map((migration) =>
        migration.version === version
          ? unchecked(migration, 'CREATE TABLE one (a); COMMIT; BEGIN; CREATE TABLE another (a)')
          : migration,
      );
      await expect(upgradeDatabase({ ...options, migrations })).rejects.toMatchObject({
        place: { filename: good[version - 1]?.filename },
      });
      const applied = good.slice(0, version - 1).map((each) => `${each.version} applied migration`);
      expect(await scratch.history()).toEqual([...applied, `${version} failed migration`]);
    },
  );
});
