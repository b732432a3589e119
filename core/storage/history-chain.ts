import type { DatabaseBridge, Row } from '../database/database-bridge.js';
import { UpgradeBridgeError } from '../errors.js';
import { sha256 } from '../sha256.js';
import {
  firstColumnNames,
  laterColumns,
  readHistoryShape,
  sealColumn,
  type HistoryTable,
} from './history-table.js';

/** The columns of a row that its hash protects. */
export const chainedColumns = [
  ...firstColumnNames.filter((name) => name !== 'id'),
  'release',
  'up_sql',
  'down_sql',
];

/** The hash of one row over the hash of the row before it: a row that is changed, moved or taken out breaks the chain. */
export function linkHash(previous: string, row: Row): string {
  return sha256(JSON.stringify([previous, ...chainedColumns.map((name) => row[name] ?? null)]));
}

/** Chains the rows anew, as they are now: what somebody has accepted is protected from then on. */
export async function chainRows(db: DatabaseBridge, table: HistoryTable): Promise<void> {
  let previous = '';
  for (const row of await db.query(`SELECT id, ${chainedColumns.join(', ')} FROM ${table.sql} ORDER BY id`)) {
    previous = linkHash(previous, row);
    await db.execute(`UPDATE ${table.sql} SET hash = ? WHERE id = ?`, [previous, row.id ?? null]);
  }
}

/** Whether each row has the hash that it has over the row before it. */
export function isChainOf(rows: readonly Row[]): boolean {
  let previous = '';
  return rows.every((row) => {
    previous = linkHash(previous, row);
    return row.hash === previous;
  });
}

/** The versions that are applied twice without having been rolled back. A repair adds a row to one that stands. */
export function appliedTwice(
  history: readonly { readonly version: number; readonly status: string; readonly origin: string }[],
): number[] {
  const applied = new Set<number>();
  const twice = new Set<number>();
  for (const { version, status, origin } of history) {
    if (status === 'rolled_back') applied.delete(version);
    if (status !== 'applied') continue;
    if (applied.has(version) && origin !== 'repaired') twice.add(version);
    applied.add(version);
  }
  return [...twice];
}

/**
 * Whether the rows of a history are chained; only then can be told what became of them.
 *
 * @param missing the later columns that it does not have
 */
export function isChained(missing: readonly string[]): boolean {
  // Columns are added all at once: a history that lacks only some of them had them.
  return missing.length < laterColumns.length;
}

/**
 * Finds rows of the history that were changed, moved or taken out by hand. That the last ones were taken out shows in the
 * counter of the table's ids, as long as none was added since.
 *
 * @returns a sentence a fault; none where the chain holds, or where the history is older than the chain
 */
export async function findTampering(db: DatabaseBridge, table: HistoryTable): Promise<string[]> {
  const shape = await readHistoryShape(db, table);
  if (shape.kind !== 'ours' || !isChained(shape.missing)) return [];
  const missing = shape.missing
    .filter((column) => column !== sealColumn)
    .map((column) => column.split(' ')[0]);
  if (missing.length > 0)
    return [
      `its ${missing.length === 1 ? 'column' : 'columns'} ${missing.join(', ')} ${missing.length === 1 ? 'was' : 'were'} taken out`,
    ];
  const rows = await db.query(`SELECT id, hash, ${chainedColumns.join(', ')} FROM ${table.sql} ORDER BY id`);
  let previous = '';
  for (const row of rows) {
    const expected = linkHash(previous, row);
    if (row.hash !== expected) {
      const subject = `row ${String(row.id)} (${String(row.filename)}, ${String(row.status)})`;
      return [`${subject} or a row before it was changed, moved or taken out`];
    }
    previous = expected;
  }
  const last = rows.at(-1)?.id ?? 0;
  const given = shape.counts ? await newestGiven(db, table) : 0;
  if (given > Number(last)) return [`one or more rows after row ${String(last)} were taken out`];
  return given > 0 && given < Number(last)
    ? [`row ${String(last)} has a number that was never given: the newest one is ${given}`]
    : [];
}

/** The newest id that AUTOINCREMENT has given; 0 where it keeps no counter for the table among those that there are. */
async function newestGiven(db: DatabaseBridge, { key }: HistoryTable): Promise<number> {
  const [row] = await db.query('SELECT seq FROM sqlite_sequence WHERE lower(name) = ?', [key]);
  return Number(row?.seq ?? 0);
}

/** @throws UpgradeBridgeError (TAMPERED_HISTORY) that says all of what was found */
export function refuseTampering(found: readonly string[]): void {
  if (found.length > 0) throw tamperedHistory(found);
}

/** The error that says all of what was found. */
export function tamperedHistory(found: readonly string[]): UpgradeBridgeError {
  return new UpgradeBridgeError('TAMPERED_HISTORY', `The history was changed by hand: ${found.join('; ')}.`, {
    hint: 'Nothing was changed. Restore a backup if it can be had. If what the history says now is true, accept it (upgrade-bridge repair --accept-tampering, the option acceptTampering).',
  });
}
