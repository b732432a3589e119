import { describe, expect, it } from '@jest/globals';

import { compareSchemas, type SchemaDifference } from '../../core/storage/schema-comparison.js';
import { readSchema } from '../../core/storage/schema-snapshot.js';
import { historyTable } from '../support/history-table.js';
import { withDatabase } from '../support/memory-database.js';

async function differences(expected: string, found: string): Promise<SchemaDifference[]> {
  const [one, other] = await Promise.all(
    [expected, found].map((script) => withDatabase(script, (db) => readSchema(db, historyTable))),
  );
  if (one === undefined || other === undefined) throw new Error('There are two schemas.');
  return compareSchemas(one, other);
}

const notes = `CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, world TEXT NOT NULL, note TEXT DEFAULT 'x' CHECK (note <> ''),
  FOREIGN KEY (world) REFERENCES worlds(id) ON DELETE CASCADE);
  CREATE TABLE worlds (id TEXT PRIMARY KEY, name TEXT);
  CREATE INDEX by_world ON notes (world);
  CREATE VIEW names AS SELECT name FROM worlds;
  CREATE TRIGGER touch AFTER UPDATE ON notes BEGIN UPDATE worlds SET name = 'touched' WHERE id = NEW.world; END;`;

describe('compareSchemas finds no difference', () => {
  it('between a schema and itself', async () => {
    expect(await differences(notes, notes)).toEqual([]);
  });

  it('where only the spelling, the order of columns and the place of constraints differ', async () => {
    const spelled = `
      create table "Worlds" ("name" text null, "id" text constraint pk primary key);
      create table "notes" (
        note text check ( note<>'' ) default ('x'), -- the note
        world text not null references worlds on delete cascade on update no action,
        id integer not null, primary key (id autoincrement), check (note <> ''));
      create trigger touch after update on "notes" for each row
        begin update worlds set name='touched' where id=new.world; end;
      create view names as select "name" from "worlds";
      create index if not exists by_world on notes("world" asc);`.replace(
      'id integer not null',
      'id integer',
    );
    expect(await differences(notes, spelled)).toEqual([]);
  });
});

describe('compareSchemas names', () => {
  it.each([
    ['a missing table', notes, notes.replace(/CREATE TABLE worlds .*;/, ''), ['missing table worlds']],
    [
      'a missing column',
      notes,
      notes.replace(', name TEXT', '').replace('SELECT name', 'SELECT 1 AS name'),
      ['missing column worlds.name', 'different view names'],
    ],
    [
      'a column of another type',
      notes,
      notes.replace('name TEXT', 'name BLOB'),
      ['different column worlds.name'],
    ],
    [
      'a column of another default',
      notes,
      notes.replace("DEFAULT 'x'", "DEFAULT 'y'"),
      ['different column notes.note'],
    ],
    [
      'a column that may be NULL',
      notes,
      notes.replace('world TEXT NOT NULL', 'world TEXT'),
      ['different column notes.world'],
    ],
    [
      'a missing constraint',
      notes,
      notes.replace(/,\s+FOREIGN KEY [^;]*CASCADE/, ''),
      ['different constraint notes'],
    ],
    [
      'another constraint',
      notes,
      notes.replace('CASCADE', 'SET NULL'),
      ['different constraint notes', 'different constraint notes'],
    ],
    [
      'a constraint too many',
      notes,
      notes.replace("CHECK (note <> '')", "CHECK (note <> '') CHECK (id > 0)"),
      ['different constraint notes'],
    ],
    ['a missing index', notes, notes.replace(/CREATE INDEX .*;/, ''), ['missing index by_world']],
    [
      'another index',
      notes,
      notes.replace('ON notes (world)', 'ON notes (world, id)'),
      ['different index by_world'],
    ],
    ['a missing view', notes, notes.replace(/CREATE VIEW .*;/, ''), ['missing view names']],
    ['a missing trigger', notes, notes.replace(/CREATE TRIGGER .*;/, ''), ['missing trigger touch']],
    ['another trigger', notes, notes.replace('AFTER UPDATE', 'AFTER INSERT'), ['different trigger touch']],
    [
      'another kind of object',
      notes,
      notes.replace('CREATE VIEW names AS SELECT name FROM worlds', 'CREATE INDEX names ON worlds (name)'),
      ['different view names'],
    ],
    [
      'another table option',
      'CREATE TABLE t (a TEXT PRIMARY KEY)',
      'CREATE TABLE t (a TEXT PRIMARY KEY) WITHOUT ROWID',
      ['different table t'],
    ],
    [
      'another virtual table',
      'CREATE VIRTUAL TABLE t USING fts5(a)',
      'CREATE VIRTUAL TABLE t USING fts5(a, b)',
      ['different table t'],
    ],
    [
      'a virtual table where none should be',
      'CREATE TABLE t (a)',
      'CREATE VIRTUAL TABLE t USING fts5(a)',
      ['different table t'],
    ],
    [
      'additions',
      '',
      `${notes} ALTER TABLE worlds ADD COLUMN mine`,
      [
        'extra table notes',
        'extra table worlds',
        'extra index by_world',
        'extra view names',
        'extra trigger touch',
      ],
    ],
    [
      'an added column and its own constraint',
      notes,
      `${notes} ALTER TABLE worlds ADD COLUMN mine TEXT UNIQUE`.replace(' UNIQUE', ' CHECK (mine > name)'),
      ['extra column worlds.mine'],
    ],
  ])('%s', async (_title, expected, found, named) => {
    const told = await differences(expected, found);
    expect(told.map(({ kind, object, name }) => `${kind} ${object} ${name}`)).toEqual(named);
    for (const { sentence, name } of told) expect(sentence).toContain(name);
  });

  it('what was expected and what was found', async () => {
    const sentences = async (expected: string, found: string): Promise<string[]> =>
      (await differences(expected, found)).map(({ sentence }) => sentence);
    expect(
      await sentences('CREATE TABLE t (a INTEGER)', 'CREATE TABLE T (A TEXT NOT NULL DEFAULT 5)'),
    ).toEqual(['column t.a differs: expected INTEGER, found TEXT NOT NULL default 5']);
    expect(await sentences('CREATE TABLE t (a CHECK (a > 1))', 'CREATE TABLE t (a)')).toEqual([
      'constraint t differs: expected check ( a > 1 ), found none such',
    ]);
    expect(await sentences('CREATE TABLE t (a)', 'CREATE TABLE t (a UNIQUE)')).toEqual([
      'constraint t differs: expected none such, found unique (a)',
    ]);
    expect(await sentences('CREATE TABLE t (a ANY) STRICT', 'CREATE TABLE t (a ANY)')).toEqual([
      'table t differs: expected STRICT, found no table option',
    ]);
    expect(await sentences('CREATE TABLE t (a)', 'CREATE VIEW v AS SELECT 1')).toEqual([
      'table t is missing',
      "view v is an addition of this database's own",
    ]);
  });
});
