import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFile, execFileSync } from 'node:child_process';
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import {
  bundleMigrations,
  inspectDatabase,
  MigrationService,
  openStorage,
  readMigrations,
  rollBackDatabase,
  upgradeAll,
  upgradeDatabase,
  verifyDatabase,
  worldLegacyVersions,
  worldMigrationsDir,
  writeBundle,
  type MigrationBundle,
} from '../../core/index.js';
import { isBundle } from '../../core/storage/migration-bundle.js';
import { findUpToDate } from '../../core/storage/up-to-date.js';
import { buildLegacyDatabase } from '../support/legacy-databases.js';
import { withLegacy } from '../support/legacy-driver.js';

let folder: string;
let sql: string;
let database: string;

const oddText = 'it\'s "odd" \\ \\n ${x} `y` </script> \u2028\u2029\ufeff\u0085 \u{1f600} é';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bundle-'));
  sql = join(folder, 'sql');
  database = join(folder, 'a.db');
  await mkdir(sql);
  await write('0001_notes.sql', 'CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT);\n');
  await write('0001_notes.down.sql', '-- migration: drops notes\nDROP TABLE notes;\n');
  await write(
    '0002_odd.sql',
    `\ufeff-- An odd text.\r\nINSERT INTO notes (body) VALUES ('${oddText.replaceAll("'", "''")}');\r\n`,
  );
  await write('0004_plain.up.sql', '-- migration: no-transaction\nVACUUM;');
  await write('checks.sql', '-- check: there is a note\n-- expect: value 1\nSELECT count(*) FROM notes;\n');
});

afterEach(() => rm(folder, { recursive: true, force: true }));

function write(name: string, text: string): Promise<void> {
  return writeFile(join(sql, name), text);
}

async function written(name: string): Promise<string> {
  const out = join(folder, name);
  await writeBundle({ folder: sql, out });
  return out;
}

/** A bundle as a program gets it from its module or its JSON. */
async function loaded(path: string): Promise<MigrationBundle> {
  const program = path.endsWith('.json')
    ? `process.stdout.write(require('node:fs').readFileSync(${JSON.stringify(path)}, 'utf8'))`
    : `import(${JSON.stringify(path)}).then((module) => process.stdout.write(JSON.stringify(module.default)))`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--eval', program]);
  const value: unknown = JSON.parse(stdout);
  if (isBundle(value)) return value;
  throw new Error(`${path} gives no bundle.`);
}

