import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { rm } from 'node:fs/promises';

import { CommandFolder, documentOf } from '../support/command.js';
import { hashesIn } from '../support/database-copy.js';
import { withLegacy } from '../support/legacy-driver.js';
import { notesFiles } from '../support/notes-files.js';

let folder: CommandFolder;

beforeEach(async () => {
  folder = await CommandFolder.make();
});

afterEach(() => folder.remove());

const status = (...parameters: readonly string[]) => folder.run('status', ...parameters);

describe('status', () => {
  test('says what a legacy database claims, what it evidently is, and what would be done', async () => {
    const database = await folder.legacy('skipped-to-4');
    const { status: code, stdout, stderr } = await status('--database', database);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toBe(
      `Database:  skipped-to-4.db
State:     legacy: tables of an earlier release and no history
Claimed:   version 4 (user_version)
Evident:   version 4 (schema)

To be adopted, being there already (4):
  0003_init_base_schema.sql
  0004_add_chat_id.sql
  0005_add_llm_config.sql
  0008_add_current_chat_id.sql

Pending (7):
  0001_create_events_table.sql      Keeps what happens in a world, or in one of its chats, as a list of events.
  0002_add_event_sequences.sql      Counts the events of each chat, and those of each world that belong to no chat.
  0006_add_message_id.sql           Gives a memory the id of the message that it keeps.
  0007_add_reply_to_message_id.sql  Lets a memory name the message that it answers.
  0009_add_mcp_config.sql           Lets a world keep the configuration of its MCP servers.
  0010_create_world_chats.sql       Gives a world chats, and a chat snapshots.
  0011_number_events.sql            Numbers the events that have a wrong number or none, and leaves one right counter for each chat and each world.
`,
    );
  });

  test('says what would be completed, and how claim and schema differ', async () => {
    const database = await folder.legacy('missing-one-of-two-columns');
    const { stdout } = await status('--database', database);
    expect(stdout).toMatch(/^Claim and schema differ \(\d+\):$/m);
    expect(stdout).toMatch(
      /^To be completed \(1\):\n {2}0005_add_llm_config\.sql {2}column worlds\.chat_llm_/m,
    );
  });

  test('says which version an empty file claims in vain', async () => {
    const { stdout } = await status('--database', await folder.legacy('stamped-and-empty'));
    expect(stdout).toContain(
      'State:     empty: no table and no history\nClaimed:   version 5 (user_version)\n',
    );
    expect(stdout).toContain('  user_version claims 5, but there is no table\n');
  });

  test('tells of a database that is not there and makes none', async () => {
    const end = await status('--database', 'none.db', '--json');
    expect(end.status).toBe(0);
    expect(documentOf(end)).toMatchObject({
      database: 'none.db',
      kind: 'absent',
      userVersion: null,
      version: 0,
    });
    expect(await hashesIn(folder.path)).toEqual({});
  });

  test('lists what was applied once the database is upgraded', async () => {
    const database = await folder.legacy('version-5-born');
    await folder.run('up', '--database', database);
    const end = await status('--database', database, '--check');
    expect(end.status).toBe(0);
    expect(end.stdout).toContain(
      'State:     managed: the history says what was applied\nVersion:   11\nDrift:     none\n\nFiles (11):\n',
    );
    expect(end.stdout).toMatch(/^ {2}version {2}file +state +applied at +ms +origin +release$/m);
    const row = (file: string, origin: string): RegExp =>
      new RegExp(`^  \\d+ +${file} +applied  \\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z +\\d+ +${origin}$`, 'm');
    expect(end.stdout).toMatch(row('0003_init_base_schema\\.sql', 'adopted'));
    expect(end.stdout).toMatch(row('0011_number_events\\.sql', 'applied'));
    expect(end.stdout).toMatch(/\n\nUp to date\.\n$/);
  });

  test('shows an attempt that failed, also before anything was applied', async () => {
    const migrations = await folder.files('sql', { '0001_wrong.sql': 'INSERT INTO nowhere VALUES (1);' });
    await folder.run('up', '--database', 'new.db', '--migrations', migrations);
    const { stdout } = await status('--database', 'new.db', '--migrations', migrations);
    expect(stdout).toMatch(/^Failed \(1\):\n {2}0001_wrong\.sql .*no such table: nowhere/m);
  });

  test('prints the inspection as one JSON document, null where nothing is to be said', async () => {
    const end = await status('--database', await folder.legacy('version-7-born'), '--json');
    expect(end).toMatchObject({ status: 0, stderr: '' });
    expect(documentOf(end)).toEqual({
      database: 'version-7-born.db',
      kind: 'legacy',
      userVersion: 7,
      wrongUserVersion: null,
      claimed: 7,
      evident: 6,
      version: 0,
      differences: expect.any(Array),
      applied: [],
      failed: [],
      changed: [],
      adoptable: expect.any(Array),
      completable: [
        {
          version: 7,
          filename: '0007_add_reply_to_message_id.sql',
          description: expect.any(String),
          objects: ['index idx_agent_memory_reply_to_message_id'],
        },
      ],
      pending: [{ version: 11, filename: '0011_number_events.sql', description: expect.any(String) }],
      files: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11].map((version) => ({
        version,
        filename: expect.any(String),
        description: expect.any(String),
        state: version === 7 ? 'completable' : version === 11 ? 'pending' : 'adoptable',
        release: null,
        appliedAt: null,
        executionTimeMs: null,
        origin: null,
      })),
      otherHistories: [],
      problem: null,
      tampering: [],
      drift: null,
    });
  });
});

