import { describe, expect, it } from '@jest/globals';

import type { DatabaseBridge, Row } from '../../core/database/database-bridge.js';
import { upgradeConnection } from '../../core/storage/upgrade-database.js';
import type { UpgradeReport } from '../../core/storage/upgrade-report.js';
import { findTampering } from '../../core/storage/history-chain.js';
import { historyTable } from '../support/history-table.js';
import { withDatabase } from '../support/memory-database.js';
import { migrationsOf } from '../support/migration-values.js';

interface Given {
  readonly files: Readonly<Record<string, string>>;
  /** The legacy database as it is. */
  readonly live: string;
}

/** Brings a legacy database over that claims every file, and gives it to `use`. */
function upgraded<T>(
  { files, live }: Given,
  use: (db: DatabaseBridge, report: UpgradeReport) => Promise<T>,
): Promise<T> {
  const migrations = migrationsOf(files);
  const legacy = { 1: migrations.map(({ version }) => version) };
  return withDatabase(`${live}; PRAGMA user_version = 1`, async (db) =>
    use(db, await upgradeConnection(db, { migrations, legacy })),
  );
}

const completedIn = ({ completed }: UpgradeReport): readonly string[] =>
  completed.map(({ version, objects }) => `${version}: ${objects.join(', ')}`);
const appliedIn = ({ applied }: UpgradeReport): readonly number[] => applied.map(({ version }) => version);

async function sqlOf(db: DatabaseBridge, name: string): Promise<unknown> {
  return (await db.query('SELECT sql FROM sqlite_schema WHERE name = ?', [name]))[0]?.sql;
}

const table = 'CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT);';
const filled = `${table} INSERT INTO t VALUES (5, 'x'), (9, '');`;
const withCheck = `CREATE TABLE n (id INTEGER PRIMARY KEY, a TEXT CHECK (a <> ''));
  INSERT INTO n SELECT * FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t;`;

