import { isSqliteError, UpgradeBridgeError } from '../errors.js';
import { isJsonValue, type JsonValue, type Timestamp } from './rows.js';

/** The roles that a message may have. */
export const roles = ['system', 'user', 'assistant'] as const;

export type Role = (typeof roles)[number];

/** Whether a text is one of the roles. */
export function isRole(value: unknown): value is Role {
  return roles.some((role) => role === value);
}

// Each function below gives the value to bind, or throws BAD_VALUE for what SQLite would refuse or would store as something
// else without a word. `undefined` stays undefined: the caller left the field out.

/** An object, whose fields are looked at next. */
export function recordValue(field: string, value: unknown): void {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return;
  throw badValue(
    field,
    `must be an object, but is ${shown(value)}`,
    `Give an object with the fields of the ${field}.`,
  );
}

/** A text that is not empty. */
export function idValue(field: string, value: unknown): string {
  const id = textValue(field, value);
  if (id === '') throw badValue(field, 'must not be empty', 'Give an id of at least one character.');
  return id;
}

export function optionalIdValue(field: string, value: unknown): string | null | undefined {
  return value === null || value === undefined ? value : idValue(field, value);
}

export function textValue(field: string, value: unknown): string {
  if (typeof value !== 'string') {
    throw badValue(field, `must be text, but is ${shown(value)}`, 'Give a string.');
  }
  if (/\p{Surrogate}/u.test(value)) {
    throw badValue(
      field,
      'holds half of a surrogate pair, which UTF-8 cannot say',
      'Cut text between characters, or replace what is broken with String.prototype.toWellFormed.',
    );
  }
  return value;
}

export function optionalTextValue(field: string, value: unknown): string | null | undefined {
  return value === null || value === undefined ? value : textValue(field, value);
}

export function integerValue(field: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
    throw badValue(
      field,
      `must be a whole number, but is ${shown(value)}`,
      `Give a whole number from ${Number.MIN_SAFE_INTEGER} to ${Number.MAX_SAFE_INTEGER}.`,
    );
  }
  return value;
}

export function optionalIntegerValue(field: string, value: unknown): number | null | undefined {
  return value === null || value === undefined ? value : integerValue(field, value);
}

function numberValue(field: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw badValue(field, `must be a finite number, but is ${shown(value)}`, 'Give a finite number.');
  }
  return value;
}

export function optionalNumberValue(field: string, value: unknown): number | null | undefined {
  return value === null || value === undefined ? value : numberValue(field, value);
}

export function timestampValue(field: string, value: unknown): Timestamp | undefined {
  if (value === null || value === undefined) return value;
  if (typeof value === 'string') return textValue(field, value);
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw badValue(
    field,
    `must be text or a finite number, but is ${shown(value)}`,
    'Give an ISO 8601 text or milliseconds since 1970.',
  );
}

export function roleValue(field: string, value: unknown): Role {
  if (!isRole(value)) {
    throw badValue(
      field,
      `must be one of ${roles.join(', ')}, but is ${shown(value)}`,
      'Give one of these roles.',
    );
  }
  return value;
}

/** JSON text of a value. */
export function jsonValue(field: string, value: unknown): string {
  const hint = 'Give strings, finite numbers, booleans, null, and lists and plain objects of these.';
  if (!isJsonValue(value)) throw badValue(field, 'holds what JSON cannot say', hint);
  return json(field, value, hint);
}

/** JSON text of a list of texts. */
export function textListValue(field: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) {
    throw badValue(field, `must be a list, but is ${shown(value)}`, 'Give a list of strings.');
  }
  return JSON.stringify(value.map((item, index) => textValue(`${field}[${index}]`, item)));
}

/** A value that cannot be stored. `field` is named as the caller wrote it, such as `world.turnLimit`. */
export function badValue(field: string, problem: string, hint: string, cause?: unknown): UpgradeBridgeError {
  return new UpgradeBridgeError('BAD_VALUE', `${field} ${problem}.`, { hint, cause });
}

/**
 * Waits for a statement, and makes a foreign key that it breaks a BAD_VALUE with the given sentence.
 *
 * @throws UpgradeBridgeError `BAD_VALUE` with SQLite's error as its cause; every other error travels
 */
export async function namingForeignKey<Result>(
  statement: Promise<Result>,
  field: string,
  problem: string,
  hint: string,
): Promise<Result> {
  try {
    return await statement;
  } catch (error) {
    if (isSqliteError(error, 'SQLITE_CONSTRAINT') && error.message.includes('FOREIGN KEY')) {
      throw badValue(field, problem, hint, error);
    }
    throw error;
  }
}

function json(field: string, value: JsonValue, hint: string): string {
  try {
    return JSON.stringify(value);
  } catch (error) {
    // A circle, or nested too deeply.
    throw badValue(field, 'holds what JSON cannot say', hint, error);
  }
}

/** A value in a few words, for a sentence. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object';
  return typeof value === 'function' || typeof value === 'symbol' ? `a ${typeof value}` : String(value);
}
