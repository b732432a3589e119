import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import { MigrationFileError, type ErrorCode } from '../../core/errors.js';
import { parseMigration, readMigrations } from '../../core/storage/migration-files.js';
import { checksumOf } from '../../core/storage/migration-text.js';

const fixtures = new URL('../fixtures/migrations/', import.meta.url).pathname;

async function refusal(folder: string): Promise<MigrationFileError> {
  try {
    await readMigrations(folder);
  } catch (error) {
    if (error instanceof MigrationFileError) return error;
    throw error;
  }
  throw new Error(`accepted: ${folder}`);
}

function parse(text: string | Uint8Array, filename = '0001_create_users.sql') {
  return parseMigration(filename, typeof text === 'string' ? new TextEncoder().encode(text) : text);
}

function refused(text: string | Uint8Array, filename?: string): MigrationFileError {
  try {
    parse(text, filename);
  } catch (error) {
    if (error instanceof MigrationFileError) return error;
    throw error;
  }
  throw new Error(`accepted: ${String(text)}`);
}

describe('readMigrations', () => {
  test('gives the migrations of a folder in the order of their numbers', async () => {
    const migrations = await readMigrations(join(fixtures, 'sound'));
    expect(migrations.map(({ version, name, filename }) => [version, name, filename])).toEqual([
      [1, 'create_users', '0001_create_users.sql'],
      [2, 'add_email', '0002_add_email.sql'],
      [10, 'forget-guests', '00010_forget-guests.sql'],
      [11, 'compact', '11_compact.sql'],
    ]);
    expect(migrations[1]).toEqual({
      version: 2,
      name: 'add_email',
      filename: '0002_add_email.sql',
      description: 'add email',
      sql: 'ALTER TABLE users ADD COLUMN email TEXT;\nCREATE INDEX idx_users_email ON users(email);\n',
      checksum: 'cf922bee46d96991988b7defb28c615a9ab70bf6023af043aba6b72cdbe06f5c',
      statements: [
        { sql: 'ALTER TABLE users ADD COLUMN email TEXT', line: 1 },
        { sql: 'CREATE INDEX idx_users_email ON users(email)', line: 2 },
      ],
      directives: { noTransaction: false, allowLoss: [], drops: [] },
      requires: [],
      down: {
        filename: '0002_add_email.down.sql',
        sql: 'DROP INDEX idx_users_email;\nALTER TABLE users DROP COLUMN email;\n',
        statements: [
          { sql: 'DROP INDEX idx_users_email', line: 1 },
          { sql: 'ALTER TABLE users DROP COLUMN email', line: 2 },
        ],
        directives: { noTransaction: false, allowLoss: [], drops: [] },
      },
    });
    expect(migrations[2]).toMatchObject({
      description: 'Guests are no longer kept.',
      directives: { noTransaction: false, allowLoss: ['users'], drops: ['idx_users_email', 'users.email'] },
    });
    expect(migrations[3]?.directives).toEqual({ noTransaction: true, allowLoss: [], drops: [] });
  });

  test('takes NNNN_name.up.sql for the same as NNNN_name.sql, with its way back', async () => {
    const [migration] = await readMigrations(join(fixtures, 'sound-up'));
    expect(migration).toMatchObject({
      version: 1,
      name: 'create_users',
      filename: '0001_create_users.up.sql',
    });
    expect(migration?.down?.filename).toBe('0001_create_users.down.sql');
  });

  test('guards the history under the name that it has', async () => {
    await expect(readMigrations(join(fixtures, 'sound'), { historyTable: 'Users' })).rejects.toMatchObject({
      code: 'FORBIDDEN_STATEMENT',
      file: '0001_create_users.sql',
    });
    await expect(
      readMigrations(join(fixtures, 'history-insert'), { historyTable: 'h' }),
    ).resolves.toHaveLength(1);
  });

  type Row = readonly [
    folder: string,
    code: ErrorCode,
    line: number | undefined,
    message: RegExp,
    hint: RegExp,
  ];
  const rows: readonly Row[] = [
    [
      'ending-in-capitals',
      'BAD_MIGRATION_NAME',
      undefined,
      /"0002_add_email.SQL" is not/,
      /to 0002_add_email\.sql/,
    ],
    ['dash-for-underscore', 'BAD_MIGRATION_NAME', undefined, /"1-x.SQL" is not/, /Rename it to 0001_x\.sql/],
    ['no-number', 'BAD_MIGRATION_NAME', undefined, /"create_users.sql" is not/, /0001_create_users\.sql/],
    [
      'odd-letters',
      'BAD_MIGRATION_NAME',
      undefined,
      /create users/,
      /Rename it to 0001_create_users_new\.sql/,
    ],
    ['hidden-file', 'BAD_MIGRATION_NAME', undefined, /"\._0001_create_users\.sql"/, /delete it/],
    [
      'lonely-down-file',
      'BAD_MIGRATION_NAME',
      undefined,
      /expected 0002_add_email\.sql beside/,
      /or delete it/,
    ],
    ['misspelt-down-file', 'BAD_MIGRATION_NAME', undefined, /Down\.SQL/, /to 0001_create_users\.down\.sql/],
    ['number-zero', 'BAD_MIGRATION_NAME', undefined, /number 0/, /0001_init\.sql/],
    ['number-too-large', 'BAD_MIGRATION_NAME', undefined, /at most 9007199254740991/, /0001, 0002/],
    ['duplicate-number', 'DUPLICATE_MIGRATION', undefined, /001_create_groups\.sql and 1_create_users\.sql both have the number 1/, /next free number/], // prettier-ignore
    ['no-migration', 'NO_MIGRATIONS', undefined, /holds no migration/, /right folder/],
    ['folder-for-a-file', 'UNREADABLE_MIGRATIONS', undefined, /it is a folder, a pipe or a device/, /Check/],
    ['latin-1', 'BAD_MIGRATION_TEXT', 2, /from byte 102 on\.$/, /UTF-8/],
    ['cut-off-utf-8', 'BAD_MIGRATION_TEXT', 2, /from byte 71 on\.$/, /UTF-8/],
    ['utf-16', 'BAD_MIGRATION_TEXT', 1, /from byte 0 on; it is UTF-16/, /UTF-8/],
    ['only-comments', 'BAD_MIGRATION_TEXT', undefined, /no SQL statement/, /Write/],
    ['nul-character', 'BAD_MIGRATION_TEXT', 2, /a text begins here and has no end/, /quote/],
    ['unterminated-comment', 'BAD_MIGRATION_TEXT', 2, /a comment begins here/, /asterisk/],
    ['unterminated-text', 'BAD_MIGRATION_TEXT', 2, /a text begins here/, /written twice/],
    ['unterminated-name', 'BAD_MIGRATION_TEXT', 1, /a quoted name begins here/, /double quote/],
    ['unterminated-trigger', 'BAD_MIGRATION_TEXT', 2, /a trigger begins here/, /semicolon after each/],
    ['illegal-character', 'BAD_MIGRATION_TEXT', 2, /"\{" is nothing/, /quotes/],
    ['bind-parameter', 'BAD_MIGRATION_TEXT', 2, /":name" is a bind parameter/, /value itself/],
    ['begin-and-commit', 'FORBIDDEN_STATEMENT', 1, /BEGIN would start/, /BEGIN and COMMIT/],
    ['attach', 'FORBIDDEN_STATEMENT', 2, /ATTACH/, /in your program/],
    ['vacuum-in-transaction', 'FORBIDDEN_STATEMENT', 2, /VACUUM cannot/, /no-transaction/],
    ['explain', 'FORBIDDEN_STATEMENT', 2, /EXPLAIN/, /Delete/],
    ['foreign-keys-pragma', 'FORBIDDEN_STATEMENT', 1, /foreign_keys does nothing/, /not enforced/],
    ['history-insert', 'FORBIDDEN_STATEMENT', 3, /schema_migrations/, /written for you/],
    ['history-table', 'FORBIDDEN_STATEMENT', 1, /schema_migrations/, /itself creates/],
    ['schema-table', 'FORBIDDEN_STATEMENT', 2, /sqlite_master/, /CREATE, ALTER and DROP/],
    ['load-extension', 'FORBIDDEN_STATEMENT', 2, /load_extension/, /opens the database/],
    ['unknown-directive', 'BAD_DIRECTIVE', 1, /"allow_loss" is unknown; expected allow-loss, description, drops, no-transaction, release or requires/, /-- migration: allow-loss TABLE/], // prettier-ignore
    ['description-as-directive', 'BAD_DIRECTIVE', 1, /"creates" is unknown/, /leave out the word/],
    ['misplaced-directive', 'BAD_DIRECTIVE', 2, /after the first statement/, /head of the file/],
    [
      'directive-without-names',
      'BAD_DIRECTIVE',
      2,
      /drops is followed by nothing/,
      /-- migration: drops NAME/,
    ],
    [
      'directive-in-block-comment',
      'BAD_DIRECTIVE',
      2,
      /looks like a directive/,
      /"-- migration: allow-loss"/,
    ],
    ['two-statements-without-transaction', 'BAD_DIRECTIVE', 3, /holds 2 statements/, /file of its own/],
    ['needless-no-transaction', 'BAD_DIRECTIVE', 2, /holds CREATE/, /Delete the line/],
  ];

  test.each(rows)('refuses the folder %s: %s', async (folder, code, line, message, hint) => {
    const error = await refusal(join(fixtures, folder));
    expect({ code: error.code, line: error.line }).toEqual({ code, line });
    expect(error.message).toMatch(message);
    expect(error.message).toContain(error.file);
    expect(error.message).toMatch(/\.$/);
    expect(error.hint).toMatch(hint);
    expect(error.hint).toMatch(/[.?;]$/);
  });
});

