import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { openStorage, verifyDatabase } from '../../core/index.js';
import { buildLegacyDatabase, type LegacySpec } from '../support/legacy-databases.js';
import { Release7 } from '../support/release-7.js';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'release-7-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function upgrade(path: string): Promise<boolean> {
  const storage = await openStorage({ database: path, backup: false });
  await storage.close();
  return storage.report.upToDate;
}

/** What release 7 reads of a world that it made itself, without what depends on the hour, and what it leaves of it. */
async function evening(program: Release7): Promise<{ timeless: unknown; left: readonly string[] }> {
  await program.live('evening');
  const shown = await program.read('evening');
  const timeless = Object.fromEntries(
    Object.entries(shown).map(([kind, rows]) => [
      kind,
      rows.map((row) =>
        Object.fromEntries(Object.entries(row).filter(([column]) => !/_at$|^last_active$/.test(column))),
      ),
    ]),
  );
  await program.deleteWorld('evening');
  const left = Object.entries(await program.read('evening'));
  return {
    timeless,
    left: left.filter(([kind, rows]) => kind !== 'worlds' && rows.length > 0).map(([kind]) => kind),
  };
}

describe.each<{ title: string; spec: LegacySpec }>([
  { title: 'that was its own, in WAL mode', spec: { version: 7, journal: 'wal' } },
  { title: 'that was its own, in rollback mode', spec: { version: 7 } },
  {
    title: 'whose events had no references',
    spec: { version: 7, events: 'without references', orphans: true },
  },
  { title: 'with columns in any order', spec: { version: 7, columnOrder: 3 } },
])('release 7 on an upgraded database $title', ({ spec }) => {
  let old: string;
  let path: string;

  beforeAll(async () => {
    old = join(folder, 'old.db');
    path = join(folder, 'upgraded.db');
    await buildLegacyDatabase(old, spec);
    await buildLegacyDatabase(path, spec);
    await upgrade(path);
  });

  it('reads what it read before', async () => {
    const [before, after] = await Promise.all([Release7.open(old), Release7.open(path)]);
    for (const world of ['world-1', 'world-2']) {
      const shown = await after.read(world);
      expect(shown).toEqual(await before.read(world));
      expect(shown.events).toHaveLength(spec.orphans === true && world === 'world-1' ? 10 : 9);
    }
    await before.close();
    await after.close();
  });

  it('writes, changes and deletes as it did before', async () => {
    const [before, after] = await Promise.all([Release7.open(old), Release7.open(path)]);
    const now = await evening(after);
    expect(now.timeless).toEqual((await evening(before)).timeless);
    expect(now.left).toEqual([]);
    await before.close();
    await after.close();
  });

  it('leaves a database that the new program finds in order', async () => {
    expect(await upgrade(path)).toBe(true);
    expect(await verifyDatabase(path)).toMatchObject({ ok: true, drift: [], newViolations: [] });
  });
});

describe.each<{ title: string; spec: LegacySpec }>([
  { title: 'version 1', spec: { version: 1, origin: 'born' } },
  { title: 'version 5', spec: { version: 5, journal: 'wal' } },
  { title: 'release 7 in WAL mode', spec: { version: 7, journal: 'wal' } },
  { title: 'release 7 in rollback mode', spec: { version: 7 } },
])('the two programs in turns, on a database of $title', ({ spec }) => {
  it('both go on where the other one stopped, and the new one gives the right numbers', async () => {
    const path = join(folder, 'turns.db');
    await buildLegacyDatabase(path, { ...spec, worlds: 1 });
    const numbersOf = async (chatId: string | null): Promise<readonly (number | null)[]> => {
      const storage = await openStorage({ database: path, backup: false });
      try {
        return (await storage.events.list('world-1', chatId)).map(({ seq }) => seq);
      } finally {
        await storage.close();
      }
    };
    const append = async (chatId: string | null, count: number): Promise<readonly (number | null)[]> => {
      const storage = await openStorage({ database: path, backup: false });
      try {
        const events = Array.from({ length: count }, () => ({
          worldId: 'world-1',
          chatId,
          type: 'message',
          payload: {},
        }));
        return (await storage.events.append(events)).map(({ seq }) => seq);
      } finally {
        await storage.close();
      }
    };
    const chat = 'chat-1-1';
    const storage = await openStorage({ database: path, backup: false });
    if (spec.version === 1) await storage.chats.save({ id: chat, worldId: 'world-1', name: 'New Chat' });
    await storage.close();
    const [ofWorld, ofChat] = [(await numbersOf(null)).length, (await numbersOf(chat)).length];

    // The new program first: its numbers follow those that the upgrade gave.
    expect(await append(null, 2)).toEqual([ofWorld + 1, ofWorld + 2]);
    expect(await append(chat, 2)).toEqual([ofChat + 1, ofChat + 2]);

    // Then the old one. In a chat it finds its counter; of a world it does not, and begins at 1 each time.
    const program = await Release7.open(path);
    expect(await program.append('world-1', chat, 'old-1')).toBe(ofChat + 3);
    expect(await program.append('world-1', chat, 'old-2')).toBe(ofChat + 4);
    expect(await program.append('world-1', null, 'old-3')).toBe(1);
    expect(await program.append('world-1', null, 'old-4')).toBe(1);
    await program.close();

    // And the new one again: no number that it gives was given before.
    expect(await append(chat, 1)).toEqual([ofChat + 5]);
    expect(await append(null, 3)).toEqual([ofWorld + 3, ofWorld + 4, ofWorld + 5]);
    expect(await numbersOf(chat)).toEqual(Array.from({ length: ofChat + 5 }, (_, index) => index + 1));
    expect(new Set(await numbersOf(null)).size).toBe(ofWorld + 5);
  });
});

it('a stamp that release 7 put back does not make a database legacy again', async () => {
  const path = join(folder, 'stamped.db');
  await buildLegacyDatabase(path, { version: 7 });
  await upgrade(path);
  const program = await Release7.open(path);
  await program.rows('PRAGMA user_version = 7');
  await program.close();
  expect(await upgrade(path)).toBe(true);
  expect(await verifyDatabase(path)).toMatchObject({
    kind: 'managed',
    ok: false,
    drift: [],
    userVersion: { found: 7, expected: 11 },
  });
});
