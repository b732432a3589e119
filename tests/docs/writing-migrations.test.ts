import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

import type { Row } from '../../core/database/database-bridge.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import { MigrationFileError } from '../../core/errors.js';
import { rehearseUpgrade, runChecks, upgradeDatabase } from '../../core/index.js';
import { parseMigration } from '../../core/storage/migration-files.js';
import { checksumOf } from '../../core/storage/migration-text.js';
import { codeBlocks } from './markdown.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const guide = await readFile(join(root, 'docs/writing-migrations.md'), 'utf8');
const files = codeBlocks(guide).filter(({ file }) => file !== undefined);
const run = promisify(execFile);

/** The example files of the guide in their order: a name between backticks, and the text under it. */
function examples(ending: RegExp): [name: string, text: string][] {
  return files
    .map(({ file = '', code }): [string, string] => [file, code])
    .filter(([name]) => ending.test(name))
    .sort(([left], [right]) => (left < right ? -1 : 1));
}

describe('the examples in docs/writing-migrations.md', () => {
  let folder: string;
  let database: string;
  let migrations: string;
  const write = ([name, text]: [string, string]) => writeFile(join(migrations, name), text);
  const query = async (sql: string): Promise<Row[]> => {
    const db = await sqlite3Driver.open(database, 'read-only');
    try {
      return await db.query(sql);
    } finally {
      await db.close();
    }
  };

  beforeAll(async () => {
    // From a folder within the project the package can be imported by its own name.
    await mkdir(join(root, 'var'), { recursive: true });
    folder = await mkdtemp(join(root, 'var', 'guide-'));
    database = join(folder, 'app.db');
    migrations = join(folder, 'migrations');
    await mkdir(migrations);
    const [first, ...others] = examples(/^\d{4}_\w+\.sql$/);
    if (first !== undefined) await write(first);
    await upgradeDatabase({ database, migrations });
    const db = await sqlite3Driver.open(database, 'read-write');
    await db.executeScript(`
      INSERT INTO users (id, name, phone) VALUES (1, 'ann', '1'), (2, 'ann', NULL), (3, '', '3'), (4, 'guest#4', NULL);
      INSERT INTO posts (user_id, text) VALUES (1, 'one'), (2, 'two'), (4, 'four');
      INSERT INTO users (id, name) VALUES (90, 'gone');
      DELETE FROM users WHERE id = 90;
    `);
    await db.close();
    await Promise.all(others.map(write));
    await Promise.all(examples(/\.down\.sql$/).map(write));
  });

  afterAll(async () => {
    await rm(folder, { recursive: true });
  });

  test('of ways back lead to where they began', async () => {
    expect(examples(/\.down\.sql$/)).toHaveLength(3);
    const rehearse = (to: number) => rehearseUpgrade({ database, migrations, to, roundTrip: true });
    expect(await rehearse(4)).toMatchObject({
      ok: true,
      roundTrip: { afterDown: { schema: [], rows: [{ table: 'users', columns: ['phone'] }] } },
    });
    expect(await rehearse(5)).toMatchObject({
      ok: false,
      error: undefined,
      roundTrip: { withoutWayBack: ['0005_unique_names.sql'] },
    });
  });

  test('of a rehearsal tell what would happen, and change nothing', async () => {
    const [example] = examples(/^rehearsal\.mjs$/);
    await writeFile(join(folder, 'rehearsal.mjs'), example?.[1] ?? '');
    const { stdout } = await run(process.execPath, ['rehearsal.mjs'], { cwd: folder });
    expect(stdout).toContain('0005_unique_names.sql');
    expect(stdout).toContain('column users.email is added');
    expect(stdout).toContain('false undefined');
    expect(await query('SELECT max(version) AS version FROM schema_migrations')).toEqual([{ version: 1 }]);
  });

  test('are eight, and run one after the other on a database with rows', async () => {
    const { applied } = await upgradeDatabase({ database, migrations, backup: false });
    expect(applied.map(({ version }) => version)).toEqual([2, 3, 4, 5, 6, 7, 8]);
  });

  test('keep the rows, the ids that were used, the view and the trigger', async () => {
    const db = await sqlite3Driver.open(database, 'read-write');
    await db.executeScript('PRAGMA foreign_keys = ON');
    expect(await db.query('SELECT id, name, email, language FROM users ORDER BY id')).toEqual([
      { id: 1, name: 'ann', email: null, language: 'en' },
      { id: 2, name: 'ann#2', email: null, language: 'en' },
      { id: 3, name: '#3', email: null, language: 'en' },
    ]);
    expect(await db.query('SELECT user_id, body FROM posts ORDER BY id')).toEqual([
      { user_id: 1, body: 'one' },
      { user_id: 2, body: 'two' },
    ]);
    expect(await db.query('SELECT id FROM authors ORDER BY id')).toEqual([{ id: 1 }, { id: 2 }]);
    const { lastInsertRowid } = await db.execute("INSERT INTO users (name) VALUES ('new')");
    expect(lastInsertRowid).toBe(91);
    await expect(db.execute("INSERT INTO posts (user_id, body) VALUES (77, '')")).rejects.toThrow(
      'no such user',
    );
    await db.close();
  });

  test('of code run like the files, and have the checksum that is told', async () => {
    const [example] = examples(/^fingerprints\.mjs$/);
    await writeFile(join(folder, 'fingerprints.mjs'), example?.[1] ?? '');
    const { stdout } = await run(process.execPath, ['fingerprints.mjs'], { cwd: folder });
    expect(stdout).toBe('009_fingerprints (code)\n');
    expect(await query('SELECT post, length(sha256) AS bytes FROM fingerprints')).toEqual([
      { post: 1, bytes: 32 },
      { post: 2, bytes: 32 },
    ]);
    expect(await query('SELECT checksum FROM schema_migrations WHERE version = 9')).toEqual([
      { checksum: checksumOf('code 9 fingerprints') },
    ]);
  });

  test('of checks are met, and each notices where it is not', async () => {
    await Promise.all(examples(/^checks\.sql$/).map(write));
    const checks = await runChecks(database, join(migrations, 'checks.sql'));
    expect(checks).toHaveLength(5);
    expect(checks.filter(({ ok }) => !ok)).toEqual([]);
    const db = await sqlite3Driver.open(database, 'read-write');
    await db.executeScript(`DROP TRIGGER posts_by_somebody; DROP VIEW authors; DROP INDEX idx_posts_user_id;
      CREATE VIEW authors AS SELECT 0 AS id; PRAGMA ignore_check_constraints = ON;
      INSERT INTO posts (user_id, body) VALUES (77, 'lost')`);
    await db.close();
    const noticed = await runChecks(database, join(migrations, 'checks.sql'));
    expect(noticed.filter(({ ok }) => !ok).map(({ name }) => name)).toEqual([
      'a post belongs to somebody',
      'whoever wrote is an author',
      'the posts of a user are found by the index',
      'no key is broken',
    ]);
  });
});