describe('a bundle', () => {
  it.each(['b.mjs', 'b.cjs', 'b.json'])(
    'as %s is what the folder makes, whatever its texts hold',
    async (name) => {
      const bundle = await loaded(await written(name));
      expect(bundle).toEqual(await bundleMigrations(sql));
      expect(bundle.migrations.map(({ filename, down }) => [filename, down?.filename])).toEqual([
        ['0001_notes.sql', '0001_notes.down.sql'],
        ['0002_odd.sql', undefined],
        ['0004_plain.up.sql', undefined],
      ]);
      await upgradeDatabase({ database, migrations: bundle, backup: false });
      const rows = await withLegacy(database, (connection) => connection.rows('SELECT body FROM notes'));
      expect(rows).toEqual([{ body: oddText }]);
    },
  );

  it.each(['b.ts', 'b.mts'])('as %s is accepted by the compiler as migrations', async (name) => {
    const project = fileURLToPath(new URL('../../', import.meta.url));
    await mkdir(join(folder, 'node_modules'));
    await symlink(project, join(folder, 'node_modules/sqlite-upgrade-bridge'));
    await symlink(join(project, 'node_modules/@types'), join(folder, 'node_modules/@types'));
    const out = await written(name);
    const program = join(folder, 'program.mts');
    const imported = name.replace(/ts$/, 'js');
    await writeFile(
      program,
      `import { upgradeDatabase } from 'sqlite-upgrade-bridge';\nimport migrations from './${imported}';\nawait upgradeDatabase({ database: 'a.db', migrations });\n`,
    );
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
    const compiler = join(project, 'node_modules/typescript/bin/tsc');
    const settings = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022', '--skipLibCheck'];
    await promisify(execFile)(process.execPath, [compiler, ...settings, '--types', 'node', program], {
      cwd: folder,
    });
    expect(await readFile(out, 'utf8')).not.toMatch(/[\u2028\u2029\ufeff\u0085]/);
  });

  it('has the same bytes from the same folder, and its file is left alone where it is right', async () => {
    const out = join(folder, 'b.mjs');
    expect(await writeBundle({ folder: sql, out })).toMatchObject({
      state: 'written',
      version: 4,
      migrations: 3,
      down: 1,
      checks: true,
    });
    const bytes = await readFile(out, 'utf8');
    expect((await writeBundle({ folder: sql, out })).state).toBe('current');
    await writeFile(out, bytes.replaceAll('\n', '\r\n'));
    expect((await writeBundle({ folder: sql, out, check: true })).state).toBe('current');
    expect((await readdir(folder)).sort()).toEqual(['b.mjs', 'sql']);
  });

  it.each([
    ['a text', () => write('0001_notes.sql', 'CREATE TABLE notes (id INTEGER PRIMARY KEY, body ANY);\n')],
    [
      'a way back',
      () => write('0001_notes.down.sql', '-- migration: drops notes\nDROP TABLE IF EXISTS notes;\n'),
    ],
    ['a new file', () => write('0005_more.sql', 'CREATE TABLE more (a);')],
    ['the checks', () => rm(join(sql, 'checks.sql'))],
  ])('is found different by a check after a change of %s, and not written', async (_, change) => {
    const out = await written('b.json');
    const before = await readFile(out, 'utf8');
    await change();
    expect((await writeBundle({ folder: sql, out, check: true })).state).toBe('different');
    expect(await readFile(out, 'utf8')).toBe(before);
  });

  it('is not made of a folder that could not be applied', async () => {
    await write('0005_wrong.sql', 'COMMIT;');
    const out = join(folder, 'b.mjs');
    await expect(writeBundle({ folder: sql, out })).rejects.toMatchObject({ code: 'FORBIDDEN_STATEMENT' });
    expect(await readdir(folder)).toEqual(['sql']);
  });

  it('is only written where its name says what it is to be', async () => {
    await expect(writeBundle({ folder: sql, out: join(folder, 'b.sql') })).rejects.toMatchObject({
      code: 'BAD_OPTION',
      hint: 'Let it end in one of .json, .js, .mjs, .cjs, .ts, .mts.',
    });
    await expect(writeBundle({ folder: sql, out: join(folder, 'none/b.mjs') })).rejects.toMatchObject({
      code: 'NO_ACCESS',
    });
  });

  it('is written where a link leads, which stays, with the permissions that were there', async () => {
    const [real, link, later] = ['real.json', 'link.json', 'later.json'].map((name) => join(folder, name));
    if (real === undefined || link === undefined || later === undefined) throw new Error('There are three.');
    await writeFile(real, '', { mode: 0o600 });
    await symlink('real.json', link);
    await writeBundle({ folder: sql, out: link });
    expect((await lstat(link)).isSymbolicLink()).toBe(true);
    expect((await stat(real)).mode & 0o777).toBe(0o600);
    expect(await readFile(real, 'utf8')).toContain('0001_notes.sql');
    await rm(link);
    await symlink('later.json', link);
    await writeBundle({ folder: sql, out: link });
    expect(await readFile(later, 'utf8')).toBe(await readFile(real, 'utf8'));
  });

  it('is written by two at once, also beside what a killed process of the same number left', async () => {
    const out = join(folder, 'b.json');
    for (const left of ['', '-1', '-2', '-3', '-4', '-5', '-6', '-7', '-8', '-9'])
      await writeFile(`${out}.${process.pid}${left}.partial`, 'half');
    await Promise.all([writeBundle({ folder: sql, out }), writeBundle({ folder: sql, out })]);
    await expect(writeBundle({ folder: sql, out, check: true })).resolves.toMatchObject({ state: 'current' });
  });

  it.each(['a pipe', 'a folder'])('is not written into %s', async (kind) => {
    const out = join(folder, 'b.json');
    if (kind === 'a pipe') execFileSync('mkfifo', [out]);
    else await mkdir(out);
    for (const check of [false, true])
      await expect(writeBundle({ folder: sql, out, check })).rejects.toMatchObject({
        code: 'NO_ACCESS',
        message: `The bundle "${out}" cannot be written: it is a folder, a pipe or a device.`,
      });
  });

  it.each([
    ['a link that leads nowhere', (path: string) => symlink('nowhere.sql', path)],
    ['a folder', (path: string) => mkdir(path)],
    ['a pipe', (path: string) => promisify(execFile)('mkfifo', [path])],
  ])('is not made, and nothing is verified, where checks.sql is %s', async (_kind, make) => {
    await upgradeDatabase({ database, migrations: sql });
    await rm(join(sql, 'checks.sql'));
    await make(join(sql, 'checks.sql'));
    const calls = [() => bundleMigrations(sql), () => verifyDatabase(database, { migrations: sql })];
    for (const call of calls)
      await expect(call()).rejects.toMatchObject({
        code: 'UNREADABLE_MIGRATIONS',
        message: expect.stringMatching(
          /checks\.sql" cannot be read: it (is a folder|does not exist, or is a link)/,
        ),
      });
  });

  it('cannot be changed', async () => {
    const bundle = await bundleMigrations(sql);
    const parts = [
      bundle,
      bundle.migrations,
      ...bundle.migrations,
      bundle.migrations[0]?.down,
      bundle.checks,
    ];
    for (const part of parts) expect(Object.isFrozen(part)).toBe(true);
  });
});

