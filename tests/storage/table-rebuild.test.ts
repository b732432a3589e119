import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { DatabaseBridge, Row } from '../../core/database/database-bridge.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import { withTransaction } from '../../core/database/transaction.js';
import type { CheckViolations } from '../../core/storage/check-violations.js';
import { readSchema, type TableSnapshot } from '../../core/storage/schema-snapshot.js';
import { rebuildTable } from '../../core/storage/table-rebuild.js';
import { historyTable } from '../support/history-table.js';
import { withDatabase } from '../support/memory-database.js';

let db: DatabaseBridge;

beforeEach(async () => {
  db = await sqlite3Driver.open(':memory:', 'create');
  await db.executeScript('PRAGMA foreign_keys = OFF');
});

afterEach(() => db.close());

async function tableOf(from: DatabaseBridge, name: string): Promise<TableSnapshot> {
  const table = (await readSchema(from, historyTable)).tables.get(name.toLowerCase());
  if (table === undefined) throw new Error(`There is no table ${name}.`);
  return table;
}

/** Carries out a script, and gives the table `t` of it another form. */
async function rebuild(
  script: string,
  form: string,
  { table = 't', addColumns = [] }: { table?: string; addColumns?: readonly string[] } = {},
): Promise<CheckViolations[]> {
  await db.executeScript(script);
  return withTransaction(db, async () =>
    rebuildTable(db, await readSchema(db, historyTable), {
      table: await tableOf(db, table),
      form: await withDatabase(form, (other) => tableOf(other, table)),
      addColumns,
    }),
  );
}

const rows = (sql: string): Promise<Row[]> => db.query(sql);

async function sqlOf(name: string): Promise<unknown> {
  return (await db.query('SELECT sql FROM sqlite_schema WHERE name = ?', [name]))[0]?.sql;
}

const MOST = '9223372036854775807';

