import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { rm } from 'node:fs/promises';

import { CommandFolder, documentOf, type CommandEnd } from '../support/command.js';
import { hashesIn } from '../support/database-copy.js';
import { withLegacy } from '../support/legacy-driver.js';
import { notesFiles } from '../support/notes-files.js';

const source = ['--database', 'data/notes.db', '--migrations', 'sql'] as const;

let folder: CommandFolder;

beforeEach(async () => {
  folder = await CommandFolder.make();
  await folder.files('data', {});
  await folder.files('sql', {
    ...notesFiles,
    '003_tags.sql': `${notesFiles['003_tags.sql']}INSERT INTO tags SELECT id, text FROM notes;\n`,
  });
  expect((await folder.run('up', ...source, '--to', '2')).status).toBe(0);
  await withLegacy(folder.at('data/notes.db'), (program) =>
    program.run("INSERT INTO notes (text) VALUES ('one'), ('two')"),
  );
});

afterEach(() => folder.remove());

/** Runs the command and holds it to changing no byte, and to leaving no copy. */
async function rehearse(...words: readonly string[]): Promise<CommandEnd> {
  const before = await hashesIn(folder.at('data'));
  const end = await folder.run('rehearse', ...source, ...words);
  expect(await hashesIn(folder.at('data'))).toEqual(before);
  return end;
}

describe('rehearse', () => {
  test('says what each step would take and write, and what becomes of the schema', async () => {
    const { status, stdout, stderr } = await rehearse();
    expect(status).toBe(0);
    expect(stderr).toMatch(
      /^on the copy: checked its integrity .*\non the copy: applying 003_tags\.sql\non the copy: applied 003_tags\.sql \(\d+ ms\)\n$/,
    );
    expect(stdout).toMatch(
      /^The upgrade of "data\/notes\.db" would go through, to version 3 \(a copy of [\d.]+ KiB, \d+ ms\)\.\n\nSteps \(1\):\n {2}003_tags\.sql {2}applied {2}\d+ ms\n\nRows that the steps wrote \(1\):\n {2}003_tags\.sql {2}tags {2}2 inserted, 0 updated, 0 deleted\n\nChanges of the schema \(1\):\n {2}table tags is added\n\nThe copy was removed; "data\/notes\.db" was not changed\.\n$/,
    );
  });

  test('prints one JSON document', async () => {
    const end = await rehearse('--json');
    expect(end).toMatchObject({ status: 0, stderr: '' });
    expect(documentOf(end)).toMatchObject({
      database: 'data/notes.db',
      ok: true,
      error: null,
      upgrade: { version: 3, database: 'data/notes.db' },
      steps: [{ kind: 'applied', files: ['003_tags.sql'] }],
      roundTrip: null,
    });
  });

  test('exits with the status of what would make the upgrade fail', async () => {
    await folder.files('sql', { '004_wrong.sql': 'INSERT INTO nowhere VALUES (1);' });
    const end = await rehearse();
    expect(end.status).toBe(1);
    expect(end.stdout).toMatch(/^The upgrade of "data\/notes\.db" would fail \(/);
    expect(end.stdout).toMatch(/\n {2}004_wrong\.sql +failed\n/);
    expect(end.stderr).toMatch(
      /\nError: Migration 004_wrong\.sql failed .*\nHint: {2}.*\nCode: {2}MIGRATION_FAILED\n$/,
    );
    await rm(folder.at('sql/004_wrong.sql'));
    await folder.files('sql', { '001_notes.sql': 'CREATE TABLE notes (id);' });
    const changed = await rehearse('--json');
    expect(changed.status).toBe(5);
    expect(documentOf(changed)).toMatchObject({ ok: false, error: { code: 'CHANGED_MIGRATION' } });
  });

  test('goes down and up again with --round-trip', async () => {
    const end = await rehearse('--round-trip');
    expect(end.status).toBe(0);
    expect(end.stdout).toContain('\nThe round trip led back and up again.\n');
    expect(end.stdout).toMatch(/\nLost on the way down \(1\):\n {2}table tags with 2 rows\n/);
    await rm(folder.at('sql/003_tags.down.sql'));
    const without = await rehearse('--round-trip');
    expect(without.status).toBe(2);
    expect(without.stdout).toContain('\nNo way back from (1):\n  003_tags.sql\n');
  });

  test("carries out the project's own checks, and exits with 2 where one is not met", async () => {
    const checks =
      '-- check: every note has a tag\n-- expect: no rows\nSELECT * FROM notes WHERE id NOT IN (SELECT note FROM tags);\n';
    await folder.files('sql', { 'checks.sql': checks });
    const met = await rehearse();
    expect(met.status).toBe(0);
    expect(met.stdout).toContain('\nChecks that are met (1):\n  every note has a tag\n');
    await folder.files('.', { 'other.sql': checks.replace('no rows', 'rows') });
    const unmet = await rehearse('--checks', 'other.sql');
    expect(unmet.status).toBe(2);
    expect(unmet.stdout).toMatch(
      /\nChecks that are not met \(1\):\n {2}every note has a tag \(line 1\)\n {4}expected: rows\n {4}found: .*\n/,
    );
    expect((await rehearse('--no-checks')).stdout).not.toContain('Checks');
  });

  test('refuses a database that is not there, and makes none', async () => {
    const end = await folder.run('rehearse', '--database', 'data/none.db', '--json');
    expect(end.status).toBe(1);
    expect(documentOf(end)).toMatchObject({ error: { code: 'MISSING_DATABASE' } });
  });

  test('makes the copy in --copy-dir, which must be there', async () => {
    await folder.files('copies', {});
    expect((await rehearse('--copy-dir', 'copies')).status).toBe(0);
    expect(await hashesIn(folder.at('copies'))).toEqual({});
    expect((await rehearse('--copy-dir', 'none')).status).not.toBe(0);
  });
});
