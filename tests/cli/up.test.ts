import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { readdir, readFile, rename, writeFile } from 'node:fs/promises';

import { resolveDatabaseFile } from '../../core/storage/database-file.js';
import { acquireMigrationLock } from '../../core/storage/migration-lock.js';
import { CommandFolder, documentOf } from '../support/command.js';
import { hashesIn } from '../support/database-copy.js';
import { withLegacy } from '../support/legacy-driver.js';

let folder: CommandFolder;

beforeEach(async () => {
  folder = await CommandFolder.make();
});

afterEach(() => folder.remove());

const up = (...parameters: readonly string[]) => folder.run('up', ...parameters);

describe('up', () => {
  test('tells its steps on standard error and what it did on standard output', async () => {
    const end = await up('--database', await folder.legacy('orphans'));
    expect(end.status).toBe(0);
    expect(end.stderr).toMatch(
      /^checked its integrity \(full check, \d+ ms\)\n(backed up to .*\n)?adopted 10 files \(\d+ ms\)\napplying 0011_number_events\.sql\napplied 0011_number_events\.sql \(\d+ ms\)\n$/,
    );
    expect(end.stdout).toMatch(
      /^"orphans\.db" is at version 11 now \(\d+ ms\)\. It was a legacy database of version 7\.\n/,
    );
    expect(end.stdout).toContain('\nAdopted, being there already (10):\n  0001_create_events_table.sql\n');
    expect(end.stdout).toMatch(/^Applied \(1\):\n {2}0011_number_events\.sql {2}\d+ ms$/m);
    expect(end.stdout).toContain('\nBroken foreign keys, counted and kept (7):\n');
    expect(end.stdout).toMatch(/^Rows: +\d+ before, \d+ now, in \d+ tables$/m);
  });

  test('does nothing when the database is up to date', async () => {
    const database = await folder.legacy('version-2-born');
    await up('--database', database);
    const before = await hashesIn(folder.path);
    expect(await up('--database', database)).toEqual({
      status: 0,
      stdout:
        '"version-2-born.db" is up to date at version 11: every file is applied. "verify" tells whether it still is what they made.\n',
      stderr: '',
    });
    expect(await hashesIn(folder.path)).toEqual(before);
  });

  test('makes a database where there is none', async () => {
    const { status, stdout } = await up('--database', 'new.db');
    expect(status).toBe(0);
    expect(stdout).toMatch(/^"new\.db" is at version 11 now \(\d+ ms\)\. It was absent\.\n/);
  });

  test('prints the report as one JSON document and nothing else', async () => {
    const end = await up('--database', await folder.legacy('everything-at-once'), '--json');
    expect(end).toMatchObject({ status: 0, stderr: '' });
    expect(documentOf(end)).toHaveProperty('backup');
    expect(documentOf(end)).toMatchObject({
      database: 'everything-at-once.db',
      found: 'legacy',
      upToDate: false,
      claimed: 7,
      evident: 0,
      differences: expect.any(Array),
      adopted: expect.any(Array),
      completed: expect.arrayContaining([
        {
          version: 1,
          filename: '0001_create_events_table.sql',
          ms: expect.any(Number),
          objects: ['index idx_events_type', 'table events'],
          replaced: [expect.stringMatching(/^CREATE TABLE events/)],
        },
      ]),
      applied: [8, 10, 11].map((version) => expect.objectContaining({ version })),
      version: 11,
      rows: expect.arrayContaining([
        { table: 'worlds', before: expect.any(Number), after: expect.any(Number) },
      ]),
      violations: expect.any(Array),
      ms: expect.any(Number),
    });
  });

  test('counts no rows with --no-count-rows', async () => {
    const database = await folder.legacy('version-1-born');
    expect(documentOf(await up('--database', database, '--no-count-rows', '--json'))).toMatchObject({
      rows: [],
    });
  });

  test('logs JSON lines on standard error with --json', async () => {
    const end = await up('--database', 'new.db', '--json', '--log-level', 'info');
    expect(documentOf(end)).toMatchObject({ found: 'absent', version: 11 });
    const lines = end.stderr.trimEnd().split('\n');
    expect(lines.length).toBeGreaterThan(11);
    for (const line of lines) expect(JSON.parse(line)).toMatchObject({ level: 30, database: 'new.db' });
  });

  test('logs lines for people without --json, and none unless asked', async () => {
    const { stderr } = await up('--database', 'new.db', '--log-level', 'info');
    expect(stderr).toMatch(/^\[[\d:.]+\] INFO: upgraded \{.*\}$/m);
    expect((await up('--database', 'other.db')).stderr).not.toContain('INFO');
  });
});

