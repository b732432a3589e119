import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { openStorage, verifyDatabase } from '../../core/index.js';
import { dumpDatabase, type DatabaseDump } from '../support/database-dump.js';
import {
  buildLegacyDatabase,
  expectationOf,
  type LegacyExpectation,
  type LegacySpec,
} from '../support/legacy-databases.js';
import { outputOf, startProgram, type Program, type ProgramEnd } from '../support/processes.js';
import {
  extraFaults,
  historyFaults,
  numberFaults,
  sequenceFaults,
  valueFaults,
} from '../support/upgrade-faults.js';
import { useExtras } from '../support/user-extras.js';

const migrations = resolve('migrations');
const rounds = Number(process.env.KILL_ROUNDS ?? 4);

/** Something for every part of an upgrade to do: adopt, complete, rebuild, apply. */
const worn: LegacySpec = {
  version: 6,
  events: 'without references',
  sequences: false,
  chats: false,
  missing: ['worlds.current_chat_id', 'idx_agents_status', 'archive_statistics', 'idx_events_type'],
  orphans: true,
  wrongNumbers: true,
  deletedIds: true,
  extras: ['table', 'view', 'index', 'trigger', 'message_queue'],
};

const empty: DatabaseDump = {
  userVersion: 0,
  applicationId: 0,
  journalMode: 'wal',
  schema: [],
  tables: {},
};
const nothing: LegacyExpectation = {
  kind: 'empty',
  evident: 0,
  adopted: [],
  completed: [],
  pending: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
};

interface Kind {
  readonly title: string;
  readonly spec: LegacySpec | undefined;
}

const kinds: readonly Kind[] = [
  { title: 'an absent file', spec: undefined },
  { title: 'a legacy database in rollback mode', spec: worn },
  { title: 'a legacy database in WAL mode', spec: { ...worn, journal: 'wal' } },
  { title: 'a legacy database with a log left behind', spec: { ...worn, journal: 'wal left behind' } },
];

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'processes-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

interface Place {
  readonly path: string;
  readonly before: DatabaseDump;
  readonly extras: readonly string[];
  readonly expected: LegacyExpectation;
}

async function placed(spec: LegacySpec | undefined): Promise<Place> {
  const path = join(await mkdtemp(join(folder, 'place-')), 'worlds.db');
  if (spec === undefined) return { path, before: empty, extras: [], expected: nothing };
  await buildLegacyDatabase(path, spec);
  return {
    path,
    before: await dumpDatabase(path),
    extras: await useExtras(path),
    expected: expectationOf(spec),
  };
}

/** Everything that must hold of an upgraded database, however often its upgrade was begun. */
async function holds({ path, before, extras, expected }: Place): Promise<void> {
  const after = await dumpDatabase(path);
  expect(historyFaults(expected, after)).toEqual([]);
  expect(valueFaults(before, after)).toEqual([]);
  expect(numberFaults(before, after)).toEqual([]);
  expect(sequenceFaults(before, after)).toEqual([]);
  expect(extraFaults(before, after)).toEqual([]);
  expect(await useExtras(path)).toEqual(extras);
  expect(after.journalMode).toBe(before.journalMode);
  expect(await verifyDatabase(path)).toMatchObject({ ok: true, drift: [], newViolations: [] });
}

async function ready(path: string, ...more: readonly string[]): Promise<Program> {
  const program = startProgram('open-storage', path, migrations, ...more);
  await program.said('ready');
  return program;
}

/** Makes the lock of a process that is dead look as old as its next visitor would find it. */
async function letLockAge(path: string): Promise<void> {
  const longAgo = new Date(Date.now() - 60_000);
  if (existsSync(`${path}.lock`)) await utimes(`${path}.lock`, longAgo, longAgo);
}

