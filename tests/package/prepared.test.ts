import { execFile } from 'node:child_process';
import { appendFile, cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { worldMigrationsDir } from '../../core/index.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import { readMigrations } from '../../core/storage/migration-files.js';
import { replayMigrations, type Replay } from '../../core/storage/migration-replay.js';
import {
  prepareMigrations,
  preparedReplay,
  readPrepared,
  type PreparedMigrations,
} from '../../core/storage/prepared-migrations.js';
import { copyDatabase } from '../support/database-copy.js';
import { dumpDatabase, type DatabaseDump } from '../support/database-dump.js';
import { historyTable } from '../support/history-table.js';

// What the build found out of the package's own migrations, held against what is found out anew; and the compiled package
// with it and without it.

const root = fileURLToPath(new URL('../../', import.meta.url));
const built = join(root, 'dist/worlds.json');
const fixtures = join(root, 'tests/fixtures/legacy');
const run = promisify(execFile);
const place = { driver: sqlite3Driver, historyTable };

/** Everything that a replay says, with the order of its tables and objects. */
const listed = ({ steps, final }: Replay): unknown => ({
  steps: steps.map(({ migration, before, after }) => [migration, [before, after].map(inOrder)]),
  final: inOrder(final),
});
const inOrder = ({ tables, objects }: Replay['final']): unknown => [[...tables], [...objects]];

function prepared(file = built): PreparedMigrations | undefined {
  return readPrepared(worldMigrationsDir, historyTable, file);
}

describe('what the build has prepared', () => {
  it('is what is found out anew today', async () => {
    const found: unknown = JSON.parse(await readFile(built, 'utf8'));
    const anew: unknown = JSON.parse(JSON.stringify(await prepareMigrations(worldMigrationsDir, place)));
    expect(found).toEqual(anew);
  });

  it('gives the migrations that reading gives, and for each file what the replay gives', async () => {
    const migrations = await readMigrations(worldMigrationsDir);
    const known = prepared();
    if (known === undefined) throw new Error('Nothing was prepared.');
    expect(known.migrations).toEqual(migrations);
    expect(listed(preparedReplay(known))).toEqual(listed(await replayMigrations(place, migrations)));
  });

  it('is left alone by a program that runs from source, for another folder and for a history of another name', () => {
    expect(readPrepared(worldMigrationsDir, historyTable)).toBeUndefined();
    expect(readPrepared(join(root, 'tests'), historyTable, built)).toBeUndefined();
    const another = { name: 'other', sql: '"other"', key: 'other' };
    expect(readPrepared(worldMigrationsDir, another, built)).toBeUndefined();
    expect(prepared()).toBeDefined();
  });
});

describe('what was cut off, or is something else, is left alone', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cut-off-'));
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  it.each<[string, (text: string) => string]>([
    ['empty', () => ''],
    ['the first half', (text) => text.slice(0, text.length / 2)],
    ['null', () => 'null'],
    ['no migrations', (text) => JSON.stringify({ ...objectIn(text), migrations: undefined })],
    ['a migration that is none', (text) => JSON.stringify({ ...objectIn(text), migrations: [{}] })],
    ['no meanings', (text) => JSON.stringify({ ...objectIn(text), meanings: {} })],
  ])('%s', async (_name, change) => {
    const file = join(folder, 'worlds.json');
    await writeFile(file, change(await readFile(built, 'utf8')));
    expect(prepared(file)).toBeUndefined();
  });
});

function objectIn(text: string): object {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null) throw new Error('The file holds no object.');
  return value;
}

