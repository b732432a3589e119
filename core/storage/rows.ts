import type { Row, SqlValue } from '../database/database-bridge.js';
import { UpgradeBridgeError } from '../errors.js';

/**
 * A point in time as it is stored: text where it was written as text (`2025-01-31 09:30:00`, in UTC, is what SQLite itself
 * writes), a number where it was written as one (often milliseconds since 1970), null where none is known. Nothing is
 * converted, because old rows hold every form, and some hold none.
 */
export type Timestamp = string | number | null;

/** Whatever JSON can say. */
export type JsonValue =
  string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

// Old rows hold values that do not fit their column. Each function below gives something for each of them, because one
// odd value must not cost the reader the whole list.

/** Text as it is stored; a BLOB as the text that its bytes are in UTF-8; a number as its digits; NULL as ''. */
export function textOf(row: Row, column: string): string {
  return optionalTextOf(row, column) ?? '';
}

/** Like `textOf`, but NULL is null. */
export function optionalTextOf(row: Row, column: string): string | null {
  const value = valueOf(row, column);
  if (value === null || typeof value === 'string') return value;
  return typeof value === 'number' ? String(value) : decoder.decode(value);
}

/** A whole number that JavaScript holds exactly; null for NULL and for whatever else stands there. */
export function integerOf(row: Row, column: string): number | null {
  const value = valueOf(row, column);
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : null;
}

/** A finite number; null for NULL and for whatever else stands there. */
export function numberOf(row: Row, column: string): number | null {
  const value = valueOf(row, column);
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

/** The number of a row, from an INTEGER PRIMARY KEY, which holds nothing else; rounded where it is beyond 2^53. */
export function rowNumberOf(row: Row, column: string): number {
  return Number(valueOf(row, column));
}

/** A timestamp as it is stored; a BLOB as the text that its bytes are in UTF-8. Select it with `exactly`. */
export function timestampOf(row: Row, column: string): Timestamp {
  const value = valueOf(row, column);
  return typeof value === 'number' ? value : optionalTextOf(row, column);
}

/** What JSON text says; text that is not JSON as it is. */
export function jsonOf(row: Row, column: string): JsonValue {
  const text = optionalTextOf(row, column);
  if (text === null) return null;
  try {
    const value: unknown = JSON.parse(text);
    return isJsonValue(value) ? value : text;
  } catch {
    // Not JSON: the reader gets what is there.
    return text;
  }
}

/** The texts of a JSON list; other text as the one item of a list; NULL as an empty list. */
export function textListOf(row: Row, column: string): readonly string[] {
  const value = jsonOf(row, column);
  if (value === null) return [];
  if (!isList(value)) return [textOf(row, column)];
  return value.map((item) => (typeof item === 'string' ? item : JSON.stringify(item)));
}

/**
 * A select term for a column that may hold integers which JavaScript would round: those come as the text of their
 * digits.
 */
export function exactly(column: string): string {
  const rounded = `typeof(${column}) = 'integer' AND ${column} NOT BETWEEN ${Number.MIN_SAFE_INTEGER} AND ${Number.MAX_SAFE_INTEGER}`;
  return `CASE WHEN ${rounded} THEN CAST(${column} AS TEXT) ELSE ${column} END AS ${column}`;
}

/** Whether JSON can say a value, whole and unchanged. A property that is undefined counts as one that is not there. */
export function isJsonValue(value: unknown): value is JsonValue {
  const pending: unknown[] = [value];
  const seen = new Set<object>();
  while (pending.length > 0) {
    const next = pending.pop();
    if (isJsonLeaf(next)) continue;
    if (typeof next !== 'object' || next === null) return false;
    if (seen.has(next)) continue;
    seen.add(next);
    if (Array.isArray(next)) {
      for (const item of next) pending.push(item);
      continue;
    }
    if (!isPlainObject(next)) return false;
    for (const item of Object.values(next)) if (item !== undefined) pending.push(item);
  }
  return true;
}

/**
 * What was just written, read again.
 *
 * @throws UpgradeBridgeError `DATABASE_ERROR` when it is not there
 */
export function kept<Value>(value: Value | undefined, what: string): Value {
  if (value !== undefined) return value;
  throw new UpgradeBridgeError('DATABASE_ERROR', `${what} was written and is not there.`, {
    hint: 'Look for a trigger in the database that deletes it again.',
  });
}

function isJsonLeaf(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  return value === null || typeof value === 'string' || typeof value === 'boolean';
}

function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || (typeof prototype === 'object' && Object.getPrototypeOf(prototype) === null);
}

function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}

function valueOf(row: Row, column: string): SqlValue {
  return row[column] ?? null;
}
