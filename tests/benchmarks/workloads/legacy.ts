import { copyFile, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { numberOf, withBare } from '../bare.js';
import { benchmarksFolder } from '../contestants.js';
import { loadUpgrade } from '../load-upgrade.js';
import type { Sample, Workload } from '../workload.js';

type Version = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7;

const ROWS = 10_000;
const contestants = ['limit', 'folder', 'storage'] as const;
const newest = 11;
const migrationsDir = fileURLToPath(new URL('../../migrations/', benchmarksFolder));

/** How many rows belong to one world in a file of each version. */
const rowsOfWorld = (version: Version): number => (version < 2 ? 18 : version < 7 ? 22 : 36);

/** Every table whose rows all stay; the counters of events are counted anew. */
const keptTables = [
  'worlds',
  'agents',
  'agent_memory',
  'memory_archives',
  'archived_messages',
  'archive_statistics',
  'world_chats',
  'chat_snapshots',
  'events',
];

const databaseIn = (folder: string): string => join(folder, 'a.db');

/** What a person would write by hand for this very file, as the project's own upgrade would run it: one transaction. */
async function byHand(version: Version): Promise<string> {
  const script = await readFile(new URL(`legacy/${version}.sql`, benchmarksFolder), 'utf8');
  return `PRAGMA foreign_keys = OFF; PRAGMA synchronous = EXTRA; BEGIN IMMEDIATE;\n${script}\nCOMMIT;`;
}

async function upgradeOf(
  contestant: string,
  version: Version,
): Promise<(database: string) => Promise<unknown>> {
  if (contestant === 'limit') {
    const { openBare } = await import('../bare.js');
    const script = await byHand(version);
    return async (database) => {
      const db = await openBare(database);
      await db.exec(script);
      await db.close();
    };
  }
  const { openStorage, upgradeDatabase, worldLegacyVersions, worldMigrationsDir } =
    await import('sqlite-upgrade-bridge');
  await loadUpgrade();
  if (contestant === 'storage')
    return async (database) => (await openStorage({ database, backup: false })).close();
  return (database) =>
    upgradeDatabase({
      database,
      migrations: worldMigrationsDir,
      legacy: worldLegacyVersions,
      backup: false,
    });
}

async function countRows(database: string): Promise<number> {
  return withBare(database, async (db) => {
    const there = await db.all("SELECT name FROM sqlite_schema WHERE type = 'table'");
    let rows = 0;
    for (const { name } of there)
      if (keptTables.includes(String(name)))
        rows += await numberOf(db, `SELECT count(*) FROM ${String(name)}`);
    return rows;
  });
}

async function makeFresh(path: string): Promise<void> {
  const names = (await readdir(migrationsDir)).filter((name) => /^\d+_\w+\.sql$/.test(name)).sort();
  await withBare(path, async (db) => {
    for (const name of names) await db.exec(await readFile(join(migrationsDir, name), 'utf8'));
  });
}

/** @throws Error when the schema is not a fresh one's, a row is gone, or an event has a wrong number */
async function verify(database: string, rows: number): Promise<void> {
  const { describeSchema, schemaFaults } = await import('../../support/schema-by-pragmas.js');
  const fresh = `${database}.fresh`;
  await makeFresh(fresh);
  const faults = schemaFaults(await describeSchema(fresh), await describeSchema(database));
  if (faults.length > 0) throw new Error(faults.join('; '));
  const left = await countRows(database);
  if (left !== rows) throw new Error(`${rows} rows became ${left}`);
  await withBare(database, async (db) => {
    const stamp = await numberOf(db, 'PRAGMA user_version');
    if (stamp !== newest) throw new Error(`user_version is ${stamp}`);
    const wrong = await numberOf(
      db,
      `SELECT count(*) FROM (
         SELECT 1 FROM events AS e GROUP BY world_id, chat_id
         HAVING max(seq) <> count(*) OR max(seq) <> (
           SELECT sum(last_seq) FROM event_sequences AS s WHERE s.world_id = e.world_id AND s.chat_id IS e.chat_id
         )
       )`,
    );
    if (wrong > 0) throw new Error(`${wrong} worlds and chats are numbered wrongly`);
  });
}

/** A database that an old release left, with ten thousand rows. */
export function legacy(version: Version): Workload {
  const worlds = Math.round(ROWS / rowsOfWorld(version));
  return {
    name: `legacy-${version}`,
    title: `A legacy file of version ${version}, ${ROWS.toLocaleString('en')} rows`,
    contestants,
    templates: { folder: 'limit', storage: 'limit' },
    async makeTemplate(_contestant, folder) {
      const { buildLegacyDatabase } = await import('../../support/legacy-databases.js');
      const origin = version === 0 ? ({ version: 1, userVersion: 0 } as const) : { version };
      await buildLegacyDatabase(databaseIn(folder), { ...origin, worlds });
    },
    async prepare(contestant, template, folder): Promise<Sample> {
      const database = databaseIn(folder);
      await copyFile(databaseIn(template), database);
      const upgrade = await upgradeOf(contestant, version);
      return {
        run: async () => {
          await upgrade(database);
        },
        verify: async () => verify(database, await countRows(databaseIn(template))),
      };
    },
  };
}
