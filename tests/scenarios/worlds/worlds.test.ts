import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStorage, verifyDatabase } from 'sqlite-upgrade-bridge';

import { buildLegacyDatabase, legacyVersions } from '../../support/legacy-databases.js';
import { chronicle, continueWorlds } from './chronicle.js';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'worlds-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

describe.each([0, ...legacyVersions] as const)('worlds of version %i', (version) => {
  it.each(['rollback', 'wal'] as const)('go on, in %s mode', async (journal) => {
    const database = join(folder, 'worlds.db');
    await buildLegacyDatabase(database, { version, journal, worlds: version === 0 ? 0 : 3 });
    const before = await continueWorlds(database);
    expect(before).toHaveLength(version === 0 ? 0 : 3);
    const storage = await openStorage({ database });
    expect(storage.report.upToDate).toBe(true);
    expect(new Set(await chronicle(storage))).toEqual(new Set([...before, 'Continued: 0 agents, 0 chats']));
    expect(await storage.events.list('continued', null)).toEqual([
      expect.objectContaining({ type: 'opened', payload: version === 0 ? 'empty' : 'legacy' }),
    ]);
    await storage.close();
    expect((await verifyDatabase(database)).ok).toBe(true);
  });
});
