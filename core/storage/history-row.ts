import type { Row } from '../database/database-bridge.js';
import { UnreadableDatabaseError } from '../errors.js';
import { linkHash } from './history-chain.js';
import type { HistoryTable } from './history-table.js';
import type { Migration } from './migration.js';

const statuses = ['applied', 'failed', 'rolled_back'] as const;
const origins = ['migration', 'legacy', 'completed', 'baseline', 'adopted', 'repaired', 'recorded'] as const;

/** How an attempt ended. */
export type AttemptStatus = (typeof statuses)[number];
/**
 * How a migration came to be applied:
 *
 * - `migration`: its file ran.
 * - `legacy`: it was there already, in a legacy database.
 * - `completed`: it was there in part, and what was missing was added.
 * - `baseline`: it was there already, and somebody asked for it to be recorded.
 * - `adopted`: another tool ran it, and its history was taken over.
 * - `repaired`: somebody said how it stands, or had it mended.
 * - `recorded`: another program carried it out, and recorded it.
 */
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
  /** The statements of the tables, indexes, triggers and views that had another form and were given the right one. */
  readonly replaced?: readonly string[];
  /** Why a row of the origins `baseline`, `adopted` and `repaired` is there, as sentences. */
  readonly notes?: readonly string[];
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
  /** Empty where none was recorded: the file is then not held against it. */
  readonly checksum: string;
  /** UTC, ISO 8601. */
  readonly appliedAt: string;
  readonly executionTimeMs: number;
  readonly status: AttemptStatus;
  readonly origin: Origin;
  readonly details: AttemptDetails;
  /** The release that the file names. */
  readonly release: string | undefined;
}

/** What the history keeps of a file besides its checksum: enough to show a change, and to undo without the file. */
export interface KeptTexts {
  readonly up: string | undefined;
  readonly down: string | undefined;
}

/** What a history row says before the database has given it a number. */
export type Attempt = Omit<AppliedMigration, 'id'> & { readonly texts: KeptTexts };

/** The error where the history holds what this package never writes. */
export function badHistory({ name }: HistoryTable, problem: string): UnreadableDatabaseError {
  return new UnreadableDatabaseError(
    'BAD_HISTORY',
    `The history (table ${name}) cannot be trusted: ${problem}.`,
    {
      hint: 'Somebody changed the table by hand. Restore a backup, or put the row right and try again.',
    },
  );
}

/** One row of the table, of which nothing is believed unseen. */
class RowReader {
  constructor(
    private readonly table: HistoryTable,
    private readonly row: Row,
  ) {}

  wholeNumber(column: string): number {
    const value = this.row[column];
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
    throw this.fault(`${JSON.stringify(value)} in ${column}, where a whole number belongs`);
  }

  text(column: string): string {
    const value = this.row[column];
    if (typeof value === 'string') return value;
    throw this.fault(`${JSON.stringify(value)} in ${column}, where text belongs`);
  }

  textOrNone(column: string): string {
    return this.row[column] === null ? '' : this.text(column);
  }

  optionalText(column: string): string | undefined {
    const value = this.row[column];
    return typeof value === 'string' ? value : undefined;
  }

  oneOf<T extends string>(column: string, allowed: readonly T[]): T {
    const value = this.text(column);
    const found = allowed.find((candidate) => candidate === value);
    if (found !== undefined) return found;
    throw this.fault(`"${value}" in ${column}, where one of ${allowed.join(', ')} belongs`);
  }

  details(): AttemptDetails {
    if (this.row.details === null) return {};
    let parsed: unknown;
    try {
      parsed = JSON.parse(this.text('details'));
    } catch (error) {
      if (error instanceof SyntaxError) throw this.fault('details that are not JSON');
      throw error;
    }
    if (typeof parsed !== 'object' || parsed === null) throw this.fault('details that are not an object');
    return detailsOf(parsed);
  }