describe('what docs/writing-migrations.md says of directives', () => {
  test.each([...guide.matchAll(/^\| `(-- migration: [^`]+)`/gm)].map(([, directive = '']) => [directive]))(
    'is that %p is one',
    (directive) => {
      const sql = `${directive}\n${directive.endsWith('no-transaction') ? 'VACUUM' : 'SELECT 1'};`;
      const { description, release, requires, directives } = parseMigration('0001_a.sql', Buffer.from(sql));
      expect({ description, release, requires, directives }).not.toEqual({
        description: 'a',
        release: undefined,
        requires: [],
        directives: { noTransaction: false, allowLoss: [], drops: [] },
      });
    },
  );

  test('is all of them', () => {
    expect([...guide.matchAll(/^\| `-- migration: ([a-z-]+)/gm)].map(([, word]) => word).sort()).toEqual([
      'allow-loss',
      'description',
      'drops',
      'no-transaction',
      'release',
      'requires',
    ]);
  });
});

describe('what docs/writing-migrations.md says of statements', () => {
  const refused: readonly string[] = [
    ...[
      'BEGIN',
      'COMMIT',
      'END',
      'ROLLBACK',
      'SAVEPOINT a',
      'RELEASE a',
      'PRAGMA foreign_keys = ON',
      'VACUUM',
    ],
    ...[
      'PRAGMA user_version = 2',
      'DELETE FROM schema_migrations',
      'PRAGMA cache_size = 1',
      'EXPLAIN SELECT 1',
    ],
    ...[
      'PRAGMA writable_schema = 1',
      'DELETE FROM sqlite_schema',
      'PRAGMA legacy_alter_table = 1',
      "VACUUM INTO 'a'",
    ],
    ...[
      "ATTACH 'a' AS b",
      'DETACH b',
      "SELECT load_extension('a')",
      'SELECT ?',
      'SELECT :name',
      'SELECT @name',
    ],
    ...[
      'SELECT $name',
      "SELECT '",
      'SELECT "',
      'SELECT [',
      'SELECT 1 /*',
      'CREATE TRIGGER a',
      'SELECT 1\0',
      '',
      '--',
    ],
    ...['PRAGMA journal_mode = WAL', 'PRAGMA auto_vacuum = 1', 'PRAGMA page_size = 4096'],
  ];

  test.each(refused.map((sql) => [JSON.stringify(sql), sql]))('is that %s is refused', (_title, sql) => {
    expect(() => parseMigration('0001_a.sql', new TextEncoder().encode(sql))).toThrow(MigrationFileError);
  });

  test('is that these pragmas are allowed', () => {
    const [, list = ''] = /^Of the pragmas ([^]*?) are allowed/m.exec(guide) ?? [];
    const pragmas = [...list.matchAll(/`(\w+)`/g)].map(([, name = '']) => name);
    expect(pragmas).toHaveLength(10);
    for (const pragma of pragmas) {
      const sql = `PRAGMA ${pragma}('a')`;
      expect(parseMigration('0001_a.sql', new TextEncoder().encode(sql)).statements).toHaveLength(1);
    }
  });
});
