import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readFile } from 'node:fs/promises';

import { CommandFolder, documentOf } from '../support/command.js';

let folder: CommandFolder;

beforeAll(async () => {
  folder = await CommandFolder.make();
  await folder.legacy('version-7-upgraded', 'worlds.db');
  await folder.files('good', { '0001_a.sql': 'CREATE TABLE a (x);' });
});

afterAll(() => folder.remove());

describe('a wrong command line', () => {
  const cases: readonly (readonly [string, readonly string[], RegExp])[] = [
    ['an unknown command', ['stats'], /^Unknown command 'stats'\.$/],
    ['an unknown option', ['status', '--database', 'worlds.db', '--chek'], /^Unknown option '--chek'\.$/],
    [
      'an option of another command',
      ['verify', '--database', 'worlds.db', '--check'],
      /^Unknown option '--check'\.$/,
    ],
    [
      'the folder of a bundle as an option',
      ['bundle', '--migrations', 'good', '--out', 'bundle.mjs'],
      /The folder is named without an option: "bundle good --out FILE"\.$/,
    ],
    ['no database', ['up'], /^The option --database is missing\.$/],
    ['an empty database', ['up', '--database', ''], /The path is empty\.$/],
    ['an option where the path should be', ['up', '--database', '--verbose'], /A path is missing/],
    ['a database in memory', ['up', '--database', ':memory:'], /":memory:" names no file/],
    [
      'a bad number',
      ['up', '--database', 'worlds.db', '--lock-wait', 'soon'],
      /A number of seconds belongs here/,
    ],
    [
      'a negative number',
      ['up', '--database', 'worlds.db', '--lock-wait', '-1'],
      /A number of seconds belongs here/,
    ],
    [
      'a level that is none',
      ['up', '--database', 'worlds.db', '--log-level', 'loud'],
      /Allowed choices are silent,/,
    ],
    ['a word too many', ['status', 'worlds.db', '--database', 'worlds.db'], /[Tt]oo many arguments/],
    [
      'a version that is none',
      ['up', '--database', 'worlds.db', '--to', 'x'],
      /number of a migration belongs/,
    ],
    ['no version', ['to', '--database', 'worlds.db'], /^Missing required argument 'version'\.$/],
    [
      'a negative version',
      ['to', '-1', '--database', 'worlds.db'],
      /The number of a migration belongs here, or 0\.$/,
    ],
    [
      'a scope that is none',
      ['up', '--database', 'worlds.db', '--transaction', 'some'],
      /Allowed choices are each, all/,
    ],
    [
      'two databases',
      ['status', '--database', 'worlds.db', '--database', 'other.db'],
      /--database <file>.*It is given twice/,
    ],
    [
      'no backup to keep',
      ['up', '--database', 'worlds.db', '--keep', '0'],
      /A whole number belongs here, 1 or more/,
    ],
    [
      'half a backup to keep',
      ['up', '--database', 'worlds.db', '--keep', '1.5'],
      /A whole number belongs here/,
    ],
    [
      'no day to keep one',
      ['up', '--database', 'worlds.db', '--keep-days', '0'],
      /days belongs here, more than 0/,
    ],
    [
      'a number of backups where none is made',
      ['up', '--database', 'worlds.db', '--no-backup', '--keep', '2'],
      /'--no-backup' cannot be used with option '--keep <count>'/,
    ],
    [
      'a folder for backups where none is made',
      ['down', '--database', 'worlds.db', '--backup-dir', 'x', '--no-backup'],
      /cannot be used with option '--backup-dir <dir>'/,
    ],
  ];

  test.each(cases)('is told of and exits with 64: %s', async (_what, parameters, message) => {
    const people = await folder.run(...parameters);
    expect(people).toMatchObject({ status: 64, stdout: '' });
    expect(people.stderr).toMatch(/^Error: .*\nHint: {2}.*\nCode: {2}BAD_OPTION\n$/);
    const program = await folder.run(...parameters, '--json');
    expect(program).toMatchObject({ status: 64, stderr: '' });
    expect(documentOf(program)).toEqual({
      error: { code: 'BAD_OPTION', message: expect.stringMatching(message), hint: expect.any(String) },
    });
  });

  test('without a command exits with 64 and shows the help on standard error', async () => {
    const { status, stdout, stderr } = await folder.run();
    expect({ status, stdout }).toEqual({ status: 64, stdout: '' });
    expect(stderr).toMatch(/^Usage: upgrade-bridge /);
  });

  test('suggests what may have been meant, and where to read on', async () => {
    const { stderr } = await folder.run('status', '--databse', 'worlds.db');
    expect(stderr).toContain('Hint:  Did you mean --database? See "upgrade-bridge status --help".\n');
  });
});