/** The numbers of files that several programs adopted, completed and applied together. */
function togetherIn(ends: readonly ProgramEnd[]): { adopted: number; completed: number; applied: number } {
  const sums = { adopted: 0, completed: 0, applied: 0 };
  for (const end of ends) {
    const [version, adopted, completed, applied] = (outputOf(end).split('\n')[1] ?? '')
      .split(' ')
      .map(Number);
    expect(version).toBe(11);
    sums.adopted += adopted ?? NaN;
    sums.completed += completed ?? NaN;
    sums.applied += applied ?? NaN;
  }
  return sums;
}

describe.each(kinds)('eight processes that open $title at the same moment', ({ spec }) => {
  // Where nothing is there yet, the file, its log and its lock come into being while the others look at them: once is not
  // enough to meet the moments in between.
  it.each(spec === undefined ? [1, 2, 3, 4, 5] : [1])(
    'all succeed, and each file is applied once (%i)',
    async () => {
      const place = await placed(spec);
      const programs = await Promise.all(Array.from({ length: 8 }, () => ready(place.path)));
      for (const program of programs) program.tell('go');
      const ends = await Promise.all(programs.map((program) => program.end()));
      const { adopted, completed, pending } = place.expected;
      expect(togetherIn(ends)).toEqual({
        adopted: adopted.length,
        completed: completed.length,
        applied: pending.length,
      });
      await holds(place);
      expect(existsSync(`${place.path}.lock`)).toBe(false);
    },
  );
});

describe.each(kinds.slice(0, 3))('a process that is killed while it upgrades $title', ({ spec }) => {
  it('leaves a database that the next open continues, at whichever step it was', async () => {
    const adoptions = new Set<string>();
    for (let count = 1; ; count += 1) {
      const place = await placed(spec);
      const program = await ready(place.path, String(count));
      program.tell('go');
      const end = await program.end();
      if (end.signal !== 'SIGKILL') {
        // There are not so many events: it came to its end.
        expect(outputOf(end)).toMatch(/^11 /m);
        break;
      }
      const { tables } = await dumpDatabase(place.path);
      const origins = (tables.schema_migrations?.rows ?? []).map(({ origin }) => origin);
      adoptions.add(String(origins.filter((origin) => origin !== "text 'migration'").length));
      await letLockAge(place.path);
      const storage = await openStorage({ database: place.path, backup: false });
      await storage.close();
      await holds(place);
    }
    // Either nothing of the legacy database was adopted when it died, or all of it.
    const { adopted, completed } = spec === undefined ? nothing : expectationOf(spec);
    const baseline = adopted.length + completed.length;
    expect([...adoptions].sort()).toEqual(baseline === 0 ? ['0'] : ['0', String(baseline)].sort());
  });

  it('leaves a database that the next open continues, at any moment', async () => {
    for (let round = 0; round < rounds; round += 1) {
      const place = await placed(spec);
      for (let kill = 0; kill < 2; kill += 1) {
        const program = await ready(place.path);
        program.tell('go');
        await pause(Math.random() * 200);
        program.kill('SIGKILL');
        await program.end();
        await letLockAge(place.path);
      }
      const storage = await openStorage({ database: place.path, backup: false });
      await storage.close();
      await holds(place);
      const left = await readdir(dirname(place.path));
      expect(left.filter((name) => !name.startsWith(basename(place.path)))).toEqual([]);
    }
  });
});

it('seven processes that meet the lock of one that was killed a moment ago all succeed', async () => {
  const place = await placed(worn);
  const victim = await ready(place.path, '2');
  const others = await Promise.all(Array.from({ length: 7 }, () => ready(place.path)));
  victim.tell('go');
  expect((await victim.end()).signal).toBe('SIGKILL');
  expect(existsSync(`${place.path}.lock`)).toBe(true);
  for (const program of others) program.tell('go');
  const ends = await Promise.all(others.map((program) => program.end()));
  // The dead one had adopted the database; the others share the rest.
  expect(togetherIn(ends)).toEqual({ adopted: 0, completed: 0, applied: place.expected.pending.length });
  await holds(place);
  expect(existsSync(`${place.path}.lock`)).toBe(false);
});
