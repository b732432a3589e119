import type { DatabaseBridge, Row } from '../database/database-bridge.js';
import { UnreadableDatabaseError } from '../errors.js';
import type { Migration } from './migration.js';

/** The name of the table that holds the history. */
export const HISTORY_TABLE = 'schema_migrations';

const statuses = ['applied', 'failed', 'rolled_back'] as const;
const origins = ['migration', 'legacy', 'completed'] as const;

/** How an attempt ended. */
export type AttemptStatus = (typeof statuses)[number];
/** How a migration came to be applied: by running its file, by being there already, or by being completed. */
export type Origin = (typeof origins)[number];

/** Rows of one table that break one foreign key and were there, or became visible, without the upgrade's doing. */
export interface ToleratedViolations {
  readonly table: string;
  readonly columns: string;
  readonly parent: string;
  readonly rows: number;
}

/** What a history row remembers besides its columns. */
export interface AttemptDetails {
  /** The objects that were added to a file that was there in part. */
  readonly completed?: readonly string[];
  /** Foreign-key violations that were counted after this step and are not held against the database later. */
  readonly violations?: readonly ToleratedViolations[];
  /** Why the attempt failed. */
  readonly error?: string;
}

/** One row of the history: one attempt at one migration, as the database remembers it. */
export interface AppliedMigration {
  readonly id: number;
  readonly version: number;
  readonly filename: string;
  readonly description: string;
  readonly checksum: string;
  /** UTC, ISO 8601. */
  readonly appliedAt: string;
  readonly executionTimeMs: number;
  readonly status: AttemptStatus;
  readonly origin: Origin;
  readonly details: AttemptDetails;
}

/** What a history row says before the database has given it a number. */
export type Attempt = Omit<AppliedMigration, 'id'>;

const columns = [
  'id INTEGER PRIMARY KEY AUTOINCREMENT',
  'version INTEGER NOT NULL',
  'filename TEXT NOT NULL',
  'description TEXT NOT NULL',
  'checksum TEXT NOT NULL',
  'applied_at TEXT NOT NULL',
  'execution_time_ms INTEGER NOT NULL',
  'status TEXT NOT NULL',
  'origin TEXT NOT NULL',
  'details TEXT',
];
const columnNames = columns.map((column) => column.slice(0, column.indexOf(' ')));

/** What stands in the database under the history's name. */
export type HistoryShape =
  | { readonly kind: 'none' }
  | { readonly kind: 'ours' }
  | { readonly kind: 'foreign'; readonly description: string };

const knownTools: readonly { readonly columns: string; readonly tool: string }[] = [
  { columns: 'version', tool: 'dbmate or Rails' },
  { columns: 'dirty,version', tool: 'golang-migrate' },
  { columns: 'applied_at,name,version', tool: 'a sibling of this tool that keeps no checksums' },
];

/**
 * Tells whether the database has a history and whether it is one of ours.
 *
 * "None" is said only where sqlite_schema holds no object of that name; every other trouble travels as an error.
 */
export async function readHistoryShape(db: DatabaseBridge): Promise<HistoryShape> {
  const [object] = await db.query('SELECT type FROM sqlite_schema WHERE lower(name) = ?', [HISTORY_TABLE]);
  if (object === undefined) return { kind: 'none' };
  if (object.type !== 'table')
    return { kind: 'foreign', description: `a ${String(object.type)} named ${HISTORY_TABLE}` };
  const rows = await db.query('SELECT name FROM pragma_table_xinfo(?)', [HISTORY_TABLE]);
  const found = rows.map((row) => String(row.name).toLowerCase());
  if (columnNames.every((name) => found.includes(name))) return { kind: 'ours' };
  const sorted = [...found].sort().join();
  const tool = knownTools.find((known) => known.columns === sorted)?.tool ?? 'another tool';
  return {
    kind: 'foreign',
    description: `a table ${HISTORY_TABLE} of ${tool}, with the columns ${found.join(', ')}`,
  };
}

function badHistory(problem: string): UnreadableDatabaseError {
  return new UnreadableDatabaseError(
    'BAD_HISTORY',
    `The history (table ${HISTORY_TABLE}) cannot be trusted: ${problem}.`,
    {
      hint: 'Somebody changed the table by hand. Restore a backup, or put the row right and try again.',
    },
  );
}

function wholeNumber(row: Row, column: string): number {
  const value = row[column];
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw badHistory(
      `row ${String(row.id)} has ${JSON.stringify(value)} in ${column}, where a whole number belongs`,
    );
  return value;
}

function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== 'string')
    throw badHistory(`row ${String(row.id)} has ${JSON.stringify(value)} in ${column}, where text belongs`);
  return value;
}

function oneOf<T extends string>(row: Row, column: string, allowed: readonly T[]): T {
  const value = text(row, column);
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined)
    throw badHistory(
      `row ${String(row.id)} has "${value}" in ${column}, where one of ${allowed.join(', ')} belongs`,
    );
  return found;
}

