import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

import { copyDatabase } from '../support/database-copy.js';

// The package as other projects get it: packed, unpacked into a project of its own, and used from there by its name.

const root = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);

interface Description {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly bin: { readonly 'upgrade-bridge': string };
}

function isDescription(value: unknown): value is Description {
  return typeof value === 'object' && value !== null && 'version' in value && 'bin' in value;
}

let project: string;
let installed: string;
let description: Description;

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'packed-'));
  const modules = join(project, 'node_modules');
  installed = join(modules, 'sqlite-upgrade-bridge');
  await mkdir(installed, { recursive: true });
  // What it packs is built already: building it now would pull it away under the other tests.
  await run('npm', ['pack', '--ignore-scripts', '--pack-destination', project], { cwd: root });
  const [packed = ''] = (await readdir(project)).filter((name) => name.endsWith('.tgz'));
  await run('tar', ['-xzf', join(project, packed), '-C', installed, '--strip-components', '1']);
  const described: unknown = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8'));
  if (!isDescription(described)) throw new Error('Its package.json is not as expected.');
  description = described;
  for (const name of Object.keys(description.dependencies))
    await symlink(join(root, 'node_modules', name), join(modules, name));
  await writeFile(join(project, 'package.json'), '{ "type": "module" }');
});

afterAll(() => rm(project, { recursive: true, force: true }));

/** Runs a program of the project and returns what it prints. */
async function printed(program: string, environment: NodeJS.ProcessEnv = {}, flags: string[] = []) {
  const file = join(project, 'program.js');
  await writeFile(file, `import * as bridge from 'sqlite-upgrade-bridge';\n${program}`);
  const { stdout } = await run(process.execPath, [...flags, file], {
    cwd: project,
    env: { ...process.env, ...environment },
  });
  return stdout.trim();
}

/** The files of the package, and the packages beside it, that a program loads. */
async function loadedBy(program: string): Promise<string[]> {
  const coverage = await mkdtemp(join(project, 'coverage-'));
  await printed(program, { NODE_V8_COVERAGE: coverage });
  const [report = ''] = await readdir(coverage);
  const text = await readFile(join(coverage, report), 'utf8');
  const names = [
    ...text.matchAll(/"url":"file:[^"]*\/(?:sqlite-upgrade-bridge\/dist\/([^"]+)|node_modules\/([^"/]+)\/)/g),
  ];
  return [...new Set(names.map(([, own, beside]) => own ?? beside ?? ''))].sort();
}

describe('the packed package', () => {
  test('opens a storage, whose migrations it has with it', async () => {
    const program = `const storage = await bridge.openStorage({ database: 'new.db' });
      await storage.worlds.save({ id: 'w1', name: 'First world' });
      console.log((await storage.worlds.list()).map(({ name }) => name).join(), storage.report.applied.length);
      await storage.close();`;
    const files = (await readdir(join(installed, 'migrations'))).filter(
      (name) => !name.endsWith('.down.sql'),
    );
    expect(await printed(program)).toBe(`First world ${String(files.length)}`);
  });

  test('has a command that tells its version and upgrades a legacy database', async () => {
    const main = join(installed, description.bin['upgrade-bridge']);
    await copyDatabase(join(root, 'tests/fixtures/legacy/version-4-born.db'), join(project, 'legacy.db'));
    const command = (...parameters: string[]) =>
      run(process.execPath, [main, ...parameters], { cwd: project });
    expect((await command('--version')).stdout.trim()).toBe(description.version);
    const { stdout } = await command('up', '--database', 'legacy.db', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ found: 'legacy' });
  });

  test('declares the types of all that it exports', async () => {
    await writeFile(
      join(project, 'program.ts'),
      `import { openStorage, upgradeDatabase, rehearseUpgrade, type UpgradeReport } from 'sqlite-upgrade-bridge';
       const report: UpgradeReport = await upgradeDatabase({ database: 'a.db', migrations: 'migrations' });
       // @ts-expect-error there is no such option
       await openStorage({ dataBase: 'a.db' });
       export const version: number = report.version;
       export const rehearsed = await rehearseUpgrade({ database: 'a.db', migrations: '.' });
      `,
    );
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    const options = ['--noEmit', '--strict', '--module', 'NodeNext', '--target', 'ES2022'];
    const compiled = run(process.execPath, [compiler, ...options, 'program.ts'], { cwd: project });
    await expect(compiled).resolves.toEqual({ stdout: '', stderr: '' });
  });

  test('throws errors of the same classes, whichever of its files they come from', async () => {
    const program = `const codes = [];
      for (const attempt of [
        () => bridge.openStorage({ database: 7 }),
        () => bridge.upgradeDatabase({ database: 'none/new.db', migrations: 'none' }),
        () => bridge.listHistory('program.js'),
      ])
        await attempt().catch((error) => codes.push(error instanceof bridge.UpgradeBridgeError && error.name));
      console.log(codes.join());`;
    expect(await printed(program)).toBe('InvalidOptionError,FileAccessError,UnreadableDatabaseError');
  });

  test('has maps by which a stack trace tells of the TypeScript', async () => {
    const program = `await bridge.openStorage({ database: 7 }).catch((error) => console.log(error.stack));`;
    const trace = await printed(program, {}, ['--enable-source-maps']);
    expect(trace).toMatch(/core\/storage\/sqlite-storage\.ts:\d+/);
  });

  test('has nothing with it that it does not need', async () => {
    const files = await readdir(installed, { recursive: true });
    expect(
      files.filter((file) => /\.(ts|tsx|sql|js|map)$/.test(file) && !/^(dist|migrations)\b/.test(file)),
    ).toEqual([]);
    expect(files.filter((file) => file.endsWith('.json'))).toEqual(
      expect.arrayContaining(['package.json', join('dist', 'worlds.json')]),
    );
    const scripts = files.filter((file) => file.endsWith('.js'));
    for (const script of scripts) expect(files).toContain(`${script}.map`);
    expect(scripts.sort()).toEqual(
      ['cli/main', 'index', 'others', 'start', 'upgrade'].map((name) => join('dist', `${name}.js`)),
    );
  });
});

describe('what a program loads', () => {
  const folder = { database: 'notes.db', migrations: 'notes', backup: false };
  const upgrade = `await bridge.upgradeDatabase(${JSON.stringify(folder)});`;
  const driver = ['bindings', 'file-uri-to-path', 'sqlite3'];
  const lock = ['graceful-fs', 'proper-lockfile', 'retry', 'signal-exit'];

  beforeAll(async () => {
    await mkdir(join(project, 'notes'));
    await writeFile(join(project, 'notes/0001_notes.sql'), 'CREATE TABLE notes (id INTEGER PRIMARY KEY);');
  });

  test('that only imports the package, are two files and no other package', async () => {
    expect(await loadedBy('')).toEqual(['index.js', 'start.js']);
  });

  test('that has something to upgrade, is one file more, the driver and the lock', async () => {
    expect(await loadedBy(upgrade)).toEqual(
      [...driver, ...lock, 'index.js', 'start.js', 'upgrade.js'].sort(),
    );
  });

  test('that has nothing to do, is the driver besides', async () => {
    await printed(upgrade);
    expect(await loadedBy(upgrade)).toEqual([...driver, 'index.js', 'start.js'].sort());
  });
});
