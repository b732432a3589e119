import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import BetterSqlite3 from 'better-sqlite3';

import { upgradeDatabase, type ProgressEvent } from '../../core/index.js';
import { attemptAt, linkedRow } from '../../core/storage/history-row.js';
import type { Migration } from '../../core/storage/migration.js';
import { migrationsOf } from '../support/migration-values.js';
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
