import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { lstat, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import {
  errorCodes,
  inspectDatabase,
  openStorage,
  upgradeDatabase,
  UpgradeBridgeError,
  worldLegacyVersions,
  type ErrorCode,
} from '../../core/index.js';
import { worldMigrationsDir } from '../../core/storage/world-migrations.js';
import { badDatabases } from '../fixtures/bad-databases.js';
import { buildLegacyDatabase } from '../support/legacy-databases.js';
import { withLegacy } from '../support/legacy-driver.js';
import { testUnless } from '../support/needed.js';
import { giveToOtherUser, noTwoUsers, runAsOtherUser } from '../support/other-user.js';
import { untyped } from '../support/untyped.js';

/** What a person is told. */
interface Told {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
}

const source = { migrations: worldMigrationsDir, legacy: worldLegacyVersions };
const noBackup = { backup: false as const };

/** The error with which work is refused; undefined where it is not. */
async function refusalOf(work: Promise<unknown>): Promise<Told | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (error instanceof UpgradeBridgeError)
      return { code: codeOf(String(error.code)), message: error.message, hint: error.hint };
    throw error;
  }
}

/** What another process wrote that was refused. */
function toldIn(output: unknown): Told | undefined {
  if (typeof output !== 'object' || output === null) return undefined;
  const text = (key: string): string => String(Object.entries(output).find(([name]) => name === key)?.[1]);
  return { code: codeOf(text('code')), message: text('message'), hint: text('hint') };
}

function codeOf(name: string): ErrorCode {
  const code = errorCodes.find((each) => each === name);
  if (code === undefined) throw new Error(`There is no error ${name}.`);
  return code;
}

/** The ways in to a database. */
const doors: Readonly<Record<string, (database: string) => Promise<Told | undefined>>> = {
  openStorage: (database) => refusalOf(openStorage({ database })),
  upgradeDatabase: (database) => refusalOf(upgradeDatabase({ database, ...source })),
};

async function inspected(database: string): Promise<Told | undefined> {
  let problem: Told | undefined;
  const refusal = await refusalOf(
    inspectDatabase(database).then((inspection) => {
      problem = inspection.problem;
    }),
  );
  return refusal ?? problem;
}

/**
 * What is in a folder, byte for byte. What SQLite puts beside a database with a log for whoever reads it is left out.
 */
async function contentOf(folder: string): Promise<Readonly<Record<string, string>>> {
  const content: Record<string, string> = {};
  for (const name of (await readdir(folder)).sort()) {
    const path = join(folder, name);
    const found = await lstat(path);
    if (found.isSymbolicLink()) content[name] = `link to ${await readlink(path)}`;
    else if (!found.isFile()) content[name] = found.isDirectory() ? 'folder' : 'other';
    else
      content[name] = createHash('sha256')
        .update(await readFile(path))
        .digest('hex');
  }
  if (await hasLogMode(join(folder, 'worlds.db'))) {
    delete content['worlds.db-shm'];
    if (content['worlds.db-wal'] === emptyHash) delete content['worlds.db-wal'];
  }
  return content;
}

const emptyHash = createHash('sha256').digest('hex');

/** Whether a file is a database in WAL mode ("Database File Format", section 1.3.3), or what is left of one. */
async function hasLogMode(path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  if (found?.isFile() !== true) return false;
  const header = (await readFile(path)).subarray(0, 20);
  return header[18] === 2;
}

/** Every error tells what is the matter in a sentence, and the next step in another. */
function expectSentences(told: Told | undefined): void {
  expect(told?.message).toMatch(/^\S+( \S+){3,}/);
  expect(told?.hint).toMatch(/^[A-Z].+\.$/s);
}

let folder: string;
let path: string;

/** Makes a folder for the tests of a `describe`, and what is in it: nothing of it may change. */
function inFolder(make: () => Promise<void>): void {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bad-input-'));
    path = join(folder, 'worlds.db');
    await make();
  });

  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });
}

describe.each(badDatabases)('$name', ({ code, inspection = code, make }) => {
  inFolder(() => make(path));

  it.each(Object.entries(doors))('is refused by %s and left as it is', async (_name, door) => {
    const before = await contentOf(folder);
    const told = await door(path);
    expect(told?.code).toBe(code);
    expectSentences(told);
    expect(await contentOf(folder)).toEqual(before);
  });

  it('is told by inspectDatabase and left as it is', async () => {
    const before = await contentOf(folder);
    const told = await inspected(path);
    expect(told?.code).toBe(inspection === 'nothing' ? undefined : inspection);
    if (told !== undefined) expectSentences(told);
    expect(await contentOf(folder)).toEqual(before);
  });
});

