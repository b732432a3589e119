import { describe, expect, test } from '@jest/globals';

import { exitStatusOfCode, exitStatusOfError } from '../../core/cli/exit-status.js';
import { StoppedBySignal } from '../../core/cli/stop-signals.js';
import { DatabaseError, errorCodes, InterruptedError, LockedError } from '../../core/errors.js';

const hint = 'None.';

describe('the exit status', () => {
  test('of every code is one that the help tells of', () => {
    for (const code of errorCodes) expect([1, 3, 4, 5, 64]).toContain(exitStatusOfCode(code));
  });

  test.each([
    ['NEWER_DATABASE', 3],
    ['LOCKED', 4],
    ['LOCK_LOST', 4],
    ['CHANGED_MIGRATION', 5],
    ['BAD_HISTORY', 5],
    ['BAD_OPTION', 64],
    ['FOREIGN_DATABASE', 1],
    ['MIGRATION_FAILED', 1],
  ] as const)('of %s is %i', (code, status) => {
    expect(exitStatusOfCode(code)).toBe(status);
  });

  test.each([
    [
      'a stop by SIGINT',
      new InterruptedError('Stopped.', { hint, cause: new StoppedBySignal('SIGINT') }),
      130,
    ],
    [
      'a stop by SIGTERM',
      new InterruptedError('Stopped.', { hint, cause: new StoppedBySignal('SIGTERM') }),
      143,
    ],
    ['another stop', new InterruptedError('Stopped.', { hint }), 1],
    ['a lock', new LockedError('LOCKED', 'Locked.', { hint }), 4],
    [
      'a database that SQLite calls busy',
      new DatabaseError('database is locked', 'SQLITE_BUSY', { hint }),
      4,
    ],
    ['another error of SQLite', new DatabaseError('disk I/O error', 'SQLITE_IOERR', { hint }), 1],
    ['an error without a code', new Error('Something else.'), 1],
    ['what is no error', 'not an error', 1],
  ])('of %s', (_what, error, status) => {
    expect(exitStatusOfError(error)).toBe(status);
  });
});
