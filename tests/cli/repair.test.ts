import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { readdir } from 'node:fs/promises';

import { CommandFolder, documentOf, type CommandEnd } from '../support/command.js';
import { hashesIn } from '../support/database-copy.js';
import { withLegacy } from '../support/legacy-driver.js';
import { testUnless, withoutProgram } from '../support/needed.js';
import { notesFiles, notesRows } from '../support/notes-files.js';

const noTerminals = withoutProgram('script');
const source = ['--database', 'data/notes.db', '--migrations', 'sql'] as const;
const changedTags = notesFiles['003_tags.sql'].replace('tag TEXT', 'tag TEXT, colour TEXT');

let folder: CommandFolder;

beforeEach(async () => {
  folder = await CommandFolder.make();
  await folder.files('data', {});
  await folder.files('sql', notesFiles);
  expect((await run('up')).status).toBe(0);
  await change(notesRows);
});

afterEach(() => folder.remove());

function run(...words: readonly string[]): Promise<CommandEnd> {
  return folder.run(...words, ...source);
}

function change(script: string): Promise<void> {
  return withLegacy(folder.at('data/notes.db'), (program) => program.run(script));
}

async function withoutChange(...words: readonly string[]): Promise<CommandEnd> {
  const before = await hashesIn(folder.at('data'));
  const end = await run(...words);
  expect(await hashesIn(folder.at('data'))).toEqual(before);
  return end;
}

