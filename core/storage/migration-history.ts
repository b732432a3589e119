import type { DatabaseBridge, Row, SqlValue } from '../database/database-bridge.js';
import { appliedTwice, chainRows, isChained } from './history-chain.js';
import {
  badHistory,
  linkedRow,
  toAppliedMigration,
  type AppliedMigration,
  type Attempt,
  type KeptTexts,
} from './history-row.js';
import {
  firstColumnNames,
  historyScript,
  indexedColumns,
  indexScript,
  missingColumns,
  readHistoryShape,
  type HistoryTable,
  type OwnShape,
} from './history-table.js';

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

/**
 * Makes the history's table where there is none, and brings one of an earlier version of this package to today's shape.
 *
 * @param isFree whether it is known that nothing bears the name of the table or of its indexes, and no table is a history
 * @returns whether anything had to be written
 */
export async function ensureHistory(
  db: DatabaseBridge,
  table: HistoryTable,
  isFree = false,
): Promise<boolean> {
  if (isFree) {
    await db.executeScript(historyScript(table).join(';\n'));
    return true;
  }
  const shape = await readHistoryShape(db, table);
  if (shape.kind === 'none') {
    const [makesTable = ''] = historyScript(table);
    await db.executeScript(makesTable);
    await addIndexes(db, table);
    return true;
  }
  const missing = shape.kind === 'ours' ? shape.missing : await missingColumns(db, table);
  for (const column of missing) await db.executeScript(`ALTER TABLE ${table.sql} ADD COLUMN ${column}`);
  // Rows that were written before there was a chain are trusted once; a row that came later without one is not ours.
  if (missing.includes('hash TEXT')) await chainRows(db, table);
  return (await addIndexes(db, table)) || missing.length > 0;
}

/** An index makes nothing but speed: where its name is taken, there is none. */
async function addIndexes(db: DatabaseBridge, table: HistoryTable): Promise<boolean> {
  const { key } = table;
  const rows = await db.query(
    `SELECT i.name FROM pragma_index_list(?) AS l JOIN pragma_index_info(l.name) AS i WHERE i.seqno = 0
     UNION ALL SELECT substr(name, ?) FROM sqlite_schema WHERE lower(name) IN (${indexedColumns.map(() => '?').join()})`,
    [key, `idx_${key}_`.length + 1, ...indexedColumns.map((column) => `idx_${key}_${column}`)],
  );
  const there = rows.map((row) => String(row.name).toLowerCase());
  const missing = indexedColumns.filter((column) => !there.includes(column));
  for (const column of missing) await db.executeScript(indexScript(table, column));
  return missing.length > 0;
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

/** SQL that adds rows to the history, for a script; and the hash of the last of them. */
export function rowsScript(
  { sql }: HistoryTable,
  attempts: readonly Attempt[],
  previousHash: string,
): { readonly sql: string; readonly hash: string } {
  const rows = linkedRows(attempts, previousHash);
  const values = rows.map((row) => `(${Object.values(row).map(literal).join(', ')})`);
  return {
    sql: `INSERT INTO ${sql} (${Object.keys(rows[0] ?? {}).join(', ')}) VALUES ${values.join(', ')}`,
    hash: String(rows.at(-1)?.hash ?? previousHash),
  };
}

/** The rows of several attempts, each linked to the one before it. */
function linkedRows(attempts: readonly Attempt[], previousHash: string): Row[] {
  let hash = previousHash;
  return attempts.map((attempt) => {
    const row = linkedRow(attempt, hash);
    hash = String(row.hash);
    return row;
  });
}

function literal(value: SqlValue): string {
  if (typeof value === 'string') return `'${value.replaceAll("'", "''")}'`;
  return value === null || typeof value === 'number'
    ? String(value)
    : `x'${Buffer.from(value).toString('hex')}'`;
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
  const rows = linkedRows(attempts, typeof last?.hash === 'string' ? last.hash : '');
  for (let first = 0; first < rows.length; first += ROWS_AT_ONCE)
    await insertRows(db, table, rows.slice(first, first + ROWS_AT_ONCE));
  return Number(last?.user_version);
}

/** How many rows one statement adds ("Limits In SQLite": older ones take 999 values). */
const ROWS_AT_ONCE = 50;

/** Adds rows that have the same columns. */
async function insertRows(db: DatabaseBridge, { sql }: HistoryTable, rows: readonly Row[]): Promise<void> {
  const names = Object.keys(rows[0] ?? {});
  const values = `(${names.map(() => '?').join(', ')})`;
  await db.execute(
    `INSERT INTO ${sql} (${names.join(', ')}) VALUES ${rows.map(() => values).join(', ')}`,
    rows.flatMap((row) => Object.values(row)),
  );
}