  private fault(what: string): UnreadableDatabaseError {
    return badHistory(this.table, `row ${String(this.row.id)} has ${what}`);
  }
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

function detailsOf(parsed: object): AttemptDetails {
  return {
    ...('completed' in parsed && Array.isArray(parsed.completed)
      ? { completed: parsed.completed.map(String) }
      : {}),
    ...('replaced' in parsed && Array.isArray(parsed.replaced)
      ? { replaced: parsed.replaced.map(String) }
      : {}),
    ...('notes' in parsed && Array.isArray(parsed.notes) ? { notes: parsed.notes.map(String) } : {}),
    ...('violations' in parsed && Array.isArray(parsed.violations)
      ? { violations: parsed.violations.filter(isViolation) }
      : {}),
    ...('error' in parsed && typeof parsed.error === 'string' ? { error: parsed.error } : {}),
  };
}

/**
 * A row of the table as a value.
 *
 * @throws UnreadableDatabaseError (BAD_HISTORY) when it holds what this package never writes
 */
export function toAppliedMigration(table: HistoryTable, values: Row): AppliedMigration {
  const row = new RowReader(table, values);
  return {
    id: row.wholeNumber('id'),
    version: row.wholeNumber('version'),
    filename: row.text('filename'),
    description: row.text('description'),
    checksum: row.textOrNone('checksum'),
    appliedAt: row.text('applied_at'),
    executionTimeMs: row.wholeNumber('execution_time_ms'),
    status: row.oneOf('status', statuses),
    origin: row.oneOf('origin', origins),
    details: row.details(),
    release: row.optionalText('release'),
  };
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

/** The violations that the newest row which counted them tolerates, whether it stands applied or not. */
export function toleratedViolations(history: readonly AppliedMigration[]): readonly ToleratedViolations[] {
  return history.findLast(({ details }) => details.violations !== undefined)?.details.violations ?? [];
}

/** The columns of a row of the history, linked to the row before it; the database gives it its number. */
export function linkedRow(attempt: Attempt, previousHash: string): Row {
  const row = {
    version: attempt.version,
    filename: attempt.filename,
    description: attempt.description,
    checksum: attempt.checksum,
    applied_at: attempt.appliedAt,
    execution_time_ms: attempt.executionTimeMs,
    status: attempt.status,
    origin: attempt.origin,
    details: Object.keys(attempt.details).length === 0 ? null : JSON.stringify(attempt.details),
    release: attempt.release ?? null,
    up_sql: attempt.texts.up ?? null,
    down_sql: attempt.texts.down ?? null,
  };
  return { ...row, hash: linkHash(previousHash, row) };
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
    release: migration.release,
    appliedAt: new Date().toISOString(),
    ...outcome,
    executionTimeMs: Math.round(outcome.executionTimeMs),
    // What failed or was undone is told by the row that was applied.
    texts:
      outcome.status === 'applied' && migration.code === undefined
        ? { up: migration.sql, down: migration.down?.sql }
        : { up: undefined, down: undefined },
  };
}

/** Whether the file of a number is another one than the one that was applied, and not the same under a new name. */
export function isOtherFile(
  applied: Pick<AppliedMigration, 'checksum' | 'filename'>,
  migration: Pick<Migration, 'checksum' | 'filename'>,
): boolean {
  return isChanged(applied, migration) && stemOf(applied.filename) !== stemOf(migration.filename);
}

/** The name of a file without what may be written in two ways. */
function stemOf(filename: string): string {
  return filename.replace(/(\.up)?\.sql$/, '').replace(/^0+/, '');
}

/** Whether a migration is not the one that was applied. Where no checksum was recorded, nobody can tell. */
export function isChanged(
  applied: Pick<AppliedMigration, 'checksum'>,
  migration: Pick<Migration, 'checksum'>,
): boolean {
  return applied.checksum !== '' && applied.checksum !== migration.checksum;
}
