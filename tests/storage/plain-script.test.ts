import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { forbiddenStatement } from '../../core/storage/forbidden-statements.js';
import { plainStatements } from '../../core/storage/plain-script.js';
import { splitStatements } from '../../core/storage/sql-script.js';
import { tokenize } from '../../core/storage/sql-tokens.js';

const pieces = [
  ...['SELECT', 'create table t', 'Insert Into t Values', 'drop', 'x', 'X', 'a_1', 'é', '$', 'PRAGMA', 'begin', 'end'],
  ...["'", "''", '"', '""', '`', '[', ']', '(', ')', ',', ';', '.', '=', '<', '>', '!', '|', '?', ':a', '@', '#', '\\'],
  ...[' ', '\n', '\t', '\r', '\v', '\f', '\0', '\uFEFF', '\u00A0', '\u212A', '\u017F'],
  ...['--', '-', '/*', '*/', '/', '*', '0', '12', '1.5', '1.', 'e5', '0x1F'],
]; // prettier-ignore

/** Scripts of which many are plain, and many nearly so. */
const scripts = fc
  .array(
    fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(...pieces) },
      { weight: 2, arbitrary: fc.constantFrom('select 1;', ' SELECT a FROM b;\n', "insert into t values ('a;--', 1.5, \"b\")", '-- a\n', '/* a; */') }, // prettier-ignore
      { weight: 2, arbitrary: fc.constant(' ') },
    ),
    { maxLength: 14 },
  )
  .map((parts) => parts.join(''));

describe('plainStatements', () => {
  it.each<[string, string, readonly [sql: string, line: number][]]>([
    ['statements', 'CREATE TABLE t (a);\nINSERT INTO t VALUES (1)', [['CREATE TABLE t (a)', 1], ['INSERT INTO t VALUES (1)', 2]]],
    ['texts and names', `SELECT 'a;''--' , "b;""" ;`, [[`SELECT 'a;''--' , "b;"""`, 1]]],
    ['comments between', '-- a;\n/* b;\n* */\n\nDROP TABLE t\n;-- c', [['DROP TABLE t', 5]]],
    ['nothing', ' ;-- a', []],
  ])('knows %s', (_name, sql, expected) => {
    expect(plainStatements(sql)).toEqual(expected.map(([text, line]) => ({ sql: text, line })));
  }); // prettier-ignore

  it.each([
    ['a trigger', 'CREATE TRIGGER r DELETE ON t BEGIN SELECT 1; END;'],
    ['a comment inside a statement', 'SELECT 1 -- a\n, 2;'],
    ['another comment inside a statement', 'SELECT 1 /* a */;'],
    ['a text without an end', "SELECT 'a;"],
    ['a blob', "SELECT x'00';"],
    ['a number that goes on as a word', 'SELECT 1abc;'],
    ['a bind parameter', 'SELECT :a;'],
    ['a NUL', "SELECT '\0';"],
    ['a byte order mark', 'SELECT 1;\uFEFFSELECT 2;'],
    ['the end of the transaction', 'COMMIT;'],
    ['a setting', 'PRAGMA foreign_keys = ON;'],
    ['a verb that goes on', 'SELECT$ 1;'],
    ['a long script', `SELECT ${'1,'.repeat(40_000)} 1;`],
  ])('leaves %s to a look at each token', (_name, sql) => {
    expect(plainStatements(sql)).toBeUndefined();
  });

  it('finds what a look at each token finds, and nothing that may not stand in a file', () => {
    let plain = 0;
    fc.assert(
      fc.property(scripts, (sql) => {
        const found = plainStatements(sql);
        if (found === undefined) return;
        plain += 1;
        expect(found).toEqual(splitStatements(sql));
        const kinds = new Set(tokenize(sql).map(({ kind }) => kind));
        for (const kind of ['illegal', 'unterminated', 'variable'] as const)
          expect(kinds).not.toContain(kind);
        for (const each of found) {
          const tokens = tokenize(each.sql);
          expect(tokens.filter(({ kind }) => kind === 'comment')).toEqual([]);
          const terms = { noTransaction: false, historyTable: 'schema_migrations', names: false };
          expect(forbiddenStatement(tokens, terms)).toBeUndefined();
        }
      }),
      { numRuns: 20_000 },
    );
    expect(plain).toBeGreaterThan(1_000);
  });
});
