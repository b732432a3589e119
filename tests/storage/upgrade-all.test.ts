import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { existsSync, writeFileSync } from 'node:fs';
import { link, mkdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { relative } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import {
  planAll,
  upgradeAll,
  upgradeDatabase,
  UpgradeBridgeError,
  type UpgradeAllOptions,
  type UpgradeOutcome,
  type UpgradeSummary,
} from '../../core/index.js';
import type { Logger } from '../../core/logger.js';
import { resolveDatabaseFile } from '../../core/storage/database-file.js';
import { acquireMigrationLock } from '../../core/storage/migration-lock.js';
import { CrowdDriver } from '../support/crowd-driver.js';
import { fleetMigrations, FleetFolder } from '../support/fleet-folder.js';
import { withLegacy } from '../support/legacy-driver.js';
import { migrationOf } from '../support/migration-values.js';
import { otherDatabases } from '../support/other-histories.js';
import { untyped } from '../support/untyped.js';

let folder: FleetFolder;

beforeEach(async () => {
  folder = await FleetFolder.make();
});

afterEach(() => folder.remove());

const migrations = fleetMigrations;
const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `${index + 1}.db`);

/** Upgrades, and tells the kind of each outcome by the path of its database, in the order in which they came. */
async function upgrade(
  options: Partial<UpgradeAllOptions> & Pick<UpgradeAllOptions, 'databases'>,
): Promise<{ readonly summary: UpgradeSummary; readonly kinds: Record<string, string> }> {
  const kinds: Record<string, string> = {};
  const onResult = ({ database, kind }: UpgradeOutcome): void => {
    kinds[relative(folder.path, database)] = kind;
  };
  return { summary: await upgradeAll({ migrations, backup: false, onResult, ...options }), kinds };
}

function codesOf({ failures }: Pick<UpgradeSummary, 'failures'>): Record<string, string> {
  const codes: Record<string, string> = {};
  for (const { database, error } of failures)
    codes[relative(folder.path, database)] = String(error instanceof UpgradeBridgeError ? error.code : error);
  return codes;
}

const everything = { failed: 0, interrupted: 0, repeated: 0, notAttempted: 0, stopped: undefined };

describe('many databases', () => {
  test('are all upgraded, and the second time all are up to date and no byte changes', async () => {
    const databases = await folder.databases(names(12));
    const first = await upgrade({ databases });
    expect(first.summary).toMatchObject({ ...everything, databases: 12, upgraded: 12, upToDate: 0 });
    expect(Object.values(first.kinds)).toEqual(databases.map(() => 'upgraded'));
    for (const database of databases) {
      expect(await folder.versions(database)).toEqual([1, 2, 3]);
      expect(await withLegacy(database, (program) => program.rows('SELECT text, pinned FROM notes'))).toEqual(
        [{ text: 'kept', pinned: 0 }],
      );
    }

    const before = await folder.hashes();
    const second = await upgrade({ databases });
    expect(second.summary).toMatchObject({ ...everything, databases: 12, upgraded: 0, upToDate: 12 });
    expect(await folder.hashes()).toEqual(before);
  });

  test('come with the report of each, and with its progress', async () => {
    const databases = await folder.databases(names(2));
    const outcomes: UpgradeOutcome[] = [];
    const applied: string[] = [];
    await upgradeAll({
      databases,
      migrations,
      onResult: (outcome) => outcomes.push(outcome),
      onProgress: (event, database) => {
        if (event.kind === 'applied') applied.push(`${relative(folder.path, database)} ${event.version}`);
      },
    });
    expect(applied.sort()).toEqual(['1.db 2', '1.db 3', '2.db 2', '2.db 3']);
    const byName = outcomes.sort((one, other) => one.database.localeCompare(other.database));
    expect(byName).toMatchObject(
      databases.map((database) => ({
        kind: 'upgraded',
        database,
        report: { database, version: 3, backup: expect.stringContaining('.backup-') },
      })),
    );
  });

  test('are named by a glob, an array, or one after another as there is room', async () => {
    const databases = await folder.databases(names(6));
    expect((await upgrade({ databases: folder.at('[12].db') })).kinds).toEqual({
      '1.db': 'upgraded',
      '2.db': 'upgraded',
    });
    let asked = 0;
    let ended = 0;
    const mostAhead: number[] = [];
    async function* oneByOne(): AsyncGenerator<string> {
      for (const database of databases) {
        asked += 1;
        mostAhead.push(asked - ended);
        yield await Promise.resolve(database);
      }
    }
    const summary = await upgradeAll({
      databases: oneByOne(),
      migrations,
      concurrency: 2,
      onResult: () => (ended += 1),
    });
    expect(summary).toMatchObject({ upgraded: 4, upToDate: 2 });
    expect(Math.max(...mostAhead)).toBeLessThanOrEqual(3);
  });

  test('share files that are read once, and one replay of them', async () => {
    const sql = folder.at('sql');
    await mkdir(sql);
    for (const { filename, sql: text } of migrations) await writeFile(folder.at(`sql/${filename}`), text);
    const legacy = ['a.db', 'b.db', 'c.db'].map((name) => folder.at(name));
    for (const path of legacy)
      await withLegacy(path, (program) =>
        program.run('CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT); PRAGMA user_version = 1'),
      );
    const calls: string[] = [];
    const { summary } = await upgrade({
      databases: legacy,
      migrations: sql,
      code: [
        {
          version: 4,
          name: 'count_calls',
          async up(db) {
            calls.push('up');
            await db.execute('CREATE TABLE counted (n)');
          },
        },
      ],
      legacy: { 1: [1] },
      concurrency: 1,
      onResult: ({ database }) => {
        if (database === legacy[0]) void rm(sql, { recursive: true });
      },
    });
    expect(summary).toMatchObject({ ...everything, upgraded: 3 });
    // Once for the replay, and once for each database.
    expect(calls).toHaveLength(4);
  });

  test('are worked on so many at a time as was said, and never more', async () => {
    const databases = await folder.databases(names(9));
    const crowd = new CrowdDriver(3);
    const summary = await upgradeAll({ databases, migrations, concurrency: 3, backup: false, driver: crowd });
    expect(summary).toMatchObject({ ...everything, upgraded: 9 });
    expect(crowd.most).toBe(3);
  });
});

