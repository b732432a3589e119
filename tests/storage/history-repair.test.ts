import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readdir } from 'node:fs/promises';

import {
  inspectDatabase,
  repairHistory,
  rollBackDatabase,
  upgradeDatabase,
  verifyDatabase,
  type Migration,
  type ProgressEvent,
  type RepairOptions,
  type RepairReport,
} from '../../core/index.js';
import { resolveDatabaseFile } from '../../core/storage/database-file.js';
import { acquireMigrationLock } from '../../core/storage/migration-lock.js';
import { DatabaseFolder } from '../support/database-folder.js';
import { withLegacy } from '../support/legacy-driver.js';
import { migrationsOf } from '../support/migration-values.js';
import { journalModes } from '../support/storage-database.js';

const files = {
  '0001_parents.sql': 'CREATE TABLE parents (id INTEGER PRIMARY KEY, name TEXT);',
  '0002_children.sql': `CREATE TABLE children (id INTEGER PRIMARY KEY AUTOINCREMENT, parent INTEGER REFERENCES parents(id), age INTEGER CHECK (age > 0));
CREATE INDEX by_parent ON children (parent);`,
  '0003_names.sql':
    'CREATE VIEW names AS SELECT name FROM parents;\nALTER TABLE parents ADD COLUMN note TEXT;',
  '0004_data.sql': "UPDATE parents SET note = 'x';",
};
type Files = Partial<Record<string, string>>;

/** The files, some of them changed, added or (undefined) taken out. */
function filesWith(changes: Files = {}): readonly Migration[] {
  const all: Files = { ...files, ...changes };
  return migrationsOf(
    Object.fromEntries(
      Object.entries(all).flatMap(([name, sql]) => (sql === undefined ? [] : [[name, sql]])),
    ),
  );
}

const today = filesWith();
const commented = filesWith({
  '0003_names.sql': `-- Lets a parent have a note.\n${files['0003_names.sql']}`,
});

let place: DatabaseFolder;

afterEach(() => place.remove());

function repair(options: Partial<RepairOptions> = {}): Promise<RepairReport> {
  return repairHistory({ database: place.path, migrations: today, backup: false, ...options });
}

const verify = (migrations = today) => verifyDatabase(place.path, { migrations });

/** Rows of the history as `version status origin`. */
async function history(): Promise<string[]> {
  const rows = await place.rows('SELECT version, status, origin FROM schema_migrations ORDER BY id');
  return rows.map(({ version, status, origin }) => [version, status, origin].map(String).join(' '));
}

async function details(version: number): Promise<unknown> {
  const rows = await place.rows(
    `SELECT details FROM schema_migrations WHERE version = ${version} ORDER BY id DESC LIMIT 1`,
  );
  return JSON.parse(String(rows[0]?.details)) as unknown;
}

const applied = ['1 applied migration', '2 applied migration', '3 applied migration', '4 applied migration'];

