import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

import { openStorage, upgradeConnection, type DatabaseBridge } from '../../core/index.js';
import { resolveDriver } from '../../core/database/drivers.js';
import { driverNames } from '../support/drivers.js';
import { migrationsOf } from '../support/migration-values.js';
import { untyped } from '../support/untyped.js';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'driver-choice-'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const door = pathToFileURL('dist/index.js').href;

/** What a program on the built package prints, in a process of its own. */
async function printed(program: string, ...flags: readonly string[]): Promise<string> {
  const source = `import * as bridge from ${JSON.stringify(door)};
    const binaries = () => process.report.getReport().sharedObjects
      .flatMap((path) => /(node_sqlite3|better_sqlite3)\\.node$/.exec(path)?.[1] ?? []).join();
    ${program}`;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [...flags, '--input-type=module', '--eval', source],
    { cwd: folder },
  );
  return stdout.trim();
}

const opening = (driver: string): string => `
  console.log('before: ' + binaries());
  const storage = await bridge.openStorage({ database: ':memory:', driver: ${JSON.stringify(driver)} });
  await storage.close();
  console.log('after: ' + binaries());`;

describe('a driver', () => {
  test.each([
    ['sqlite3', 'node_sqlite3'],
    ['better-sqlite3', 'better_sqlite3'],
  ])(
    'is loaded when the first database is opened with it, and the other one never: %s',
    async (name, binary) => {
      expect(await printed(opening(name))).toBe(`before: \nafter: ${binary}`);
    },
  );

  test('that is not installed is named, with what to do, and no file is made', async () => {
    const hook = `export async function resolve(specifier, context, next) {
      if (specifier !== 'better-sqlite3') return next(specifier, context);
      throw Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' });
    }`;
    const url = (code: string): string => `data:text/javascript,${encodeURIComponent(code)}`;
    const register = `import { register } from 'node:module'; register(${JSON.stringify(url(hook))});`;
    const program = `await bridge.openStorage({ database: 'new.db', driver: 'better-sqlite3' })
      .catch(({ code, message, hint }) => console.log([code, message, hint].join('\\n')));`;
    expect(await printed(program, `--import=${url(register)}`)).toBe(
      'NO_DRIVER\nThe driver better-sqlite3 is not installed.\n' +
        'Install it ("npm install better-sqlite3@12"), or choose another driver.',
    );
    expect(existsSync(join(folder, 'new.db'))).toBe(false);
  });

  test('that does not exist is refused by name', async () => {
    await expect(openStorage(untyped({ database: ':memory:' }, { driver: 'oracle' }))).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: 'There is no driver "oracle".',
    });
  });

  test.each([null, 3, {}, { query: () => [], execute: () => undefined }])(
    'that is none is refused: %j',
    async (driver) => {
      const given = untyped({ database: ':memory:' }, { driver });
      await expect(openStorage(given)).rejects.toMatchObject({
        code: 'BAD_OPTION',
        message: expect.stringContaining('must be a name or an object with the method open'),
      });
    },
  );
});

/** A connection with nothing but the verbs that any engine has. */
function bare(db: DatabaseBridge): DatabaseBridge {
  return {
    location: 'an engine of my own',
    execute: (sql, parameters) => db.execute(sql, parameters),
    executeScript: (sql) => db.executeScript(sql),
    query: (sql, parameters) => db.query(sql, parameters),
    close: () => db.close(),
  };
}

describe.each(driverNames)('a connection of the caller\u2019s own, by %s,', (name) => {
  test('is upgraded, stays open, and enforces foreign keys as before', async () => {
    const db = await resolveDriver(name).open(':memory:', 'create');
    await db.executeScript('PRAGMA foreign_keys = ON; PRAGMA user_version = 1; CREATE TABLE notes (a);');
    const migrations = migrationsOf({
      '0001_notes.sql': 'CREATE TABLE notes (a);',
      '0002_more.sql': 'CREATE TABLE more (a);',
    });
    const options = { driver: name, legacy: { 1: [1] }, migrations };
    const report = await upgradeConnection(bare(db), options);
    expect(report).toMatchObject({
      database: 'an engine of my own',
      found: 'legacy',
      version: 2,
      backup: undefined,
    });
    expect(await db.query('PRAGMA foreign_keys')).toEqual([{ foreign_keys: 1 }]);
    expect(await upgradeConnection(bare(db), options)).toMatchObject({ upToDate: true });
    await db.close();
  });

  test('is refused while a transaction is open on it, which stays open', async () => {
    const db = await resolveDriver(name).open(':memory:', 'create');
    const first = { '0001_notes.sql': 'CREATE TABLE notes (a);' };
    await upgradeConnection(bare(db), { driver: name, migrations: migrationsOf(first) });
    await db.executeScript('BEGIN; INSERT INTO notes VALUES (1);');
    const migrations = migrationsOf({ ...first, '0002_more.sql': 'CREATE TABLE more (a);' });
    await expect(upgradeConnection(bare(db), { driver: name, migrations })).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringContaining('A transaction is open'),
    });
    await db.execute('COMMIT');
    expect(await db.query('SELECT a FROM notes')).toEqual([{ a: 1 }]);
    await db.close();
  });

  test('carries a storage, which closes it', async () => {
    const db = await resolveDriver(name).open(':memory:', 'create');
    const storage = await openStorage({ database: bare(db), driver: name });
    await storage.worlds.save({ id: 'w', name: 'World' });
    expect(await storage.worlds.list()).toMatchObject([{ id: 'w', name: 'World' }]);
    await storage.close();
    await expect(db.query('SELECT 1')).rejects.toMatchObject({ sqliteCode: 'SQLITE_MISUSE' });
  });
});