describe('a file that is there in part is completed with', () => {
  it('its tables, and the objects on them', () =>
    upgraded(
      { files: { '0001_a.sql': `${table} CREATE TABLE u (x); CREATE INDEX i ON u (x);` }, live: filled },
      async (db, report) => {
        expect(completedIn(report)).toEqual(['1: table u, index i']);
        expect(await db.query('SELECT * FROM u')).toEqual([]);
      },
    ));

  it('its columns, each with its default in the old rows', () =>
    upgraded(
      {
        files: {
          '0001_a.sql': table,
          '0002_b.sql': `CREATE TABLE p (id INTEGER PRIMARY KEY); ALTER TABLE t ADD COLUMN b TEXT NOT NULL DEFAULT 'b';
            ALTER TABLE t ADD COLUMN c INTEGER REFERENCES p(id); ALTER TABLE t ADD COLUMN d AS (id + 1);`,
        },
        live: `${filled} CREATE TABLE p (id INTEGER PRIMARY KEY);`,
      },
      async (db, report) => {
        expect(completedIn(report)).toEqual([
          '2: column t.b, column t.c, column t.d, constraints of table t',
        ]);
        expect(await db.query('SELECT id, b, c, d FROM t')).toEqual([
          { id: 5, b: 'b', c: null, d: 6 },
          { id: 9, b: 'b', c: null, d: 10 },
        ]);
        expect(await db.query('SELECT "table" FROM pragma_foreign_key_list(\'t\')')).toEqual([
          { table: 'p' },
        ]);
      },
    ));

  it('columns that ALTER TABLE cannot add', () =>
    upgraded(
      {
        files: {
          '0001_a.sql': 'CREATE TABLE p (id INTEGER PRIMARY KEY);',
          '0002_b.sql': `CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT);`,
          '0003_c.sql': `CREATE TABLE u (x); CREATE TABLE n (id INTEGER PRIMARY KEY, a TEXT, b TEXT DEFAULT (lower('B')), c AS (id * 2) STORED);
            INSERT INTO n (id, a) SELECT id, a FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t;`,
        },
        live: `CREATE TABLE p (id INTEGER PRIMARY KEY); ${filled} CREATE TABLE u (x);`,
      },
      async (db, report) => {
        expect(completedIn(report)).toEqual(['3: column t.b, column t.c']);
        expect(await db.query('SELECT * FROM t')).toEqual([
          { id: 5, a: 'x', b: 'b', c: 10 },
          { id: 9, a: '', b: 'b', c: 18 },
        ]);
      },
    ));

  it('the rules of a table that was there before, and rows that break them are kept', () =>
    upgraded(
      {
        files: { '0001_a.sql': table, '0002_b.sql': `${withCheck} CREATE TABLE u (x);` },
        live: `${filled} CREATE TABLE u (x);`,
      },
      async (db, report) => {
        expect(completedIn(report)).toEqual(['2: constraints of table t']);
        expect(await db.query('SELECT * FROM t')).toEqual([
          { id: 5, a: 'x' },
          { id: 9, a: '' },
        ]);
        await expect(db.execute("INSERT INTO t (a) VALUES ('')")).rejects.toThrow('CHECK constraint failed');
      },
    ));

  it('the rule of a column that has another default', () =>
    upgraded(
      {
        files: { '0001_a.sql': table, '0002_b.sql': "ALTER TABLE t ADD COLUMN b TEXT DEFAULT 'new';" },
        live: `${filled} ALTER TABLE t ADD COLUMN b TEXT DEFAULT 'old';`,
      },
      async (db, report) => {
        expect(completedIn(report)).toEqual(['2: column t.b']);
        await db.execute("INSERT INTO t (a) VALUES ('y')");
        expect(await db.query('SELECT b FROM t')).toEqual([{ b: 'old' }, { b: 'old' }, { b: 'new' }]);
      },
    ));

  it('the right form of an index, a view and a trigger', () => {
    const objects = `CREATE INDEX i ON t (a); CREATE VIEW v AS SELECT a FROM t;
      CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END;`;
    return upgraded(
      {
        files: { '0001_a.sql': `${table} ${objects}` },
        live: `${filled} ${objects.replaceAll('(a)', '(id)').replace('SELECT a', 'SELECT id').replace('SELECT 1', 'SELECT 2')}`,
      },
      async (db, report) => {
        expect(completedIn(report)).toEqual(['1: index i, view v, trigger r']);
        expect(await sqlOf(db, 'i')).toBe('CREATE INDEX i ON t (a)');
        expect(await sqlOf(db, 'v')).toBe('CREATE VIEW v AS SELECT a FROM t');
        expect(await sqlOf(db, 'r')).toContain('SELECT 1');
      },
    );
  });

  it('a view, and the triggers that the user has on it stay', () => {
    const own = 'CREATE TRIGGER mine INSTEAD OF INSERT ON v BEGIN INSERT INTO t (a) VALUES (NEW.a); END';
    return upgraded(
      {
        files: { '0001_a.sql': `${table} CREATE VIEW v AS SELECT a FROM t;` },
        live: `${filled} CREATE VIEW v AS SELECT a, id FROM t; ${own};`,
      },
      async (db) => {
        expect(await sqlOf(db, 'mine')).toBe(own);
        await db.execute("INSERT INTO v VALUES ('through the view')");
        expect(await db.query('SELECT a FROM v WHERE a LIKE ?', ['through%'])).toHaveLength(1);
      },
    );
  });

  it('a view together with the trigger on it', () => {
    const view = (what: string): string => `CREATE VIEW v AS SELECT a FROM t;
      CREATE TRIGGER into_v INSTEAD OF INSERT ON v BEGIN INSERT INTO t (a) VALUES (${what}); END;`;
    return upgraded(
      {
        files: { '0001_a.sql': `${table} ${view('upper(NEW.a)')}` },
        live: `${filled} ${view('lower(NEW.a)').replace('SELECT a', 'SELECT a, id')}`,
      },
      async (db, report) => {
        expect(completedIn(report)).toEqual(['1: view v, trigger into_v']);
        await db.execute("INSERT INTO v VALUES ('Loud')");
        expect(await db.query("SELECT a FROM v WHERE a LIKE 'loud'")).toEqual([{ a: 'LOUD' }]);
      },
    );
  });

  it('the right form of what the user had changed, whose text the report and the history keep', () => {
    const mine = 'CREATE INDEX i ON t (a) WHERE id > 5';
    const strict = 'CREATE TABLE u (x CHECK (x > 0))';
    const files = { '0001_a.sql': `${table} CREATE INDEX i ON t (a); CREATE TABLE u (x);` };
    return upgraded({ files, live: `${filled} ${mine}; ${strict}` }, async (db, { completed }) => {
      expect(completed).toMatchObject([{ version: 1, replaced: [strict, mine] }]);
      const [row] = await db.query('SELECT details FROM schema_migrations');
      expect(JSON.parse(String(row?.details))).toMatchObject({ replaced: [strict, mine] });
      expect(await sqlOf(db, 'i')).toBe('CREATE INDEX i ON t (a)');
    });
  });

  it('what it replaced itself, though the older form is still there', () =>
    upgraded(
      {
        files: {
          '0001_a.sql': `${table} CREATE INDEX i ON t (a);`,
          '0002_b.sql': 'DROP INDEX i; CREATE INDEX i ON t (a, id); CREATE TABLE u (x);',
        },
        live: `${filled} CREATE INDEX i ON t (a); CREATE TABLE u (x);`,
      },
      async (db, report) => {
        expect(completedIn(report)).toEqual(['2: index i']);
        expect(await sqlOf(db, 'i')).toBe('CREATE INDEX i ON t (a, id)');
      },
    ));

  it('nothing of its data statements', () =>
    upgraded(
      {
        files: { '0001_a.sql': `${table} INSERT INTO t VALUES (1, 'seed'); CREATE TABLE u (x);` },
        live: filled,
      },
      async (db) => {
        expect(await db.query('SELECT id FROM t')).toEqual([{ id: 5 }, { id: 9 }]);
      },
    ));
});

