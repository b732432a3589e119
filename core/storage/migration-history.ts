import type { DatabaseBridge, Row, SqlValue } from '../database/database-bridge.js';
import { UnreadableDatabaseError } from '../errors.js';
import { appliedTwice, chainRows, isChained, linkHash } from './history-chain.js';
import {
  firstColumnNames,
  firstColumns,
  laterColumns,
  missingColumns,
  readHistoryShape,
  type HistoryTable,
  type OwnShape,
} from './history-table.js';
import type { Migration } from './migration.js';
import { quoteName } from './table-definition.js';

export { findTampering, refuseTampering, tamperedHistory } from './history-chain.js';
export {
  hasHistory,
  historyTableOf,
  readHistoryShape,
  type HistoryShape,
  type HistoryTable,
} from './history-table.js';

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

function badHistory({ name }: HistoryTable, problem: string): UnreadableDatabaseError {
  return new UnreadableDatabaseError(
    'BAD_HISTORY',
    `The history (table ${name}) cannot be trusted: ${problem}.`,
    {
      hint: 'Somebody changed the table by hand. Restore a backup, or put the row right and try again.',
    },
  );
}

/** One row of the table, of which nothing is believed unseen. */
class HistoryRow {
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

function toAppliedMigration(table: HistoryTable, values: Row): AppliedMigration {
  const row = new HistoryRow(table, values);
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

/**
 * Reads rows of the history.
 *
 * @param rest what follows the table, which is called `a`, in the SQL
 * @param missing the later columns that the table does not have, where they are known
 * @throws UnreadableDatabaseError (BAD_HISTORY) when a row holds what this package never writes
 */
export async function readAttempts(
  db: DatabaseBridge,
  table: HistoryTable,
  rest: string,
  parameters: readonly SqlValue[] = [],
  missing?: readonly string[],
): Promise<AppliedMigration[]> {
  const later = missing ?? (await missingColumns(db, table));
  const read = later.includes('release TEXT') ? firstColumnNames : [...firstColumnNames, 'release'];
  const rows = await db.query(`SELECT ${read.join(', ')} FROM ${table.sql} AS a ${rest}`, parameters);
  return rows.map((row) => toAppliedMigration(table, row));
}

/** @throws UnreadableDatabaseError (BAD_HISTORY) when a trigger hangs on the table, which nobody sees when it acts */
export async function refuseTrigger(db: DatabaseBridge, table: HistoryTable): Promise<void> {
  const [trigger] = await db.query(
    "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND lower(tbl_name) = ?",
    [table.key],
  );
  if (trigger !== undefined) refuseHanging(table, String(trigger.name));
}

function refuseHanging(table: HistoryTable, trigger: string | undefined): void {
  if (trigger !== undefined) throw badHistory(table, `the trigger ${trigger} hangs on it`);
}

/**
 * Reads every row of the history, oldest first.
 *
 * @param known what the table is, where that was just read
 * @throws UnreadableDatabaseError (BAD_HISTORY) when a row holds what this package never writes, when a version of
 *   rows without hashes is applied twice without having been rolled back, or when a trigger hangs on the table
 */
export async function readHistory(
  db: DatabaseBridge,
  table: HistoryTable,
  known?: OwnShape,
): Promise<AppliedMigration[]> {
  const shape = known ?? (await readHistoryShape(db, table));
  const missing = shape.kind === 'ours' ? shape.missing : [];
  const history = await readAttempts(db, table, 'ORDER BY id', [], missing);
  if (shape.kind === 'ours') refuseHanging(table, shape.trigger);
  const [twice] = appliedTwice(history);
  // Of chained rows is told apart that one between them was taken out, and that somebody has accepted it.
  if (twice !== undefined && !isChained(missing))
    throw badHistory(table, `version ${twice} is recorded as applied twice`);
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

/** The violations that the newest row which counted them tolerates, whether it stands applied or not. */
export function toleratedViolations(history: readonly AppliedMigration[]): readonly ToleratedViolations[] {
  return history.findLast(({ details }) => details.violations !== undefined)?.details.violations ?? [];
}

/** Makes the history's table where there is none, and brings one of an earlier version of this package to today's shape. */
export async function ensureHistory(db: DatabaseBridge, table: HistoryTable): Promise<void> {
  const shape = await readHistoryShape(db, table);
  if (shape.kind === 'none') {
    await db.executeScript(
      `CREATE TABLE ${table.sql} (\n  ${[...firstColumns, ...laterColumns].join(',\n  ')}\n)`,
    );
    await addIndexes(db, table);
    return;
  }
  const missing = shape.kind === 'ours' ? shape.missing : await missingColumns(db, table);
  for (const column of missing) await db.executeScript(`ALTER TABLE ${table.sql} ADD COLUMN ${column}`);
  // Rows that were written before there was a chain are trusted once; a row that came later without one is not ours.
  if (missing.includes('hash TEXT')) await chainRows(db, table);
  await addIndexes(db, table);
}

/** The columns by which rows are looked up, and read in order, where there are many. */
const indexedColumns = ['version', 'applied_at'];

/** An index makes nothing but speed: where its name is taken, there is none. */
async function addIndexes(db: DatabaseBridge, { name, sql, key }: HistoryTable): Promise<void> {
  const rows = await db.query(
    `SELECT i.name FROM pragma_index_list(?) AS l JOIN pragma_index_info(l.name) AS i WHERE i.seqno = 0
     UNION ALL SELECT substr(name, ?) FROM sqlite_schema WHERE lower(name) IN (${indexedColumns.map(() => '?').join()})`,
    [key, `idx_${key}_`.length + 1, ...indexedColumns.map((column) => `idx_${key}_${column}`)],
  );
  const there = rows.map((row) => String(row.name).toLowerCase());
  for (const column of indexedColumns)
    if (!there.includes(column))
      await db.executeScript(`CREATE INDEX ${quoteName(`idx_${name}_${column}`)} ON ${sql} (${column})`);
}

/** The texts that the history keeps of the newest applied row of a version. */
export async function readKeptTexts(
  db: DatabaseBridge,
  table: HistoryTable,
  version: number,
): Promise<KeptTexts> {
  if ((await missingColumns(db, table)).includes('up_sql TEXT')) return { up: undefined, down: undefined };
  const [row] = await db.query(
    `SELECT up_sql, down_sql FROM ${table.sql} WHERE version = ? AND status = 'applied' ORDER BY id DESC LIMIT 1`,
    [version],
  );
  return {
    up: typeof row?.up_sql === 'string' ? row.up_sql : undefined,
    down: typeof row?.down_sql === 'string' ? row.down_sql : undefined,
  };
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

/** Adds one row to the history and links it to the one before. */
export async function recordAttempt(
  db: DatabaseBridge,
  table: HistoryTable,
  attempt: Attempt,
): Promise<void> {
  await recordAttempts(db, table, [attempt]);
}

/**
 * Adds rows to the history and links each to the one before.
 *
 * @returns what `PRAGMA user_version` says
 */
export async function recordAttempts(
  db: DatabaseBridge,
  table: HistoryTable,
  attempts: readonly Attempt[],
): Promise<number> {
  const [last] = await db.query(
    `SELECT user_version, (SELECT hash FROM ${table.sql} ORDER BY id DESC LIMIT 1) AS hash FROM pragma_user_version`,
  );
  let hash = typeof last?.hash === 'string' ? last.hash : '';
  for (const attempt of attempts) {
    const row = linkedRow(attempt, hash);
    hash = String(row.hash);
    const names = Object.keys(row);
    await db.execute(
      `INSERT INTO ${table.sql} (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`,
      Object.values(row),
    );
  }
  return Number(last?.user_version);
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