describe('the copy before the first write', () => {
  const copies = async (place = '.'): Promise<string[]> =>
    (await readdir(folder.at(place))).filter((name) => name.includes('.backup-')).sort();

  test('is made beside the database, and can be restored', async () => {
    const database = await folder.legacy('version-4-upgraded');
    const before = await hashesIn(folder.path);
    await up('--database', database);
    const [copy = ''] = await copies();
    expect(copy).toMatch(/^version-4-upgraded\.db\.backup-\d{8}T[\d.]+Z-legacy4-to-v11$/);
    await folder.run('restore', copy, '--database', database, '--yes');
    expect(documentOf(await folder.run('status', '--database', database, '--json'))).toMatchObject({
      kind: 'legacy',
      claimed: 4,
    });
    expect(Object.keys(before)).toEqual([database]);
  });

  test('needs a folder that is there: without it nothing is changed', async () => {
    const database = await folder.legacy('version-4-upgraded');
    const before = await hashesIn(folder.path);
    const end = await up('--database', database, '--backup-dir', 'none', '--json');
    expect(end.status).toBe(64);
    expect(documentOf(end)).toMatchObject({
      error: { message: 'The folder for backups, "none", does not exist or is no folder.' },
    });
    expect(await hashesIn(folder.path)).toEqual(before);
  });

  test('is not made with --no-backup', async () => {
    const end = await up('--database', await folder.legacy('version-4-upgraded'), '--no-backup', '--json');
    expect(documentOf(end)).toMatchObject({ upToDate: false, backup: null });
    expect(await copies()).toEqual([]);
  });

  test('goes into --backup-dir, and the oldest go by --keep and --keep-days', async () => {
    const database = await folder.legacy('version-4-upgraded');
    await folder.files('copies', {});
    const parameters = ['--database', database, '--backup-dir', 'copies'];
    await up(...parameters, '--to', '9');
    const [first = ''] = await copies('copies');
    await rename(
      folder.at(`copies/${first}`),
      folder.at(`copies/${database}.backup-20200102T030405.678Z-legacy4-to-v9`),
    );
    await up(...parameters, '--keep-days', '30');
    expect(await copies('copies')).toEqual([expect.stringMatching(/-v10-to-v11$/)]);
    const migrations = await folder.files('sql', { '0001_a.sql': 'CREATE TABLE a (x);' });
    const own = ['--database', 'own.db', '--migrations', migrations, '--backup-dir', 'copies', '--keep', '2'];
    for (const number of [1, 2, 3, 4]) {
      await folder.files('sql', { [`000${number}_a.sql`]: `CREATE TABLE a${number} (x);` });
      if (number === 1) await folder.files('sql', { '0001_a.sql': 'CREATE TABLE a (x);' });
      expect((await up(...own)).status).toBe(0);
    }
    expect((await copies('copies')).filter((name) => name.startsWith('own.db'))).toEqual([
      expect.stringMatching(/-v2-to-v3$/),
      expect.stringMatching(/-v3-to-v4$/),
    ]);
    expect(await copies()).toEqual([]);
  });
});

