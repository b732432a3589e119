import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { existsSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { upgradeDatabase, type DatabaseDriver } from '../../core/index.js';
import { databaseError } from '../../core/database/driver-errors.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import { resolveDatabaseFile } from '../../core/storage/database-file.js';
import { EarlyConnection } from '../../core/storage/early-connection.js';
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
  await upgrade(scratch.path, ['001_notes.sql', '002_tags.sql'], driver);
  expect(opened.filter((mode) => mode !== 'read-only')).toEqual(['create']);
  await writer.close();
});

it('is not opened where a journal lies beside the database, which it could undo', async () => {
  await upgrade(scratch.path, ['001_notes.sql']);
  await scratch.run("PRAGMA journal_mode = persist; INSERT INTO notes VALUES ('kept');");
  expect(statSync(`${scratch.path}-journal`).size).toBeGreaterThan(0);
  const { driver, opened } = watchedDriver();
  await upgrade(scratch.path, ['001_notes.sql', '002_tags.sql'], driver);
  expect(opened.filter((mode) => mode !== 'read-only')).toEqual(['create']);
});

it('is not opened where the file lies on a network, whose locks are not to be trusted', async () => {
  const file = await resolveDatabaseFile(scratch.path);
  const alone = { ...file, networkFileSystem: undefined };
  const connection = await EarlyConnection.open(sqlite3Driver, alone);
  expect(connection).toBeDefined();
  await connection?.close();
  expect(await EarlyConnection.open(sqlite3Driver, { ...file, networkFileSystem: 'nfs' })).toBeUndefined();
});

it('leaves the first look to a connection that may only read where SQLite refuses it', async () => {
  await upgrade(scratch.path, ['001_notes.sql']);
  const { driver, opened } = watchedDriver();
  const refusing: DatabaseDriver = {
    name: 'refusing',
    open: (location, mode) =>
      mode === 'read-write'
        ? Promise.reject(databaseError('SQLITE_CANTOPEN', 'unable to open database file', undefined))
        : driver.open(location, mode),
  };
  await upgrade(scratch.path, ['001_notes.sql', '002_tags.sql'], refusing);
  expect(opened.slice(0, -1)).not.toContain('create');
  expect(await scratch.history()).toEqual(['1 applied migration', '2 applied migration']);
});

it('is handed over once, and is not closed by the look from then on', async () => {
  const connection = await EarlyConnection.open(sqlite3Driver, await resolveDatabaseFile(scratch.path));
  const db = connection?.take();
  expect(connection?.take()).toBeUndefined();
  await connection?.close();
  expect(await db?.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
  await db?.close();
});
