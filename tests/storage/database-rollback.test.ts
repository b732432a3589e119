import { rm } from 'node:fs/promises';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import {
  HistoryConflictError,
  inspectDatabase,
  InvalidOptionError,
  MigrationFailedError,
  moveDatabase,
  readMigrations,
  repairHistory,
  rollBackDatabase,
  upgradeDatabase,
  verifyDatabase,
  type MoveOptions,
  type ProgressEvent,
  type RollBackOptions,
} from '../../core/index.js';
import { hashesIn } from '../support/database-copy.js';
import { dumpDatabase } from '../support/database-dump.js';
import { ScratchDatabase } from '../support/scratch-database.js';
import { journalModes } from '../support/storage-database.js';

const files = {
  '001_notes.sql': 'CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT);',
  '001_notes.down.sql': 'DROP TABLE notes;',
  '002_tags.sql': `-- Notes have tags.
    CREATE TABLE tags (note INTEGER REFERENCES notes(id), tag TEXT NOT NULL);
    CREATE INDEX tags_by_note ON tags (note);`,
  '002_tags.down.sql': 'DROP TABLE tags;',
  '003_shout.up.sql': "UPDATE notes SET title = upper(title) || '!' WHERE title NOT LIKE '%!';",
  '003_shout.down.sql': "UPDATE notes SET title = lower(rtrim(title, '!'));",
  '004_colour.sql': "ALTER TABLE notes ADD COLUMN colour TEXT DEFAULT 'red';",
  '004_colour.down.sql': '-- migration: drops notes.colour\nALTER TABLE notes DROP COLUMN colour;',
};
const endingStatements = ['COMMIT', 'BEGIN IMMEDIATE'].map((sql, index) => ({ sql, line: index + 1 }));
const rows =
  "INSERT INTO notes (title) VALUES ('one'), ('two'); INSERT INTO tags VALUES (1, 'a'), (2, 'b'), (2, 'c');";