describe('a table that is rebuilt', () => {
  it('keeps the figures of ANALYZE, its own and those of its indexes', async () => {
    await rebuild(
      `CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT UNIQUE); CREATE INDEX i ON t (a); CREATE TABLE u (x UNIQUE);
       INSERT INTO t (a) VALUES ('a'), ('b'), ('c'); INSERT INTO u VALUES (1); ANALYZE;
       UPDATE sqlite_stat1 SET stat = '7 1' WHERE idx = 'i'`,
      "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT UNIQUE CHECK (a <> ''))",
    );
    expect(await rows('SELECT tbl, idx, stat FROM sqlite_stat1 ORDER BY tbl, idx')).toEqual([
      { tbl: 't', idx: 'i', stat: '7 1' },
      { tbl: 't', idx: 'sqlite_autoindex_t_1', stat: '3 1' },
      { tbl: 'u', idx: 'sqlite_autoindex_u_1', stat: '1 1' },
    ]);
  });

  it('has the rules of the other form, and its own order of columns', async () => {
    await rebuild(
      'CREATE TABLE t (b, a TEXT, id INTEGER PRIMARY KEY)',
      "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT NOT NULL DEFAULT 'x' CHECK (a <> ''), b, UNIQUE (a, b))",
    );
    expect(await sqlOf('t')).toBe(
      `CREATE TABLE "t" (\n  b,\n  a TEXT NOT NULL DEFAULT 'x' CHECK (a <> ''),\n  id INTEGER PRIMARY KEY,\n  UNIQUE (a, b)\n)`,
    );
    await expect(db.execute("INSERT INTO t (a) VALUES ('')")).rejects.toThrow('CHECK constraint failed');
    await expect(db.execute('INSERT INTO t (a) VALUES (NULL)')).rejects.toThrow('NOT NULL constraint failed');
  });

  it('keeps every value with its type and its bytes', async () => {
    const select =
      'SELECT rowid, typeof(a) AS kind, hex(a) AS bytes, quote(a) AS value FROM t ORDER BY rowid';
    await db.executeScript(
      `CREATE TABLE t (a); INSERT INTO t VALUES (NULL), (${MOST}), (-${MOST} - 1), (0.1 + 0.2), (9e999), ('5'), (''), (x''), (x'00FF'),
       (CAST(x'610062' AS TEXT)), (CAST(x'FF' AS TEXT)), ('👩‍👩‍👧')`,
    );
    const before = await rows(select);
    await rebuild('', 'CREATE TABLE t (a, CHECK (a IS NOT 7))');
    expect(await rows(select)).toEqual(before);
  });

  it('keeps the rowids, also where no column shows them', async () => {
    await rebuild(
      `CREATE TABLE t (id TEXT PRIMARY KEY); INSERT INTO t (rowid, id) VALUES (7, 'b'), (-3, 'a'), (${MOST}, 'z'), (100, 'c')`,
      'CREATE TABLE t (id TEXT PRIMARY KEY CHECK (id <> 1))',
    );
    expect(await rows('SELECT CAST(rowid AS TEXT) AS rowid, id FROM t ORDER BY t.rowid')).toEqual([
      { rowid: '-3', id: 'a' },
      { rowid: '7', id: 'b' },
      { rowid: '100', id: 'c' },
      { rowid: MOST, id: 'z' },
    ]);
  });

  it('keeps the rowids where columns bear their names', async () => {
    await rebuild(
      "CREATE TABLE t (rowid TEXT, _ROWID_ TEXT); INSERT INTO t (oid, rowid, _rowid_) VALUES (9, 'x', 'y')",
      'CREATE TABLE t (rowid TEXT, _rowid_ TEXT, CHECK (rowid <> 1))',
    );
    expect(await rows('SELECT oid AS id, rowid AS r, _rowid_ AS u FROM t')).toEqual([
      { id: 9, r: 'x', u: 'y' },
    ]);
  });

  it('keeps the rows where every name of the rowid is taken', async () => {
    await rebuild(
      "CREATE TABLE t (rowid, _rowid_, oid); INSERT INTO t VALUES (1, 2, 3), ('a', 'b', 'c')",
      'CREATE TABLE t (rowid, _rowid_, oid, CHECK (oid <> 9))',
    );
    expect(await rows('SELECT * FROM t')).toEqual([
      { rowid: 1, _rowid_: 2, oid: 3 },
      { rowid: 'a', _rowid_: 'b', oid: 'c' },
    ]);
  });

  it('takes a new column that is called rowid for a column', async () => {
    await rebuild(
      'CREATE TABLE t (a); INSERT INTO t (rowid, a) VALUES (5, 1)',
      "CREATE TABLE t (a, rowid TEXT NOT NULL DEFAULT 'mine')",
      { addColumns: ['rowid'] },
    );
    expect(await rows('SELECT _rowid_ AS id, a, rowid AS r FROM t')).toEqual([{ id: 5, a: 1, r: 'mine' }]);
  });

  it('without rowids keeps its rows', async () => {
    await rebuild(
      "CREATE TABLE t (k TEXT PRIMARY KEY, v) WITHOUT ROWID; INSERT INTO t VALUES ('b', 1), ('a', 2)",
      'CREATE TABLE t (k TEXT PRIMARY KEY, v CHECK (v > 0)) WITHOUT ROWID',
    );
    expect(await rows('SELECT * FROM t')).toEqual([
      { k: 'a', v: 2 },
      { k: 'b', v: 1 },
    ]);
    expect(await sqlOf('t')).toMatch(/WITHOUT ROWID$/);
  });

  it('that is strict stays so', async () => {
    await rebuild(
      'CREATE TABLE t (a INT) STRICT; INSERT INTO t VALUES (1)',
      'CREATE TABLE t (a INT CHECK (a > 0)) STRICT',
    );
    await expect(db.execute("INSERT INTO t VALUES ('x')")).rejects.toThrow('cannot store TEXT value');
  });

  it('keeps its name as it was written', async () => {
    await rebuild(
      'CREATE TABLE "My T" (a); INSERT INTO "My T" VALUES (1)',
      'CREATE TABLE "MY T" (a UNIQUE)',
      { table: 'My T' },
    );
    expect(await rows("SELECT name FROM sqlite_schema WHERE type = 'table'")).toEqual([{ name: 'My T' }]);
    expect(await rows('SELECT * FROM "my t"')).toEqual([{ a: 1 }]);
  });

  it('does not touch a table or an index that has the name which it would take meanwhile', async () => {
    await rebuild(
      `CREATE TABLE t (a); INSERT INTO t VALUES (1); CREATE TABLE new_t (b); INSERT INTO new_t VALUES (2); CREATE INDEX "NEW_T_" ON t (a)`,
      'CREATE TABLE t (a UNIQUE)',
    );
    expect(await rows('SELECT b FROM new_t')).toEqual([{ b: 2 }]);
    expect(await rows("SELECT name FROM sqlite_schema WHERE name LIKE 'new%' ORDER BY name")).toEqual([
      { name: 'NEW_T_' },
      { name: 'new_t' },
    ]);
  });

  it('gives a column that ALTER TABLE cannot add its default in every row', async () => {
    await rebuild(
      'CREATE TABLE t (a); INSERT INTO t VALUES (1), (2)',
      "CREATE TABLE t (a, b TEXT UNIQUE, c TEXT NOT NULL DEFAULT (lower('C')), d AS (a + 1) STORED)",
      { addColumns: ['b', 'c', 'd'] },
    );
    expect(await rows('SELECT * FROM t')).toEqual([
      { a: 1, b: null, c: 'c', d: 2 },
      { a: 2, b: null, c: 'c', d: 3 },
    ]);
  });
});

