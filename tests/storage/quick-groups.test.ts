import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import BetterSqlite3 from 'better-sqlite3';
import { existsSync } from 'node:fs';
import { readdir, rmdir } from 'node:fs/promises';
import { basename } from 'node:path';

import { upgradeDatabase, verifyDatabase, type UpgradeOptions } from '../../core/index.js';
import type { Migration } from '../../core/storage/migration.js';
import { interferingDriver } from '../support/interfering-driver.js';
import { migrationsOf, unchecked } from '../support/migration-values.js';
import { outputOf, startProgram } from '../support/processes.js';
import { ScratchDatabase } from '../support/scratch-database.js';
import { journalModes } from '../support/storage-database.js';

// More than fit into two groups.
const FILES = 70;
const IN_GROUP = 32;

/** Files by their names; each makes a table of its number. */
function manyFiles(others: Readonly<Record<number, string>> = {}): Record<string, string> {
  const numbers = Array.from({ length: FILES }, (_, index) => index + 1);
  return Object.fromEntries(
    numbers.map((each) => [
      `${String(each).padStart(3, '0')}_t${each}.sql`,
      others[each] ?? `CREATE TABLE t${each} (a);`,
    ]),
  );
}

const applied = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${index + 1} applied migration`);
const tables = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `table t${index + 1}`).sort();
const endless =
  'CREATE TABLE endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n;';

describe.each(journalModes)('files that nobody is told of, in %s mode,', (journal) => {
  let scratch: ScratchDatabase;

  beforeEach(async () => {
    scratch = await ScratchDatabase.make(journal, 'CREATE TABLE mine (a); DROP TABLE mine;');
  });

  afterEach(() => scratch.remove());

  const upgrade = (options: Partial<UpgradeOptions> = {}) =>
    upgradeDatabase({
      database: scratch.path,
      migrations: migrationsOf(manyFiles()),
      backup: false,
      ...options,
    });

  /** Expects the database to hold so many files, and to know it. */
  async function expectFiles(count: number, ...more: readonly string[]): Promise<void> {
    expect(await scratch.objects()).toEqual(tables(count));
    expect(await scratch.value('PRAGMA user_version')).toBe(count);
    const hasHistory = await scratch.value(
      "SELECT count(*) FROM sqlite_schema WHERE name = 'schema_migrations'",
    );
    expect(hasHistory === 0 ? [] : await scratch.history()).toEqual([...applied(count), ...more]);
  }

  /** Whether what was committed is on the disk: the last commit was synced, and wrote something. */
  function isPressed(scripts: readonly string[]): boolean {
    const all = scripts.join('\n');
    const last = all.slice(all.lastIndexOf('synchronous = '));
    return last.startsWith('synchronous = EXTRA') && last.includes('user_version = ');
  }

  it('share a transaction and the time that it took, and have each its own row with its text and hash', async () => {
    const slow =
      'CREATE TABLE t3 AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000) SELECT i FROM n;';
    const files = manyFiles({ 3: slow });
    let commits = 0;
    const { driver } = interferingDriver((count) => {
      commits = count;
      return Promise.resolve();
    });
    const { ms } = await upgrade({ driver, migrations: migrationsOf(files) });
    expect(commits).toBe(3);
    await expectFiles(FILES);
    const kept = await scratch.rows('SELECT up_sql FROM schema_migrations ORDER BY id');
    expect(kept.map(({ up_sql: text }) => text)).toEqual(Object.values(files));
    // Each time is rounded to a millisecond.
    const whole = await scratch.value('SELECT sum(execution_time_ms) FROM schema_migrations');
    expect(Number(whole)).toBeLessThanOrEqual(ms + FILES / 2);
    const times = await scratch.rows(
      `SELECT count(*) AS files FROM schema_migrations WHERE version <= ${IN_GROUP} GROUP BY execution_time_ms`,
    );
    expect(times).toEqual([{ files: IN_GROUP }]);
    const { ok, tampering } = await verifyDatabase(scratch.path, { migrations: migrationsOf(files) });
    expect({ ok, tampering }).toEqual({ ok: true, tampering: [] });
  });

  it('name the one that fails also where the commits before it cannot be pressed onto the disk any more', async () => {
    const isPressing = (script: string): boolean => script === 'PRAGMA synchronous = EXTRA';
    const { driver } = interferingDriver(() => Promise.resolve(), isPressing);
    const migrations = migrationsOf(manyFiles({ 40: 'INSERT INTO nowhere VALUES (1);' }));
    await expect(upgrade({ driver, migrations })).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      message: expect.stringContaining('040_t40.sql'),
    });
    await expectFiles(39, '40 failed migration');
  });

  it('may make an index of the name that one of the history would have', async () => {
    const migrations = migrationsOf({
      '001_a.sql': 'CREATE TABLE a (x); CREATE INDEX idx_schema_migrations_version ON a (x);',
    });
    await upgrade({ migrations });
    expect(await scratch.history()).toEqual(applied(1));
    expect(await verifyDatabase(scratch.path, { migrations })).toMatchObject({ ok: true });
  });

  it('have each a transaction of its own where somebody is told of each', async () => {
    const told: string[] = [];
    await upgrade({
      onProgress: (event) => {
        if (!('version' in event)) return;
        const other = new BetterSqlite3(scratch.path, { readonly: true });
        const stamp = other.pragma('user_version', { simple: true });
        other.close();
        told.push(`${event.kind} ${event.version} at ${String(stamp)}`);
      },
    });
    expect(told).toEqual(
      applied(FILES).flatMap((_, index) => [
        `applying ${index + 1} at ${index}`,
        `applied ${index + 1} at ${index + 1}`,
      ]),
    );
  });

  it('are each applied once, also where another program changes the database behind a commit', async () => {
    const { driver } = interferingDriver(async (commits) => {
      if (commits === 1) await scratch.run('CREATE TABLE theirs (a);');
    });
    const report = await upgrade({ driver });
    expect(report.applied.map(({ version }) => `${version} applied migration`)).toEqual(applied(FILES));
    expect(report.rows).toContainEqual({ table: 'theirs', before: 0, after: 0 });
    expect(await scratch.history()).toEqual(applied(FILES));
  });

  it.each([4, 40])(
    'stay applied where file %i of them fails, which is named with its statement; none is tried a third time',
    async (version) => {
      const { driver, scripts } = interferingDriver(() => Promise.resolve());
      const wrong = `CREATE TABLE t${version} (a);\nINSERT INTO nowhere VALUES (1);\n`;
      const migrations = migrationsOf(manyFiles({ [version]: wrong }));
      await expect(upgrade({ driver, migrations })).rejects.toThrow(
        `Migration 0${String(version).padStart(2, '0')}_t${version}.sql failed at statement 2, line 2`,
      );
      await expectFiles(version - 1, `${version} failed migration`);
      expect(isPressed(scripts)).toBe(true);
      for (let each = 1; each < version; each += 1) {
        const tries = scripts.filter((script) => script.includes(`CREATE TABLE t${each} (a);\n`)).length;
        expect(tries).toBeLessThanOrEqual(2);
      }
      const report = await upgrade();
      expect(report.applied).toHaveLength(FILES - version + 1);
    },
  );

  it.each([
    { version: 20, ending: 'COMMIT; BEGIN; CREATE TABLE another (a)', others: {} },
    { version: 40, ending: 'COMMIT; BEGIN; CREATE TABLE another (a)', others: {} },
    { version: 33, ending: 'COMMIT', others: {} },
    {
      version: 40,
      ending: 'COMMIT; BEGIN; CREATE TABLE another (a)',
      others: { 39: 'CREATE TABLE t39 AS SELECT 1 AS a;' },
    },
  ])('stay applied where file $version of them ends the transaction ($ending)', async (wrong) => {
    const { version, others } = wrong;
    const good = migrationsOf(manyFiles(others));
    const ending = (migration: Migration): Migration =>
      unchecked(migration, `CREATE TABLE one (a); ${wrong.ending}`);
    const migrations = good.map((each) => (each.version === version ? ending(each) : each));
    await expect(upgrade({ migrations })).rejects.toMatchObject({
      place: { filename: good[version - 1]?.filename },
    });
    expect(await scratch.history()).toEqual([...applied(version - 1), `${version} failed migration`]);
    expect(await scratch.objects()).toEqual(['table one', ...tables(version - 1)]);
  });

  it('are as many as were committed, where it is stopped between two groups, and all of these are on the disk', async () => {
    const stop = new AbortController();
    const { driver, scripts } = interferingDriver((commits) => {
      if (commits === 2) stop.abort();
      return Promise.resolve();
    });
    await expect(upgrade({ driver, signal: stop.signal })).rejects.toMatchObject({ code: 'INTERRUPTED' });
    await expectFiles(2 * IN_GROUP);
    expect(isPressed(scripts)).toBe(true);
    expect((await upgrade()).applied).toHaveLength(FILES - 2 * IN_GROUP);
    await expectFiles(FILES);
  });

  it.each([
    { version: 3, kept: 0 },
    { version: 40, kept: IN_GROUP },
  ])('are those of the groups before where it is stopped in file $version', async ({ version, kept }) => {
    const stop = new AbortController();
    const driver = interferingDriver(
      () => Promise.resolve(),
      (script) => {
        if (script.includes('endless'))
          setTimeout(() => {
            stop.abort();
          }, 50);
        return false;
      },
    );
    const migrations = migrationsOf(manyFiles({ [version]: endless }));
    const stopped = upgrade({ driver: driver.driver, migrations, signal: stop.signal });
    await expect(stopped).rejects.toMatchObject({ code: 'INTERRUPTED' });
    await expectFiles(kept);
  });

  it('are begun again where the first commit is refused, on a copy that is made again', async () => {
    await upgrade({ migrations: migrationsOf(manyFiles()).slice(0, 1) });
    let isRefused = false;
    const { driver } = interferingDriver(
      () => Promise.resolve(),
      (script) => {
        const refuses = !isRefused && script.includes('INSERT INTO "schema_migrations"');
        isRefused ||= refuses;
        return refuses;
      },
    );
    const report = await upgrade({ driver, backup: {} });
    expect(isRefused).toBe(true);
    expect(report).toMatchObject({ version: FILES });
    expect(report.rows).toContainEqual({ table: 't1', before: 0, after: 0 });
    const copies = (await readdir(scratch.folder)).filter((name) => name.includes('backup'));
    expect(copies).toEqual([basename(report.backup ?? '')]);
    await expectFiles(FILES);
  });

  it('leave the last commit on the disk', async () => {
    const { driver, scripts } = interferingDriver(() => Promise.resolve());
    await upgrade({ driver });
    expect(scripts.some((script) => script.includes('synchronous = NORMAL'))).toBe(journal === 'wal');
    expect(isPressed(scripts)).toBe(true);
  });

  it.each([
    { commits: 1, place: 'before', kept: 0 },
    { commits: 1, place: 'behind', kept: IN_GROUP },
    { commits: 2, place: 'before', kept: IN_GROUP },
    { commits: 2, place: 'after', kept: 2 * IN_GROUP },
    { commits: 3, place: 'before', kept: 2 * IN_GROUP },
    { commits: 3, place: 'behind', kept: FILES },
  ])(
    'are $kept where the process is killed $place commit $commits, and the next upgrade applies the others',
    async ({ commits, place, kept }) => {
      await scratch.write(manyFiles());
      const parameters = [scratch.path, scratch.migrations, String(commits), place];
      const end = await startProgram('die-in-upgrade', ...parameters).end();
      expect(end).toMatchObject({ signal: 'SIGKILL' });
      await expectFiles(kept);
      // Nobody is there to wait for.
      if (existsSync(`${scratch.path}.lock`)) await rmdir(`${scratch.path}.lock`);
      const report = await upgrade();
      expect(report.applied).toHaveLength(FILES - kept);
      await expectFiles(FILES);
    },
  );

  it('are each applied once by several processes at the same time', async () => {
    await scratch.write(manyFiles());
    const never = ['0', 'before'];
    const ends = [1, 2, 3, 4].map(() =>
      startProgram('die-in-upgrade', scratch.path, scratch.migrations, ...never).end(),
    );
    for (const end of await Promise.all(ends)) expect(outputOf(end)).toBe('upgraded\n');
    await expectFiles(FILES);
  });
});

it('files that can do no harm go together before and behind one that can', async () => {
  const scratch = await ScratchDatabase.make('wal', 'CREATE TABLE mine (a); DROP TABLE mine;');
  try {
    let commits = 0;
    const { driver } = interferingDriver((count) => {
      commits = count;
      return Promise.resolve();
    });
    const migrations = migrationsOf(manyFiles({ 10: 'CREATE TABLE t10 (a); DELETE FROM t9;' }));
    await upgradeDatabase({ database: scratch.path, migrations, backup: false, driver });
    // Files 1 to 9, file 10, files 11 to 42, files 43 to 70.
    expect(commits).toBe(4);
    expect(await scratch.history()).toEqual(applied(FILES));
  } finally {
    await scratch.remove();
  }
});
