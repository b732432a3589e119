import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { hash } from 'node:crypto';
import { statSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { readMigrations, upgradeDatabase, type UpgradeOptions } from '../../core/index.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import type { Logger } from '../../core/logger.js';
import { listFiles } from '../../core/storage/folder-listing.js';
import { checksumOf } from '../../core/storage/migration-text.js';
import { findUpToDate } from '../../core/storage/up-to-date.js';
import { listingSeal, readSealedHistory, sealContext, writeSeal } from '../../core/storage/upgrade-seal.js';
import { copyDatabase, hashesIn } from '../support/database-copy.js';
import { historyTable } from '../support/history-table.js';
import { withLegacy } from '../support/legacy-driver.js';

let folder: string;
let migrations: string;
let database: string;

const file = (name: string): string => join(migrations, name);

async function write(name: string, sql: string): Promise<void> {
  await writeFile(file(name), sql);
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'up-to-date-'));
  migrations = await mkdtemp(join(tmpdir(), 'up-to-date-files-'));
  database = join(folder, 'a.db');
  await write('0001_one.sql', 'CREATE TABLE t (a TEXT);');
  await write('0002_two.sql', 'CREATE TABLE u (a TEXT);');
  await upgradeDatabase({ database, migrations, backup: false });
});

afterEach(async () => {
  for (const each of [folder, migrations]) await rm(each, { recursive: true, force: true });
});

/** Whether one query is enough to know that there is nothing to do. */
async function isQuick(options: Partial<UpgradeOptions> = {}): Promise<boolean> {
  return (await findUpToDate({ database, migrations, ...options }, false)) !== undefined;
}

/** A logger that notes what it is warned of. */
function warningsInto(told: unknown[]): Logger {
  const logger: Logger = {
    ...{ debug: () => undefined, info: () => undefined, error: () => undefined, child: () => logger },
    warn: (values, sentence) => told.push([sentence, values]),
  };
  return logger;
}

const change = (sql: string): Promise<void> => withLegacy(database, (connection) => connection.run(sql));

describe('a database on which nothing is pending', () => {
  it('is known by one query, which leaves every byte as it is', async () => {
    const before = await hashesIn(folder);
    expect(await isQuick()).toBe(true);
    expect(await hashesIn(folder)).toEqual(before);
  });

  it.each([false, true])(
    'is looked at without carrying over the log that a program left beside it (to go on with: %j)',
    async (keep) => {
      const place = join(folder, 'left');
      await mkdir(place);
      const left = join(place, 'a.db');
      await withLegacy(database, async (connection) => {
        await connection.run("PRAGMA journal_mode = WAL; INSERT INTO t VALUES ('in the log');");
        await copyDatabase(database, left);
      });
      const before = await hashesIn(place);
      expect(Object.keys(before)).toEqual(['a.db', 'a.db-wal']);
      expect((await findUpToDate({ database: left, migrations }, keep)) !== undefined).toBe(!keep);
      expect(await hashesIn(place)).toEqual(before);
    },
  );

  it('gets the report that the whole look would make', async () => {
    const quick = await upgradeDatabase({ database, migrations });
    await change('UPDATE schema_migrations SET seal = NULL');
    expect(await isQuick()).toBe(false);
    const whole = await upgradeDatabase({ database, migrations });
    expect({ ...quick, ms: 0 }).toEqual({ ...whole, ms: 0 });
  });

  it.each([false, true])(
    'is known from values, whatever folder they came from (rereadFiles: %j)',
    async (rereadFiles) => {
      expect(await isQuick({ migrations: await readMigrations(migrations), rereadFiles })).toBe(true);
    },
  );

  it('is known after an upgrade from values, once the files have been read', async () => {
    const values = await readMigrations(migrations);
    const other = join(folder, 'b.db');
    await upgradeDatabase({ database: other, migrations: values, backup: false });
    expect(await isQuick({ database: other })).toBe(true);
  });

  it('is known with migrations in code, and not without them', async () => {
    const code = [{ version: 3, name: 'three', up: () => Promise.resolve() }];
    await upgradeDatabase({ database, migrations, code, backup: false });
    expect(await isQuick({ code })).toBe(true);
    await expect(upgradeDatabase({ database, migrations })).rejects.toMatchObject({ code: 'NEWER_DATABASE' });
    const changed = [{ version: 3, name: 'three', checksum: 'another', up: () => Promise.resolve() }];
    await expect(upgradeDatabase({ database, migrations, code: changed })).rejects.toMatchObject({
      code: 'CHANGED_MIGRATION',
    });
  });

  it('is looked at as a whole where it is to end at an older version', async () => {
    expect(await isQuick({ to: 2 })).toBe(false);
  });

  it('is looked at as a whole with another table of legacy versions, which may be wrong', async () => {
    expect(await isQuick({ legacy: { 1: [1] } })).toBe(false);
    await expect(upgradeDatabase({ database, migrations, legacy: { 1: [7] } })).rejects.toMatchObject({
      code: 'BAD_LEGACY_TABLE',
    });
  });

  it('is known only by the table that holds its history', async () => {
    expect(await isQuick({ historyTable: 'migrations' })).toBe(false);
    await expect(upgradeDatabase({ database, migrations, historyTable: 'migrations' })).rejects.toMatchObject(
      {
        code: 'HISTORY_ELSEWHERE',
      },
    );
  });
});