describe('a bad database among them', () => {
  test('is reported with its error, and stops nobody', async () => {
    const good = await folder.databases(['good-1.db', 'good-2.db', 'good-3.db']);
    const garbage = await folder.garbage('garbage.db');
    const newer = await folder.databases(
      ['newer.db'],
      [...migrations, migrationOf('0004_later.sql', 'CREATE TABLE later (x);')],
    );
    const changed = await folder.databases(
      ['changed.db'],
      [migrationOf('0001_notes.sql', 'CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT, more TEXT);')],
    );
    const [held = ''] = await folder.databases(['held.db']);
    const lock = await acquireMigrationLock(await resolveDatabaseFile(held));
    const databases = [garbage, ...newer, ...changed, held, folder.at('missing.db'), ...good];
    try {
      const { summary, kinds } = await upgrade({ databases, lockWaitMs: 0, concurrency: 2 });
      expect(summary).toMatchObject({ databases: 8, upgraded: 3, failed: 5, notAttempted: 0 });
      expect(codesOf(summary)).toEqual({
        'garbage.db': 'UNREADABLE_DATABASE',
        'newer.db': 'NEWER_DATABASE',
        'changed.db': 'CHANGED_MIGRATION',
        'held.db': 'LOCKED',
        'missing.db': 'MISSING_DATABASE',
      });
      expect(kinds).toMatchObject({ 'garbage.db': 'failed', 'good-3.db': 'upgraded' });
    } finally {
      await lock.release();
    }
    expect((await upgrade({ databases: [held] })).summary).toMatchObject({ upgraded: 1 });
  });

  test('that is missing is not made', async () => {
    const { summary } = await upgrade({ databases: [folder.at('missing.db')] });
    expect(codesOf(summary)).toEqual({ 'missing.db': 'MISSING_DATABASE' });
    expect(existsSync(folder.at('missing.db'))).toBe(false);
  });

  test('whose step fails stays at the step before, and goes on from there', async () => {
    const [one = '', other = ''] = await folder.databases(['one.db', 'other.db']);
    await withLegacy(one, (program) => program.run('CREATE TABLE tags (mine)'));
    const { summary } = await upgrade({ databases: [one, other] });
    expect(codesOf(summary)).toEqual({ 'one.db': 'MIGRATION_FAILED' });
    expect(await folder.versions(one)).toEqual([1, 2]);
    await withLegacy(one, (program) => program.run('DROP TABLE tags'));
    expect((await upgrade({ databases: [one, other] })).kinds).toEqual({
      'one.db': 'upgraded',
      'other.db': 'upToDate',
    });
  });

  test('lose what killed processes left of their copies, by one look at their folder', async () => {
    const databases = await folder.databases(names(3));
    const leftOf = (name: string): string => folder.at(`${name}.backup-x.999999999-1.partial`);
    for (const name of ['1.db', '3.db', 'other.db']) await writeFile(leftOf(name), 'half a copy');
    const { summary } = await upgrade({
      databases,
      backup: {},
      concurrency: 1,
      // Nobody looks for what comes during the run: the next one takes it away.
      onResult: () => {
        writeFileSync(leftOf('2.db'), 'half a copy');
      },
    });
    expect(summary).toMatchObject({ ...everything, upgraded: 3 });
    expect([1, 2, 3].map((name) => existsSync(leftOf(`${name}.db`)))).toEqual([false, true, false]);
    expect(existsSync(leftOf('other.db'))).toBe(true);
  });

  test('of the same name as another cannot have its backups in the same folder', async () => {
    const databases = await folder.databases(['a/notes.db', 'b/notes.db', 'c/other.db']);
    await mkdir(folder.at('copies'));
    const { summary } = await upgrade({
      databases,
      backup: { folder: folder.at('copies'), keepCount: 1 },
      concurrency: 1,
    });
    expect(codesOf(summary)).toEqual({ 'b/notes.db': 'BAD_OPTION' });
    expect(await folder.versions(folder.at('b/notes.db'))).toEqual([1]);
    expect((await upgrade({ databases, backup: {} })).kinds).toMatchObject({ 'b/notes.db': 'upgraded' });
  });

  test('is what a legacy database is where legacyMode refuses it; inspect-only leaves it', async () => {
    const old = folder.at('old.db');
    await withLegacy(old, (program) =>
      program.run('CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT); PRAGMA user_version = 1'),
    );
    const options = { databases: [old], legacy: { 1: [1] } };
    expect(codesOf((await upgrade({ ...options, legacyMode: 'refuse' })).summary)).toEqual({
      'old.db': 'LEGACY_REFUSED',
    });
    const { summary } = await upgrade({ ...options, legacyMode: 'inspect-only' });
    expect(summary).toMatchObject({ ...everything, left: 1, upgraded: 0 });
    expect((await upgrade(options)).kinds).toEqual({ 'old.db': 'upgraded' });
  });
});

