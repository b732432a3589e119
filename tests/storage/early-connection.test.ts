import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';

import { upgradeDatabase, type DatabaseDriver } from '../../core/index.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import { migrationsOf } from '../support/migration-values.js';
import { ScratchDatabase } from '../support/scratch-database.js';

let scratch: ScratchDatabase;

beforeEach(async () => {
  scratch = await ScratchDatabase.make('delete', 'CREATE TABLE mine (a); DROP TABLE mine;');
});

afterEach(() => scratch.remove());

const files = {
  '001_notes.sql': 'CREATE TABLE notes (title TEXT);',
  '002_tags.sql': 'CREATE TABLE tags (a);',
};
const upgrade = (path: string, names: readonly (keyof typeof files)[], driver?: DatabaseDriver) =>
  upgradeDatabase({
    database: path,
    migrations: migrationsOf(Object.fromEntries(names.map((name) => [name, files[name]]))),
    backup: false,
    driver,
  });

/** The real driver, whose connections are noted, and after whose first look at a database somebody acts. */
function watchedDriver(act: () => void = () => undefined): { driver: DatabaseDriver; opened: string[] } {
  const opened: string[] = [];
  const driver: DatabaseDriver = {
    name: 'watched',
    async open(location, mode) {
      opened.push(mode);
      const db = await sqlite3Driver.open(location, mode);
      if (mode !== 'read-write') return db;
      let hasLooked = false;
      const query: typeof db.query = async (sql, parameters) => {
        const rows = await db.query(sql, parameters);
        if (!hasLooked) act();
        hasLooked = true;
        return rows;
      };
      return {
        location: db.location,
        execute: (sql, parameters) => db.execute(sql, parameters),
        executeScript: (sql) => db.executeScript(sql),
        query,
        backupTo: (path) => db.backupTo(path),
        restoreFrom: (path, whileLocked) => db.restoreFrom(path, whileLocked),
        interrupt: () => {
          db.interrupt();
        },
        close: () => db.close(),
      };
    },
  };
  return { driver, opened };
}

it('the connection of the first look becomes that of the upgrade', async () => {
  await upgrade(scratch.path, ['001_notes.sql']);
  const { driver, opened } = watchedDriver();
  await upgrade(scratch.path, ['001_notes.sql', '002_tags.sql'], driver);
  expect(opened.filter((mode) => mode !== 'read-only')).toEqual(['read-write']);
});

it('a database that takes the place of the one that was looked at is the one that is upgraded', async () => {
  const other = join(scratch.folder, 'other.db');
  for (const path of [scratch.path, other]) await upgrade(path, ['001_notes.sql']);
  const kept = join(scratch.folder, 'kept.db');
  const { driver, opened } = watchedDriver(() => {
    renameSync(scratch.path, kept);
    renameSync(other, scratch.path);
  });
  await upgrade(scratch.path, ['001_notes.sql', '002_tags.sql'], driver);
  expect(opened.at(-1)).toBe('create');
  expect(await scratch.history()).toEqual(['1 applied migration', '2 applied migration']);
});

it('is not opened where a log lies beside the database, which it would carry over', async () => {
  await upgrade(scratch.path, ['001_notes.sql']);
  await scratch.run('PRAGMA journal_mode = wal;');
  const writer = await sqlite3Driver.open(scratch.path, 'read-write');
  await writer.executeScript("INSERT INTO notes VALUES ('kept')");
  expect(existsSync(`${scratch.path}-wal`)).toBe(true);
  const { driver, opened } = watchedDriver();
  await upgrade(scratch.path, ['001_notes.sql'], driver);
  expect(opened).not.toContain('read-write');
  await writer.close();
});