describe('status --check', () => {
  test.each([
    ["UPDATE schema_migrations SET description = 'x' WHERE id = 2", /^ {2}row 2 /m],
    ['PRAGMA user_version = 99', /^ {2}user_version is 99, /m],
  ])('exits with 5, and says why, when the history was changed by hand: %s', async (script, line) => {
    const migrations = await folder.files('sql', notesFiles);
    await folder.run('up', '--database', 'new.db', '--migrations', migrations);
    await withLegacy(folder.at('new.db'), (connection) => connection.run(script));
    const end = await status('--check', '--database', 'new.db', '--migrations', migrations);
    expect(end.status).toBe(5);
    expect(end.stdout).toMatch(/^Changed by hand in the history \(1\):$/m);
    expect(end.stdout).toMatch(line);
  });

  test.each([
    ['legacy', 'version-7-upgraded'],
    ['empty', 'new-file'],
  ])('exits with 2 for a database that is %s', async (_kind, fixture) => {
    expect((await status('--check', '--database', await folder.legacy(fixture))).status).toBe(2);
  });

  test('exits with 2 for a database that is absent', async () => {
    expect((await status('--check', '--database', 'none.db')).status).toBe(2);
  });

  test('exits with 2 when a managed database has a file to apply', async () => {
    const migrations = await folder.files('sql', { '0001_a.sql': 'CREATE TABLE a (x);' });
    await folder.run('up', '--database', 'new.db', '--migrations', migrations);
    expect((await status('--check', '--database', 'new.db', '--migrations', migrations)).status).toBe(0);
    await folder.files('sql', { '0002_b.sql': 'CREATE TABLE b (x);' });
    expect((await status('--check', '--database', 'new.db', '--migrations', migrations)).status).toBe(2);
  });
});

describe('the files of a managed database', () => {
  const source = ['--database', 'notes.db', '--migrations', 'sql'] as const;

  const filesOf = async (): Promise<unknown> => {
    const document = documentOf(await status(...source, '--json'));
    return typeof document === 'object' && document !== null && 'files' in document && document.files;
  };

  test('are told with state, time, origin and release', async () => {
    await folder.files('sql', { ...notesFiles, '004_wrong.sql': 'INSERT INTO nowhere VALUES (1);' });
    await folder.run('up', ...source, '--to', '3');
    await folder.run('down', ...source, '--yes');
    const { stdout } = await status(...source);
    const time = '\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z';
    expect(stdout).toMatch(
      new RegExp(
        [
          '\nFiles \\(4\\):',
          ' +version +file +state +applied at +ms +origin +release',
          ` +1 +001_notes\\.sql +applied +${time} +\\d+ +applied +1\\.0\\.0`,
          ` +2 +002_pins\\.sql +applied +${time} +\\d+ +applied +1\\.1\\.0`,
          ` +3 +003_tags\\.sql +rolled_back +${time} +\\d+ +applied +1\\.2\\.0`,
          ' +4 +004_wrong\\.sql +pending\n',
        ].join('\n'),
      ),
    );
    await folder.run('up', ...source);
    expect(await filesOf()).toMatchObject([
      {},
      {},
      { state: 'applied' },
      { state: 'failed', origin: 'migration' },
    ]);
  });

  test('that were changed or are gone are told of, and decide the exit status', async () => {
    await folder.files('sql', notesFiles);
    await folder.run('up', ...source);
    await folder.files('sql', { '002_pins.sql': 'CREATE TABLE pins (x);' });
    const changed = await status(...source);
    expect(changed.status).toBe(5);
    expect(changed.stdout).toMatch(/^ {2}2 +002_pins\.sql +changed {2}/m);
    expect(changed.stderr).toMatch(/\nCode: {2}CHANGED_MIGRATION\n$/);
    await rm(folder.at('sql/002_pins.sql'));
    await rm(folder.at('sql/002_pins.down.sql'));
    const gone = await status(...source);
    expect(gone.status).toBe(1);
    expect(gone.stdout).toMatch(/^ {2}2 +002_pins\.sql +missing {2}/m);
  });
});