test('databases of another tool are taken over where adopt says so, and refused otherwise', async () => {
  const [other] = otherDatabases;
  if (other === undefined) throw new Error('There is no database of another tool.');
  const databases = [folder.at('one.db'), folder.at('two.db')];
  for (const database of databases) await other.make(database);
  const sql = folder.at('sql');
  await mkdir(sql);
  for (const [name, text] of Object.entries(other.files)) await writeFile(folder.at(`sql/${name}`), text);
  expect((await upgrade({ databases, migrations: sql })).summary).toMatchObject({ failed: 2 });
  const { summary } = await upgrade({ databases, migrations: sql, adopt: true, concurrency: 2, canary: 1 });
  expect(summary).toMatchObject({ ...everything, upgraded: 2 });
});

test('databases of drizzle are taken over by the names in its journal, as one alone is', async () => {
  const drizzle = otherDatabases.find(({ tool }) => tool === 'drizzle');
  const named = otherDatabases.find(({ tool }) => tool === 'umzug');
  if (drizzle === undefined || named === undefined) throw new Error('There is no database of drizzle.');
  const databases = [folder.at('one.db'), folder.at('two.db')];
  for (const database of databases) await drizzle.make(database);
  // Rewritten, so that no checksum tells which row is whose.
  const sql = folder.at('sql');
  await mkdir(folder.at('sql/meta'), { recursive: true });
  for (const [name, text] of Object.entries(named.files))
    await writeFile(folder.at(`sql/${name}`), `-- rewritten\n${text}`);
  const entries = ['create_users', 'add_email', 'seed_users'].map((name, index) => ({
    when: Date.UTC(2024, 2, index + 1),
    tag: `000${index}_${name}`,
  }));
  await writeFile(folder.at('sql/meta/_journal.json'), JSON.stringify({ entries }));
  const by: unknown[] = [];
  const options = { databases, migrations: sql, backup: false, adopt: { tool: 'drizzle' } } as const;
  expect(await planAll(options)).toMatchObject({ planned: 2, failed: 0 });
  await upgradeAll({ ...options, onResult: ({ kind }) => by.push(kind) });
  expect(by).toEqual(['upgraded', 'upgraded']);
  for (const database of databases) {
    const rows = await withLegacy(database, (program) =>
      program.rows("SELECT details ->> '$.notes' AS notes FROM schema_migrations WHERE origin = 'adopted'"),
    );
    expect(rows.map(({ notes }) => /0+\d_\w+.*by name/.test(String(notes)))).toEqual([true, true, true]);
  }
});