describe('files are noticed', () => {
  it('that were edited', async () => {
    await write('0001_one.sql', 'CREATE TABLE t (a TEXT, b TEXT);');
    await expect(upgradeDatabase({ database, migrations })).rejects.toMatchObject({
      code: 'CHANGED_MIGRATION',
    });
  });

  it('that were edited without a change of size, and given their old time', async () => {
    const { atime, mtime } = await stat(file('0001_one.sql'));
    await write('0001_one.sql', 'CREATE TABLE t (b TEXT);');
    await utimes(file('0001_one.sql'), atime, mtime);
    await expect(upgradeDatabase({ database, migrations })).rejects.toMatchObject({
      code: 'CHANGED_MIGRATION',
    });
  });

  it('that were edited without a change of size, and given the very time that they had', async () => {
    const time = new Date(1_000_000_000_000);
    for (const name of ['0001_one.sql', '0002_two.sql']) await utimes(file(name), time, time);
    await write('0003_three.sql', 'CREATE TABLE v (a);');
    await upgradeDatabase({ database, migrations, backup: false });
    await write('0001_one.sql', 'CREATE TABLE t (b TEXT);');
    await utimes(file('0001_one.sql'), time, time);
    expect(await isQuick()).toBe(false);
  });

  it('by their names, sizes and times, each of which can be all that has changed on some file system', async () => {
    const figures = ['0001_one.sql', '0002_two.sql'].flatMap((name) => {
      const { size, mtimeMs, ctimeMs } = statSync(file(name));
      return [size, mtimeMs, ctimeMs];
    });
    expect(await listFiles(migrations)).toBe(
      hash('sha256', '0001_one.sql/0002_two.sql') + hash('sha256', Float64Array.from(figures)),
    );
  });

  it('that are new, gone or have another name', async () => {
    await write('0003_three.sql', 'CREATE TABLE v (a);');
    await expect(upgradeDatabase({ database, migrations, backup: false })).resolves.toMatchObject({
      version: 3,
    });
    await rename(file('0003_three.sql'), file('0003_tree.txt'));
    await expect(upgradeDatabase({ database, migrations })).rejects.toMatchObject({ code: 'NEWER_DATABASE' });
    await rename(file('0003_tree.txt'), file('0003-three.sql'));
    await expect(upgradeDatabase({ database, migrations })).rejects.toMatchObject({
      code: 'BAD_MIGRATION_NAME',
    });
  });

  it('whose times alone have changed: they are read, and are the same', async () => {
    await utimes(file('0001_one.sql'), new Date(0), new Date(0));
    expect(await isQuick()).toBe(true);
  });

  it('by their text alone where every start is to read them', async () => {
    expect(await isQuick({ rereadFiles: true })).toBe(true);
    await write('0002_two.sql', 'CREATE TABLE u (b TEXT);');
    expect(await isQuick({ rereadFiles: true })).toBe(false);
  });

  it('by their text alone where every start is to read them, also behind a listing that tells nothing', async () => {
    await write('0002_two.sql', 'CREATE TABLE u (b TEXT);');
    const listing = await listFiles(migrations);
    const context = sealContext(historyTable, { legacy: undefined, code: '' });
    const db = await sqlite3Driver.open(database, 'read-write');
    try {
      const history = await readSealedHistory(db, historyTable);
      const { seal } = history;
      if (seal === undefined || listing === undefined) throw new Error('There is no seal.');
      const unseen = listingSeal(context, { version: seal.version, listing }, history);
      await writeSeal(db, historyTable, { ...seal, listing: unseen });
    } finally {
      await db.close();
    }
    expect(await isQuick()).toBe(true);
    expect(await isQuick({ rereadFiles: true })).toBe(false);
  });

  it('that cannot be read', async () => {
    await rm(migrations, { recursive: true });
    await expect(upgradeDatabase({ database, migrations })).rejects.toMatchObject({
      code: 'UNREADABLE_MIGRATIONS',
    });
  });
});

