import type { DatabaseBridge } from '../database/database-bridge.js';
import { isSqliteError, UpgradeBridgeError } from '../errors.js';
import { userVersionFor, type ManagedState } from './database-state.js';
import { chainedColumns, isChainOf } from './history-chain.js';
import { appliedMigrations, toAppliedMigration, type AppliedMigration } from './history-row.js';
import type { HistoryTable } from './history-table.js';

const columns = ['id', 'hash', ...chainedColumns];

/** A managed database as one query found it. */
export interface ManagedLook {
  readonly state: ManagedState;
  /** "PRAGMA data_version" of the connection: while it stays, no other connection has changed anything. */
  readonly dataVersion: number;
  /** How large the database is. */
  readonly bytes: number;
}

/**
 * Reads in one query all that is to be known of a database with a history of today's shape in which nobody has changed
 * anything: its rows, that they are chained without a gap, that nothing hangs on the table, and user_version.
 *
 * @returns undefined where any of that is otherwise: the whole look says what
 * @throws DatabaseError when the database cannot be read
 */
export async function readManagedState(
  db: DatabaseBridge,
  table: HistoryTable,
): Promise<ManagedLook | undefined> {
  const found = await readRows(db, table);
  if (found === undefined) return undefined;
  const { rows, given, userVersion, dataVersion, bytes } = found;
  if (given !== rows.at(-1)?.id || !isChainOf(rows)) return undefined;
  const history = valuesOf(table, rows);
  if (history?.some(({ status }) => status !== 'failed') !== true) return undefined;
  const applied = appliedMigrations(history);
  if (userVersion > userVersionFor(applied)) return undefined;
  return { state: { kind: 'managed', userVersion, history, applied }, dataVersion, bytes };
}

type HistoryValues = Readonly<Record<string, string | number | null>>;

interface FoundRows extends Omit<ManagedLook, 'state'> {
  readonly rows: readonly HistoryValues[];
  readonly given: number;
  readonly userVersion: number;
}

async function readRows(db: DatabaseBridge, { sql, key }: HistoryTable): Promise<FoundRows | undefined> {
  try {
    const [row] = await db.query(
      `SELECT (SELECT user_version FROM pragma_user_version) AS userVersion,
         (SELECT data_version FROM pragma_data_version) AS dataVersion,
         (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size) AS bytes,
         (SELECT group_concat(type) FROM sqlite_schema WHERE lower(name) = ?) AS types,
         EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'trigger' AND lower(tbl_name) = ?) AS hanging,
         (SELECT seq FROM sqlite_sequence WHERE lower(name) = ?) AS given,
         (SELECT count(seal) FROM ${sql}) AS seals,
         (SELECT json_group_array(json_array(${columns.join(', ')})) FROM (SELECT * FROM ${sql} ORDER BY id)) AS lines`,
      [key, key, key],
    );
    if (row?.types !== 'table' || row.hanging !== 0) return undefined;
    const lines: unknown = JSON.parse(String(row.lines));
    const rows = Array.isArray(lines) ? lines.map(valuesIn) : [];
    return {
      rows,
      given: Number(row.given),
      userVersion: Number(row.userVersion),
      dataVersion: Number(row.dataVersion),
      bytes: Number(row.bytes),
    };
  } catch (error) {
    // There is no such table, it lacks a column, or it holds what is no text and no number.
    if (isSqliteError(error, 'SQLITE_ERROR')) return undefined;
    throw error;
  }
}

function valuesIn(line: unknown): HistoryValues {
  const found: readonly unknown[] = Array.isArray(line) ? line : [];
  return Object.fromEntries(columns.map((name, index) => [name, plainValue(found[index])]));
}

function plainValue(value: unknown): string | number | null {
  return typeof value === 'string' || typeof value === 'number' ? value : null;
}

function valuesOf(
  table: HistoryTable,
  rows: readonly HistoryValues[],
): readonly AppliedMigration[] | undefined {
  try {
    return rows.map((row) => toAppliedMigration(table, row));
  } catch (error) {
    if (error instanceof UpgradeBridgeError && error.code === 'BAD_HISTORY') return undefined;
    throw error;
  }
}
