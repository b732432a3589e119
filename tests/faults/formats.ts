import { mkdir, mkdtemp, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';

import { openStorage, verifyDatabase, worldLegacyVersions } from '../../core/index.js';
import { dumpDatabase } from '../support/database-dump.js';
import { buildLegacyDatabase, type LegacySpec } from '../support/legacy-databases.js';
import { withLegacy, type LegacyRow } from '../support/legacy-driver.js';
import { lostRows } from './support/database-states.js';
import { everyNth, type Finding, type Part, type Settings } from './support/part.js';
import { migrationsDir } from './support/places.js';

/** A database of which files are adopted, completed by a rebuild, and applied; with values of every kind. */
const spec: LegacySpec = {
  version: 4,
  missing: ['worlds.chat_llm_model'],
  events: 'without references',
  wrongNumbers: true,
  orphans: true,
  oddValues: true,
  extras: ['table', 'index', 'trigger'],
};

/** What a file keeps as it is, whatever is in it. */
type Format = Readonly<Record<'encoding' | 'page_size' | 'auto_vacuum', unknown>>;

interface Case {
  readonly name: string;
  readonly make: (path: string) => Promise<void>;
}

const journals = ['rollback', 'wal'] as const;
const build = (name: string, more: Partial<LegacySpec>): Case[] =>
  journals.map((journal) => ({
    name: `${name}, ${journal}`,
    make: (path) => buildLegacyDatabase(path, { ...spec, journal, ...more }),
  }));

const encodings = (['UTF-16le', 'UTF-16be', 'UTF-8'] as const).flatMap((encoding) =>
  build(encoding, { encoding }),
);
const pageSizes = [512, 1024, 2048, 8192, 16_384, 32_768, 65_536].flatMap((pageSize) =>
  build(`pages of ${pageSize} bytes`, { pageSize }),
);
const vacuums = (['full', 'incremental'] as const).flatMap((autoVacuum) =>
  build(`auto_vacuum ${autoVacuum}`, { autoVacuum }),
);

async function formatOf(path: string): Promise<Format> {
  const pragma = async (name: string): Promise<unknown> => {
    const [row] = await withLegacy(path, (connection) => connection.rows(`PRAGMA ${name}`));
    return row?.[name];
  };
  return {
    encoding: await pragma('encoding'),
    page_size: await pragma('page_size'),
    auto_vacuum: await pragma('auto_vacuum'),
  };
}

async function open(database: string): Promise<string | undefined> {
  const storage = await openStorage({ database, migrationsDir, legacy: worldLegacyVersions });
  await storage.close();
  return storage.report.backup;
}

async function verificationFaults(path: string): Promise<string[]> {
  const { ok, drift, integrity } = await verifyDatabase(path, {
    migrations: migrationsDir,
    legacy: worldLegacyVersions,
  });
  return ok ? [] : [`does not verify: ${JSON.stringify({ drift, integrity })}`];
}

type Upgrade = (database: string) => Promise<unknown>;

async function faultsOf(path: string, upgrade: Upgrade): Promise<string[]> {
  const before = await dumpDatabase(path);
  const format = await formatOf(path);
  await upgrade(path);
  const faults = await verificationFaults(path);
  const after = await dumpDatabase(path);
  const [lost] = lostRows(before, after);
  if (lost !== undefined) faults.push(`lost ${lost}`);
  if (after.journalMode !== before.journalMode) faults.push(`is in journal mode ${after.journalMode}`);
  const [was, is] = [JSON.stringify(format), JSON.stringify(await formatOf(path))];
  if (is !== was) faults.push(`was ${was} and is ${is}`);
  return faults;
}

async function tryAll(
  { folder, stride }: Settings,
  cases: readonly Case[],
  upgrade: Upgrade,
): Promise<Finding> {
  const done = everyNth(cases, stride);
  const failures: string[] = [];
  for (const [index, { name, make }] of done.entries()) {
    const own = join(folder, String(index));
    await mkdir(own);
    const path = join(own, 'database.db');
    await make(path);
    failures.push(...(await faultsOf(path, upgrade)).map((fault) => `${name}: ${fault}`));
    await rm(own, { recursive: true });
  }
  const kinds = new Set(done.map(({ name }) => name.split(', ')[0]));
  return { figures: `${done.length} databases: ${[...kinds].join(', ')}`, failures };
}

/** SQLite overwrites with zeros what is deleted, in this database and on every connection of this process. */
async function secureDelete({ folder }: Settings): Promise<Finding> {
  const failures: string[] = [];
  const secret = 'A secret that was deleted.';
  for (const journal of journals) {
    const own = await mkdtemp(join(folder, 'secure-'));
    const path = join(own, 'database.db');
    await buildLegacyDatabase(path, { ...spec, journal });
    await withLegacy(path, async (connection) => {
      await connection.run(
        `PRAGMA secure_delete = ON; CREATE TABLE secrets (secret TEXT); INSERT INTO secrets VALUES ('${secret}');
         DELETE FROM secrets; PRAGMA wal_checkpoint(TRUNCATE);`,
      );
    });
    failures.push(...(await faultsOf(path, open)).map((fault) => `${journal}: ${fault}`));
  }
  return { figures: `${journals.length} databases`, failures };
}

const TABLES = 1_000;
const FEWEST_TABLES = 200;

async function manyTables({ folder, stride }: Settings): Promise<Finding> {
  const path = join(folder, 'many.db');
  const count = Math.max(FEWEST_TABLES, Math.ceil(TABLES / stride));
  await buildLegacyDatabase(path, { ...spec, extras: ['table'] });
  const tables = Array.from(
    { length: count },
    (_, index) =>
      `CREATE TABLE mine_${index} (id INTEGER PRIMARY KEY, text TEXT); CREATE INDEX mine_by_text_${index} ON mine_${index}(text);
       INSERT INTO mine_${index} (text) VALUES ('one'), ('two'), ('three ${index}');`,
  );
  await withLegacy(path, (connection) => connection.run(`BEGIN; ${tables.join('\n')} COMMIT;`));
  return { figures: `${count} tables of the user`, failures: await faultsOf(path, open) };
}

/** SQLite never uses the page that lies at this byte: it is where locks are. */
const LOCK_BYTE = 1024 ** 3;
const ENOUGH_BYTES = 4 * 1024 ** 3;
/** A folder on a disk: memory, where the rest of a run is, may be scarce. */
const DISK = '/var/tmp';

/** What a large database holds, told without reading all of it into memory. */
function contentOf(path: string): Promise<LegacyRow[]> {
  return withLegacy(path, (connection) =>
    connection.rows(
      `SELECT count(*) AS rows, sum(id) AS ids, sum(length(content)) AS bytes,
              sum(content = zeroblob(1000000)) AS intact, group_concat(DISTINCT role) AS roles, max(sender) AS sender
       FROM agent_memory WHERE typeof(content) = 'blob'`,
    ),
  );
}

async function pastTheLockPage({ stride }: Settings): Promise<Finding> {
  if (stride > 1) return { figures: 'left out in a short run', failures: [] };
  const folder = await mkdtemp(join(DISK, 'large-database-'));
  try {
    const { bavail, bsize } = await statfs(folder);
    if (bavail * bsize < ENOUGH_BYTES) return { figures: 'left out: it needs 4 GiB of disk', failures: [] };
    const path = join(folder, 'large.db');
    await buildLegacyDatabase(path, spec);
    await withLegacy(path, (connection) =>
      connection.run(
        `PRAGMA synchronous = OFF; BEGIN;
         INSERT INTO agent_memory (agent_id, world_id, role, content, sender)
           WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1150)
           SELECT 'agent-1', 'world-1', 'user', zeroblob(1000000), 'sender ' || i FROM n;
         COMMIT;`,
      ),
    );
    const before = await contentOf(path);
    const { size } = await stat(path);
    const failures = size > LOCK_BYTE ? [] : [`has ${size} bytes`];
    const backup = await open(path);
    failures.push(...(await verificationFaults(path)));
    for (const [name, copy] of [
      ['it', path],
      ['its backup', backup],
    ] as const) {
      const after = copy === undefined ? [] : await contentOf(copy);
      if (JSON.stringify(after) !== JSON.stringify(before))
        failures.push(`${name} holds ${JSON.stringify(after)}`);
    }
    return { figures: `${size} bytes, in ${String(before[0]?.rows)} rows of a megabyte`, failures };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** An upgrade that makes a new file, with the same rows, instead of working in the one that is there. */
async function intoNewFile(path: string): Promise<void> {
  await buildLegacyDatabase(path, spec);
  await open(path);
}

/** Databases that are written in another way, and must simply work. */
export const formats: Part = {
  name: 'formats',
  checks: [
    { name: 'encodings', run: (settings) => tryAll({ ...settings, stride: 1 }, encodings, open) },
    { name: 'page sizes', run: (settings) => tryAll(settings, pageSizes, open) },
    { name: 'auto_vacuum', run: (settings) => tryAll({ ...settings, stride: 1 }, vacuums, open) },
    { name: 'secure_delete', run: secureDelete },
    { name: '1,000 tables', run: manyTables },
    { name: 'more than 1 GiB', run: pastTheLockPage },
  ],
  controls: [
    {
      name: 'an upgrade into a new file',
      run: (settings) => tryAll(settings, [...encodings, ...pageSizes, ...vacuums], intoNewFile),
    },
  ],
};
