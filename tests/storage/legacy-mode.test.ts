import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import BetterSqlite3 from 'better-sqlite3';

import {
  inspectDatabase,
  LegacyRefusedError,
  moveDatabase,
  upgradeDatabase,
  type LegacyMode,
  type UpgradeOptions,
  type UpgradeReport,
} from '../../core/index.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import { upgradeConnection } from '../../core/storage/upgrade-database.js';
import { DatabaseFolder } from '../support/database-folder.js';
import { openLegacy } from '../support/legacy-driver.js';
import { notesFiles, notesLegacyVersions, notesMigrations } from '../support/notes-world.js';
import { journalModes } from '../support/storage-database.js';
import { untyped } from '../support/untyped.js';

/** A database of version 2 that says 3 and has lost an index. */
const legacy = `${notesFiles['0001_create_notes.sql'] ?? ''} ${notesFiles['0002_tag_notes.sql'] ?? ''}
  DROP INDEX notes_by_tag; INSERT INTO notes (title) VALUES ('one'); PRAGMA user_version = 3;`;
const source = { migrations: notesMigrations, legacy: notesLegacyVersions };
const NEWEST = 7;

const modes: readonly LegacyMode[] = ['bridge', 'refuse', 'inspect-only'];

describe.each(journalModes)('legacyMode, in %s mode', (journal) => {
  let place: DatabaseFolder;

  beforeEach(async () => {
    place = await DatabaseFolder.make(journal);
  });

  afterEach(() => place.remove());

  const upgrade = (legacyMode?: LegacyMode, options: Partial<UpgradeOptions> = {}): Promise<UpgradeReport> =>
    upgradeDatabase({ database: place.path, ...source, backup: false, legacyMode, ...options });

  it('bridges where it is left out', async () => {
    await place.run(legacy);
    expect(await upgrade()).toMatchObject({ found: 'legacy', version: NEWEST, wouldDo: undefined });
  });

  it('looks again where another program writes between the adoption and the first file', async () => {
    await place.run(legacy);
    const changed = upgrade('bridge', {
      onProgress: ({ kind }) => {
        if (kind !== 'adopted') return;
        const other = new BetterSqlite3(place.path);
        other.exec('DELETE FROM schema_migrations WHERE id = 1');
        other.close();
      },
    });
    await expect(changed).rejects.toMatchObject({ code: 'TAMPERED_HISTORY' });
  });

  it('refuses with a report of what would be done, and changes no byte', async () => {
    await place.run(legacy);
    const { adoptable, completable, pending } = await inspectDatabase(place.path, source);
    const refused = async (): Promise<void> => {
      const error: unknown = await upgrade('refuse').catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(LegacyRefusedError);
      expect(error).toMatchObject({
        code: 'LEGACY_REFUSED',
        message: `"${place.path}" is a legacy database of version 1 and is not to be upgraded.`,
        report: { claimed: 3, evident: 1, wouldDo: { adoptable, completable, pending } },
      });
    };
    expect(await place.isUntouchedBy(refused)).toBe(true);
  });

  it('says in a report what would be done, and changes no byte', async () => {
    await place.run(legacy);
    const { adoptable, completable, pending, differences } = await inspectDatabase(place.path, source);
    let report: UpgradeReport | undefined;
    expect(await place.isUntouchedBy(async () => (report = await upgrade('inspect-only')))).toBe(true);
    expect(report).toMatchObject({
      database: place.path,
      found: 'legacy',
      claimed: 3,
      evident: 1,
      upToDate: false,
      adopted: [],
      completed: [],
      applied: [],
      rolledBack: [],
      version: 0,
      rows: [],
      backup: undefined,
      differences,
      wouldDo: { adoptable, completable, pending },
    });
    expect(report?.wouldDo?.adoptable.map(({ version }) => version)).toEqual([1]);
    expect(report?.wouldDo?.completable).toMatchObject([{ version: 2, objects: ['index notes_by_tag'] }]);
    expect(report?.wouldDo?.pending.map(({ version }) => version)).toEqual([3, 4, 5, 6, 7]);
  });

  it('upgrades what was only looked at as soon as it may', async () => {
    await place.run(legacy);
    const looked = await upgrade('inspect-only');
    const done = await upgrade('bridge');
    expect(done.version).toBe(NEWEST);
    const versions = (list: readonly { readonly version: number }[]) => list.map(({ version }) => version);
    expect(versions(done.adopted)).toEqual(versions(looked.wouldDo?.adoptable ?? []));
    expect(versions(done.completed)).toEqual(versions(looked.wouldDo?.completable ?? []));
    expect(versions(done.applied)).toEqual(versions(looked.wouldDo?.pending ?? []));
  });

  it.each(modes)('%s makes a new database, fills an empty one, and upgrades a managed one', async (mode) => {
    expect(await upgrade(mode, { to: 2 })).toMatchObject({ found: 'absent', version: 2 });
    expect(await upgrade(mode)).toMatchObject({ found: 'managed', version: NEWEST });
    await place.remove();
    place = await DatabaseFolder.make(journal);
    await place.run('SELECT 1');
    expect(await upgrade(mode)).toMatchObject({ found: 'empty', version: NEWEST, wouldDo: undefined });
    expect(await upgrade(mode)).toMatchObject({ upToDate: true });
  });

  it.each(['refuse', 'inspect-only'] as const)(
    '%s holds on the way to a version, too',
    async (legacyMode) => {
      await place.run(legacy);
      const move = () =>
        moveDatabase({ database: place.path, ...source, to: 3, legacyMode }).catch((error: unknown) => error);
      expect(await place.isUntouchedBy(move)).toBe(true);
    },
  );

  it.each(['refuse', 'inspect-only'] as const)(
    '%s does not touch a database that becomes legacy while the upgrade waits for it',
    async (legacyMode) => {
      await place.run('');
      // An old program is just making its tables: nobody else sees them, and nobody else can write.
      const old = await openLegacy(place.path);
      await old.run(`PRAGMA busy_timeout = 10000; BEGIN IMMEDIATE; ${legacy}`);
      const upgraded = upgrade(legacyMode).catch((error: unknown) => error);
      await place.locked();
      await old.run('COMMIT');
      await old.close();
      expect(await upgraded).toMatchObject({ code: 'LEGACY_REFUSED', report: { claimed: 3, evident: 1 } });
      expect(await place.rows("SELECT name FROM sqlite_schema WHERE name = 'schema_migrations'")).toEqual([]);
      expect(await place.rows('PRAGMA user_version')).toEqual([{ user_version: 3 }]);
    },
  );

  it('that is no mode is refused before anything is made', async () => {
    await expect(
      upgradeDatabase(untyped({ database: place.path, ...source }, { legacyMode: 'maybe' })),
    ).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: 'legacyMode must be one of bridge, refuse, inspect-only, and is maybe.',
    });
    expect(await place.hashes()).toEqual({});
  });
});

describe('legacyMode, on an open connection', () => {
  it.each(['refuse', 'inspect-only'] as const)('%s changes nothing', async (legacyMode) => {
    const db = await sqlite3Driver.open(':memory:', 'create');
    try {
      await db.executeScript(legacy);
      const before = await db.query('SELECT * FROM sqlite_schema');
      const outcome: unknown = await upgradeConnection(db, { ...source, legacyMode }).catch(
        (error: unknown) => error,
      );
      expect(outcome instanceof LegacyRefusedError).toBe(legacyMode === 'refuse');
      expect(await db.query('SELECT * FROM sqlite_schema')).toEqual(before);
    } finally {
      await db.close();
    }
  });
});