function isViolation(value: unknown): value is ToleratedViolations {
  return (
    typeof value === 'object' &&
    value !== null &&
    'table' in value &&
    'columns' in value &&
    'parent' in value &&
    'rows' in value &&
    typeof value.rows === 'number'
  );
}

function parseDetails(row: Row): AttemptDetails {
  if (row.details === null) return {};
  let parsed: unknown;
  try {
    parsed = JSON.parse(text(row, 'details'));
  } catch (error) {
    if (error instanceof SyntaxError) throw badHistory(`row ${String(row.id)} has details that are not JSON`);
    throw error;
  }
  if (typeof parsed !== 'object' || parsed === null)
    throw badHistory(`row ${String(row.id)} has details that are not an object`);
  return {
    ...('completed' in parsed && Array.isArray(parsed.completed)
      ? { completed: parsed.completed.map(String) }
      : {}),
    ...('violations' in parsed && Array.isArray(parsed.violations)
      ? { violations: parsed.violations.filter(isViolation) }
      : {}),
    ...('error' in parsed && typeof parsed.error === 'string' ? { error: parsed.error } : {}),
  };
}

function toAppliedMigration(row: Row): AppliedMigration {
  return {
    id: wholeNumber(row, 'id'),
    version: wholeNumber(row, 'version'),
    filename: text(row, 'filename'),
    description: text(row, 'description'),
    checksum: text(row, 'checksum'),
    appliedAt: text(row, 'applied_at'),
    executionTimeMs: wholeNumber(row, 'execution_time_ms'),
    status: oneOf(row, 'status', statuses),
    origin: oneOf(row, 'origin', origins),
    details: parseDetails(row),
  };
}

/**
 * Reads every row of the history, oldest first.
 *
 * @throws UnreadableDatabaseError (BAD_HISTORY) when a row holds what this package never writes, when a version is
 *   applied twice without having been rolled back, or when a trigger hangs on the table
 */
export async function readHistory(db: DatabaseBridge): Promise<AppliedMigration[]> {
  const rows = await db.query(`SELECT ${columnNames.join(', ')} FROM ${HISTORY_TABLE} ORDER BY id`);
  const [trigger] = await db.query(
    "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND lower(tbl_name) = ?",
    [HISTORY_TABLE],
  );
  if (trigger !== undefined) throw badHistory(`the trigger ${String(trigger.name)} hangs on it`);
  const history = rows.map(toAppliedMigration);
  const applied = new Set<number>();
  for (const attempt of history) {
    if (attempt.status === 'rolled_back') applied.delete(attempt.version);
    if (attempt.status !== 'applied') continue;
    if (applied.has(attempt.version))
      throw badHistory(`version ${attempt.version} is recorded as applied twice`);
    applied.add(attempt.version);
  }
  return history;
}

/** The newest row of each version that stands applied, in the order of their versions. */
export function appliedMigrations(history: readonly AppliedMigration[]): AppliedMigration[] {
  const newest = new Map<number, AppliedMigration>();
  for (const attempt of history) {
    // A failed attempt at a version that stands applied cannot happen; one before it changes nothing.
    if (attempt.status === 'applied') newest.set(attempt.version, attempt);
    if (attempt.status === 'rolled_back') newest.delete(attempt.version);
  }
  return [...newest.values()].sort((a, b) => a.version - b.version);
}

/** Makes the history's table where there is none. */
export async function ensureHistory(db: DatabaseBridge): Promise<void> {
  if ((await readHistoryShape(db)).kind === 'none')
    await db.executeScript(`CREATE TABLE ${HISTORY_TABLE} (\n  ${columns.join(',\n  ')}\n)`);
}

/** Adds one row to the history. */
export async function recordAttempt(db: DatabaseBridge, attempt: Attempt): Promise<void> {
  await db.execute(
    `INSERT INTO ${HISTORY_TABLE} (version, filename, description, checksum, applied_at, execution_time_ms, status, origin, details)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      attempt.version,
      attempt.filename,
      attempt.description,
      attempt.checksum,
      attempt.appliedAt,
      attempt.executionTimeMs,
      attempt.status,
      attempt.origin,
      Object.keys(attempt.details).length === 0 ? null : JSON.stringify(attempt.details),
    ],
  );
}

/** An attempt at a migration that is known as a file, ended now. */
export function attemptAt(
  migration: Migration,
  outcome: Pick<Attempt, 'status' | 'origin' | 'executionTimeMs' | 'details'>,
): Attempt {
  return {
    version: migration.version,
    filename: migration.filename,
    description: migration.description,
    checksum: migration.checksum,
    appliedAt: new Date().toISOString(),
    ...outcome,
    executionTimeMs: Math.round(outcome.executionTimeMs),
  };
}