describe('the compiled package', () => {
  let folder: string;
  let library: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'prepared-'));
    library = await install('as-built');
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** Puts the package into a folder of its own, where it can be changed. */
  async function install(name: string): Promise<string> {
    const home = join(folder, name);
    await mkdir(home);
    for (const part of ['dist', 'migrations', 'package.json'])
      await cp(join(root, part), join(home, part), { recursive: true });
    await symlink(join(root, 'node_modules'), join(home, 'node_modules'));
    return home;
  }

  /**
   * Upgrades databases in a process of their own.
   *
   * @param sqlite what SQLite says that it is; the truth where it is left out
   */
  async function upgraded(
    home: string,
    databases: readonly string[],
    sqlite = '',
  ): Promise<readonly Result[]> {
    const program = join(home, 'upgrade.mjs');
    await writeFile(program, upgradeProgram);
    const { stdout } = await run(process.execPath, [program, sqlite, ...databases], {
      maxBuffer: 64 * 1024 ** 2,
    });
    const results: unknown = JSON.parse(stdout);
    if (!Array.isArray(results) || !results.every(isResult)) throw new Error(stdout);
    return results;
  }

  /** Copies a legacy database to where it may be changed. */
  async function copied(fixture: string, name: string): Promise<string> {
    const path = join(folder, name);
    await copyDatabase(join(fixtures, fixture), path);
    return path;
  }

  const dumped = async (name: string): Promise<DatabaseDump> =>
    timeless(await dumpDatabase(join(folder, name)));

  it('makes of every legacy database, and says of it, what it does where nothing is prepared', async () => {
    const unprepared = await install('unprepared');
    await rm(join(unprepared, 'dist/worlds.json'));
    const names = (await readdir(fixtures)).filter((name) => name.endsWith('.db'));
    const copies = (kind: string): Promise<string[]> =>
      Promise.all(names.map((name) => copied(name, `${kind}-${name}`)));
    const [known, unknown] = [await copies('known'), await copies('unknown')];
    const [results, others] = [await upgraded(library, known), await upgraded(unprepared, unknown)];
    for (const [index, name] of names.entries()) {
      const [result, other] = [results[index], others[index]];
      expect([name, result?.said.replaceAll('known-', '')]).toEqual([
        name,
        other?.said.replaceAll('unknown-', ''),
      ]);
      const [dump, otherDump] = await Promise.all([`known-${name}`, `unknown-${name}`].map(dumped));
      expect([name, dump]).toEqual([name, otherDump]);
    }
    expect(results.filter(({ replayed }) => replayed).map(({ said }) => said)).toEqual([]);
    expect(others.filter(({ replayed }) => replayed).length).toBeGreaterThan(30);
  });

  it('replays where the SQLite of the connection is another one', async () => {
    const [as, other] = [
      await copied('version-4-born.db', 'a.db'),
      await copied('version-4-born.db', 'b.db'),
    ];
    expect(await upgraded(library, [as])).toMatchObject([{ replayed: false }]);
    const [result] = await upgraded(library, [other], '2030-01-01 another one');
    expect(result).toMatchObject({ replayed: true });
    expect(result?.said).toContain('"found":"legacy"');
  });

  it('reads and replays what the folder holds where a file of it was changed, added or taken out', async () => {
    const changes: Readonly<Record<string, (migrations: string) => Promise<void>>> = {
      changed: (migrations) =>
        appendFile(join(migrations, '0001_create_events_table.sql'), 'CREATE TABLE more (id INTEGER);\n'),
      'changed, and as long as before': async (migrations) => {
        const path = join(migrations, '0010_create_world_chats.sql');
        await writeFile(path, (await readFile(path, 'utf8')).replace("'1.0'", "'2.0'"));
      },
      added: (migrations) => writeFile(join(migrations, '0012_more.sql'), 'CREATE TABLE more (id INTEGER);'),
      'taken out': async (migrations) => {
        for (const ending of ['', '.down']) await rm(join(migrations, `0011_number_events${ending}.sql`));
      },
      'way back changed': (migrations) =>
        appendFile(join(migrations, '0002_add_event_sequences.down.sql'), '-- Another word.\n'),
    };
    for (const [name, change] of Object.entries(changes)) {
      const home = await install(name);
      await change(join(home, 'migrations'));
      const path = await copied('version-4-born.db', `${name}.db`);
      const [result] = await upgraded(home, [path]);
      expect([name, result?.replayed]).toEqual([name, true]);
      const kept = JSON.stringify((await dumpDatabase(path)).tables.schema_migrations);
      const schema = JSON.stringify((await dumpDatabase(path)).schema);
      if (name === 'changed' || name === 'added') expect(schema).toContain('CREATE TABLE more');
      if (name === 'changed, and as long as before') expect(schema).toContain("DEFAULT '2.0'");
      if (name === 'taken out') expect(kept).not.toContain('number_events');
      if (name === 'way back changed') expect(kept).toContain('-- Another word.');
    }
  });
});

interface Result {
  readonly replayed: boolean;
  /** The report or the error, as JSON without times. */
  readonly said: string;
}

function isResult(value: unknown): value is Result {
  return typeof value === 'object' && value !== null && 'replayed' in value && 'said' in value;
}

/** A database without what tells when and in what time it was upgraded, and what follows from it. */
function timeless(dump: DatabaseDump): DatabaseDump {
  const { schema_migrations: history, ...tables } = dump.tables;
  if (history === undefined) return dump;
  const times = new Set(['applied_at', 'execution_time_ms', 'hash', 'seal']);
  const rows = history.rows.map((row) =>
    Object.fromEntries(Object.entries(row).filter(([column]) => !times.has(column))),
  );
  return { ...dump, tables: { ...tables, schema_migrations: { ...history, rows } } };
}

/** Upgrades each database by a driver that notes whether one in memory is opened, which only a replay does. */
const upgradeProgram = `
  import { openConnection, upgradeDatabase, worldLegacyVersions, worldMigrationsDir } from './dist/index.js';
  const [sqlite, ...databases] = process.argv.slice(2);
  const results = [];
  for (const database of databases) {
    let replayed = false;
    const driver = {
      name: 'telling',
      async open(location, mode) {
        replayed ||= location === ':memory:';
        const db = await openConnection(location, { mode });
        const told = (row) => ('sqlite' in row && sqlite !== '' ? { ...row, sqlite } : row);
        return {
          location,
          execute: (...given) => db.execute(...given),
          executeScript: (...given) => db.executeScript(...given),
          query: async (...given) => (await db.query(...given)).map(told),
          backupTo: (...given) => db.backupTo(...given),
          restoreFrom: (...given) => db.restoreFrom(...given),
          interrupt: () => db.interrupt(),
          close: () => db.close(),
        };
      },
    };
    const options = { database, migrations: worldMigrationsDir, legacy: worldLegacyVersions, backup: false };
    const said = await upgradeDatabase({ ...options, driver }).catch(({ code, message }) => ({ code, message }));
    results.push({ replayed, said: JSON.stringify(said, (key, value) => (key === 'ms' ? 0 : value)) });
  }
  console.log(JSON.stringify(results));
`;
