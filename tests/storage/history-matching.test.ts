import { createHash } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { adoptHistory } from '../../core/index.js';
import { isChanged, matchHistory, type Match } from '../../core/storage/history-matching.js';
import { hasChecksum } from '../../core/storage/other-checksums.js';
import type { OtherHistory, OtherRow } from '../../core/storage/other-history.js';
import { partsOfName, releaseOf } from '../../core/storage/other-names.js';
import { DatabaseFolder } from '../support/database-folder.js';
import { migrationsOf } from '../support/migration-values.js';
import { otherDatabase } from '../support/other-histories.js';

const files = migrationsOf({
  '0001_create_users.sql': '-- migration: release 1.0.0\nCREATE TABLE users (id);',
  '0002_add_email.sql': '-- migration: release 1.1.0\nALTER TABLE users ADD COLUMN email;',
  '0003_add_index.sql': '-- migration: release 1.1.0\nCREATE INDEX one ON users (email);',
  '0007_add_index.sql': 'CREATE INDEX two ON users (id);',
});

function row(values: Partial<OtherRow>): OtherRow {
  return {
    label: values.name ?? values.version ?? 'a row',
    name: undefined,
    version: undefined,
    checksum: undefined,
    appliedAt: undefined,
    state: { kind: 'applied' },
    reach: 'one',
    ...values,
  };
}

function matched(...rows: readonly Partial<OtherRow>[]) {
  return matchedWith(files, ...rows);
}

function matchedWith(migrations: typeof files, ...rows: readonly Partial<OtherRow>[]) {
  const history: OtherHistory = {
    ...{ tool: 'knex', title: 'knex', table: 'knex_migrations', companions: [] },
    ...{ rows: rows.map(row), inOrder: false, locked: false },
  };
  const { matches, unmatched } = matchHistory(history, migrations);
  return { matches: matches.map(({ migration, by }) => [migration.version, by]), unmatched };
}

describe('the name of a migration', () => {
  it.each([
    ['20240301090000-create-users.js', 20240301090000, 'create_users'],
    ['migrations/001_create_users.sql', 1, 'create_users'],
    ['2024.03.01T09.00.00.create-users.ts', 20240301090000, 'create_users'],
    ['0000_create_users', 0, 'create_users'],
    ['001_create_users.up.sql', 1, 'create_users'],
    ['Create users', undefined, 'create_users'],
    ['20240301090000', 20240301090000, undefined],
    ['Übersicht ändern', undefined, 'übersicht_ändern'],
    ['99999999999999999999_x', undefined, 'x'],
    ['', undefined, undefined],
  ])('%s', (name, number, slug) => {
    expect(partsOfName(name)).toMatchObject({ number, slug });
  });
});

it.each([
  ['1.1.0', '1.1.0'],
  ['v1.1', '1.1.0'],
  ['1.1.0-beta.2', '1.1.0-beta.2'],
  ['1', undefined],
  ['20240301090000', undefined],
  [undefined, undefined],
])('the release %s is %s', (text, release) => {
  expect(releaseOf(text)).toBe(release);
});

describe('a checksum is known by its length', () => {
  const sql = 'CREATE TABLE t (a);\nCREATE TABLE u (b);\n';
  const hash = (algorithm: string, text = sql): string => createHash(algorithm).update(text).digest('hex');

  it.each(['md5', 'sha1', 'sha256', 'sha512'])('%s', (algorithm) => {
    expect(hasChecksum(sql, hash(algorithm))).toBe(true);
    expect(hasChecksum(sql, hash(algorithm).toUpperCase())).toBe(true);
    expect(hasChecksum(sql, hash(algorithm, 'other'))).toBe(false);
  });

  it('also of a file with other line ends', () => {
    expect(hasChecksum(sql, hash('sha256', sql.replaceAll('\n', '\r\n')))).toBe(true);
  });

  it('a number of 32 bits', () => {
    // Python: zlib.crc32 of the lines without their ends, signed.
    expect(hasChecksum(sql, '-1202620797')).toBe(true);
    expect(hasChecksum(sql, '-1202620796')).toBe(false);
  });

  it('and nothing is said of any other', () => {
    expect(hasChecksum(sql, 'x')).toBeUndefined();
    expect(hasChecksum(sql, 'abc123')).toBeUndefined();
  });
});

