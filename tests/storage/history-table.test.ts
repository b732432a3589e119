import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import {
  baselineDatabase,
  findDrift,
  inspectDatabase,
  listHistory,
  openStorage,
  planUpgrade,
  readMigrations,
  rehearseUpgrade,
  repairHistory,
  rollBackDatabase,
  upgradeDatabase,
  verifyDatabase,
  type CodeMigration,
  type MigrationSource,
} from '../../core/index.js';
import { historyTableOf } from '../../core/storage/history-table.js';
import { DatabaseFolder } from '../support/database-folder.js';
import { migrationsOf } from '../support/migration-values.js';
import { notesFiles } from '../support/notes-files.js';
import { untyped } from '../support/untyped.js';

let place: DatabaseFolder;
let folder: string;

beforeEach(async () => {
  place = await DatabaseFolder.make();
  folder = await mkdtemp(join(tmpdir(), 'history-table-'));
});

afterEach(async () => {
  await place.remove();
  await rm(folder, { recursive: true, force: true });
});

/** Writes files into the folder of migrations and returns its path. */
async function folderOf(files: Readonly<Record<string, string>>): Promise<string> {
  for (const [name, sql] of Object.entries(files)) await writeFile(join(folder, name), sql);
  return folder;
}

const named = (historyTable: string): { readonly historyTable: string } => ({ historyTable });
const tables = async (): Promise<unknown[]> =>
  (await place.rows("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")).map(
    ({ name }) => name,
  );

describe('the name of the history', () => {
  it.each([
    'schema_migrations',
    'migrations',
    'Migrations',
    '_',
    'order',
    'select',
    'TABLE',
    'm1',
    'sqlite',
    'a'.repeat(300),
  ])('can be %j', async (name) => {
    const source = { migrations: await folderOf(notesFiles), ...named(name) };
    await place.upgrade(source);
    expect(await tables()).toContain(name);
    expect(await listHistory(place.path, named(name))).toHaveLength(3);
    expect(await verifyDatabase(place.path, source)).toMatchObject({ ok: true, extras: [] });
  });

  it.each([
    '',
    ' ',
    'sqlite_history',
    'SQLITE_SEQUENCE',
    '1migrations',
    'a b',
    'a"b',
    "a'; DROP TABLE notes; --",
    'main.migrations',
    '[migrations]',
    'migrationen_für',
    'a\0b',
    'a\n',
    7,
    null,
    ['migrations'],
  ])('cannot be %j, and nothing is written', async (historyTable) => {
    const name = untyped(named(''), { historyTable });
    const source = { migrations: await folderOf(notesFiles), ...name };
    await place.run('');
    const refused = expect.objectContaining({
      code: 'BAD_OPTION',
      message: expect.stringContaining("The history's table must be named by letters, digits and _"),
    });
    const untouched = await place.isUntouchedBy(async () => {
      await expect(upgradeDatabase({ ...source, database: place.path })).rejects.toEqual(refused);
      await expect(inspectDatabase(place.path, source)).rejects.toEqual(refused);
      await expect(verifyDatabase(place.path, source)).rejects.toEqual(refused);
      await expect(listHistory(place.path, name)).rejects.toEqual(refused);
      await expect(openStorage({ database: place.path, ...name })).rejects.toEqual(refused);
      await expect(readMigrations(source.migrations, name)).rejects.toEqual(refused);
    });
    expect(untouched).toBe(true);
  });

  it('is found whatever its letters, upper or lower', async () => {
    const migrations = await folderOf(notesFiles);
    await place.upgrade({ migrations, ...named('Migrations') });
    expect(await place.upgrade({ migrations, ...named('mIGRATIONS') })).toMatchObject({ applied: [] });
    expect((await tables()).filter((name) => String(name).toLowerCase() === 'migrations')).toEqual([
      'Migrations',
    ]);
  });
});

