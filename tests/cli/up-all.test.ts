import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { copyFile, mkdir, readdir, rename, stat, symlink } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';

import { CommandFolder, documentOf, type CommandEnd } from '../support/command.js';
import { hashesIn } from '../support/database-copy.js';
import { withLegacy } from '../support/legacy-driver.js';
import { testUnless, withoutProgram } from '../support/needed.js';
import { giveToOtherUser, noOtherUser, otherUserCommand } from '../support/other-user.js';

let folder: CommandFolder;

beforeEach(async () => {
  folder = await CommandFolder.make();
});

afterEach(() => folder.remove());

const upAll = (...parameters: readonly string[]) =>
  folder.run('up', '--migrations', 'sql', '--all', ...parameters);

const first = { '0001_notes.sql': 'CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT);' };
const second = { '0002_tags.sql': 'CREATE TABLE tags (note INTEGER, tag TEXT);' };

/** Makes databases of which the second migration is pending. */
async function databases(...names: readonly string[]): Promise<void> {
  await folder.files('sql', first);
  for (const name of names)
    await folder.run('up', '--migrations', 'sql', '--database', name, '--no-backup', '--json');
  await folder.files('sql', second);
}

/** The JSON documents of a command that prints one a line. */
function linesOf({ stdout }: CommandEnd): unknown[] {
  return stdout
    .trimEnd()
    .split('\n')
    .map((line): unknown => JSON.parse(line));
}

function hasKind(line: unknown, kind: string): boolean {
  return typeof line === 'object' && line !== null && 'kind' in line && line.kind === kind;
}

/** The hash of each file beside the folder of migrations. */
async function hashes(): Promise<unknown> {
  await rename(folder.at('sql'), `${folder.path}-sql`);
  const found = await hashesIn(folder.path);
  await rename(`${folder.path}-sql`, folder.at('sql'));
  return found;
}

async function versions(name: string): Promise<unknown> {
  return withLegacy(folder.at(name), (program) =>
    program.rows("SELECT group_concat(version) AS versions FROM schema_migrations WHERE status = 'applied'"),
  );
}

