import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { defineMigration, MigrationRunner, upgradeDatabase, verifyDatabase } from 'sqlite-upgrade-bridge';

import { hashesIn } from '../../support/database-copy.js';
import { dumpDatabase } from '../../support/database-dump.js';
import { ScratchDatabase } from '../../support/scratch-database.js';
import { journalModes } from '../../support/storage-database.js';
import { embed } from './embedding.js';
import { indexes, initialSchema, migrations, vectorSupport } from './migrations.js';
import { NotesProgram } from './notes-program.js';

/** What the program's releases before wrote: the version, and the names of what had run. */
const oldHistory = (versions: readonly [number, string][]): string =>
  `CREATE TABLE migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, version INTEGER NOT NULL UNIQUE, name TEXT NOT NULL,
     applied_at TEXT NOT NULL);
   ${versions.map(([version, name]) => `INSERT INTO migrations (version, name, applied_at) VALUES (${version}, '${name}', '2025-05-0${version} 08:00:00');`).join('\n')}`;

const oldDocuments = `CREATE TABLE documents (
    id INTEGER PRIMARY KEY,
    title TEXT NOT NULL,
    body TEXT NOT NULL DEFAULT '',
    created_at TEXT NOT NULL
  );
  INSERT INTO documents VALUES (1, 'Apple cake', 'six apples', '2025-05-02'), (7, 'Harbour', 'ferry at seven', '2025-05-03');`;
const oldIndexes = `CREATE INDEX documents_by_title ON documents (title COLLATE NOCASE);
  CREATE INDEX documents_by_time ON documents (created_at DESC);`;

let scratch: ScratchDatabase;