describe('a database with a history of another name', () => {
  it('is one to every function that looks at it', async () => {
    const migrations = await folderOf({ '001_notes.sql': notesFiles['001_notes.sql'] });
    const source: MigrationSource = { migrations, ...named('migrations') };
    const options = { ...source, database: place.path, backup: false } as const;
    await place.upgrade(source);
    expect(await tables()).toEqual(['migrations', 'notes', 'sqlite_sequence']);

    await folderOf(notesFiles);
    expect(await inspectDatabase(place.path, source)).toMatchObject({ kind: 'managed', version: 1 });
    expect((await planUpgrade(options)).apply.map(({ version }) => version)).toEqual([2, 3]);
    expect(await findDrift(place.path, source)).toEqual([]);
    expect(await rehearseUpgrade({ ...options, roundTrip: true })).toMatchObject({
      error: undefined,
      verification: { ok: true },
      roundTrip: { ok: true },
    });
    expect(await upgradeDatabase(options)).toMatchObject({ version: 3 });
    expect(await rollBackDatabase({ ...options, allowLoss: true })).toMatchObject({ version: 2 });
    expect(await repairHistory({ ...options, markApplied: [3] })).toMatchObject({ version: 3 });
    // The last two are of the repair: the way back of the first file came later than the file.
    expect((await listHistory(place.path, source)).map(({ status }) => status)).toEqual([
      ...['applied', 'applied', 'applied', 'rolled_back', 'applied', 'applied'],
    ]);
  });

  it('can be recorded, and undone by what the history kept', async () => {
    const migrations = await folderOf(notesFiles);
    const options = { migrations, database: place.path, backup: false, ...named('past') } as const;
    await place.run('CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT);');
    expect(await baselineDatabase(options)).toMatchObject({ version: 1 });
    await upgradeDatabase(options);
    const older = migrationsOf({ '001_notes.sql': notesFiles['001_notes.sql'] });
    expect(
      await rollBackDatabase({ ...options, migrations: older, to: 1, fromHistory: true, allowLoss: true }),
    ).toMatchObject({ version: 1 });
  });

  it('keeps the chain, and shows where somebody broke it', async () => {
    const source = { migrations: await folderOf(notesFiles), ...named('past') };
    await place.upgrade(source);
    await place.run("UPDATE past SET applied_at = '2001' WHERE id = 2");
    expect((await verifyDatabase(place.path, source)).tampering).toEqual([
      'row 2 (002_pins.sql, applied) or a row before it was changed, moved or taken out',
    ]);
    await place.run('DELETE FROM past WHERE id > 1');
    expect((await verifyDatabase(place.path, source)).tampering).toEqual([
      'one or more rows after row 1 were taken out',
    ]);
  });

  it('stays valid when its table is renamed', async () => {
    const migrations = await folderOf(notesFiles);
    await place.upgrade({ migrations });
    await place.run('ALTER TABLE schema_migrations RENAME TO migrations');
    const source = { migrations, ...named('migrations') };
    expect(await verifyDatabase(place.path, source)).toMatchObject({ ok: true, tampering: [] });
  });

  it('can be a storage of worlds', async () => {
    const storage = await openStorage({ database: place.path, backup: false, ...named('versions') });
    await storage.worlds.save({ id: 'w', name: 'One' });
    await storage.close();
    expect(await tables()).not.toContain('schema_migrations');
    const again = await openStorage({ database: place.path, ...named('versions') });
    expect(await again.worlds.list()).toHaveLength(1);
    await again.close();
  });
});

describe('the guards', () => {
  const writes = 'INSERT INTO past (version) VALUES (9);';

  it.each([
    writes,
    'DROP TABLE PAST;',
    'DELETE FROM main."Past";',
    'CREATE TABLE past (id);',
    'CREATE TRIGGER t AFTER INSERT ON [past] BEGIN SELECT 1; END;',
    'ALTER TABLE notes RENAME TO past;',
  ])('keep files from it under its name: %s', async (sql) => {
    const files = { '001_notes.sql': 'CREATE TABLE notes (id);', '002_bad.sql': sql };
    const refused = { code: 'FORBIDDEN_STATEMENT', file: '002_bad.sql' };
    const migrations = await folderOf(files);
    await expect(place.upgrade({ migrations, ...named('past') })).rejects.toMatchObject(refused);
    // Read for a history of another name.
    await expect(place.upgrade({ migrations: migrationsOf(files), ...named('past') })).rejects.toMatchObject(
      refused,
    );
    expect(await tables()).toEqual([]);
  });

  it('keep down files, checks and code from it', async () => {
    const migrations = await folderOf({
      '001_notes.sql': 'CREATE TABLE notes (id);',
      '001_notes.down.sql': 'DROP TABLE past;',
    });
    await expect(place.upgrade({ migrations, ...named('past') })).rejects.toMatchObject({
      code: 'FORBIDDEN_STATEMENT',
      file: '001_notes.down.sql',
    });
    await folderOf({
      '001_notes.down.sql': 'DROP TABLE notes;',
      'checks.sql': `-- check: writes\n-- expect: no rows\n${writes}`,
    });
    await place.upgrade({ migrations, ...named('past') });
    await expect(verifyDatabase(place.path, { migrations, ...named('past') })).rejects.toMatchObject({
      code: 'FORBIDDEN_STATEMENT',
      file: 'checks.sql',
    });
    const code: CodeMigration = { version: 2, name: 'code', up: (db) => db.executeScript(writes) };
    await expect(place.upgrade({ migrations, code: [code], ...named('past') })).rejects.toThrow(
      'write a row into past, the history of applied migrations',
    );
  });

  it('take no trigger on it', async () => {
    const source = { migrations: await folderOf(notesFiles), ...named('past') };
    await place.upgrade(source);
    await place.run('CREATE TRIGGER t AFTER INSERT ON past BEGIN SELECT 1; END;');
    await expect(listHistory(place.path, source)).rejects.toMatchObject({
      code: 'BAD_HISTORY',
      message: 'The history (table past) cannot be trusted: the trigger t hangs on it.',
    });
  });

  it('count schema_migrations among the ordinary tables then', async () => {
    const files = {
      '001_own.sql': 'CREATE TABLE schema_migrations (id INTEGER PRIMARY KEY, who TEXT);',
      '002_row.sql': "INSERT INTO schema_migrations (who) VALUES ('me'), ('you');",
    };
    const migrations = await folderOf(files);
    const source = { migrations, ...named('past') };
    await place.upgrade(source);
    expect(await verifyDatabase(place.path, source)).toMatchObject({ ok: true, extras: [] });

    await folderOf({ '003_less.sql': 'DELETE FROM schema_migrations WHERE id = 1;' });
    await expect(place.upgrade(source)).rejects.toMatchObject({
      code: 'ROWS_LOST',
      message: expect.stringContaining('schema_migrations would go from 2 to 1 rows'),
    });
    const seen = await rehearseUpgrade({ ...source, database: place.path });
    expect(seen).toMatchObject({ error: { code: 'ROWS_LOST' } });

    await folderOf({ '003_less.sql': "UPDATE schema_migrations SET who = 'we';" });
    expect((await rehearseUpgrade({ ...source, database: place.path })).steps).toMatchObject([
      { rows: [{ table: 'schema_migrations', updated: 2 }] },
    ]);
    await place.run('DROP TABLE schema_migrations');
    expect((await findDrift(place.path, source)).map(({ sentence }) => sentence)).toEqual([
      'table schema_migrations is missing',
    ]);
  });
});

