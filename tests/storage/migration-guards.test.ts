import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { DatabaseBridge, Row } from '../../core/database/database-bridge.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import { upgradeConnection } from '../../core/storage/upgrade-database.js';
import { markTransaction } from '../../core/storage/migration-guards.js';
import type { Migration } from '../../core/storage/migration.js';
import type { UpgradeReport } from '../../core/storage/upgrade-report.js';
import { migrationOf, unchecked } from '../support/migration-values.js';

/** What the database is before the file that is tested. */
const first = migrationOf(
  '0001_first.sql',
  `CREATE TABLE parents (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE);
   CREATE TABLE children (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parents(id), note TEXT);
   CREATE INDEX by_parent ON children (parent);
   CREATE VIEW names AS SELECT name FROM parents;
   CREATE TRIGGER touch AFTER UPDATE ON children BEGIN SELECT 1; END;`,
);
const rows = `INSERT INTO parents (name) VALUES ('a'), ('b'), ('c'); DELETE FROM parents WHERE name = 'c';
  INSERT INTO children (parent, note) VALUES (1, 'x'), (1, 'y'), (2, 'z');`;

let db: DatabaseBridge;

beforeEach(async () => {
  db = await sqlite3Driver.open(':memory:', 'create');
  await upgradeConnection(db, { migrations: [first] });
  await db.executeScript(rows);
});

afterEach(() => db.close());

const apply = (second: Migration): Promise<UpgradeReport> =>
  upgradeConnection(db, { migrations: [first, second] });
const file = (sql: string): Migration => migrationOf('0002_second.sql', sql);

async function everything(): Promise<Row[]> {
  const schema = await db.query(
    "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE '%schema_migrations%' ORDER BY type, name",
  );
  return [
    ...schema,
    ...(await db.query('SELECT * FROM parents')),
    ...(await db.query('SELECT * FROM children')),
    ...(await db.query("SELECT * FROM sqlite_sequence WHERE name <> 'schema_migrations'")),
    ...(await db.query('PRAGMA user_version')),
  ];
}

interface Refused {
  readonly title: string;
  readonly sql: string;
  readonly code: string;
  readonly sentence: string;
  readonly hint?: string;
}

