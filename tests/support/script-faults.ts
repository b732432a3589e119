import { expect } from '@jest/globals';

import { MigrationFileError } from '../../core/errors.js';
import { checkScript } from '../../core/storage/sql-script.js';

/** A script that must be refused, and what the refusal must say. */
export interface ScriptFault {
  readonly sql: string;
  readonly line?: number;
  readonly reason: RegExp;
  readonly hint: RegExp;
  readonly code?: string;
  readonly noTransaction?: boolean;
}

/** Checks a script as if it stood in the file 0002_x.sql. */
export function check(sql: string, noTransaction = false, historyTable = 'schema_migrations') {
  return checkScript(sql, { file: '0002_x.sql', noTransaction, historyTable });
}

/** The error with which a script is refused. */
export function refusalOf(sql: string, noTransaction = false, historyTable?: string): MigrationFileError {
  try {
    check(sql, noTransaction, historyTable);
  } catch (error) {
    if (error instanceof MigrationFileError) return error;
    throw error;
  }
  throw new Error(`accepted: ${sql}`);
}

/** A row for `test.each`: the script in one printable line, and the fault. */
export function titled(fault: ScriptFault): [title: string, fault: ScriptFault] {
  return [
    `${JSON.stringify(fault.sql)}${fault.noTransaction === true ? ' without a transaction' : ''}`,
    fault,
  ];
}

/** Holds a refusal against what it must say, and against the form that every such error has. */
export function expectRefusal(fault: ScriptFault): void {
  const { sql, line, code = 'FORBIDDEN_STATEMENT', reason, hint, noTransaction } = fault;
  const error = refusalOf(sql, noTransaction);
  expect({ code: error.code, file: error.file, line: error.line }).toEqual({
    code,
    file: '0002_x.sql',
    line,
  });
  expect(error.message).toMatch(reason);
  expect(error.message).toMatch(line === undefined ? /^0002_x\.sql: .*\.$/ : /^0002_x\.sql, line \d+: .*\.$/);
  expect(error.hint).toMatch(hint);
  expect(error.hint).toMatch(/[.;]$/);
}
