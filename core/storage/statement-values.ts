import type { SqlValue } from '../database/database-bridge.js';
import { MigrationFileError } from '../errors.js';
import { splitStatements } from './sql-script.js';
import { tokenize } from './sql-tokens.js';

function wrong(file: string, reason: string, hint: string): MigrationFileError {
  return new MigrationFileError('BAD_MIGRATION_TEXT', `${file}: ${reason}`, file, undefined, { hint });
}

/** How many values a statement takes ("SQL Language: Expressions", Parameters). */
function countParameters(sql: string): number {
  const names = new Set<string>();
  let count = 0;
  for (const { kind, text } of tokenize(sql)) {
    if (kind !== 'variable') continue;
    const index = text.startsWith('?') ? Number(text.slice(1)) : 0;
    if (index > 0) count = Math.max(count, index);
    else if (text === '?' || !names.has(text)) count += 1;
    names.add(text);
  }
  return count;
}

/**
 * Refuses a call of a migration in code of which the driver would leave out a part without a word: a second statement,
 * or a value that is missing.
 *
 * @throws MigrationFileError (BAD_MIGRATION_TEXT)
 */
export function refuseIncompleteCall(sql: string, values: number, file: string): void {
  const statements = splitStatements(sql).length;
  const begin = `${sql.trim().slice(0, 40)}${sql.trim().length > 40 ? '…' : ''}`;
  if (statements !== 1)
    throw wrong(
      file,
      `a call holds ${statements === 0 ? 'no statement' : `${statements} statements`} ("${begin}"); expected one.`,
      'Use executeScript for several statements.',
    );
  const parameters = countParameters(sql);
  if (parameters !== values)
    throw wrong(
      file,
      `"${begin}" has ${parameters} bind parameter${parameters === 1 ? '' : 's'}, and the call gives ${values} value${values === 1 ? '' : 's'}.`,
      'Give one value for each parameter, in their order.',
    );
}

/**
 * Refuses a value that the driver would store as another one.
 *
 * @throws MigrationFileError (BAD_MIGRATION_TEXT)
 */
export function refuseForeignValues(values: readonly SqlValue[], file: string): void {
  for (const [index, value] of values.entries()) {
    const given: unknown = value;
    const fits =
      given === null ||
      typeof given === 'string' ||
      (typeof given === 'number' && !Number.isNaN(given)) ||
      given instanceof Uint8Array;
    if (fits) continue;
    const kind =
      typeof given === 'number' ? 'NaN' : given instanceof Date ? 'a Date' : `of the type ${typeof given}`;
    throw wrong(
      file,
      `value ${index + 1} of a statement is ${kind}, which SQLite cannot store.`,
      'Give a string, a number, null or a Uint8Array; write a large integer into the SQL itself.',
    );
  }
}