describe('a history that was changed by hand is looked at as a whole', () => {
  it.each([
    ["UPDATE schema_migrations SET checksum = 'x' WHERE id = 1", 'CHANGED_MIGRATION'],
    ['DELETE FROM schema_migrations WHERE id = 1', 'TAMPERED_HISTORY'],
    ["UPDATE schema_migrations SET execution_time_ms = 'text' WHERE id = 1", 'BAD_HISTORY'],
    ["UPDATE schema_migrations SET status = 'unknown' WHERE id = 1", 'BAD_HISTORY'],
    ["UPDATE schema_migrations SET details = 'no JSON' WHERE id = 2", 'BAD_HISTORY'],
    ["UPDATE schema_migrations SET version = '1' || 'x' WHERE id = 1", 'BAD_HISTORY'],
    ['CREATE TRIGGER r AFTER INSERT ON schema_migrations BEGIN SELECT 1; END', 'BAD_HISTORY'],
    [
      'INSERT INTO schema_migrations SELECT 9, version, filename, description, checksum, applied_at, execution_time_ms, status, origin, details, release, up_sql, down_sql, hash, seal FROM schema_migrations WHERE id = 2',
      'TAMPERED_HISTORY',
    ],
  ])('%s', async (sql, code) => {
    await change(sql);
    expect(await isQuick()).toBe(false);
    await expect(upgradeDatabase({ database, migrations })).rejects.toMatchObject({ code });
  });

  it.each([
    ['id', '0'],
    ['version', '7'],
    ['filename', "'0001_uno.sql'"],
    ['description', "'uno'"],
    ['checksum', "''"],
    ['applied_at', "'2001-09-09T01:46:40.000Z'"],
    ['execution_time_ms', '99999'],
    ['status', "'failed'"],
    ['origin', "'legacy'"],
    ['details', `'{"notes":["mine"]}'`],
    ['release', "'1.0.0'"],
    ['up_sql', "up_sql || ' '"],
    ['down_sql', "'DROP TABLE t;'"],
    ['hash', "'none'"],
  ])('where %s is another one', async (column, value) => {
    await change(`UPDATE schema_migrations SET ${column} = ${value} WHERE id = 1`);
    expect(await isQuick()).toBe(false);
  });

  it.each([
    ["UPDATE schema_migrations SET applied_at = '2001-09-09T01:46:40.000Z' WHERE id = 1", 'row 1 '],
    ["UPDATE schema_migrations SET filename = '0001_uno.sql' WHERE id = 1", 'row 1 '],
    ["UPDATE schema_migrations SET hash = 'none' WHERE id = 2", 'row 2 '],
    ["UPDATE schema_migrations SET up_sql = up_sql || ' ' WHERE id = 2", 'row 2 '],
    [
      "UPDATE sqlite_sequence SET seq = 9 WHERE name = 'schema_migrations'; PRAGMA user_version = 1",
      undefined,
    ],
    ["UPDATE sqlite_sequence SET seq = 9; UPDATE schema_migrations SET seal = ''", 'rows after row 2'],
    ["PRAGMA user_version = 7; UPDATE schema_migrations SET seal = ''", 'user_version is 7'],
  ])('and told of in the log where it decides nothing: %s', async (sql, sign) => {
    await change(sql);
    const told: unknown[] = [];
    const report = await upgradeDatabase({ database, migrations, logger: warningsInto(told) });
    expect(report.upToDate).toBe(true);
    const signs: unknown = [expect.stringContaining(sign ?? '')];
    expect(told).toEqual(sign === undefined ? [] : [['the history was changed by hand', { signs }]]);
  });

  it('and is named beside a file that is another one than its row says', async () => {
    await change("UPDATE schema_migrations SET checksum = substr(checksum, 1, 60) || 'none' WHERE id = 1");
    const error: unknown = await upgradeDatabase({ database, migrations }).catch((caught: unknown) => caught);
    const found = checksumOf('CREATE TABLE t (a TEXT);');
    expect(error).toMatchObject({
      code: 'CHANGED_MIGRATION',
      message: expect.stringContaining(
        `its checksum was ${found.slice(0, 60)}n… and is ${found.slice(0, 61)}….`,
      ),
      hint: expect.stringMatching(/^The history was changed by hand as well \(row 1 /),
    });
    await change(`UPDATE schema_migrations SET checksum = '${found}' WHERE id = 1`);
    await write('0001_one.sql', 'CREATE TABLE t (b TEXT);');
    await expect(upgradeDatabase({ database, migrations })).rejects.toMatchObject({
      hint: expect.stringMatching(/^Undo the change to the file/),
    });
  });

  it('where a trigger hangs on it, however its name is written', async () => {
    const options = { database: join(folder, 'b.db'), migrations, historyTable: 'MyHistory' };
    await upgradeDatabase({ ...options, backup: false });
    expect(await isQuick(options)).toBe(true);
    await withLegacy(options.database, (connection) =>
      connection.run('CREATE TRIGGER r AFTER INSERT ON MyHistory BEGIN SELECT 1; END'),
    );
    expect(await isQuick(options)).toBe(false);
  });

  it('also where a view has its name', async () => {
    await change(
      'ALTER TABLE schema_migrations RENAME TO other; CREATE VIEW schema_migrations AS SELECT * FROM other',
    );
    expect(await isQuick()).toBe(false);
  });

  it('and a seal that somebody wrote himself is none', async () => {
    await change("UPDATE schema_migrations SET seal = '9' || substr(seal, 2)");
    expect(await isQuick()).toBe(false);
    await expect(upgradeDatabase({ database, migrations })).resolves.toMatchObject({
      upToDate: true,
      version: 2,
    });
  });
});

describe('a history of an earlier version of this package', () => {
  it('has no seal until the next upgrade, and is up to date all the same', async () => {
    await change('ALTER TABLE schema_migrations DROP COLUMN seal');
    expect(await isQuick()).toBe(false);
    await expect(upgradeDatabase({ database, migrations })).resolves.toMatchObject({ upToDate: true });
    await write('0003_three.sql', 'CREATE TABLE v (a);');
    await upgradeDatabase({ database, migrations, backup: false });
    expect(await isQuick()).toBe(true);
  });
});
