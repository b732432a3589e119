import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { copyFile, mkdtemp, open, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { inspectDatabase, upgradeDatabase, type Inspection } from '../../core/index.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import { hashesIn } from '../support/database-copy.js';
import { withLegacy } from '../support/legacy-driver.js';
import { migrationsOf } from '../support/migration-values.js';

const files = {
  '0001_one.sql': 'CREATE TABLE t (id INTEGER PRIMARY KEY); CREATE INDEX by_id ON t (id);',
  '0002_two.sql': '-- Lets a thing have a name.\nALTER TABLE t ADD COLUMN name TEXT;',
  '0003_three.sql': "UPDATE t SET name = 'x';",
};
const source = { migrations: migrationsOf(files), legacy: { 1: [1], 2: [1, 2] } };
const nothing = {
  applied: [],
  failed: [],
  changed: [],
  tampering: [],
  adoptable: [],
  completable: [],
  pending: [],
  otherHistories: [],
  problem: undefined,
};
const three = [
  { version: 1, filename: '0001_one.sql', description: 'one' },
  { version: 2, filename: '0002_two.sql', description: 'Lets a thing have a name.' },
  { version: 3, filename: '0003_three.sql', description: 'three' },
];

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'database-inspection-'));
  path = join(folder, 'a.db');
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const run = (script: string): Promise<void> => withLegacy(path, (connection) => connection.run(script));

/** Inspects, and makes sure that nothing in the folder was changed by that. */
async function inspect(with_: Parameters<typeof inspectDatabase>[1] = source): Promise<Inspection> {
  const bytes = await hashesIn(folder);
  const inspection = await inspectDatabase(path, with_);
  expect(await hashesIn(folder)).toEqual(bytes);
  return inspection;
}

it('a database that is absent is told to be, and is not made', async () => {
  expect(await inspect()).toEqual({
    ...nothing,
    database: path,
    kind: 'absent',
    userVersion: undefined,
    claimed: undefined,
    evident: undefined,
    version: 0,
    differences: [],
    pending: three,
    files: three.map((file) => expect.objectContaining({ ...file, state: 'pending' })),
  });
  await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' });
});

describe.each(['wal', 'delete'] as const)('inspectDatabase, in %s mode', (journal) => {
  const made = (script: string): Promise<void> => run(`PRAGMA journal_mode = ${journal}; ${script}`);

  it('tells an empty database and its claim', async () => {
    await made('CREATE TABLE gone (a); DROP TABLE gone; PRAGMA user_version = 2;');
    expect(await inspect()).toMatchObject({
      ...nothing,
      kind: 'empty',
      userVersion: 2,
      claimed: 2,
      evident: 0,
      differences: ['user_version claims 2, but there is no table'],
      pending: three,
    });
  });

  it('tells what a legacy database claims and holds, and what would be done', async () => {
    await made(
      'CREATE TABLE t (id INTEGER PRIMARY KEY); ALTER TABLE t ADD COLUMN name TEXT; PRAGMA user_version = 1;',
    );
    expect(await inspect()).toMatchObject({
      ...nothing,
      kind: 'legacy',
      userVersion: 1,
      claimed: 1,
      evident: 0,
      version: 0,
      differences: [
        'user_version claims 1, the schema is evidently that of 0',
        '0001_one.sql: index by_id is missing',
        '0002_two.sql is there without being claimed',
      ],
      adoptable: [three[1]],
      completable: [{ ...three[0], objects: ['index by_id'] }],
      pending: [three[2]],
    });
  });

  it('tells what stands applied, what failed and what waits', async () => {
    await made('CREATE TABLE gone (a); DROP TABLE gone;');
    const failing = { ...files, '0002_two.sql': 'INSERT INTO nowhere VALUES (1);' };
    for (let attempt = 0; attempt < 2; attempt += 1)
      await expect(
        upgradeDatabase({ database: path, migrations: migrationsOf(failing), backup: false }),
      ).rejects.toThrow();
    const { applied, failed, ...rest } = await inspect();
    expect(rest).toMatchObject({
      kind: 'managed',
      userVersion: 1,
      claimed: undefined,
      evident: undefined,
      version: 1,
    });
    expect(applied.map(({ version, status, origin }) => [version, status, origin])).toEqual([
      [1, 'applied', 'migration'],
    ]);
    // Of several failed attempts at one file the newest is told.
    expect(failed.map(({ id, version, status }) => [id, version, status])).toEqual([[3, 2, 'failed']]);
    expect(rest.pending.map(({ version }) => version)).toEqual([2, 3]);

    await upgradeDatabase({ database: path, ...source, backup: false });
    expect(await inspect()).toMatchObject({ kind: 'managed', version: 3, failed: [], pending: [] });
  });

  it('tells of failures before anything was applied', async () => {
    const failing = { '0001_one.sql': 'INSERT INTO nowhere VALUES (1);' };
    await expect(upgradeDatabase({ database: path, migrations: migrationsOf(failing) })).rejects.toThrow();
    const { kind, failed } = await inspect();
    expect(kind).toBe('empty');
    expect(failed.map(({ version }) => version)).toEqual([1]);
  });

  it('tells why an upgrade would be refused', async () => {
    await made('CREATE TABLE gone (a); DROP TABLE gone;');
    await upgradeDatabase({ database: path, ...source, backup: false });
    const older = { migrations: source.migrations.slice(0, 2) };
    expect(await inspect(older)).toMatchObject({
      kind: 'newer',
      version: 3,
      pending: [],
      problem: {
        code: 'NEWER_DATABASE',
        message: expect.stringContaining('version 3'),
        hint: expect.any(String),
      },
    });
    const edited = {
      migrations: migrationsOf({ ...files, '0002_two.sql': 'ALTER TABLE t ADD COLUMN other;' }),
    };
    expect(await inspect(edited)).toMatchObject({ kind: 'managed', problem: { code: 'CHANGED_MIGRATION' } });
    await run(
      'DROP TABLE schema_migrations; CREATE TABLE schema_migrations (version varchar(9) primary key)',
    );
    expect(await inspect()).toMatchObject({
      kind: 'foreign',
      userVersion: 3,
      problem: { code: 'FOREIGN_DATABASE', message: expect.stringContaining('dbmate or Rails') },
    });
  });
});

