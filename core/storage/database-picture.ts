import type { DatabaseBridge } from '../database/database-bridge.js';
import { withSnapshot } from '../database/transaction.js';
import { quoteName } from './table-definition.js';

/** What a database holds, in numbers: two that hold the same have equal pictures. */
export interface DatabasePicture {
  readonly userVersion: number;
  readonly applicationId: number;
  /** The text of every object, by type and name. */
  readonly objects: ReadonlyMap<string, string>;
  /** Rows of every table, SQLite's own included. */
  readonly rows: ReadonlyMap<string, number>;
}

/** Takes the picture of one state of a database: nothing that others write meanwhile is in it. */
export function takePicture(db: DatabaseBridge): Promise<DatabasePicture> {
  return withSnapshot(db, () => pictureOf(db));
}

/** Takes the picture of the state that the transaction that is open sees. */
export async function pictureOf(db: DatabaseBridge): Promise<DatabasePicture> {
  const objects = new Map<string, string>();
  for (const { type, name, sql } of await db.query('SELECT type, name, sql FROM sqlite_schema')) {
    objects.set(`${String(type)} ${String(name)}`, String(sql));
  }
  const rows = new Map<string, number>();
  // Virtual tables have no pages; what they hold is in tables of their own.
  const tables = await db.query("SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0");
  for (const { name } of tables) {
    const table = String(name);
    rows.set(table, await numberOf(db, `SELECT count(*) AS number FROM ${quoteName(table)}`));
  }
  // VACUUM leaves it out when no table uses AUTOINCREMENT any more.
  if (rows.get('sqlite_sequence') === 0) {
    rows.delete('sqlite_sequence');
    objects.delete('table sqlite_sequence');
  }
  return {
    userVersion: await numberOf(db, 'SELECT user_version AS number FROM pragma_user_version'),
    applicationId: await numberOf(db, 'SELECT application_id AS number FROM pragma_application_id'),
    objects,
    rows,
  };
}

/** How another picture differs, in sentences; none when both databases hold the same. */
export function pictureDifferences(expected: DatabasePicture, found: DatabasePicture): string[] {
  const differences: string[] = [];
  if (found.userVersion !== expected.userVersion) {
    differences.push(`user_version is ${found.userVersion}, not ${expected.userVersion}`);
  }
  if (found.applicationId !== expected.applicationId) {
    differences.push(`application_id is ${found.applicationId}, not ${expected.applicationId}`);
  }
  for (const [name, sql] of expected.objects) {
    const other = found.objects.get(name);
    if (other === undefined) differences.push(`${name} is missing`);
    else if (other !== sql) differences.push(`${name} is different`);
  }
  for (const name of found.objects.keys()) {
    if (!expected.objects.has(name)) differences.push(`${name} is new`);
  }
  for (const [table, count] of expected.rows) {
    const other = found.rows.get(table);
    if (other !== undefined && other !== count) {
      differences.push(`table ${table} has ${other} rows, not ${count}`);
    }
  }
  return differences;
}

/** All rows of all tables. */
export function countedRows(picture: DatabasePicture): number {
  return [...picture.rows.values()].reduce((sum, count) => sum + count, 0);
}

async function numberOf(db: DatabaseBridge, sql: string): Promise<number> {
  const [row] = await db.query(sql);
  return Number(row?.number);
}
