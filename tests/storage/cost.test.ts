import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import {
  openStorage,
  readMigrations,
  upgradeDatabase,
  worldLegacyVersions,
  worldMigrationsDir,
  type DatabaseDriver,
  type Progress,
} from '../../core/index.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import { buildLegacyDatabase } from '../support/legacy-databases.js';
import { testUnless, withoutProgram } from '../support/needed.js';

// What makes a start and an upgrade slow is counted here, and not their time: calls of the driver, files, syncs.

let folder: string;
let migrations: string;
let database: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cost-'));
  migrations = await mkdtemp(join(tmpdir(), 'cost-files-'));
  database = join(folder, 'a.db');
});

afterEach(async () => {
  for (const each of [folder, migrations]) await rm(each, { recursive: true, force: true });
});

async function writeFiles(first: number, last: number): Promise<void> {
  for (let version = first; version <= last; version += 1) {
    const sql = `CREATE TABLE t${version} (id INTEGER PRIMARY KEY, a TEXT);\nCREATE INDEX i${version} ON t${version} (a);\n`;
    await writeFile(join(migrations, `${String(version).padStart(4, '0')}_t${version}.sql`), sql);
  }
}

/** The real driver, and what it was asked to do. */
function countingDriver(): { readonly driver: DatabaseDriver; readonly calls: string[] } {
  const calls: string[] = [];
  const driver: DatabaseDriver = {
    name: 'counting',
    async open(location, mode) {
      calls.push(`open ${mode}`);
      const db = await sqlite3Driver.open(location, mode);
      const told = <Arguments extends readonly unknown[], Result>(
        name: string,
        call: (...given: Arguments) => Result,
      ) => {
        return (...given: Arguments): Result => {
          calls.push(name);
          return call(...given);
        };
      };
      return {
        location: db.location,
        execute: told('execute', (sql, parameters) => db.execute(sql, parameters)),
        executeScript: told('script', (sql) => db.executeScript(sql)),
        query: told('query', (sql, parameters) => db.query(sql, parameters)),
        backupTo: told('backup', (path) => db.backupTo(path)),
        restoreFrom: told('restore', (path, whileLocked) => db.restoreFrom(path, whileLocked)),
        interrupt: () => {
          db.interrupt();
        },
        close: told('close', () => db.close()),
      };
    },
  };
  return { driver, calls };
}

async function callsOf(work: (driver: DatabaseDriver) => Promise<unknown>): Promise<string[]> {
  const { driver, calls } = countingDriver();
  await work(driver);
  return calls;
}

describe('a start with nothing to do', () => {
  beforeEach(async () => {
    await writeFiles(1, 20);
    await upgradeDatabase({ database, migrations, backup: false });
  });

  it('is one query on one connection that can only read', async () => {
    const once = ['open read-only', 'query', 'close'];
    expect(await callsOf((driver) => upgradeDatabase({ database, migrations, driver }))).toEqual(once);
    const values = await readMigrations(migrations);
    expect(await callsOf((driver) => upgradeDatabase({ database, migrations: values, driver }))).toEqual(
      once,
    );
    expect(
      await callsOf((driver) => upgradeDatabase({ database, migrations, driver, rereadFiles: true })),
    ).toEqual(once);
  });

  it('of the world storage is one connection, which is set up in two calls', async () => {
    const worlds = join(folder, 'worlds.db');
    await (await openStorage({ database: worlds })).close();
    const calls = await callsOf(async (driver) => (await openStorage({ database: worlds, driver })).close());
    expect(calls).toEqual(['open read-write', 'query', 'script', 'query', 'close']);
  });
});

describe('an upgrade', () => {
  const callsFor = async (count: number, onProgress?: Progress): Promise<number> => {
    const path = join(folder, `${count}${onProgress === undefined ? '' : ' watched'}.db`);
    await writeFiles(1, count);
    const options = { database: path, migrations, backup: false, onProgress } as const;
    return (await callsOf((driver) => upgradeDatabase({ ...options, driver }))).length;
  };

  it('of a new file takes one call for each further file', async () => {
    const [few, more] = [await callsFor(10), await callsFor(30)];
    expect(more - few).toBe(20);
    expect(few).toBeLessThanOrEqual(24);
  });

  it('takes two calls for each further file where somebody is told of each', async () => {
    const [few, more] = [await callsFor(10, () => undefined), await callsFor(30, () => undefined)];
    expect(more - few).toBe(40);
  });

  it('of a database that is there takes one call for each further file', async () => {
    await writeFiles(1, 5);
    const upgrade = (path: string): Promise<string[]> =>
      callsOf((driver) => upgradeDatabase({ database: path, migrations, driver, backup: false }));
    for (const name of ['few', 'more']) await upgrade(join(folder, name));
    await writeFiles(6, 10);
    const few = await upgrade(join(folder, 'few'));
    await writeFiles(11, 20);
    const more = await upgrade(join(folder, 'more'));
    expect(more.length - few.length).toBe(10);
    expect(few.length).toBeLessThanOrEqual(29);
  });

  it('of a legacy file takes so many calls at most, of which the replay of the files is a part', async () => {
    await buildLegacyDatabase(database, { version: 4, worlds: 2 });
    const options = {
      database,
      migrations: worldMigrationsDir,
      legacy: worldLegacyVersions,
      backup: false,
    } as const;
    const calls = await callsOf((driver) => upgradeDatabase({ ...options, driver }));
    expect(calls.length).toBeLessThanOrEqual(106);
  });
});

describe('what reaches the disk', () => {
  const library = fileURLToPath(new URL('../../dist/index.js', import.meta.url));
  const reason =
    withoutProgram('strace') ?? (existsSync(library) ? undefined : 'it needs the package, compiled');

  /** The system calls of a process that upgrades the database. */
  async function traced(): Promise<string[]> {
    const trace = join(folder, 'trace');
    const program = `
      const { upgradeDatabase } = await import(${JSON.stringify(library)});
      await upgradeDatabase(${JSON.stringify({ database, migrations, backup: false })});`;
    const { status, stderr } = spawnSync('strace', [
      ...['-f', '-y', '-e', 'trace=openat,pwrite64,fsync,fdatasync', '-o', trace],
      ...[process.execPath, '--input-type=module', '-e', program],
    ]);
    if (status !== 0) throw new Error(String(stderr));
    // The index of the log lies in shared memory, which only has a name in the file system.
    return (await readFile(trace, 'utf8')).split('\n').filter((call) => !call.includes('-shm>'));
  }

  testUnless(reason, 'is nothing where nothing is to be done, and no file is read', async () => {
    await writeFiles(1, 20);
    await upgradeDatabase({ database, migrations, backup: false });
    const calls = await traced();
    expect(calls.filter((call) => /pwrite64|fsync|fdatasync/.test(call))).toEqual([]);
    expect(calls.filter((call) => call.includes('.sql"'))).toEqual([]);
  });

  testUnless(reason, 'of a new file is two syncs a file at most', async () => {
    await writeFiles(1, 20);
    const calls = await traced();
    expect(calls.filter((call) => /fsync|fdatasync/.test(call)).length).toBeLessThanOrEqual(2 * 20 + 10);
  });
});