describe('two names of one file', () => {
  test('are upgraded once, and the second is named as what it is', async () => {
    const [database = ''] = await folder.databases(['one.db']);
    await symlink(database, folder.at('link.db'));
    const roundabout = `${folder.path}/../${relative(`${folder.path}/..`, database)}`;
    const outcomes: UpgradeOutcome[] = [];
    const summary = await upgradeAll({
      databases: [database, folder.at('link.db'), roundabout],
      migrations,
      backup: false,
      onResult: (outcome) => outcomes.push(outcome),
    });
    expect(summary).toMatchObject({ databases: 3, upgraded: 1, repeated: 2, failed: 0 });
    const repeated = outcomes.filter(({ kind }) => kind === 'repeated');
    const upgraded = outcomes.find(({ kind }) => kind === 'upgraded');
    for (const outcome of repeated) expect(outcome).toMatchObject({ sameAs: upgraded?.database });
  });

  test('that are hard links are refused, each', async () => {
    const [database = ''] = await folder.databases(['one.db']);
    await link(database, folder.at('link.db'));
    const { summary } = await upgrade({ databases: folder.at('*.db') });
    expect(codesOf(summary)).toEqual({ 'one.db': 'HARD_LINKED_FILE', 'link.db': 'HARD_LINKED_FILE' });
  });
});

describe('a canary', () => {
  /** Which databases were begun before the last step of the first one that was upgraded. */
  async function beganBefore(canaries: readonly string[], databases: readonly string[]): Promise<string[]> {
    const began = new Set<string>();
    const left = new Set(canaries);
    let early: string[] = [];
    const { summary } = await upgrade({
      databases,
      canary: canaries.length,
      onProgress: (event, database) => {
        began.add(database);
        if (event.kind === 'applied' && event.version === 3) left.delete(database);
        if (left.size === 0 && early.length === 0) early = [...began];
      },
    });
    expect(summary).toMatchObject({ failed: 0, notAttempted: 0 });
    return early;
  }

  test('is upgraded alone, before all others', async () => {
    const databases = await folder.databases(names(6));
    expect(await beganBefore(databases.slice(0, 1), databases)).toEqual(databases.slice(0, 1));
  });

  test('may be several, one after another; one that is up to date proves nothing', async () => {
    const databases = await folder.databases(names(6));
    await upgradeDatabase({ database: databases[0] ?? '', migrations, backup: false });
    expect(await beganBefore(databases.slice(1, 3), databases)).toEqual(databases.slice(1, 3));
  });

  test('that fails stops everything', async () => {
    const garbage = await folder.garbage('0.db');
    const databases = await folder.databases(names(4));
    const before = await folder.hashes();
    const { summary, kinds } = await upgrade({ databases: [garbage, ...databases], canary: 1 });
    expect(summary).toMatchObject({ failed: 1, notAttempted: 4, upgraded: 0, stopped: 'canary' });
    expect(kinds).toEqual({
      '0.db': 'failed',
      '1.db': 'notAttempted',
      '2.db': 'notAttempted',
      '3.db': 'notAttempted',
      '4.db': 'notAttempted',
    });
    expect(await folder.hashes()).toEqual(before);
  });

  test('that succeeded protects from no failure afterwards', async () => {
    const databases = await folder.databases(names(3));
    const { summary } = await upgrade({
      databases: [databases[0] ?? '', await folder.garbage('0.db'), ...databases.slice(1)],
      canary: 1,
    });
    expect(summary).toMatchObject({ failed: 1, upgraded: 3, notAttempted: 0, stopped: undefined });
  });
});