describe('the form in which something is completed', () => {
  const index = (columns: string): string => `CREATE INDEX i ON t (${columns});`;

  it('is the newest that an adopted file gives it', () =>
    upgraded(
      {
        files: {
          '0001_a.sql': `${table} ${index('a')}`,
          '0002_b.sql': `DROP INDEX i; ${index('a, id')} CREATE TABLE u (x);`,
        },
        live: `${filled} CREATE TABLE u (x);`,
      },
      async (db, report) => {
        expect(completedIn(report)).toEqual(['1: index i', '2: index i']);
        expect(await sqlOf(db, 'i')).toBe('CREATE INDEX i ON t (a, id)');
      },
    ));

  it('is not one that a file gives it which is still to be applied', () =>
    upgraded(
      {
        files: {
          '0001_a.sql': `${table} ${index('a')}`,
          '0002_b.sql': `ALTER TABLE t ADD COLUMN b TEXT; DROP INDEX i; ${index('a, b')}`,
          '0003_c.sql': 'CREATE TABLE u (x);',
        },
        live: `${filled} CREATE TABLE u (x);`,
      },
      async (db, report) => {
        expect(completedIn(report)).toEqual(['1: index i']);
        expect(appliedIn(report)).toEqual([2]);
        expect(await sqlOf(db, 'i')).toBe('CREATE INDEX i ON t (a, b)');
      },
    ));

  it('of a table has the rules that a later adopted file gave it', () => {
    const parent = 'CREATE TABLE p (id INTEGER PRIMARY KEY);';
    return upgraded(
      {
        files: {
          '0001_a.sql': `${parent} CREATE TABLE t (a TEXT, p INTEGER REFERENCES p(id));`,
          '0002_b.sql': `CREATE TABLE n (a TEXT CHECK (a <> ''), p INTEGER REFERENCES p(id)); INSERT INTO n SELECT * FROM t;
            DROP TABLE t; ALTER TABLE n RENAME TO t;`,
        },
        live: `${parent} CREATE TABLE t (a TEXT CHECK (a <> ''), p INTEGER); INSERT INTO t VALUES ('x', 4);`,
      },
      async (db, report) => {
        expect(completedIn(report)).toEqual(['1: table t']);
        expect(report.adopted.map(({ version }) => version)).toEqual([2]);
        await expect(db.execute("INSERT INTO t VALUES ('', NULL)")).rejects.toThrow(
          'CHECK constraint failed',
        );
        expect(await db.query('SELECT * FROM t')).toEqual([{ a: 'x', p: 4 }]);
      },
    );
  });

  it('of a table has no rules of a file that is still to be applied', () =>
    upgraded(
      {
        files: {
          '0001_a.sql':
            'CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, p REFERENCES p(id));',
          '0002_b.sql': `CREATE TABLE n (id INTEGER PRIMARY KEY, a TEXT NOT NULL CHECK (a <> ''), p REFERENCES p(id));
            INSERT INTO n SELECT id, CASE WHEN a = '' THEN 'empty' ELSE coalesce(a, 'none') END, p FROM t;
            DROP TABLE t; ALTER TABLE n RENAME TO t;`,
          '0003_c.sql': 'ALTER TABLE t ADD COLUMN c TEXT;',
        },
        live: `CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, p);
          INSERT INTO t VALUES (1, NULL, 7), (2, '', NULL);`,
      },
      async (db, report) => {
        expect(completedIn(report)).toEqual(['1: table t']);
        expect(appliedIn(report)).toEqual([2, 3]);
        const rows: Row[] = await db.query('SELECT id, a, p FROM t');
        expect(rows).toEqual([
          { id: 1, a: 'none', p: 7 },
          { id: 2, a: 'empty', p: null },
        ]);
        expect(report.violations).toEqual([{ table: 't', columns: 'p', parent: 'p', rows: 1 }]);
        const [adopted] = await db.query("SELECT details FROM schema_migrations WHERE origin <> 'migration'");
        expect(JSON.parse(String(adopted?.details))).toMatchObject({ violations: [{ table: 't', rows: 1 }] });
      },
    ));
});

