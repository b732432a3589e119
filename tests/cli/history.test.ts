import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { writeFile } from 'node:fs/promises';

import { CommandFolder, documentOf, type CommandEnd } from '../support/command.js';
import { hashesIn } from '../support/database-copy.js';
import { withLegacy } from '../support/legacy-driver.js';
import { notesFiles } from '../support/notes-files.js';

let folder: CommandFolder;

beforeEach(async () => {
  folder = await CommandFolder.make();
  await folder.files('data', {});
});

afterEach(() => folder.remove());

/** Runs the command and holds it to changing no byte. */
async function history(database: string, ...words: readonly string[]): Promise<CommandEnd> {
  const before = await hashesIn(folder.at('data'));
  const end = await folder.run('history', '--database', database, ...words);
  expect(await hashesIn(folder.at('data'))).toEqual(before);
  return end;
}

/** A database of which a file failed, was mended and applied, and then undone. */
async function eventful(): Promise<string> {
  const source = ['--database', 'data/notes.db', '--migrations', 'sql', '--no-backup'] as const;
  await folder.files('sql', { ...notesFiles, '003_tags.sql': 'INSERT INTO nowhere VALUES (1);' });
  expect((await folder.run('up', ...source)).status).toBe(1);
  await folder.files('sql', notesFiles);
  expect((await folder.run('up', ...source)).status).toBe(0);
  expect((await folder.run('down', ...source, '--yes')).status).toBe(0);
  return 'data/notes.db';
}

describe('history', () => {
  test('lists every attempt, oldest first, with what failed and what was undone', async () => {
    const { status, stdout, stderr } = await history(await eventful());
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const time = '\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z';
    const lines = [
      'History of "data/notes\\.db", 5 attempts, oldest first:',
      ' +id +version +file +status +origin +applied at +ms +release +error',
      ` +1 +1 +001_notes\\.sql +applied +applied +${time} +\\d+ +1\\.0\\.0`,
      ` +2 +2 +002_pins\\.sql +applied +applied +${time} +\\d+ +1\\.1\\.0`,
      ` +3 +3 +003_tags\\.sql +failed +applied +${time} +\\d+ +Migration 003_tags\\.sql failed at statement 1, line 1: no such table: nowhere\\.`,
      ` +4 +3 +003_tags\\.sql +applied +applied +${time} +\\d+ +1\\.2\\.0`,
      ` +5 +3 +003_tags\\.sql +rolled_back +applied +${time} +\\d+ +1\\.2\\.0`,
      '',
    ];
    expect(stdout).toMatch(new RegExp(`^${lines.join('\n')}$`));
  });

  test('prints one JSON document', async () => {
    const end = await history(await eventful(), '--json');
    expect(end).toMatchObject({ status: 0, stderr: '' });
    const attempt = (id: number, version: number, status: string) =>
      expect.objectContaining({ id, version, status, origin: 'migration', appliedAt: expect.any(String) });
    expect(documentOf(end)).toEqual([
      attempt(1, 1, 'applied'),
      attempt(2, 2, 'applied'),
      expect.objectContaining({
        id: 3,
        filename: '003_tags.sql',
        status: 'failed',
        details: { error: expect.stringContaining('no such table: nowhere') },
        release: null,
      }),
      attempt(4, 3, 'applied'),
      attempt(5, 3, 'rolled_back'),
    ]);
  });

  test('says how a legacy database came to its history', async () => {
    const database = await folder.legacy('missing-one-of-two-columns', 'data/worlds.db');
    await folder.run('up', '--database', database, '--no-backup');
    const { stdout } = await history(database);
    expect(stdout).toMatch(/^ {2}\d+ +3 +0003_init_base_schema\.sql +applied +adopted +/m);
    expect(stdout).toMatch(/^ {2}\d+ +5 +0005_add_llm_config\.sql +applied +completed +/m);
    expect(stdout).toMatch(/^ {2}\d+ +11 +0011_number_events\.sql +applied +applied +/m);
  });

  test.each(['version-4-upgraded', 'new-file'])('says that there is none: %s', async (fixture) => {
    const database = await folder.legacy(fixture, 'data/worlds.db');
    expect(await history(database)).toEqual({
      status: 0,
      stdout: '"data/worlds.db" has no history.\n',
      stderr: '',
    });
    expect(documentOf(await history(database, '--json'))).toEqual([]);
  });

  test('is refused where another tool keeps its own, and where somebody changed it', async () => {
    const rails = await history(await folder.legacy('foreign-rails', 'data/rails.db'), '--json');
    expect(rails.status).toBe(1);
    expect(documentOf(rails)).toMatchObject({ error: { code: 'FOREIGN_DATABASE' } });
    const database = await eventful();
    await withLegacy(folder.at(database), (program) =>
      program.run("UPDATE schema_migrations SET status = 'done' WHERE id = 2"),
    );
    const tampered = await history(database, '--json');
    expect(tampered.status).toBe(5);
    expect(documentOf(tampered)).toMatchObject({ error: { code: 'BAD_HISTORY' } });
  });

  test.each([
    ['no database there', 'data/none.db', 'MISSING_DATABASE'],
    ['a folder', 'data', 'NOT_A_FILE'],
    ['no database at all', 'data/text', 'UNREADABLE_DATABASE'],
  ])('refuses %s', async (_what, database, code) => {
    await writeFile(folder.at('data/text'), 'no database, and long enough to be looked at as one'.repeat(40));
    const end = await history(database, '--json');
    expect(end.status).toBe(1);
    expect(documentOf(end)).toMatchObject({ error: { code } });
  });

  test('needs no files, and takes none', async () => {
    const end = await history('data/none.db', '--migrations', 'sql');
    expect(end.status).toBe(64);
    expect(end.stderr).toContain("Error: Unknown option '--migrations'.\n");
  });
});

