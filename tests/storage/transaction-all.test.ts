import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readdir } from 'node:fs/promises';
import { basename } from 'node:path';

import {
  InvalidOptionError,
  moveDatabase,
  rollBackDatabase,
  upgradeDatabase,
  verifyDatabase,
  type ProgressEvent,
  type UpgradeOptions,
} from '../../core/index.js';
import { hashesIn } from '../support/database-copy.js';
import { dumpDatabase } from '../support/database-dump.js';
import { interferingDriver } from '../support/interfering-driver.js';
import { migrationsOf, unchecked } from '../support/migration-values.js';
import { ScratchDatabase } from '../support/scratch-database.js';
import { journalModes } from '../support/storage-database.js';

const files = {
  '001_notes.sql': 'CREATE TABLE notes (title TEXT);',
  '002_first.sql': "INSERT INTO notes VALUES ('first');",
  '003_tags.sql': 'CREATE TABLE tags (tag TEXT);',
};
const wrong = { '004_wrong.sql': "INSERT INTO notes VALUES ('fourth');\nINSERT INTO nowhere VALUES (1);" };

describe.each(journalModes)('one transaction for the whole upgrade, in %s mode,', (journal) => {
  let scratch: ScratchDatabase;

  beforeEach(async () => {
    scratch = await ScratchDatabase.make(journal, 'CREATE TABLE mine (a); DROP TABLE mine;');
    await scratch.write(files);
  });

  afterEach(() => scratch.remove());

  const source = (): UpgradeOptions => ({
    database: scratch.path,
    migrations: scratch.migrations,
    backup: false,
    transaction: 'all',
  });
  const upgrade = (more: Partial<UpgradeOptions> = {}): ReturnType<typeof upgradeDatabase> =>
    upgradeDatabase({ ...source(), ...more });

  it('keeps all of it', async () => {
    const told: string[] = [];
    const onProgress = (event: ProgressEvent): void => {
      if ('version' in event) told.push(`${event.kind} ${event.version}`);
    };
    const report = await upgrade({ onProgress });
    expect(report.applied.map(({ version }) => version)).toEqual([1, 2, 3]);
    expect(report).toMatchObject({ version: 3, found: 'empty' });
    expect(await scratch.history()).toHaveLength(3);
    expect(await scratch.value('PRAGMA user_version')).toBe(3);
    // What is done is told only once it is kept.
    expect(told).toEqual(['applying 1', 'applying 2', 'applying 3', 'applied 1', 'applied 2', 'applied 3']);
  });

  it('keeps nothing where one file fails, but a row that says so', async () => {
    await upgrade({ to: 1 });
    await scratch.run("INSERT INTO notes VALUES ('mine')");
    await scratch.write(wrong);
    const told: string[] = [];
    const onProgress = ({ kind }: ProgressEvent): void => {
      told.push(kind);
    };
    await expect(upgrade({ onProgress })).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      place: { filename: '004_wrong.sql', statement: 2, line: 2 },
    });
    expect(told).not.toContain('applied');
    expect(await scratch.rows('SELECT title FROM notes')).toEqual([{ title: 'mine' }]);
    expect(await scratch.objects()).toEqual(['table notes']);
    expect(await scratch.history()).toEqual(['1 applied migration', '4 failed migration']);
    expect(await scratch.value('PRAGMA user_version')).toBe(1);
    await scratch.write({ '004_wrong.sql': 'SELECT 1;' });
    expect((await upgrade()).applied.map(({ version }) => version)).toEqual([2, 3, 4]);
  });

  it('keeps what was applied before the failure where each file has its own', async () => {
    await scratch.write(wrong);
    await expect(upgrade({ transaction: 'each' })).rejects.toMatchObject({ code: 'MIGRATION_FAILED' });
    expect(await scratch.history()).toEqual([
      '1 applied migration',
      '2 applied migration',
      '3 applied migration',
      '4 failed migration',
    ]);
  });

  it('takes the adoption of a legacy database back too', async () => {
    await scratch.run(
      "CREATE TABLE notes (title TEXT); INSERT INTO notes VALUES ('old'), ('old'); PRAGMA user_version = 1;",
    );
    await scratch.write({ '004_unique.sql': 'CREATE UNIQUE INDEX one_title ON notes (title);' });
    const before = await dumpDatabase(scratch.path);
    await expect(upgrade({ legacy: { 1: [1] } })).rejects.toMatchObject({ code: 'MIGRATION_FAILED' });
    const { tables, userVersion } = await dumpDatabase(scratch.path);
    expect(tables.notes).toEqual(before.tables.notes);
    expect(Object.keys(tables).sort()).toEqual(['notes', 'schema_migrations', 'sqlite_sequence']);
    expect(userVersion).toBe(1);
    expect(await scratch.history()).toEqual(['4 failed migration']);
  });

  it('takes every step of a way down back where one fails', async () => {
    await scratch.write({
      '001_notes.down.sql': 'DROP TABLE notes;',
      '002_first.down.sql': 'DROP TABLE nowhere;',
      '003_tags.down.sql': 'DROP TABLE tags;',
    });
    await upgrade();
    const before = await dumpDatabase(scratch.path);
    const down = rollBackDatabase({ ...source(), to: 0, allowLoss: true });
    await expect(down).rejects.toMatchObject({ code: 'MIGRATION_FAILED' });
    const after = await dumpDatabase(scratch.path);
    expect([after.tables.notes, after.tables.tags]).toEqual([before.tables.notes, before.tables.tags]);
    expect(after.userVersion).toBe(3);
    await scratch.write({ '002_first.down.sql': "DELETE FROM notes WHERE title = 'first';" });
    const report = await moveDatabase({ ...source(), to: 0, allowLoss: true });
    expect(report.rolledBack.map(({ version }) => version)).toEqual([3, 2, 1]);
  });

  it('is refused before anything runs where a file can run in none', async () => {
    await upgrade({ to: 1 });
    await scratch.write({
      '005_compact.sql': '-- migration: no-transaction\nVACUUM;',
      '006_journal.sql': '-- migration: no-transaction\nPRAGMA journal_mode = DELETE;',
    });
    const before = await hashesIn(scratch.folder);
    const told: string[] = [];
    const onProgress = ({ kind }: ProgressEvent): void => {
      told.push(kind);
    };
    const refused = upgrade({ onProgress, backup: {} });
    await expect(refused).rejects.toThrow(InvalidOptionError);
    await expect(refused).rejects.toThrow(
      '005_compact.sql, 006_journal.sql cannot run inside a transaction, and the whole upgrade is to be one.',
    );
    expect(told).toEqual([]);
    expect(await hashesIn(scratch.folder)).toEqual(before);
  });

  it('leaves out of account what is not to run', async () => {
    await scratch.write({ '005_compact.sql': '-- migration: no-transaction\nVACUUM;' });
    expect(await upgrade({ to: 3 })).toMatchObject({ version: 3 });
    await upgrade({ transaction: 'each' });
    expect((await upgrade()).upToDate).toBe(true);
  });

  it('is refused for a way down that can run in none', async () => {
    await scratch.write({ '003_tags.down.sql': '-- migration: no-transaction\nVACUUM;' });
    await upgrade();
    const before = await hashesIn(scratch.folder);
    await expect(rollBackDatabase({ ...source() })).rejects.toThrow(
      '003_tags.down.sql cannot run inside a transaction',
    );
    expect(await hashesIn(scratch.folder)).toEqual(before);
  });

  it('stops half-way without a trace', async () => {
    await scratch.write({
      '004_endless.sql':
        'INSERT INTO notes WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n;',
    });
    await upgrade({ to: 1 });
    const controller = new AbortController();
    const onProgress = (event: ProgressEvent): void => {
      if (event.kind === 'applying' && event.version === 4) controller.abort();
    };
    await expect(upgrade({ signal: controller.signal, onProgress })).rejects.toMatchObject({
      code: 'INTERRUPTED',
    });
    expect(await scratch.history()).toEqual(['1 applied migration']);
    expect(await scratch.value('SELECT count(*) FROM notes')).toBe(0);
  });

  const many = (wrong: Readonly<Record<number, string>> = {}): Record<string, string> =>
    Object.fromEntries(
      Array.from({ length: 70 }, (_, index) => [
        `${String(index + 101)}_t.sql`,
        wrong[index + 101] ?? `CREATE TABLE t${index + 101} (a);`,
      ]),
    );

  it.each([104, 150])(
    'names file %i of many and its statement where it fails, and keeps nothing',
    async (version) => {
      await scratch.write(many({ [version]: 'CREATE TABLE other (a);\nINSERT INTO nowhere VALUES (1);' }));
      await upgrade({ to: 3 });
      const failing = upgrade();
      await expect(failing).rejects.toThrow(`Migration ${version}_t.sql failed at statement 2, line 2`);
      expect(await scratch.objects()).toEqual(['table notes', 'table tags']);
      expect((await scratch.history()).slice(3)).toEqual([`${version} failed migration`]);
      expect(await scratch.value('PRAGMA user_version')).toBe(3);
      await scratch.write(many());
      expect((await upgrade()).applied).toHaveLength(70);
    },
  );

  it('goes on with the files in their order where one between them can do harm', async () => {
    await scratch.write(
      many({ 140: 'DELETE FROM tags; CREATE TABLE t140 AS SELECT count(*) AS a FROM notes;' }),
    );
    const report = await upgrade();
    expect(report.applied.map(({ version }) => version)).toEqual([
      ...[1, 2, 3],
      ...Array.from({ length: 70 }, (_, index) => index + 101),
    ]);
    expect(report.rows).toContainEqual({ table: 't140', before: 0, after: 1 });
    const { ok, tampering } = await verifyDatabase(scratch.path, { migrations: scratch.migrations });
    expect({ ok, tampering }).toEqual({ ok: true, tampering: [] });
  });

  it('is refused where a file of many ends the transaction, and that file is named', async () => {
    const good = migrationsOf(many());
    const migrations = good.map((each) =>
      each.version === 140
        ? unchecked(each, 'CREATE TABLE one (a); COMMIT; BEGIN; CREATE TABLE another (a)')
        : each,
    );
    await expect(upgrade({ migrations })).rejects.toMatchObject({ place: { filename: '140_t.sql' } });
    const kept = good.filter(({ version }) => version < 140);
    // The file has committed what was before it: all of that has its row.
    expect(await scratch.objects()).toEqual(['table one', ...kept.map(({ version }) => `table t${version}`)]);
    expect(await scratch.history()).toEqual([
      ...kept.map(({ version }) => `${version} applied migration`),
      '140 failed migration',
    ]);
  });

  it('records each file once where a group of them is refused, and each of them alone is not', async () => {
    await scratch.write(many());
    let groups = 0;
    const { driver } = interferingDriver(
      () => Promise.resolve(),
      () => false,
      (script) => {
        if (script.includes('RELEASE')) groups += 1;
        return groups === 2 ? script.replace('RELEASE', "SELECT json('no JSON'); RELEASE") : script;
      },
    );
    const report = await upgrade({ driver });
    expect(groups).toBeGreaterThan(2);
    expect(report.applied).toHaveLength(73);
    expect(await scratch.history()).toHaveLength(73);
    const { ok, tampering } = await verifyDatabase(scratch.path, { migrations: scratch.migrations });
    expect({ ok, tampering }).toEqual({ ok: true, tampering: [] });
  });

  it('is begun again where nothing is left of it in between, on a copy that is made again, and comes to an end', async () => {
    await upgrade({ to: 1 });
    await scratch.write(many());
    let refused = 0;
    const { driver } = interferingDriver(
      () => Promise.resolve(),
      (script) => {
        const refuses = script.includes('INSERT INTO "schema_migrations"');
        if (refuses) refused += 1;
        return refuses;
      },
    );
    const report = await upgrade({ driver, backup: {} });
    expect(refused).toBe(1);
    expect(report.applied).toHaveLength(72);
    expect((await readdir(scratch.folder)).filter((name) => name.includes('backup'))).toEqual([
      basename(report.backup ?? ''),
    ]);
  });
});
