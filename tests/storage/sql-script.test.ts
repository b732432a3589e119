import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

import { splitStatements } from '../../core/storage/sql-script.js';
import { run } from '../faults/script-fuzz.js';
import { check, expectRefusal, refusalOf, titled, type ScriptFault } from '../support/script-faults.js';
import { disagreement, StatementTracer } from '../support/sqlite-statements.js';

const trigger = 'CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; SELECT CASE 1 WHEN 1 THEN 2 END; END';

describe('splitStatements', () => {
  const cases: readonly (readonly [name: string, script: string, statements: readonly string[]])[] = [
    ['an empty text', '', []],
    ['comments alone', '-- a;\n/* b; */', []],
    ['empty statements', ';; SELECT 1;;; ; SELECT 2; ;', ['SELECT 1', 'SELECT 2']],
    ['a last statement without a semicolon', 'SELECT 1; SELECT 2 ', ['SELECT 1', 'SELECT 2']],
    ['semicolons in texts', "SELECT ';', '''; --'; SELECT 2", ["SELECT ';', '''; --'", 'SELECT 2']],
    ['semicolons in names', 'SELECT 1 AS ";" , 2 AS [;], 3 AS `;`; SELECT 2', ['SELECT 1 AS ";" , 2 AS [;], 3 AS `;`', 'SELECT 2']], // prettier-ignore
    ['semicolons in comments', 'SELECT 1 -- ;\n, 2 /* ; */, 3; SELECT 2', ['SELECT 1 -- ;\n, 2 /* ; */, 3', 'SELECT 2']], // prettier-ignore
    [
      'comments before and after',
      '-- a\nSELECT 1 -- b\n; -- c\n/* d */ SELECT 2 /* e */',
      ['SELECT 1', 'SELECT 2'],
    ],
    ['a comment that ends with LF only', 'SELECT 1; -- a\rSELECT 2;\nSELECT 3', ['SELECT 1', 'SELECT 3']],
    ['an unterminated comment', 'SELECT 1; SELECT 2 /* ; SELECT 3', ['SELECT 1', 'SELECT 2']],
    ['vertical tabs between', 'SELECT 1;\v\n\v SELECT 2', ['SELECT 1', 'SELECT 2']],
    ['byte order marks', '\uFEFFSELECT 1;\uFEFFSELECT 2', ['SELECT 1', 'SELECT 2']],
    [
      'bind parameters',
      'SELECT ?, :a, NULL; SELECT $b::c(d), @e',
      ['SELECT ?, :a, NULL', 'SELECT $b::c(d), @e'],
    ],
    ['a trigger', `${trigger}; SELECT 2`, [trigger, 'SELECT 2']],
    ['a trigger at the end', `SELECT 1; ${trigger}`, ['SELECT 1', trigger]],
    [
      'a temporary trigger',
      `${trigger.replace(' ', ' TEMP ')}; SELECT 2`,
      [trigger.replace(' ', ' TEMP '), 'SELECT 2'],
    ],
    ['another temporary trigger', `${trigger.replace(' ', '/**/temporary\n')}; SELECT 2`, [trigger.replace(' ', '/**/temporary\n'), 'SELECT 2']], // prettier-ignore
    ['a trigger with comments around END', 'create trigger r delete on t begin select 1;/*;*/-- a\nend-- b;\n; SELECT 2', ['create trigger r delete on t begin select 1;/*;*/-- a\nend', 'SELECT 2']], // prettier-ignore
    ['a trigger with a CASE that ends before a semicolon', 'CREATE TRIGGER r DELETE ON t BEGIN SELECT CASE 1 WHEN 1 THEN 2 END; SELECT 3; END; SELECT 2', ['CREATE TRIGGER r DELETE ON t BEGIN SELECT CASE 1 WHEN 1 THEN 2 END; SELECT 3; END', 'SELECT 2']], // prettier-ignore
    ['keywords for names', 'CREATE TABLE trigger(end, begin); CREATE VIEW temp AS SELECT 1 AS end; SELECT 1 AS "end"', ['CREATE TABLE trigger(end, begin)', 'CREATE VIEW temp AS SELECT 1 AS end', 'SELECT 1 AS "end"']], // prettier-ignore
    ['a trigger behind EXPLAIN', `EXPLAIN ${trigger}; SELECT 42`, [`EXPLAIN ${trigger}`, 'SELECT 42']],
    ['a trigger behind EXPLAIN QUERY PLAN', `EXPLAIN QUERY PLAN ${trigger}; SELECT 42`, [`EXPLAIN QUERY PLAN ${trigger}`, 'SELECT 42']], // prettier-ignore
  ];

  let tracer: StatementTracer;

  beforeAll(() => {
    tracer = new StatementTracer('CREATE TABLE t(a)');
  });

  afterAll(async () => {
    await tracer.close();
  });

  test.each(cases)('cuts %s', (_name, script, statements) => {
    expect(splitStatements(script).map(({ sql }) => sql)).toEqual(statements);
  });

  test.each(cases.filter(([, script]) => !script.startsWith('EXPLAIN')))(
    'and SQLite cuts %s likewise',
    async (_name, script) => {
      const sqlite = await tracer.run(script);
      expect(sqlite.error).toBeUndefined();
      expect(disagreement(script, splitStatements(script), sqlite)).toBeUndefined();
    },
  );

  test.each(cases.filter(([, script]) => script.startsWith('EXPLAIN')))(
    'and SQLite goes on at the same place after %s',
    async (_name, script) => {
      const { segments, error } = await tracer.run(script);
      expect(error).toBeUndefined();
      expect(segments.map(({ text }) => text)).toEqual(['SELECT 42']);
    },
  );

  test('counts lines from 1, at the first token of a statement', () => {
    const script = '\n-- head\nSELECT\n1; SELECT 2;\n/* a\nb */ SELECT 3';
    expect(splitStatements(script).map(({ line }) => line)).toEqual([3, 4, 6]);
  });

  test('agrees with SQLite on random scripts', async () => {
    const { difference, scripts, statements, triggers, refused } = await run(3_000);
    expect(difference).toBeUndefined();
    expect(scripts).toBe(3_000);
    expect(statements).toBeGreaterThan(3_000);
    expect(triggers).toBeGreaterThan(500);
    expect(refused).toBeGreaterThan(300);
  });
});