describe.each(journalModes)('going back, in %s mode,', (journal) => {
  let scratch: ScratchDatabase;

  beforeEach(async () => {
    scratch = await ScratchDatabase.make(journal, 'CREATE TABLE mine (a); DROP TABLE mine;');
    await scratch.write(files);
  });

  afterEach(() => scratch.remove());

  const source = (): Pick<RollBackOptions, 'database' | 'migrations' | 'backup'> => ({
    database: scratch.path,
    migrations: scratch.migrations,
    backup: false,
  });
  const upgrade = (to?: number): ReturnType<typeof upgradeDatabase> => upgradeDatabase({ ...source(), to });
  const down = (more: Partial<RollBackOptions> = {}): ReturnType<typeof rollBackDatabase> =>
    rollBackDatabase({ ...source(), ...more });
  const move = (more: Pick<MoveOptions, 'to'> & Partial<MoveOptions>): ReturnType<typeof moveDatabase> =>
    moveDatabase({ ...source(), ...more });

  it('undoes the newest migration, keeps its row and lowers the version', async () => {
    await upgrade();
    await scratch.run(rows);
    const told: string[] = [];
    const onProgress = (event: ProgressEvent): void => {
      if ('filename' in event) told.push(`${event.kind} ${event.filename}`);
    };
    const report = await down({ onProgress });
    expect(report).toMatchObject({
      found: 'managed',
      upToDate: false,
      version: 3,
      applied: [],
      rolledBack: [{ version: 4, filename: '004_colour.sql' }],
      losses: [],
    });
    expect(told).toEqual(['rolling-back 004_colour.sql', 'rolled-back 004_colour.sql']);
    expect(await scratch.value("SELECT group_concat(name) FROM pragma_table_info('notes')")).toBe('id,title');
    expect(await scratch.value('PRAGMA user_version')).toBe(3);
    expect(await scratch.history()).toEqual([
      '1 applied migration',
      '2 applied migration',
      '3 applied migration',
      '4 applied migration',
      '4 rolled_back migration',
    ]);
    const { version, pending } = await inspectDatabase(scratch.path, source());
    expect({ version, pending: pending.map(({ filename }) => filename) }).toEqual({
      version: 3,
      pending: ['004_colour.sql'],
    });
    expect((await verifyDatabase(scratch.path, source())).drift).toEqual([]);
  });

  it('undoes one by one, down to nothing, and then says that there is nothing to undo', async () => {
    await upgrade();
    for (const version of [3, 2, 1, 0])
      expect(await down({ allowLoss: true })).toMatchObject({ version, applied: [] });
    expect(await scratch.objects()).toEqual([]);
    expect(await scratch.value('PRAGMA user_version')).toBe(0);
    await expect(down()).rejects.toMatchObject({
      code: 'NO_WAY_BACK',
      message: `There is nothing to undo in "${scratch.path}" (managed).`,
    });
  });

  it('undoes down to a version, the newest first', async () => {
    await upgrade();
    await scratch.run(rows);
    const report = await down({ to: 1, allowLoss: true });
    expect(report.rolledBack.map(({ version }) => version)).toEqual([4, 3, 2]);
    expect(report.version).toBe(1);
    expect(await scratch.rows('SELECT title FROM notes')).toEqual([{ title: 'one' }, { title: 'two' }]);
    expect(await scratch.value('PRAGMA user_version')).toBe(1);
  });

  it('undoes everything, and all can be applied again', async () => {
    await upgrade();
    const fresh = await dumpDatabase(scratch.path);
    const report = await down({ to: 0, allowLoss: true });
    expect(report.rolledBack.map(({ version }) => version)).toEqual([4, 3, 2, 1]);
    expect(await scratch.objects()).toEqual([]);
    const again = await upgrade();
    expect(again.applied.map(({ version }) => version)).toEqual([1, 2, 3, 4]);
    const { schema, userVersion } = await dumpDatabase(scratch.path);
    const named = (object: { type: string; name: string }): string => `${object.type} ${object.name}`;
    expect(new Set(schema.map(named))).toEqual(new Set(fresh.schema.map(named)));
    expect(userVersion).toBe(4);
    expect(await scratch.history()).toHaveLength(12);
  });

  it('does nothing where the version is reached already', async () => {
    await upgrade(2);
    const before = await hashesIn(scratch.folder);
    expect(await down({ to: 2 })).toMatchObject({ upToDate: true, version: 2 });
    expect(await down({ to: 4 })).toMatchObject({ upToDate: true, version: 2 });
    expect(await hashesIn(scratch.folder)).toEqual(before);
  });

  it('goes to a version, whichever way it lies', async () => {
    expect(await move({ to: 2 })).toMatchObject({ version: 2, rolledBack: [] });
    await scratch.run(rows);
    expect(await move({ to: 4 })).toMatchObject({ version: 4 });
    expect(await move({ to: 3 })).toMatchObject({ version: 3, applied: [] });
    expect(await scratch.rows('SELECT title FROM notes')).toEqual([{ title: 'ONE!' }, { title: 'TWO!' }]);
    await expect(move({ to: 7 })).rejects.toThrow(InvalidOptionError);
    await expect(move({ to: NaN })).rejects.toThrow('There is no migration NaN to go to.');
  });

  it('says what would be lost, with its rows, and loses it only when that is allowed', async () => {
    await upgrade(2);
    await scratch.run(rows);
    const before = await hashesIn(scratch.folder);
    const refused = down();
    await expect(refused).rejects.toThrow(MigrationFailedError);
    await expect(refused).rejects.toMatchObject({
      code: 'OBJECTS_LOST',
      message:
        'Undoing 002_tags.sql would remove table tags with 3 rows without saying so; it was rolled back.',
    });
    // To be told of a loss is no failure, and leaves no row.
    expect(await hashesIn(scratch.folder)).toEqual(before);
    expect((await down({ allowLoss: true })).losses).toEqual(['table tags with 3 rows']);
  });

  it('says what all steps would lose before the first of them', async () => {
    await upgrade();
    await scratch.run(rows);
    const before = await hashesIn(scratch.folder);
    await expect(down({ to: 0 })).rejects.toMatchObject({
      code: 'OBJECTS_LOST',
      message:
        'Undoing 4 migrations would lose what no down file declares: 002_tags.sql: table tags with 3 rows; 001_notes.sql: table notes with 2 rows.',
    });
    expect(await hashesIn(scratch.folder)).toEqual(before);
    const report = await down({ to: 0, allowLoss: true });
    expect(report.losses).toEqual(['table tags with 3 rows', 'table notes with 2 rows']);
  });

  it.each([0, 1])('down to %i, loses what somebody has agreed to and nothing that came since', async (to) => {
    await upgrade(2);
    await scratch.run(rows);
    const refusal = async (allowLoss: readonly string[]): Promise<MigrationFailedError> => {
      const error: unknown = await down({ to, allowLoss }).catch((thrown: unknown) => thrown);
      if (error instanceof MigrationFailedError) return error;
      throw error;
    };
    const { losses } = await refusal([]);
    expect(losses).toContain('002_tags.down.sql: table tags with 3 rows');
    await scratch.run("INSERT INTO tags VALUES (1, 'late')");
    const before = await hashesIn(scratch.folder);
    const more = await refusal(losses);
    expect(more.message).toContain('table tags with 4 rows');
    expect(await hashesIn(scratch.folder)).toEqual(before);
    expect(await down({ to, allowLoss: more.losses })).toMatchObject({ version: to });
  });

  it('keeps nothing where one of several down files fails', async () => {
    await scratch.write({ '001_notes.down.sql': 'DROP TABLE nowhere;' });
    await upgrade();
    const before = await dumpDatabase(scratch.path);
    await expect(down({ to: 0 })).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      place: { filename: '001_notes.down.sql' },
    });
    const after = await dumpDatabase(scratch.path);
    expect(after.schema).toEqual(before.schema);
    expect(after.userVersion).toBe(before.userVersion);
    expect((await scratch.history()).slice(-1)).toEqual(['1 failed migration']);
  });

  it('loses rows only when that is allowed', async () => {
    await scratch.write({ '002_tags.down.sql': "DELETE FROM tags WHERE tag <> 'a';" });
    await upgrade(2);
    await scratch.run(rows);
    await expect(down()).rejects.toMatchObject({
      code: 'ROWS_LOST',
      message: expect.stringContaining('tags would go from 3 to 1 rows'),
    });
    expect(await scratch.value('SELECT count(*) FROM tags')).toBe(3);
    expect((await down({ allowLoss: true })).losses).toEqual(['tags would go from 3 to 1 rows']);
  });

  it('keeps foreign keys whole, whatever loss is allowed', async () => {
    await scratch.write({ '001_notes.down.sql': 'DELETE FROM notes;' });
    await scratch.write({ '002_tags.down.sql': 'DELETE FROM notes;' });
    await upgrade(2);
    await scratch.run(rows);
    await expect(down({ allowLoss: true })).rejects.toMatchObject({ code: 'FOREIGN_KEYS_BROKEN' });
    expect(await scratch.value('SELECT count(*) FROM notes')).toBe(2);
  });

  it('names every file without a way back before anything runs', async () => {
    await scratch.write({ '005_five.sql': 'CREATE TABLE five (a);', '006_six.sql': 'CREATE TABLE six (a);' });
    await scratch.write({
      '007_seven.sql': 'CREATE TABLE seven (a);',
      '007_seven.down.sql': 'DROP TABLE seven;',
    });
    await upgrade();
    const before = await hashesIn(scratch.folder);
    const refused = down({ to: 2, allowLoss: true });
    await expect(refused).rejects.toThrow(HistoryConflictError);
    await expect(refused).rejects.toMatchObject({
      code: 'NO_WAY_BACK',
      message: 'There is no way back from 006_six.sql, 005_five.sql: nothing says how to undo it.',
      hint: expect.stringContaining('Write 006_six.down.sql'),
    });
    expect(await hashesIn(scratch.folder)).toEqual(before);
  });

  it('rolls a down file that fails back whole, and writes it down', async () => {
    await scratch.write({
      '003_shout.down.sql': "UPDATE notes SET title = 'half';\nDROP TABLE tags;\nDROP TABLE nowhere;",
    });
    await upgrade(3);
    await scratch.run(rows);
    const before = await dumpDatabase(scratch.path);
    await expect(down({ allowLoss: true })).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      message: 'Migration 003_shout.down.sql failed at statement 3, line 3: no such table: nowhere.',
      place: { filename: '003_shout.down.sql', statement: 3, line: 3 },
    });
    const after = await dumpDatabase(scratch.path);
    expect([after.tables.notes, after.tables.tags]).toEqual([before.tables.notes, before.tables.tags]);
    expect(after.userVersion).toBe(3);
    expect((await scratch.history()).slice(-2)).toEqual(['3 applied migration', '3 failed migration']);
    expect(await inspectDatabase(scratch.path, source())).toMatchObject({ version: 3 });
  });

  it('lets an older program undo what a newer one applied, by what the history kept, and only when asked', async () => {
    await upgrade();
    await scratch.run(rows);
    const older = await ScratchDatabase.make(journal);
    const { '001_notes.sql': one, '001_notes.down.sql': undo } = files;
    await older.write({ '001_notes.sql': one, '001_notes.down.sql': undo });
    const program = { database: scratch.path, migrations: older.migrations, backup: false, to: 1 } as const;
    const before = await hashesIn(scratch.folder);
    await expect(upgradeDatabase({ ...program, to: undefined })).rejects.toMatchObject({
      code: 'NEWER_DATABASE',
    });
    await expect(rollBackDatabase(program)).rejects.toMatchObject({
      code: 'NO_WAY_BACK',
      message: expect.stringContaining('004_colour.sql, 003_shout.up.sql, 002_tags.sql'),
    });
    expect(await hashesIn(scratch.folder)).toEqual(before);
    const report = await rollBackDatabase({ ...program, fromHistory: true, allowLoss: true });
    expect(report.rolledBack.map(({ filename }) => filename)).toEqual([
      '004_colour.sql',
      '003_shout.up.sql',
      '002_tags.sql',
    ]);
    expect(await scratch.rows('SELECT * FROM notes')).toEqual([
      { id: 1, title: 'one' },
      { id: 2, title: 'two' },
    ]);
    expect((await upgradeDatabase({ ...program, to: undefined })).upToDate).toBe(true);
    await older.remove();
  });

  it('believes a text in the history only as long as its checksum is right', async () => {
    await upgrade();
    await scratch.run("UPDATE schema_migrations SET up_sql = up_sql || ' ' WHERE version = 4");
    const older = await ScratchDatabase.make(journal);
    await older.write(Object.fromEntries(Object.entries(files).filter(([name]) => !name.startsWith('004'))));
    await expect(
      rollBackDatabase({ ...source(), migrations: older.migrations, to: 3, fromHistory: true }),
    ).rejects.toMatchObject({ code: 'NO_WAY_BACK' });
    await older.remove();
  });

  it('lets an older program undo one of two migrations that it does not know', async () => {
    await upgrade();
    const older = await ScratchDatabase.make(journal);
    await older.write({ '001_notes.sql': files['001_notes.sql'] });
    const program = {
      database: scratch.path,
      migrations: older.migrations,
      backup: false,
      allowLoss: true,
    } as const;
    const before = await hashesIn(scratch.folder);
    await expect(rollBackDatabase(program)).rejects.toMatchObject({ code: 'NO_WAY_BACK' });
    expect(await hashesIn(scratch.folder)).toEqual(before);
    const first = await rollBackDatabase({ ...program, fromHistory: true });
    expect(first.rolledBack.map(({ version }) => version)).toEqual([4]);
    expect(first.version).toBe(3);
    const second = await rollBackDatabase({ ...program, fromHistory: true, to: 2 });
    expect(second.rolledBack.map(({ version }) => version)).toEqual([3]);
    expect(await scratch.value('PRAGMA user_version')).toBe(2);
    await older.remove();
  });

  it('runs no way back that was put into the history by hand', async () => {
    await upgrade();
    await scratch.run("UPDATE schema_migrations SET down_sql = 'DELETE FROM notes' WHERE version = 4");
    const older = await ScratchDatabase.make(journal);
    await older.write({ '001_notes.sql': files['001_notes.sql'] });
    const before = await hashesIn(scratch.folder);
    await expect(
      rollBackDatabase({ ...source(), migrations: older.migrations, fromHistory: true, allowLoss: true }),
    ).rejects.toMatchObject({ code: 'TAMPERED_HISTORY' });
    expect(await hashesIn(scratch.folder)).toEqual(before);
    await older.remove();
  });

  it('undoes what was adopted of a legacy database and not run', async () => {
    await scratch.run(`CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT);
      CREATE TABLE tags (note INTEGER REFERENCES notes(id), tag TEXT NOT NULL);
      ${rows} PRAGMA user_version = 2;`);
    const legacy = { 1: [1], 2: [1, 2] };
    const before = await hashesIn(scratch.folder);
    await expect(down({ legacy, to: 0, allowLoss: true })).rejects.toMatchObject({
      code: 'NO_WAY_BACK',
      message: `There is nothing to undo in "${scratch.path}" (legacy).`,
    });
    await expect(move({ legacy, to: 1, allowLoss: true })).rejects.toMatchObject({
      code: 'NO_WAY_BACK',
      message:
        'The database has no history yet, so that 002_tags.sql and what came after it cannot be undone.',
    });
    expect(await hashesIn(scratch.folder)).toEqual(before);

    const report = await upgradeDatabase({ ...source(), legacy });
    expect(report.adopted.map(({ version }) => version)).toEqual([1]);
    expect(report.completed.map(({ version }) => version)).toEqual([2]);
    await down({ legacy, to: 1, allowLoss: true });
    expect((await scratch.history()).slice(-3)).toEqual([
      '4 rolled_back migration',
      '3 rolled_back migration',
      '2 rolled_back completed',
    ]);
    expect(await scratch.rows('SELECT id, title FROM notes')).toEqual([
      { id: 1, title: 'one' },
      { id: 2, title: 'two' },
    ]);
    expect((await upgradeDatabase({ ...source(), legacy })).applied.map(({ version }) => version)).toEqual([
      2, 3, 4,
    ]);
  });

  it('tells the version in user_version when an adopted one with a higher number stands', async () => {
    await scratch.run(
      'CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT, colour TEXT); PRAGMA user_version = 1;',
    );
    await scratch.write({ '004_colour.sql': 'ALTER TABLE notes ADD COLUMN colour TEXT;' });
    const legacy = { 1: [1, 4] };
    await upgradeDatabase({ ...source(), legacy });
    expect(await scratch.history()).toEqual([
      '1 applied legacy',
      '4 applied legacy',
      '2 applied migration',
      '3 applied migration',
    ]);
    expect(await scratch.value('PRAGMA user_version')).toBe(4);
    await down({ legacy });
    expect(await scratch.value('PRAGMA user_version')).toBe(3);
  });

  it('undoes a file that cannot run in a transaction by one that cannot either', async () => {
    await scratch.write({
      '005_journal.sql': `-- migration: no-transaction\nPRAGMA journal_mode = ${journal === 'wal' ? 'DELETE' : 'WAL'};`,
      '005_journal.down.sql': `-- migration: no-transaction\nPRAGMA journal_mode = ${journal};`,
    });
    await upgrade();
    expect(await scratch.value('PRAGMA journal_mode')).not.toBe(journal);
    expect(await down()).toMatchObject({ version: 4, rolledBack: [{ version: 5 }] });
    expect(await scratch.value('PRAGMA journal_mode')).toBe(journal);
    expect((await scratch.history()).slice(-2)).toEqual(['5 applied migration', '5 rolled_back migration']);
    expect(await scratch.value('PRAGMA user_version')).toBe(4);
  });

  it('notices that its transaction was ended by statements that nobody looked at', async () => {
    await upgrade();
    const migrations = (await readMigrations(scratch.migrations)).map((file) =>
      file.version === 4 && file.down !== undefined
        ? { ...file, down: { ...file.down, statements: endingStatements } }
        : file,
    );
    await expect(down({ migrations })).rejects.toMatchObject({
      code: 'TRANSACTION_ENDED',
      message: expect.stringContaining('ended the transaction that it runs in'),
    });
  });

  it('makes a copy first, from which everything can be had back', async () => {
    await upgrade();
    await scratch.run(rows);
    const before = await dumpDatabase(scratch.path);
    const report = await down({ to: 0, allowLoss: true, backup: {} });
    expect(report.backup).toMatch(/-v4-to-v0$/);
    expect((await dumpDatabase(report.backup ?? '')).tables).toEqual(before.tables);
  });

  it('undoes by the text that the history kept where the file has lost its way back, when asked', async () => {
    await upgrade(2);
    await rm(join(scratch.migrations, '002_tags.down.sql'));
    await expect(down()).rejects.toMatchObject({ code: 'NO_WAY_BACK' });
    expect(await down({ fromHistory: true, allowLoss: true })).toMatchObject({ version: 1 });
    expect(await scratch.objects()).not.toContain('table tags');
  });

  it('undoes nothing by the way back of another file that has taken the number', async () => {
    await upgrade(2);
    for (const name of ['002_tags.sql', '002_tags.down.sql']) await rm(join(scratch.migrations, name));
    await scratch.write({
      '002_theirs.sql': 'CREATE TABLE theirs (a);',
      '002_theirs.down.sql': 'DROP TABLE notes;',
    });
    await expect(down({ allowLoss: true })).rejects.toMatchObject({
      code: 'CHANGED_MIGRATION',
      message: expect.stringMatching(/as 002_tags\.sql, and among the files it is 002_theirs\.sql/),
    });
    expect(await down({ fromHistory: true, allowLoss: true })).toMatchObject({ version: 1 });
    expect(await scratch.objects()).toEqual(expect.arrayContaining(['table notes']));
  });

  it('runs a way back that was corrected, which verify tells and repair takes down', async () => {
    await upgrade(2);
    await scratch.write({ '002_tags.down.sql': '-- Corrected.\nDROP TABLE tags;' });
    expect(await verifyDatabase(scratch.path, source())).toMatchObject({
      changed: [],
      changedWaysBack: [{ filename: '002_tags.down.sql', difference: expect.arrayContaining([]) }],
    });
    await repairHistory(source());
    expect(await verifyDatabase(scratch.path, source())).toMatchObject({ changedWaysBack: [] });
    expect(await down({ allowLoss: true })).toMatchObject({ version: 1 });
  });

  it('says which older copies it has removed', async () => {
    await upgradeDatabase({ ...source(), backup: {}, to: 1 });
    const { backup } = await upgradeDatabase({ ...source(), backup: {}, to: 2 });
    const removed: string[] = [];
    const onProgress = (event: ProgressEvent): void => {
      if (event.kind === 'old-backups-removed') removed.push(...event.paths);
    };
    const report = await upgradeDatabase({ ...source(), backup: { keepCount: 1 }, onProgress });
    expect(report.removedBackups).toContain(backup);
    expect(removed).toEqual(report.removedBackups);
  });

  it('counts the versions where their numbers do not fit into user_version', async () => {
    await scratch.write({
      '20250101120000_late.sql': 'CREATE TABLE late (a);',
      '20250101120000_late.down.sql': 'DROP TABLE late;',
      '20250102120000_later.sql': 'CREATE TABLE later (a);',
      '20250102120000_later.down.sql': 'DROP TABLE later;',
    });
    await upgrade();
    expect(await scratch.value('PRAGMA user_version')).toBe(6);
    await down({ allowLoss: true });
    expect(await scratch.value('PRAGMA user_version')).toBe(5);
    await down({ allowLoss: true });
    expect(await scratch.value('PRAGMA user_version')).toBe(4);
  });
});
