import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { DatabaseBridge, Row } from '../../core/database/database-bridge.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import { withTransaction } from '../../core/database/transaction.js';
import { diagnose, mendDrift, type Drift } from '../../core/storage/schema-mending.js';
import { readSchema, type SchemaSnapshot } from '../../core/storage/schema-snapshot.js';
import { historyTable } from '../support/history-table.js';
import { withDatabase } from '../support/memory-database.js';

const childrenTable = `CREATE TABLE children (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    parent INTEGER REFERENCES parents(id) ON DELETE CASCADE,
    age INTEGER CHECK (age > 0),
    code TEXT UNIQUE,
    weight REAL CHECK (weight >= 0),
    note TEXT DEFAULT 'none',
    half REAL AS (age / 2.0) VIRTUAL,
    CHECK (age < 200)
  );`;
const touch = 'CREATE TRIGGER touch AFTER UPDATE ON children BEGIN SELECT 1; END;';
const form = `
  CREATE TABLE parents (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
  ${childrenTable}
  CREATE INDEX by_age ON children (age);
  CREATE VIEW names AS SELECT name FROM parents;
  ${touch}
  CREATE TRIGGER into_names INSTEAD OF INSERT ON names BEGIN INSERT INTO parents (name) VALUES (NEW.name); END;
  CREATE VIRTUAL TABLE texts USING fts5(words);
`;

let expected: SchemaSnapshot;
let db: DatabaseBridge;

beforeEach(async () => {
  expected = await withDatabase(form, (db) => readSchema(db, historyTable));
  db = await sqlite3Driver.open(':memory:', 'create');
});

afterEach(() => db.close());

/** The form of the schema with some texts in it replaced. */
function formWith(...changes: readonly (readonly [from: string, to: string])[]): string {
  return changes.reduce((script, [from, to]) => {
    if (!script.includes(from)) throw new Error(`There is no "${from}" in the form.`);
    return script.replace(from, to);
  }, form);
}

async function driftOf(script: string): Promise<Drift[]> {
  await db.executeScript(`PRAGMA foreign_keys = OFF; ${script}`);
  return diagnose(expected, await readSchema(db, historyTable)).map(({ drift }) => drift);
}

/** Carries out every statement that mends a drift, as a person would with a shell. */
async function mendByHand(drift: readonly Drift[]): Promise<void> {
  const scripts = new Set(drift.map(({ mend }) => mend.join(';\n')));
  for (const script of scripts) await db.executeScript(script);
}

async function mend(): Promise<void> {
  await withTransaction(db, async () => {
    const live = await readSchema(db, historyTable);
    await mendDrift(db, diagnose(expected, live), live);
  });
}

async function sentencesLeft(): Promise<string[]> {
  return diagnose(expected, await readSchema(db, historyTable)).map(({ drift }) => drift.sentence);
}

/** Rows, among them such as AUTOINCREMENT has to remember; none where the table is missing. */
function rowsFor(script: string): string {
  if (!script.includes('CREATE TABLE children')) return '';
  return `INSERT INTO parents VALUES (1, 'p'); INSERT INTO children (id, parent, age) VALUES (7, 1, 5), (9, NULL, NULL);
    INSERT INTO children (id) VALUES (40); DELETE FROM children WHERE id = 40;`;
}

async function contentsOrNothing(script: string): Promise<Row[]> {
  if (!script.includes('CREATE TABLE children')) return [];
  const counter = script.includes('AUTOINCREMENT');
  return [
    ...(await db.query('SELECT rowid, * FROM parents')),
    ...(await db.query('SELECT id, parent FROM children')),
    ...(counter ? await db.query("SELECT name, seq FROM sqlite_sequence WHERE name = 'children'") : []),
  ];
}

const rebuildOfChildren =
  /^PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE; .*; CREATE TABLE "new_children" .*; INSERT INTO "new_children" .*; DROP TABLE "children"; ALTER TABLE "new_children" RENAME TO "children"; .*; COMMIT; PRAGMA foreign_keys = ON$/s;

function nameIn(statement: string): string {
  return statement.split(' ')[2] ?? '';
}