describe('a file is refused and rolled back that would, without saying so,', () => {
  it.each<Refused>([
    {
      title: 'delete rows',
      sql: "DELETE FROM children WHERE note = 'z'",
      code: 'ROWS_LOST',
      sentence:
        'Migration 0002_second.sql would lose rows without saying so: children would go from 3 to 2 rows; it was rolled back.',
      hint: '"-- migration: allow-loss children"',
    },
    {
      title: 'delete rows of two tables',
      sql: 'DELETE FROM children; DELETE FROM parents',
      code: 'ROWS_LOST',
      sentence: 'children would go from 3 to 0 rows, parents would go from 2 to 0 rows',
      hint: '"-- migration: allow-loss children, parents"',
    },
    {
      title: 'lose rows in a rebuild',
      sql: `CREATE TABLE n (id INTEGER PRIMARY KEY, parent REFERENCES parents(id), note TEXT NOT NULL);
        INSERT INTO n SELECT * FROM children WHERE note <> 'y'; DROP TABLE children; ALTER TABLE n RENAME TO children;
        CREATE INDEX by_parent ON children (parent); CREATE TRIGGER touch AFTER UPDATE ON children BEGIN SELECT 1; END;`,
      code: 'ROWS_LOST',
      sentence: 'children would go from 3 to 2 rows',
    },
    {
      title: 'replace rows by way of a conflict',
      sql: "INSERT OR REPLACE INTO parents (id, name) VALUES (1, 'b')",
      code: 'ROWS_LOST',
      sentence: 'parents would go from 2 to 1 rows',
    },
    {
      title: 'drop a table',
      sql: 'DROP TABLE children',
      code: 'OBJECTS_LOST',
      sentence: 'would remove table children with 3 rows without',
      hint: 'drops children',
    },
    {
      title: 'drop a column',
      sql: 'ALTER TABLE children DROP COLUMN note',
      code: 'OBJECTS_LOST',
      sentence: 'would remove column children.note without',
      hint: 'drops children.note',
    },
    {
      title: 'rename a column',
      sql: 'ALTER TABLE children RENAME COLUMN note TO text',
      code: 'OBJECTS_LOST',
      sentence: 'would remove column children.note without',
    },
    {
      title: 'rename a table',
      sql: 'ALTER TABLE children RENAME TO kids',
      code: 'OBJECTS_LOST',
      sentence: 'would remove table children with 3 rows without',
    },
    {
      title: 'drop an index',
      sql: 'DROP INDEX by_parent',
      code: 'OBJECTS_LOST',
      sentence: 'would remove index by_parent without',
    },
    {
      title: 'drop a view',
      sql: 'DROP VIEW names',
      code: 'OBJECTS_LOST',
      sentence: 'would remove view names without',
    },
    {
      title: 'drop a trigger',
      sql: 'DROP TRIGGER touch',
      code: 'OBJECTS_LOST',
      sentence: 'would remove trigger touch without',
    },
    {
      title: 'lose indexes and triggers in a rebuild',
      sql: `CREATE TABLE n (id INTEGER PRIMARY KEY, parent REFERENCES parents(id), note TEXT);
        INSERT INTO n SELECT * FROM children; DROP TABLE children; ALTER TABLE n RENAME TO children;`,
      code: 'OBJECTS_LOST',
      sentence: 'would remove index by_parent, trigger touch without',
      hint: 'drops by_parent, touch',
    },
    {
      title: 'let ids be handed out again',
      sql: "UPDATE sqlite_sequence SET seq = 2 WHERE name = 'parents'",
      code: 'ROWS_LOST',
      sentence:
        'would let ids be handed out again: the AUTOINCREMENT counter of parents would go from 3 back to 2',
    },
    {
      title: 'forget a counter in a rebuild',
      sql: `CREATE TABLE n (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE); INSERT INTO n SELECT * FROM parents;
        DROP VIEW names; DROP TABLE parents; ALTER TABLE n RENAME TO parents; CREATE VIEW names AS SELECT name FROM parents;`,
      code: 'ROWS_LOST',
      sentence: 'the AUTOINCREMENT counter of parents would go from 3 back to 2',
    },
    {
      title: 'break a foreign key',
      sql: 'UPDATE children SET parent = 9 WHERE id < 3',
      code: 'FOREIGN_KEYS_BROKEN',
      sentence: 'would break foreign keys: 2 rows of children (parent) point to no row of parents',
    },
    {
      title: 'delete what others point to, though it declares the loss',
      sql: '-- migration: allow-loss parents\nDELETE FROM parents WHERE id = 2',
      code: 'FOREIGN_KEYS_BROKEN',
      sentence: '1 row of children (parent) points to no row of parents',
    },
    {
      title: 'make a table whose rows point nowhere',
      sql: 'CREATE TABLE more (parent REFERENCES parents(id)); INSERT INTO more VALUES (77)',
      code: 'FOREIGN_KEYS_BROKEN',
      sentence: '1 row of more (parent) points to no row of parents',
    },
    {
      title: 'leave a temporary table',
      sql: 'CREATE TEMP TABLE scratch (a)',
      code: 'LEFT_BEHIND',
      sentence: 'leaves table scratch behind on the connection',
    },
    {
      title: 'leave a temporary trigger and view',
      sql: 'CREATE TEMP VIEW peek AS SELECT 1; CREATE TEMP TRIGGER spy AFTER INSERT ON children BEGIN SELECT 1; END;',
      code: 'LEFT_BEHIND',
      sentence: 'leaves view peek, trigger spy behind',
    },
  ])('$title', async ({ sql, code, sentence, hint }) => {
    const before = await everything();
    const refused = apply(file(sql));
    await expect(refused).rejects.toMatchObject({ code, place: { filename: '0002_second.sql' } });
    await expect(refused).rejects.toThrow(sentence);
    if (hint !== undefined)
      await expect(refused).rejects.toHaveProperty('hint', expect.stringContaining(hint));
    expect(await everything()).toEqual(before);
    const history = await db.query('SELECT version, status FROM schema_migrations ORDER BY id');
    expect(history).toEqual([
      { version: 1, status: 'applied' },
      { version: 2, status: 'failed' },
    ]);
  });
});

