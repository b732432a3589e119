import { describe, expect, it } from '@jest/globals';

import {
  emptySchema,
  isEmptySchema,
  readSchema,
  type SchemaSnapshot,
} from '../../core/storage/schema-snapshot.js';
import { historyTable } from '../support/history-table.js';
import { withDatabase } from '../support/memory-database.js';

const schemaOf = (script: string): Promise<SchemaSnapshot> =>
  withDatabase(script, (db) => readSchema(db, historyTable));

describe('readSchema', () => {
  it('finds nothing in an empty database', async () => {
    const schema = await schemaOf('');
    expect(schema).toEqual(emptySchema);
    expect(isEmptySchema(schema)).toBe(true);
  });

  it('keys tables and objects by their names in small letters, and keeps the names', async () => {
    const { tables, objects } = await schemaOf(`
      CREATE TABLE "My Notes" (Id INTEGER PRIMARY KEY, ÄRGER TEXT);
      CREATE INDEX "My Index" ON "My Notes" (ÄRGER);
      CREATE VIEW V AS SELECT 1;
      CREATE TRIGGER T AFTER DELETE ON "My Notes" BEGIN SELECT 1; END;`);
    expect([...tables].map(([key, { name }]) => [key, name])).toEqual([['my notes', 'My Notes']]);
    expect([...objects].map(([key, { type, name, table }]) => [key, type, name, table])).toEqual([
      ['my index', 'index', 'My Index', 'My Notes'],
      ['v', 'view', 'V', 'V'],
      ['(t)', 'trigger', 'T', 'My Notes'],
    ]);
    expect(tables.get('my notes')?.columns.map(({ name }) => name)).toEqual(['Id', 'ÄRGER']);
  });

  it('keeps a trigger apart from the index, the view and the table that bear its name', async () => {
    const { tables, objects } = await schemaOf(`
      CREATE TABLE t (a); CREATE INDEX i ON t (a); CREATE VIEW v AS SELECT 1;
      CREATE TRIGGER t AFTER DELETE ON t BEGIN SELECT 1; END; CREATE TRIGGER i AFTER INSERT ON t BEGIN SELECT 1; END;
      CREATE TRIGGER v AFTER UPDATE ON t BEGIN SELECT 1; END;`);
    expect([...tables.keys()]).toEqual(['t']);
    expect([...objects.values()].map(({ type, name }) => `${type} ${name}`)).toEqual([
      'index i',
      'view v',
      'trigger t',
      'trigger i',
      'trigger v',
    ]);
  });

  it('leaves out what SQLite made by itself, and the history with all that hangs on it', async () => {
    const schema = await schemaOf(`
      CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a UNIQUE);
      INSERT INTO t (a) VALUES (1);
      ANALYZE;
      CREATE TABLE Schema_Migrations (version INTEGER);
      CREATE INDEX by_version ON schema_migrations (version);`);
    expect([...schema.tables.keys()]).toEqual(['t']);
    expect([...schema.objects.keys()]).toEqual([]);
    expect(isEmptySchema(await schemaOf('CREATE TABLE schema_migrations (version INTEGER)'))).toBe(true);
  });

  it('takes a table whose name only begins like one of SQLite for a table', async () => {
    expect([...(await schemaOf('CREATE TABLE sqliteX (a)')).tables.keys()]).toEqual(['sqlitex']);
  });

  it('knows a virtual table by its statement, and leaves its shadow tables out', async () => {
    const { tables } = await schemaOf('CREATE VIRTUAL TABLE texts USING fts5(body); CREATE TABLE other (a)');
    expect([...tables].map(([key, { virtual }]) => [key, virtual])).toEqual([
      ['texts', true],
      ['other', false],
    ]);
    expect(tables.get('texts')).toMatchObject({ columns: [], constraints: [] });
  });

  it('does not parse a statement again that was read before', async () => {
    await withDatabase('CREATE TABLE t (a)', async (db) => {
      const first = await readSchema(db, historyTable);
      const second = await readSchema(db, historyTable);
      expect(second.tables.get('t')?.columns).toBe(first.tables.get('t')?.columns);
    });
  });

  it('says which key a reference means that names none', async () => {
    const meanings = async (script: string): Promise<(string | undefined)[]> =>
      [...((await schemaOf(script)).tables.get('child')?.constraints ?? [])].map(({ meaning }) => meaning);
    expect(
      await meanings(`CREATE TABLE child (a REFERENCES p ON DELETE CASCADE, b REFERENCES "with $& in it", c REFERENCES none, d REFERENCES gone);
        CREATE TABLE p (x, y, PRIMARY KEY (x)); CREATE TABLE "with $& in it" ("$& id" PRIMARY KEY); CREATE TABLE none (x)`),
    ).toEqual([
      '(a) references p(x) on delete cascade',
      '(b) references with $& in it($& id)',
      '(c) references none()',
      '(d) references gone()',
    ]);
  });
});

