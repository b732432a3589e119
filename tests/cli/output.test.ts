import { describe, expect, test } from '@jest/globals';

import { hasColours, Output } from '../../core/cli/output.js';
import { aligned, oneLine, section } from '../../core/cli/text.js';
import { DatabaseError, FileAccessError } from '../../core/errors.js';

const terminal = { isTTY: true, hasColors: () => true, write: () => true };

describe('colours', () => {
  test('are for terminals that have them', () => {
    expect(hasColours(terminal, {})).toBe(true);
    expect(hasColours({ ...terminal, hasColors: () => false }, {})).toBe(false);
    expect(hasColours({ ...terminal, isTTY: false }, {})).toBe(false);
  });

  test('are not there where NO_COLOR says something', () => {
    expect(hasColours(terminal, { NO_COLOR: '1' })).toBe(false);
    expect(hasColours(terminal, { NO_COLOR: '1', FORCE_COLOR: '1' })).toBe(false);
    expect(hasColours(terminal, { NO_COLOR: '' })).toBe(true);
  });
});

describe('text', () => {
  test('of a database becomes one line that cannot steer a terminal', () => {
    expect(oneLine('CREATE INDEX i\n  ON t (a)\r\n')).toBe('CREATE INDEX i ON t (a) ');
    expect(oneLine('a\x1b]0;title\x07b')).toBe('a\\u{1b}]0;title\\u{7}b');
    expect(oneLine('\u202Eevil 👩‍🚀')).toBe('\\u{202e}evil 👩‍🚀');
  });

  test('stands in columns', () => {
    expect(aligned([['a', 'bb'], ['ccc'], ['d', 'e']])).toEqual(['a    bb', 'ccc', 'd    e']);
    expect(section('Files', [])).toEqual([]);
    expect(section('Files', ['a', ['b', 'c']])).toEqual(['', 'Files (2):', '  a', '  b  c']);
  });
});

describe('an error', () => {
  function told(error: unknown): string {
    let text = '';
    new Output({}, terminal, { write: (part) => (text += part) }).failure(error);
    return text;
  }

  test('is a sentence, what is underneath, and the next step', () => {
    const cause = new Error('EACCES: permission denied', { cause: new Error('The disk is read-only.') });
    expect(
      told(new FileAccessError('NO_ACCESS', 'The file cannot be read.', { hint: 'Let it be read.', cause })),
    ).toBe(
      `Error: The file cannot be read.
Cause: EACCES: permission denied
Cause: The disk is read-only.
Hint:  Let it be read.
Code:  NO_ACCESS
`,
    );
  });

  test('does not say the same twice', () => {
    const cause = new Error('SQLITE_BUSY: database is locked');
    expect(told(new DatabaseError('database is locked', 'SQLITE_BUSY', { hint: 'Try again.', cause }))).toBe(
      `Error: SQLite reported: database is locked (SQLITE_BUSY).
Hint:  Try again.
Code:  DATABASE_ERROR
`,
    );
  });

  test('ends its sentence once, whether the message under it is a sentence or not', () => {
    for (const message of ['disk I/O error', '"a.db" could not be read or written: disk I/O error.'])
      expect(told(new DatabaseError(message, 'SQLITE_IOERR', { hint: 'Check the disk.' }))).toContain(
        'disk I/O error (SQLITE_IOERR).\n',
      );
  });

  test('that no one foresaw says what to do', () => {
    expect(told(new TypeError('x is not a function'))).toBe(
      `Error: Something happened that should not: x is not a function
Hint:  Run the command again with --verbose and report what it prints.
Code:  UNEXPECTED
`,
    );
  });
});
