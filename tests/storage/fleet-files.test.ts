import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';

import { createBackup, findDatabases, upgradeDatabase } from '../../core/index.js';
import { fleetMigrations } from '../support/fleet-folder.js';
import { testUnless } from '../support/needed.js';
import { giveToOtherUser, noOtherUser, runAsOtherUser } from '../support/other-user.js';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fleet-files-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

async function files(...names: readonly string[]): Promise<void> {
  for (const name of names) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), '');
  }
}

/** What globs find in the folder, by the paths from it, and how many they left out. */
async function find(...globs: readonly string[]): Promise<readonly [string[], number]> {
  const { databases, leftOut } = await findDatabases(globs.map((glob) => join(folder, glob)));
  return [databases.map((path) => relative(folder, path)), leftOut];
}

test('finds files by name, in alphabetical order, each once', async () => {
  await files('b.db', 'a.db', 'notes.txt', 'sub/c.db', 'sub/deep/d.db');
  await mkdir(join(folder, 'folder.db'));
  expect(await find('*.db')).toEqual([['a.db', 'b.db'], 0]);
  expect(await find('**/*.db')).toEqual([['a.db', 'b.db', 'sub/c.db', 'sub/deep/d.db'], 0]);
  expect(await find('{a,b}.db', 'a.*', 'sub/?.db')).toEqual([['a.db', 'b.db', 'sub/c.db'], 0]);
});

test('follows links to files and folders, and passes over hidden files', async () => {
  await files('real/a.db', '.hidden.db');
  await symlink('real', join(folder, 'linked'));
  await symlink('real/a.db', join(folder, 'link.db'));
  expect(await find('*.db')).toEqual([['link.db'], 0]);
  expect(await find('*/*.db')).toEqual([['linked/a.db', 'real/a.db'], 0]);
  expect(await find('.*.db')).toEqual([['.hidden.db'], 0]);
});

test('finds a link that leads nowhere, whose database is missing rather than none', async () => {
  await files('a.db');
  await symlink('nowhere', join(folder, 'broken.db'));
  await symlink('round.db', join(folder, 'round.db'));
  expect(await find('*.db')).toEqual([['a.db', 'broken.db', 'round.db'], 0]);
});

testUnless(noOtherUser, 'names the folders that it cannot read', async () => {
  await files('open/a.db', 'closed/b.db');
  giveToOtherUser(folder, 0o755);
  giveToOtherUser(join(folder, 'closed'), 0o000);
  const find = async (glob: string): Promise<unknown> =>
    JSON.parse(await runAsOtherUser('find-databases', join(folder, glob)));
  expect(await find('*/*.db')).toEqual({
    databases: [join(folder, 'open/a.db')],
    leftOut: 0,
    unreadable: [join(folder, 'closed')],
  });
  expect(await find('closed/*.db')).toBe(
    `No database matches "${join(folder, 'closed/*.db')}", as far as folders can be read: "${join(folder, 'closed')}" cannot.`,
  );
});

test('takes the path of a file as it is, whatever a glob would make of it', async () => {
  await files('[1].db', '1.db');
  expect(await find('[1].db')).toEqual([['[1].db'], 0]);
});

test('leaves out what belongs to a database and is none of its own, and counts it', async () => {
  const database = join(folder, 'a.db');
  await upgradeDatabase({ database, migrations: fleetMigrations });
  const { name } = await createBackup(database);
  const belongings = [
    'a.db-wal',
    'a.db-shm',
    'a.db-journal',
    'a.db.123-1.partial',
    'a.db.set-aside-20261120T094814.243Z',
    'a.db.set-aside-20261120T094814.243Z-wal',
    'a.db.rehearsal-1-abcdef/a.db',
  ];
  await files(...belongings, `${name}-journal`);
  await mkdir(join(folder, 'a.db.lock'));
  expect(await find('**')).toEqual([['a.db'], 9]);
  expect(await find('a.db', name)).toEqual([['a.db'], 1]);
});

test('refuses a glob that matches no database, and says why', async () => {
  await files('a.db', 'a.db-wal', 'sub/b.db');
  const none = { code: 'MISSING_DATABASE' };
  await expect(find('*.sqlite')).rejects.toMatchObject({
    ...none,
    message: `No database matches "${join(folder, '*.sqlite')}".`,
  });
  await expect(find('a.db', 'sub')).rejects.toMatchObject(none);
  await expect(find('*-wal')).rejects.toMatchObject({
    ...none,
    message: expect.stringContaining('only copies, logs or journals'),
  });
});