describe('readMigrations, of a folder', () => {
  const users = 'CREATE TABLE users (id INTEGER PRIMARY KEY);\n';
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'migrations-'));
    await chmod(folder, 0o755);
  });

  afterEach(async () => {
    await chmod(folder, 0o755);
    await rm(folder, { recursive: true });
  });

  /** Carries out something without the rights of root, for whom every file is readable. */
  async function asNobody<Result>(action: () => Promise<Result>): Promise<Result> {
    const isRoot = process.geteuid?.() === 0;
    if (isRoot) process.seteuid?.(65_534);
    try {
      return await action();
    } finally {
      if (isRoot) process.seteuid?.(0);
    }
  }

  test('that is missing', async () => {
    const missing = join(folder, 'nowhere');
    const error = await refusal(missing);
    expect(error.code).toBe('UNREADABLE_MIGRATIONS');
    expect(error.file).toBe(missing);
    expect(error.message).toContain('it does not exist');
  });

  test('that is a file', async () => {
    await writeFile(join(folder, 'file'), '');
    const error = await refusal(join(folder, 'file'));
    expect(error.code).toBe('UNREADABLE_MIGRATIONS');
    expect(error.message).toContain('it is no folder');
  });

  test('that may not be read', async () => {
    await chmod(folder, 0o000);
    const error = await asNobody(() => refusal(folder));
    expect(error.code).toBe('UNREADABLE_MIGRATIONS');
    expect(error.message).toContain('this user may not read it');
  });

  test('with a file that may not be read', async () => {
    await writeFile(join(folder, '0001_a.sql'), users, { mode: 0o000 });
    const error = await asNobody(() => refusal(folder));
    expect(error.code).toBe('UNREADABLE_MIGRATIONS');
    expect(error.file).toBe('0001_a.sql');
    expect(error.message).toContain('this user may not read it');
  });

  test('with a named pipe for a file, without waiting for a writer', async () => {
    execFileSync('mkfifo', [join(folder, '0001_a.sql')]);
    const error = await refusal(folder);
    expect(error.code).toBe('UNREADABLE_MIGRATIONS');
    expect(error.message).toContain('it is a folder, a pipe or a device');
  });

  test('with links: to a file it follows them, to nowhere or themselves it refuses them', async () => {
    await mkdir(join(folder, 'elsewhere'));
    await writeFile(join(folder, 'elsewhere', 'real.txt'), users);
    await symlink(join('elsewhere', 'real.txt'), join(folder, '0001_a.sql'));
    expect(await readMigrations(folder)).toMatchObject([{ version: 1, sql: users }]);

    await symlink('nowhere', join(folder, '0002_b.sql'));
    const dangling = await refusal(folder);
    expect(dangling.code).toBe('UNREADABLE_MIGRATIONS');
    expect(dangling.message).toContain('a link that leads nowhere');

    await rm(join(folder, '0002_b.sql'));
    await symlink('0002_b.sql', join(folder, '0002_b.sql'));
    expect((await refusal(folder)).message).toContain('a link that leads to itself');
  });

  test('with more files than are open at a time, in order', async () => {
    const numbers = Array.from({ length: 50 }, (_, index) => index + 1);
    await Promise.all(
      numbers.map((number) => writeFile(join(folder, `${number}_a.sql`), `SELECT ${number};`)),
    );
    const migrations = await readMigrations(folder);
    expect(migrations.map(({ version }) => version)).toEqual(numbers);
    expect(migrations.map(({ sql }) => sql)).toEqual(numbers.map((number) => `SELECT ${number};`));
  });

  test('whose largest number is the largest that JavaScript counts to', async () => {
    await writeFile(join(folder, '09007199254740991_a.sql'), users);
    expect(await readMigrations(folder)).toMatchObject([{ version: Number.MAX_SAFE_INTEGER }]);
  });
});

