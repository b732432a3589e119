import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import { CommandFolder, documentOf, type CommandEnd } from '../support/command.js';
import { hashesIn } from '../support/database-copy.js';
import { withLegacy } from '../support/legacy-driver.js';
import { testUnless, withoutProgram } from '../support/needed.js';
import { otherDatabase } from '../support/other-histories.js';

const source = ['--database', 'data/shop.db', '--migrations', 'sql'] as const;
const knex = otherDatabase('knex 3');

let folder: CommandFolder;

beforeEach(async () => {
  folder = await CommandFolder.make();
  await folder.files('data', {});
  await folder.files('sql', knex.files);
  await knex.make(folder.at('data/shop.db'));
});

afterEach(() => folder.remove());

function run(...words: readonly string[]): Promise<CommandEnd> {
  return folder.run(...words, ...source);
}

async function unchanged(work: () => Promise<CommandEnd>): Promise<CommandEnd> {
  const before = await hashesIn(folder.at('data'));
  const end = await work();
  expect(await hashesIn(folder.at('data'))).toEqual(before);
  return end;
}

describe('adopt', () => {
  test('says with --dry-run what it would record and why, and changes nothing', async () => {
    const end = await unchanged(() => run('adopt', '--dry-run'));
    expect(end).toEqual({
      status: 0,
      stderr: '',
      stdout: `"data/shop.db" would be at version 20240302120000, by the history of knex (3 rows); nothing was changed.

Files that the other tool has applied (3):
  20240229101500_create_users.sql  20240229101500_create_users.js  by name  table users
  20240301090000_add_email.sql     20240301090000_add_email.js     by name  column users.email, index users_email
  20240302120000_seed_users.sql    20240302120000_seed_users.js    by name  changes data only

Pending (1):
  20240303180000_create_notes.sql

Its table:     knex_migrations, left as it is
user_version:  is 0, would be 3
`,
    });
  });

  test('records it with --yes, after a copy, and says that there is nothing to do the second time', async () => {
    const end = await run('adopt', '--yes', '--json');
    expect(end).toMatchObject({ status: 0, stderr: '' });
    expect(documentOf(end)).toMatchObject({
      dryRun: false,
      nothingToDo: false,
      tool: 'knex',
      table: 'knex_migrations',
      renamedFrom: null,
      version: 20240302120000,
      files: [{ by: 'name', row: '20240229101500_create_users.js' }, {}, {}],
      pending: ['20240303180000_create_notes.sql'],
      backup: expect.stringMatching(/-knex-to-adopted$/),
    });
    const again = await unchanged(() => run('adopt'));
    expect(again).toEqual({
      status: 0,
      stderr: '',
      stdout:
        'There is nothing to take over in "data/shop.db": it has a history of ours, at version 20240302120000.\n',
    });
    const status = await run('status');
    expect(status.stdout).toContain('taken over');
    expect(status.stdout).toMatch(
      /Histories of other tools \(1\):\n {2}knex {2}knex_migrations {2}3 rows {2}newest: /,
    );
    expect(documentOf(await run('up', '--json'))).toMatchObject({ applied: [{ version: 20240303180000 }] });
    expect((await run('verify')).status).toBe(0);
  });

  test('does nothing without a terminal and without --yes', async () => {
    const end = await unchanged(() => run('adopt', '--json'));
    expect(end.status).toBe(1);
    expect(documentOf(end)).toMatchObject({
      error: { code: 'NOT_CONFIRMED', hint: expect.stringContaining('--dry-run') },
    });
  });

  testUnless(withoutProgram('script'), 'asks on a terminal', async () => {
    const no = await folder.onTerminal('n\n', 'adopt', ...source);
    expect(no.status).toBe(1);
    expect(no.stdout).toContain('Take it over? [y/N] ');
    expect(no.stdout).toContain('Code:  NOT_CONFIRMED');
    const yes = await folder.onTerminal('y\n', 'adopt', ...source);
    expect(yes.status).toBe(0);
    expect(yes.stdout).toContain('is at version 20240302120000 now, by the history of knex (3 rows)');
  });

  test('is done once by two processes at the same time', async () => {
    const ends = await Promise.all([run('adopt', '--yes', '--json'), run('adopt', '--yes', '--json')]);
    expect(ends.map(({ status }) => status)).toEqual([0, 0]);
    const rows = await withLegacy(folder.at('data/shop.db'), (program) =>
      program.rows('SELECT version, origin FROM schema_migrations'),
    );
    expect(rows).toHaveLength(3);
  });

  test('exits with 1 where the work of the other tool is not finished', async () => {
    await withLegacy(folder.at('data/shop.db'), (program) => program.run(knex.dirty?.script ?? ''));
    const end = await unchanged(() => run('adopt', '--yes'));
    expect(end.status).toBe(1);
    expect(end.stderr).toMatch(/^Error: .*knex holds its lock.*\nHint: .*\nCode: {2}UNFINISHED_HISTORY\n$/);
    expect((await run('status')).stdout).toMatch(/Not finished in them \(1\):\n {2}knex holds its lock/);
  });

  test('exits with 64 for a tool that nobody knows', async () => {
    expect((await run('adopt', '--tool', 'nothing')).status).toBe(64);
  });
});