describe('so many failures', () => {
  test('stop what was not begun; what is going on comes to its end', async () => {
    const [first = '', ...rest] = await folder.databases(names(4));
    const bad = await folder.garbage('bad.db');
    let hasFailed = (): void => undefined;
    const failure = new Promise<void>((resolve) => (hasFailed = resolve));
    const { summary } = await upgrade({
      databases: [first, bad, ...rest],
      concurrency: 2,
      stopAfter: 1,
      code: [{ version: 4, name: 'wait_for_the_failure', up: () => failure }],
      onResult: ({ kind }) => {
        if (kind === 'failed') hasFailed();
      },
    });
    expect(summary).toMatchObject({ failed: 1, upgraded: 1, notAttempted: 3, stopped: 'failures' });
    expect(await folder.versions(first)).toEqual([1, 2, 3, 4]);
    for (const database of rest) expect(await folder.versions(database)).toEqual([1]);
  });

  test('are counted up to the number that was given', async () => {
    const bad = [await folder.garbage('bad-1.db'), await folder.garbage('bad-2.db')];
    const databases = await folder.databases(names(3));
    const { kinds } = await upgrade({
      databases: [...bad.slice(0, 1), ...databases.slice(0, 1), ...bad.slice(1), ...databases.slice(1)],
      concurrency: 1,
      stopAfter: 2,
    });
    expect(kinds).toEqual({
      'bad-1.db': 'failed',
      '1.db': 'upgraded',
      'bad-2.db': 'failed',
      '2.db': 'notAttempted',
      '3.db': 'notAttempted',
    });
  });

  test('that come with the last one leave nothing to stop', async () => {
    const databases = [...(await folder.databases(names(1))), await folder.garbage('bad.db')];
    const { summary } = await upgrade({ databases, stopAfter: 1, concurrency: 1 });
    expect(summary).toMatchObject({ failed: 1, upgraded: 1, notAttempted: 0, stopped: undefined });
  });
});

describe('a signal', () => {
  test('rolls back what is going on, begins nothing, and what is left is done by the next call', async () => {
    const databases = await folder.databases(names(5));
    const controller = new AbortController();
    const { summary, kinds } = await upgrade({
      databases,
      concurrency: 1,
      signal: controller.signal,
      onProgress: (event, database) => {
        if (database === databases[1] && event.kind === 'applying' && event.version === 3) controller.abort();
      },
    });
    expect(summary).toMatchObject({
      upgraded: 1,
      interrupted: 1,
      notAttempted: 3,
      failed: 0,
      stopped: 'signal',
    });
    expect(kinds).toMatchObject({ '1.db': 'upgraded', '2.db': 'interrupted', '3.db': 'notAttempted' });
    expect(await folder.versions(databases[1] ?? '')).toEqual([1, 2]);
    expect((await upgrade({ databases })).summary).toMatchObject({ ...everything, upToDate: 1, upgraded: 4 });
  });

  test('that came before the beginning attempts nothing', async () => {
    const databases = await folder.databases(names(2));
    const before = await folder.hashes();
    const { summary } = await upgrade({ databases, signal: AbortSignal.abort() });
    expect(summary).toMatchObject({ notAttempted: 2, stopped: 'signal' });
    expect(await folder.hashes()).toEqual(before);
  });
});