describe.each(journalModes)('a notes program with migrations in code, in %s mode,', (journal) => {
  beforeEach(async () => {
    scratch = await ScratchDatabase.make(journal, 'CREATE TABLE gone (a); DROP TABLE gone;');
  });

  afterEach(() => scratch.remove());

  const backups = async (): Promise<string[]> =>
    (await readdir(scratch.folder)).filter((name) => name.includes('.backup-'));
  const titles = (): Promise<unknown> => scratch.value("SELECT group_concat(title, ', ') FROM documents");

  it('starts on a new database, and finds nothing to do the second time', async () => {
    const program = await NotesProgram.open(scratch.path);
    expect(program.upgrade.applied.map(({ version }) => version)).toEqual([1, 2, 3]);
    expect(await program.seedDemo()).toBe(3);
    expect(await program.seedDemo()).toBe(0);
    expect((await program.search('apples and cake'))[0]).toBe('Apple cake');
    await program.close();
    const again = await NotesProgram.open(scratch.path);
    expect(again.upgrade.upToDate).toBe(true);
    await again.close();
    expect(await backups()).toEqual([]);
  });

  it('fills the vectors of the notes that are there, in the transaction of the migration', async () => {
    const runner = new MigrationRunner(scratch.path);
    await runner.runMigrations([initialSchema, indexes]);
    await scratch.run("INSERT INTO documents VALUES (1, 'a', 'b', 'now'), (9, 'c', 'd', 'now')");
    expect(await runner.getCurrentVersion()).toBe(2);
    await runner.runMigrations(migrations);
    expect(await runner.getCurrentVersion()).toBe(3);
    expect(await scratch.rows('SELECT document_id, hex(vector) AS vector FROM embeddings')).toEqual([
      { document_id: 1, vector: Buffer.from(embed('a b')).toString('hex').toUpperCase() },
      { document_id: 9, vector: Buffer.from(embed('c d')).toString('hex').toUpperCase() },
    ]);
    expect(await backups()).toEqual([expect.stringContaining('v2-to-v3')]);
  });

  it('keeps nothing of a migration that fails in the middle of its data', async () => {
    const runner = new MigrationRunner(scratch.path);
    await runner.runMigrations([initialSchema, indexes]);
    await scratch.run("INSERT INTO documents VALUES (1, 'a', 'b', 'now'), (2, 'c', 'd', 'now')");
    const before = await dumpDatabase(scratch.path);
    const failing = defineMigration({
      version: 3,
      name: 'vector_support',
      async up(db) {
        await db.executeScript(
          'CREATE TABLE embeddings (document_id INTEGER PRIMARY KEY, vector BLOB NOT NULL)',
        );
        await db.execute('INSERT INTO embeddings VALUES (1, ?)', [embed('a')]);
        throw new Error('the model is not there');
      },
    });
    await expect(runner.runMigrations([initialSchema, indexes, failing])).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      message: expect.stringContaining('the model is not there'),
    });
    const { tables, schema } = await dumpDatabase(scratch.path);
    expect(schema).toEqual(before.schema);
    expect(tables.documents).toEqual(before.tables.documents);
    expect(await scratch.history()).toContain('3 failed migration');
    expect((await runner.runMigrations(migrations)).version).toBe(3);
  });

  it('goes back every step and forward again, with every note', async () => {
    const runner = new MigrationRunner(scratch.path);
    await runner.runMigrations(migrations);
    await scratch.run(
      "INSERT INTO documents VALUES (1, 'a', 'b', 'now'); INSERT INTO embeddings VALUES (1, x'00')",
    );
    const fresh = await scratch.objects();
    for (const [version, left] of [
      [2, ['index documents_by_time', 'index documents_by_title', 'table documents']],
      [1, ['table documents']],
    ] as const) {
      await runner.rollback(version);
      expect(await runner.getCurrentVersion()).toBe(version);
      expect(await scratch.objects()).toEqual(left);
      expect(await titles()).toBe('a');
    }
    await runner.runMigrations(migrations);
    expect(await scratch.objects()).toEqual(fresh);
    expect(await scratch.value('SELECT count(*) FROM embeddings')).toBe(1);
    expect((await verifyDatabase(scratch.path, { migrations })).ok).toBe(true);
    // The notes themselves go only where that is said.
    await runner.rollback(0);
    expect(await scratch.objects()).toEqual([]);
    expect(await backups()).not.toEqual([]);
  });

  it('says what it would do without doing it, and its deployment fails while something is pending', async () => {
    const runner = new MigrationRunner(scratch.path);
    await runner.runMigrations([initialSchema]);
    const before = await hashesIn(scratch.folder);
    const plan = await runner.planMigrations(migrations);
    expect(plan.apply.map(({ version }) => version)).toEqual([2, 3]);
    expect(deployment()).toEqual({
      status: 2,
      stdout: 'pending: 002_indexes (code)\npending: 003_vector_support (code)\n',
    });
    expect(await hashesIn(scratch.folder)).toEqual(before);
    await runner.runMigrations(migrations);
    expect(deployment()).toEqual({ status: 0, stdout: '' });
  });

  it('refuses versions that do not rise, and a damaged database, before anything is written', async () => {
    const runner = new MigrationRunner(scratch.path);
    await expect(runner.runMigrations([initialSchema, vectorSupport, indexes])).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: '002_indexes (code) comes after 003_vector_support (code), and the versions must rise.',
    });
    await expect(runner.runMigrations([indexes, indexes])).rejects.toMatchObject({ code: 'BAD_OPTION' });
    // The list is not kept in the database: somebody has to give it.
    await expect(new MigrationRunner(scratch.path).rollback(1)).rejects.toMatchObject({ code: 'BAD_OPTION' });
    // @ts-expect-error: what a program without types may pass
    expect(() => new MigrationRunner(undefined)).toThrow(/path of a database or an open connection/);
    // @ts-expect-error: what a program without types may pass
    await expect(runner.runMigrations('migrations')).rejects.toMatchObject({ code: 'BAD_OPTION' });
    expect(await scratch.objects()).toEqual([]);
  });

  it.each([
    ['its first release', [[1, 'initial_schema']] as [number, string][], oldDocuments, [2, 3]],
    [
      'its second release',
      [
        [1, 'initial_schema'],
        [2, 'indexes'],
      ] as [number, string][],
      oldDocuments + oldIndexes,
      [3],
    ],
  ])('takes over a database of %s, and runs nothing twice', async (_what, versions, script, applied) => {
    await scratch.run(oldHistory(versions) + script);
    const before = await dumpDatabase(scratch.path);
    const hashes = await hashesIn(scratch.folder);
    await expect(upgradeDatabase({ database: scratch.path, migrations })).rejects.toMatchObject({
      code: 'OTHER_HISTORY',
      hint: expect.stringContaining('adopt'),
    });
    expect(await hashesIn(scratch.folder)).toEqual(hashes);

    const plan = await new MigrationRunner(scratch.path, { adopt: true }).planMigrations(migrations);
    expect(plan.adopt).toHaveLength(3 - applied.length);
    expect(plan.apply.map(({ version }) => version)).toEqual(applied);
    expect(deployment().status).toBe(2);
    expect(await hashesIn(scratch.folder)).toEqual(hashes);

    const program = await NotesProgram.open(scratch.path);
    expect(program.upgrade.applied.map(({ version }) => version)).toEqual(applied);
    expect((await program.search('the ferry at seven'))[0]).toBe('Harbour');
    await program.close();
    const { tables } = await dumpDatabase(scratch.path);
    expect(tables.migrations).toEqual(before.tables.migrations);
    expect(tables.documents).toEqual(before.tables.documents);
    expect(await backups()).toHaveLength(1);
    expect(await scratch.value('PRAGMA user_version')).toBe(3);
  });

  function deployment(): { readonly status: number | null; readonly stdout: string } {
    const path = fileURLToPath(
      new URL('../../../var/tests/tests/scenarios/documents/deployment-check.js', import.meta.url),
    );
    const { status, stdout } = spawnSync(process.execPath, [path, scratch.path], { encoding: 'utf8' });
    return { status, stdout };
  }
});
