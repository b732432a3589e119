import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import {
  inspectDatabase,
  openStorage,
  verifyDatabase,
  worldLegacyVersions,
  worldMigrationsDir,
  type DriverName,
  type UpgradeReport,
} from '../../core/index.js';
import { resolveDriver } from '../../core/database/drivers.js';
import { compareSchemas } from '../../core/storage/schema-comparison.js';
import { copyDatabase, hashesIn, withCopy } from '../support/database-copy.js';
import { dumpDatabase, type DatabaseDump } from '../support/database-dump.js';
import { makeFresh, openAndClose, snapshotOf, type FreshDatabase } from '../support/fresh-database.js';
import { driverNames } from '../support/drivers.js';
import { buildLegacyDatabase, legacyFixtures, type LegacyFixture } from '../support/legacy-databases.js';
import { withLegacy } from '../support/legacy-driver.js';
import { behaviourOf, describeSchema, schemaFaults } from '../support/schema-by-pragmas.js';
import { useExtras } from '../support/user-extras.js';
import {
  extraFaults,
  historyFaults,
  numberFaults,
  sequenceFaults,
  valueFaults,
} from '../support/upgrade-faults.js';

/** The files and the past of the worlds' storage. */
const worlds = { migrations: worldMigrationsDir, legacy: worldLegacyVersions };
const committed = resolve('tests/fixtures/legacy');
const names = new Map(
  Array.from({ length: 11 }, (_, index) => index + 1).map((version) => [
    version,
    [
      'create_events_table',
      'add_event_sequences',
      'init_base_schema',
      'add_chat_id',
      'add_llm_config',
      'add_message_id',
      'add_reply_to_message_id',
      'add_current_chat_id',
      'add_mcp_config',
      'create_world_chats',
      'number_events',
    ][version - 1] ?? '',
  ]),
);
const filename = (version: number): string =>
  `${String(version).padStart(4, '0')}_${names.get(version) ?? ''}.sql`;

let folder: string;
let fresh: FreshDatabase;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'legacy-databases-'));
  fresh = await makeFresh(join(folder, 'fresh.db'));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Puts a copy of a committed database into a folder of its own. */
async function placed(name: string, journal?: 'wal' | 'delete'): Promise<{ path: string; place: string }> {
  const place = await mkdtemp(join(folder, `${name}-`));
  const path = join(place, 'worlds.db');
  await copyDatabase(join(committed, `${name}.db`), path);
  if (journal !== undefined)
    await withLegacy(path, (connection) => connection.run(`PRAGMA journal_mode = ${journal};`));
  return { path, place };
}

/** Every fixture as it is, and all but those with a log left behind in the other journal mode too; by each driver. */
const cases = legacyFixtures.flatMap((fixture) => {
  const { journal = 'rollback' } = fixture.spec ?? {};
  const other = { wal: 'delete', rollback: 'wal', 'wal left behind': undefined } as const;
  const asIs = { ...fixture, mode: journal, turned: undefined };
  const turned = other[journal];
  const modes = turned === undefined ? [asIs] : [asIs, { ...fixture, mode: `turned to ${turned}`, turned }];
  return modes.flatMap((each) => driverNames.map((driver) => ({ ...each, driver })));
});

it('a fresh database does what its rules say', () => {
  expect(fresh.behaviour).toEqual([
    'a family can be written: 10',
    'a world takes its family along: 0',
    'a change stamps worlds.updated_at: 1',
    'a change stamps agents.last_active: 1',
    'a change stamps world_chats.updated_at: 1',
    'a change stamps archive_statistics.updated_at: 1',
    expect.stringMatching(/^agent_memory refuses .*: CHECK constraint failed$/),
    expect.stringMatching(/^archived_messages refuses .*: CHECK constraint failed$/),
    expect.stringMatching(/: NOT NULL constraint failed: worlds.name$/),
    expect.stringMatching(/: NOT NULL constraint failed: worlds.turn_limit$/),
    expect.stringMatching(/: NOT NULL constraint failed: events.payload$/),
    expect.stringMatching(/: NOT NULL constraint failed: event_sequences.world_id$/),
    expect.stringMatching(/^one counter a chat: UNIQUE constraint failed: /),
    'several counters a world, as old programs make them: 2',
  ]);
});

