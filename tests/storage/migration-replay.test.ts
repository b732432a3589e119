import { describe, expect, it } from '@jest/globals';

import { readMigrations, worldMigrationsDir, type CodeMigration } from '../../core/index.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import { withTransaction } from '../../core/database/transaction.js';
import { mergeMigrations } from '../../core/storage/code-migrations.js';
import { replayMigrations, runUp } from '../../core/storage/migration-replay.js';
import type { Migration } from '../../core/storage/migration.js';
import { emptySchema, readSchema, type SchemaSnapshot } from '../../core/storage/schema-snapshot.js';
import { historyTable } from '../support/history-table.js';
import { withDatabase } from '../support/memory-database.js';
import { migrationsOf } from '../support/migration-values.js';

/** A schema with the order of its tables and objects. */
const listed = ({ tables, objects }: SchemaSnapshot): unknown => [[...tables], [...objects]];

/** The schema after each file, each on a look of its own at a database on which one file after the other is carried out. */
function looked(migrations: readonly Migration[]): Promise<unknown[]> {
  return withDatabase('', async (db) => {
    const schemas: unknown[] = [];
    for (const migration of migrations) {
      const run = (): Promise<void> => runUp(db, historyTable, migration);
      await (migration.directives.noTransaction ? run() : withTransaction(db, run));
      schemas.push(listed(await readSchema(db, historyTable)));
    }
    return schemas;
  });
}

async function replayed(migrations: readonly Migration[]): Promise<unknown[]> {
  const { steps, final } = await replayMigrations({ driver: sqlite3Driver, historyTable }, migrations);
  expect(listed(final)).toEqual(listed(steps.at(-1)?.after ?? emptySchema));
  for (const [index, { before }] of steps.entries())
    expect(listed(before)).toEqual(index === 0 ? [[], []] : listed(steps[index - 1]?.after ?? before));
  return steps.map(({ after }) => listed(after));
}

/** Files that add, change, replace, rename and take away, with keys that leave their parent's columns unsaid. */
const files = migrationsOf({
  '0001_one.sql': `CREATE TABLE child (id INTEGER PRIMARY KEY AUTOINCREMENT, parent TEXT REFERENCES parent);
    CREATE TABLE parent (a TEXT PRIMARY KEY, b TEXT); CREATE INDEX of_b ON parent (b);`,
  '0002_more.sql': `ALTER TABLE child ADD COLUMN note TEXT; CREATE VIEW seen AS SELECT a FROM parent;
    CREATE TRIGGER child AFTER UPDATE ON child BEGIN SELECT 1; END;`,
  '0003_nothing.sql': "INSERT INTO parent VALUES ('a', 'b');",
  '0004_rebuild.sql': `-- migration: drops of_b, seen
    DROP VIEW seen; CREATE TABLE made (b TEXT, a TEXT, PRIMARY KEY (b, a)); INSERT INTO made SELECT b, a FROM parent;
    DROP TABLE parent; ALTER TABLE made RENAME TO parent; CREATE INDEX of_b ON parent (a);`,
  '0005_alone.sql': '-- migration: no-transaction\nVACUUM;',
  '0006_rename.sql': 'ALTER TABLE child RENAME COLUMN note TO notes; DROP TRIGGER child;',
  '0007_words.sql': 'CREATE VIRTUAL TABLE words USING fts5(word);',
});

describe('a replay', () => {
  it('tells the schema after each file as a look after each file does', async () => {
    const worlds = await readMigrations(worldMigrationsDir);
    expect(await replayed(worlds)).toEqual(await looked(worlds));
    expect(await replayed(files)).toEqual(await looked(files));
    expect(await replayed([])).toEqual([]);
  });

  it('runs migrations in code in their place among the files', async () => {
    const code: CodeMigration = {
      version: 8,
      name: 'code',
      up: (db) => db.executeScript('ALTER TABLE parent ADD COLUMN c TEXT'),
    };
    const later = migrationsOf({ '0009_last.sql': 'CREATE INDEX of_c ON parent (c);' });
    const all = mergeMigrations([...files, ...later], [code]);
    expect(await replayed(all)).toEqual(await looked(all));
  });

  it('names the statement that fails, in whichever file it stands', async () => {
    const broken = [
      ...files,
      ...migrationsOf({ '0008_fine.sql': 'SELECT 1;', '0009_bad.sql': 'SELECT 1;\n\nDROP TABLE gone;' }),
    ];
    await expect(
      replayed([...broken, ...migrationsOf({ '0010_after.sql': 'SELECT 1;' })]),
    ).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      message: 'Migration 0009_bad.sql failed at statement 2, line 3: no such table: gone.',
      place: { filename: '0009_bad.sql', statement: 2, line: 3 },
    });
  });
});
