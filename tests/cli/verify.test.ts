import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { readFile, writeFile } from 'node:fs/promises';

import { CommandFolder, documentOf, type CommandEnd } from '../support/command.js';
import { withLegacy } from '../support/legacy-driver.js';
import { notesFiles } from '../support/notes-files.js';

let folder: CommandFolder;

beforeEach(async () => {
  folder = await CommandFolder.make();
});

afterEach(() => folder.remove());

async function upgraded(fixture: string): Promise<string> {
  const database = await folder.legacy(fixture);
  expect((await folder.run('up', '--database', database)).status).toBe(0);
  return database;
}

/** Verifies an upgraded database that its owner has changed by this script. */
async function verifyAfter(script: string, ...parameters: readonly string[]): Promise<CommandEnd> {
  const database = await upgraded('version-7-upgraded');
  await withLegacy(folder.at(database), (program) => program.run(script));
  return folder.run('verify', '--database', database, ...parameters);
}

describe('verify', () => {
  test('passes an upgraded database', async () => {
    expect(await folder.run('verify', '--database', await upgraded('version-3-born'))).toEqual({
      status: 0,
      stdout: 'Database: version-3-born.db (managed)\n\n"version-3-born.db" is as its files say.\n',
      stderr: '',
    });
  });

  test('says each difference in a line', async () => {
    const end = await verifyAfter(
      `DROP INDEX idx_events_type;
       DROP INDEX idx_agents_status;
       CREATE INDEX idx_agents_status ON agents (status, name);
       ALTER TABLE worlds RENAME COLUMN mcp_config TO mcp`,
    );
    expect(end.status).toBe(2);
    expect(end.stdout).toContain(`
Missing or different (3):
  column worlds.mcp_config is missing
`);
    expect(end.stdout).toContain('\n  index idx_events_type is missing\n');
    expect(end.stdout).toMatch(
      /\n {2}index idx_agents_status differs: expected CREATE INDEX .*, found CREATE INDEX .*\n/,
    );
    expect(end.stdout).toContain("\n  column worlds.mcp is an addition of this database's own\n");
    expect(end.stdout).toMatch(/\n"version-7-upgraded\.db" is not as its files say\.\n$/);
  });

  test('says what to do, one step for each kind of finding, and status agrees', async () => {
    const behind = await verifyAfter('DROP INDEX idx_events_type; PRAGMA user_version = 3');
    expect(behind.status).toBe(2);
    expect(behind.stdout).toContain(`
What to do (2):
  user_version: "repair" puts it right
  Missing or different: "repair --complete-missing" mends it with the statements above

"version-7-upgraded.db" is not as its files say.
`);
    const database = await upgraded('version-3-born');
    await withLegacy(folder.at(database), (program) => program.run('PRAGMA user_version = 3'));
    const status = await folder.run('status', '--database', database, '--check');
    expect(status.status).toBe(2);
    expect(status.stdout).toContain('user_version:  3, and 11 belongs there: "repair" puts it right\n');
    await withLegacy(folder.at(database), (program) => program.run('PRAGMA user_version = 12'));
    for (const words of [['status', '--check'], ['verify']]) {
      const end = await folder.run(...words, '--database', database);
      expect(end.status).toBe(5);
      expect(end.stdout).toContain('"repair --accept-tampering" puts it right');
    }
  });

  test('does not list as missing what the pending files of a legacy database make', async () => {
    const end = await folder.run('verify', '--database', await folder.legacy('skipped-to-7'));
    expect(end.stdout).toContain('\nPending (');
    expect(end.stdout).not.toContain('Missing or different');
    expect(end.stdout).toContain('"up" applies them');
  });

  test('writes no more than a line for a name that holds line ends and escapes', async () => {
    const end = await verifyAfter('CREATE TABLE "two\nlines \x1b[31m" (x)');
    expect(end.stdout).toContain(
      '\n  table "two\\nlines \\u001b[31m" is an addition of this database\'s own\n',
    );
  });

  test("lists the user's own things and passes, unless --strict", async () => {
    const database = await upgraded('user-extras');
    const loose = await folder.run('verify', '--database', database);
    expect(loose.status).toBe(0);
    expect(loose.stdout).toContain("\n  table my_notes is an addition of this database's own\n");
    const strict = await folder.run('verify', '--database', database, '--strict');
    expect(strict.status).toBe(2);
    expect(strict.stdout).toMatch(
      /\n"user-extras\.db" has all that its files say, and additions, which --strict counts\.\n$/,
    );
  });

  test('says which files are pending in a legacy database', async () => {
    const end = await folder.run('verify', '--database', await folder.legacy('skipped-to-7'), '--json');
    expect(end.status).toBe(2);
    expect(documentOf(end)).toMatchObject({
      kind: 'legacy',
      ok: false,
      pending: expect.arrayContaining(['0011_number_events.sql']),
    });
  });

  test('counts broken foreign keys only beyond those that were there at the upgrade', async () => {
    const database = await upgraded('orphans');
    const before = await folder.run('verify', '--database', database);
    expect(before.status).toBe(0);
    expect(before.stdout).toContain('\nBroken foreign keys, counted at the upgrade (7):\n');
    await withLegacy(folder.at(database), (program) =>
      program.run("INSERT INTO world_chats (id, world_id, name) VALUES ('c', 'gone', 'C')"),
    );
    const after = await folder.run('verify', '--database', database);
    expect(after.status).toBe(2);
    expect(after.stdout).toMatch(
      /\nBroken foreign keys, more than were counted at the upgrade \(1\):\n {2}1 row of world_chats \(world_id\) .*\n/,
    );
  });

  test('says when user_version is not the newest version', async () => {
    const end = await verifyAfter('PRAGMA user_version = 7');
    expect(end.status).toBe(2);
    expect(end.stdout).toContain('\nWrong user_version (1):\n  expected 11, found 7\n');
  });

  test('says what is damaged', async () => {
    const migrations = await folder.files('sql', {
      '0001_words.sql':
        "CREATE TABLE words (word TEXT); CREATE INDEX words_word ON words (word); INSERT INTO words VALUES ('nee' || 'dle');",
    });
    await folder.run('up', '--database', 'words.db', '--migrations', migrations);
    await withLegacy(folder.at('words.db'), (program) => program.run('PRAGMA journal_mode = DELETE'));
    const bytes = await readFile(folder.at('words.db'));
    bytes.write('noodle', bytes.lastIndexOf('needle'));
    await writeFile(folder.at('words.db'), bytes);
    const end = await folder.run('verify', '--database', 'words.db', '--migrations', migrations);
    expect(end.status).toBe(2);
    expect(end.stdout).toContain('\nDamaged (1):\n  row 1 missing from index words_word\n');
  });

  test('shows the statements that would mend a difference', async () => {
    const end = await verifyAfter('DROP INDEX idx_events_type');
    expect(end.stdout).toMatch(
      /\nMissing or different \(1\):\n {2}index idx_events_type is missing\n {4}CREATE INDEX idx_events_type ON events\(type\);\n/,
    );
  });

  test('shows how an applied file was changed, and exits with 5', async () => {
    const migrations = await folder.files('sql', notesFiles);
    const source = ['--database', 'notes.db', '--migrations', migrations] as const;
    await folder.run('up', ...source);
    await folder.files('sql', {
      '003_tags.sql': notesFiles['003_tags.sql'].replace('tag TEXT', 'tag TEXT NOT NULL'),
    });
    const end = await folder.run('verify', ...source);
    expect(end.status).toBe(5);
    expect(end.stdout).toMatch(
      /\nChanged after they were applied \(1\):\n {2}003_tags\.sql, applied on .*\n {4}@@ .*\n/,
    );
    expect(end.stdout).toContain('\n    +CREATE TABLE tags (note INTEGER, tag TEXT NOT NULL);\n');
    expect(documentOf(await folder.run('verify', ...source, '--json'))).toMatchObject({
      ok: false,
      changed: [{ version: 3, difference: expect.arrayContaining([expect.stringMatching(/^@@ /)]) }],
    });
  });

  test.each([
    ['changed', "UPDATE schema_migrations SET description = 'x' WHERE id = 2"],
    ['taken out', 'DELETE FROM schema_migrations WHERE id = 2'],
  ])('says that a row of the history was %s, and exits with 5', async (_how, script) => {
    const end = await verifyAfter(script, '--json');
    expect(end.status).toBe(5);
    expect(documentOf(end)).toMatchObject({ ok: false, tampering: [expect.any(String)] });
  });

  test('says that the last row of the history was taken out, and exits with 5', async () => {
    const end = await verifyAfter(
      'DELETE FROM schema_migrations WHERE id = (SELECT max(id) FROM schema_migrations)',
    );
    expect(end.status).toBe(5);
    expect(end.stdout).toContain('\nWrong user_version (1):\n  expected 10, found 11\n');
  });

  test("carries out the project's own checks", async () => {
    const migrations = await folder.files('sql', {
      ...notesFiles,
      'checks.sql':
        '-- check: there is a note\n-- expect: rows\nSELECT * FROM notes;\n-- check: a tag needs no note\n-- expect: no rows\nSELECT * FROM tags;\n',
    });
    const source = ['--database', 'notes.db', '--migrations', migrations] as const;
    await folder.run('up', ...source);
    const unmet = await folder.run('verify', ...source);
    expect(unmet.status).toBe(2);
    expect(unmet.stdout).toMatch(
      /\nChecks that are not met \(1\):\n {2}there is a note \(line 1\)\n {4}expected: rows\n {4}found: .*\n/,
    );
    expect(unmet.stdout).toContain('\nChecks that are met (1):\n  a tag needs no note\n');
    expect((await folder.run('verify', ...source, '--no-checks')).status).toBe(0);
    await folder.files('.', { 'other.sql': '-- check: one\n-- expect: value 1\nSELECT 1;\n' });
    const other = await folder.run('verify', ...source, '--checks', 'other.sql', '--json');
    expect(other.status).toBe(0);
    expect(documentOf(other)).toMatchObject({ checks: [{ name: 'one', ok: true }] });
  });

  test('prints one JSON document', async () => {
    const end = await verifyAfter('DROP INDEX idx_events_type; CREATE TABLE mine (x)', '--json');
    expect(end).toMatchObject({ status: 2, stderr: '' });
    expect(documentOf(end)).toEqual({
      database: 'version-7-upgraded.db',
      kind: 'managed',
      ok: false,
      pending: [],
      changed: [],
      changedWaysBack: [],
      tampering: [],
      drift: [
        {
          kind: 'missing',
          object: 'index',
          name: 'idx_events_type',
          sentence: 'index idx_events_type is missing',
          mend: [expect.stringMatching(/^CREATE INDEX .*idx_events_type /)],
        },
      ],
      extras: [{ kind: 'extra', object: 'table', name: 'mine', sentence: expect.any(String) }],
      integrity: { damage: [], brokenRules: [], staleIndexes: [] },
      newViolations: [],
      violations: [],
      userVersion: null,
      checks: [],
    });
  });

  test('exits with 1 for a database that is not there, and makes none', async () => {
    const end = await folder.run('verify', '--database', 'none.db', '--json');
    expect(end.status).toBe(1);
    expect(documentOf(end)).toMatchObject({ error: { code: 'MISSING_DATABASE' } });
    await expect(readFile(folder.at('none.db'))).rejects.toThrow('ENOENT');
  });

  test.each(['up', 'verify'])('exits with 3 for a newer database, as %s does', async (command) => {
    const first = { '0001_a.sql': 'CREATE TABLE a (x);' };
    const newer = await folder.files('newer', { ...first, '0002_b.sql': 'CREATE TABLE b (x);' });
    await folder.run('up', '--database', 'new.db', '--migrations', newer);
    const migrations = await folder.files('sql', first);
    const end = await folder.run(command, '--database', 'new.db', '--migrations', migrations);
    expect(end.status).toBe(3);
    expect(end.stderr).toMatch(
      /^Error: The database is at version 2 \(0002_b\.sql\), and this program knows versions up to 1\.\nHint: .*\nCode: {2}NEWER_DATABASE\n$/,
    );
  });
});
