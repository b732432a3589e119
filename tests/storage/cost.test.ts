import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import {
  bundleMigrations,
  openStorage,
  readMigrations,
  upgradeAll,
  upgradeDatabase,
  worldLegacyVersions,
  worldMigrationsDir,
  type DatabaseDriver,
  type UpgradeOptions,
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
    const bundle = await bundleMigrations(migrations);
    await rm(migrations, { recursive: true });
    expect(await callsOf((driver) => upgradeDatabase({ database, migrations: bundle, driver }))).toEqual(
      once,
    );
  });

  it('of the world storage is one connection, which is set up in two calls', async () => {
    const worlds = join(folder, 'worlds.db');
    await (await openStorage({ database: worlds })).close();
    const calls = await callsOf(async (driver) => (await openStorage({ database: worlds, driver })).close());
    expect(calls).toEqual(['open read-write', 'query', 'script', 'query', 'close']);
  });
});

describe('an upgrade', () => {
  const callsFor = async (count: number, more: Partial<UpgradeOptions> = {}): Promise<number> => {
    const path = join(folder, `${count}${JSON.stringify(Object.keys(more))}.db`);
    await writeFiles(1, count);
    const options = { database: path, migrations, backup: false, ...more } as const;
    return (await callsOf((driver) => upgradeDatabase({ ...options, driver }))).length;
  };

  it('of a new file takes one call for 32 further files', async () => {
    const [few, more] = [await callsFor(10), await callsFor(160)];
    expect(more - few).toBe(4);
    expect(few).toBeLessThanOrEqual(14);
  });

  it('that is one transaction takes as many calls', async () => {
    const together = { transaction: 'all' } as const;
    for (const count of [10, 160]) expect(await callsFor(count, together)).toBe(await callsFor(count));
  });

  it('that is one transaction looks at a database once: 13 queries guard each further file that can do harm', async () => {
    const queriesFor = async (count: number): Promise<number> => {
      const path = join(folder, `${count}.db`);
      await writeFiles(1, 4);
      for (let version = 5; version <= count; version += 1)
        await writeFile(
          join(migrations, `${String(version).padStart(4, '0')}_t.sql`),
          `DELETE FROM t1; CREATE TABLE t${version} (a);`,
        );
      const options = { database: path, migrations, backup: false, transaction: 'all' } as const;
      const calls = await callsOf((driver) => upgradeDatabase({ ...options, driver }));
      return calls.filter((call) => call === 'query').length;
    };
    const [few, more] = [await queriesFor(6), await queriesFor(16)];
    expect(more - few).toBeLessThanOrEqual(10 * 13);
  });

  it('takes two calls for each further file where somebody is told of each', async () => {
    const watched = { onProgress: () => undefined };
    const [few, more] = [await callsFor(10, watched), await callsFor(30, watched)];
    expect(more - few).toBe(40);
  });

  it('of a database that is there takes one call for 32 further files', async () => {
    await writeFiles(1, 5);
    const upgrade = (path: string): Promise<string[]> =>
      callsOf((driver) => upgradeDatabase({ database: path, migrations, driver, backup: false }));
    for (const name of ['few', 'more']) await upgrade(join(folder, name));
    await writeFiles(6, 10);
    const few = await upgrade(join(folder, 'few'));
    await writeFiles(11, 101);
    const more = await upgrade(join(folder, 'more'));
    expect(more.length - few.length).toBe(2);
    expect(few.length).toBeLessThanOrEqual(18);
  });

  it('of many databases takes no more calls for each than for one, and one look before the lock', async () => {
    const databases = ['first', 'second', 'third'].map((name) => join(folder, name));
    await writeFiles(1, 5);
    for (const each of databases) await upgradeDatabase({ database: each, migrations, backup: false });
    await writeFiles(6, 10);
    const calls = await callsOf((driver) => upgradeAll({ databases, migrations, driver, backup: false }));
    expect(calls.filter((call) => call.startsWith('open'))).toEqual(databases.map(() => 'open read-write'));
    expect(calls.length).toBeLessThanOrEqual(3 * 15);
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
    expect(calls.length).toBeLessThanOrEqual(63);
  });
});

/** What a process does to the files of a database, and how many migration files it opens. */
interface Traffic {
  readonly filesRead: number;
  readonly syncs: number;
  readonly bytesWritten: number;
  /** The files, by what follows the database's name, that were written and not synced afterwards. */
  readonly notSynced: readonly string[];
}

