import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { copyFile, cp, mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import {
  inspectDatabase,
  LegacyRefusedError,
  openStorage,
  upgradeDatabase,
  worldLegacyVersions,
  worldMigrationsDir,
  type ProgressEvent,
  type Storage,
  type StorageOptions,
} from '../../core/index.js';
import { DatabaseFolder } from '../support/database-folder.js';
import { withLegacy } from '../support/legacy-driver.js';
import { journalModes } from '../support/storage-database.js';
import { untyped } from '../support/untyped.js';

const NEWEST = 11;

let place: DatabaseFolder;
const handles: Storage[] = [];

beforeEach(async () => {
  place = await DatabaseFolder.make();
});

afterEach(async () => {
  for (const handle of handles.splice(0)) await handle.close();
  await place.remove();
});

async function open(options: Partial<StorageOptions> = {}): Promise<Storage> {
  const handle = await openStorage({ database: place.path, backup: false, ...options });
  handles.push(handle);
  return handle;
}

/** Puts one of the legacy databases in the place, in a journal mode. */
async function placeLegacy(name: string, journal: string): Promise<void> {
  await copyFile(new URL(`../fixtures/legacy/${name}.db`, import.meta.url), place.path);
  await withLegacy(place.path, (connection) => connection.run(`PRAGMA journal_mode = ${journal}`));
}

/** A folder with the storage's own migrations and one more. */
async function folderWithOneMore(): Promise<string> {
  const folder = join(place.folder, 'sql');
  await cp(worldMigrationsDir, folder, { recursive: true });
  await writeFile(join(folder, '0012_add_stars.sql'), 'ALTER TABLE worlds ADD COLUMN stars INTEGER;');
  return folder;
}

describe('openStorage', () => {
  it('makes a database where there is none, in WAL mode, on the newest schema', async () => {
    const storage = await open();
    expect(storage.report).toMatchObject({ found: 'absent', version: NEWEST, upToDate: false, adopted: [] });
    expect(storage.report.applied).toHaveLength(NEWEST);
    await storage.worlds.save({ id: 'w', name: 'World' });
    expect(await place.rows('PRAGMA journal_mode')).toEqual([{ journal_mode: 'wal' }]);
    expect(await place.rows('SELECT name FROM worlds')).toEqual([{ name: 'World' }]);
  });

  it('gives all operations of a storage on one connection', async () => {
    const { worlds, agents, memory, chats, archives, events } = await open();
    await worlds.save({ id: 'w', name: 'World' });
    await agents.save({ worldId: 'w', id: 'a', name: 'Agent', type: 'default', provider: 'p', model: 'm' });
    await chats.save({ worldId: 'w', id: 'c', name: 'Chat' });
    await memory.append('w', 'a', [{ role: 'user', content: 'Hello' }]);
    await events.append({ id: 'e', worldId: 'w', chatId: 'c', type: 'message', payload: {} });
    expect(await archives.list('w', 'a')).toEqual([]);
    expect(await worlds.list()).toHaveLength(1);
  });

  it('finds what was stored when the database is opened again, and changes nothing', async () => {
    const first = await open();
    await first.worlds.save({ id: 'w', name: 'World' });
    await first.close();
    const again = await open();
    expect(again.report).toMatchObject({
      found: 'managed',
      upToDate: true,
      version: NEWEST,
      applied: [],
      rows: [],
      backup: undefined,
      wouldDo: undefined,
    });
    expect(await again.worlds.load('w')).toMatchObject({ name: 'World' });
  });

  it('lives in memory where that is asked for, each handle by itself', async () => {
    const [one, other] = [await open({ database: ':memory:' }), await open({ database: ':memory:' })];
    await one.worlds.save({ id: 'w', name: 'World' });
    expect(await one.worlds.list()).toHaveLength(1);
    expect(await other.worlds.list()).toEqual([]);
    expect(one.report).toMatchObject({ database: ':memory:', version: NEWEST, backup: undefined });
    expect(Object.keys(await place.hashes())).toEqual([]);
    await expect(stat(':memory:')).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('gives two handles on one file that see what the other has stored', async () => {
    const [one, other] = await Promise.all([open(), open()]);
    expect([one.report.applied.length, other.report.applied.length].sort((a, b) => a - b)).toEqual([
      0,
      NEWEST,
    ]);
    // Whoever only waited found what the other had made.
    expect([one.report.found, other.report.found].sort()).toEqual(['absent', 'managed']);
    await one.worlds.save({ id: 'w', name: 'World' });
    await other.worlds.save({ id: 'v', name: 'Other' });
    expect((await one.worlds.list()).map(({ id }) => id).sort()).toEqual(['v', 'w']);
    await one.close();
    expect(await other.worlds.load('w')).toMatchObject({ name: 'World' });
  });

  it('tells whoever waited for the upgrade of a legacy database that there is a managed one', async () => {
    await placeLegacy('version-4-born', 'wal');
    const reports = (await Promise.all([open(), open()])).map(({ report }) => report);
    const waited = reports.find(({ upToDate }) => upToDate);
    const upgraded = reports.find(({ upToDate }) => !upToDate);
    expect(upgraded).toMatchObject({ found: 'legacy', claimed: 4 });
    expect(waited).toMatchObject({
      found: 'managed',
      claimed: undefined,
      evident: undefined,
      differences: [],
      version: NEWEST,
      applied: [],
    });
  });

  it('closes once: what was asked for is done, a second time does nothing, and what is asked for later is refused', async () => {
    const storage = await open();
    const saved = storage.worlds.save({ id: 'w', name: 'World' });
    const closed = storage.close();
    await expect(saved).resolves.toMatchObject({ id: 'w' });
    await closed;
    await storage.close();
    await expect(storage.worlds.list()).rejects.toMatchObject({ code: 'DATABASE_ERROR' });
    expect(await place.rows('SELECT id FROM worlds')).toEqual([{ id: 'w' }]);
  });

  it('tells the progress', async () => {
    const events: ProgressEvent[] = [];
    await open({ onProgress: (event) => events.push(event) });
    expect(events.filter(({ kind }) => kind === 'applied')).toHaveLength(NEWEST);
  });

  it('sets the connection up as it is told to', async () => {
    await expect(open({ synchronous: 'NORMAL', busyTimeoutMs: 17 })).resolves.toBeDefined();
  });
});

describe('openStorage, with migrations of a folder', () => {
  it('ends at the newest of them', async () => {
    const storage = await open({ migrationsDir: await folderWithOneMore() });
    expect(storage.report.version).toBe(NEWEST + 1);
    await storage.worlds.save({ id: 'w', name: 'World' });
    expect(await place.rows('SELECT stars FROM worlds')).toEqual([{ stars: null }]);
  });

  it('is refused by the package alone afterwards, because the database is newer', async () => {
    await (await open({ migrationsDir: await folderWithOneMore() })).close();
    await expect(open()).rejects.toMatchObject({ code: 'NEWER_DATABASE', databaseVersion: NEWEST + 1 });
  });

  it('refuses a folder that is not there, or empty, and makes no database', async () => {
    await expect(open({ migrationsDir: join(place.folder, 'none') })).rejects.toMatchObject({
      code: 'UNREADABLE_MIGRATIONS',
    });
    await mkdir(join(place.folder, 'empty'));
    await expect(open({ migrationsDir: join(place.folder, 'empty') })).rejects.toMatchObject({
      code: 'NO_MIGRATIONS',
    });
    await expect(stat(place.path)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe.each(journalModes)('openStorage on a legacy database in %s mode', (journal) => {
  it('upgrades it, says so, and keeps its rows and its journal mode', async () => {
    await placeLegacy('version-3-born', journal);
    const worlds = await place.rows('SELECT id, name FROM worlds ORDER BY id');
    const { report, worlds: storage } = await open();
    expect(report).toMatchObject({ found: 'legacy', claimed: 3, evident: 3, version: NEWEST });
    expect(report.adopted.length).toBeGreaterThan(0);
    expect((await storage.list()).map(({ id }) => id).sort()).toEqual(worlds.map(({ id }) => id));
    expect(await place.rows('PRAGMA journal_mode')).toEqual([{ journal_mode: journal }]);
  });

  it('knows what old versions mean to a folder only when it is told', async () => {
    await placeLegacy('version-3-born', journal);
    const migrationsDir = await folderWithOneMore();
    await expect(open({ migrationsDir })).rejects.toMatchObject({
      code: 'OTHER_HISTORY',
      hint: expect.stringContaining('--legacy FILE'),
    });
    const { report } = await open({ migrationsDir, legacy: worldLegacyVersions });
    expect(report).toMatchObject({ found: 'legacy', claimed: 3, version: NEWEST + 1 });
  });

  it('takes the table of legacy versions that it is given', async () => {
    await placeLegacy('version-3-born', journal);
    await expect(open({ legacy: { 1: [3], 2: [3, 4] } })).rejects.toMatchObject({
      code: 'FOREIGN_DATABASE',
      message: expect.stringContaining('user_version is 3, outside 0 to 2'),
    });
    await expect(open({ legacy: { 3: [99] } })).rejects.toMatchObject({ code: 'BAD_LEGACY_TABLE' });
  });

  it.each(['refuse', 'inspect-only'] as const)(
    'with legacyMode %s gives no handle and changes nothing, and says what would be done',
    async (legacyMode) => {
      await placeLegacy('version-3-born', journal);
      const { adoptable, completable, pending, differences } = await inspectDatabase(place.path);
      const refused = async (): Promise<void> => {
        const error: unknown = await open({ legacyMode }).catch((reason: unknown) => reason);
        expect(error).toBeInstanceOf(LegacyRefusedError);
        expect(error).toMatchObject({
          code: 'LEGACY_REFUSED',
          report: {
            found: 'legacy',
            claimed: 3,
            evident: 3,
            upToDate: false,
            applied: [],
            adopted: [],
            differences,
            wouldDo: { adoptable, completable, pending },
          },
        });
      };
      expect(await place.isUntouchedBy(refused)).toBe(true);
      await expect(open()).resolves.toMatchObject({ report: { version: NEWEST } });
    },
  );
});

describe('openStorage refuses', () => {
  it.each([
    ['no path', { database: undefined }],
    ['a path that is a number', { database: 7 }],
    ['a path that is empty', { database: '' }],
    ['a URI', { database: 'file:a.db' }],
    ['a time to wait that is none', { lockWaitMs: -1 }],
    ['a busy timeout that is none', { busyTimeoutMs: 1.5 }],
    ['a level of synchronous that is none', { synchronous: 'MOSTLY' }],
    ['a mode for legacy databases that is none', { legacyMode: 'sometimes' }],
  ])('%s', async (_title, options) => {
    await expect(openStorage(untyped({ database: place.path }, options))).rejects.toMatchObject({
      code: 'BAD_OPTION',
    });
    expect(Object.keys(await place.hashes())).toEqual([]);
  });

  it('a folder, and a database of somebody else', async () => {
    await expect(openStorage({ database: place.folder })).rejects.toMatchObject({ code: 'NOT_A_FILE' });
    await place.run('CREATE TABLE orders (id)');
    const foreign = () => expect(open()).rejects.toMatchObject({ code: 'FOREIGN_DATABASE' });
    expect(await place.isUntouchedBy(foreign)).toBe(true);
  });

  it.each([
    [
      'a misspelt option',
      { lockWaitMS: 5 },
      'openStorage has no option "lockWaitMS".',
      'Did you mean lockWaitMs?',
    ],
    [
      'to end before the newest version',
      { to: 3 },
      'openStorage has no option "to".',
      /The options are adopt, backup, /,
    ],
  ])('%s, and names it', async (_title, options, message, hint) => {
    const attempt = openStorage(untyped({ database: place.path }, options));
    await expect(attempt).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message,
      hint: expect.stringMatching(hint),
    });
    expect(Object.keys(await place.hashes())).toEqual([]);
  });

  it('to be called without options, as does upgradeDatabase', async () => {
    await expect(Reflect.apply(openStorage, undefined, [])).rejects.toMatchObject({ code: 'BAD_OPTION' });
    await expect(Reflect.apply(upgradeDatabase, undefined, [])).rejects.toMatchObject({ code: 'BAD_OPTION' });
    const misspelt = untyped(
      { database: place.path, migrations: worldMigrationsDir },
      { onProgres: () => 1 },
    );
    await expect(upgradeDatabase(misspelt)).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: 'upgradeDatabase has no option "onProgres".',
      hint: 'Did you mean onProgress?',
    });
  });
});