describe('the memory of AUTOINCREMENT', () => {
  const form = 'CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a CHECK (a <> 0))';
  const made = 'CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a);';
  const sequence = (): Promise<Row[]> =>
    rows('SELECT name, CAST(seq AS TEXT) AS seq FROM sqlite_sequence ORDER BY name');

  it('stays where it was, though the highest rows are gone', async () => {
    await rebuild(`${made} INSERT INTO t (id, a) VALUES (1, 1), (40, 1); DELETE FROM t WHERE id = 40`, form);
    expect(await sequence()).toEqual([{ name: 't', seq: '40' }]);
    await db.execute('INSERT INTO t (a) VALUES (2)');
    expect(await rows('SELECT id FROM t')).toEqual([{ id: 1 }, { id: 41 }]);
  });

  it('stays where it was, though all rows are gone', async () => {
    await rebuild(`${made} INSERT INTO t (id, a) VALUES (3, 1); DELETE FROM t`, form);
    expect(await sequence()).toEqual([{ name: 't', seq: '3' }]);
  });

  it('keeps all 64 bits', async () => {
    for (const highest of [MOST, '9007199254740993']) {
      await db.executeScript('DROP TABLE IF EXISTS t');
      await rebuild(`${made} INSERT INTO t (id) VALUES (${highest}), (-5); DELETE FROM t WHERE id > 0`, form);
      expect(await sequence()).toEqual([{ name: 't', seq: highest }]);
    }
  });

  it('of a table that was never written begins at 1', async () => {
    await rebuild(made, form);
    await db.execute('INSERT INTO t (a) VALUES (1)');
    expect(await sequence()).toEqual([{ name: 't', seq: '1' }]);
  });

  it('of other tables is not touched', async () => {
    await rebuild(
      `${made} CREATE TABLE other (id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO other VALUES (9); INSERT INTO t (a) VALUES (1);
       CREATE TABLE T2 (id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO T2 VALUES (4)`,
      form,
    );
    expect(await sequence()).toEqual([
      { name: 'T2', seq: '4' },
      { name: 'other', seq: '9' },
      { name: 't', seq: '1' },
    ]);
  });

  it('is put right where somebody deleted it', async () => {
    await rebuild(`${made} INSERT INTO t (id) VALUES (12); DELETE FROM sqlite_sequence`, form);
    expect(await sequence()).toEqual([{ name: 't', seq: '12' }]);
  });
});

