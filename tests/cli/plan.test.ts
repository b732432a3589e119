import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { rm } from 'node:fs/promises';

import { resolveDatabaseFile } from '../../core/storage/database-file.js';
import { acquireMigrationLock } from '../../core/storage/migration-lock.js';
import { CommandFolder, documentOf, type CommandEnd } from '../support/command.js';
import { hashesIn } from '../support/database-copy.js';
import { withLegacy } from '../support/legacy-driver.js';
import { notesFiles, notesRows } from '../support/notes-files.js';

const source = ['--database', 'data/notes.db', '--migrations', 'sql'] as const;

let folder: CommandFolder;

beforeEach(async () => {
  folder = await CommandFolder.make();
  await folder.files('data', {});
  await folder.files('sql', notesFiles);
});

afterEach(() => folder.remove());

function run(...words: readonly string[]): Promise<CommandEnd> {
  return folder.run(...words, ...source);
}

/** A database at a version, with rows where it is the newest. */
async function at(version: number): Promise<void> {
  expect((await run('up', '--to', String(version))).status).toBe(0);
  if (version === 3) await withLegacy(folder.at('data/notes.db'), (program) => program.run(notesRows));
}

/** Runs a command and holds it to changing no byte beside it. */
async function withoutChange(...words: readonly string[]): Promise<CommandEnd> {
  const before = await hashesIn(folder.at('data'));
  const end = await run(...words);
  expect(await hashesIn(folder.at('data'))).toEqual(before);
  return end;
}

describe('plan', () => {
  test('says what an upgrade would do, in its order', async () => {
    await at(1);
    expect(await withoutChange('plan')).toEqual({
      status: 0,
      stdout: `"data/notes.db" is at version 1 and would be at version 3.

To be applied, in this order (2):
  002_pins.sql  Lets a note stay at the top.  (release 1.1.0)
  003_tags.sql  Gives notes tags.             (release 1.2.0)

Nothing was changed.
`,
      stderr: '',
    });
  });

  test('says what undoing would do, by the scripts that would run', async () => {
    await at(3);
    expect((await withoutChange('plan', '--to', '1')).stdout).toBe(
      `"data/notes.db" is at version 3 and would be at version 1.

To be rolled back, in this order (2):
  003_tags.down.sql  Gives notes tags.             (release 1.2.0)
  002_pins.down.sql  Lets a note stay at the top.  (release 1.1.0; drops notes.pinned)

Nothing was changed.
`,
    );
    expect((await withoutChange('plan', '--down')).stdout).toMatch(/^"data\/notes\.db" .* version 2\.\n/);
    expect((await withoutChange('plan', '--down', '--to', '0')).stdout).toMatch(
      /\nTo be rolled back, in this order \(3\):\n {2}003_tags\.down\.sql/,
    );
  });

  test('says of a legacy database what would be adopted and completed', async () => {
    const database = await folder.legacy('missing-one-of-two-columns', 'data/worlds.db');
    const end = await folder.run('plan', '--database', database);
    expect(end.stdout).toMatch(/^"data\/worlds\.db" is legacy and would be at version 11\.\n/);
    expect(end.stdout).toContain('\nTo be adopted, being there already (');
    expect(end.stdout).toMatch(/\nTo be completed \(1\):\n {2}0005_add_llm_config\.sql {2}column /);
    expect(end.stdout).toMatch(/\nTo be applied, in this order \(\d+\):\n/);
  });

  test('prints one JSON document with the text of each file', async () => {
    await at(2);
    const end = await withoutChange('plan', '--json');
    expect(end).toMatchObject({ status: 0, stderr: '' });
    expect(documentOf(end)).toEqual({
      database: 'data/notes.db',
      found: 'managed',
      upToDate: false,
      version: 2,
      target: 3,
      adopt: [],
      complete: [],
      rollBack: [],
      apply: [
        {
          version: 3,
          filename: '003_tags.sql',
          description: 'Gives notes tags.',
          release: '1.2.0',
          script: '003_tags.sql',
          sql: notesFiles['003_tags.sql'],
          noTransaction: false,
          allowLoss: [],
          drops: [],
        },
      ],
    });
    expect(documentOf(await withoutChange('plan', '--down', '--json'))).toMatchObject({
      target: 1,
      rollBack: [
        {
          filename: '002_pins.sql',
          script: '002_pins.down.sql',
          sql: notesFiles['002_pins.down.sql'],
          drops: ['notes.pinned'],
        },
      ],
    });
  });

  test('is carried out as it was told', async () => {
    await at(3);
    const plan = documentOf(await run('plan', '--down', '--to', '1', '--json'));
    const done = documentOf(await run('down', '--to', '1', '--yes', '--json'));
    const numbers = (list: string) => ({
      [list]: [3, 2].map((version) => expect.objectContaining({ version })),
    });
    expect(plan).toMatchObject({ target: 1, ...numbers('rollBack') });
    expect(done).toMatchObject({ version: 1, ...numbers('rolledBack') });
  });

  test('says that there is nothing to do', async () => {
    await at(3);
    const end = await withoutChange('plan');
    expect(end).toMatchObject({
      status: 0,
      stdout: '"data/notes.db" is at version 3: there is nothing to do.\n',
    });
    expect(documentOf(await withoutChange('plan', '--json'))).toMatchObject({ upToDate: true, apply: [] });
  });

  test('makes no database where there is none', async () => {
    const end = await withoutChange('plan', '--json');
    expect(documentOf(end)).toMatchObject({ found: 'absent', target: 3, apply: [{}, {}, {}] });
  });

  test('undoes with --from-history what is no file here', async () => {
    await at(3);
    await rm(folder.at('sql/003_tags.sql'));
    await rm(folder.at('sql/003_tags.down.sql'));
    expect((await withoutChange('plan')).status).toBe(3);
    expect(documentOf(await withoutChange('plan', '--down', '--from-history', '--json'))).toMatchObject({
      target: 2,
      rollBack: [{ version: 3, script: '003_tags.down.sql', sql: notesFiles['003_tags.down.sql'] }],
    });
  });

  test('waits for nobody', async () => {
    await at(1);
    const lock = await acquireMigrationLock(await resolveDatabaseFile(folder.at('data/notes.db')));
    try {
      expect((await run('plan')).status).toBe(0);
    } finally {
      await lock.release();
    }
  });

  const refused: readonly (readonly [
    string,
    Readonly<Record<string, string>>,
    readonly string[],
    string,
    number,
  ])[] = [
    ['a file that changed', { '001_notes.sql': 'CREATE TABLE notes (id);' }, [], 'CHANGED_MIGRATION', 5],
    ['a version that is none', {}, ['--to', '7'], 'BAD_OPTION', 64],
    [
      'a file that asks for what SQLite has not',
      { '004_x.sql': '-- migration: requires sqlite >= 99.0\nCREATE TABLE x (y);' },
      [],
      'UNMET_REQUIREMENT',
      1,
    ],
  ];

  test.each(refused)('refuses what would be refused: %s', async (_what, files, words, code, status) => {
    await at(2);
    await folder.files('sql', files);
    const end = await withoutChange('plan', ...words, '--json');
    expect(documentOf(end)).toMatchObject({ error: { code } });
    expect(end.status).toBe(status);
  });

  test('refuses what SQLite has not also where there is no database', async () => {
    await folder.files('sql', {
      '004_x.sql': '-- migration: requires sqlite >= 99.0\nCREATE TABLE x (y);',
    });
    expect(documentOf(await withoutChange('plan', '--json'))).toMatchObject({
      error: { code: 'UNMET_REQUIREMENT' },
    });
  });

  test('refuses a foreign database', async () => {
    const database = await folder.legacy('foreign-rails', 'data/rails.db');
    const end = await folder.run('plan', '--database', database);
    expect(end.status).toBe(1);
    expect(end.stderr).toMatch(/^Error: .*\nHint: .*\nCode: {2}OTHER_HISTORY\n$/);
  });
});

