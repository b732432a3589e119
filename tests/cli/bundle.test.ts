import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';

import { CommandFolder, documentOf } from '../support/command.js';
import { notesFiles } from '../support/notes-files.js';

let folder: CommandFolder;

beforeEach(async () => {
  folder = await CommandFolder.make();
  await folder.files('sql', notesFiles);
});

afterEach(() => folder.remove());

describe('bundle', () => {
  test('writes a folder as one module, and says what is in it', async () => {
    const { status, stdout, stderr } = await folder.run('bundle', 'sql', '--out', 'notes.mjs');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(
      /^"notes\.mjs" was written from "sql"\.\n3 migrations up to version 3, \d ways? back, /,
    );
    expect(await readFile(folder.at('notes.mjs'), 'utf8')).toMatch(
      /^\/\/ Written by "upgrade-bridge bundle"\. Do not edit/,
    );
  });

  test('prints one document with --json', async () => {
    const end = await folder.run('bundle', 'sql', '--out', 'notes.json', '--json');
    expect(documentOf(end)).toMatchObject({ out: 'notes.json', state: 'written', version: 3, migrations: 3 });
  });

  test('with --check exits with 2 until the file is what the folder makes, and writes nothing', async () => {
    const check = ['bundle', 'sql', '--out', 'notes.mjs', '--check'];
    expect((await folder.run(...check)).status).toBe(2);
    expect(await readdir(folder.path)).toEqual(['sql']);
    await folder.run('bundle', 'sql', '--out', 'notes.mjs');
    expect(await folder.run(...check)).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('is what "sql" makes'),
    });
    await folder.files('sql', { '0009_more.sql': 'CREATE TABLE more (a);' });
    expect((await folder.run(...check)).status).toBe(2);
  });

  test('refuses a folder that could not be applied, and a file that says not what it is to be', async () => {
    expect(await folder.run('bundle', 'sql', '--out', 'notes.sql')).toMatchObject({
      status: 64,
      stderr: expect.stringContaining('.mjs'),
    });
    await folder.files('sql', { '0009_wrong.sql': 'COMMIT;' });
    expect(await folder.run('bundle', 'sql', '--out', 'notes.mjs')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('FORBIDDEN_STATEMENT'),
    });
    expect(await readdir(folder.path)).toEqual(['sql']);
  });
});

describe('a command with a bundle in place of the folder', () => {
  test.each(['notes.mjs', 'notes.cjs', 'notes.json'])('does the same: %s', async (name) => {
    await folder.run('bundle', 'sql', '--out', name);
    await rm(folder.at('sql'), { recursive: true });
    const source = ['--database', 'notes.db', '--migrations', name];
    expect((await folder.run('up', ...source)).status).toBe(0);
    expect((await folder.run('verify', ...source)).status).toBe(0);
    expect((await folder.run('status', '--check', ...source)).status).toBe(0);
  });

  test('does the same where an editor has put a byte order mark before it', async () => {
    await folder.run('bundle', 'sql', '--out', 'notes.json');
    const text = await readFile(folder.at('notes.json'), 'utf8');
    await writeFile(folder.at('notes.json'), `\uFEFF${text}`);
    const end = await folder.run('up', '--database', 'notes.db', '--migrations', 'notes.json');
    expect(end).toMatchObject({ status: 0 });
  });

  test.each([
    ['notes.mjs', 'export default 7;', 'gives no bundle'],
    ['notes.mjs', 'export default {', 'cannot be loaded'],
    ['notes.json', '{}', 'is no bundle'],
    ['notes.json', '[', 'cannot be loaded'],
  ])('refuses what is none: %s with %s', async (name, text, problem) => {
    await writeFile(folder.at(name), text);
    const end = await folder.run('up', '--database', 'notes.db', '--migrations', name, '--json');
    expect(end.status).toBe(1);
    expect(documentOf(end)).toMatchObject({
      error: { code: 'BAD_BUNDLE', message: expect.stringContaining(problem) },
    });
  });
});