describe('a file is applied that', () => {
  it.each<{ title: string; sql: string }>([
    {
      title: 'declares the rows that it deletes',
      sql: '-- migration: allow-loss Children\nDELETE FROM children',
    },
    {
      title: 'declares a table that it drops, with all that hangs on it',
      sql: '-- migration: drops CHILDREN\nDROP TABLE children',
    },
    {
      title: 'declares a column that it drops',
      sql: '-- migration: drops children.note\nALTER TABLE children DROP COLUMN note',
    },
    {
      title: 'declares an index, a view and a trigger',
      sql: '-- migration: drops by_parent, names, touch\nDROP INDEX by_parent; DROP VIEW names; DROP TRIGGER touch',
    },
    {
      title: 'makes again what it dropped',
      sql: 'DROP INDEX by_parent; CREATE INDEX "BY_PARENT" ON children (parent, id)',
    },
    {
      title: 'declares a counter that goes back',
      sql: "-- migration: allow-loss parents\nUPDATE sqlite_sequence SET seq = 2 WHERE name = 'parents'",
    },
    {
      title: 'adds rows, tables and columns',
      sql: "INSERT INTO parents (name) VALUES ('d'); CREATE TABLE more (a); ALTER TABLE children ADD COLUMN b",
    },
    {
      title: 'uses a temporary table and drops it',
      sql: 'CREATE TEMP TABLE scratch AS SELECT * FROM children; UPDATE children SET note = (SELECT note FROM scratch); DROP TABLE scratch',
    },
    {
      title: 'mends a foreign key that it breaks',
      sql: "UPDATE children SET parent = 9; INSERT INTO parents (id, name) VALUES (9, 'new')",
    },
  ])('$title', async ({ sql }) => {
    expect(await apply(file(sql))).toMatchObject({ version: 2, applied: [{ version: 2 }] });
  });

  it('leaves rows alone that broke a foreign key before, and the report counts them', async () => {
    await db.executeScript('INSERT INTO children (parent) VALUES (50), (51)');
    const report = await apply(file("UPDATE children SET note = 'seen'"));
    expect(report.violations).toEqual([{ table: 'children', columns: 'parent', parent: 'parents', rows: 2 }]);
  });

  it('is refused where it breaks one row more than were broken before', async () => {
    await db.executeScript('INSERT INTO children (parent) VALUES (50)');
    await expect(apply(file('UPDATE children SET parent = 60 WHERE id = 1'))).rejects.toMatchObject({
      code: 'FOREIGN_KEYS_BROKEN',
      message: expect.stringContaining('2 rows of children (parent) point to no row of parents'),
    });
  });

  it('declares a loss by a name in other letters than the table has', async () => {
    await db.executeScript('CREATE TABLE Mixed (a); INSERT INTO Mixed VALUES (1)');
    await apply(file('-- migration: allow-loss mixed\nDELETE FROM mixed'));
    expect(await db.query('SELECT * FROM mixed')).toEqual([]);
  });

  it('breaks as many rows as it mends', async () => {
    await db.executeScript('INSERT INTO children (parent) VALUES (50)');
    await apply(
      file('UPDATE children SET parent = 1 WHERE parent = 50; UPDATE children SET parent = 60 WHERE id = 1'),
    );
    const [row] = await db.query('SELECT count(*) AS count FROM pragma_foreign_key_check');
    expect(row).toEqual({ count: 1 });
  });

  it('adds a key that old rows break: they are counted in the report and in the history', async () => {
    await db.executeScript('CREATE TABLE mine (a)');
    const second = file(`ALTER TABLE children ADD COLUMN second INTEGER REFERENCES parents(id);
        CREATE TABLE n (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parents(id), note TEXT REFERENCES parents(name), second INTEGER REFERENCES parents(id));
        INSERT INTO n SELECT id, parent, note, second FROM children; DROP TABLE children; ALTER TABLE n RENAME TO children;
        CREATE INDEX by_parent ON children (parent); CREATE TRIGGER touch AFTER UPDATE ON children BEGIN SELECT 1; END;`);
    const report = await apply(second);
    const counted = [{ table: 'children', columns: 'note', parent: 'parents', rows: 3 }];
    expect(report.violations).toEqual(counted);
    const [row] = await db.query('SELECT details FROM schema_migrations WHERE version = 2');
    expect(JSON.parse(String(row?.details))).toEqual({ violations: counted });
    // What was tolerated once is no fault of the next file.
    const third = migrationOf('0003_third.sql', "INSERT INTO parents (name) VALUES ('q')");
    await expect(upgradeConnection(db, { migrations: [first, second, third] })).resolves.toMatchObject({
      version: 3,
    });
  });

  it('loses rows that nobody counts, where counting is turned off', async () => {
    const report = await upgradeConnection(db, {
      migrations: [first, file('DELETE FROM children')],
      countRows: false,
    });
    expect(report).toMatchObject({ version: 2, rows: [] });
  });
});