describe('repair', () => {
  test('accepts a changed file with --yes, and shows what has changed', async () => {
    await folder.files('sql', { '003_tags.sql': changedTags });
    expect((await run('up')).status).toBe(5);
    const { status, stdout, stderr } = await run('repair', '--yes');
    expect(status).toBe(0);
    expect(stderr).toMatch(/^checked its integrity .*\nbacked up to .*-v3-to-repair \(\d+ ms\)\n$/);
    expect(stdout).toMatch(/^"data\/notes\.db" was repaired \(\d+ ms\)\.\n/);
    expect(stdout).toMatch(
      /\nChanged files, accepted as they are now \(1\):\n {2}003_tags\.sql, applied on \d{4}-.*\n {4}@@ .*\n/,
    );
    expect(stdout).toContain('\n    -CREATE TABLE tags (note INTEGER, tag TEXT);\n');
    expect(stdout).toContain('\n    +CREATE TABLE tags (note INTEGER, tag TEXT, colour TEXT);\n');
    expect(stdout).toMatch(/\nVersion: {2}3\nBackup: {3}\/.*-v3-to-repair\n$/);
    expect((await run('up')).status).toBe(0);
    expect((await folder.run('history', '--database', 'data/notes.db')).stdout).toMatch(
      /^ {2}\d+ +3 +003_tags\.sql +applied +repaired /m,
    );
  });

  test('is refused without --yes where there is no terminal, and nothing is changed', async () => {
    await folder.files('sql', { '003_tags.sql': changedTags });
    expect(await withoutChange('repair')).toEqual({
      status: 1,
      stdout: '',
      stderr: `Error: There is something to repair in "data/notes.db", and no terminal to ask.
Hint:  Nothing was changed. Look at it with --dry-run, and give --yes if that is meant.
Code:  NOT_CONFIRMED
`,
    });
  });

  test('says with --dry-run what it would do, and changes nothing', async () => {
    await folder.files('sql', { '003_tags.sql': changedTags });
    for (const words of [['--dry-run'], ['--dry-run', '--yes']]) {
      const end = await withoutChange('repair', ...words, '--complete-missing', '--json');
      expect(end).toMatchObject({ status: 0, stderr: '' });
      expect(documentOf(end)).toMatchObject({
        dryRun: true,
        nothingToDo: false,
        acceptedChanges: [{ version: 3, difference: expect.any(Array) }],
        mended: [{ name: 'tags.colour', mend: ['ALTER TABLE "tags" ADD COLUMN colour TEXT'] }],
        backup: null,
      });
    }
  });

  testUnless(noTerminals, 'shows what it would do on a terminal, and does it after a yes', async () => {
    await folder.files('sql', { '003_tags.sql': changedTags });
    const end = await folder.onTerminal('y\n', 'repair', ...source);
    expect(end.status).toBe(0);
    expect(end.stdout).toMatch(
      /^What a repair of "data\/notes\.db" would do; nothing was changed\.\n[^]*\nVersion: {2}3\nRepair it\? \[y\/N\] y\n[^]*\n"data\/notes\.db" was repaired/,
    );
    expect((await run('up')).status).toBe(0);
  });

  testUnless(noTerminals, 'changes nothing after a no', async () => {
    await folder.files('sql', { '003_tags.sql': changedTags });
    const before = await hashesIn(folder.at('data'));
    const end = await folder.onTerminal('n\n', 'repair', ...source);
    expect(end.status).toBe(1);
    expect(end.stdout).toContain('Error: Nothing was repaired.\n');
    expect(await hashesIn(folder.at('data'))).toEqual(before);
  });

  test('asks nobody and writes nothing where there is nothing to repair', async () => {
    expect(await withoutChange('repair')).toEqual({
      status: 0,
      stdout: 'There is nothing to repair in "data/notes.db".\n\nVersion:  3\n',
      stderr: '',
    });
  });

  test('mends the schema with --complete-missing', async () => {
    await change('DROP TABLE tags');
    const end = await run('repair', '--complete-missing', '--yes', '--no-backup');
    expect(end.status).toBe(0);
    expect(end.stdout).toContain(
      '\nMended (1):\n  table tags is missing\n    CREATE TABLE tags (note INTEGER, tag TEXT);\n',
    );
    expect((await run('verify')).status).toBe(0);
    expect((await readdir(folder.at('data'))).filter((name) => name.includes('.backup-'))).toEqual([]);
  });

  test('marks migrations as pending and as applied', async () => {
    await folder.files('sql', {
      '004_more.sql': 'CREATE TABLE more (x);',
      '005_yet.sql': 'CREATE TABLE yet (x);',
    });
    const applied = await run('repair', '--mark-applied', '4,5', '--yes', '--json');
    expect(documentOf(applied)).toMatchObject({
      markedApplied: [{ version: 4 }, { version: 5 }],
      version: 5,
    });
    const pending = await run('repair', '--mark-pending', '5', '--yes');
    expect(pending.stdout).toContain('\nMarked as pending (1):\n  005_yet.sql\n');
    expect(documentOf(await run('plan', '--json'))).toMatchObject({ version: 4, apply: [{ version: 5 }] });
  });

  test('refuses a history that was changed by hand, until that is accepted', async () => {
    await change("UPDATE schema_migrations SET description = 'x' WHERE id = 2");
    const refused = await withoutChange('repair', '--yes', '--json');
    expect(refused.status).toBe(5);
    expect(documentOf(refused)).toMatchObject({ error: { code: 'TAMPERED_HISTORY' } });
    const accepted = await run('repair', '--accept-tampering', '--yes');
    expect(accepted.status).toBe(0);
    expect(accepted.stdout).toMatch(/\nChanges by hand in the history, accepted \(1\):\n {2}row 2 /);
    expect((await run('verify')).status).toBe(0);
  });

  test('refuses a changed file with --no-accept-changed', async () => {
    await folder.files('sql', { '003_tags.sql': changedTags });
    const end = await withoutChange('repair', '--no-accept-changed', '--yes', '--json');
    expect(end.status).toBe(5);
    expect(documentOf(end)).toMatchObject({ error: { code: 'CHANGED_MIGRATION' } });
  });

  test.each([
    ['no database there', ['--database', 'data/none.db'], 'MISSING_DATABASE', 1],
    ['a database without a history', ['--database', 'data/worlds.db'], 'REPAIR_FAILED', 1],
    ['a version that is none', [...source, '--mark-applied', '9'], 'BAD_OPTION', 64],
    ['text for a version', [...source, '--mark-applied', '3,x'], 'BAD_OPTION', 64],
  ])('refuses %s', async (_what, words, code, status) => {
    await folder.legacy('version-4-upgraded', 'data/worlds.db');
    const before = await hashesIn(folder.at('data'));
    const end = await folder.run('repair', ...words, '--yes', '--json');
    expect(documentOf(end)).toMatchObject({ error: { code } });
    expect(end.status).toBe(status);
    expect(await hashesIn(folder.at('data'))).toEqual(before);
  });
});
