import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { copyFile, mkdir, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';

import { resolveDatabaseFile } from '../../core/storage/database-file.js';
import { acquireMigrationLock } from '../../core/storage/migration-lock.js';
import { CommandFolder, documentOf } from '../support/command.js';
import { hashesIn } from '../support/database-copy.js';
import { withLegacy } from '../support/legacy-driver.js';
import { testUnless, withoutProgram } from '../support/needed.js';

const noTerminals = withoutProgram('script');

let folder: CommandFolder;

beforeEach(async () => {
  folder = await CommandFolder.make();
});

afterEach(() => folder.remove());

/** A database with the rows `a`, `b` of a table, and its backup; then `c` is added. */
async function withBackup(): Promise<{ readonly database: string; readonly backup: string }> {
  await withLegacy(folder.at('notes.db'), (program) =>
    program.run(
      "CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('a'), ('b'); PRAGMA user_version = 3",
    ),
  );
  expect((await folder.run('backup', '--database', 'notes.db')).status).toBe(0);
  await withLegacy(folder.at('notes.db'), (program) => program.run("INSERT INTO notes VALUES ('c')"));
  return { database: 'notes.db', backup: await onlyBackup() };
}

async function backupNames(place = '.'): Promise<string[]> {
  return (await readdir(folder.at(place))).filter((name) => name.includes('.backup-')).sort();
}

async function onlyBackup(): Promise<string> {
  const names = await backupNames();
  expect(names).toHaveLength(1);
  return names[0] ?? '';
}

function texts(database: string): Promise<unknown[]> {
  return withLegacy(folder.at(database), async (program) =>
    (await program.rows('SELECT text FROM notes ORDER BY text')).map(({ text }) => text),
  );
}

describe('backup', () => {
  test('says where the copy is, what is in it and how large it is', async () => {
    const database = await folder.legacy('version-4-upgraded');
    const before = await hashesIn(folder.path);
    const { status, stdout, stderr } = await folder.run('backup', '--database', database);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(
      /^"version-4-upgraded\.db" was copied, and the copy verified\.\n\nBackup: {3}\/.*\/version-4-upgraded\.db\.backup-\d{8}T[\d.]+Z-legacy4-to-copy\nVersion: {2}legacy4\nSize: {5}[\d.]+ KiB\n$/,
    );
    const { [await onlyBackup()]: copy, ...others } = await hashesIn(folder.path);
    expect(copy).toBeDefined();
    expect(others).toEqual(before);
  });

  test('prints one JSON document', async () => {
    const end = await folder.run('backup', '--database', await folder.legacy('version-4-upgraded'), '--json');
    expect(end).toMatchObject({ status: 0, stderr: '' });
    const name = await onlyBackup();
    expect(documentOf(end)).toEqual({
      path: expect.stringMatching(new RegExp(`/${name}$`)),
      name,
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      from: 'legacy4',
      to: 'copy',
      sizeBytes: (await stat(folder.at(name))).size,
      removed: [],
    });
  });

  test('goes into --backup-dir, and keeps as many as --keep says', async () => {
    const database = await folder.legacy('version-4-upgraded');
    await mkdir(folder.at('copies'));
    const parameters = ['backup', '--database', database, '--backup-dir', 'copies', '--keep', '2'];
    for (const removed of [0, 0, 1])
      expect(documentOf(await folder.run(...parameters, '--json'))).toMatchObject({
        removed: Array.from({ length: removed }, () => expect.objectContaining({ to: 'copy' })),
      });
    expect(await backupNames('copies')).toHaveLength(2);
    expect(await backupNames()).toEqual([]);
    const { stdout } = await folder.run(...parameters);
    expect(stdout).toMatch(/\nRemoved, being too many or too old \(1\):\n {2}\/.*-to-copy\n$/);
  });

  test('waits no longer than --lock-wait for another program that writes', async () => {
    const database = await folder.legacy('version-4-upgraded');
    await withLegacy(folder.at(database), async (program) => {
      await program.run('BEGIN IMMEDIATE');
      const end = await folder.run('backup', '--database', database, '--lock-wait', '0', '--json');
      expect(end.status).toBe(4);
    });
    expect(await backupNames()).toEqual([]);
  });

  const wrong: readonly (readonly [string, readonly string[], string, number])[] = [
    ['no database there', ['--database', 'none.db'], 'MISSING_DATABASE', 1],
    ['a folder', ['--database', 'copies'], 'NOT_A_FILE', 1],
    ['no database at all', ['--database', 'text.db'], 'UNREADABLE_DATABASE', 1],
    [
      'a folder for backups that is missing',
      ['--database', 'a.db', '--backup-dir', 'none'],
      'BAD_OPTION',
      64,
    ],
    [
      'a folder for backups that is a file',
      ['--database', 'a.db', '--backup-dir', 'text.db'],
      'BAD_OPTION',
      64,
    ],
  ];

  test.each(wrong)('refuses and makes nothing: %s', async (_what, parameters, code, status) => {
    await mkdir(folder.at('copies'));
    await writeFile(folder.at('text.db'), 'no database, and long enough to be looked at as one'.repeat(40));
    await folder.legacy('version-4-upgraded', 'a.db');
    const before = (await readdir(folder.path)).sort();
    const end = await folder.run('backup', ...parameters, '--json');
    expect(documentOf(end)).toMatchObject({ error: { code } });
    expect(end.status).toBe(status);
    expect((await readdir(folder.path)).sort()).toEqual(before);
  });
});

describe('backups', () => {
  test('lists what is in each, what it was made for, its age and size, the newest first', async () => {
    const database = await folder.legacy('version-4-upgraded');
    await folder.run('up', '--database', database);
    await copyFile(
      folder.at(await onlyBackup()),
      folder.at(`${database}.backup-20200102T030405.678Z-v7-to-v8`),
    );
    const { status, stdout, stderr } = await folder.run('backups', '--database', database);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(
      /^2 backups of "version-4-upgraded\.db", the newest first:\n {2}version {2}made for {2}age +size +verified +backup\n {2}legacy4 {2}v11 +just now +[\d.]+ KiB {2}not looked at {2}\/.*\n {2}v7 +v8 +\d{4} days +[\d.]+ KiB {2}not looked at {2}\/.*\n$/,
    );
  });

  test('says with --verify which of them could be restored, and exits with 2 where one could not', async () => {
    const { database, backup } = await withBackup();
    const sound = await folder.run('backups', '--database', database, '--verify');
    expect(sound.status).toBe(0);
    expect(sound.stdout).toContain('  yes, 1 table, 2 rows  ');
    await truncate(folder.at(backup), 4096);
    const damaged = await folder.run('backups', '--database', database, '--verify');
    expect(damaged.status).toBe(2);
    expect(damaged.stdout).toMatch(/ {2}no: .+ {2}\/.*-legacy3-to-copy$/m);
    expect((await folder.run('backups', '--database', database)).status).toBe(0);
  });

  test('prints one JSON document and changes no byte', async () => {
    const { database, backup } = await withBackup();
    const before = await hashesIn(folder.path);
    const looked = await folder.run('backups', '--database', database, '--verify', '--json');
    expect(documentOf(looked)).toEqual([
      {
        path: expect.stringMatching(new RegExp(`/${backup}$`)),
        name: backup,
        time: expect.any(String),
        from: 'legacy3',
        to: 'copy',
        sizeBytes: expect.any(Number),
        verdict: { verified: true, userVersion: 3, tables: 1, rows: 2 },
      },
    ]);
    expect(documentOf(await folder.run('backups', '--database', database, '--json'))).toMatchObject([
      { verdict: null },
    ]);
    expect(await hashesIn(folder.path)).toEqual(before);
  });

  test('says that there is none, lists those of a database that is gone, and refuses a wrong path', async () => {
    const none = await folder.run('backups', '--database', await folder.legacy('version-4-upgraded'));
    expect(none).toEqual({
      status: 0,
      stdout: 'There is no backup of "version-4-upgraded.db".\n',
      stderr: '',
    });
    const { database } = await withBackup();
    await rm(folder.at(database));
    expect((await folder.run('backups', '--database', database)).stdout).toMatch(/^1 backup of "notes\.db"/);
    const wrong = await folder.run('backups', '--database', 'note.db', '--json');
    expect(wrong.status).toBe(1);
    expect(documentOf(wrong)).toMatchObject({ error: { code: 'MISSING_DATABASE' } });
  });
});

describe('restore', () => {
  test('puts back what the backup holds, and keeps a copy of what was there', async () => {
    const { database, backup } = await withBackup();
    const { status, stdout, stderr } = await folder.run('restore', backup, '--database', database, '--yes');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(
      /^"notes\.db" holds again what the backup holds\.\n\nBackup: {3}\/.*-legacy3-to-copy\nVersion: {2}3\nRows: {5}2 in 1 table\nBefore: {3}\/.*-legacy3-to-restore\n$/,
    );
    expect(await texts(database)).toEqual(['a', 'b']);
    const saved = (await backupNames()).find((name) => name.endsWith('-to-restore')) ?? '';
    expect(await texts(saved)).toEqual(['a', 'b', 'c']);
  });

  test('makes a database that is gone, and prints one JSON document', async () => {
    const { database, backup } = await withBackup();
    await rm(folder.at(database));
    const end = await folder.run('restore', backup, '--database', database, '--yes', '--json');
    expect(end).toMatchObject({ status: 0, stderr: '' });
    expect(documentOf(end)).toEqual({
      database: expect.stringMatching(/\/notes\.db$/),
      backup: expect.stringMatching(new RegExp(`/${backup}$`)),
      saved: null,
      setAside: [],
      userVersion: 3,
      tables: 1,
      rows: 2,
    });
    expect(await texts(database)).toEqual(['a', 'b']);
  });

  test('puts the copy of what is there into --backup-dir', async () => {
    const { database, backup } = await withBackup();
    await mkdir(folder.at('copies'));
    await folder.run('restore', backup, '--database', database, '--yes', '--backup-dir', 'copies');
    expect(await backupNames('copies')).toEqual([expect.stringMatching(/-to-restore$/)]);
  });

  test('is refused without --yes where there is no terminal, and nothing is changed', async () => {
    const { database, backup } = await withBackup();
    const before = await hashesIn(folder.path);
    const end = await folder.run('restore', backup, '--database', database);
    expect(end).toEqual({
      status: 1,
      stdout: '',
      stderr: `Error: To restore replaces what is in "notes.db", and there is no terminal to ask.
Hint:  Nothing was changed. Give --yes if that is meant.
Code:  NOT_CONFIRMED
`,
    });
    const program = await folder.run('restore', backup, '--database', database, '--json');
    expect(documentOf(program)).toMatchObject({ error: { code: 'NOT_CONFIRMED' } });
    expect(await hashesIn(folder.path)).toEqual(before);
  });

  testUnless(noTerminals, 'asks on a terminal, says what it will do, and does it after a yes', async () => {
    const { database, backup } = await withBackup();
    const end = await folder.onTerminal('y\n', 'restore', backup, '--database', database);
    expect(end.status).toBe(0);
    expect(end.stdout).toContain(
      '"notes.db" will hold what the backup holds: version 3, 2 rows in 1 table. What it holds now is copied first.\nRestore it? [y/N] ',
    );
    expect(end.stdout).toContain('"notes.db" holds again what the backup holds.\n');
    expect(await texts(database)).toEqual(['a', 'b']);
  });

  for (const [what, answer, status, code] of [
    ['a no', 'n\n', 1, 'NOT_CONFIRMED'],
    ['an empty line', '\n', 1, 'NOT_CONFIRMED'],
    ['the end of the input', '\u0004', 1, 'NOT_CONFIRMED'],
    ['Ctrl-C', '\u0003', 130, 'INTERRUPTED'],
  ] as const)
    testUnless(noTerminals, `changes nothing after ${what}`, async () => {
      const { database, backup } = await withBackup();
      const before = await hashesIn(folder.path);
      const end = await folder.onTerminal(answer, 'restore', backup, '--database', database);
      expect(end.status).toBe(status);
      expect(end.stdout).toContain(`Code:  ${code}\n`);
      expect(await hashesIn(folder.path)).toEqual(before);
    });

  test('waits no longer than --lock-wait for an upgrade', async () => {
    const { database, backup } = await withBackup();
    const lock = await acquireMigrationLock(await resolveDatabaseFile(folder.at(database)));
    try {
      const parameters = ['restore', backup, '--database', database, '--yes', '--lock-wait', '0', '--json'];
      const end = await folder.run(...parameters);
      expect(end.status).toBe(4);
      expect(documentOf(end)).toMatchObject({ error: { code: 'LOCKED' } });
    } finally {
      await lock.release();
    }
    expect(await texts(database)).toEqual(['a', 'b', 'c']);
  });

  const wrong: readonly (readonly [string, (backup: string) => readonly string[], string, number])[] = [
    ['no backup there', () => ['none', '--database', 'notes.db'], 'MISSING_BACKUP', 1],
    ['a backup that is no database', () => ['text', '--database', 'notes.db'], 'BAD_BACKUP', 1],
    ['a backup over itself', (backup) => [backup, '--database', backup], 'BAD_OPTION', 64],
    ['a folder to restore into', (backup) => [backup, '--database', 'folder'], 'NOT_A_FILE', 1],
    ['a folder that is missing', (backup) => [backup, '--database', 'none/a.db'], 'MISSING_DATABASE', 1],
    ['no backup named', () => ['--database', 'notes.db'], 'BAD_OPTION', 64],
    ['an empty name', () => ['', '--database', 'notes.db'], 'BAD_OPTION', 64],
  ];

  test.each(wrong)('refuses and changes nothing: %s', async (_what, parameters, code, status) => {
    const { backup } = await withBackup();
    await writeFile(folder.at('text'), 'no database, and long enough to be looked at as one'.repeat(40));
    const before = await hashesIn(folder.path);
    await mkdir(folder.at('folder'));
    const end = await folder.run('restore', ...parameters(backup), '--yes', '--json');
    expect(documentOf(end)).toMatchObject({ error: { code } });
    expect(end.status).toBe(status);
    await rm(folder.at('folder'), { recursive: true });
    expect(await hashesIn(folder.path)).toEqual(before);
  });

  test('says that there is no such backup before it says that nobody can be asked', async () => {
    const { database } = await withBackup();
    const end = await folder.run('restore', 'none', '--database', database, '--json');
    expect(end.status).toBe(1);
    expect(documentOf(end)).toMatchObject({
      error: { code: 'MISSING_BACKUP', hint: expect.stringContaining('"upgrade-bridge backups" lists') },
    });
  });

  testUnless(noTerminals, 'does not ask about a backup that cannot be restored', async () => {
    const { database } = await withBackup();
    await writeFile(folder.at('text'), 'no database, and long enough to be looked at as one'.repeat(40));
    const end = await folder.onTerminal('y\n', 'restore', 'text', '--database', database);
    expect(end.status).toBe(1);
    expect(end.stdout).not.toContain('[y/N]');
    expect(end.stdout).toContain('Code:  BAD_BACKUP\n');
  });
});

test('backup, backups and restore need no migrations, and take none', async () => {
  const { database, backup } = await withBackup();
  for (const words of [['backup'], ['backups'], ['restore', backup]]) {
    const end = await folder.run(...words, '--database', database, '--migrations', 'sql', '--json');
    expect(end.status).toBe(64);
    expect(documentOf(end)).toMatchObject({ error: { message: "Unknown option '--migrations'." } });
  }
});