describe.each(journalModes)('repairHistory, in %s mode', (journal) => {
  beforeEach(async () => {
    place = await DatabaseFolder.make(journal);
    await place.upgrade({ migrations: today });
  });

  it('has nothing to do where nothing is wrong, and writes nothing', async () => {
    let report: RepairReport | undefined;
    expect(await place.isUntouchedBy(async () => (report = await repair({ completeMissing: true })))).toBe(
      true,
    );
    expect(report).toMatchObject({
      nothingToDo: true,
      acceptedChanges: [],
      mended: [],
      unmended: [],
      version: 4,
      backup: undefined,
    });
  });

  describe('of a file that was changed', () => {
    it('accepts it, and shows the change', async () => {
      await expect(upgradeDatabase({ database: place.path, migrations: commented })).rejects.toMatchObject({
        code: 'CHANGED_MIGRATION',
      });
      const report = await repair({ migrations: commented });
      expect(report.nothingToDo).toBe(false);
      expect(report.acceptedChanges).toMatchObject([
        {
          version: 3,
          filename: '0003_names.sql',
          difference: [
            '@@ -1,2 +1,3 @@',
            '+-- Lets a parent have a note.',
            ' CREATE VIEW names AS SELECT name FROM parents;',
            ' ALTER TABLE parents ADD COLUMN note TEXT;',
          ],
        },
      ]);
      expect(await history()).toEqual([...applied, '3 applied repaired']);
      expect(await details(3)).toEqual({
        notes: ['accepted the changed file: 1 line added, 0 lines removed'],
      });
      expect(await verify(commented)).toMatchObject({ ok: true, changed: [], tampering: [] });
      const { upToDate } = await upgradeDatabase({ database: place.path, migrations: commented });
      expect(upToDate).toBe(true);
    });

    it('keeps the new text, so that the next change is shown against that', async () => {
      await repair({ migrations: commented });
      const { acceptedChanges } = await repair({ dryRun: true });
      expect(acceptedChanges.map(({ difference }) => difference?.[1])).toEqual([
        '--- Lets a parent have a note.',
      ]);
    });

    it('refuses where that is not wanted', async () => {
      const refused = () =>
        expect(repair({ migrations: commented, acceptChanged: false })).rejects.toMatchObject({
          code: 'CHANGED_MIGRATION',
          version: 3,
        });
      expect(await place.isUntouchedBy(refused)).toBe(true);
    });

    it('still lets later files be refused that come too late', async () => {
      const more = 'CREATE TABLE more (a);';
      const six = filesWith({ '0006_more.sql': more });
      await upgradeDatabase({ database: place.path, migrations: six, backup: false });
      const reworded = { '0006_more.sql': `-- In other words.\n${more}` };
      await repair({ migrations: filesWith(reworded) });
      const late = filesWith({ ...reworded, '0005_late.sql': 'CREATE TABLE late (a);' });
      await expect(
        upgradeDatabase({ database: place.path, migrations: late, backup: false }),
      ).rejects.toMatchObject({ code: 'OUT_OF_ORDER_MIGRATION', version: 5 });
    });
  });

  describe('with marks', () => {
    it('lets a file stand applied that was carried out by hand', async () => {
      const more = filesWith({ '0005_more.sql': 'CREATE TABLE more (a);' });
      await place.run('CREATE TABLE more (a)');
      const report = await repair({ migrations: more, markApplied: [5] });
      expect(report).toMatchObject({
        markedApplied: [{ version: 5, filename: '0005_more.sql' }],
        version: 5,
        userVersion: { found: 4, expected: 5 },
      });
      expect(await history()).toEqual([...applied, '5 applied repaired']);
      expect(await details(5)).toEqual({ notes: ['marked as applied', 'user_version was 4'] });
      expect(await verify(more)).toMatchObject({ ok: true, pending: [] });
    });

    it('lets a file be run again that was undone by hand', async () => {
      await place.run('DROP INDEX by_parent; DROP TABLE children');
      const report = await repair({ markPending: [2, 2] });
      expect(report).toMatchObject({
        markedPending: [{ version: 2, filename: '0002_children.sql' }],
        version: 4,
      });
      expect(await history()).toEqual([...applied, '2 rolled_back repaired']);
      const { applied: ran } = await upgradeDatabase({
        database: place.path,
        migrations: today,
        backup: false,
      });
      expect(ran.map(({ version }) => version)).toEqual([2]);
      expect(await verify()).toMatchObject({ ok: true });
    });

    it('leaves a database that can be verified, also where later files build on what is to be run again', async () => {
      await place.run('DROP VIEW names; CREATE VIEW names AS SELECT 5 AS name');
      await repair({ markPending: [1] });
      const { pending, drift, extras } = await verify();
      expect({ pending, drift: drift.map(({ name }) => name), extras }).toEqual({
        pending: ['0001_parents.sql'],
        drift: ['names'],
        extras: [],
      });
    });

    it('tells user_version what stands', async () => {
      const report = await repair({ markPending: [4, 3] });
      expect(report).toMatchObject({ version: 2, userVersion: { found: 4, expected: 2 } });
      expect(await history()).toEqual([
        ...applied,
        '4 rolled_back repaired',
        '3 rolled_back repaired',
        '2 applied repaired',
      ]);
      expect(await place.rows('PRAGMA user_version')).toEqual([{ user_version: 2 }]);
    });

    it('leaves a history in which nothing stands applied', async () => {
      const report = await repair({ markPending: [1, 2, 3, 4] });
      expect(report.version).toBe(0);
      expect(await place.rows('PRAGMA user_version')).toEqual([{ user_version: 0 }]);
      expect((await history()).slice(4)).toEqual([
        '4 rolled_back repaired',
        '3 rolled_back repaired',
        '2 rolled_back repaired',
        '1 rolled_back repaired',
      ]);
    });

    it('gets over a file that is gone for good', async () => {
      const without = filesWith({ '0004_data.sql': undefined, '0005_more.sql': 'CREATE TABLE more (a);' });
      await expect(repair({ migrations: without })).rejects.toMatchObject({ code: 'MISSING_MIGRATION' });
      await repair({ migrations: without, markPending: [4] });
      const { version } = await upgradeDatabase({ database: place.path, migrations: without, backup: false });
      expect(version).toBe(5);
    });

    it.each<[options: Partial<RepairOptions>, message: string]>([
      [{ markApplied: [4] }, 'Migration 4 stands applied already.'],
      [{ markApplied: [9] }, 'There is no migration 9 to be marked as applied.'],
      [{ markApplied: [Number.NaN] }, 'There is no migration NaN to be marked as applied.'],
      [{ markPending: [9] }, 'Migration 9 does not stand applied.'],
      [{ markApplied: [3], markPending: [3] }, 'Migration 3 cannot be marked as applied and as not applied.'],
    ])('refuses %j', async (options, message) => {
      const refused = () => expect(repair(options)).rejects.toMatchObject({ code: 'BAD_OPTION', message });
      expect(await place.isUntouchedBy(refused)).toBe(true);
    });
  });

  describe('of a schema that has drifted', () => {
    const drifted = `DROP INDEX by_parent; DROP VIEW names; CREATE VIEW names AS SELECT id AS name FROM parents;
      INSERT INTO parents (id, name) VALUES (1, 'p'); INSERT INTO children (id, parent, age) VALUES (5, 1, 3), (9, 404, 4);
      DELETE FROM children WHERE id = 9; INSERT INTO children (id, parent, age) VALUES (7, 404, 4);
      CREATE TABLE mine (a); CREATE INDEX my_index ON children (age);
      PRAGMA writable_schema = ON;
      UPDATE sqlite_schema SET sql = replace(sql, ' REFERENCES parents(id)', '') WHERE name = 'children';
      PRAGMA writable_schema = OFF;`;
    const drift = ['constraint children', 'index by_parent', 'view names'];

    it('leaves it as it is unless that is wanted', async () => {
      await place.run(drifted);
      expect(await repair()).toMatchObject({ nothingToDo: true, mended: [] });
    });

    it('adds what is missing and gives what is different its form, with every row kept', async () => {
      await place.run(drifted);
      const before = await place.rows('SELECT rowid, * FROM children');
      const report = await repair({ completeMissing: true });
      expect(report.mended.map(({ object, name }) => `${object} ${name}`)).toEqual(drift);
      expect(report.unmended).toEqual([]);
      expect(await history()).toEqual([...applied, '2 applied repaired', '3 applied repaired']);
      expect(await details(2)).toEqual({ completed: ['constraint children', 'index by_parent'] });
      expect(await place.rows('SELECT rowid, * FROM children')).toEqual(before);
      expect(await place.rows("SELECT seq FROM sqlite_sequence WHERE name = 'children'")).toEqual([
        { seq: 9 },
      ]);
      const names = await place.rows("SELECT name FROM sqlite_schema WHERE name LIKE 'm%' ORDER BY name");
      expect(names).toEqual([{ name: 'mine' }, { name: 'my_index' }]);
    });

    it('does not hold rows against the database that break a key which it has put in place', async () => {
      await place.run(drifted);
      await repair({ completeMissing: true });
      expect(await details(3)).toEqual({
        completed: ['view names'],
        violations: [{ table: 'children', columns: 'parent', parent: 'parents', rows: 1 }],
      });
      expect(await verify()).toMatchObject({
        ok: true,
        drift: [],
        newViolations: [],
        violations: [{ rows: 1 }],
      });
      await rollBackTo2();
      expect(await verify()).toMatchObject({ newViolations: [] });
    });

    /** Undoes 4 and 3, the newest row of which counts the violations. */
    async function rollBackTo2(): Promise<void> {
      const down = { filename: '', sql: '', statements: [{ sql: 'DROP VIEW IF EXISTS names', line: 1 }] };
      const migrations = today.map((file) => ({ ...file, down: { ...down, directives: file.directives } }));
      await rollBackDatabase({ database: place.path, migrations, to: 2, allowLoss: true, backup: false });
    }

    it('says what it would do, and does nothing, when asked for that', async () => {
      await place.run(drifted);
      let report: RepairReport | undefined;
      const look = async () => (report = await repair({ completeMissing: true, dryRun: true }));
      expect(await place.isUntouchedBy(look)).toBe(true);
      expect(report).toMatchObject({ dryRun: true, nothingToDo: false, backup: undefined });
      expect(report?.mended.map(({ object, name }) => `${object} ${name}`)).toEqual(drift);
      expect(report?.mended[1]?.mend).toEqual(['CREATE INDEX by_parent ON children (parent)']);
    });

    it('undoes all of it where a row does not fit', async () => {
      await place.run(`DROP VIEW names; DROP TABLE parents; CREATE TABLE parents (id INTEGER PRIMARY KEY, name INTEGER, note TEXT);
        INSERT INTO parents VALUES (1, 5, NULL)`);
      const refused = () =>
        expect(repair({ completeMissing: true })).rejects.toMatchObject({
          code: 'REPAIR_FAILED',
          message:
            'The schema could not be mended: column parents.name holds 1 integer, which would become 1 text.',
          hint: expect.stringMatching(
            /^Nothing was changed\. A repair changes no value\..* "upgrade-bridge verify" shows\.$/,
          ),
        });
      expect((await verify()).drift.map(({ caution }) => caution)).toContainEqual(
        expect.stringMatching(
          /^The statements convert the values of parents\.name as a column of the type TEXT does/,
        ),
      );
      await refused();
      expect(await place.rows('SELECT typeof(name) AS type FROM parents')).toEqual([{ type: 'integer' }]);
      expect(await history()).toEqual(applied);
    });

    it('names what only a person can mend, and mends the rest', async () => {
      await place.run('DROP INDEX by_parent; DROP VIEW names; CREATE TABLE names (name)');
      const report = await repair({ completeMissing: true });
      expect(report.mended.map(({ name }) => name)).toEqual(['by_parent']);
      expect(report.unmended.map(({ sentence }) => sentence)).toEqual(['view names is missing']);
    });
  });

  describe('of a history that was changed by hand', () => {
    it('refuses, unless that is accepted', async () => {
      await place.run(
        "UPDATE schema_migrations SET applied_at = '2001-01-01T00:00:00.000Z' WHERE version = 2",
      );
      const refused = () =>
        expect(repair({ migrations: commented })).rejects.toMatchObject({
          code: 'TAMPERED_HISTORY',
          message:
            'The history was changed by hand: row 2 (0002_children.sql, applied) or a row before it was changed, moved or taken out.',
        });
      expect(await place.isUntouchedBy(refused)).toBe(true);
      const report = await repair({ acceptTampering: true });
      expect(report.acceptedTampering).toHaveLength(1);
      expect(await details(4)).toEqual({
        notes: [
          'accepted a history that was changed by hand: row 2 (0002_children.sql, applied) or a row before it was changed, moved or taken out',
        ],
      });
      expect(await verify()).toMatchObject({ ok: true, tampering: [] });
    });

    it('protects what was accepted from then on', async () => {
      await place.run("UPDATE schema_migrations SET filename = '0002_other.sql' WHERE version = 2");
      await repair({ acceptTampering: true });
      await place.run('UPDATE schema_migrations SET execution_time_ms = 7777 WHERE version = 1');
      expect((await verify()).tampering).toEqual([
        'row 1 (0001_parents.sql, applied) or a row before it was changed, moved or taken out',
      ]);
    });

    it('tells how a migration stands whose row is gone', async () => {
      await place.run('DELETE FROM schema_migrations WHERE version = 4');
      expect((await verify()).tampering).toEqual(['one or more rows after row 3 were taken out']);
      await expect(repair({ markApplied: [4] })).rejects.toMatchObject({ code: 'TAMPERED_HISTORY' });
      await repair({ markApplied: [4], acceptTampering: true });
      expect(await history()).toEqual([...applied.slice(0, 3), '4 applied repaired']);
      expect(await verify()).toMatchObject({ ok: true, pending: [] });
    });
  });

  it('puts user_version right', async () => {
    await place.run('PRAGMA user_version = 3');
    expect(await repair()).toMatchObject({ nothingToDo: false, userVersion: { found: 3, expected: 4 } });
    expect(await details(4)).toEqual({ notes: ['user_version was 3'] });
    expect(await verify()).toMatchObject({ ok: true });
  });

  it('accepts only when told a user_version ahead of the history, as of a row that was taken out', async () => {
    await place.run('PRAGMA user_version = 7');
    await expect(repair()).rejects.toMatchObject({ code: 'TAMPERED_HISTORY' });
    const report = await repair({ acceptTampering: true });
    expect(report).toMatchObject({
      acceptedTampering: ['user_version is 7, and what stands applied makes it 4'],
      userVersion: { found: 7, expected: 4 },
    });
    expect(await verify()).toMatchObject({ ok: true });
  });

  it('makes a verified copy before it writes', async () => {
    const events: ProgressEvent['kind'][] = [];
    const report = await repair({
      migrations: commented,
      backup: {},
      onProgress: ({ kind }) => events.push(kind),
    });
    expect(events).toEqual(['checked', 'backed-up']);
    expect(report.backup).toMatch(/-v4-to-repair$/);
    const copies = (await readdir(place.folder)).filter((name) => name.includes('.backup-'));
    expect(copies).toHaveLength(1);
    const rows = await withLegacy(String(report.backup), (copy) =>
      copy.rows('SELECT count(*) AS rows FROM schema_migrations'),
    );
    expect(rows).toEqual([{ rows: 4 }]);
  });

  it('waits for another program that writes, and then finds what that one left', async () => {
    await withLegacy(place.path, async (other) => {
      await other.run("BEGIN IMMEDIATE; INSERT INTO parents VALUES (1, 'late', NULL)");
      const repaired = repair({ migrations: commented });
      await place.locked();
      await other.run('COMMIT');
      expect(await repaired).toMatchObject({ nothingToDo: false });
    });
    expect(await place.rows('SELECT name FROM parents')).toEqual([{ name: 'late' }]);
  });

  it('waits for the lock of an upgrade, as long as it may', async () => {
    const lock = await acquireMigrationLock(await resolveDatabaseFile(place.path));
    try {
      await expect(repair({ migrations: commented, lockWaitMs: 0 })).rejects.toMatchObject({
        code: 'LOCKED',
      });
      expect(await history()).toEqual(applied);
    } finally {
      await lock.release();
    }
  });

  it('is done once by two that begin at the same time', async () => {
    const reports = await Promise.all([repair({ migrations: commented }), repair({ migrations: commented })]);
    expect(await history()).toEqual([...applied, '3 applied repaired']);
    expect(reports.filter(({ nothingToDo }) => nothingToDo).length).toBeLessThanOrEqual(1);
  });

  it('stops on request, and nothing is changed', async () => {
    const controller = new AbortController();
    const stopped = repair({
      migrations: commented,
      signal: controller.signal,
      onProgress: ({ kind }) => {
        if (kind === 'checked') controller.abort();
      },
    });
    await expect(stopped).rejects.toMatchObject({ code: 'INTERRUPTED' });
    expect(await history()).toEqual(applied);
  });
});