describe('what reaches the disk', () => {
  const library = fileURLToPath(new URL('../../dist/index.js', import.meta.url));
  const reason =
    withoutProgram('strace') ?? (existsSync(library) ? undefined : 'it needs the package, compiled');
  const upgrade = 'await upgradeDatabase({ database, migrations, backup: false });';
  const start = 'await (await openStorage({ database })).close();';

  /** Runs some lines of a program in a process of its own, and reads the system calls of which they consist. */
  async function trafficOf(lines: string): Promise<Traffic> {
    const trace = join(folder, 'trace');
    const program = `
      import { openStorage, upgradeDatabase, worldLegacyVersions, worldMigrationsDir } from ${JSON.stringify(library)};
      const [database, migrations] = ${JSON.stringify([database, migrations])};
      ${lines}`;
    const { status, stderr } = spawnSync('strace', [
      ...['-f', '-y', '-e', 'trace=openat,write,writev,pwrite64,pwritev,fsync,fdatasync', '-o', trace],
      ...[process.execPath, '--input-type=module', '-e', program],
    ]);
    if (status !== 0) throw new Error(String(stderr));
    const calls = (await readFile(trace, 'utf8')).split('\n');
    let bytesWritten = 0;
    let syncs = 0;
    const notSynced = new Set<string>();
    for (const call of calls) {
      const [, verb = '', path = '', result = ''] = /(\w+)\(\d+<([^>]*)>.* = (\d+)$/.exec(call) ?? [];
      // The index of the log lies in shared memory, which only has a name in the file system.
      if (!path.startsWith(folder) || path.endsWith('-shm')) continue;
      const name = path.slice(database.length);
      if (verb.includes('sync')) {
        syncs += 1;
        notSynced.delete(name);
      } else if (verb.includes('write')) {
        bytesWritten += Number(result);
        notSynced.add(name);
      }
    }
    const filesRead = calls.filter((call) => call.includes('openat(') && call.includes('.sql"')).length;
    return { filesRead, syncs, bytesWritten, notSynced: [...notSynced] };
  }

  const nothing: Traffic = { filesRead: 0, syncs: 0, bytesWritten: 0, notSynced: [] };
  /** Bytes of so many pages as they stand in a log, each with its head. */
  const pages = (count: number): number => count * (4096 + 24);

  testUnless(reason, 'is nothing where nothing is to be done, and not one of 100 files is read', async () => {
    await writeFiles(1, 100);
    await upgradeDatabase({ database, migrations, backup: false });
    expect(await trafficOf(upgrade)).toEqual(nothing);
  });

  testUnless(reason, 'is nothing where the storage is opened and nothing is to be done', async () => {
    await (await openStorage({ database })).close();
    expect(await trafficOf(start)).toEqual(nothing);
  });

  testUnless(
    reason,
    'of a new file is read once, and synced as often for many files as for few',
    async () => {
      await writeFiles(1, 100);
      const { bytesWritten, ...rest } = await trafficOf(upgrade);
      expect(rest).toEqual({ filesRead: 100, syncs: 11, notSynced: [] });
      expect(bytesWritten).toBeLessThanOrEqual(pages(460));
    },
  );

  testUnless(reason, 'of a managed file is synced as often for many files as for few', async () => {
    await writeFiles(1, 20);
    await upgradeDatabase({ database, migrations, backup: false });
    await writeFiles(21, 30);
    const few = await trafficOf(upgrade);
    expect(few).toMatchObject({ syncs: 5, notSynced: [] });
    expect(few.filesRead).toBeLessThanOrEqual(2 * 30);
    expect(few.bytesWritten).toBeLessThanOrEqual(pages(60));
    await writeFiles(31, 110);
    const more = await trafficOf(upgrade);
    expect(more).toMatchObject({ syncs: 6, notSynced: [] });
    expect(more.filesRead).toBeLessThanOrEqual(2 * 110);
    // The tables and indexes, and for each three transactions the pages of the schema and of the history.
    expect(more.bytesWritten).toBeLessThanOrEqual(pages(372));
  });

  testUnless(reason, 'of a legacy file is five syncs a transaction of its rollback journal', async () => {
    await buildLegacyDatabase(database, { version: 4, worlds: 2 });
    const traffic = await trafficOf(`await upgradeDatabase({
      database, migrations: worldMigrationsDir, legacy: worldLegacyVersions, backup: false
    });`);
    expect(traffic.syncs).toBeLessThanOrEqual(15);
    expect(traffic.bytesWritten).toBeLessThanOrEqual(pages(110));
    expect(traffic.notSynced).toEqual([]);
  });
});