describe('--dry-run', () => {
  test.each([
    [['up', '--dry-run'], ['plan']],
    [
      ['up', '--to', '2', '--dry-run'],
      ['plan', '--to', '2'],
    ],
    [
      ['down', '--dry-run'],
      ['plan', '--down'],
    ],
    [
      ['down', '--to', '0', '--dry-run'],
      ['plan', '--down', '--to', '0'],
    ],
    [
      ['to', '2', '--dry-run'],
      ['plan', '--to', '2'],
    ],
  ])('of %j says what %j says, and changes nothing', async (dryRun, plan) => {
    await at(1);
    const end = await withoutChange(...dryRun);
    expect(end).toMatchObject({ status: 0, stderr: '' });
    expect(end.stdout).toBe((await withoutChange(...plan)).stdout);
  });

  test('writes nothing where there is no database, no folder for backups and no lock', async () => {
    const end = await withoutChange('up', '--dry-run', '--backup-dir', 'none', '--json');
    expect(documentOf(end)).toMatchObject({ found: 'absent', target: 3 });
  });

  test('exits with the status of what would be refused', async () => {
    await at(3);
    await folder.files('sql', { '001_notes.sql': 'CREATE TABLE notes (id);' });
    const end = await withoutChange('up', '--dry-run', '--json');
    expect(end.status).toBe(5);
    expect(documentOf(end)).toMatchObject({ error: { code: 'CHANGED_MIGRATION' } });
  });

  test('refuses a file that runs outside of a transaction with --transaction all', async () => {
    await at(3);
    await folder.files('sql', { '004_pack.sql': '-- migration: no-transaction\nVACUUM;\n' });
    expect((await withoutChange('up', '--dry-run')).stdout).toContain('(outside of a transaction)');
    const end = await withoutChange('up', '--dry-run', '--transaction', 'all', '--json');
    expect(documentOf(end)).toMatchObject({ error: { code: 'BAD_OPTION' } });
  });
});