describe.each(cases.filter((each) => each.expect.kind === 'legacy'))(
  '$name ($mode, $driver): $title',
  ({ name, turned, driver, claimed, expect: expected }) => {
    let path: string;
    let place: string;
    let before: DatabaseDump;
    let extras: readonly string[];
    let after: DatabaseDump;
    let report: UpgradeReport;

    beforeAll(async () => {
      ({ path, place } = await placed(name, turned));
      before = await dumpDatabase(path);
      extras = await useExtras(path);
      report = await openAndClose(path, driver);
      after = await dumpDatabase(path);
    });

    afterAll(async () => {
      await rm(place, { recursive: true, force: true });
    });

    it('is recognised by its evidence, and the report says so', () => {
      const { found, evident, version, upToDate } = report;
      expect({ found, claimed: report.claimed, evident, version, upToDate }).toEqual({
        found: 'legacy',
        claimed,
        evident: expected.evident,
        version: 11,
        upToDate: false,
      });
      expect(report.adopted.map(({ filename: file }) => file)).toEqual(expected.adopted.map(filename));
      expect(report.completed.map(({ filename: file }) => file)).toEqual(expected.completed.map(filename));
      expect(report.applied.map(({ filename: file }) => file)).toEqual(expected.pending.map(filename));
    });

    it('has the schema of a fresh database', async () => {
      const differences = compareSchemas(fresh.schema, await snapshotOf(path));
      expect(differences.filter(({ kind }) => kind !== 'extra')).toEqual([]);
      expect(schemaFaults(fresh.described, await describeSchema(path))).toEqual([]);
      expect(await behaviourOf(path)).toEqual(fresh.behaviour);
    });

    it('has every value of every row as it was', () => {
      expect(valueFaults(before, after)).toEqual([]);
    });

    it('has the right numbers and counters of events', () => {
      expect(numberFaults(before, after)).toEqual([]);
    });

    it('never hands out an id again', () => {
      expect(sequenceFaults(before, after)).toEqual([]);
    });

    it('has everything that is its user’s own, and it works', async () => {
      expect(extraFaults(before, after)).toEqual([]);
      expect(await useExtras(path)).toEqual(extras);
    });

    it('keeps its journal mode', () => {
      expect(after.journalMode).toBe(before.journalMode);
      expect(after.applicationId).toBe(before.applicationId);
    });

    it('has a history that says what happened', () => {
      expect(historyFaults(expected, after)).toEqual([]);
    });

    it('is sound, and the rows that break a foreign key are those that the report counts', async () => {
      await withCopy(path, (copy) =>
        withLegacy(copy, async (connection) => {
          expect(await connection.rows('PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
          const broken = await connection.rows(
            'SELECT "table", parent, count(*) AS rows FROM pragma_foreign_key_check GROUP BY 1, 2 ORDER BY 1, 2',
          );
          const reported = report.violations.map(({ table, parent, rows }) => ({ table, parent, rows }));
          expect(
            [...reported].sort((a, b) => (`${a.table} ${a.parent}` < `${b.table} ${b.parent}` ? -1 : 1)),
          ).toEqual(broken);
        }),
      );
    });

    it('counts its rows in the report', () => {
      const rowsIn = ({ tables }: DatabaseDump, table: string): number => tables[table]?.rows.length ?? 0;
      for (const { table, before: old, after: now } of report.rows)
        expect([table, old, now]).toEqual([table, rowsIn(before, table), rowsIn(after, table)]);
      expect(report.rows.map(({ table }) => table)).toEqual(
        Object.keys(after.tables)
          .filter((table) => table !== 'schema_migrations' && !table.startsWith('sqlite_'))
          .sort(),
      );
    });

    it('is found up to date by the second open, which asks for no lock and writes nothing', async () => {
      // A file in the lock's place would stop whoever wants the lock, and the transaction whoever wants to write.
      await writeFile(`${path}.lock`, 'in the way');
      const bytes = await hashesIn(place);
      const { mtimeNs } = await stat(path, { bigint: true });
      // Two copies of SQLite in one process undo each other's locks: it is the same package.
      const other = await resolveDriver(driver).open(path, 'read-write');
      await other.execute('BEGIN IMMEDIATE');
      try {
        const again = await openAndClose(path, driver);
        expect(again).toMatchObject({ found: 'managed', upToDate: true, version: 11, applied: [], rows: [] });
      } finally {
        await other.execute('ROLLBACK');
        await other.close();
      }
      expect(await hashesIn(place)).toEqual(bytes);
      expect((await stat(path, { bigint: true })).mtimeNs).toBe(mtimeNs);
      await rm(`${path}.lock`);
      expect(await dumpDatabase(path)).toEqual(after);
    });

    it('is found in order by verify', async () => {
      const verification = await verifyDatabase(path, { ...worlds, driver });
      expect(verification).toMatchObject({
        ok: true,
        kind: 'managed',
        pending: [],
        drift: [],
        newViolations: [],
      });
      const mine = (object: string): boolean =>
        /(^|\.)(my|summary|message_queue|idx_message_queue)/.test(object);
      expect(verification.extras.filter(({ name: extra }) => !mine(extra))).toEqual([]);
    });
  },
);

describe.each(cases.filter((each) => each.expect.kind === 'empty'))(
  '$name ($mode, $driver): $title',
  ({ name, turned, driver, claimed }) => {
    it('becomes a fresh database, and the claim is reported', async () => {
      const { path } = await placed(name, turned);
      const report = await openAndClose(path, driver);
      expect(report).toMatchObject({
        found: 'empty',
        claimed,
        evident: 0,
        version: 11,
        adopted: [],
        completed: [],
      });
      expect(report.differences).toEqual(
        claimed === 0 ? [] : [`user_version claims ${claimed}, but there is no table`],
      );
      expect(report.applied).toHaveLength(11);
      expect(schemaFaults(fresh.described, await describeSchema(path))).toEqual([]);
      expect((await dumpDatabase(path)).userVersion).toBe(11);
    });
  },
);

/** What nobody should touch, besides the committed ones: with a log that holds everything. */
const strangers: readonly (Pick<LegacyFixture, 'name' | 'title' | 'make'> & { driver: DriverName })[] = [
  {
    name: 'stranger-in-wal-mode',
    driver: 'better-sqlite3',
    title: 'Tables like ours under user_version 8, in WAL mode.',
    make: (path) => buildLegacyDatabase(path, { version: 7, userVersion: 8, journal: 'wal' }),
  },
  {
    name: 'stranger-with-a-log',
    driver: 'better-sqlite3',
    title: 'Tables like ours under user_version 8, all of them in a log that was left behind.',
    make: (path) => buildLegacyDatabase(path, { version: 7, userVersion: 8, journal: 'wal left behind' }),
  },
];

function hasOtherHistory(name: string): boolean {
  return /-(dbmate|rails|golang-migrate|sibling)$/.test(name);
}

describe('a database that is not ours', () => {
  const foreign = cases
    .filter((each) => each.expect.kind === 'foreign')
    .map(({ name, mode, title, turned, driver }) => ({
      name: `${name} (${mode}, ${driver})`,
      title,
      driver,
      code: hasOtherHistory(name) ? 'OTHER_HISTORY' : 'FOREIGN_DATABASE',
      make: async (path: string): Promise<void> => {
        await copyDatabase(join(committed, `${name}.db`), path);
        if (turned !== undefined)
          await withLegacy(path, (connection) => connection.run(`PRAGMA journal_mode = ${turned};`));
      },
    }));

  it.each([...foreign, ...strangers.map((stranger) => ({ ...stranger, code: 'FOREIGN_DATABASE' }))])(
    'is refused and not touched: $name',
    async ({ make, driver, code }) => {
      const place = await mkdtemp(join(folder, 'foreign-'));
      const path = join(place, 'theirs.db');
      await make(path);
      await writeFile(`${path}.lock`, 'in the way');
      const bytes = await hashesIn(place);
      const { mtimeNs } = await stat(path, { bigint: true });
      await expect(openStorage({ database: path, driver })).rejects.toMatchObject({
        code,
        message: expect.stringMatching(
          /^(This cannot be taken for a database of this program: |The history of this database is kept by ).{10}/,
        ),
        hint: expect.stringContaining('Nothing was changed.'),
      });
      const inspection = await inspectDatabase(path, { ...worlds, driver });
      expect(inspection).toMatchObject({ kind: 'foreign', problem: { code } });
      expect(await hashesIn(place)).toEqual(bytes);
      expect((await stat(path, { bigint: true })).mtimeNs).toBe(mtimeNs);
    },
  );

  it.each([
    [
      'foreign-dbmate',
      /kept by dbmate, in the table schema_migrations \(2 rows, the newest 20240301090000\)/,
    ],
    ['foreign-rails', /Rails/],
    ['foreign-golang-migrate', /golang-migrate/],
    ['foreign-sibling', /a sibling of this tool that keeps no checksums/],
    [
      'foreign-tables-of-our-names',
      /column worlds\.id has the type INTEGER, not TEXT; column agents\.id has the type INTEGER, not TEXT/,
    ],
    ['user-version-8', /user_version is 8, outside 0 to 7, and there is no history/],
    ['user-version-minus-1', /user_version is -1, outside 0 to 7/],
  ])('is named: %s', async (name, sentence) => {
    const { path } = await placed(name);
    await expect(openStorage({ database: path })).rejects.toThrow(sentence);
  });
});

describe('inspectDatabase', () => {
  it.each(cases.filter((each) => each.expect.kind !== 'foreign'))(
    'says what would be done to $name ($mode, $driver), and changes no byte',
    async ({ name, turned, driver, claimed, expect: expected }) => {
      const { path, place } = await placed(name, turned);
      const bytes = await hashesIn(place);
      const { mtimeNs } = await stat(path, { bigint: true });
      const inspection = await inspectDatabase(path, { ...worlds, driver });
      expect(inspection).toMatchObject({
        kind: expected.kind,
        userVersion: claimed,
        claimed,
        evident: expected.evident,
        version: 0,
        applied: [],
        problem: undefined,
      });
      expect(inspection.adoptable.map(({ version }) => version)).toEqual(expected.adopted);
      expect(inspection.completable.map(({ version }) => version)).toEqual(expected.completed);
      expect(inspection.pending.map(({ version }) => version)).toEqual(expected.pending);
      expect(inspection.completable.every(({ objects }) => objects.length > 0)).toBe(true);
      expect(await hashesIn(place)).toEqual(bytes);
      expect((await stat(path, { bigint: true })).mtimeNs).toBe(mtimeNs);
      expect(existsSync(`${path}.lock`)).toBe(false);
    },
  );
});