const commands = [
  ['status'],
  ['plan'],
  ['rehearse'],
  ['up'],
  ['down'],
  ['to', '2'],
  ['verify'],
  ['history'],
  ['repair'],
  ['baseline'],
  ['adopt'],
  ['backup'],
  ['backups'],
  ['restore', 'worlds.db.backup'],
  ['bundle', 'migrations'],
] as const;
const names = commands.map(([name]) => name);

/** The options that a text names: `--keep`. */
function optionsIn(text: string, pattern: RegExp): string[] {
  return [...new Set([...text.matchAll(pattern)].map(([, option = '']) => option))].sort();
}

/** What stands in a page below a heading, up to the next one. */
function sectionOf(page: string, heading: string): string {
  const [, ...rest] = page.split(`\n## ${heading}\n`);
  return rest.join('').split('\n## ')[0] ?? '';
}

describe('help', () => {
  test('lists the commands', async () => {
    const { status, stdout, stderr } = await folder.run('--help');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const listed = [...stdout.matchAll(/^ {2}([a-z]+) +(?:\[options\]|.*<)/gm)].map(([, name]) => name);
    expect(listed.filter((name) => name !== 'help')).toEqual(names);
  });

  test.each(names)('of %s has examples and the exit statuses', async (name) => {
    const { status, stdout } = await folder.run(name, '--help');
    expect(status).toBe(0);
    expect(stdout).toMatch(new RegExp(`\nExamples:\n {2}upgrade-bridge ${name} `));
    expect(stdout).toMatch(/\nExit status:\n {2}0 {2,}/);
    expect((await folder.run('help', name)).stdout).toBe(stdout);
  });

  test.each(names)('of %s has the options that the manual has', async (name) => {
    const manual = await readFile('docs/command-line.md', 'utf8');
    const { stdout } = await folder.run(name, '--help');
    const offered = optionsIn(stdout, /^ {2}(--[a-z-]+)/gm).filter((option) => option !== '--help');
    const told = optionsIn(sectionOf(manual, name), /`(--[a-z-]+)/g);
    const common = optionsIn(sectionOf(manual, 'Options of every command'), /`(--[a-z-]+)/g).filter(
      (option) => offered.includes(option),
    );
    expect([...new Set([...told, ...common])].sort()).toEqual(offered);
    const everywhere = ['--json', '--log-level', '--verbose', ...(name === 'bundle' ? [] : ['--database'])];
    expect(common).toEqual(expect.arrayContaining(everywhere));
  });

  test('of every command has no exit status that the manual leaves out', async () => {
    const manual = sectionOf(await readFile('docs/command-line.md', 'utf8'), 'Exit status');
    for (const name of names) {
      const [, statuses = ''] = (await folder.run(name, '--help')).stdout.split('\nExit status:\n');
      for (const [, status = ''] of statuses.matchAll(/^ {2}(\d+)/gm))
        expect(manual).toMatch(new RegExp(`\\| +${status} \\|`));
    }
  });

  test('--version prints the version of the package', async () => {
    const description: unknown = JSON.parse(await readFile('package.json', 'utf8'));
    const { status, stdout } = await folder.run('--version');
    expect(status).toBe(0);
    expect(description).toMatchObject({ version: stdout.trim() });
  });
});