describe('with a bundle', () => {
  const quick = async (migrations: MigrationBundle | string, rereadFiles = false): Promise<boolean> =>
    (await findUpToDate({ database, migrations, rereadFiles }, false)) !== undefined;

  it('a database is up to date that was upgraded from the folder, and the other way round', async () => {
    await upgradeDatabase({ database, migrations: sql, backup: false });
    const bundle = await bundleMigrations(sql);
    expect(await quick(bundle)).toBe(true);
    expect(await quick(bundle, true)).toBe(true);
    const other = join(folder, 'other.db');
    await upgradeDatabase({ database: other, migrations: bundle, backup: false });
    expect(await findUpToDate({ database: other, migrations: sql }, false)).toBeDefined();
  });

  it('the folder is needed by nothing: verifying with its checks, going back, many databases, a service', async () => {
    const bundle = await bundleMigrations(sql);
    await rm(sql, { recursive: true });
    const options = { database, migrations: bundle, backup: false } as const;
    expect(await new MigrationService(database, bundle, { backup: false }).runMigrations()).toMatchObject({
      success: true,
      currentVersion: 4,
    });
    expect(await verifyDatabase(database, { migrations: bundle })).toMatchObject({
      ok: true,
      checks: [{ name: 'there is a note', ok: true }],
    });
    const other = join(folder, 'b.db');
    await writeFile(other, '');
    const summary = await upgradeAll({
      databases: [database, other],
      migrations: bundle,
      backup: false,
    });
    expect(summary).toMatchObject({ upToDate: 1, upgraded: 1, failures: [] });
    await expect(rollBackDatabase({ ...options, to: 0 })).rejects.toMatchObject({ code: 'NO_WAY_BACK' });
    expect((await inspectDatabase(database, { migrations: bundle })).kind).toBe('managed');
  });

  it('another one is noticed, and brings what is new in it', async () => {
    const before = await bundleMigrations(sql);
    await upgradeDatabase({ database, migrations: before, backup: false });
    await write('0005_more.sql', 'CREATE TABLE more (a);');
    await write('0005_more.down.sql', '-- migration: drops more\nDROP TABLE more;');
    const migrations = await bundleMigrations(sql);
    expect(await quick(migrations)).toBe(false);
    const report = await upgradeDatabase({ database, migrations, backup: false });
    expect(report.applied.map(({ filename }) => filename)).toEqual(['0005_more.sql']);
    await expect(upgradeDatabase({ database, migrations: before })).rejects.toMatchObject({
      code: 'NEWER_DATABASE',
    });
    const { rolledBack } = await rollBackDatabase({ database, migrations, backup: false });
    expect(rolledBack.map(({ version }) => version)).toEqual([5]);
  });

  it.each([1, 4, 7] as const)('a storage of release %d is brought over', async (version) => {
    await buildLegacyDatabase(database, { version, worlds: 2 });
    const migrations = await bundleMigrations(worldMigrationsDir);
    const storage = await openStorage({ database, migrations, legacy: worldLegacyVersions, backup: false });
    expect(storage.report).toMatchObject({ found: 'legacy', version: 11 });
    expect(await storage.worlds.list()).toHaveLength(2);
    await storage.close();
    const again = await openStorage({ database, legacy: worldLegacyVersions });
    expect(again.report.upToDate).toBe(true);
    await again.close();
  });

  it('and a folder, a storage is not opened', async () => {
    const migrations = await bundleMigrations(sql);
    await expect(openStorage({ database, migrations, migrationsDir: sql })).rejects.toMatchObject({
      code: 'BAD_OPTION',
    });
  });
});