describe('up --all', () => {
  test('upgrades what matches, tells of each on standard error and of all on standard output', async () => {
    await databases('a.db', 'b.db');
    const end = await upAll('*.db');
    expect(end.status).toBe(0);
    expect(end.stderr.split('\n').sort()).toEqual([
      '',
      expect.stringMatching(/^"a\.db" is at version 2 now \(\d+ ms\)$/),
      expect.stringMatching(/^"b\.db" is at version 2 now \(\d+ ms\)$/),
    ]);
    expect(end.stdout).toMatch(/^2 databases: 2 upgraded \(\d+ ms\)\.\n$/);
    const again = await upAll('*.db');
    expect(again).toMatchObject({ status: 0, stderr: '' });
    expect(again.stdout).toMatch(/^2 databases: 2 up to date \(\d+ ms\)\.\n$/);
  });

  test('names what failed with the next step, and exits with 1', async () => {
    await databases('a.db');
    await folder.files('.', { 'bad.db': 'no database, but long enough '.repeat(50) });
    await symlink('a.db', folder.at('z.db'));
    const end = await upAll('*.db', '--concurrency', '1');
    expect(end.status).toBe(1);
    expect(end.stderr).toMatch(
      /^"a\.db" is at version 2 now \(\d+ ms\)\n"bad\.db" failed: UNREADABLE_DATABASE \(\d+ ms\)\n"z\.db" is another name of "a\.db"\n$/,
    );
    expect(end.stdout).toMatch(
      /^3 databases: 1 upgraded, 1 failed, 1 met again under another name \(\d+ ms\)\.\n\nFailed \(1\):\n {2}bad\.db {2}UNREADABLE_DATABASE {2}".*bad\.db" is not .*\n\nWhat to do \(1\):\n {2}UNREADABLE_DATABASE {2}Nothing was changed\..*\n$/,
    );
  });

  test('prints with --json a document a line: one for each database, then the summary', async () => {
    await databases('a.db', 'b.db');
    await folder.files('.', { 'c.db': 'no database, but long enough '.repeat(50) });
    const end = await upAll('*.db', '--json', '--concurrency', '1', '--verbose', '--no-backup');
    expect(end.status).toBe(1);
    expect(end.stderr).toContain('UnreadableDatabaseError');
    const failure = {
      kind: 'failed',
      database: 'c.db',
      error: { code: 'UNREADABLE_DATABASE', message: expect.any(String), hint: expect.any(String) },
    };
    expect(linesOf(end)).toMatchObject([
      { kind: 'upgraded', database: 'a.db', report: { version: 2, applied: [{ version: 2 }], backup: null } },
      { kind: 'upgraded', database: 'b.db', report: { version: 2 } },
      failure,
      {
        kind: 'summary',
        databases: 3,
        upgraded: 2,
        upToDate: 0,
        left: 0,
        failed: 1,
        interrupted: 0,
        repeated: 0,
        notAttempted: 0,
        failures: [failure],
        stopped: null,
        leftOut: 0,
        unreadable: [],
        ms: expect.any(Number),
      },
    ]);
  });

  test('prints a plan of each with --dry-run, and changes nothing', async () => {
    await databases('a.db', 'b.db');
    await folder.run('up', '--migrations', 'sql', '--database', 'b.db', '--no-backup');
    const before = await hashes();
    const end = await upAll('*.db', '--dry-run');
    expect(end).toMatchObject({
      status: 0,
      stderr: '"a.db" would be upgraded: version 1, to version 2, 1 to apply\n',
    });
    expect(end.stdout).toMatch(
      /^2 databases: 1 to be upgraded, 1 up to date \(\d+ ms\)\.\n\nTo be upgraded \(1\):\n {2}a\.db {2}version 1 {2}to version 2 {2}1 to apply\n$/,
    );
    expect(linesOf(await upAll('*.db', '--dry-run', '--json', '--concurrency', '1'))).toMatchObject([
      { kind: 'planned', database: 'a.db', plan: { apply: [{ version: 2 }] } },
      { kind: 'upToDate', database: 'b.db', plan: { apply: [] } },
      { kind: 'summary', planned: 1, upToDate: 1 },
    ]);
    expect(await hashes()).toEqual(before);
  });

  test('tells with --dry-run together of those to which the same would be done', async () => {
    await databases('a.db', 'c.db', '\u001b[31mred.db');
    await folder.files('.', { 'new.db': '' });
    const { stdout } = await upAll('*.db', '--dry-run');
    expect(stdout.slice(stdout.indexOf('\n\n'))).toBe(`

To be upgraded (4):
  \\u{1b}[31mred.db and 2 others  version 1  to version 2  1 to apply
  new.db                         empty      to version 2  2 to apply
`);
  });

  test('reports a link that leads nowhere, and stops nobody', async () => {
    await databases('a.db');
    await symlink('/nowhere/b.db', folder.at('b.db'));
    const end = await upAll('*.db');
    expect(end.status).toBe(1);
    expect(end.stdout).toMatch(
      /^2 databases: 1 upgraded, 1 failed .*\n\nFailed \(1\):\n {2}b\.db {2}MISSING_DATABASE {2}"b\.db" is a link to "\/nowhere\/b\.db", which does not exist\.\n/,
    );
  });

  test('says what to do for each that needs something else, and once for those that need the same', async () => {
    await databases('a.db', 'b.db');
    for (const name of ['a.db.lock', 'b.db.lock']) await folder.files('.', { [name]: 'no lock' });
    for (const name of ['c.db', 'd.db'])
      await folder.files('.', { [name]: 'no database, but long enough '.repeat(50) });
    const { stdout } = await upAll('*.db');
    const told = stdout.slice(stdout.indexOf('What to do')).split('\n');
    expect(told.slice(1, -1).sort()).toEqual([
      expect.stringMatching(/^ {2}BAD_LOCK .*move ".*a\.db\.lock" away/),
      expect.stringMatching(/^ {2}BAD_LOCK .*move ".*b\.db\.lock" away/),
      expect.stringMatching(/^ {2}UNREADABLE_DATABASE /),
    ]);
  });

  testUnless(noOtherUser, 'names folders that cannot be read, and exits with 1', async () => {
    await folder.files('open', {});
    await databases('open/a.db');
    await mkdir(folder.at('closed'));
    for (const [name, permissions] of [
      ['', 0o755],
      ['open', 0o755],
      ['open/a.db', 0o644],
      ['closed', 0],
    ] as const)
      giveToOtherUser(folder.at(name), permissions);
    const asOther = (...parameters: readonly string[]) =>
      folder.shell(`${otherUserCommand} "$@"`, 'up', '--migrations', 'sql', '--all', '*/*.db', ...parameters);
    const end = await asOther();
    expect(end.status).toBe(1);
    expect(end.stdout).toMatch(
      /^1 database: 1 upgraded .*\n\nFolders that could not be read, with whatever databases they hold \(1\):\n {2}.*closed\n$/,
    );
    expect(linesOf(await asOther('--json')).at(-1)).toMatchObject({
      failed: 0,
      unreadable: [expect.stringMatching(/closed$/)],
    });
  });

  test('leaves copies, logs and journals out, and says how many', async () => {
    await databases('a.db');
    await upAll('a.db');
    await folder.files('.', { 'a.db-journal': '', 'a.db.1-1.partial': '' });
    const end = await upAll('a.db*');
    expect(end.status).toBe(0);
    expect(end.stdout).toMatch(
      /^1 database: 1 up to date \(\d+ ms\)\.\n\n3 files that match were left out: backups, logs, journals, unfinished copies\.\n$/,
    );
    const copies = (await readdir(folder.path)).filter((name) => name.includes('.backup-'));
    expect(copies).toHaveLength(1);
  });

  test('tells of a database that has to wait for another process', async () => {
    await databases('a.db');
    await folder.files('a.db.lock', {});
    const end = await upAll('*.db', '--lock-wait', '0.3');
    expect(end.status).toBe(1);
    expect(end.stderr).toMatch(
      /^"a\.db" is waiting for another process, which has held the lock since \S+Z\n"a\.db" failed: LOCKED \(\d+ ms\)\n$/,
    );
  });

  test('takes the names that a shell put in the place of a glob', async () => {
    await databases('a.db', 'b.db', '[c].db');
    await folder.files('.', { 'a.db-journal': '' });
    expect((await upAll('a.db', 'a.db-journal', 'b.db', '[c].db')).stdout).toMatch(
      /^3 databases: 3 upgraded .*\n\n1 file that matches was left out: /,
    );
  });

  test('may go on with more at a time than Node takes for a leak of listeners', async () => {
    await databases('1.db');
    const names = Array.from({ length: 24 }, (_, index) => `${index + 1}.db`);
    for (const name of names.slice(1)) await copyFile(folder.at('1.db'), folder.at(name));
    const end = await upAll('*.db', '--concurrency', '24', '--no-backup');
    expect(end.stdout).toMatch(/^24 databases: 24 upgraded/);
    expect(end.stderr.replaceAll(/^"\d+\.db" is at version 2 now \(\d+ ms\)\n/gm, '')).toBe('');
  });

  test('goes on when nobody reads its output any more', async () => {
    await databases('a.db', 'b.db', 'c.db', 'd.db');
    const parameters = ['up', '--migrations', 'sql', '--all', '*.db', '--concurrency', '1', '--json'];
    const { stdout, stderr } = await folder.shell('"$@" | head -n 1', ...parameters);
    expect(stdout).toMatch(/^\{"kind":"upgraded".*\}\n$/);
    expect(stderr).toBe('');
    expect(await versions('d.db')).toEqual([{ versions: '1,2' }]);
  });

  test('shares the work with another that runs at the same time', async () => {
    const names = ['a.db', 'b.db', 'c.db', 'd.db', 'e.db', 'f.db'];
    await databases(...names);
    const ends = await Promise.all([upAll('*.db', '--json'), upAll('*.db', '--json')]);
    expect(ends).toMatchObject([{ status: 0 }, { status: 0 }]);
    const upgraded = ends.flatMap(linesOf).filter((line) => hasKind(line, 'upgraded'));
    expect(upgraded).toHaveLength(names.length);
    for (const name of names) expect(await versions(name)).toEqual([{ versions: '1,2' }]);
  });

  test('stops after so many failures, and goes on where it stopped', async () => {
    await databases('b.db', 'c.db');
    await folder.files('.', { 'a.db': 'no database, but long enough '.repeat(50) });
    const end = await upAll('*.db', '--stop-after', '1', '--concurrency', '1');
    expect(end.status).toBe(1);
    expect(end.stdout).toMatch(
      /^3 databases: 1 failed, 2 not attempted \(\d+ ms\)\.\nIt was stopped after 1 failure\. The same command goes on where this one stopped\.\n/,
    );
    expect((await upAll('[bc].db')).stdout).toMatch(/^2 databases: 2 upgraded/);
  });

  test.each([[['--canary']], [['--canary', '2']]])('stops when a canary fails (%j)', async (canary) => {
    await databases('b.db');
    await folder.files('.', { 'a.db': 'no database, but long enough '.repeat(50) });
    const end = await upAll('*.db', ...canary);
    expect(end.status).toBe(1);
    expect(end.stdout).toMatch(
      /^2 databases: 1 failed, 1 not attempted \(\d+ ms\)\.\nIt was stopped because a canary failed\./,
    );
    expect(await versions('b.db')).toEqual([{ versions: '1' }]);
  });
});

