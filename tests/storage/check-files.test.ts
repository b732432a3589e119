import { describe, expect, it } from '@jest/globals';

import { MigrationFileError } from '../../core/errors.js';
import { parseChecks, type DatabaseCheck } from '../../core/storage/check-files.js';

const parse = (text: string): readonly DatabaseCheck[] => parseChecks('checks.sql', Buffer.from(text));

/** What the file's refusal says, and where. */
function refusal(text: string): { code: string; line: number | undefined; message: string } {
  try {
    parse(text);
  } catch (error) {
    if (!(error instanceof MigrationFileError)) throw error;
    return { code: error.code, line: error.line, message: error.message };
  }
  throw new Error('The file was read.');
}

const expectation = (text: string): unknown =>
  parse(`-- check: a\n-- expect: ${text}\nSELECT 1;`)[0]?.expectation;

describe('a file of checks', () => {
  it('holds checks by name, each with what is expected and its statements', () => {
    const checks = parse(`-- What must be true of every database of this program.

-- check: tasks are ordered
-- A queue is read by priority.
-- expect: uses index idx_tasks
INSERT INTO tasks VALUES (1); -- the ground
SELECT *
FROM tasks ORDER BY priority;

-- check: there is a project
-- expect: rows
SELECT 1 FROM projects`);
    expect(checks).toEqual([
      {
        name: 'tasks are ordered',
        line: 3,
        expected: 'uses index idx_tasks',
        expectation: { kind: 'uses index', index: 'idx_tasks' },
        statements: [
          { sql: 'INSERT INTO tasks VALUES (1)', line: 6 },
          { sql: 'SELECT *\nFROM tasks ORDER BY priority', line: 7 },
        ],
      },
      {
        name: 'there is a project',
        line: 10,
        expected: 'rows',
        expectation: { kind: 'rows' },
        statements: [{ sql: 'SELECT 1 FROM projects', line: 12 }],
      },
    ]);
  });

  it('is the same with a mark at its head and the line ends of another system', () => {
    const text = '-- check: a\n-- expect: no rows\nSELECT 1;\n';
    expect(parse(`\uFEFF${text.replaceAll('\n', '\r\n')}`)).toEqual(parse(text));
  });

  it('may make triggers, whose statements end with semicolons', () => {
    const [check] = parse(
      '-- check: a\n-- expect: rows\nCREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END; SELECT 1;',
    );
    expect(check?.statements.map(({ sql }) => sql.slice(0, 14))).toEqual(['CREATE TRIGGER', 'SELECT 1']);
  });

  it.each<[text: string, expectation: object]>([
    ['rows', { kind: 'rows' }],
    ['no rows', { kind: 'no rows' }],
    ['fails', { kind: 'fails', message: undefined }],
    ['fails CHECK constraint failed: status', { kind: 'fails', message: 'CHECK constraint failed: status' }],
    ['uses index "my index"', { kind: 'uses index', index: 'my index' }],
    ['value 12', { kind: 'value', value: 12 }],
    ['value -0.5', { kind: 'value', value: -0.5 }],
    ['value +1e3', { kind: 'value', value: 1000 }],
    ['value 0x10', { kind: 'value', value: 16 }],
    ["value 'it''s'", { kind: 'value', value: "it's" }],
    ["value ''", { kind: 'value', value: '' }],
    ['value NULL', { kind: 'value', value: null }],
    ['value true', { kind: 'value', value: 1 }],
    ['value FALSE', { kind: 'value', value: 0 }],
    ["value x'00fF'", { kind: 'value', value: Buffer.from([0, 255]) }],
  ])('may expect %p', (text, expected) => {
    expect(expectation(text)).toEqual(expected);
  });

  it.each([
    'row',
    'Rows',
    'rows 3',
    'no',
    'value',
    'value open',
    "value 'a' 'b'",
    'value 1 + 1',
    'value 9007199254740993',
    "value -'a'",
    'value -NULL',
    'valuex 1',
    'uses index',
    'uses index a b',
    'uses an index',
    'failing',
    'nothing',
  ])('may not expect %p', (text) => {
    expect(refusal(`-- check: a\n\n-- expect: ${text}\nSELECT 1;`)).toEqual({
      code: 'BAD_DIRECTIVE',
      line: 3,
      message: `checks.sql, line 3: "${text}" cannot be expected; expected rows, no rows, value X, fails, fails MESSAGE or uses index NAME.`,
    });
  });

  it.each<[title: string, text: string, line: number | undefined, message: RegExp, code?: string]>([
    ['no check', '-- Nothing yet.\n', undefined, /^checks\.sql: the file holds no check\.$/],
    ['nothing', '', undefined, /holds no check/],
    ['a statement before the first check', '\nSELECT 1;', 2, /a statement stands before the first check/],
    ['an expectation before the first check', '-- expect: rows', 1, /stands before the first check/],
    ['a check without a name', '-- check:\n-- expect: rows\nSELECT 1', 1, /nothing follows "check:"/],
    ['an empty expectation', '-- check: a\n-- expect:  \nSELECT 1', 2, /nothing follows "expect:"/],
    ['a check without an expectation', '-- check: a\nSELECT 1;', 1, /"a" does not say what is expected/],
    [
      'a check without a statement',
      '-- check: a\n-- expect: rows\n;\n-- check: b\n-- expect: rows\nSELECT 1',
      1,
      /"a" holds no statement/,
    ],
    [
      'two expectations',
      '-- check: a\n-- expect: rows\n-- expect: no rows\nSELECT 1',
      3,
      /"a" expects two things/,
    ],
    [
      'an expectation below its statement',
      '-- check: a\nSELECT 1;\n-- expect: rows',
      3,
      /stands below a statement/,
    ],
    [
      'a name twice',
      '-- check: a\n-- expect: rows\nSELECT 1;\n-- check: a\n-- expect: rows\nSELECT 2;',
      4,
      /"a" is there already, on line 1/,
    ],
    ['a word in capitals', '-- Check: a\n-- expect: rows\nSELECT 1', 1, /is not written as one/],
    ['a plural', '-- check: a\n-- expects: rows\nSELECT 1', 2, /is not written as one/],
    ['a block comment', '/* check: a */\n-- expect: rows\nSELECT 1', 1, /is not written as one/],
    [
      'the end of a transaction',
      '-- check: a\n-- expect: rows\nSELECT 1;\nCOMMIT;',
      4,
      /COMMIT would end the transaction/,
      'FORBIDDEN_STATEMENT',
    ],
    [
      'a setting',
      '-- check: a\n-- expect: rows\nPRAGMA foreign_keys = OFF; SELECT 1',
      3,
      /PRAGMA foreign_keys/,
      'FORBIDDEN_STATEMENT',
    ],
    [
      'a parameter',
      '-- check: a\n-- expect: rows\n\nSELECT ?',
      4,
      /is a bind parameter/,
      'BAD_MIGRATION_TEXT',
    ],
    [
      'a text without an end',
      "-- check: a\n-- expect: rows\nSELECT 'a;\n-- check: b\n-- expect: rows\nSELECT 1",
      1,
      /./,
      'BAD_MIGRATION_TEXT',
    ],
    ['bytes that are no text', '-- check: a\n-- expect: rows\n\0SELECT 1', 3, /NUL/, 'BAD_MIGRATION_TEXT'],
  ])('is refused with %s', (_title, text, line, message, code = 'BAD_DIRECTIVE') => {
    const found = refusal(text);
    expect(found.code).toBe(code);
    expect(found.message).toMatch(message);
    if (message.source !== '.') expect(found.line).toBe(line);
  });

  it('is refused where it is not UTF-8', () => {
    expect(() => parseChecks('checks.sql', Buffer.from([0x2d, 0x2d, 0xff]))).toThrow(
      'checks.sql, line 1: the text is not UTF-8 from byte 2 on.',
    );
  });
});