describe('what is the user own', () => {
  const form = 'CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT CHECK (a IS NOT 0))';

  it('stays: columns of every kind, with their rules and their values', async () => {
    await rebuild(
      `CREATE TABLE p (id INTEGER PRIMARY KEY);
       CREATE TABLE t ("my own" TEXT COLLATE NOCASE NOT NULL DEFAULT 'x' CHECK ("my own" <> 'bad'), id INTEGER PRIMARY KEY, a TEXT,
         [up] AS (upper(a)), stored AS (a || '!') STORED, parent REFERENCES p ON DELETE SET NULL,
         "a, (b" BLOB, UNIQUE ("my own", a), CONSTRAINT mine CHECK ("a, (b" <> a), FOREIGN KEY ("a, (b") REFERENCES p(id));
       INSERT INTO t ("my own", a, parent, "a, (b") VALUES ('One', 'v', 5, x'00');`,
      form,
    );
    expect(await rows('SELECT "my own" AS own, up, stored, parent, hex("a, (b") AS bytes FROM t')).toEqual([
      { own: 'One', up: 'V', stored: 'v!', parent: 5, bytes: '00' },
    ]);
    await expect(db.execute(`INSERT INTO t ("my own") VALUES ('bad')`)).rejects.toThrow('CHECK');
    await expect(db.execute(`INSERT INTO t (a, "a, (b") VALUES ('q', 'q')`)).rejects.toThrow(
      'CHECK constraint failed: mine',
    );
    await expect(db.execute(`INSERT INTO t ("my own", a) VALUES ('ONE', 'v')`)).rejects.toThrow('UNIQUE');
    expect(
      await rows('SELECT "from", "table", on_delete FROM pragma_foreign_key_list(\'t\') ORDER BY 1'),
    ).toEqual([
      { from: 'a, (b', table: 'p', on_delete: 'NO ACTION' },
      { from: 'parent', table: 'p', on_delete: 'SET NULL' },
    ]);
  });

  it('stays: indexes and triggers, and both work', async () => {
    const own = [
      'CREATE INDEX "my index" ON t (length(a) DESC, a COLLATE NOCASE) WHERE a IS NOT NULL',
      'CREATE UNIQUE INDEX same_name ON t (a)',
      `CREATE TRIGGER same_name AFTER INSERT ON t WHEN NEW.a <> 'quiet' BEGIN INSERT INTO log VALUES ('in ' || NEW.a); SELECT 1; END`,
      `CREATE TRIGGER "elsewhere" AFTER INSERT ON log BEGIN UPDATE t SET a = a || '!' WHERE id = 1; END`,
    ];
    await rebuild(
      `CREATE TABLE log (what); CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO t VALUES (1, 'one'); ${own.join('; ')}`,
      form,
    );
    const kept = await rows("SELECT sql FROM sqlite_schema WHERE type IN ('index', 'trigger') ORDER BY sql");
    expect(kept.map(({ sql }) => sql)).toEqual([...own].sort());
    await db.execute("INSERT INTO t (a) VALUES ('two')");
    expect(await rows('SELECT what FROM log')).toEqual([{ what: 'in two' }]);
    expect(await rows('SELECT a FROM t WHERE id = 1')).toEqual([{ a: 'one!' }]);
    expect(await rows('SELECT a FROM t INDEXED BY "my index" WHERE a IS NOT NULL AND length(a) = 3')).toEqual(
      [{ a: 'two' }],
    );
  });

  it('stays: views on the table, triggers on those, and views that were broken before', async () => {
    const own = [
      'CREATE VIEW names AS SELECT a AS name FROM t',
      'CREATE TRIGGER into_names INSTEAD OF INSERT ON names BEGIN INSERT INTO t (a) VALUES (NEW.name); END',
      'CREATE VIEW twice AS SELECT * FROM names UNION ALL SELECT * FROM names',
      'CREATE VIEW broken AS SELECT * FROM gone',
      'CREATE TRIGGER broken_too AFTER DELETE ON t BEGIN INSERT INTO gone VALUES (1); END',
    ];
    await rebuild(
      `CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO t (a) VALUES ('x'); ${own.join('; ')}`,
      form,
    );
    const kept = await rows("SELECT sql FROM sqlite_schema WHERE type IN ('view', 'trigger') ORDER BY sql");
    expect(kept.map(({ sql }) => sql)).toEqual([...own].sort());
    await db.execute("INSERT INTO names VALUES ('y')");
    expect(await rows('SELECT count(*) AS count FROM twice')).toEqual([{ count: 4 }]);
  });
});