describe('what cannot be inspected', () => {
  it('is refused where the file is no database', async () => {
    await writeFile(path, 'version https://git-lfs.github.com/spec/v1\n'.repeat(40));
    await expect(inspect()).rejects.toMatchObject({ code: 'UNREADABLE_DATABASE' });
  });

  it('is refused where the page of the schema is damaged', async () => {
    await run('PRAGMA page_size = 1024; CREATE TABLE t (a); CREATE TABLE u (a)');
    const db = await sqlite3Driver.open(path, 'read-only');
    await db.close();
    const bytes = Buffer.alloc(924, 0xab);
    const handle = await open(path, 'r+');
    await handle.write(bytes, 0, bytes.length, 100);
    await handle.close();
    await expect(inspect()).rejects.toMatchObject({ code: 'DAMAGED_DATABASE' });
  });

  it('is refused where a change must be undone first, which an upgrade does', async () => {
    await run(
      'PRAGMA page_size = 1024; CREATE TABLE t (id INTEGER PRIMARY KEY); CREATE INDEX by_id ON t (id); PRAGMA user_version = 1;',
    );
    // A program that dies in the middle of a change that has reached the file leaves a hot journal.
    const dying = join(folder, 'dying.db');
    await copyFile(path, dying);
    const db = await sqlite3Driver.open(dying, 'read-write');
    await db.executeScript(
      'PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN IMMEDIATE; INSERT INTO t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) SELECT i FROM n',
    );
    await copyFile(dying, path);
    await copyFile(`${dying}-journal`, `${path}-journal`);
    await db.execute('ROLLBACK');
    await db.close();
    await rm(dying);
    await expect(inspect()).rejects.toMatchObject({ code: 'NEEDS_RECOVERY' });
    await expect(upgradeDatabase({ database: path, ...source, backup: false })).resolves.toMatchObject({
      version: 3,
    });
    expect(await withLegacy(path, (connection) => connection.rows('SELECT count(*) AS rows FROM t'))).toEqual(
      [{ rows: 0 }],
    );
  });

  it('is refused where the only data is in a log without its file', async () => {
    await writeFile(path, '');
    await writeFile(`${path}-wal`, Buffer.alloc(4096, 1));
    await expect(inspect()).rejects.toMatchObject({ code: 'NEEDS_RECOVERY' });
  });
});