describe('up', () => {
  test('exits with 1 and names the tool and what to do', async () => {
    const end = await unchanged(() => run('up'));
    expect(end.status).toBe(1);
    expect(end.stderr).toMatch(
      /^Error: The history of this database is kept by knex, in the table knex_migrations \(3 rows, the newest 20240302120000_seed_users\.js\)\.\nHint: .*"upgrade-bridge adopt".*\nCode: {2}OTHER_HISTORY\n$/,
    );
  });

  test('says with --dry-run what it would take over', async () => {
    const end = await unchanged(() => run('up', '--adopt', '--dry-run', '--json'));
    expect(end.status).toBe(0);
    expect(documentOf(end)).toMatchObject({ adopt: [{}, {}, {}], apply: [{}] });
    const all = await unchanged(() =>
      folder.run('up', '--all', 'data/*.db', '--migrations', 'sql', '--adopt', '--dry-run'),
    );
    expect(all.stdout).toMatch(
      /\n {2}data\/shop\.db {2}foreign {2}to version \d+ {2}3 to adopt, 1 to apply\n$/,
    );
  });

  test('takes over on the way the one that is named', async () => {
    await withLegacy(folder.at('data/shop.db'), (program) =>
      program.run("CREATE TABLE bird_migrations (name); INSERT INTO bird_migrations VALUES ('swallow')"),
    );
    const vague = await unchanged(() => run('up', '--adopt', '--json'));
    expect(documentOf(vague)).toMatchObject({ error: { code: 'ADOPTION_MISMATCH' } });
    const alone = await unchanged(() => run('up', '--tool', 'knex', '--json'));
    expect(alone.status).toBe(64);
    expect(documentOf(alone)).toMatchObject({
      error: { code: 'BAD_OPTION', message: '--tool can only be given with --adopt.' },
    });
    const end = await folder.run(
      ...['up', '--all', 'data/*.db', '--migrations', 'sql', '--adopt', '--tool', 'knex', '--json'],
    );
    expect(end.status).toBe(0);
    expect(end.stdout).toContain('"adoptedFrom":{"tool":"knex"');
  });

  test('takes it over on the way with --adopt', async () => {
    const end = await run('up', '--adopt', '--json');
    expect(end.status).toBe(0);
    expect(documentOf(end)).toMatchObject({
      adopted: [{}, {}, {}],
      adoptedFrom: { tool: 'knex', title: 'knex', table: 'knex_migrations', renamedFrom: null },
      applied: [{ version: 20240303180000 }],
      version: 20240303180000,
    });
  });
});