describe('repairHistory refuses', () => {
  beforeEach(async () => {
    place = await DatabaseFolder.make();
  });

  it('where there is no database, and makes none', async () => {
    await expect(repair()).rejects.toMatchObject({ code: 'MISSING_DATABASE' });
    expect(await readdir(place.folder)).toEqual([]);
  });

  it.each([
    ['an empty database', 'SELECT 1'],
    ['a legacy database', files['0001_parents.sql']],
  ])('%s', async (_title, script) => {
    await place.run(script);
    const refused = () =>
      expect(repair({ legacy: { 1: [1] } })).rejects.toMatchObject({ code: 'REPAIR_FAILED' });
    expect(await place.isUntouchedBy(refused)).toBe(true);
  });

  it("a history that is another tool's", async () => {
    await place.run('CREATE TABLE schema_migrations (version TEXT)');
    const refused = () => expect(repair()).rejects.toMatchObject({ code: 'FOREIGN_DATABASE' });
    expect(await place.isUntouchedBy(refused)).toBe(true);
  });

  it('a database that is newer, whatever is marked', async () => {
    await place.upgrade({ migrations: today });
    const older = today.slice(0, 3);
    for (const options of [{}, { markPending: [4] }]) {
      const refused = () =>
        expect(repair({ ...options, migrations: older })).rejects.toMatchObject({ code: 'NEWER_DATABASE' });
      expect(await place.isUntouchedBy(refused)).toBe(true);
    }
  });

  it('a damaged database before it writes', async () => {
    await place.upgrade({ migrations: today });
    await place.run(
      `PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'parents') WHERE name = 'children'; PRAGMA writable_schema = OFF`,
    );
    await expect(repair({ migrations: commented })).rejects.toMatchObject({ code: 'DAMAGED_DATABASE' });
    expect((await history()).length).toBe(4);
  });
});

describe('a history that was repaired', () => {
  beforeEach(async () => {
    place = await DatabaseFolder.make();
    await place.upgrade({ migrations: today });
  });

  it('is told of by an inspection', async () => {
    await repair({ migrations: commented });
    const {
      applied: standing,
      changed,
      problem,
    } = await inspectDatabase(place.path, { migrations: commented });
    expect(standing.map(({ version, origin }) => `${version} ${origin}`)).toEqual([
      '1 migration',
      '2 migration',
      '3 repaired',
      '4 migration',
    ]);
    expect({ changed, problem }).toEqual({ changed: [], problem: undefined });
  });
});
