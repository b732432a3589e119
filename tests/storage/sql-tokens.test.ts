import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';

import type { DatabaseBridge } from '../../core/database/database-bridge.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import { foldName, isKeyword, nameOf, tokenize } from '../../core/storage/sql-tokens.js';

/** Each token as `kind text`. */
function shown(sql: string): string[] {
  return tokenize(sql).map(({ kind, text }) => `${kind} ${text}`);
}

describe('tokenize', () => {
  test.each<[string, readonly string[]]>([
    ['', []],
    [' \t\n\f\r', []],
    ['SELECT a1', ['word SELECT', 'word a1']],
    ["'it''s' ''", ["string 'it''s'", "string ''"]],
    ["'a' 'b'", ["string 'a'", "string 'b'"]],
    ['"a""b" `c``d` [e"f`g]', ['quoted-name "a""b"', 'quoted-name `c``d`', 'quoted-name [e"f`g]']],
    ['[a]]', ['quoted-name [a]', 'illegal ]']],
    ["'a;--b/*c' ;", ["string 'a;--b/*c'", 'semicolon ;']],
    ["x'00fF' X''", ["blob x'00fF'", "blob X''"]],
    ["x'0' x'0g' x''", ["illegal x'0'", "illegal x'0g'", "blob x''"]],
    ["xx'00'", ['word xx', "string '00'"]],
    ['1e 0x', ['illegal 1e', 'illegal 0x']],
    ['1.e5.', ['number 1.e5', 'operator .']],
    ['a.b', ['word a', 'operator .', 'word b']],
    ['$a(b c)', ['illegal $a(b', 'word c', 'operator )']],
    ['\uFEFFa \uFEFF b', ['word a', 'word b']],
    ['\v', ['illegal \v']],
    ['a \vb', ['word a', 'word b']],
    ['-- a ; \' "\nb', ['comment -- a ; \' "', 'word b']],
    ['-- a\rb', ['comment -- a\rb']],
    ['--', ['comment --']],
    ['a- -b', ['word a', 'operator -', 'operator -', 'word b']],
    ["/* ; ' */a/**/b", ["comment /* ; ' */", 'word a', 'comment /**/', 'word b']],
    ['/*/ */a', ['comment /*/ */', 'word a']],
    ['/* a */ */', ['comment /* a */', 'operator *', 'operator /']],
  ])('cuts %j', (sql, expected) => {
    expect(shown(sql)).toEqual(expected);
  });

  test.each<[string, string]>([
    ['1 1. .5 1.5e-3 1e5 1E+5 0x1F 0XfF', 'number'],
    ['1_000 1_0.0_1 0x1_F 1e1_0', 'number'],
    ['1abc 0xFg 1.5x 1$ 1é', 'illegal'],
    ['? ?12 :a @a $a #1 $a::b $a::b(c) :1', 'variable'],
    ['$ @ # :', 'illegal'],
    ['a$b _x é 名前 😀 n\uFEFFn \u00A0', 'word'],
    ['! ] { } \\ ^ \u007F', 'illegal'],
    ['->> -> || | << <= < <> >> >= > == = != - ( ) + * / % , & ~ .', 'operator'],
  ])('cuts %j at its spaces, each %s', (sql, kind) => {
    expect(shown(sql)).toEqual(sql.split(' ').map((piece) => `${kind} ${piece}`));
  });

  test('cuts the longest operator first', () => {
    expect(tokenize('a->>b->c||d<<e<>f>=g==h!=i').map(({ text }) => text)).toEqual(
      ['a', '->>', 'b', '->', 'c', '||', 'd', '<<', 'e', '<>', 'f', '>=', 'g', '==', 'h', '!=', 'i'], // prettier-ignore
    );
  });

  test.each(["'a", "'a''", '"a', '`a', '[a', "x'0", "x'0g", '/* a', '/*', '/*/'])(
    'reports %j as unterminated, to the end',
    (sql) => {
      expect(shown(`a ${sql}`)).toEqual(['word a', `unterminated ${sql}`]);
    },
  );

  test.each(['a\0b', "'a\0b'", '-- a\0b', '/* a\0b */', '[a\0b]'])(
    'reports a NUL with all that follows it as illegal: %j',
    (sql) => {
      expect(tokenize(sql).at(-1)).toMatchObject({ kind: 'illegal', text: sql.slice(sql.indexOf('\0')) });
    },
  );

  test('knows where each token begins', () => {
    expect(tokenize(" a\n\n  'b\nc' /*\n*/ d\re")).toEqual([
      { kind: 'word', text: 'a', start: 1, line: 1 },
      { kind: 'string', text: "'b\nc'", start: 6, line: 3 },
      { kind: 'comment', text: '/*\n*/', start: 12, line: 4 },
      { kind: 'word', text: 'd', start: 18, line: 5 },
      { kind: 'word', text: 'e', start: 20, line: 5 },
    ]);
  });

  test('gives back every character but white space', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (sql) => {
        const nul = sql.indexOf('\0');
        const readable = nul === -1 ? sql : sql.slice(0, nul);
        let position = 0;
        for (const { text, start } of tokenize(readable)) {
          expect(readable.slice(position, start)).toMatch(/^[\t-\r \uFEFF]*$/);
          expect(readable.startsWith(text, start)).toBe(true);
          position = start + text.length;
        }
        expect(readable.slice(position)).toMatch(/^[\t-\r \uFEFF]*$/);
      }),
    );
  });

  test('takes time in proportion to the length, also for one long line', () => {
    const milliseconds = (sql: string) => {
      const begin = performance.now();
      expect(tokenize(sql).at(-1)?.line).toBe(1);
      return performance.now() - begin;
    };
    const statement = "INSERT INTO t VALUES (1, 'it''s', [b]); ";
    milliseconds(statement.repeat(1_000));
    const short = milliseconds(statement.repeat(1_000));
    expect(milliseconds(statement.repeat(16_000))).toBeLessThan(64 * short + 200);
  });
});

