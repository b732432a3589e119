import { describe, expect, test } from '@jest/globals';

import { MigrationFileError } from '../../core/errors.js';
import { readHeader } from '../../core/storage/migration-header.js';

function read(sql: string) {
  return readHeader(sql, '0001_create_users.sql');
}

function refused(sql: string): MigrationFileError {
  try {
    read(sql);
  } catch (error) {
    if (error instanceof MigrationFileError) return error;
    throw error;
  }
  throw new Error(`accepted: ${sql}`);
}

describe('the description of a migration', () => {
  test.each([
    ['nothing', 'SELECT 1;', undefined],
    ['the first comment', '-- One.\n-- Two.\nSELECT 1;', 'One.'],
    ['the first comment that is no directive', '-- migration: allow-loss a\n-- One.\nSELECT 1;', 'One.'],
    ['a block comment', '\n/* One.\n * Two.\n */\nSELECT 1;', 'One.'],
    ['a block comment that begins with an empty line', '/*\n * One.\n */ SELECT 1;', 'One.'],
    ['a comment in a frame', '-- ======\n-- == One. ==\nSELECT 1;', 'One.'],
    ['nothing, not even a comment after the first statement', 'SELECT 1; -- One.', undefined],
    ['a comment after an empty statement', ';-- One.\nSELECT 1', 'One.'],
    [
      'a comment that speaks of migrations',
      '-- Migration: Drop the guests\nSELECT 1;',
      'Migration: Drop the guests',
    ],
  ])('is %s', (_name, sql, description) => {
    expect(read(sql).description).toBe(description);
  });
});

describe('the directives of a migration', () => {
  test.each(['release 1.4.0', 'description One.'])('are refused where they contradict: %s', (directive) => {
    const twice = refused(`-- migration: ${directive}\n-- migration: ${directive}\nSELECT 1;`);
    expect(twice).toMatchObject({ code: 'BAD_DIRECTIVE', line: 2 });
    expect(twice.message).toMatch(/stands there for the second time/);
  });

  test.each(['requires: fts9', 'release: 1.4.0', 'no-transaction', 'drops: a', 'allow-loss: a'])(
    'are refused without the word before them: %s',
    (comment) => {
      const error = refused(`-- ${comment}\nSELECT 1;`);
      expect(error).toMatchObject({ code: 'BAD_DIRECTIVE', line: 1 });
      expect(error.hint).toContain('"-- migration: ');
    },
  );

  test.each<[string, object]>([
    ['-- migration: allow-loss a, b', { allowLoss: ['a', 'b'] }],
    ['--migration:allow-loss a,b', { allowLoss: ['a', 'b'] }],
    ['  --   migration:  drops  a , b.c  ', { drops: ['a', 'b.c'] }],
    ['-- migration: drops "a b", [c,d].`e`, \'f\'', { drops: ['a b', 'c,d.e', 'f'] }],
    ['-- migration: drops a\n-- migration: drops b, a', { drops: ['a', 'b'] }],
    [
      '-- migration: drops a\n\n-- text\n/* text */ -- migration: allow-loss b',
      { drops: ['a'], allowLoss: ['b'] },
    ],
  ])('are read from %j', (header, directives) => {
    expect(read(`${header}\nSELECT 1;`).directives).toEqual({
      noTransaction: false,
      allowLoss: [],
      drops: [],
      ...directives,
    });
  });

  test.each<[string, RegExp, RegExp]>([
    ['-- migration:', /"" is unknown/, /leave out/],
    ['-- migration: Drops a', /"Drops" is unknown/, /"-- migration: drops NAME/],
    ['-- migration: drop a', /"drop" is unknown/, /Did you mean "-- migration: drops NAME/],
    [
      '-- migration: no_transaction',
      /"no_transaction" is unknown/,
      /Did you mean "-- migration: no-transaction"/,
    ],
    ['-- migration: allow-loss', /allow-loss is followed by nothing; expected names/, /allow-loss TABLE/],
    ['-- migration: allow-loss a b', /followed by "a b"/, /allow-loss TABLE/],
    ['-- migration: allow-loss a,', /followed by "a,"/, /allow-loss TABLE/],
    ['-- migration: allow-loss ,a', /followed by ",a"/, /allow-loss TABLE/],
    ['-- migration: allow-loss a.b', /followed by "a.b"/, /allow-loss TABLE/],
    ['-- migration: drops a.b.c', /followed by "a.b.c"/, /drops NAME/],
    ['-- migration: drops a.', /followed by "a\."/, /drops NAME/],
    ['-- migration: drops a (old)', /followed by "a \(old\)"/, /drops NAME/],
    ['-- migration: drops "a', /followed by ""a"/, /drops NAME/],
    ['-- migration: no-transaction please', /followed by "please"; expected nothing/, /no-transaction/],
    ['-- Migration: drops a', /looks like a directive/, /"-- migration: drops"/],
    ['-- MIGRATIONS : no-transaction', /looks like a directive/, /"-- migration: no-transaction"/],
    ['/* migration: drops a */', /looks like a directive/, /two dashes/],
  ])('are refused where they are malformed: %j', (header, message, hint) => {
    const error = refused(`-- One.\n${header}\nSELECT 1;`);
    expect(error.code).toBe('BAD_DIRECTIVE');
    expect(error.line).toBe(2);
    expect(error.message).toMatch(message);
    expect(error.hint).toMatch(hint);
  });

  test.each([
    ['SELECT 1; -- migration: drops a', 1],
    ['SELECT\n-- migration: drops a\n1', 2],
    ['SELECT 1\n;\n-- migration: x', 3],
  ])('are refused where they would go unseen: %j', (sql, line) => {
    expect(refused(sql)).toMatchObject({ code: 'BAD_DIRECTIVE', line });
  });

  test('are not read from a text', () => {
    const sql = "SELECT '\n-- migration: drops a\n';";
    expect(read(sql).directives.drops).toEqual([]);
  });
});
