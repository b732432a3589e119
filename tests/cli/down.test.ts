import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { readdir, rm } from 'node:fs/promises';

import { CommandFolder, documentOf, type CommandEnd } from '../support/command.js';
import { hashesIn } from '../support/database-copy.js';
import { withLegacy } from '../support/legacy-driver.js';
import { testUnless, withoutProgram } from '../support/needed.js';
import { notesFiles, notesRows } from '../support/notes-files.js';

const noTerminals = withoutProgram('script');
const source = ['--database', 'data/notes.db', '--migrations', 'sql'] as const;

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

async function version(): Promise<unknown> {
  const end = await run('status', '--json');
  const document = documentOf(end);
  return typeof document === 'object' && document !== null && 'version' in document && document.version;
}

async function backups(): Promise<string[]> {
  return (await readdir(folder.at('data'))).filter((name) => name.includes('.backup-'));
}

describe('down', () => {
  test('undoes the newest migration, says so, and makes a copy first', async () => {
    await change('DELETE FROM tags');
    const { status, stdout, stderr } = await run('down', '--yes');
    expect(status).toBe(0);
    expect(stderr).toMatch(
      /^checked its integrity \(.*\)\nbacked up to .*-v3-to-v2 \(\d+ ms\)\nrolling back 003_tags\.sql\nrolled back 003_tags\.sql \(\d+ ms\)\n$/,
    );
    expect(stdout).toMatch(
      /^"data\/notes\.db" is at version 2 now \(\d+ ms\)\. It was at version 3\.\n\nRolled back \(1\):\n {2}003_tags\.sql {2}\d+ ms\n\nLost, because that was allowed \(1\):\n {2}table tags with 0 rows\n/,
    );
    expect(await backups()).toHaveLength(1);
  });

  test('does without --yes what loses only what the down files declare', async () => {
    await run('down', '--yes');
    expect(documentOf(await run('down', '--to', '0', '--json'))).toMatchObject({
      version: 0,
      rolledBack: [{ version: 2 }, { version: 1 }],
      losses: [],
    });
  });

  test('says all that would be lost, with its rows, refuses where there is no terminal, and changes nothing', async () => {
    const before = await hashesIn(folder.at('data'));
    const one = await run('down');
    expect(one).toMatchObject({ status: 1, stdout: '' });
    expect(one.stderr).toMatch(
      /\n"data\/notes\.db" is at version 3; nothing is pending\.\nError: Undoing 003_tags\.sql would remove table tags with 3 rows without saying so; it was rolled back\.\nHint: {2}If that is meant, allow it \(allowLoss, --yes\)\. If the file is yours and means that, declare it .*\nCode: {2}OBJECTS_LOST\n$/,
    );
    await folder.files('sql', { '001_notes.down.sql': 'DROP TABLE notes;' });
    const all = await run('down', '--to', '0');
    expect(all).toMatchObject({ status: 1, stdout: '' });
    expect(all.stderr).toContain(
      'Error: Undoing 3 migrations would lose what no down file declares: 003_tags.sql: table tags with 3 rows; 001_notes.sql: table notes with 2 rows.\n',
    );
    expect(all.stderr).toMatch(/\nremoved .*-v3-to-v0 again, because nothing was changed\n/);
    expect(await hashesIn(folder.at('data'))).toEqual(before);
    expect(documentOf(await run('down', '--json'))).toMatchObject({ error: { code: 'OBJECTS_LOST' } });
  });

  test('loses with --yes what it says it has lost', async () => {
    const end = await run('down', '--to', '1', '--yes', '--json');
    expect(end).toMatchObject({ status: 0, stderr: '' });
    expect(documentOf(end)).toMatchObject({
      upToDate: false,
      version: 1,
      rolledBack: [
        { version: 3, filename: '003_tags.sql' },
        { version: 2, filename: '002_pins.sql' },
      ],
      losses: ['table tags with 3 rows'],
      backup: expect.stringMatching(/-v3-to-v1$/),
    });
  });

  testUnless(noTerminals, 'asks on a terminal, and loses it after a yes', async () => {
    const end = await folder.onTerminal('yes\n', 'down', ...source);
    expect(end.status).toBe(0);
    expect(end.stdout).toContain(
      '\nUndoing 003_tags.sql would remove table tags with 3 rows without saying so; it was rolled back.\nUndo it all the same? [y/N] ',
    );
    expect(end.stdout).toContain('"data/notes.db" is at version 2 now');
    expect(await backups()).toHaveLength(1);
  });

  for (const [what, answer, status, code] of [
    ['a no', 'n\n', 1, 'NOT_CONFIRMED'],
    ['Ctrl-C', '\u0003', 130, 'INTERRUPTED'],
  ] as const)
    testUnless(noTerminals, `changes nothing after ${what}`, async () => {
      const before = await hashesIn(folder.at('data'));
      const end = await folder.onTerminal(answer, 'down', ...source);
      expect(end.status).toBe(status);
      expect(end.stdout).toContain(`Code:  ${code}\n`);
      expect(await hashesIn(folder.at('data'))).toEqual(before);
    });

  testUnless(noTerminals, 'asks for nothing where nothing undeclared would be lost', async () => {
    await run('down', '--yes');
    const end = await folder.onTerminal('n\n', 'down', ...source);
    expect(end.status).toBe(0);
    expect(end.stdout).not.toContain('[y/N]');
  });

  test('takes the backup options of up', async () => {
    await run('down', '--yes', '--no-backup');
    expect(await backups()).toEqual([]);
    await folder.files('copies', {});
    await run('down', '--backup-dir', 'copies');
    expect(await readdir(folder.at('copies'))).toEqual([expect.stringMatching(/-v2-to-v1$/)]);
  });

  test('with --transaction all undoes everything or nothing', async () => {
    await folder.files('sql', { '001_notes.down.sql': 'DROP TABLE notes; DROP TABLE nowhere;' });
    const all = await run('down', '--to', '0', '--yes', '--no-backup', '--transaction', 'all', '--json');
    expect(all.status).toBe(1);
    expect(documentOf(all)).toMatchObject({ error: { code: 'MIGRATION_FAILED' } });
    expect(await version()).toBe(3);
    const each = await run('down', '--to', '0', '--yes', '--no-backup');
    expect(each.stderr).toContain(
      '\n001_notes.sql failed, and nothing of it stays\n"data/notes.db" is at version 1; 2 files are pending.\n',
    );
    expect(await version()).toBe(1);
  });

  test('names every migration that has no way back, before anything runs', async () => {
    await rm(folder.at('sql/003_tags.down.sql'));
    await rm(folder.at('sql/001_notes.down.sql'));
    const before = await hashesIn(folder.at('data'));
    const end = await run('down', '--to', '0', '--yes');
    expect(end).toMatchObject({ status: 1, stdout: '' });
    expect(end.stderr).toMatch(
      /^Error: There is no way back from 003_tags\.sql, 001_notes\.sql: .*\nHint: {2}.*003_tags\.down\.sql.*\nCode: {2}NO_WAY_BACK\n$/,
    );
    expect(await hashesIn(folder.at('data'))).toEqual(before);
  });

  test('undoes with --from-history what is no file here, and refuses it with 3 otherwise', async () => {
    await rm(folder.at('sql/003_tags.sql'));
    await rm(folder.at('sql/003_tags.down.sql'));
    const refused = await run('down', '--yes', '--json');
    expect(documentOf(refused)).toMatchObject({ error: { code: 'NO_WAY_BACK' } });
    expect((await run('up')).status).toBe(3);
    const end = await run('down', '--yes', '--from-history', '--json');
    expect(documentOf(end)).toMatchObject({ version: 2, rolledBack: [{ version: 3 }] });
    expect((await run('up')).status).toBe(0);
  });

  test('says that there is nothing to do, and writes nothing then', async () => {
    const before = await hashesIn(folder.at('data'));
    expect(await run('down', '--to', '3')).toEqual({
      status: 0,
      stdout: '"data/notes.db" is at version 3: there is nothing to do.\n',
      stderr: '',
    });
    expect(await hashesIn(folder.at('data'))).toEqual(before);
  });

  test('exits with 5 when a file that stays was changed', async () => {
    await folder.files('sql', { '001_notes.sql': 'CREATE TABLE notes (id);' });
    const end = await run('down', '--yes', '--json');
    expect(end.status).toBe(5);
    expect(documentOf(end)).toMatchObject({ error: { code: 'CHANGED_MIGRATION' } });
    expect(await version()).toBe(3);
  });

  test.each([
    ['no database there', 'data/none.db', 'NO_WAY_BACK', 1],
    ['a database without a history', 'data/legacy.db', 'NO_WAY_BACK', 1],
    ['a version that is none', 'data/notes.db', 'BAD_OPTION', 64],
  ])('refuses, and makes nothing: %s', async (_what, database, code, status) => {
    await folder.legacy('version-4-upgraded', 'data/legacy.db');
    const before = await hashesIn(folder.at('data'));
    const words =
      database === 'data/notes.db' ? [...source, '--to', '7'] : ['--database', database, '--to', '0'];
    const end = await folder.run('down', ...words, '--yes', '--json');
    expect(documentOf(end)).toMatchObject({ error: { code } });
    expect(end.status).toBe(status);
    expect(await hashesIn(folder.at('data'))).toEqual(before);
  });
});