describe('--history-table', () => {
  const source = ['--database', 'data/notes.db', '--migrations', 'sql'] as const;
  const named = [...source, '--history-table', 'migrations'] as const;

  beforeEach(() => folder.files('sql', notesFiles));

  test('names the history to every command that looks at it', async () => {
    expect((await folder.run('up', ...named, '--no-backup')).status).toBe(0);
    for (const words of [
      ['status', ...named, '--check'],
      ['verify', ...named, '--strict'],
      ['plan', ...named],
      ['rehearse', ...named],
      ['down', ...named, '--no-backup', '--yes'],
      ['to', '3', ...named, '--no-backup'],
      ['repair', ...named, '--dry-run'],
    ]) {
      const { status, stderr } = await folder.run(...words);
      expect({ words, status, stderr }).toMatchObject({ status: 0 });
    }
    const end = await history('data/notes.db', '--history-table', 'MIGRATIONS', '--json');
    expect(documentOf(end)).toHaveLength(5);
    expect((await folder.run('baseline', ...named)).stderr).toContain('BASELINE_MISMATCH');
  });

  test('is to be said again, and right', async () => {
    await folder.run('up', ...named, '--no-backup');
    for (const command of ['status', 'verify', 'plan', 'up'] as const) {
      const { status, stderr } = await folder.run(command, ...source);
      expect(status).toBe(1);
      expect(stderr).toContain(
        'The database keeps its history in the table migrations, and not in schema_migrations.',
      );
      expect(stderr).toContain('--history-table migrations');
      expect(stderr).toContain('HISTORY_ELSEWHERE');
    }
    expect((await history('data/notes.db')).stderr).toContain('HISTORY_ELSEWHERE');
  });

  test('takes no name that no table can have', async () => {
    for (const name of ['sqlite_history', 'a"b', '1st', 'main.migrations']) {
      const { status, stderr } = await folder.run('status', ...source, '--history-table', name);
      expect({ name, status }).toEqual({ name, status: 64 });
      expect(stderr).toContain("The history's table must be named by letters, digits and _");
    }
    const { status, stderr } = await folder.run('status', ...source, '--history-table', '');
    expect({ status, stderr }).toMatchObject({ status: 64, stderr: expect.stringContaining('is missing') });
  });
});
