import { afterEach, beforeEach, describe, expect } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import {
  upgradeDatabase,
  verifyDatabase,
  worldLegacyVersions,
  worldMigrationsDir,
} from '../../core/index.js';
import { dumpDatabase, type SchemaObject } from '../support/database-dump.js';
import { testUnless, withoutProgram } from '../support/needed.js';
import { readByShell } from '../support/sqlite-shell.js';

const noShell = withoutProgram('sqlite3');
const source = { migrations: worldMigrationsDir, legacy: worldLegacyVersions };

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sqlite-shell-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

/** Every object but the history, and what belongs to it. */
async function schemaOf(database: string): Promise<readonly SchemaObject[]> {
  const { schema } = await dumpDatabase(database);
  return schema.filter(({ table }) => table !== 'schema_migrations');
}

describe("the files, read by SQLite's own shell in the order of their numbers", () => {
  testUnless(noShell, 'make the schema that the library makes, letter for letter', async () => {
    const byShell = join(folder, 'shell.db');
    const byLibrary = join(folder, 'library.db');
    readByShell(worldMigrationsDir, byShell);
    await upgradeDatabase({ ...source, database: byLibrary });
    expect(await schemaOf(byShell)).toEqual(await schemaOf(byLibrary));
    expect((await schemaOf(byShell)).length).toBeGreaterThan(20);
  });

  testUnless(noShell, 'make a database that the library takes over without changing its schema', async () => {
    const database = join(folder, 'shell.db');
    readByShell(worldMigrationsDir, database);
    const made = await schemaOf(database);
    const report = await upgradeDatabase({ ...source, database });
    expect(report.found).toBe('legacy');
    expect(await schemaOf(database)).toEqual(made);
    expect((await verifyDatabase(database, source)).drift).toEqual([]);
  });
});
