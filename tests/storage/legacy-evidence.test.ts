import { beforeAll, describe, expect, it } from '@jest/globals';

import {
  claimDifferences,
  weighEvidence,
  type Evidence,
  type LegacyVersions,
} from '../../core/storage/legacy-evidence.js';
import { replayMigrations, type Replay } from '../../core/storage/migration-replay.js';
import { readSchema } from '../../core/storage/schema-snapshot.js';
import { drivers } from '../support/drivers.js';
import { historyTable } from '../support/history-table.js';
import { withDatabase } from '../support/memory-database.js';
import { migrationsOf } from '../support/migration-values.js';
import { notesFiles, notesLegacyVersions, notesMigrations } from '../support/notes-world.js';

describe.each(drivers)('by $name:', (driver) => {
  const replayOf = (files: Readonly<Record<string, string>>): Promise<Replay> =>
    replayMigrations({ driver, historyTable }, migrationsOf(files));

  const weighed = (live: string, claim: number, replay: Replay, legacy: LegacyVersions): Promise<Evidence> =>
    withDatabase(
      live,
      async (db) => weighEvidence(await readSchema(db, historyTable), claim, replay, legacy),
      driver,
    );

  /** One line a file: its number, its state, what is missing of it and what has another form. */
  function linesOf(evidence: Evidence): readonly string[] {
    if (evidence.kind !== 'legacy') return [evidence.kind];
    return evidence.files.map(({ migration, state, missing, different }) =>
      [
        `${migration.version} ${state}`,
        ...(state === 'partial' ? missing.map(({ label }) => `-${label}`) : []),
        ...different.map(({ label }) => `~${label}`),
      ].join(' '),
    );
  }

  /** The files 1 to `count` of the notes, carried out. */
  const notesUpTo = (count: number): string => Object.values(notesFiles).slice(0, count).join('\n');

  describe('the notes of another project', () => {
    let replay: Replay;

    beforeAll(async () => {
      replay = await replayMigrations({ driver, historyTable }, notesMigrations);
    });

    const weigh = (live: string, claim: number): Promise<Evidence> =>
      weighed(live, claim, replay, notesLegacyVersions);

    it.each([
      [1, ['1 present', '2 absent', '3 absent', '4 absent', '5 absent', '6 data-only', '7 data-only']],
      [2, ['1 present', '2 present', '3 absent', '4 absent', '5 absent', '6 data-only', '7 data-only']],
      [3, ['1 present', '2 present', '3 present', '4 absent', '5 absent', '6 data-only', '7 data-only']],
      [4, ['1 present', '2 present', '3 present', '4 present', '5 absent', '6 data-only', '7 data-only']],
      [5, ['1 present', '2 present', '3 present', '4 present', '5 present', '6 data-only', '7 data-only']],
    ])('are at version %i where its files are there', async (version, lines) => {
      const evidence = await weigh(notesUpTo(version), version);
      expect(linesOf(evidence)).toEqual(lines);
      expect(evidence).toMatchObject({ kind: 'legacy', claimed: version, evident: version });
      expect(claimDifferences(evidence)).toEqual([]);
    });

    it('are what they are, whatever is claimed', async () => {
      for (const claim of [0, 1, 3, 4, 5]) {
        const evidence = await weigh(notesUpTo(2), claim);
        expect(evidence).toMatchObject({ claimed: claim, evident: 2 });
        expect(linesOf(evidence).slice(0, 4)).toEqual(['1 present', '2 present', '3 absent', '4 absent']);
      }
    });

    it('are empty without a table, also where a version is claimed', async () => {
      const evidence = await weigh('', 4);
      expect(evidence).toEqual({ kind: 'empty', claimed: 4 });
      expect(claimDifferences(evidence)).toEqual(['user_version claims 4, but there is no table']);
      expect(claimDifferences(await weigh('', 0))).toEqual([]);
    });

    it('are told in sentences where claim and schema differ', async () => {
      const live = `${notesUpTo(3)} DROP INDEX notes_by_tag; DROP VIEW note_titles; CREATE VIEW note_titles AS SELECT 1;`;
      const evidence = await weigh(live, 4);
      expect(claimDifferences(evidence)).toEqual([
        'user_version claims 4, the schema is evidently that of 0',
        '0001_create_notes.sql: view note_titles has another form',
        '0002_tag_notes.sql: index notes_by_tag is missing',
        '0004_touch_with_the_clock.sql is claimed, and nothing of it is there',
      ]);
      expect(claimDifferences(await weigh(notesUpTo(2), 1))).toEqual([
        'user_version claims 1, the schema is evidently that of 2',
        '0002_tag_notes.sql is there without being claimed',
      ]);
    });

    it('need the file again that a pending one would undo', async () => {
      // The table was never rebuilt, and the trigger on it has its newest form: the rebuild brings back the older one.
      const live = `${notesUpTo(2)} ${notesFiles['0004_touch_with_the_clock.sql'] ?? ''}`;
      expect(linesOf(await weigh(live, 4)).slice(0, 4)).toEqual([
        '1 present',
        '2 present',
        '3 absent',
        '4 absent',
      ]);
    });

    it('hold what was dropped for gone where the claim says so, and for missing where it does not', async () => {
      expect(linesOf(await weigh(notesUpTo(5), 5))[0]).toBe('1 present');
      const unclaimed = linesOf(await weigh(notesUpTo(5), 4));
      expect(unclaimed[0]).toBe('1 partial -table drafts');
      expect(unclaimed[4]).toBe('5 absent');
      expect(
        linesOf(await weigh(`${notesUpTo(5)} CREATE TABLE drafts (id INTEGER PRIMARY KEY, body TEXT)`, 5))[4],
      ).toBe('5 absent');
    });
  });

  describe('one file', () => {
    interface Row {
      readonly title: string;
      readonly files: Readonly<Record<string, string>>;
      readonly live: string;
      readonly lines: readonly string[];
    }
    const claims = { 1: [1] };
    const table = 'CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT);';

    it.each<Row>([
      {
        title: 'is present whatever the order and the spelling',
        files: { '0001_a.sql': `${table} CREATE INDEX i ON t (a);` },
        live: 'create table "T" ("b" text, A text, id integer, primary key (id)); create index I on T(a asc)',
        lines: ['1 present'],
      },
      {
        title: 'is present beside additions of somebody else',
        files: { '0001_a.sql': table },
        live: `${table} ALTER TABLE t ADD COLUMN mine TEXT UNIQUE CHECK (mine <> a);`.replace(' UNIQUE', ''),
        lines: ['1 present'],
      },
      {
        title: 'is partial where one of its two tables is missing',
        files: { '0001_a.sql': `${table} CREATE TABLE u (x);` },
        live: table,
        lines: ['1 partial -table u'],
      },
      {
        title: 'is partial where its index has another form',
        files: { '0001_a.sql': `${table} CREATE INDEX i ON t (a);` },
        live: `${table} CREATE INDEX i ON t (b);`,
        lines: ['1 partial ~index i'],
      },
      {
        title: 'is partial where its table lacks a key',
        files: {
          '0001_a.sql': 'CREATE TABLE p (id TEXT PRIMARY KEY); CREATE TABLE t (a TEXT REFERENCES p(id));',
        },
        live: 'CREATE TABLE p (id TEXT PRIMARY KEY); CREATE TABLE t (a TEXT);',
        lines: ['1 partial ~table t'],
      },
      {
        title: 'that adds two columns is partial with one of them',
        files: {
          '0001_a.sql': table,
          '0002_b.sql': 'ALTER TABLE t ADD COLUMN c TEXT; ALTER TABLE t ADD COLUMN d TEXT;',
        },
        live: `${table} ALTER TABLE t ADD COLUMN d TEXT;`,
        lines: ['1 present', '2 partial -column t.c'],
      },
      {
        title: 'that adds a column with a key of its own is partial where the key is missing',
        files: { '0001_a.sql': table, '0002_b.sql': 'ALTER TABLE t ADD COLUMN c TEXT REFERENCES t(id);' },
        live: `${table} ALTER TABLE t ADD COLUMN c TEXT;`,
        lines: ['1 present', '2 partial ~constraints of table t'],
      },
      {
        title: 'that adds a column is partial where the column has another default',
        files: { '0001_a.sql': table, '0002_b.sql': "ALTER TABLE t ADD COLUMN c TEXT DEFAULT 'x';" },
        live: `${table} ALTER TABLE t ADD COLUMN c TEXT;`,
        lines: ['1 present', '2 partial ~column t.c'],
      },
      {
        title: 'that gives rules to a column is absent while the column is',
        files: {
          '0001_a.sql': table,
          '0002_b.sql': 'ALTER TABLE t ADD COLUMN c TEXT;',
          '0003_c.sql': `CREATE TABLE n (id INTEGER PRIMARY KEY, a TEXT, b TEXT, c TEXT NOT NULL DEFAULT '');
          INSERT INTO n SELECT id, a, b, c FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t;`,
        },
        live: table,
        lines: ['1 present', '2 absent', '3 absent'],
      },
      {
        title: 'that rebuilds a table is told apart by what it changed, beside a later file that was there',
        files: {
          '0001_a.sql': table,
          '0002_b.sql': `CREATE TABLE n (id INTEGER PRIMARY KEY, a TEXT CHECK (a <> ''), b TEXT);
          INSERT INTO n SELECT id, a, b FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t;`,
          '0003_c.sql': 'ALTER TABLE t ADD COLUMN c INTEGER CHECK (c > 0);',
        },
        live: `${table} ALTER TABLE t ADD COLUMN c INTEGER CHECK (c > 0);`,
        lines: ['1 present', '2 absent', '3 present'],
      },
      {
        title: 'that drops a column is present where it is gone and claimed',
        files: { '0001_a.sql': table, '0002_b.sql': '-- migration: drops t.b\nALTER TABLE t DROP COLUMN b;' },
        live: 'CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT);',
        lines: ['1 present', '2 present'],
      },
      {
        title: 'that drops a column is absent where it is there',
        files: { '0001_a.sql': table, '0002_b.sql': '-- migration: drops t.b\nALTER TABLE t DROP COLUMN b;' },
        live: table,
        lines: ['1 present', '2 absent'],
      },
      {
        title: 'that renames a column is present where the new name is',
        files: {
          '0001_a.sql': table,
          '0002_b.sql': '-- migration: drops t.b\nALTER TABLE t RENAME COLUMN b TO c;',
        },
        live: 'CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, c TEXT);',
        lines: ['1 present', '2 present'],
      },
      {
        title: 'that renames a table with its index is absent where the old name is',
        files: {
          '0001_a.sql': `${table} CREATE INDEX i ON t (a);`,
          '0002_b.sql': '-- migration: drops t\nALTER TABLE t RENAME TO u;',
        },
        live: `${table} CREATE INDEX i ON t (a);`,
        lines: ['1 present', '2 absent'],
      },
      {
        title: 'that replaces a table supersedes the one that made it, by its evidence alone',
        files: {
          '0001_a.sql': table,
          '0002_b.sql':
            '-- migration: drops t\nCREATE TABLE u (a TEXT); INSERT INTO u SELECT a FROM t; DROP TABLE t;',
        },
        live: 'CREATE TABLE u (a TEXT);',
        lines: ['1 present', '2 present'],
      },
      {
        title: 'that makes a table of a view knows both',
        files: {
          '0001_a.sql': 'CREATE VIEW v AS SELECT 1 AS a; CREATE TABLE t (x);',
          '0002_b.sql': '-- migration: drops v\nDROP VIEW v; CREATE TABLE v (a);',
        },
        live: 'CREATE VIEW v AS SELECT 1 AS a; CREATE TABLE t (x);',
        lines: ['1 present', '2 absent'],
      },
      {
        title: 'that makes a virtual table compares its statement',
        files: { '0001_a.sql': `${table} CREATE VIRTUAL TABLE f USING fts5(a);` },
        live: `${table} CREATE VIRTUAL TABLE f USING fts5(a);`,
        lines: ['1 present'],
      },
      {
        title: 'with a trigger that is called like a table or an index of the user',
        files: { '0001_a.sql': `${table} CREATE TRIGGER i AFTER INSERT ON t BEGIN SELECT 1; END;` },
        live: `${table} CREATE INDEX i ON t (a);`,
        lines: ['1 partial -trigger i'],
      },
    ])('$title', async ({ files, live, lines }) => {
      const replay = await replayOf(files);
      const legacy = { 1: Object.keys(files).map((name) => Number.parseInt(name, 10)) };
      expect(linesOf(await weighed(live, 1, replay, legacy))).toEqual(lines);
    });

    it('supersedes another by its evidence alone, without any claim', async () => {
      const replay = await replayOf({
        '0001_a.sql': `${table} CREATE TABLE stays (x);`,
        '0002_b.sql':
          '-- migration: drops t\nCREATE TABLE u (a TEXT); INSERT INTO u SELECT a FROM t; DROP TABLE t;',
        '0003_c.sql': '-- migration: drops u\nCREATE TABLE w (a TEXT); DROP TABLE u;',
      });
      const live = 'CREATE TABLE stays (x); CREATE TABLE w (a TEXT);';
      expect(linesOf(await weighed(live, 0, replay, claims))).toEqual([
        '1 present',
        '2 present',
        '3 present',
      ]);
      expect(linesOf(await weighed('CREATE TABLE stays (x)', 0, replay, claims))).toEqual([
        '1 partial -table t',
        '2 absent',
        '3 absent',
      ]);
    });

    it('that drops a view is absent while the view is there', async () => {
      const replay = await replayOf({
        '0001_a.sql': `${table} CREATE VIEW v AS SELECT 1;`,
        '0002_b.sql': '-- migration: drops v\nDROP VIEW v;',
      });
      const legacy = { 1: [1, 2] };
      expect(linesOf(await weighed(`${table} CREATE VIEW v AS SELECT 1;`, 1, replay, legacy))[1]).toBe(
        '2 absent',
      );
      expect(linesOf(await weighed(table, 1, replay, legacy))).toEqual(['1 present', '2 present']);
    });

    it('that makes a virtual table anew is told by its statement', async () => {
      const replay = await replayOf({
        '0001_a.sql': `${table} CREATE VIRTUAL TABLE f USING fts5(a);`,
        '0002_b.sql': 'DROP TABLE f; CREATE VIRTUAL TABLE f USING fts5(a, b);',
      });
      expect(
        linesOf(await weighed(`${table} CREATE VIRTUAL TABLE f USING fts5(a);`, 1, replay, claims)),
      ).toEqual(['1 present', '2 absent']);
      expect(
        linesOf(await weighed(`${table} CREATE VIRTUAL TABLE f USING fts5(a, b);`, 1, replay, claims)),
      ).toEqual(['1 present', '2 present']);
    });

    it('counts data only for no more than it is', async () => {
      const replay = await replayOf({ '0001_a.sql': table, '0002_b.sql': "INSERT INTO t (a) VALUES ('x');" });
      const evidence = await weighed(table, 1, replay, claims);
      expect(linesOf(evidence)).toEqual(['1 present', '2 data-only']);
      expect(evidence).toMatchObject({ evident: 1 });
    });
  });

  describe('somebody else', () => {
    const files = {
      '0001_a.sql': `CREATE TABLE worlds (id TEXT PRIMARY KEY, name TEXT NOT NULL, size INTEGER AS (length(name)));
      CREATE INDEX by_name ON worlds (name); CREATE VIEW world_names AS SELECT name FROM worlds;
      CREATE TRIGGER touch AFTER UPDATE ON worlds BEGIN SELECT 1; END;`,
      '0002_b.sql': 'ALTER TABLE worlds ADD COLUMN later TEXT;',
    };
    const ours =
      'CREATE TABLE worlds (id TEXT PRIMARY KEY, name TEXT NOT NULL, size INTEGER AS (length(name)))';
    let replay: Replay;

    beforeAll(async () => {
      replay = await replayOf(files);
    });

    it.each([
      [
        'has a table that lacks a column',
        'CREATE TABLE worlds (id TEXT PRIMARY KEY, size INTEGER AS (1))',
        'table worlds has no column name',
      ],
      [
        'has a column of another type',
        ours.replace('name TEXT', 'name BLOB'),
        'column worlds.name has the type BLOB, not TEXT',
      ],
      [
        'has a column without a type',
        ours.replace('id TEXT', 'id'),
        'column worlds.id has the type (none), not TEXT',
      ],
      [
        'has a column of another type that comes later',
        `${ours}; ALTER TABLE worlds ADD COLUMN later INTEGER`,
        'column worlds.later has the type INTEGER, not TEXT',
      ],
      [
        'stores what is computed',
        ours.replace(' AS (length(name))', ''),
        'column worlds.size is not generated',
      ],
      [
        'has another key',
        'CREATE TABLE worlds (id TEXT, name TEXT NOT NULL PRIMARY KEY, size INTEGER AS (1))',
        'table worlds has the primary key (name), not (id)',
      ],
      [
        'has no key',
        'CREATE TABLE worlds (id TEXT, name TEXT NOT NULL, size INTEGER AS (1))',
        'table worlds has the primary key (none), not (id)',
      ],
      ['has other options', `${ours} WITHOUT ROWID`, 'table worlds has other table options'],
      [
        'has a virtual table',
        'CREATE VIRTUAL TABLE worlds USING fts5(id, name)',
        'table worlds is a virtual table',
      ],
      [
        'has a view where our table is',
        'CREATE VIEW Worlds AS SELECT 1',
        'view Worlds bears the name of a table of this program',
      ],
      [
        'has a table where our index is',
        `${ours}; CREATE TABLE by_name (a)`,
        'table by_name bears the name of the index by_name',
      ],
      [
        'has our index on another table',
        `${ours}; CREATE TABLE other (name); CREATE INDEX by_name ON other (name)`,
        'index by_name on other bears the name of the index on worlds',
      ],
      [
        'has an index where our view is',
        `${ours}; CREATE INDEX world_names ON worlds (name)`,
        'index world_names on worlds bears the name of the view on world_names',
      ],
      [
        'has our trigger on another table',
        `${ours}; CREATE TABLE other (name); CREATE TRIGGER touch AFTER UPDATE ON other BEGIN SELECT 1; END`,
        'trigger touch on other bears the name of the trigger on worlds',
      ],
      [
        'has nothing of ours',
        'CREATE TABLE orders (id); CREATE TABLE invoices (id)',
        'it holds orders, invoices, and no table of this program',
      ],
      [
        'has much and nothing of ours',
        ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) => `CREATE TABLE ${name} (x)`).join(';'),
        'it holds a, b, c, d, e and 2 more, and no table of this program',
      ],
    ])('%s', async (_title, live, reason) => {
      expect(await weighed(live, 0, replay, { 1: [1] })).toEqual({
        kind: 'foreign',
        claimed: 0,
        reasons: [reason],
      });
    });

    it('says everything that is strange at once', async () => {
      const evidence = await weighed(
        'CREATE TABLE worlds (id INTEGER); CREATE TABLE by_name (a)',
        0,
        replay,
        {
          1: [1],
        },
      );
      expect(evidence).toMatchObject({ kind: 'foreign', reasons: [expect.any(String), expect.any(String)] });
      expect(claimDifferences(evidence)).toEqual([]);
    });

    it.each([-1, 2, 2_147_483_647])('has the user_version %i, with tables or without', async (claim) => {
      for (const live of ['', ours]) {
        expect(await weighed(live, claim, replay, { 1: [1] })).toEqual({
          kind: 'foreign',
          claimed: claim,
          reasons: [`user_version is ${claim}, outside 0 to 1, and there is no history`],
        });
      }
    });

    it('is whoever has a table, where nothing is known of a past', async () => {
      expect(await weighed(ours, 0, replay, {})).toMatchObject({
        kind: 'foreign',
        reasons: ['it holds worlds and has no history, and no table of legacy versions is given'],
      });
      expect(await weighed('', 0, replay, {})).toEqual({ kind: 'empty', claimed: 0 });
    });
  });
});
