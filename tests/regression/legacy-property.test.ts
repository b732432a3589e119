import { afterAll, beforeAll, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { UpgradeBridgeError } from '../../core/index.js';
import { compareSchemas } from '../../core/storage/schema-comparison.js';
import { hashesIn } from '../support/database-copy.js';
import { dumpDatabase } from '../support/database-dump.js';
import { makeFresh, openAndClose, snapshotOf, type FreshDatabase } from '../support/fresh-database.js';
import {
  buildLegacyDatabase,
  claimedObjects,
  expectationOf,
  legacyObjects,
  userExtras,
  type LegacySpec,
  type LegacyVersion,
} from '../support/legacy-databases.js';
import { withLegacy } from '../support/legacy-driver.js';
import { behaviourOf, describeSchema, schemaFaults } from '../support/schema-by-pragmas.js';
import {
  extraFaults,
  historyFaults,
  numberFaults,
  sequenceFaults,
  valueFaults,
} from '../support/upgrade-faults.js';
import { useExtras } from '../support/user-extras.js';

/** How many databases are made and upgraded. */
const RUNS = Number(process.env.LEGACY_RUNS ?? 60);

/** Columns that a user may have added to tables of ours. */
const ownColumns = [
  'ALTER TABLE worlds ADD COLUMN "my colour" TEXT DEFAULT \'blue\'',
  'ALTER TABLE worlds ADD COLUMN my_length INTEGER GENERATED ALWAYS AS (length(name)) VIRTUAL',
  'ALTER TABLE agent_memory ADD COLUMN my_rating REAL CHECK (my_rating BETWEEN 0 AND 1)',
  'ALTER TABLE events ADD COLUMN [my "note"] TEXT COLLATE NOCASE',
  'ALTER TABLE events ADD COLUMN my_length GENERATED ALWAYS AS (length(payload) * 2)',
  'ALTER TABLE events ADD COLUMN my_world TEXT REFERENCES worlds(id) ON DELETE SET NULL',
  'ALTER TABLE events ADD COLUMN my_flag NOT NULL DEFAULT (1) CHECK (my_flag IN (0, 1))',
  'ALTER TABLE event_sequences ADD COLUMN my_counter INTEGER',
] as const;

/** SQL literals of what was found in the numbers and times of events. */
const numbers = [
  'NULL',
  '1',
  '2',
  '3',
  '7',
  '40',
  '-5',
  "'9'",
  "'nine'",
  '2.5',
  "x'39'",
  '9223372036854775806',
] as const;
const times = [
  'NULL',
  "'2024-02-29 10:00:00'",
  "'2024-02-29T10:00:00.000Z'",
  "'2024-02-29 10:00:01'",
  '1709200800000',
  '1709200800000.5',
  "'yesterday'",
  "''",
  "x'00FF'",
  '9223372036854775807',
  '-9223372036854775808',
  '9223372036854775807.0',
] as const;

/** An event, or a counter where there is no time, as literals. */
interface Numbered {
  readonly world: string;
  readonly chat: string;
  readonly number: string;
  readonly time: string | undefined;
}

interface Case {
  readonly spec: LegacySpec;
  readonly own: readonly string[];
  readonly numbered: readonly Numbered[];
}

/** Any legacy database that the facts allow. */
const cases: fc.Arbitrary<Case> = fc
  .record({
    version: fc.constantFrom<LegacyVersion>(0, 1, 2, 3, 4, 5, 6, 7),
    events: fc.constantFrom('none', 'with references', 'without references'),
    chats: fc.boolean(),
    sequences: fc.boolean(),
  })
  .chain(({ version, events, chats, sequences }) => {
    const claimed = claimedObjects(version).map(({ name }) => name);
    const unclaimed = legacyObjects
      .filter(({ version: since }) => since === undefined)
      .map(({ name }) => name);
    const later = legacyObjects
      .filter(({ version: since }) => since !== undefined && since > version)
      .map(({ name }) => name);
    const some = (names: readonly string[], most: number): fc.Arbitrary<string[]> =>
      names.length === 0
        ? fc.constant([])
        : fc.subarray([...names], { maxLength: Math.min(most, names.length) });
    return fc.record({
      spec: fc
        .record({
          origin: fc.constantFrom('born', 'upgraded'),
          columnOrder: fc.option(fc.nat(1000), { nil: undefined }),
          early: fc.subarray(['memory_archives', 'world_chats'] as const),
          claimedMissing: fc.oneof(some(claimed, 0), some(claimed, 3), some(claimed, claimed.length)),
          unclaimedMissing: fc.oneof(some(unclaimed, 0), some(unclaimed, 3)),
          ahead: fc.oneof(some(later, 0), some(later, 2)),
          diedAfter: fc.oneof(
            { weight: 4, arbitrary: fc.constant(undefined) },
            { weight: 1, arbitrary: fc.nat(40) },
          ),
          userVersion: fc.oneof(
            { weight: 3, arbitrary: fc.constant(version) },
            { weight: 1, arbitrary: fc.constantFrom(0, 1, 2, 3, 4, 5, 6, 7) },
          ),
          worlds: fc.nat(2),
          seed: fc.nat(1000),
          orphans: fc.boolean(),
          oddValues: fc.boolean(),
          wrongNumbers: fc.boolean(),
          deletedIds: fc.boolean(),
          extras: fc.subarray([...userExtras]),
          journal: fc.constantFrom('rollback', 'wal', 'wal left behind'),
          pageSize: fc.constantFrom(512, 1024, 4096, 65536),
        })
        .map(({ claimedMissing, unclaimedMissing, columnOrder, diedAfter, ...rest }): LegacySpec => ({
          version,
          events,
          chats,
          sequences,
          missing: [...claimedMissing, ...unclaimedMissing],
          ...(columnOrder === undefined ? {} : { columnOrder }),
          ...(diedAfter === undefined ? {} : { diedAfter }),
          ...rest,
        })),
      own: fc.oneof(fc.constant([]), fc.subarray([...ownColumns])),
      numbered: fc.array(
        fc.record({
          world: fc.constantFrom("'world-1'", "'elsewhere'", "x'77'"),
          chat: fc.constantFrom('NULL', "'chat-1-1'", "'new chat'", "''"),
          number: fc.constantFrom(...numbers),
          time: fc.option(fc.constantFrom(...times), { nil: undefined }),
        }),
        { maxLength: 12 },
      ),
    });
  });

let folder: string;
let fresh: FreshDatabase;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'legacy-property-'));
  fresh = await makeFresh(join(folder, 'fresh.db'));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function build(path: string, { spec, own, numbered }: Case): Promise<void> {
  await buildLegacyDatabase(path, spec);
  // Opening what was left with a log would write the log into the database.
  if (spec.journal === 'wal left behind') return;
  await withLegacy(path, async (connection) => {
    const tables = new Set(
      (await connection.rows("SELECT name FROM sqlite_schema WHERE type = 'table'")).map(({ name }) =>
        String(name),
      ),
    );
    for (const statement of own) {
      const table = /^ALTER TABLE (\w+)/.exec(statement)?.[1] ?? '';
      if (tables.has(table)) await connection.run(`${statement};`);
    }
    for (const [index, { world, chat, number, time }] of numbered.entries()) {
      if (time === undefined && tables.has('event_sequences'))
        await connection.run(
          `INSERT OR IGNORE INTO event_sequences (world_id, chat_id, last_seq) VALUES (${world}, ${chat}, ${number});`,
        );
      if (time !== undefined && tables.has('events'))
        await connection.run(
          `INSERT INTO events (id, world_id, chat_id, seq, type, payload, created_at)
           VALUES ('numbered-${index}', ${world}, ${chat}, ${number}, 't', '{}', ${time});`,
        );
    }
  });
}

