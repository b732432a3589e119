import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import { upgradeDatabase } from '../../core/index.js';
import { MigrationFileError } from '../../core/errors.js';
import { parseMigration } from '../../core/storage/migration-files.js';

const guide = new URL('../../docs/writing-migrations.md', import.meta.url);

/** The example files of the guide: a name between backticks, and the SQL under it. */
async function examples(): Promise<[filename: string, sql: string][]> {
  const text = await readFile(guide, 'utf8');
  const blocks = text.matchAll(/^`(\d{4}_\w+\.sql)`\n\n```sql\n([^]*?)^```$/gm);
  return [...blocks].map(([, filename = '', sql = '']) => [filename, sql]);
}

describe('the examples in docs/writing-migrations.md', () => {
  let folder: string;
  let database: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'guide-'));
    database = join(folder, 'app.db');
    const [first, ...others] = await examples();
    const write = ([filename, sql]: [string, string]) => writeFile(join(folder, filename), sql);
    if (first !== undefined) await write(first);
    await upgradeDatabase({ database, migrations: folder });
    const db = await sqlite3Driver.open(database, 'read-write');
    await db.executeScript(`
      INSERT INTO users (id, name, phone) VALUES (1, 'ann', '1'), (2, 'ann', NULL), (3, '', '3'), (4, 'guest#4', NULL);
      INSERT INTO posts (user_id, text) VALUES (1, 'one'), (2, 'two'), (4, 'four');
      INSERT INTO users (id, name) VALUES (90, 'gone');
      DELETE FROM users WHERE id = 90;
    `);
    await db.close();
    await Promise.all(others.map(write));
  });

  afterAll(async () => {
    await rm(folder, { recursive: true });
  });

  test('are eight, and run one after the other on a database with rows', async () => {
    const { applied } = await upgradeDatabase({ database, migrations: folder, backup: false });
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

  test('is that these pragmas are allowed', async () => {
    const text = await readFile(guide, 'utf8');
    const [, list = ''] = /^Of the pragmas ([^]*?) are allowed/m.exec(text) ?? [];
    const pragmas = [...list.matchAll(/`(\w+)`/g)].map(([, name = '']) => name);
    expect(pragmas).toHaveLength(10);
    for (const pragma of pragmas) {
      const sql = `PRAGMA ${pragma}('a')`;
      expect(parseMigration('0001_a.sql', new TextEncoder().encode(sql)).statements).toHaveLength(1);
    }
  });
});
