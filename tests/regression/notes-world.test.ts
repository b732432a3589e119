import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { inspectDatabase, upgradeDatabase, UpgradeBridgeError, verifyDatabase } from '../../core/index.js';
import type { DatabaseBridge, Row } from '../../core/database/database-bridge.js';
import { upgradeConnection } from '../../core/storage/upgrade-database.js';
import { splitStatements } from '../../core/storage/sql-script.js';
import { dumpDatabase, type DatabaseDump } from '../support/database-dump.js';
import { withLegacy } from '../support/legacy-driver.js';
import { withDatabase } from '../support/memory-database.js';
import { migrationsOf } from '../support/migration-values.js';
import { notesFiles, notesLegacyVersions, notesMigrations } from '../support/notes-world.js';
import { describeSchema, schemaFaults, type DescribedSchema } from '../support/schema-by-pragmas.js';

const source = { migrations: notesMigrations, legacy: notesLegacyVersions };
const texts = Object.values(notesFiles);
const rows = `INSERT INTO notes (title, body) VALUES ('One', 'first'), (NULL, ''), ('  Blanks ', 'second'), ('', 'third'), ('Gone', '');
  DELETE FROM notes WHERE title = 'Gone';
  INSERT INTO drafts VALUES (3, 'worth a note'), (9, ''), (10, NULL);`;

let folder: string;
let fresh: DescribedSchema;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'notes-world-'));
  const database = join(folder, 'fresh.db');
  await upgradeDatabase({ database, ...source });
  fresh = await describeSchema(database);
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** A database on which the files were carried out by hand, with rows from the first file on. */
async function made(name: string, count: number, claim: number, journal = 'delete'): Promise<string> {
  const path = join(folder, `${name}.db`);
  await rm(path, { force: true });
  await withLegacy(path, async (connection) => {
    await connection.run(`PRAGMA synchronous = OFF; PRAGMA journal_mode = ${journal};`);
    for (const [index, text] of texts.slice(0, count).entries()) {
      await connection.run(`BEGIN; ${text}\n; COMMIT;`);
      if (index === 0) await connection.run(rows);
    }
    await connection.run(`PRAGMA user_version = ${claim};`);
  });
  return path;
}

/** Everything in a database but its history. */
function content({ tables }: DatabaseDump): unknown {
  return Object.entries(tables)
    .filter(([name]) => name !== 'schema_migrations')
    .map(([name, { columns, rows: found }]) => ({
      name,
      columns: [...columns].sort(),
      // A table gets its line in sqlite_sequence when it is first written, and so does the history.
      rows:
        name === 'sqlite_sequence' ? found.filter((row) => row.name !== "text 'schema_migrations'") : found,
    }));
}

describe.each([1, 2, 3, 4, 5, 6, 7])('the notes of another project, as far as file %i', (count) => {
  it.each([0, 1, 2, 3, 4, 5])(
    'come out as if no file had ever been adopted, where they claim %i',
    async (claim) => {
      const journal = claim % 2 === 0 ? 'wal' : 'delete';
      const path = await made('bridged', count, claim, journal);
      const before = await inspectDatabase(path, source);
      const report = await upgradeDatabase({ database: path, ...source, backup: false });
      const after = await dumpDatabase(path);

      expect(report).toMatchObject({ found: 'legacy', claimed: claim, version: 7 });
      expect([...report.adopted, ...report.completed, ...report.applied]).toHaveLength(7);
      expect(report.adopted.map(({ version }) => version)).toEqual(
        before.adoptable.map(({ version }) => version),
      );
      expect(report.applied.map(({ version }) => version)).toEqual(
        before.pending.map(({ version }) => version),
      );
      expect(schemaFaults(fresh, await describeSchema(path))).toEqual([]);
      expect(after).toMatchObject({ userVersion: 7, journalMode: journal });

      const byHand = await dumpDatabase(await made('by-hand', 7, 7));
      // The history of a file that was applied by hand is as long as the files.
      expect(content(after)).toEqual(content(byHand));
      expect(await verifyDatabase(path, source)).toMatchObject({ ok: true, drift: [], extras: [] });
      expect(await upgradeDatabase({ database: path, ...source })).toMatchObject({ upToDate: true });
    },
  );
});