describe('faults of the files', () => {
  const faults: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
    ['NO_MIGRATIONS', {}],
    ['BAD_MIGRATION_NAME', { 'create.sql': 'CREATE TABLE a (x);' }],
    ['DUPLICATE_MIGRATION', { '1_a.sql': 'CREATE TABLE a (x);', '01_b.sql': 'CREATE TABLE b (x);' }],
    ['FORBIDDEN_STATEMENT', { '0001_a.sql': 'COMMIT;' }],
    ['BAD_DIRECTIVE', { '0001_a.sql': '-- migration: allow-los a\nCREATE TABLE a (x);' }],
  ];

  test.each(faults)('are named and exit with 1: %s', async (code, files) => {
    const migrations = await folder.files(code, files);
    const end = await folder.run('up', '--database', 'new.db', '--migrations', migrations, '--json');
    expect(end.status).toBe(1);
    expect(documentOf(end)).toMatchObject({ error: { code } });
    await expect(readFile(folder.at('new.db'))).rejects.toThrow('ENOENT');
  });

  test('a folder that is missing is named with its path as it was given', async () => {
    const end = await folder.run('status', '--database', 'worlds.db', '--migrations', './nowhere');
    expect(end.status).toBe(1);
    expect(end.stderr).toContain('Error: The folder of migrations "./nowhere" cannot be read');
    expect(end.stderr).toContain('Code:  UNREADABLE_MIGRATIONS\n');
  });

  const tables: readonly (readonly [string, string, string])[] = [
    ['not JSON', '{1: [1]}', 'The table of legacy versions "past.json" is not JSON.'],
    ['a list', '[1]', 'The table of legacy versions "past.json" is not a JSON object.'],
    [
      'a key that is no version',
      '{"one": [1]}',
      'The table of legacy versions "past.json" has the key "one", where a user_version belongs.',
    ],
    [
      'a value that is no list',
      '{"1": 1}',
      'The table of legacy versions "past.json" has 1 for 1, where a list of file numbers belongs.',
    ],
    [
      'a file number that is text',
      '{"1": ["1"]}',
      'The table of legacy versions "past.json" has ["1"] for 1, where a list of file numbers belongs.',
    ],
    [
      'a file that is not there',
      '{"1": [1, 7]}',
      'The table of legacy versions is wrong: 1 claims migration 7, and there is no such file.',
    ],
  ];

  test.each(tables)('a broken table of legacy versions is told of: %s', async (_what, text, message) => {
    await folder.files('.', { 'past.json': text });
    const end = await folder.run(
      'status',
      '--database',
      'worlds.db',
      '--migrations',
      'good',
      '--legacy',
      'past.json',
      '--json',
    );
    expect(end.status).toBe(1);
    expect(documentOf(end)).toEqual({
      error: { code: 'BAD_LEGACY_TABLE', message, hint: expect.any(String) },
    });
  });

  test('a table of legacy versions that is not there is told of with the cause', async () => {
    const end = await folder.run(
      'status',
      '--database',
      'worlds.db',
      '--migrations',
      'good',
      '--legacy',
      'none.json',
    );
    expect(end.status).toBe(1);
    expect(end.stderr).toMatch(
      /^Error: The table of legacy versions "none\.json" cannot be read\.\nCause: ENOENT: .*\nHint: .*\n/,
    );
  });
});

describe('output', () => {
  test('shows a stack only with --verbose, with all that caused the error', async () => {
    const wrong = ['status', '--database', 'worlds.db', '--migrations', 'good', '--legacy', 'none.json'];
    expect((await folder.run(...wrong)).stderr).not.toMatch(/^ +at /m);
    const verbose = await folder.run(...wrong, '--verbose', '--json');
    expect(documentOf(verbose)).toMatchObject({ error: { code: 'BAD_LEGACY_TABLE' } });
    expect(verbose.stderr).toMatch(/^MigrationFileError: .*\n +at /);
    expect(verbose.stderr).toContain('[cause]: Error: ENOENT');
  });

  test('to a reader that goes away early is no error', async () => {
    const { status, stdout, stderr } = await folder.shell(
      '"$@" | head -1; exit ${PIPESTATUS[0]}',
      'status',
      '--database',
      'worlds.db',
    );
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: 'Database:  worlds.db\n', stderr: '' });
  });

  test('to nobody at all is no error', async () => {
    const closed = await folder.shell(
      '"$@" 2>&1 | true; exit ${PIPESTATUS[0]}',
      'up',
      '--database',
      'closed.db',
    );
    expect(closed).toEqual({ status: 0, stdout: '', stderr: '' });
    expect((await folder.run('verify', '--database', 'closed.db')).status).toBe(0);
  });

  test('that cannot be written is a failure', async () => {
    const { status, stderr } = await folder.shell('"$@" > /dev/full', 'status', '--database', 'worlds.db');
    expect(status).toBe(1);
    expect(stderr).toMatch(/^Error: The output cannot be written: ENOSPC/);
  });

  test('has no colour where it is no terminal', async () => {
    const { stdout, stderr } = await folder
      .start(['up', '--database', 'worlds.db', '--log-level', 'debug'], { FORCE_COLOR: '1' })
      .end();
    expect(stdout + stderr).not.toContain('\x1b');
  });
});