describe('the transaction of a file', () => {
  it('is over with a conflict that rolls it back, and the error says which statement', async () => {
    const before = await everything();
    const refused = apply(
      file("INSERT INTO parents (name) VALUES ('d');\nINSERT OR ROLLBACK INTO parents (name) VALUES ('a')"),
    );
    await expect(refused).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      place: { filename: '0002_second.sql', statement: 2, line: 2 },
    });
    await expect(refused).rejects.toThrow('UNIQUE constraint failed: parents.name');
    expect(await everything()).toEqual(before);
  });

  it('is over with a trigger that rolls it back', async () => {
    await db.executeScript(
      "CREATE TRIGGER no AFTER INSERT ON parents BEGIN SELECT RAISE(ROLLBACK, 'not with me'); END",
    );
    const before = await everything();
    await expect(apply(file("INSERT INTO parents (name) VALUES ('d')"))).rejects.toThrow('not with me');
    expect(await everything()).toEqual(before);
  });

  it.each([
    ['ended', ['COMMIT']],
    ['ended and begun again', ['COMMIT', 'BEGIN IMMEDIATE']],
    ['rolled back and begun again', ['ROLLBACK', 'BEGIN IMMEDIATE']],
  ])('is noticed to be %s by statements that nobody looked at', async (_title, statements) => {
    const refused = apply(unchecked(file('SELECT 1'), ...statements));
    await expect(refused).rejects.toMatchObject({ code: 'TRANSACTION_ENDED' });
    await expect(refused).rejects.toThrow('Migration 0002_second.sql ended the transaction that it runs in');
    expect(await db.query('SELECT version, status FROM schema_migrations ORDER BY id')).toEqual([
      { version: 1, status: 'applied' },
      { version: 2, status: 'failed' },
    ]);
  });

  it('can be marked more than once, and tells each time when it is over', async () => {
    await db.execute('BEGIN');
    const outer = await markTransaction(db);
    const inner = await markTransaction(db);
    const step = { subject: 'It', place: { filename: 'f', statement: undefined, line: undefined } };
    await inner(step);
    await outer(step);
    await db.execute('COMMIT');
    for (const mark of [inner, outer])
      await expect(mark(step)).rejects.toMatchObject({ code: 'TRANSACTION_ENDED' });
  });

  it('is over for whoever comes next, though it was marked', async () => {
    await db.execute('BEGIN');
    await markTransaction(db);
    await db.executeScript('COMMIT; PRAGMA foreign_keys = ON');
    expect(await db.query('PRAGMA defer_foreign_keys')).toEqual([{ defer_foreign_keys: 0 }]);
    await expect(db.execute('INSERT INTO children (parent) VALUES (99)')).rejects.toThrow('FOREIGN KEY');
  });
});

it('a database that a file attaches is noticed, where nobody looked at the file', async () => {
  const outside = file('-- migration: no-transaction\nVACUUM');
  const refused = apply(unchecked(outside, "ATTACH ':memory:' AS other"));
  await expect(refused).rejects.toMatchObject({ code: 'LEFT_BEHIND' });
  await expect(refused).rejects.toThrow('leaves attached database other behind on the connection');
});

it('a file cannot rewrite the history by way of a trigger of the database', async () => {
  await db.executeScript(
    'CREATE TRIGGER sly AFTER INSERT ON parents BEGIN DELETE FROM schema_migrations; END',
  );
  const refused = apply(file("INSERT INTO parents (name) VALUES ('d')"));
  await expect(refused).rejects.toThrow('changed the history (schema_migrations)');
  expect(await db.query("SELECT version FROM schema_migrations WHERE status = 'applied'")).toEqual([
    { version: 1 },
  ]);
});
