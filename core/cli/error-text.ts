import { inspect } from 'node:util';

import { DatabaseError, messageOf, UpgradeBridgeError, type ErrorCode } from '../errors.js';
import { NotConfirmed } from './confirmation.js';

/** An error as people and programs are told of it. */
export interface ErrorText {
  /**
   * `NOT_CONFIRMED` where nobody said yes, `UNEXPECTED` for what should not happen: a fault of this program.
   */
  readonly code: ErrorCode | 'NOT_CONFIRMED' | 'UNEXPECTED';
  readonly message: string;
  readonly hint: string;
}

/** Whether an error is one that this package names. */
export function isNamed(error: unknown): error is UpgradeBridgeError {
  return error instanceof UpgradeBridgeError;
}

export function errorText(error: unknown): ErrorText {
  if (error instanceof DatabaseError)
    return {
      code: error.code,
      message: `SQLite reported: ${error.message.replace(/\.$/, '')} (${error.sqliteCode}).`,
      hint: error.hint,
    };
  if (isNamed(error)) return { code: error.code, message: error.message, hint: error.hint };
  if (error instanceof NotConfirmed)
    return { code: 'NOT_CONFIRMED', message: error.message, hint: error.hint };
  return {
    code: 'UNEXPECTED',
    message: `Something happened that should not: ${messageOf(error)}`,
    hint: 'Run the command again with --verbose and report what it prints.',
  };
}

/** The errors underneath, from the nearest to the first, by their messages. */
function causesOf(error: unknown): string[] {
  if (error instanceof AggregateError)
    return error.errors.flatMap((each) => [messageOf(each), ...causesOf(each)]);
  if (!(error instanceof Error) || error.cause === undefined) return [];
  return [messageOf(error.cause), ...causesOf(error.cause)];
}

/** What the causes say beyond the sentence itself. */
export function furtherCauses(error: unknown): string[] {
  const told = [errorText(error).message];
  for (const cause of causesOf(error)) {
    const sentence = cause.replace(/^SQLITE_[A-Z]+: /, '');
    if (sentence !== '' && !told.some((text) => text.includes(sentence))) told.push(sentence);
  }
  return told.slice(1);
}

/** The stack of an error and of every error underneath. */
export function stackOf(error: unknown): string {
  return inspect(error, { depth: 8 });
}
