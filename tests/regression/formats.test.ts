import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { openStorage, verifyDatabase } from '../../core/index.js';
import { dumpDatabase, type DatabaseDump } from '../support/database-dump.js';
import { buildLegacyDatabase, type LegacySpec } from '../support/legacy-databases.js';
import { withLegacy } from '../support/legacy-driver.js';
import { numberFaults, sequenceFaults, valueFaults } from '../support/upgrade-faults.js';

/** Something for every part of an upgrade to do, with values of every kind. */
const worn: LegacySpec = {
  version: 4,
  events: 'without references',
  missing: ['worlds.chat_llm_model', 'idx_agents_status', 'archive_statistics'],
  orphans: true,
  oddValues: true,
  wrongNumbers: true,
  extras: ['table', 'index', 'trigger'],
};

const formats: readonly (readonly [title: string, format: Partial<LegacySpec>])[] = [
  ['UTF-16le', { encoding: 'UTF-16le' }],
  ['UTF-16be', { encoding: 'UTF-16be' }],
  ...[512, 8192, 65_536].map((pageSize) => [`pages of ${pageSize} bytes`, { pageSize }] as const),
  ['auto_vacuum full', { autoVacuum: 'full' }],
  ['auto_vacuum incremental', { autoVacuum: 'incremental' }],
];

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'formats-'));
  path = join(folder, 'worlds.db');
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** What a file keeps as it is, whatever is in it. */
async function formatOf(database: string): Promise<readonly unknown[]> {
  return withLegacy(database, async (connection) => [
    ...(await connection.rows('PRAGMA encoding')),
    ...(await connection.rows('PRAGMA page_size')),
    ...(await connection.rows('PRAGMA auto_vacuum')),
    ...(await connection.rows('PRAGMA journal_mode')),
  ]);
}

/** What an upgrade changed that it should not. */
function faults(before: DatabaseDump, after: DatabaseDump): string[] {
  return [...valueFaults(before, after), ...numberFaults(before, after), ...sequenceFaults(before, after)];
}

describe.each(formats)('a database with %s', (_title, format) => {
  it.each(['rollback', 'wal'] as const)('is upgraded as any other, and stays so: %s', async (journal) => {
    await buildLegacyDatabase(path, { ...worn, ...format, journal });
    const before = await dumpDatabase(path);
    const keeps = await formatOf(path);

    await (await openStorage({ database: path })).close();
    expect(faults(before, await dumpDatabase(path))).toEqual([]);
    expect(await formatOf(path)).toEqual(keeps);
    expect(await verifyDatabase(path)).toMatchObject({ ok: true, drift: [], pending: [] });

    const storage = await openStorage({ database: path });
    await storage.worlds.save({ id: 'saved', name: 'Ünïcödé 名前 😀' });
    expect(await storage.worlds.load('saved')).toMatchObject({ name: 'Ünïcödé 名前 😀' });
    expect(await storage.worlds.delete('saved')).toBe(true);
    await storage.close();
  });
});
