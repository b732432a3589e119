import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import type { DatabaseBridge } from '../../core/database/database-bridge.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import { foldName } from '../../core/storage/sql-tokens.js';
import { parseTableDefinition, type TableDefinition } from '../../core/storage/table-definition.js';

let db: DatabaseBridge;

beforeAll(async () => {
  db = await sqlite3Driver.open(':memory:', 'create');
});

afterAll(() => db.close());

/** What both the pragmas and a definition tell of a table. */
interface Agreed {
  readonly columns: readonly unknown[];
  readonly primaryKey: readonly string[];
  readonly uniques: readonly string[];
  readonly foreignKeys: readonly string[];
  readonly withoutRowid: boolean;
  readonly strict: boolean;
}

const squeezed = (type: unknown): string =>
  String(type)
    .replace(/\/\*.*?\*\/|--.*\n/g, ' ')
    .toUpperCase()
    .replace(/["'`[\]]/g, '')
    .replace(/\s*([(),])\s*/g, '$1')
    .replace(/\s+/g, ' ')
    .trim();

/** Makes a table by a statement and asks SQLite for its shape; the statement comes back as sqlite_schema keeps it. */
async function tell(create: string): Promise<{ sql: string; agreed: Agreed }> {
  await db.execute('BEGIN');
  try {
    await db.executeScript(create);
    const [made] = await db.query(
      "SELECT s.name, s.sql, l.wr, l.strict FROM sqlite_schema AS s JOIN pragma_table_list AS l ON l.name = s.name WHERE s.type = 'table' AND s.name NOT LIKE 'sqlite%'",
    );
    const table = String(made?.name);
    const columns = await db.query('SELECT * FROM pragma_table_xinfo(?)', [table]);
    const uniques = await db.query(
      `SELECT (SELECT group_concat(name) FROM (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno)) AS columns
       FROM pragma_index_list(?) AS i WHERE i.origin = 'u'`,
      [table],
    );
    const keys = await db.query(
      `SELECT group_concat("from") AS "from", lower("table") AS parent, group_concat("to") AS "to", on_update, on_delete
       FROM (SELECT * FROM pragma_foreign_key_list(?) ORDER BY id, seq) GROUP BY id`,
      [table],
    );
    const key = columns.filter(({ pk }) => Number(pk) > 0).sort((a, b) => Number(a.pk) - Number(b.pk));
    const named = (text: unknown): string => foldName(String(text));
    return {
      sql: String(made?.sql),
      agreed: {
        columns: columns.map((column) => ({
          name: column.name,
          type: squeezed(column.type),
          notNull: column.notnull === 1,
          hasDefault: column.dflt_value !== null,
          generated: column.hidden === 2 ? 'virtual' : column.hidden === 3 ? 'stored' : 'no',
        })),
        primaryKey: key.map(({ name }) => named(name)),
        uniques: uniques
          .map((row) => named(row.columns))
          .filter((names) => names !== key.map(({ name }) => named(name)).join())
          .sort(),
        foreignKeys: keys
          .map((row) => {
            const actions = [
              row.on_delete === 'NO ACTION' ? [] : [`on delete ${String(row.on_delete).toLowerCase()}`],
              row.on_update === 'NO ACTION' ? [] : [`on update ${String(row.on_update).toLowerCase()}`],
            ].flat();
            const to = row.to === null ? '' : named(row.to);
            return `(${named(row.from)}) references ${String(row.parent)}(${to}) ${actions.join(' ')}`.trim();
          })
          .sort(),
        withoutRowid: made?.wr === 1,
        strict: made?.strict === 1,
      },
    };
  } finally {
    await db.execute('ROLLBACK');
  }
}

function agreedOf(definition: TableDefinition, { primaryKey }: Agreed): Agreed {
  const { columns, constraints, withoutRowid, strict } = definition;
  const ofKind = (kind: string): readonly string[][] =>
    constraints.filter((constraint) => constraint.kind === kind).map((constraint) => [...constraint.columns]);
  // A key implies that its columns are not null, where SQLite itself holds it: WITHOUT ROWID and STRICT.
  const implied = (name: string): boolean => withoutRowid && primaryKey.includes(foldName(name));
  return {
    columns: columns.map(({ name, type, notNull, defaultKind, generated }) => ({
      name,
      type: squeezed(type),
      notNull: notNull || implied(name),
      hasDefault: defaultKind !== 'none',
      generated,
    })),
    primaryKey: ofKind('primary key')[0] ?? [],
    // SQLite makes one index for two that say the same, also where one of them is the key.
    uniques: [...new Set(ofKind('unique').map((names) => names.join()))]
      .filter((names) => names !== primaryKey.join())
      .sort(),
    foreignKeys: constraints
      .filter(({ kind }) => kind === 'foreign key')
      .map(({ meaning }) => meaning.replace(/ ?\bdeferred\b/, '').trim())
      .sort(),
    withoutRowid,
    strict,
  };
}

async function disagreement(create: string): Promise<{ found: Agreed; expected: Agreed }> {
  const { sql, agreed } = await tell(create);
  return { found: agreedOf(parseTableDefinition(sql), agreed), expected: agreed };
}

describe('parseTableDefinition agrees with SQLite on', () => {
  it.each([
    ['a column without a type', 'CREATE TABLE t (a, b, c)'],
    [
      'types of several words',
      'CREATE TABLE t (a UNSIGNED BIG INT, b VARYING CHARACTER (255), c DOUBLE  PRECISION)',
    ],
    [
      'types with one and two numbers',
      'CREATE TABLE t (a VARCHAR(10), b DECIMAL (10,5), c NUMERIC( +3 , -2 ))',
    ],
    ['quoted types', `CREATE TABLE t (a "my type", b 'text', c [int], d \`blob\`)`],
    [
      'names in every kind of quotes',
      `CREATE TABLE "t t" ("a a" TEXT, [b b] TEXT, \`c c\` TEXT, 'd d' TEXT, "e""e")`,
    ],
    [
      'names that are words of SQL',
      'CREATE TABLE t ("primary" TEXT, "check" INT, "foreign", "constraint", "unique")',
    ],
    [
      'names that may go without quotes',
      'CREATE TABLE t (key TEXT, action INT, desc TEXT, asc TEXT, rowid, generated)',
    ],
    ['names beyond ASCII', 'CREATE TABLE t (größe TEXT PRIMARY KEY, "ÄRGER" INT, 名 TEXT)'],
    [
      'comments everywhere',
      'CREATE TABLE t ( -- one\n a /* two */ TEXT -- three, with a comma\n , b INT /* ) */ )',
    ],
    ['a key beside its column', 'CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, b TEXT)'],
    ['a key that descends', 'CREATE TABLE t (id INTEGER PRIMARY KEY DESC, b TEXT)'],
    [
      'a key that ascends',
      'CREATE TABLE t (id INTEGER PRIMARY KEY ASC ON CONFLICT REPLACE AUTOINCREMENT, b TEXT)',
    ],
    ['a key at the end', 'CREATE TABLE t (a TEXT, b TEXT, PRIMARY KEY (b, a))'],
    [
      'a key at the end with order and collation',
      'CREATE TABLE t (a TEXT, b TEXT, PRIMARY KEY (b COLLATE nocase DESC, a ASC))',
    ],
    ['AUTOINCREMENT at the end', 'CREATE TABLE t (id INTEGER, b, PRIMARY KEY (id AUTOINCREMENT))'],
    [
      'a key of columns with spaces',
      'CREATE TABLE t ("my id" TEXT, [other id] TEXT, PRIMARY KEY ("my id", [other id]))',
    ],
    ['a key in single quotes', "CREATE TABLE t (a TEXT, b TEXT, PRIMARY KEY ('a', 'b'))"],
    [
      'a key of a column that is called asc',
      'CREATE TABLE t (asc TEXT, desc TEXT, PRIMARY KEY (asc, desc DESC))',
    ],
    [
      'UNIQUE in both places',
      'CREATE TABLE t (a TEXT UNIQUE, b TEXT, "c d" TEXT, UNIQUE (b, "c d"), UNIQUE (b) ON CONFLICT IGNORE)',
    ],
    [
      'named constraints',
      'CREATE TABLE t (a TEXT CONSTRAINT x NOT NULL CONSTRAINT "y y" UNIQUE, CONSTRAINT z CHECK (a <> 1))',
    ],
    [
      'constraints without commas between',
      'CREATE TABLE t (a TEXT, b TEXT, PRIMARY KEY (a) UNIQUE (b) CHECK (a > b))',
    ],
    [
      'a constraint name with nothing after it',
      'CREATE TABLE t (a TEXT CONSTRAINT x, b TEXT CONSTRAINT y NOT NULL)',
    ],
    [
      'NULL and NOT NULL',
      'CREATE TABLE t (a TEXT NULL, b TEXT NOT NULL ON CONFLICT FAIL, c NOT NULL, d INT NULL ON CONFLICT ABORT)',
    ],
    [
      'defaults of every kind',
      `CREATE TABLE t (a DEFAULT 1, b DEFAULT -2.5, c DEFAULT +3, d DEFAULT 'x''y', e DEFAULT x'00', f DEFAULT NULL,
      g DEFAULT CURRENT_TIMESTAMP, h DEFAULT (1 + (2 * 3)), i DEFAULT true, j DEFAULT "word", k DEFAULT word, l TEXT DEFAULT ('(') NOT NULL)`,
    ],
    [
      'collations',
      'CREATE TABLE t (a TEXT COLLATE NOCASE, b TEXT COLLATE "rtrim" NOT NULL, c COLLATE binary)',
    ],
    [
      'generated columns',
      `CREATE TABLE t (a INT, b INT GENERATED ALWAYS AS (a * (1 + 1)), c AS (a || ')') STORED, d TEXT AS (a) VIRTUAL NOT NULL,
      e GENERATED ALWAYS AS (a) STORED UNIQUE)`,
    ],
    ['a type that is called generated', 'CREATE TABLE t (a generated, b INT)'],
    [
      'references beside a column',
      'CREATE TABLE t (a REFERENCES p, b INT REFERENCES p(id) ON DELETE CASCADE NOT NULL, c REFERENCES "P p" ("i d"))',
    ],
    [
      'references at the end',
      `CREATE TABLE t (a, b, "c d", FOREIGN KEY (a, "c d") REFERENCES p(x, y) ON UPDATE SET NULL ON DELETE SET DEFAULT,
      CONSTRAINT k FOREIGN KEY (b) REFERENCES q ON DELETE RESTRICT ON UPDATE NO ACTION MATCH FULL)`,
    ],
    ['references in single quotes', "CREATE TABLE t (a, FOREIGN KEY ('a') REFERENCES 'p'('x'))"],
    [
      'deferred references',
      `CREATE TABLE t (a REFERENCES p DEFERRABLE INITIALLY DEFERRED, b REFERENCES p NOT DEFERRABLE INITIALLY IMMEDIATE,
      c REFERENCES p(x) DEFERRABLE, d REFERENCES p NOT DEFERRABLE NOT NULL, FOREIGN KEY (a) REFERENCES q(z) DEFERRABLE INITIALLY DEFERRED)`,
    ],
    [
      'DEFERRABLE where there is nothing to defer',
      'CREATE TABLE t (a TEXT NOT DEFERRABLE INITIALLY IMMEDIATE, b INT DEFERRABLE NOT NULL)',
    ],
    [
      'a constraint name at the end with nothing after it',
      'CREATE TABLE t (a TEXT PRIMARY KEY, CONSTRAINT x, CONSTRAINT y) WITHOUT ROWID',
    ],
    ['WITHOUT ROWID', 'CREATE TABLE t (a TEXT, b, PRIMARY KEY (a)) WITHOUT ROWID'],
    ['STRICT', 'CREATE TABLE t (a TEXT, b ANY) STRICT'],
    ['both options', 'CREATE TABLE t (a TEXT PRIMARY KEY, b ANY) strict, without rowid'],
    ['CREATE TABLE AS', 'CREATE TABLE t AS SELECT 1 AS a, \'x\' AS "b c", CAST(1 AS INT) AS d'],
    ['IF NOT EXISTS and a schema', 'CREATE TABLE IF NOT EXISTS main."t" (a INT)'],
    [
      'no white space at all',
      'CREATE TABLE t(a INT NOT NULL,b TEXT DEFAULT(1),PRIMARY KEY(a),CHECK(a>0),FOREIGN KEY(b)REFERENCES p(x)ON DELETE CASCADE)',
    ],
  ])('%s', async (_title, create) => {
    const { found, expected } = await disagreement(create);
    expect(found).toEqual(expected);
  });

  it('the columns that ALTER TABLE added, renamed and dropped', async () => {
    const { found, expected } = await disagreement(`
      CREATE TABLE t (a TEXT /* keep */, b TEXT, c TEXT CHECK (c <> ')'), UNIQUE (a));
      ALTER TABLE t ADD COLUMN "d d" TEXT NOT NULL DEFAULT 'x' CHECK ("d d" <> a) REFERENCES p(x);
      ALTER TABLE t RENAME COLUMN a TO "first one";
      ALTER TABLE t DROP COLUMN b;
      ALTER TABLE t ADD COLUMN e AS (c || c);`);
    expect(found).toEqual(expected);
  });

  const name = fc.constantFrom('a', 'B', '"c c"', '[d,d]', '`e)e`', '"f""f"', 'key', 'größe', '"check"');
  const sloppy = (words: fc.Arbitrary<string>): fc.Arbitrary<string> =>
    fc
      .tuple(words, fc.constantFrom(' ', '  ', '\n', ' /* , ) */ ', ' -- (\n'))
      .map(([text, gap]) => text.replaceAll(' ~', gap));
  const type = fc.constantFrom(
    '',
    ' ~TEXT',
    ' ~integer',
    ' ~VARCHAR ~( 20 )',
    ' ~DECIMAL(10, 2)',
    ' ~DOUBLE ~PRECISION',
    ' ~"odd type"',
  );
  const columnConstraint = fc.constantFrom(
    ' ~NOT ~NULL',
    ' ~UNIQUE',
    " ~DEFAULT 'it''s, (one)'",
    ' ~DEFAULT (1 + (2))',
    ' ~DEFAULT -1',
    ' ~CHECK (1 > (0))',
    ' ~CONSTRAINT "x y" NOT NULL ON CONFLICT ROLLBACK',
    ' ~COLLATE nocase',
    ' ~REFERENCES p(x) ON DELETE CASCADE',
    ' ~REFERENCES "p q"',
    ' ~NULL',
  );
  const random = fc
    .uniqueArray(name, { minLength: 1, maxLength: 6, selector: (text) => foldName(text) })
    .chain((names) =>
      fc.record({
        names: fc.constant(names),
        columns: fc.tuple(
          ...names.map(() =>
            sloppy(
              fc
                .tuple(
                  type,
                  fc.subarray([0, 1, 2]).chain((few) => fc.tuple(...few.map(() => columnConstraint))),
                )
                .map(([kind, rules]) => `${kind}${[...new Set(rules)].join('')}`),
            ),
          ),
        ),
        table: fc.array(
          fc.tuple(
            fc.constantFrom('UNIQUE', 'CHECK', 'FOREIGN KEY', 'CONSTRAINT "a (b" UNIQUE'),
            fc.subarray(names, { minLength: 1 }),
          ),
          { maxLength: 3 },
        ),
        key: fc.option(fc.subarray(names, { minLength: 1 }), { nil: undefined }),
        options: fc.constantFrom('', ' WITHOUT ROWID'),
      }),
    )
    .map(({ names, columns, table, key, options }) => {
      const rules = table.map(([kind, over]) =>
        kind === 'CHECK'
          ? `CHECK (${over.map((column) => `${column} IS NOT ')'`).join(' AND ')})`
          : kind === 'FOREIGN KEY'
            ? `FOREIGN KEY (${over.join(', ')}) REFERENCES p ON UPDATE SET NULL`
            : `${kind} (${over.join(', ')})`,
      );
      const lines = [
        ...names.map((column, index) => `${column}${columns[index] ?? ''}`),
        ...(key === undefined ? [] : [`PRIMARY KEY (${key.join(', ')})`]),
        ...rules,
      ];
      return `CREATE TABLE "some table" (${lines.join(',\n ')})${key === undefined ? '' : options}`;
    });

  it('whatever is written', async () => {
    await fc.assert(
      fc.asyncProperty(random, async (create) => {
        const { found, expected } = await disagreement(create);
        expect(found).toEqual(expected);
      }),
      { numRuns: 400 },
    );
  });
});

/** All that a definition says, without regard to the order of its columns. */
function meaningOf(create: string): readonly string[] {
  const { columns, constraints, withoutRowid, strict } = parseTableDefinition(create);
  return [
    ...columns.map(({ name, type, notNull, rest, generated }) =>
      [foldName(name), type, String(notNull), rest, generated].join(' | '),
    ),
    ...constraints.map(({ kind, columns: over, meaning }) => `${kind} over ${over.join()}: ${meaning}`),
    `${String(withoutRowid)} ${String(strict)}`,
  ].sort();
}

describe('parseTableDefinition finds the same meaning in', () => {
  it.each([
    ['any order of columns', '(a TEXT, b INT)', '(b INT, a TEXT)'],
    ['small and capital letters', '(a text not null)', '(A TEXT NOT NULL)'],
    ['names with and without quotes', '("a" TEXT CHECK ([a] > 1))', '(a TEXT CHECK (a > 1))'],
    ['white space and comments', '(a  TEXT/* x */CHECK(a>1))', '(a TEXT CHECK ( a > 1 ) -- y\n)'],
    ['a key in either place', '(a TEXT PRIMARY KEY)', '(a TEXT, PRIMARY KEY (a ASC))'],
    [
      'AUTOINCREMENT in either place',
      '(a INTEGER PRIMARY KEY AUTOINCREMENT)',
      '(a INTEGER, PRIMARY KEY (a AUTOINCREMENT))',
    ],
    ['UNIQUE in either place', '(a TEXT UNIQUE)', '(a TEXT, UNIQUE ("A"))'],
    ['a check in either place', '(a TEXT CHECK (a > 1), b)', '(a TEXT, b, CHECK (a > 1))'],
    [
      'a reference in either place',
      '(a REFERENCES p(x) ON DELETE CASCADE)',
      '(a, FOREIGN KEY (a) REFERENCES p(x) ON DELETE CASCADE)',
    ],
    [
      'the actions of a reference in any order',
      '(a REFERENCES p(x) ON DELETE CASCADE ON UPDATE SET NULL)',
      '(a REFERENCES p(x) ON UPDATE SET NULL ON DELETE CASCADE)',
    ],
    [
      'an action that is none',
      '(a REFERENCES p(x) ON DELETE NO ACTION NOT DEFERRABLE)',
      '(a REFERENCES p(x))',
    ],
    [
      'a reference that is deferrable and not deferred',
      '(a REFERENCES p(x) DEFERRABLE INITIALLY IMMEDIATE)',
      '(a REFERENCES p(x))',
    ],
    [
      'constraints with and without a name',
      '(a TEXT CONSTRAINT n NOT NULL, CONSTRAINT m UNIQUE (a))',
      '(a TEXT NOT NULL, UNIQUE (a))',
    ],
    ['an explicit NULL', '(a TEXT NULL)', '(a TEXT)'],
    ['the collation that is the usual one', '(a TEXT COLLATE BINARY)', '(a TEXT)'],
    [
      'the conflict clause that is the usual one',
      '(a TEXT NOT NULL ON CONFLICT ABORT UNIQUE ON CONFLICT ABORT)',
      '(a TEXT NOT NULL UNIQUE)',
    ],
    [
      'parentheses around a constant',
      "(a DEFAULT (1), b DEFAULT ('x'), c DEFAULT (NULL), d DEFAULT (-2))",
      "(a DEFAULT 1, b DEFAULT 'x', c DEFAULT NULL, d DEFAULT -2)",
    ],
    ['parentheses around the clock', '(a DEFAULT (CURRENT_TIMESTAMP))', '(a DEFAULT current_timestamp)'],
    ['a plus before a number', '(a DEFAULT +1)', '(a DEFAULT 1)'],
    [
      'a text in any quotes or none',
      '(a DEFAULT "Word", b DEFAULT Word)',
      "(a DEFAULT 'Word', b DEFAULT 'Word')",
    ],
    [
      'the order of what is said of a column',
      "(a TEXT COLLATE nocase DEFAULT 'x' NOT NULL)",
      "(a TEXT NOT NULL DEFAULT 'x' COLLATE NOCASE)",
    ],
    [
      'the two ways to write a generated column',
      '(a, b AS (a + 1))',
      '(a, b GENERATED ALWAYS AS ( a+1 ) VIRTUAL)',
    ],
    ['a type with its numbers apart or together', '(a VARCHAR(10))', '(a varchar ( 10 ))'],
  ])('%s', (_title, one, other) => {
    expect(meaningOf(`CREATE TABLE t ${one}`)).toEqual(meaningOf(`CREATE TABLE t ${other}`));
  });
});

describe('parseTableDefinition tells apart', () => {
  it.each([
    ['types', '(a TEXT)', '(a INTEGER)'],
    ['NOT NULL', '(a TEXT)', '(a TEXT NOT NULL)'],
    ['what NOT NULL does', '(a TEXT NOT NULL)', '(a TEXT NOT NULL ON CONFLICT REPLACE)'],
    ['defaults', "(a DEFAULT 'x')", "(a DEFAULT 'X')"],
    ['texts without quotes in either case', '(a DEFAULT word)', '(a DEFAULT Word)'],
    ['a text from the word true', "(a DEFAULT 'true')", '(a DEFAULT true)'],
    ['a default from none', '(a DEFAULT NULL)', '(a)'],
    ['signs', '(a DEFAULT 1)', '(a DEFAULT -1)'],
    ['collations', '(a TEXT COLLATE NOCASE)', '(a TEXT)'],
    ['keys', '(a PRIMARY KEY, b)', '(a, b PRIMARY KEY)'],
    ['the order of a key', '(a, b, PRIMARY KEY (a, b))', '(a, b, PRIMARY KEY (b, a))'],
    ['directions', '(a INTEGER PRIMARY KEY)', '(a INTEGER PRIMARY KEY DESC)'],
    ['AUTOINCREMENT', '(a INTEGER PRIMARY KEY)', '(a INTEGER PRIMARY KEY AUTOINCREMENT)'],
    ['checks', "(a CHECK (a IN ('x')))", "(a CHECK (a IN ('X')))"],
    ['parents', '(a REFERENCES p(x))', '(a REFERENCES q(x))'],
    ['their columns', '(a REFERENCES p(x))', '(a REFERENCES p(y))'],
    ['actions', '(a REFERENCES p(x) ON DELETE CASCADE)', '(a REFERENCES p(x) ON DELETE SET NULL)'],
    ['deferred references', '(a REFERENCES p(x))', '(a REFERENCES p(x) DEFERRABLE INITIALLY DEFERRED)'],
    ['stored columns', '(a, b AS (a) STORED)', '(a, b AS (a))'],
    ['what is generated', '(a, b AS (a))', "(a, b AS (a || ''))"],
    ['WITHOUT ROWID', '(a PRIMARY KEY)', '(a PRIMARY KEY) WITHOUT ROWID'],
    ['STRICT', '(a TEXT)', '(a TEXT) STRICT'],
  ])('%s', (_title, one, other) => {
    expect(meaningOf(`CREATE TABLE t ${one}`)).not.toEqual(meaningOf(`CREATE TABLE t ${other}`));
  });
});

describe('a column definition', () => {
  it('knows whether its default is a constant', () => {
    const { columns } = parseTableDefinition(
      "CREATE TABLE t (a, b DEFAULT 1, c DEFAULT (-1.5), d DEFAULT 'x', e DEFAULT x'00', f DEFAULT NULL, g DEFAULT word, h DEFAULT TRUE, i DEFAULT CURRENT_DATE, j DEFAULT (1 + 1), k DEFAULT (lower('X')))",
    );
    expect(columns.map(({ name, defaultKind }) => `${name} ${defaultKind}`)).toEqual([
      'a none',
      ...['b', 'c', 'd', 'e', 'f', 'g', 'h'].map((name) => `${name} constant`),
      ...['i', 'j', 'k'].map((name) => `${name} expression`),
    ]);
  });

  it('gives its text as it was written', () => {
    const { columns, constraints } = parseTableDefinition(
      'CREATE TABLE t (\n  "a a"  TEXT /* a */ NOT NULL, b, CHECK  (b > ")"), CONSTRAINT k UNIQUE (b) ON CONFLICT FAIL)',
    );
    expect(columns.map(({ sql }) => sql)).toEqual(['"a a"  TEXT /* a */ NOT NULL', 'b']);
    expect(constraints.map(({ tableSql }) => tableSql)).toEqual([
      'CHECK  (b > ")")',
      'CONSTRAINT k UNIQUE (b) ON CONFLICT FAIL',
    ]);
    expect(constraints.map(({ expression }) => expression)).toEqual(['(b > ")")', undefined]);
  });

  it('does not take a text in a check for a column', () => {
    const { constraints } = parseTableDefinition(
      "CREATE TABLE t (role, name, CHECK (role IN ('name', 'x')))",
    );
    expect(constraints[0]?.columns).toEqual(['role']);
  });
});