describe('a bundle that is not as it was written is refused before anything is done', () => {
  const digits = '0'.repeat(64);
  type Change = (bundle: MigrationBundle) => unknown;
  const changes: readonly (readonly [string, Change])[] = [
    ['a text', (bundle) => withFirst(bundle, { sql: 'CREATE TABLE notes (id);' })],
    ['a checksum', (bundle) => withFirst(bundle, { checksum: digits })],
    ['a name', (bundle) => withFirst(bundle, { filename: '0001_note.sql' })],
    ['a number', (bundle) => withFirst(bundle, { filename: '0003_notes.sql' })],
    [
      'a way back',
      (bundle) => withFirst(bundle, { down: { filename: '0001_notes.down.sql', sql: '', checksum: digits } }),
    ],
    ['no text', (bundle) => withFirst(bundle, { sql: undefined })],
    ['null in place of a way back', (bundle) => withFirst(bundle, { down: null })],
    ['one taken out', (bundle) => ({ ...bundle, migrations: bundle.migrations.slice(1) })],
    ['an empty entry', (bundle) => ({ ...bundle, migrations: [null, ...bundle.migrations] })],
    ['no list', (bundle) => ({ ...bundle, migrations: {} })],
    ['another digest', (bundle) => ({ ...bundle, digest: digits })],
    ['a later format', (bundle) => ({ ...bundle, format: 2 })],
    ['a module in place of its default export', (bundle) => ({ default: bundle })],
  ];

  function withFirst(bundle: MigrationBundle, change: object): unknown {
    const [first, ...rest] = bundle.migrations;
    return { ...bundle, migrations: [{ ...first, ...change }, ...rest] };
  }

  it.each(changes)('%s', async (_, change) => {
    const migrations = change(await bundleMigrations(sql));
    if (!isBundle(migrations)) throw new Error('That is no bundle.');
    await expect(upgradeDatabase({ database, migrations })).rejects.toMatchObject({ code: 'BAD_BUNDLE' });
    expect(await readdir(folder)).toEqual(['sql']);
  });

  it('also where there is nothing to do, where each start is to read all', async () => {
    const bundle = await bundleMigrations(sql);
    await upgradeDatabase({ database, migrations: bundle, backup: false });
    const migrations = withFirst(bundle, { sql: 'CREATE TABLE notes (id);' });
    if (!isBundle(migrations)) throw new Error('That is no bundle.');
    expect(await upgradeDatabase({ database, migrations })).toMatchObject({ upToDate: true });
    await expect(upgradeDatabase({ database, migrations, rereadFiles: true })).rejects.toMatchObject({
      code: 'BAD_BUNDLE',
      message: expect.stringContaining('0001_notes.sql'),
    });
  });

  it('its checks, where they are carried out', async () => {
    const bundle = await bundleMigrations(sql);
    await upgradeDatabase({ database, migrations: bundle, backup: false });
    const checks = {
      filename: 'checks.sql',
      sql: '-- check: none\n-- expect: rows\nSELECT 1;',
      checksum: digits,
    };
    await expect(verifyDatabase(database, { migrations: { ...bundle, checks } })).rejects.toMatchObject({
      code: 'BAD_BUNDLE',
    });
  });
});

describe('the list that reading a folder gives', () => {
  it('cannot be changed, so that its digest stays', async () => {
    const list = await readMigrations(sql);
    expect(Object.isFrozen(list) && list.every((each) => Object.isFrozen(each))).toBe(true);
  });
});