describe('a history under another name than the one that is asked for', () => {
  const elsewhere = (found: string, asked: string) => ({
    code: 'HISTORY_ELSEWHERE',
    message: `The database keeps its history in the table ${found}, and not in ${asked}.`,
  });

  it.each([
    [undefined, 'migrations'],
    ['migrations', undefined],
    ['Old Ones', 'new_ones'],
  ])('%j is refused where %j is asked for, by every function, and no byte changes', async (found, asked) => {
    const migrations = await folderOf(notesFiles);
    await place.upgrade({ migrations, historyTable: found === 'Old Ones' ? undefined : found });
    if (found === 'Old Ones') await place.run('ALTER TABLE schema_migrations RENAME TO "Old Ones"');
    const options = { migrations, database: place.path, historyTable: asked };
    const refusal = elsewhere(found ?? 'schema_migrations', asked ?? 'schema_migrations');
    const untouched = await place.isUntouchedBy(async () => {
      for (const work of [
        () => upgradeDatabase(options),
        () => planUpgrade(options),
        () => rollBackDatabase(options),
        () => rehearseUpgrade(options),
        () => repairHistory(options),
        () => baselineDatabase(options),
        () => inspectDatabase(place.path, options),
        () => verifyDatabase(place.path, options),
        () => findDrift(place.path, options),
        () => listHistory(place.path, options),
      ])
        await expect(work()).rejects.toMatchObject(refusal);
    });
    expect(untouched).toBe(true);
  });

  it('is told of before a table of somebody else under the name that is asked for', async () => {
    const migrations = await folderOf(notesFiles);
    await place.upgrade({ migrations });
    await place.run('CREATE TABLE migrations (name TEXT)');
    await expect(place.upgrade({ migrations, ...named('migrations') })).rejects.toMatchObject(
      elsewhere('schema_migrations', 'migrations'),
    );
  });

  it('does not stand in the way of one that is there under its name', async () => {
    const migrations = await folderOf(notesFiles);
    await place.upgrade({ migrations });
    await place.run('CREATE TABLE kept AS SELECT * FROM schema_migrations');
    expect(await inspectDatabase(place.path, { migrations })).toMatchObject({ kind: 'managed', version: 3 });
  });

  it('is a stranger where it is none of ours', async () => {
    const migrations = await folderOf(notesFiles);
    await place.run('CREATE TABLE past (version TEXT PRIMARY KEY)');
    const source = { migrations, ...named('past') };
    await expect(place.upgrade(source)).rejects.toMatchObject({
      code: 'FOREIGN_DATABASE',
      message: expect.stringContaining(
        'where the history (past) should be stands a table past of dbmate or Rails, with the columns version',
      ),
    });
    expect(await inspectDatabase(place.path, source)).toMatchObject({ kind: 'foreign' });
    expect(historyTableOf({ historyTable: 'Past' })).toEqual({ name: 'Past', sql: '"Past"', key: 'past' });
  });
});
