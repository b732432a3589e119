import { createHash } from 'node:crypto';

import type { DatabaseDump, DumpedRow } from '../../support/database-dump.js';

/** A state in which a database may be: before the upgrade, or after one of its transactions. */
export interface KnownState {
  /** `old`, or what the program says once the transaction is committed: `adopted`, `applied 6`. */
  readonly name: string;
  /** Equal for databases that hold the same. */
  readonly digest: string;
}

/** The digest of a database in which there is nothing yet. */
export const nothing = 'nothing';

const HISTORY = 'schema_migrations';
/** What a history row tells of the database; the rest is about the run that wrote it. */
const ofTheDatabase = ['version', 'filename', 'checksum', 'status', 'origin', 'details'];
const savedId = /^text 'saved-(\d+)'$/;

/** What a program saves after the upgrade, to learn later whether it is there. */
export function savedWorld(index: number): { readonly id: string; readonly name: string } {
  return { id: `saved-${index}`, name: `World ${index}` };
}

/** How many worlds are there that were saved after the upgrade: as many in a row as there are, from the first. */
export function countSaved(dump: DatabaseDump): number {
  const indexes = (dump.tables.worlds?.rows ?? []).flatMap((row) => {
    const index = savedId.exec(row.id ?? '')?.[1];
    return index === undefined ? [] : [Number(index)];
  });
  let count = 0;
  while (indexes.includes(count)) count += 1;
  return count;
}

function only(row: DumpedRow, columns: readonly string[]): DumpedRow {
  return Object.fromEntries(Object.entries(row).filter(([column]) => columns.includes(column)));
}

function meaningOf(table: string, rows: readonly DumpedRow[]): readonly DumpedRow[] {
  switch (table) {
    case HISTORY:
      // A failed attempt is written down, and changes nothing.
      return rows.filter(({ status }) => status !== "text 'failed'").map((row) => only(row, ofTheDatabase));
    case 'sqlite_sequence':
      return rows.filter(({ name }) => name !== `text '${HISTORY}'`);
    case 'worlds':
      return rows.filter(({ id }) => !savedId.test(id ?? ''));
    default:
      return rows;
  }
}

/** Tells whether two databases hold the same, whenever, by however many attempts and in which journal mode they came to it. */
export function digestOf(dump: DatabaseDump): string {
  if (dump.schema.length === 0 && dump.userVersion === 0) return nothing;
  const tables = Object.entries(dump.tables).map(([table, { columns, rows }]) => ({
    table,
    columns,
    rows: meaningOf(table, rows),
  }));
  return createHash('sha256')
    .update(JSON.stringify({ ...dump, journalMode: undefined, tables }))
    .digest('hex');
}

/** What an upgrade writes anew: the numbers of events and their counters. */
const renumbered: Readonly<Record<string, ReadonlySet<string>>> = {
  events: new Set(['seq']),
};
const recounted = new Set(['event_sequences', 'sqlite_sequence']);

/** Rows of the first database that the second does not have, value by value; numbers of events and their counters aside. */
export function lostRows(before: DatabaseDump, after: DatabaseDump): string[] {
  return Object.entries(before.tables).flatMap(([table, { columns, rows }]) => {
    if (recounted.has(table)) return [];
    const compared = ['#rowid', ...columns].filter((column) => renumbered[table]?.has(column) !== true);
    const keyOf = (row: DumpedRow): string => JSON.stringify(compared.map((column) => row[column]));
    const there = new Set((after.tables[table]?.rows ?? []).map(keyOf));
    return rows.map(keyOf).flatMap((key) => (there.has(key) ? [] : [`${table} ${key}`]));
  });
}