describe('options that cannot be used', () => {
  inFolder(() => buildLegacyDatabase(path, { version: 4, worlds: 1 }));

  const numbers = [Number.NaN, -1, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0.5, '', 'abc', null];
  const cases = ['lockWaitMs', 'fullCheckBytes'].flatMap((option) =>
    numbers.map((value): [string, object] => [`${option} ${String(value)}`, { [option]: value }]),
  );

  it.each([
    ...cases,
    ['backup.keepCount 0.5', { backup: { keepCount: 0.5 } }],
    ['backup.keepCount NaN', { backup: { keepCount: Number.NaN } }],
    ['backup.keepDays -1', { backup: { keepDays: -1 } }],
    ['backup.keepDays NaN', { backup: { keepDays: Number.NaN } }],
    ['backup.folder that is not there', { backup: { folder: '/nowhere/at/all' } }],
    ['backup.folder that is empty', { backup: { folder: '' } }],
  ])('are refused before a byte is changed: %s', async (_title, options) => {
    const before = await contentOf(folder);
    for (const told of [
      await refusalOf(openStorage(untyped({ database: path }, options))),
      await refusalOf(upgradeDatabase(untyped({ database: path, ...source }, options))),
    ]) {
      expect(told?.code).toBe('BAD_OPTION');
      expectSentences(told);
    }
    expect(await contentOf(folder)).toEqual(before);
  });

  it.each([
    ['busyTimeoutMs NaN', { busyTimeoutMs: Number.NaN }],
    ['busyTimeoutMs -1', { busyTimeoutMs: -1 }],
    ['busyTimeoutMs Infinity', { busyTimeoutMs: Number.POSITIVE_INFINITY }],
    ['synchronous that is empty', { synchronous: '' }],
  ])('are refused by openStorage before a byte is changed: %s', async (_title, options) => {
    const before = await contentOf(folder);
    const told = await refusalOf(openStorage(untyped({ database: path }, options)));
    expect(told?.code).toBe('BAD_OPTION');
    expectSentences(told);
    expect(await contentOf(folder)).toEqual(before);
  });

  it.each(['', '  ', 'worlds\0.db', 'file:worlds.db', `${'x'.repeat(300)}.db`])(
    'are refused: the path %j',
    async (database) => {
      for (const told of [
        await refusalOf(openStorage({ database })),
        await refusalOf(upgradeDatabase({ database, ...source })),
        await inspected(database),
      ]) {
        expect(told?.code).toBe('BAD_OPTION');
        expectSentences(told);
      }
    },
  );

  it('are refused: a database in memory where a file is needed', async () => {
    for (const told of [
      await refusalOf(upgradeDatabase({ database: ':memory:', ...source })),
      await inspected(':memory:'),
    ]) {
      expect(told?.code).toBe('BAD_OPTION');
      expectSentences(told);
    }
  });

  it('are refused: a path that ends with a slash', async () => {
    for (const told of [
      await refusalOf(upgradeDatabase({ database: `${path}/`, ...source })),
      await inspected(`${path}/`),
    ]) {
      expect(told?.code).toBe('NOT_A_FILE');
      expectSentences(told);
    }
  });

  it.each([undefined, null, 42])('are refused: %j as migrations', async (migrations) => {
    const before = await contentOf(folder);
    for (const database of [path, join(folder, 'new.db')]) {
      const options = untyped({ database, ...source }, { migrations });
      const told = await refusalOf(upgradeDatabase({ ...options, ...noBackup }));
      expect(told?.code).toBe('BAD_OPTION');
      expect(told?.message).toMatch(/^migrations must be a folder, a bundle or a list/);
      expectSentences(told);
    }
    expect(await contentOf(folder)).toEqual(before);
  });

  it('are refused: no folder of migrations', async () => {
    const before = await contentOf(folder);
    for (const migrations of ['', join(folder, 'none')]) {
      const told = await refusalOf(upgradeDatabase({ database: path, migrations, ...noBackup }));
      expect(told?.code).toBe('UNREADABLE_MIGRATIONS');
      expectSentences(told);
    }
    expect(await contentOf(folder)).toEqual(before);
  });
});

describe('a database that a user may not use', () => {
  inFolder(() => buildLegacyDatabase(path, { version: 4, worlds: 1 }));

  const cases: readonly (readonly [title: string, code: ErrorCode, folderMode: number, fileMode: number])[] =
    [
      ['an unreadable file', 'NO_ACCESS', 0o755, 0o000],
      ['an unwritable file', 'NO_ACCESS', 0o755, 0o444],
      ['an unwritable folder', 'NO_ACCESS', 0o555, 0o644],
      ['a folder that cannot be passed', 'NO_ACCESS', 0o000, 0o644],
    ];
  for (const [title, code, folderMode, fileMode] of cases) {
    testUnless(noTwoUsers, `${title} is refused and left as it is`, async () => {
      const before = await contentOf(folder);
      giveToOtherUser(path, fileMode);
      giveToOtherUser(folder, folderMode);
      const told = toldIn(JSON.parse(await runAsOtherUser('refusal', path, worldMigrationsDir)));
      expect(told?.code).toBe(code);
      expectSentences(told);
      expect(await contentOf(folder)).toEqual(before);
    });
  }

  testUnless(noTwoUsers, 'is named with the files that another user has left beside it', async () => {
    await withLegacy(path, (db) => db.run('PRAGMA journal_mode = WAL'));
    const beside = [`${path}-wal`, `${path}-shm`];
    for (const each of beside) await writeFile(each, '', { mode: 0o644 });
    giveToOtherUser(path, 0o644);
    giveToOtherUser(folder, 0o755);
    const told = toldIn(JSON.parse(await runAsOtherUser('refusal', path, worldMigrationsDir)));
    expect(told?.code).toBe('NO_ACCESS');
    expectSentences(told);
    expect(told?.message).toContain('user 0 owns');
    for (const each of beside) expect(told?.message).toContain(`"${each}"`);
  });
});