describe('a completion is held against what was there before it', () => {
  const migrations = migrationsOf({ '0001_a.sql': `${table} CREATE TABLE u (x);` });

  /** Brings a legacy database over on a connection that does more than it is asked to, when it makes the table. */
  const withMore = (more: string, use: (db: DatabaseBridge, failed: Promise<unknown>) => Promise<void>) =>
    withDatabase(`${filled} PRAGMA user_version = 1`, (db) => {
      const meddling: DatabaseBridge = {
        location: db.location,
        execute: (sql, parameters) => db.execute(sql, parameters),
        query: (sql, parameters) => db.query(sql, parameters),
        executeScript: (sql) => db.executeScript(sql.includes('CREATE TABLE u') ? `${sql}; ${more}` : sql),
        close: () => db.close(),
      };
      return use(db, upgradeConnection(meddling, { migrations, legacy: { 1: [1] } }));
    });

  it('and undone where rows are gone', () =>
    withMore('DELETE FROM t', async (db, failed) => {
      await expect(failed).rejects.toMatchObject({
        code: 'ROWS_LOST',
        message: expect.stringContaining('Adopting the legacy database would lose rows'),
      });
      expect(await db.query('SELECT id FROM t')).toEqual([{ id: 5 }, { id: 9 }]);
      expect(await db.query("SELECT name FROM sqlite_schema WHERE name = 'u'")).toEqual([]);
    }));

  it('and refused where it ended its transaction', () =>
    withMore('COMMIT; BEGIN IMMEDIATE', async (_db, failed) => {
      await expect(failed).rejects.toMatchObject({
        code: 'TRANSACTION_ENDED',
        message: expect.stringContaining('Adopting the legacy database ended the transaction'),
      });
    }));
});

describe('the history that a legacy database gets', () => {
  const files = { '0001_a.sql': table, '0002_b.sql': 'CREATE TABLE b (id INTEGER);' };

  it('has its indexes, except where something of the database bears the name of one', () =>
    upgraded(
      { files, live: `${filled} CREATE TABLE Idx_Schema_Migrations_Version (mine)` },
      async (db, report) => {
        expect(appliedIn(report)).toEqual([2]);
        expect(await sqlOf(db, 'idx_schema_migrations_applied_at')).toBeDefined();
        expect(await sqlOf(db, 'idx_schema_migrations_version')).toBeUndefined();
        expect(await sqlOf(db, 'Idx_Schema_Migrations_Version')).toContain('mine');
      },
    ));

  it('has a row for each of many files that were there, each chained to the one before', () => {
    const many = Object.fromEntries(
      Array.from({ length: 120 }, (_none, index) => [
        `${String(index + 1).padStart(4, '0')}_t${index}.sql`,
        `CREATE TABLE t${index} (id INTEGER PRIMARY KEY);`,
      ]),
    );
    return upgraded({ files: many, live: Object.values(many).join(' ') }, async (db, report) => {
      expect(report.adopted).toHaveLength(120);
      expect(await findTampering(db, historyTable)).toEqual([]);
      expect(await db.query('SELECT min(version) AS a, max(version) AS b FROM schema_migrations')).toEqual([
        { a: 1, b: 120 },
      ]);
    });
  });
});
