import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import {
  InvalidOptionError,
  moveDatabase,
  rollBackDatabase,
  upgradeDatabase,
  type ProgressEvent,
  type UpgradeOptions,
} from '../../core/index.js';
import { hashesIn } from '../support/database-copy.js';
import { dumpDatabase } from '../support/database-dump.js';
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
});
