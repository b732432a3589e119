import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import { HistoryConflictError } from '../../core/errors.js';
import { inspectDatabase, upgradeDatabase } from '../../core/index.js';
import { refuseUnmetRequirements } from '../../core/storage/migration-requirements.js';
import { hashesIn } from '../support/database-copy.js';
import { withDatabase } from '../support/memory-database.js';
import { migrationOf } from '../support/migration-values.js';
import { ScratchDatabase } from '../support/scratch-database.js';
import { journalModes } from '../support/storage-database.js';

const needing = (list: string): ReturnType<typeof migrationOf> =>
  migrationOf('0001_needy.sql', `-- migration: requires ${list}\nCREATE TABLE t (a);`);

/** What the SQLite that runs lacks of a list of requirements, as the error says it. */
const lack = (list: string): Promise<string | undefined> =>
  withDatabase('', async (db) => {
    try {
      await refuseUnmetRequirements(db, [needing(list)]);
      return undefined;
    } catch (error) {
      if (!(error instanceof HistoryConflictError)) throw error;
      return error.message;
    }
  });

async function sqliteVersion(): Promise<number[]> {
  const db = await sqlite3Driver.open(':memory:', 'create');
  const [row] = await db.query('SELECT sqlite_version() AS version');
  await db.close();
  return String(row?.version).split('.').map(Number);
}

describe('what a migration requires of SQLite', () => {
  it.each(['sqlite >= 3', 'sqlite >= 3.35', 'sqlite>=3.9.2', 'SQLite >= 3.35.5'])(
    'is met with %p',
    async (list) => {
      expect(await lack(list)).toBeUndefined();
    },
  );

  it('is compared number by number', async () => {
    const [major = 0, minor = 0, patch = 0] = await sqliteVersion();
    const same = `${major}.${minor}.${patch}`;
    expect(await lack(`sqlite >= ${same}`)).toBeUndefined();
    expect(await lack(`sqlite >= ${major}.${minor}`)).toBeUndefined();
    for (const newer of [
      `${major}.${minor}.${patch + 1}`,
      `${major}.${minor + 1}`,
      `${major + 1}`,
      `${major}.1000`,
    ])
      expect(await lack(`sqlite >= ${newer}`)).toBe(
        `Migration 0001_needy.sql needs SQLite ${newer} or newer (this is ${same}).`,
      );
  });

  it.each([
    'fts5',
    'FTS5',
    'rtree',
    'json_extract',
    'generate_series_of_nothing',
    'dbstat',
    'math_functions',
  ])('may be a module, a function or an option by name: %p', async (name) => {
    const db = await sqlite3Driver.open(':memory:', 'create');
    const [found] = await db.query(
      `SELECT EXISTS (SELECT 1 FROM pragma_module_list WHERE name = ?1)
           OR EXISTS (SELECT 1 FROM pragma_function_list WHERE name = ?1)
           OR EXISTS (SELECT 1 FROM pragma_compile_options WHERE compile_options = 'ENABLE_' || upper(?1)) AS found`,
      [name.toLowerCase()],
    );
    await db.close();
    const expected =
      found?.found === 1 ? undefined : `Migration 0001_needy.sql needs SQLite with ${name.toLowerCase()}.`;
    expect(await lack(name)).toBe(expected);
  });

  it('is each of several', async () => {
    expect(await lack('sqlite >= 3.35, json_extract')).toBeUndefined();
    expect(await lack('sqlite >= 3.35, flying, swimming')).toBe(
      'Migration 0001_needy.sql needs SQLite with flying.',
    );
  });
});

describe.each(journalModes)('a requirement that is not met, in %s mode,', (journal) => {
  let scratch: ScratchDatabase;

  beforeEach(async () => {
    scratch = await ScratchDatabase.make(journal, 'CREATE TABLE mine (a); DROP TABLE mine;');
    await scratch.write({
      '001_one.sql': 'CREATE TABLE one (a);',
      '002_two.sql': 'CREATE TABLE two (a);',
      '003_needy.sql': '-- migration: requires teleportation\nCREATE TABLE three (a);',
    });
  });

  afterEach(() => scratch.remove());

  it('is named before anything runs, however late the file comes', async () => {
    const source = { database: scratch.path, migrations: scratch.migrations, backup: false } as const;
    const before = await hashesIn(scratch.folder);
    await expect(upgradeDatabase(source)).rejects.toMatchObject({
      code: 'UNMET_REQUIREMENT',
      version: 3,
      message: 'Migration 003_needy.sql needs SQLite with teleportation.',
    });
    expect(await hashesIn(scratch.folder)).toEqual(before);
    expect(await upgradeDatabase({ ...source, to: 2 })).toMatchObject({ version: 2 });
    expect((await inspectDatabase(scratch.path, source)).pending).toHaveLength(1);
  });

  it('is asked of nothing that stands applied already', async () => {
    const source = { database: scratch.path, migrations: scratch.migrations, backup: false } as const;
    await scratch.write({ '003_needy.sql': '-- migration: requires sqlite >= 3.8\nCREATE TABLE three (a);' });
    await upgradeDatabase(source);
    expect((await upgradeDatabase(source)).upToDate).toBe(true);
  });
});

it('a new database is not even made where a requirement is not met', async () => {
  const scratch = await ScratchDatabase.make('wal');
  await expect(
    upgradeDatabase({ database: scratch.path, migrations: [needing('teleportation')] }),
  ).rejects.toMatchObject({ code: 'UNMET_REQUIREMENT' });
  expect(await hashesIn(scratch.folder)).toEqual({});
  await scratch.remove();
});