describe('notes that cannot be brought over', () => {
  const refused = async (script: string, code: string, sentence: RegExp): Promise<void> => {
    const path = join(folder, 'refused.db');
    await rm(path, { force: true });
    await withLegacy(path, (connection) => connection.run(script));
    const before = await dumpDatabase(path);
    const upgrade = upgradeDatabase({ database: path, ...source, backup: false });
    await expect(upgrade).rejects.toMatchObject({ code });
    await expect(upgrade).rejects.toThrow(sentence);
    const after = await dumpDatabase(path);
    expect(after.tables.notes).toEqual(before.tables.notes);
    if (code === 'ADOPTION_FAILED') expect(after).toEqual(before);
  };
  const [first = '', second = '', third = '', fourth = ''] = texts;

  it('because their rows do not fit the rules that a half-done step should have given them, say so', () =>
    refused(
      `${first} ${rows} ${second} CREATE TABLE folders (name TEXT PRIMARY KEY) WITHOUT ROWID; PRAGMA user_version = 3;`,
      'ADOPTION_FAILED',
      /completed with what is missing of 0003_require_titles\.sql: NOT NULL constraint failed: notes\.title\./,
    ));

  it('because a half-done step builds upon a table that is gone, say so', () =>
    refused(
      'CREATE TABLE folders (name TEXT PRIMARY KEY) WITHOUT ROWID; PRAGMA user_version = 3;',
      'ADOPTION_FAILED',
      /could not be completed: 0003_require_titles\.sql would still not be wholly there\./,
    ));

  it('because an older step would undo a part of a newer one, are stopped before the last commit', async () => {
    // The rebuild never happened, and what came after it was made of two objects, one of which hangs on the table.
    const files = {
      '0001_one.sql': 'CREATE TABLE t (a TEXT); CREATE TRIGGER touch AFTER UPDATE ON t BEGIN SELECT 1; END;',
      '0002_two.sql': `CREATE TABLE n (a TEXT CHECK (a <> '')); INSERT INTO n SELECT * FROM t; DROP TABLE t;
        ALTER TABLE n RENAME TO t; CREATE TRIGGER touch AFTER UPDATE ON t BEGIN SELECT 1; END;`,
      '0003_three.sql': `DROP TRIGGER touch; CREATE TRIGGER touch AFTER UPDATE ON t BEGIN SELECT 3; END; CREATE TABLE u (a);`,
    };
    const past = `${files['0001_one.sql']} ${files['0003_three.sql']} PRAGMA user_version = 3;`;
    await withDatabase(past, async (db) => {
      const upgrade = upgradeConnection(db, { migrations: migrationsOf(files), legacy: { 3: [1, 2, 3] } });
      await expect(upgrade).rejects.toMatchObject({
        code: 'SCHEMA_MISMATCH',
        message: expect.stringContaining('would not have the schema of a fresh one: trigger touch differs'),
        place: { filename: '0002_two.sql' },
      });
      expect(await db.query('SELECT version, status FROM schema_migrations WHERE version = 2')).toEqual([
        { version: 2, status: 'failed' },
      ]);
    });
  });

  it('because they are newer than all that is known, say so', () =>
    refused(
      `${first} ${second} ${third} ${fourth} PRAGMA user_version = 6;`,
      'FOREIGN_DATABASE',
      /user_version is 6, outside 0 to 5/,
    ));
});

/** What may come of a past in which any statement may have failed. */
const named = ['FOREIGN_DATABASE', 'ADOPTION_FAILED', 'MIGRATION_FAILED'];

interface Past {
  readonly count: number;
  readonly claim: number;
  /** Which statements were not carried out, by file and place. */
  readonly failed: readonly string[];
}

const statements = texts.flatMap((text, file) =>
  splitStatements(text).map((_, place) => `${file + 1}.${place}`),
);

const pasts: fc.Arbitrary<Past> = fc.record({
  count: fc.integer({ min: 1, max: 7 }),
  claim: fc.integer({ min: 0, max: 5 }),
  failed: fc.oneof(
    fc.subarray(statements, { maxLength: 2 }),
    fc.subarray(statements, { maxLength: 6 }),
    fc.subarray(statements),
  ),
});

async function live(db: DatabaseBridge, { count, claim, failed }: Past): Promise<void> {
  const attempt = async (sql: string): Promise<void> => {
    // The old programs caught the error and went on.
    await db.executeScript(sql).catch(() => undefined);
  };
  for (const [file, text] of texts.slice(0, count).entries()) {
    for (const [place, { sql }] of splitStatements(text).entries())
      if (!failed.includes(`${file + 1}.${place}`)) await attempt(sql);
    if (file === 0) for (const { sql } of splitStatements(rows)) await attempt(sql);
  }
  await db.executeScript(`PRAGMA user_version = ${claim}`);
}

async function everything(db: DatabaseBridge): Promise<Row[]> {
  const found = await db.query('SELECT type, name, sql FROM sqlite_schema ORDER BY type, name');
  const tables = found
    .filter(({ type, sql }) => type === 'table' && sql !== null)
    .map(({ name }) => String(name));
  const held = await Promise.all(tables.map((name) => db.query(`SELECT * FROM "${name}"`)));
  return [...found, ...held.flat(), ...(await db.query('PRAGMA user_version'))];
}

async function has(db: DatabaseBridge, table: string): Promise<boolean> {
  return (
    (await db.query("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", [table])).length > 0
  );
}

async function bodiesOf(db: DatabaseBridge): Promise<Row[]> {
  if (!(await has(db, 'notes'))) return [];
  return db.query("SELECT id, body FROM notes WHERE body <> '' ORDER BY id");
}

it('whatever failed in their past, they come out whole, or are refused by name and left as they are', async () => {
  const want = await withDatabase('', async (db) => {
    await upgradeConnection(db, source);
    return db.query('SELECT type, name FROM sqlite_schema ORDER BY type, name');
  });
  await fc.assert(
    fc.asyncProperty(pasts, (past) =>
      withDatabase('', async (db) => {
        await live(db, past);
        const before = await everything(db);
        const bodies = await bodiesOf(db);
        try {
          await upgradeConnection(db, source);
        } catch (error) {
          if (!(error instanceof UpgradeBridgeError)) throw error;
          expect(named).toContain(error.code);
          if (error.code !== 'MIGRATION_FAILED') expect(await everything(db)).toEqual(before);
          expect(await bodiesOf(db)).toEqual(expect.arrayContaining(bodies));
          return;
        }
        const names = await db.query('SELECT type, name FROM sqlite_schema ORDER BY type, name');
        expect(names).toEqual(expect.arrayContaining(want));
        expect(await bodiesOf(db)).toEqual(expect.arrayContaining(bodies));
        expect(await upgradeConnection(db, source)).toMatchObject({ upToDate: true, version: 7 });
      }),
    ),
    { numRuns: Number(process.env.LEGACY_RUNS ?? 60) },
  );
}, 3_600_000);