describe('a wrong command line', () => {
  test.each([
    [['--all', '*.db', '--database', 'a.db'], 64, 'BAD_OPTION'],
    [['--all', '*.db', '--concurrency', '0'], 64, 'BAD_OPTION'],
    [['--all', '*.db', '--canary', 'x'], 64, 'BAD_OPTION'],
    [['--all'], 64, 'BAD_OPTION'],
    [['--all', '--canary', '*.db'], 64, 'BAD_OPTION'],
    [['--all', '--migrations', 'm'], 64, 'BAD_OPTION'],
    [['--all', '*.db', '--to', '7'], 64, 'BAD_OPTION'],
    [['--all', '*.db', '--to', '7', '--dry-run'], 64, 'BAD_OPTION'],
    [['--database', 'a.db', '--canary'], 64, 'BAD_OPTION'],
    [['--database', 'a.db', '--stop-after', '3'], 64, 'BAD_OPTION'],
    [['--all', 'nothing/*.db'], 1, 'MISSING_DATABASE'],
  ])('is refused, and nothing is done: %j', async (parameters, status, code) => {
    await databases('a.db');
    const end = await folder.run('up', '--migrations', 'sql', '--json', ...parameters);
    expect(end.status).toBe(status);
    expect(documentOf(end)).toMatchObject({ error: { code } });
    if (parameters[0] === '--all') expect(end.stdout.trimEnd()).not.toContain('\n');
    expect(await versions('a.db')).toEqual([{ versions: '1' }]);
  });
});

