import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import { CommandFolder, documentOf, type CommandEnd } from '../support/command.js';
import { hashesIn } from '../support/database-copy.js';
import { withLegacy } from '../support/legacy-driver.js';
import { notesFiles } from '../support/notes-files.js';

const source = ['--database', 'data/notes.db', '--migrations', 'sql'] as const;

let folder: CommandFolder;

beforeEach(async () => {
  folder = await CommandFolder.make();
  await folder.files('data', {});
  await folder.files('sql', notesFiles);
  await withLegacy(folder.at('data/notes.db'), (program) =>
    program.run(
      `CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT);
       ALTER TABLE notes ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;
       INSERT INTO notes (text) VALUES ('one');
       CREATE TABLE own (x)`,
    ),
  );
});

afterEach(() => folder.remove());

function run(...words: readonly string[]): Promise<CommandEnd> {
  return folder.run(...words, ...source);
}

describe('baseline', () => {
  test('finds the version, shows why, and records it', async () => {
    expect((await run('up')).status).toBe(1);
    const { status, stdout, stderr } = await run('baseline');
    expect(status).toBe(0);
    expect(stderr).toMatch(/^checked its integrity .*\nbacked up to .*-to-baseline \(\d+ ms\)\n$/);
    expect(stdout).toMatch(
      /^"data\/notes\.db" is recorded at version 2 now \(\d+ ms\)\.\n\nFiles that are there \(2\):\n {2}001_notes\.sql {2}table notes\n {2}002_pins\.sql {3}column notes\.pinned\n\nPending \(1\):\n {2}003_tags\.sql\n\nWhy 003_tags\.sql does not count as there \(1\):\n {2}table tags is missing\n\nWhat the database has beyond \(1\):\n {2}table own .*\n\nuser_version: {2}was 0, is 2 now\nBackup: {8}\/.*-to-baseline\n$/,
    );
    const after = await run('up', '--json');
    expect(documentOf(after)).toMatchObject({ found: 'managed', version: 3, applied: [{ version: 3 }] });
  });

  test('says with --dry-run what it would record, as one JSON document, and changes nothing', async () => {
    const before = await hashesIn(folder.at('data'));
    const end = await run('baseline', '--dry-run', '--json');
    expect(end).toMatchObject({ status: 0, stderr: '' });
    expect(documentOf(end)).toMatchObject({
      dryRun: true,
      version: 2,
      files: [
        { version: 1, evidence: ['table notes'], assumed: false },
        { version: 2, evidence: ['column notes.pinned'] },
      ],
      pending: ['003_tags.sql'],
      next: { filename: '003_tags.sql', misfits: ['table tags is missing'] },
      backup: null,
    });
    expect((await run('baseline', '--dry-run')).stdout).toMatch(
      /^"data\/notes\.db" would be recorded at version 2; nothing was changed\.\n/,
    );
    expect(await hashesIn(folder.at('data'))).toEqual(before);
  });

  test('records up to the version that --at names, where that fits', async () => {
    const before = await hashesIn(folder.at('data'));
    const wrong = await run('baseline', '--at', '3', '--json');
    expect(wrong.status).toBe(1);
    expect(documentOf(wrong)).toMatchObject({ error: { code: 'BASELINE_MISMATCH' } });
    expect(await hashesIn(folder.at('data'))).toEqual(before);
    expect((await run('baseline', '--at', '2')).status).toBe(0);
    expect(documentOf(await run('baseline', '--json'))).toMatchObject({
      error: { code: 'BASELINE_MISMATCH' },
    });
  });

  test('exits with 64 for a version that is none, with 1 for a database that is not there', async () => {
    expect((await run('baseline', '--at', '7')).status).toBe(64);
    const end = await folder.run('baseline', '--database', 'data/none.db', '--migrations', 'sql', '--json');
    expect(end.status).toBe(1);
    expect(documentOf(end)).toMatchObject({ error: { code: 'MISSING_DATABASE' } });
  });
});