describe('where an upgrade ends', () => {
  const files = {
    '0001_a.sql': 'CREATE TABLE a (x);',
    '0002_b.sql': 'CREATE TABLE b (x);',
    '0003_c.sql': 'INSERT INTO nowhere VALUES (1);',
  };
  const source = ['--database', 'new.db', '--migrations', 'sql'];

  test('is the version that --to names', async () => {
    await folder.files('sql', files);
    expect(documentOf(await up(...source, '--to', '2', '--json'))).toMatchObject({
      version: 2,
      applied: [{ version: 1 }, { version: 2 }],
    });
    expect((await up(...source, '--to', '2')).stdout).toBe(
      '"new.db" is at version 2: there is nothing to do.\n',
    );
    expect((await up(...source, '--to', '1')).stdout).toBe(
      '"new.db" is at version 2: there is nothing to do.\n',
    );
    const wrong = await up(...source, '--to', '7', '--json');
    expect(wrong.status).toBe(64);
    expect(documentOf(wrong)).toMatchObject({ error: { message: 'There is no migration 7 to go to.' } });
  });

  test('is everything or nothing with --transaction all', async () => {
    await folder.files('sql', files);
    await up(...source, '--to', '1');
    expect((await up(...source, '--transaction', 'all')).stderr).toContain(
      '"new.db" is at version 1; 2 files are pending.\n',
    );
    expect((await up(...source, '--transaction', 'each')).stderr).toContain(
      '"new.db" is at version 2; 1 file is pending.\n',
    );
  });

  test('is where it began for a legacy database that --legacy-mode keeps', async () => {
    const database = await folder.legacy('version-4-upgraded');
    const before = await hashesIn(folder.path);
    const look = await up('--database', database, '--legacy-mode', 'inspect-only');
    expect(look.status).toBe(0);
    expect(look.stdout).toMatch(
      /^"version-4-upgraded\.db" was left as it is: a legacy database of version 4\.\n\nTo be adopted, /,
    );
    const refused = await up('--database', database, '--legacy-mode', 'refuse', '--json');
    expect(refused.status).toBe(1);
    expect(documentOf(refused)).toMatchObject({ error: { code: 'LEGACY_REFUSED' } });
    expect(await hashesIn(folder.path)).toEqual(before);
  });
});

describe('migrations of another program', () => {
  const files = {
    '0001_create_notes.sql': 'CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT);',
    '0002_add_author.sql': 'ALTER TABLE notes ADD COLUMN author TEXT;',
    '0003_create_tags.sql': 'CREATE TABLE tags (name TEXT PRIMARY KEY);',
  };

  async function oldNotes(): Promise<string> {
    await withLegacy(folder.at('notes.db'), async (program) => {
      await program.run(
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT); INSERT INTO notes (text) VALUES ('a')",
      );
      await program.run('PRAGMA user_version = 1');
    });
    return 'notes.db';
  }

  test('come with their own past', async () => {
    const migrations = await folder.files('sql', files);
    await folder.files('.', { 'past.json': '{"1": [1], "2": [1, 2]}' });
    const source = ['--database', await oldNotes(), '--migrations', migrations, '--legacy', 'past.json'];
    expect(documentOf(await up(...source, '--json'))).toMatchObject({
      claimed: 1,
      evident: 1,
      adopted: [{ version: 1 }],
      applied: [{ version: 2 }, { version: 3 }],
    });
    expect((await folder.run('verify', ...source)).status).toBe(0);
  });

  test('know no past without --legacy: a number in user_version is that of another program', async () => {
    const migrations = await folder.files('sql', files);
    const end = await up('--database', await oldNotes(), '--migrations', migrations, '--json');
    expect(end.status).toBe(1);
    expect(documentOf(end)).toMatchObject({ error: { code: 'OTHER_HISTORY' } });
  });

  test('that fail are rolled back, named with statement and line, and continued from', async () => {
    const migrations = await folder.files('sql', {
      ...files,
      '0002_add_author.sql': 'ALTER TABLE notes ADD COLUMN author TEXT;\n\nUPDATE nots SET author = NULL;\n',
    });
    const end = await up('--database', 'new.db', '--migrations', migrations);
    expect(end.status).toBe(1);
    expect(end.stdout).toBe('');
    expect(end.stderr).toMatch(
      /\napplying 0002_add_author\.sql\n0002_add_author\.sql failed, and nothing of it stays\n"new\.db" is at version 1; 2 files are pending\.\nError: Migration 0002_add_author\.sql failed at statement 2, line 3: no such table: nots\.\nHint: {2}.*\nCode: {2}MIGRATION_FAILED\n$/,
    );
    await folder.files('sql', { '0002_add_author.sql': files['0002_add_author.sql'] });
    expect((await up('--database', 'new.db', '--migrations', migrations)).status).toBe(0);
  });
});