describe('an interruption', () => {
  const slow = `CREATE TABLE numbers (n INTEGER);
INSERT INTO numbers
WITH RECURSIVE counter(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < ${Number.MAX_SAFE_INTEGER})
SELECT n FROM counter;
`;

  /** Starts an upgrade that never comes to its end, and waits until it is in the middle of its second database. */
  async function startSlowly(...parameters: readonly string[]) {
    await databases('a.db', 'b.db', 'c.db');
    await folder.files('sql', { '0003_slow.sql': slow });
    const command = folder.start([
      ...['up', '--migrations', 'sql', '--all', 'b.db', 'c.db', '--concurrency', '1', '--no-backup'],
      ...parameters,
    ]);
    while (((await stat(folder.at('b.db-wal')).catch(() => undefined))?.size ?? 0) < 1_000_000)
      await pause(20);
    return command;
  }

  const quick = { '0003_slow.sql': 'CREATE TABLE numbers (n INTEGER);' };

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('by %s rolls back, tells the summary, and exits with %i', async (signal, status) => {
    const command = await startSlowly('--json');
    command.kill(signal);
    const end = await command.end();
    expect(end).toMatchObject({ status, stderr: '' });
    expect(linesOf(end)).toMatchObject([
      { kind: 'interrupted', database: 'b.db' },
      { kind: 'notAttempted', database: 'c.db' },
      { kind: 'summary', interrupted: 1, notAttempted: 1, failed: 0, stopped: 'signal' },
    ]);
    expect(await versions('b.db')).toEqual([{ versions: '1,2' }]);
    await folder.files('sql', quick);
    expect((await upAll('*.db')).stdout).toMatch(/^3 databases: 3 upgraded/);
  });

  test('by SIGKILL is gone on from by the same command', async () => {
    const command = await startSlowly();
    command.kill('SIGKILL');
    expect((await command.end()).status).toBeNull();
    await folder.files('sql', quick);
    expect((await upAll('a.db')).status).toBe(0);
    expect((await upAll('*.db')).stdout).toMatch(/^3 databases: 2 upgraded, 1 up to date/);
    for (const name of ['a.db', 'b.db', 'c.db'])
      expect(await versions(name)).toEqual([{ versions: '1,2,3' }]);
  });
});

describe('on a terminal', () => {
  testUnless(withoutProgram('script'), 'a bar tells how far it is, and goes away at the end', async () => {
    await databases('a.db', 'b.db');
    await folder.files('.', { 'c.db': 'no database, but long enough '.repeat(50) });
    const { stdout, status } = await folder.onTerminal('', 'up', '--migrations', 'sql', '--all', '*.db');
    expect(status).toBe(1);
    expect(stdout).toContain('0 of 3, 0 failed');
    expect(stdout).not.toContain('is at version 2 now');
    expect(stdout).toMatch(
      /"c\.db" failed: UNREADABLE_DATABASE \(\d+ ms\)\r?\n[^]*3 databases: 2 upgraded, 1 failed/,
    );
    const quiet = await folder.onTerminal('', 'up', '--migrations', 'sql', '--all', '*.db', '--json');
    expect(quiet.stdout).not.toContain(' of 3');
  });

  testUnless(withoutProgram('script'), 'tells how many wait for another process', async () => {
    await databases('a.db');
    await folder.files('a.db.lock', {});
    const parameters = ['--migrations', 'sql', '--all', '*.db', '--lock-wait', '1'];
    const { stdout, status } = await folder.onTerminal('', 'up', ...parameters);
    expect(status).toBe(1);
    expect(stdout).toContain('0 of 1, 0 failed, 1 waiting,');
    expect(stdout).toMatch(/1 database: 1 failed/);
  });
});