async function holds(each: Case): Promise<void> {
  const place = await mkdtemp(join(folder, 'case-'));
  try {
    const path = join(place, 'worlds.db');
    await build(path, each);
    const expected = expectationOf(each.spec);
    const claimed = each.spec.userVersion ?? each.spec.version;

    if (expected.kind === 'foreign') {
      const bytes = await hashesIn(place);
      await expect(openAndClose(path)).rejects.toMatchObject({ code: 'FOREIGN_DATABASE' });
      expect(await hashesIn(place)).toEqual(bytes);
      return;
    }

    const before = await dumpDatabase(path);
    const extras = await useExtras(path);
    const report = await openAndClose(path);
    const after = await dumpDatabase(path);

    // It is what its evidence says, and the history says what happened.
    expect({ found: report.found, claimed: report.claimed, evident: report.evident }).toEqual({
      found: expected.kind,
      claimed,
      evident: expected.evident,
    });
    expect(historyFaults(expected, after)).toEqual([]);

    // The schema is that of a fresh one.
    const differences = compareSchemas(fresh.schema, await snapshotOf(path));
    expect(differences.filter(({ kind }) => kind !== 'extra')).toEqual([]);
    expect(schemaFaults(fresh.described, await describeSchema(path))).toEqual([]);
    expect(await behaviourOf(path)).toEqual(fresh.behaviour);

    // Nothing is gone and nothing has changed but the numbers of events.
    expect(valueFaults(before, after)).toEqual([]);
    expect(numberFaults(before, after)).toEqual([]);
    expect(sequenceFaults(before, after)).toEqual([]);
    expect(extraFaults(before, after)).toEqual([]);
    expect(await useExtras(path)).toEqual(extras);
    expect(after.journalMode).toBe(before.journalMode);

    // A second open writes nothing and wants no lock: what is in the lock's place would stop it.
    await writeFile(`${path}.lock`, 'in the way');
    const bytes = await hashesIn(place);
    expect(await openAndClose(path)).toMatchObject({ found: 'managed', upToDate: true, version: 11 });
    expect(await hashesIn(place)).toEqual(bytes);
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

it('whatever a legacy database is like, opening it brings it to the newest schema with nothing lost', async () => {
  await fc.assert(
    fc.asyncProperty(cases, async (each) => {
      try {
        await holds(each);
      } catch (error) {
        if (error instanceof UpgradeBridgeError)
          throw new Error(`${error.code}: ${error.message}`, { cause: error });
        throw error;
      }
    }),
    { numRuns: RUNS, endOnFailure: false },
  );
}, 3_600_000);