describe('other processes', () => {
  test('at the same moment: both succeed and each file is applied once', async () => {
    const database = await folder.legacy('version-4-upgraded');
    const ends = await Promise.all([1, 2].map(() => up('--database', database)));
    expect(ends.map(({ status }) => status)).toEqual([0, 0]);
    const versions = await withLegacy(folder.at(database), (program) =>
      program.rows('SELECT version FROM schema_migrations ORDER BY version'),
    );
    expect(versions.map(({ version }) => version)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  });

  test('that hold the lock are waited for no longer than --lock-wait, and the status is 4', async () => {
    const database = await folder.legacy('version-4-upgraded');
    const before = await hashesIn(folder.path);
    const lock = await acquireMigrationLock(await resolveDatabaseFile(folder.at(database)));
    try {
      const end = await up('--database', database, '--lock-wait', '0');
      expect(end.status).toBe(4);
      expect(end.stderr).toMatch(
        /^Error: .*version-4-upgraded\.db" is being upgraded: .*\nHint: .*\nCode: {2}LOCKED\n$/,
      );
      expect(documentOf(await up('--database', database, '--lock-wait', '0.1', '--json'))).toMatchObject({
        error: { code: 'LOCKED' },
      });
    } finally {
      await lock.release();
    }
    expect(await hashesIn(folder.path)).toEqual(before);
    expect((await up('--database', database, '--lock-wait', '0')).status).toBe(0);
  });

  test('that hold the lock are named while they are waited for', async () => {
    const database = await folder.legacy('version-4-upgraded');
    const lock = await acquireMigrationLock(await resolveDatabaseFile(folder.at(database)));
    const command = folder.start(['up', '--database', database]);
    try {
      await command.said('waiting for another process, which has held the lock since ');
    } finally {
      await lock.release();
    }
    expect((await command.end()).status).toBe(0);
  });

  test('that write without sharing make every command exit with 4', async () => {
    const database = await folder.legacy('version-4-upgraded');
    await withLegacy(folder.at(database), async (program) => {
      await program.run('BEGIN EXCLUSIVE');
      const commands = [['status'], ['up', '--lock-wait', '0'], ['verify']];
      const ends = await Promise.all(
        commands.map((command) => folder.run(...command, '--database', database)),
      );
      for (const end of ends) {
        expect(end.status).toBe(4);
        expect(end.stderr).toMatch(/^Error: .*\n(Cause: .*\n)*Hint: .*\nCode: .*\n$/);
      }
    });
  });
});

describe('what cannot be a database', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['a folder', 'sql', 'NOT_A_FILE'],
    ['a file in a folder that is missing', 'nowhere/new.db', 'MISSING_DATABASE'],
    ['random bytes', 'random.db', 'UNREADABLE_DATABASE'],
  ];

  test.each(cases)('is refused by every command: %s', async (_what, database, code) => {
    await folder.files('sql', {});
    const bytes = Buffer.from(Array.from({ length: 8192 }, (_, index) => (index * 89) % 251));
    await writeFile(folder.at('random.db'), bytes);
    for (const command of ['status', 'up', 'verify']) {
      const end = await folder.run(command, '--database', database, '--json');
      expect(end.status).toBe(1);
      expect(documentOf(end)).toEqual({
        error: { code, message: expect.stringContaining(database), hint: expect.any(String) },
      });
    }
    expect(await readFile(folder.at('random.db'))).toEqual(bytes);
    expect((await readdir(folder.path)).sort()).toEqual(['random.db', 'sql']);
  });
});