describe('to', () => {
  test('goes to a version, whichever way it lies', async () => {
    expect(documentOf(await run('to', '1', '--yes', '--json'))).toMatchObject({
      version: 1,
      rolledBack: [{ version: 3 }, { version: 2 }],
      applied: [],
    });
    const up = await run('to', '2');
    expect(up.status).toBe(0);
    expect(up.stdout).toMatch(
      /^"data\/notes\.db" is at version 2 now .*\n\nApplied \(1\):\n {2}002_pins\.sql /,
    );
    expect((await run('to', '2')).stdout).toBe('"data/notes.db" is at version 2: there is nothing to do.\n');
  });

  test('says what would be lost, and refuses without --yes', async () => {
    const before = await hashesIn(folder.at('data'));
    const end = await run('to', '2', '--json');
    expect(end.status).toBe(1);
    expect(documentOf(end)).toMatchObject({
      error: { code: 'OBJECTS_LOST', message: expect.stringContaining('table tags with 3 rows') },
    });
    expect(await hashesIn(folder.at('data'))).toEqual(before);
  });

  testUnless(noTerminals, 'does not ask about rows that a file would lose on the way up', async () => {
    await folder.files('sql', { '004_forget.sql': 'DELETE FROM tags;' });
    const end = await folder.onTerminal('y\n', 'to', '4', ...source);
    expect(end.status).toBe(1);
    expect(end.stdout).not.toContain('[y/N]');
    expect(end.stdout).toContain('Code:  ROWS_LOST\n');
    expect(await version()).toBe(3);
  });

  test('does not undo what a legacy database holds before it has a history', async () => {
    const database = await folder.legacy('version-4-upgraded', 'data/worlds.db');
    const before = await hashesIn(folder.at('data'));
    const end = await folder.run('to', '3', '--database', database, '--yes', '--json');
    expect(end.status).toBe(1);
    expect(documentOf(end)).toMatchObject({ error: { code: 'NO_WAY_BACK' } });
    expect(await hashesIn(folder.at('data'))).toEqual(before);
  });
});