describe('drift', () => {
  const source = ['--database', 'notes.db', '--migrations', 'sql'] as const;

  beforeEach(async () => {
    await folder.files('sql', notesFiles);
    await folder.run('up', ...source);
  });

  test('is told in a line, and --check exits with 2', async () => {
    const { status: code, stdout } = await status(...source, '--check');
    expect(code).toBe(0);
    expect(stdout).toContain('\nDrift:     none\n');
    await withLegacy(folder.at('notes.db'), (program) =>
      program.run('DROP TABLE tags; CREATE TABLE own (x)'),
    );
    const drifted = await status(...source, '--check');
    expect(drifted.status).toBe(2);
    expect(drifted.stdout).toContain('\nDrift:     1 difference, which "verify" names\n');
    expect((await status(...source)).status).toBe(0);
    expect(documentOf(await status(...source, '--json'))).toMatchObject({
      drift: [{ kind: 'missing', name: 'tags', mend: ['CREATE TABLE tags (note INTEGER, tag TEXT)'] }],
    });
  });

  test('that cannot be found out hides nothing else', async () => {
    await folder.files('sql', { '001_notes.sql': 'CREATE TABLE other (x);' });
    const end = await status(...source);
    expect(end.stdout).toMatch(/\nDrift: {5}not known: Migration 002_pins\.sql failed /);
    expect(end.stdout).toMatch(/^ {2}1 +001_notes\.sql +changed {2}/m);
    expect(documentOf(await status(...source, '--json'))).toMatchObject({
      drift: { unknown: expect.any(String) },
    });
  });
});

describe('what an upgrade would refuse', () => {
  test('is shown, explained on standard error, and exits with 1', async () => {
    const end = await status('--database', await folder.legacy('foreign-rails'));
    expect(end.status).toBe(1);
    expect(end.stdout).toContain(
      'State:     foreign: another tool keeps its history, which "adopt" takes over\n',
    );
    expect(end.stderr).toMatch(
      /^Error: The history of this database is kept by Rails, in the table schema_migrations \(1 row, the newest 20240229101500\)\.\nHint: .*"upgrade-bridge adopt".*\nCode: {2}OTHER_HISTORY\n$/,
    );
  });

  test('exits with 3 for a database that is newer than the files', async () => {
    const migrations = await folder.files('sql', { '0001_a.sql': 'CREATE TABLE a (x);' });
    const newer = await folder.files('newer', {
      '0001_a.sql': 'CREATE TABLE a (x);',
      '0002_b.sql': 'CREATE TABLE b (x);',
    });
    await folder.run('up', '--database', 'new.db', '--migrations', newer);
    const end = await status('--database', 'new.db', '--migrations', migrations, '--json');
    expect(end.status).toBe(3);
    expect(documentOf(end)).toMatchObject({
      kind: 'newer',
      version: 2,
      problem: { code: 'NEWER_DATABASE', message: expect.any(String), hint: expect.any(String) },
    });
  });
});

test.each(['wal-left-behind', 'everything-at-once', 'version-3-born', 'user-version-8', 'new-file'])(
  'status and verify change no byte of %s',
  async (fixture) => {
    const database = await folder.legacy(fixture);
    const before = await hashesIn(folder.path);
    await status('--database', database);
    await folder.run('verify', '--database', database);
    expect(await hashesIn(folder.path)).toEqual(before);
  },
);

test('status and verify change no byte of an upgraded database whose program still has it open', async () => {
  const database = await folder.legacy('version-6-upgraded');
  await folder.run('up', '--database', database);
  await withLegacy(folder.at(database), async (program) => {
    await program.run("PRAGMA journal_mode = WAL; UPDATE worlds SET name = 'changed'");
    const before = await hashesIn(folder.path);
    expect(Object.keys(before)).toContain(`${database}-wal`);
    expect((await status('--database', database, '--check')).status).toBe(0);
    expect((await folder.run('verify', '--database', database)).status).toBe(0);
    expect(await hashesIn(folder.path)).toEqual(before);
  });
});