describe('parseMigration', () => {
  const users = '-- Users\nCREATE TABLE users (id);\nSELECT 1;\n';

  test.each([
    ['a byte order mark', `\uFEFF${users}`],
    ['CRLF line ends', users.replaceAll('\n', '\r\n')],
    ['CR line ends', users.replaceAll('\n', '\r')],
    ['all of them', `\uFEFF-- Users\r\nCREATE TABLE users (id);\rSELECT 1;\n`],
  ])('makes the same migration of a text with %s', (_name, text) => {
    expect(parse(text)).toEqual(parse(users));
    expect(parse(text).statements.map(({ line }) => line)).toEqual([2, 3]);
  });

  test('makes another checksum of any other text', () => {
    const texts = [
      users,
      `${users} `,
      users.trimEnd(),
      users.toUpperCase(),
      `\uFEFF\uFEFF${users}`,
      `\n${users}`,
    ];
    expect(new Set(texts.map((text) => parse(text).checksum)).size).toBe(texts.length);
  });

  test('keeps a text with every kind of character', () => {
    const sql = "SELECT 'é 名前 😀 \u00A0 \u2028 \uFFFD \uFEFF';";
    expect(parse(sql).sql).toBe(sql);
  });

  test.each([
    [[0x80], 0],
    [[0x61, 0xff], 1],
    [[0x61, 0xc3], 1],
    [[0x61, 0xc3, 0x28], 1],
    [[0xe2, 0x82, 0x28], 0],
    [[0xf0, 0x9f, 0x98, 0x61, 0x61], 0],
    [[0xc3, 0xa9, 0xed, 0xa0, 0x80], 2],
    [[0xc0, 0xaf], 0],
    [[...new Array<number>(1_000).fill(0x61), 0xff, ...new Array<number>(1_000).fill(0x61)], 1_000],
  ])('finds the byte at which %j stops being UTF-8', (bytes, offset) => {
    expect(refused(Uint8Array.from(bytes)).message).toContain(`from byte ${offset} on`);
  });

  test('refuses a NUL that stands outside of texts', () => {
    const error = refused('SELECT 1;\0DROP TABLE users;');
    expect(error.code).toBe('BAD_MIGRATION_TEXT');
    expect(error.message).toContain('NUL');
  });

  test.each([
    'x.sql',
    '0001_.sql',
    '0001__x.sql',
    '_x.sql',
    '0001_x',
    '0001_x.sql ',
    '0001_x.down.sql',
    '+1_x.sql',
    '١_x.sql',
  ])('refuses the name %j', (filename) => {
    expect(refused('SELECT 1', filename)).toMatchObject({ code: 'BAD_MIGRATION_NAME', file: filename });
  });

  test.each(['1_x.sql', '000000000000000000001_x.sql', '0001_X-y_2.sql', '0001_2.sql', '0001_x-.sql'])(
    'takes the name %j',
    (filename) => {
      expect(parse('SELECT 1', filename).version).toBe(1);
    },
  );
});

describe('checksumOf', () => {
  test('is the SHA-256 of the text in UTF-8, in lower-case hexadecimal', () => {
    expect(checksumOf('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    expect(checksumOf('é')).toBe('4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c');
  });
});