describe('checkScript', () => {
  test('gives the statements of a file that may run', () => {
    expect(check('-- head\nCREATE TABLE a(b);\n\nINSERT INTO a VALUES (1);')).toEqual([
      { sql: 'CREATE TABLE a(b)', line: 2 },
      { sql: 'INSERT INTO a VALUES (1)', line: 4 },
    ]);
  });

  const one = 'SELECT 1;\n';
  const code = 'BAD_MIGRATION_TEXT';
  const faults: readonly ScriptFault[] = [
    { sql: '', code, reason: /no SQL statement/, hint: /Write/ },
    { sql: '-- nothing\n;;', code, reason: /no SQL statement/, hint: /Write/ },
    { sql: `${one}SELECT 2\0`, line: 2, code, reason: /NUL/, hint: /UTF-8/ },
    { sql: `${one}-- a\0`, line: 2, code, reason: /NUL/, hint: /UTF-8/ },
    {
      sql: `${one}SELECT 'a\0'`,
      line: 2,
      code,
      reason: /text begins here and has no end/,
      hint: /quote/,
    },
    { sql: `${one}/* a`, line: 2, code, reason: /a comment begins here/, hint: /asterisk/ },
    { sql: `${one}/*`, line: 2, code, reason: /a comment begins here/, hint: /asterisk/ },
    { sql: `${one}SELECT 'a`, line: 2, code, reason: /a text begins here/, hint: /written twice/ },
    {
      sql: `${one}SELECT "a`,
      line: 2,
      code,
      reason: /a quoted name begins here/,
      hint: /double quote/,
    },
    { sql: `${one}SELECT \`a`, line: 2, code, reason: /a quoted name begins here/, hint: /backtick/ },
    { sql: `${one}SELECT [a`, line: 2, code, reason: /a quoted name begins here/, hint: /bracket/ },
    { sql: `${one}SELECT x'0`, line: 2, code, reason: /a blob begins here/, hint: /single quote/ },
    {
      sql: `${one}${trigger.slice(0, -5)}; SELECT 1`,
      line: 2,
      code,
      reason: /a trigger begins here/,
      hint: /END;/,
    },
    { sql: `${one}SELECT {`, line: 2, code, reason: /"{" is nothing/, hint: /double quotes/ },
    { sql: `${one}SELECT 12abc`, line: 2, code, reason: /"12abc"/, hint: /double quotes/ },
    ...['?', '?1', ':a', '@a', '$a', '#1'].map((sql) => ({
      sql: `${one}SELECT\n${sql}`,
      line: 3,
      code,
      reason: /bind parameter/,
      hint: /value itself/,
    })),
  ];

  test.each(faults.map(titled))('refuses %s', (_title, fault) => {
    expectRefusal(fault);
  });

  test('names the first fault of a file', () => {
    expect(refusalOf('COMMIT;\nBEGIN;\nSELECT ?').line).toBe(1);
  });
});