describe('a row is matched', () => {
  it('by its name, whatever its number', () => {
    expect(matched({ name: '1_create_users.js' }, { name: '55_add-email.js' }).matches).toEqual([
      [1, 'name'],
      [2, 'name'],
    ]);
  });

  it('by its name and its number, where several files have the name', () => {
    expect(matched({ name: '7_add_index.js' }).matches).toEqual([[7, 'name']]);
    expect(matched({ name: '8_add_index.js' })).toEqual({
      matches: [],
      unmatched: ['8_add_index.js: 0003_add_index.sql and 0007_add_index.sql bear its name'],
    });
  });

  it('by its checksum, where the name is another', () => {
    const { checksum } = files[1] ?? {};
    expect(matched({ name: 'whatever', checksum }).matches).toEqual([[2, 'checksum']]);
  });

  it('by its checksum only where one file alone has it', () => {
    const sql = 'DELETE FROM cache;';
    const twins = migrationsOf({ '0001_clear.sql': sql, '0002_clear_again.sql': sql });
    expect(matchedWith(twins, { name: 'whatever', checksum: twins[0]?.checksum ?? '' })).toEqual({
      matches: [],
      unmatched: ['whatever: there is no such file'],
    });
  });

  it('by its release only where it has no name', () => {
    expect(matched({ version: '1.1.0', name: 'something else' })).toEqual({
      matches: [],
      unmatched: ['something else: there is no such file'],
    });
  });

  it('by its release, with every file of it', () => {
    expect(matched({ version: '1.1' }, { version: '1.0.0' }).matches).toEqual([
      [1, 'version'],
      [2, 'version'],
      [3, 'version'],
    ]);
    expect(matched({ version: '3.0.0' }).unmatched).toEqual([
      '3.0.0: no file says "-- migration: release 3.0.0"',
    ]);
  });

  it('by its number only where it has no name', () => {
    expect(matched({ version: '0002' }).matches).toEqual([[2, 'version']]);
    expect(matched({ version: '2', name: 'something else' }).unmatched).toEqual([
      'something else: 0002_add_email.sql has its number and another name',
    ]);
    expect(matched({ version: '5' }).unmatched).toEqual(['5: there is no such file']);
  });

  it('with everything up to its version', () => {
    expect(matched({ version: '3', reach: 'up to' }).matches).toEqual([
      [1, 'version'],
      [2, 'version'],
      [3, 'version'],
    ]);
    expect(matched({ version: '4', reach: 'up to' }).unmatched).toEqual(['4: there is no file of version 4']);
  });

  it('with no file that another row has', () => {
    expect(matched({ name: 'create_users' }, { name: '1-create-users' })).toEqual({
      matches: [[1, 'name']],
      unmatched: ['1-create-users: 0001_create_users.sql belongs to create_users already'],
    });
  });

  it('and told where its checksum is another', () => {
    const [migration] = files;
    if (migration === undefined) throw new Error('There is no file.');
    const changed = (checksum: string | undefined): boolean => {
      const match: Match = { migration, row: row({ checksum }), by: 'name' };
      return isChanged(match, [match]);
    };
    expect(['0'.repeat(64), migration.checksum, 'x', undefined].map(changed)).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });
});

describe("a folder with drizzle's journal", () => {
  const drizzle = otherDatabase('drizzle, with its files as they are');
  let place: DatabaseFolder;
  let folder: string;

  beforeEach(async () => {
    place = await DatabaseFolder.make();
    await drizzle.make(place.path);
    folder = join(place.folder, 'sql');
    await mkdir(join(folder, 'meta'), { recursive: true });
    for (const [name, sql] of Object.entries(otherDatabase('the package sqlite').files))
      await writeFile(join(folder, name), sql);
  });

  afterEach(() => place.remove());

  const write = (text: string): Promise<void> => writeFile(join(folder, 'meta', '_journal.json'), text);
  const adopt = () => adoptHistory({ database: place.path, migrations: folder, dryRun: true });

  it('has the names of the rows', async () => {
    const entries = ['create_users', 'add_email', 'seed_users'].map((name, idx) => ({
      ...{ idx, version: '6', when: Date.UTC(2024, 2, idx + 1) },
      ...{ tag: `000${idx}_${name}`, breakpoints: true },
    }));
    await write(JSON.stringify({ version: '7', dialect: 'sqlite', entries }));
    const { files: adopted } = await adopt();
    expect(adopted.map(({ version, row: name, by }) => [version, name, by])).toEqual([
      [1, '0000_create_users', 'name'],
      [2, '0001_add_email', 'name'],
      [3, '0002_seed_users', 'name'],
    ]);
  });

  it.each([['{'], ['{"entries": 1}'], ['{"entries": [{"idx": 0}]}']])(
    'is refused where that is none: %s',
    async (text) => {
      await write(text);
      await expect(adopt()).rejects.toMatchObject({
        code: 'UNREADABLE_MIGRATIONS',
        message: expect.stringMatching(/^The journal of drizzle .*_journal\.json" cannot be read: .+\.$/),
      });
    },
  );

  it('needs none', async () => {
    await rm(join(folder, 'meta'), { recursive: true });
    expect((await adopt()).files.map(({ by }) => by)).toEqual(['order', 'order', 'order']);
  });
});

describe('a number in user_version', () => {
  let place: DatabaseFolder;

  beforeEach(async () => {
    place = await DatabaseFolder.make();
    await otherDatabase('user_version alone').make(place.path);
  });

  afterEach(() => place.remove());

  it('that is no number of a file counts the files, as far as the schema shows them', async () => {
    const stamped = migrationsOf(otherDatabase('dbmate').files);
    const { files: adopted } = await adoptHistory({
      database: place.path,
      migrations: stamped,
      dryRun: true,
    });
    expect(adopted.map(({ version, by }) => [version, by])).toEqual([
      [20240229101500, 'order'],
      [20240301090000, 'order'],
      [20240302120000, 'order'],
    ]);
    await place.run('PRAGMA user_version = 4');
    await expect(adoptHistory({ database: place.path, migrations: stamped })).rejects.toMatchObject({
      code: 'ADOPTION_MISMATCH',
    });
  });
});

it('one row of golang-migrate is never the first file only', async () => {
  const place = await DatabaseFolder.make();
  const golang = otherDatabase('golang-migrate');
  await golang.make(place.path);
  await place.run(
    'DROP INDEX users_email; UPDATE schema_migrations SET version = 9; ALTER TABLE users DROP COLUMN email',
  );
  await expect(
    adoptHistory({ database: place.path, migrations: migrationsOf(golang.files) }),
  ).rejects.toMatchObject({
    code: 'ADOPTION_MISMATCH',
    message: expect.stringContaining('version 9: there is no file of version 9'),
  });
  await place.remove();
});
