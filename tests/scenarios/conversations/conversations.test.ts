import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { copyFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { MigrationService, MigrationTracking, readMigrations } from 'sqlite-upgrade-bridge';

import { dumpDatabase, type SchemaObject } from '../../support/database-dump.js';
import { testUnless, withoutProgram } from '../../support/needed.js';
import { ScratchDatabase } from '../../support/scratch-database.js';
import { readByShell } from '../../support/sqlite-shell.js';
import { openBridge, type ConversationsBridge } from './bridge.js';
import { start } from './desktop-program.js';

const folder = resolve('tests/scenarios/conversations/migrations');
const inHistory = { historyTable: 'migrations' } as const;

let scratch: ScratchDatabase;
let bridge: ConversationsBridge;

describe.each(['sqlite3', 'better-sqlite3'] as const)('a desktop program with a bridge over %s', (driver) => {
  beforeEach(async () => {
    scratch = await ScratchDatabase.make('wal', 'CREATE TABLE gone (a); DROP TABLE gone;');
    for (const name of await readdir(folder))
      await copyFile(join(folder, name), join(scratch.migrations, name));
    bridge = await openBridge(scratch.path, driver);
  });

  afterEach(async () => {
    await bridge.close();
    await scratch.remove();
  });

  const run = (): ReturnType<MigrationService['runMigrations']> =>
    new MigrationService(bridge, scratch.migrations, { ...inHistory, adopt: true }).runMigrations();

  it('migrates before its window opens, and has nothing to do the next time', async () => {
    expect(await start(bridge, scratch.migrations)).toEqual({ kind: 'window', version: 4 });
    expect(await run()).toEqual({ success: true, ran: 0, currentVersion: 4, errors: [] });
    await bridge.transaction(async () => {
      await bridge.execute("INSERT INTO conversations (id, title) VALUES ('a', 'Hello')");
      await bridge.execute("INSERT INTO messages (conversation_id, body) VALUES ('a', 'Good day')");
    });
    await bridge.execute("UPDATE conversations SET title = 'Hello again' WHERE id = 'a'");
    expect(
      await bridge.query('SELECT title, pinned, updated_at >= created_at AS later FROM conversations'),
    ).toEqual([{ title: 'Hello again', pinned: 0, later: 1 }]);
    expect(await bridge.query('SELECT filename FROM migrations ORDER BY applied_at, id')).toEqual(
      (await readdir(folder)).sort().map((filename) => ({ filename })),
    );
  });

  it('does not start where a file fails, and shows which one, why, and what to do', async () => {
    await writeFile(
      join(scratch.migrations, '005_add_colour.sql'),
      'ALTER TABLE conversations ADD COLUMN colour TEXT;\nUPDATE conversation SET colour = 1;\n',
    );
    await writeFile(join(scratch.migrations, '006_later.sql'), 'CREATE TABLE later (a);\n');
    const refused = await start(bridge, scratch.migrations);
    expect(refused).toEqual({
      kind: 'refused',
      text: expect.stringMatching(
        /^005_add_colour\.sql: Migration 005_add_colour\.sql failed at statement 2, line 2: no such table: conversation\. .*Correct the file/,
      ),
    });
    expect(await run()).toMatchObject({ success: false, ran: 0, currentVersion: 4 });
    expect(await scratch.objects()).not.toContain('table later');
    expect(
      await scratch.value("SELECT count(*) FROM pragma_table_info('conversations') WHERE name = 'colour'"),
    ).toBe(0);
    await writeFile(
      join(scratch.migrations, '005_add_colour.sql'),
      'ALTER TABLE conversations ADD COLUMN colour TEXT;\n',
    );
    expect(await start(bridge, scratch.migrations)).toEqual({ kind: 'window', version: 6 });
  });

  it('does not start where its folder is missing', async () => {
    const none = join(scratch.folder, 'none');
    expect(await start(bridge, none)).toMatchObject({ kind: 'refused' });
    expect(await new MigrationService(bridge, none).runMigrations()).toMatchObject({
      success: false,
      errors: [{ code: 'UNREADABLE_MIGRATIONS', filename: undefined }],
    });
    expect(await scratch.objects()).toEqual([]);
  });

  it('carries out a hundred files', async () => {
    for (let number = 5; number <= 100; number += 1)
      await writeFile(
        join(scratch.migrations, `${String(number).padStart(3, '0')}_table_${number}.sql`),
        `CREATE TABLE table_${number} (id INTEGER PRIMARY KEY, name TEXT NOT NULL DEFAULT '');\n`,
      );
    expect(await run()).toEqual({ success: true, ran: 100, currentVersion: 100, errors: [] });
  });

  describe('whose history is a year old', () => {
    async function oldDatabase(count: number): Promise<void> {
      const names = (await readdir(folder)).sort().slice(0, count);
      const files = await readMigrations(folder);
      for (const name of names) await scratch.run(await readFile(join(folder, name), 'utf8'));
      await scratch.run(`CREATE TABLE migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, filename TEXT NOT NULL UNIQUE,
        checksum TEXT, applied_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP);
        ${names.map((name, index) => `INSERT INTO migrations (filename, checksum, applied_at) VALUES ('${name}', '${files[index]?.checksum ?? ''}', '2025-11-0${index + 1} 09:00:00');`).join('\n')}
        INSERT INTO conversations (id, title) VALUES ('old', 'From last year');`);
    }

    it.each([1, 3, 4])('is taken over with %i files applied, none of which runs again', async (count) => {
      await oldDatabase(count);
      const before = await dumpDatabase(scratch.path);
      expect(await run()).toEqual({ success: true, ran: 4 - count, currentVersion: 4, errors: [] });
      const { tables } = await dumpDatabase(scratch.path);
      expect(tables.migrations_files?.rows).toEqual(before.tables.migrations?.rows);
      expect(await bridge.query('SELECT id, title FROM conversations')).toEqual([
        { id: 'old', title: 'From last year' },
      ]);
      // What the program's own code has read for a year.
      const own = await bridge.query('SELECT filename FROM migrations ORDER BY id');
      expect(own.map(({ filename }) => filename)).toEqual((await readdir(folder)).sort());
    });
  });

  describe('that keeps account by itself', () => {
    it('asks what is pending, and records what it has carried out', async () => {
      const tracking = new MigrationTracking(bridge, inHistory);
      await tracking.ensureMigrationsTable();
      for (const { filename, statements, checksum } of await readMigrations(folder)) {
        expect(await tracking.isPending(filename)).toBe(true);
        await bridge.transaction(async () => {
          for (const { sql } of statements) await bridge.execute(sql);
          await tracking.recordMigration(filename, checksum);
        });
        expect(await tracking.isPending(filename)).toBe(false);
      }
      const applied = await tracking.getAppliedMigrations();
      expect(applied.map(({ filename }) => filename)).toEqual((await readdir(folder)).sort());
      await expect(tracking.recordMigration('002_create_conversation_agents.sql')).rejects.toMatchObject({
        code: 'ALREADY_RECORDED',
      });
      await expect(tracking.isPending('../secret')).rejects.toMatchObject({ code: 'BAD_MIGRATION_NAME' });
      // The runner goes on from there.
      expect(await run()).toMatchObject({ success: true, ran: 0, currentVersion: 4 });
    });
  });

  testUnless(
    withoutProgram('sqlite3'),
    "has files that SQLite's own shell reads to the same schema",
    async () => {
      const byShell = join(scratch.folder, 'shell.db');
      readByShell(folder, byShell);
      await run();
      const own = (schema: readonly SchemaObject[]): readonly SchemaObject[] =>
        schema.filter(({ table }) => table !== 'migrations' && table !== 'sqlite_sequence');
      expect(own((await dumpDatabase(byShell)).schema)).toEqual(
        own((await dumpDatabase(scratch.path)).schema),
      );
    },
  );
});