/** Schemas with one thing wrong, and the statements that mend it. */
const wrong: readonly (readonly [title: string, script: string, statements: RegExp])[] = [
  [
    'a table that is missing',
    formWith([childrenTable, ''], ['CREATE INDEX by_age ON children (age);', ''], [touch, '']),
    /^CREATE TABLE children \(|^CREATE INDEX by_age |^CREATE TRIGGER touch /,
  ],
  [
    'an index that is missing',
    formWith(['CREATE INDEX by_age ON children (age);', '']),
    /^CREATE INDEX by_age ON children \(age\)$/,
  ],
  [
    'an index that is different',
    formWith(['ON children (age)', 'ON children (age DESC)']),
    /^DROP INDEX "by_age"; CREATE INDEX by_age ON children \(age\)$/,
  ],
  [
    'a trigger that is different',
    formWith(['SELECT 1; END', 'SELECT 2; END']),
    /^DROP TRIGGER "touch"; CREATE TRIGGER touch AFTER UPDATE ON children BEGIN SELECT 1; END$/,
  ],
  [
    'a view that is different, with the triggers on it',
    formWith(['SELECT name FROM parents', 'SELECT id AS name FROM parents']),
    /^DROP VIEW "names"; CREATE VIEW names AS SELECT name FROM parents; CREATE TRIGGER into_names .*$/,
  ],
  [
    'a column that can be added',
    formWith(["note TEXT DEFAULT 'none',", '']),
    /^ALTER TABLE "children" ADD COLUMN note TEXT DEFAULT 'none'$/,
  ],
  [
    'a column that can be added with the check beside it',
    formWith(['weight REAL CHECK (weight >= 0),', '']),
    /^ALTER TABLE "children" ADD COLUMN weight REAL CHECK \(weight >= 0\)$/,
  ],
  ['a column that cannot be added', formWith(['code TEXT UNIQUE,', '']), rebuildOfChildren],
  ['a column with another default', formWith(["DEFAULT 'none'", "DEFAULT 'some'"]), rebuildOfChildren],
  ['a constraint that is missing', formWith([',\n    CHECK (age < 200)', '']), rebuildOfChildren],
  ['a constraint too many', formWith(['CHECK (age < 200)', 'CHECK (age < 300)']), rebuildOfChildren],
  [
    'a foreign key that is missing',
    formWith([' REFERENCES parents(id) ON DELETE CASCADE', '']),
    rebuildOfChildren,
  ],
  ['AUTOINCREMENT that is missing', formWith([' AUTOINCREMENT', '']), rebuildOfChildren],
];

describe.each(wrong)('%s', (_title, script, statements) => {
  it('comes with the statements that mend it, and they do', async () => {
    const drift = await driftOf(`${script} ${rowsFor(script)}`);
    const before = await contentsOrNothing(script);
    expect(drift).not.toEqual([]);
    for (const each of drift) expect(each.mend.join('; ')).toMatch(statements);
    await mendByHand(drift);
    expect(await sentencesLeft()).toEqual([]);
    expect(await contentsOrNothing(script)).toEqual(before);
  });

  it('is mended', async () => {
    await driftOf(`${script} ${rowsFor(script)}`);
    const before = await contentsOrNothing(script);
    await mend();
    expect(await sentencesLeft()).toEqual([]);
    expect(await contentsOrNothing(script)).toEqual(before);
  });
});

describe('mending', () => {
  it('mends everything at once', async () => {
    await driftOf(
      formWith(
        ["note TEXT DEFAULT 'none',", ''],
        [' REFERENCES parents(id) ON DELETE CASCADE', ''],
        ['CREATE INDEX by_age ON children (age);', ''],
        ['SELECT 1; END', 'SELECT 2; END'],
        ['CREATE VIEW names', 'CREATE VIEW other_names'],
        ['into_names INSTEAD OF INSERT ON names', 'into_others INSTEAD OF INSERT ON other_names'],
      ),
    );
    await mend();
    expect(await sentencesLeft()).toEqual([]);
  });

  it("leaves what is the database's own, also on a table that is rebuilt", async () => {
    const own = [
      'CREATE TABLE mine (a)',
      'CREATE INDEX my_index ON children (mine)',
      'CREATE TRIGGER my_trigger AFTER DELETE ON children BEGIN SELECT 3; END',
      'CREATE VIEW my_view AS SELECT mine FROM children',
    ];
    await driftOf(
      `${formWith([',\n    CHECK (age < 200)', ''])} ALTER TABLE children ADD COLUMN mine; ${own.join('; ')};
       INSERT INTO children (mine) VALUES ('kept')`,
    );
    await mend();
    expect(await sentencesLeft()).toEqual([]);
    const kept = await db.query("SELECT sql FROM sqlite_schema WHERE name LIKE 'm%' ORDER BY name");
    expect(kept.map(({ sql }) => sql)).toEqual([...own].sort((a, b) => (nameIn(a) < nameIn(b) ? -1 : 1)));
    expect(await db.query('SELECT mine FROM my_view')).toEqual([{ mine: 'kept' }]);
  });

  it('counts the rows that break a check which was missing, and keeps them', async () => {
    await driftOf(`${formWith([',\n    CHECK (age < 200)', ''])} INSERT INTO children (age) VALUES (300)`);
    const live = await readSchema(db, historyTable);
    expect(await withTransaction(db, () => mendDrift(db, diagnose(expected, live), live))).toEqual([
      { table: 'children', expression: '(age < 200)', rows: 1 },
    ]);
    expect(await db.query('SELECT age FROM children')).toEqual([{ age: 300 }]);
  });

  it.each([
    [
      'a value that would become another one',
      'age INTEGER CHECK (age > 0)',
      "age TEXT CHECK (age > '')",
      "'007'",
      /column children\.age holds 1 text, which would become 1 integer/,
    ],
    [
      'a value that may not be there twice',
      'code TEXT UNIQUE',
      'code TEXT',
      "1, 'same'), (2, 'same'",
      /UNIQUE constraint failed: children\.code/,
    ],
  ])('is refused by %s', async (_title, from, to, value, message) => {
    const column = from.slice(0, from.indexOf(' '));
    const script = formWith([from, to]);
    await driftOf(
      `${script} INSERT INTO children (${column === 'code' ? 'id, code' : column}) VALUES (${value})`,
    );
    const before = await db.query('SELECT *, typeof(age) FROM children');
    await expect(mend()).rejects.toThrow(message);
    expect(await db.query('SELECT *, typeof(age) FROM children')).toEqual(before);
  });
});

describe('the rowids of a table that is mended', () => {
  const rowids = (): Promise<Row[]> => db.query('SELECT id, value FROM t ORDER BY id');

  async function mendInto(wanted: string, script: string): Promise<void> {
    expected = await withDatabase(wanted, (db) => readSchema(db, historyTable));
    await driftOf(script);
    await mend();
    expect(await sentencesLeft()).toEqual([]);
  }

  it('do not take the place of a key that becomes the rowid', async () => {
    await mendInto(
      'CREATE TABLE t (id INTEGER PRIMARY KEY, value)',
      "CREATE TABLE t (id INT PRIMARY KEY, value); INSERT INTO t (rowid, id, value) VALUES (1, 70, 'a'), (70, 1, 'b')",
    );
    expect(await rowids()).toEqual([
      { id: 1, value: 'b' },
      { id: 70, value: 'a' },
    ]);
  });

  it('are not made of keys that are NULL', async () => {
    expected = await withDatabase('CREATE TABLE t (id INTEGER PRIMARY KEY, value)', (db) =>
      readSchema(db, historyTable),
    );
    await driftOf(
      "CREATE TABLE t (id INTEGER PRIMARY KEY DESC, value); INSERT INTO t VALUES (NULL, 'a'), (5, 'b')",
    );
    await expect(mend()).rejects.toThrow('column t.id holds 1 integer, 1 null, which would become 2 integer');
    expect(await rowids()).toEqual([
      { id: null, value: 'a' },
      { id: 5, value: 'b' },
    ]);
  });

  it('are given up where the table is to have none', async () => {
    await mendInto(
      'CREATE TABLE t (id TEXT PRIMARY KEY, value) WITHOUT ROWID',
      "CREATE TABLE t (id TEXT PRIMARY KEY, value); INSERT INTO t VALUES ('a', 1)",
    );
    expect(await rowids()).toEqual([{ id: 'a', value: 1 }]);
  });
});

describe('only a person can tell what to do', () => {
  it.each([
    [
      'a table whose key is another',
      formWith(['id INTEGER PRIMARY KEY AUTOINCREMENT', 'id INTEGER, uid INTEGER PRIMARY KEY AUTOINCREMENT']),
    ],
    ['an index of the name on another table', formWith(['ON children (age)', 'ON parents (name)'])],
    [
      'a view that bears the name of an index',
      formWith(['CREATE INDEX by_age ON children (age)', 'CREATE VIEW by_age AS SELECT 1 AS a']),
    ],
    [
      'a table that bears the name of a view',
      formWith(
        ['CREATE VIEW names AS SELECT name FROM parents', 'CREATE TABLE names (name)'],
        ['INSTEAD OF INSERT ON names', 'AFTER INSERT ON names'],
      ),
    ],
    [
      'a column that is stored and would be computed',
      formWith(['half REAL AS (age / 2.0) VIRTUAL', 'half REAL']),
    ],
    ['a virtual table that is another', formWith(['fts5(words)', 'fts5(words, more)'])],
  ])('about %s, and it is left alone', async (_title, script) => {
    const drift = await driftOf(script);
    const unmended = drift.filter((each) => each.mend.length === 0);
    expect(unmended).not.toEqual([]);
    const before = await db.query('SELECT sql FROM sqlite_schema ORDER BY name');
    await mend();
    expect(await sentencesLeft()).toEqual(unmended.map(({ sentence }) => sentence));
    if (unmended.length === drift.length)
      expect(await db.query('SELECT sql FROM sqlite_schema ORDER BY name')).toEqual(before);
  });
});