describe('nameOf', () => {
  test.each<[string, string | undefined]>([
    ['users', 'users'],
    ['"a""b"', 'a"b'],
    ['`a``b`', 'a`b'],
    ['[a""b]', 'a""b'],
    ['[a[[b]', 'a[[b'],
    ["'it''s'", "it's"],
    ['""', ''],
    ["x'00'", undefined],
    ['1', undefined],
    [':a', undefined],
    ["'open", undefined],
    ['', undefined],
  ])('of %s is %j', (sql, expected) => {
    expect(nameOf(tokenize(sql)[0])).toBe(expected);
  });
});

describe('foldName', () => {
  test('folds ASCII letters alone, as SQLite does', () => {
    expect(foldName('\u00C4BC_\u0130_\u212A')).toBe('\u00C4bc_\u0130_\u212A');
  });
});

describe('isKeyword', () => {
  test.each<[string, boolean]>([
    ['END', true],
    ['eNd', true],
    ['"END"', false],
    ["'END'", false],
    ['ENDS', false],
  ])('%s: %j', (sql, expected) => {
    expect(isKeyword(tokenize(sql)[0], 'END', 'BEGIN')).toBe(expected);
  });

  test('takes no other letter for an ASCII one', () => {
    expect(isKeyword(tokenize('\u017Felect')[0], 'SELECT')).toBe(false);
    expect(isKeyword(tokenize('\u0131nto')[0], 'INTO')).toBe(false);
  });
});

describe('SQLite itself', () => {
  let database: DatabaseBridge;

  beforeAll(async () => {
    database = await sqlite3Driver.open(':memory:', 'create');
  });

  afterAll(async () => {
    await database.close();
  });

  const characters = ["'", '"', '`', '[', ']', 'a', 'é', '$', '_', '1', ' ', '-', '/', '*', '\uFEFF', ';', '\u00A0', 'e', 'x', '.', ':', '#', '!']; // prettier-ignore
  const soup = fc.string({ unit: fc.constantFrom(...characters), minLength: 1, maxLength: 7 });

  const outcome = (sql: string) =>
    database.query(sql).then(
      (rows) => rows[0],
      () => 'refused',
    );

  test('reads the same name out of a token', async () => {
    await fc.assert(
      fc.asyncProperty(soup, async (text) => {
        const [token, second] = tokenize(text);
        const name = nameOf(token);
        fc.pre(token?.text === text && second === undefined && name !== undefined);
        const row = await outcome(`SELECT 1 AS ${text}`);
        expect(row).toEqual({ [name]: 1 });
      }),
      { numRuns: 1_000 },
    );
  });

  test('refuses what is called illegal or unterminated', async () => {
    await fc.assert(
      fc.asyncProperty(soup, async (text) => {
        const tokens = tokenize(`SELECT ${text}`);
        const statement = tokens.slice(0, tokens.findIndex(({ kind }) => kind === 'semicolon') >>> 0);
        const faulty = statement.some(
          ({ kind, text: found }) =>
            kind === 'illegal' || (kind === 'unterminated' && !found.startsWith('/*')),
        );
        fc.pre(faulty);
        expect(await outcome(`SELECT ${text}`)).toBe('refused');
      }),
      { numRuns: 1_000 },
    );
  });

  test('stores what is called a string, a blob or a number', async () => {
    const types = new Map([
      ['string', 'text'],
      ['blob', 'blob'],
      ['number', 'number'],
    ]);
    const digits = fc.string({
      unit: fc.constantFrom('0', '1', '9', '.', 'e', 'x', 'f', '-', "'"),
      maxLength: 5,
    });
    const literal = fc
      .tuple(fc.constantFrom("'", "x'", '0x', '1', '.', '1e'), digits)
      .map((parts) => parts.join(''));
    await fc.assert(
      fc.asyncProperty(literal, async (text) => {
        const [token, second] = tokenize(text);
        fc.pre(token?.text === text && second === undefined && types.has(token.kind));
        const row = await outcome(
          `SELECT replace(replace(typeof(${text}), 'integer', 'number'), 'real', 'number') AS type`,
        );
        expect(row).toEqual({ type: types.get(token.kind) });
      }),
      { numRuns: 500 },
    );
  });
});