describe('the caller', () => {
  test.each([
    ['concurrency', { concurrency: 0 }],
    ['concurrency', { concurrency: 1.5 }],
    ['stopAfter', { stopAfter: 0 }],
    ['canary', { canary: -1 }],
    ['lockWaitMs', { lockWaitMs: -1 }],
    ['migration', { to: 7 }],
  ])('is told of a wrong %s before anything is done', async (name, options) => {
    const databases = await folder.databases(names(1));
    const before = await folder.hashes();
    await expect(upgrade({ databases, ...options })).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringContaining(name),
    });
    expect(await folder.hashes()).toEqual(before);
  });

  test.each([
    [{ databse: ['a.db'] }, 'upgradeAll has no option "databse".'],
    [{ database: 'a.db' }, 'upgradeAll has no option "database".'],
    [{ concurency: 3 }, 'upgradeAll has no option "concurency".'],
  ])('is told of an option that does not exist: %j', async (options, message) => {
    await expect(upgrade({ databases: [], ...options })).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message,
    });
  });

  test('is told of bad files and of a glob that matches nothing', async () => {
    const databases = await folder.databases(names(1));
    await expect(upgrade({ databases, migrations: folder.at('nowhere') })).rejects.toMatchObject({
      code: 'UNREADABLE_MIGRATIONS',
    });
    await expect(upgrade({ databases: folder.at('*.sqlite') })).rejects.toMatchObject({
      code: 'MISSING_DATABASE',
    });
  });

  test('gets its own error back, once what was begun has come to its end', async () => {
    const databases = await folder.databases(names(2));
    function* broken(): Generator<string> {
      yield* databases;
      throw new Error('the list is broken');
    }
    await expect(upgrade({ databases: broken() })).rejects.toThrow('the list is broken');
    for (const database of databases) {
      expect(await folder.versions(database)).toEqual([1, 2, 3]);
      await expect(stat(`${database}.lock`)).rejects.toMatchObject({ code: 'ENOENT' });
    }
  });

  test('harms nothing by listeners that throw', async () => {
    const databases = await folder.databases(names(3));
    const fail = (): never => {
      throw new Error('a listener');
    };
    const { summary } = await upgrade({ databases, onResult: fail, onProgress: fail });
    expect(summary).toMatchObject({ ...everything, upgraded: 3 });
  });

  test('harms nothing by listeners that fail later: what they rejected with goes to the log', async () => {
    const databases = await folder.databases(names(2));
    const told: unknown[] = [];
    const logger: Logger = {
      ...{ debug: () => undefined, info: () => undefined, error: () => undefined, child: () => logger },
      warn: (values, sentence) => told.push([sentence, 'event' in values && values.event]),
    };
    const fail = async (): Promise<never> => {
      await Promise.resolve();
      throw new Error('a listener');
    };
    const late = untyped({ databases, logger }, { onResult: fail, onProgress: fail });
    const { summary } = await upgrade(late);
    await pause(0);
    expect(summary).toMatchObject({ ...everything, upgraded: 2 });
    for (const event of ['upgraded', 'applied'])
      expect(told).toContainEqual(['a progress listener threw', event]);
  });

  test.each([undefined, null, 5, {}])('is told what databases can be, where %j was given', async (given) => {
    const options = untyped({ databases: '', migrations }, { databases: given });
    for (const call of [upgradeAll, planAll])
      await expect(call(options)).rejects.toMatchObject({
        code: 'BAD_OPTION',
        message: expect.stringMatching(/^databases must be a glob, or paths/),
      });
  });
});

describe('memory', () => {
  test('holds no report of a database that has come to its end', async () => {
    setFlagsFromString('--expose-gc');
    const collectGarbage: unknown = runInNewContext('gc');
    if (typeof collectGarbage !== 'function') throw new Error('There is no gc.');
    const reports: WeakRef<object>[] = [];
    const summary = await upgradeAll({
      databases: await folder.databases(names(12)),
      migrations,
      backup: false,
      onResult: (outcome) => {
        if ('report' in outcome) reports.push(new WeakRef(outcome.report));
      },
    });
    await pause(10);
    Reflect.apply(collectGarbage, undefined, []);
    expect(reports).toHaveLength(12);
    expect(reports.filter((report) => report.deref() !== undefined)).toEqual([]);
    expect(summary).toMatchObject({ ...everything, upgraded: 12 });
  });
});

describe('the plan for many databases', () => {
  test('says what would be done to each, and changes no byte', async () => {
    const databases = await folder.databases(names(2));
    await upgradeDatabase({ database: databases[1] ?? '', migrations, backup: false });
    const garbage = await folder.garbage('bad.db');
    const [twice = ''] = await folder.databases(['hard.db']);
    await link(twice, folder.at('hard-link.db'));
    const before = await folder.hashes();
    const plans: Record<string, unknown> = {};
    const summary = await planAll({
      databases: [...databases, garbage, twice],
      migrations,
      onResult: (outcome) => {
        const found = 'plan' in outcome ? outcome.plan.apply.map(({ version }) => version) : outcome.kind;
        plans[relative(folder.path, outcome.database)] = found;
      },
    });
    expect(summary).toMatchObject({ databases: 4, planned: 1, upToDate: 1, failed: 2 });
    expect(codesOf(summary)).toMatchObject({ 'hard.db': 'HARD_LINKED_FILE' });
    expect(plans).toEqual({ '1.db': [2, 3], '2.db': [], 'bad.db': 'failed', 'hard.db': 'failed' });
    expect(await folder.hashes()).toEqual(before);
  });
});