describe('the children of a table that is rebuilt', () => {
  it('are not deleted by a cascading key, and go on pointing to it', async () => {
    await rebuild(
      `CREATE TABLE t (id INTEGER PRIMARY KEY, a, parent REFERENCES t(id) ON DELETE CASCADE);
       CREATE TABLE child (t REFERENCES t(id) ON DELETE CASCADE);
       INSERT INTO t VALUES (1, 'x', NULL), (2, 'y', 1); INSERT INTO child VALUES (1), (2), (404)`,
      'CREATE TABLE t (id INTEGER PRIMARY KEY, a NOT NULL, parent REFERENCES t(id) ON DELETE CASCADE)',
    );
    expect(await rows('SELECT t FROM child')).toEqual([{ t: 1 }, { t: 2 }, { t: 404 }]);
    expect(
      await rows(
        'SELECT "table" FROM pragma_foreign_key_list(\'child\') UNION ALL SELECT "table" FROM pragma_foreign_key_list(\'t\')',
      ),
    ).toEqual([{ table: 't' }, { table: 't' }]);
    await db.executeScript('PRAGMA foreign_keys = ON; DELETE FROM t WHERE id = 1');
    expect(await rows('SELECT t FROM child')).toEqual([{ t: 404 }]);
  });
});

describe('rows that do not fit', () => {
  it('are kept and counted where they break a check that is new', async () => {
    const violations = await rebuild(
      `CREATE TABLE t (role TEXT, age INT CHECK (age > 0), note TEXT);
       PRAGMA ignore_check_constraints = ON;
       INSERT INTO t VALUES ('user', 1, 'a'), ('tool', -1, 'b'), ('robot', 5, NULL), (NULL, 5, 'c');
       PRAGMA ignore_check_constraints = OFF`,
      `CREATE TABLE t (role TEXT CHECK (role IN ('user')), age INT CHECK (age > 0), note TEXT, CHECK (length(note) < 5))`,
    );
    expect(violations).toEqual([{ table: 't', expression: "(role IN ('user'))", rows: 2 }]);
    expect(await rows('SELECT count(*) AS count FROM t')).toEqual([{ count: 4 }]);
    await expect(db.execute("INSERT INTO t (role) VALUES ('tool')")).rejects.toThrow(
      'CHECK constraint failed',
    );
  });

  it('are not asked about a column that is not there yet', async () => {
    const violations = await rebuild(
      'CREATE TABLE t (a); INSERT INTO t VALUES (1)',
      'CREATE TABLE t (a CHECK (a > 1), later CHECK (later > 0), CHECK (later > a))',
    );
    expect(violations).toEqual([{ table: 't', expression: '(a > 1)', rows: 1 }]);
  });

  it.each([
    ['NOT NULL', 'CREATE TABLE t (a NOT NULL)', 'NOT NULL constraint failed: t.a'],
    ['UNIQUE', 'CREATE TABLE t (a UNIQUE)', 'UNIQUE constraint failed: t.a'],
  ])('stop it where they break %s, and nothing has changed', async (_title, form, message) => {
    await db.executeScript(
      'CREATE TABLE t (a); INSERT INTO t VALUES (1), (1), (NULL); CREATE VIEW v AS SELECT a FROM t',
    );
    await expect(rebuild('', form)).rejects.toThrow(message);
    expect(await sqlOf('t')).toBe('CREATE TABLE t (a)');
    expect(await rows('SELECT a FROM v')).toEqual([{ a: 1 }, { a: 1 }, { a: null }]);
    expect(await rows("SELECT name FROM sqlite_schema WHERE name LIKE 'new%'")).toEqual([]);
  });
});

it('the switches of the connection are as they were, whether it succeeds or fails', async () => {
  const switches = async (): Promise<unknown[]> => [
    ...(await rows('PRAGMA legacy_alter_table')),
    ...(await rows('PRAGMA ignore_check_constraints')),
    ...(await rows('PRAGMA foreign_keys')),
  ];
  const before = await switches();
  await rebuild('CREATE TABLE t (a); INSERT INTO t VALUES (NULL)', 'CREATE TABLE t (a UNIQUE)');
  expect(await switches()).toEqual(before);
  await expect(rebuild('', 'CREATE TABLE t (a NOT NULL)')).rejects.toThrow('NOT NULL');
  expect(await switches()).toEqual(before);
});