describe('an object has the same meaning', () => {
  const meaningOf = async (script: string): Promise<string | undefined> =>
    [...(await schemaOf(`CREATE TABLE t (a, b, "asc"); ${script}`)).objects.values()][0]?.meaning;

  it.each([
    ['in any letters and any quotes', 'CREATE INDEX "I" ON T ("A")', 'create index i on t (a)'],
    [
      'with any white space and comments',
      'CREATE INDEX i\n ON t( a,b ) -- x',
      'CREATE INDEX /* y */ i ON t(a, b)',
    ],
    ['with IF NOT EXISTS or without', 'CREATE INDEX IF NOT EXISTS i ON t (a)', 'CREATE INDEX i ON t (a)'],
    ['with ASC or without', 'CREATE INDEX i ON t (a ASC, b)', 'CREATE INDEX i ON t (a, b ASC)'],
    ['on a column that is called asc', 'CREATE INDEX i ON t (asc, a)', 'CREATE INDEX i ON t ("asc" ASC, a)'],
    [
      'with FOR EACH ROW or without',
      'CREATE TRIGGER IF NOT EXISTS x AFTER UPDATE ON t FOR EACH ROW BEGIN DELETE FROM t; END',
      'CREATE TRIGGER x AFTER UPDATE ON t BEGIN\n  DELETE FROM t;\nEND',
    ],
    [
      'of a view',
      'CREATE VIEW v AS SELECT A FROM t ORDER BY a ASC',
      'CREATE VIEW IF NOT EXISTS v AS select "a" from T order by a',
    ],
  ])('%s', async (_title, one, other) => {
    expect(await meaningOf(one)).toBe(await meaningOf(other));
  });

  it.each([
    ['another column', 'CREATE INDEX i ON t (a)', 'CREATE INDEX i ON t (b)'],
    ['another order', 'CREATE INDEX i ON t (a, b)', 'CREATE INDEX i ON t (b, a)'],
    ['another direction', 'CREATE INDEX i ON t (a)', 'CREATE INDEX i ON t (a DESC)'],
    ['a column that is called asc', 'CREATE INDEX i ON t (a, asc)', 'CREATE INDEX i ON t (a)'],
    ['another collation', 'CREATE INDEX i ON t (a)', 'CREATE INDEX i ON t (a COLLATE NOCASE)'],
    ['UNIQUE', 'CREATE INDEX i ON t (a)', 'CREATE UNIQUE INDEX i ON t (a)'],
    ['a condition', 'CREATE INDEX i ON t (a)', 'CREATE INDEX i ON t (a) WHERE b'],
    ['another text', "CREATE INDEX i ON t (a) WHERE b = 'x'", "CREATE INDEX i ON t (a) WHERE b = 'X'"],
    [
      'another moment',
      'CREATE TRIGGER x AFTER UPDATE ON t BEGIN SELECT 1; END',
      'CREATE TRIGGER x BEFORE UPDATE ON t BEGIN SELECT 1; END',
    ],
    [
      'another deed',
      'CREATE TRIGGER x AFTER UPDATE ON t BEGIN SELECT 1; END',
      'CREATE TRIGGER x AFTER UPDATE ON t BEGIN SELECT 2; END',
    ],
  ])('but not with %s', async (_title, one, other) => {
    expect(await meaningOf(one)).not.toBe(await meaningOf(other));
  });
});
