import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';

import type { DatabaseDump, DumpedRow } from './database-dump.js';
import { counterKey, expectedNumbers } from './event-numbers.js';
import { legacyTables } from './legacy-databases.js';

const migrations = new URL('../../migrations/', import.meta.url);

/** The SHA-256 of each migration file by its number, as the history must have it. */
export const checksums: ReadonlyMap<number, string> = new Map(
  readdirSync(migrations)
    .filter((name) => /^\d{4}_\w+\.sql$/.test(name))
    .map((name) => [
      Number.parseInt(name, 10),
      createHash('sha256')
        .update(readFileSync(new URL(name, migrations), 'utf8').replaceAll('\r\n', '\n'))
        .digest('hex'),
    ]),
);

const ours: readonly string[] = legacyTables;

function isNumbered(table: string, column: string): boolean {
  return table === 'events' && column === 'seq';
}

function rowFaults(table: string, before: readonly DumpedRow[], after: readonly DumpedRow[]): string[] {
  const left = new Map(after.map((row) => [row['#rowid'] ?? JSON.stringify(row), row]));
  const faults: string[] = [];
  if (before.length !== after.length)
    faults.push(`${table} had ${before.length} rows and has ${after.length}`);
  for (const row of before) {
    const key = row['#rowid'] ?? JSON.stringify(row);
    const now = left.get(key);
    if (now === undefined) faults.push(`${table} lost the row ${key}`);
    else
      for (const [column, value] of Object.entries(row))
        if (!isNumbered(table, column) && now[column] !== value)
          faults.push(`${table}.${column} of row ${key} was ${value} and is ${now[column] ?? 'gone'}`);
  }
  return faults;
}

/** Values that appeared in columns which were not there before; they must be empty. */
function inventedValues(table: string, before: DatabaseDump, after: DatabaseDump): string[] {
  const known = new Set(before.tables[table]?.columns ?? []);
  const rows = after.tables[table]?.rows ?? [];
  return rows.flatMap((row) =>
    Object.entries(row).flatMap(([column, value]) =>
      column === '#rowid' || known.has(column) || value === 'null'
        ? []
        : [`${table}.${column} became ${value}`],
    ),
  );
}

/**
 * Every value that an upgrade lost, changed or invented, as sentences; the numbers of events and the counters are left
 * to `numberFaults`.
 */
export function valueFaults(before: DatabaseDump, after: DatabaseDump): string[] {
  const faults: string[] = [];
  for (const [table, { rows }] of Object.entries(before.tables)) {
    const now = after.tables[table];
    if (table === 'sqlite_sequence' || table === 'event_sequences') continue;
    if (now === undefined) faults.push(`table ${table} is gone`);
    else faults.push(...rowFaults(table, rows, now.rows), ...inventedValues(table, before, after));
  }
  for (const [table, { rows }] of Object.entries(after.tables))
    if (
      ours.includes(table) &&
      table !== 'event_sequences' &&
      before.tables[table] === undefined &&
      rows.length > 0
    )
      faults.push(`${table} is new and has ${rows.length} rows`);
  return faults;
}

/** Every event and counter whose number is not what the rule makes of it. */
export function numberFaults(before: DatabaseDump, after: DatabaseDump): string[] {
  const { events, counters } = expectedNumbers(before);
  const faults: string[] = [];
  for (const event of after.tables.events?.rows ?? []) {
    const expected = events.get(event['#rowid'] ?? '');
    if (event.seq !== expected)
      faults.push(`event ${event.id ?? '?'} has ${event.seq ?? 'no number'}, not ${expected ?? 'none'}`);
  }
  const found = (after.tables.event_sequences?.rows ?? []).map(
    (row) => [counterKey(row), row.last_seq] as const,
  );
  for (const [key, number] of found)
    if (counters.get(key) !== number)
      faults.push(`the counter of ${key} is ${number ?? 'none'}, not ${counters.get(key) ?? 'to be there'}`);
  const keys = new Set(found.map(([key]) => key));
  if (keys.size !== found.length) faults.push(`${found.length - keys.size} counters are there twice`);
  for (const key of counters.keys()) if (!keys.has(key)) faults.push(`${key} has no counter`);
  return faults;
}

function sequencesOf(dump: DatabaseDump): ReadonlyMap<string, bigint> {
  return new Map(
    (dump.tables.sqlite_sequence?.rows ?? []).map(({ name, seq }) => [
      String(name),
      BigInt((seq ?? '').replace('integer ', '')),
    ]),
  );
}

/** Tables that would hand out an id again. */
export function sequenceFaults(before: DatabaseDump, after: DatabaseDump): string[] {
  const now = sequencesOf(after);
  return [...sequencesOf(before)].flatMap(([table, highest]) =>
    (now.get(table) ?? -1n) === highest
      ? []
      : [`the counter of ${table} was ${highest} and is ${now.get(table) ?? 'gone'}`],
  );
}

/** What was in the schema before and is not in it any more as it was; tables of ours may have been given their form. */
export function extraFaults(before: DatabaseDump, after: DatabaseDump): string[] {
  const now = new Map(after.schema.map((object) => [`${object.type} ${object.name}`, object]));
  return before.schema.flatMap((object) => {
    const key = `${object.type} ${object.name}`;
    const found = now.get(key);
    if (found === undefined) return [`${key} is gone`];
    if (object.type === 'table' && ours.includes(object.name)) {
      const columns = after.tables[object.name]?.columns ?? [];
      return (before.tables[object.name]?.columns ?? [])
        .filter((column) => !columns.includes(column))
        .map((column) => `column ${object.name}.${column} is gone`);
    }
    return found.sql === object.sql ? [] : [`${key} was ${String(object.sql)} and is ${String(found.sql)}`];
  });
}

/** The three lists of file numbers that an upgrade of a legacy database must record. */
export interface ExpectedHistory {
  readonly adopted: readonly number[];
  readonly completed: readonly number[];
  readonly pending: readonly number[];
}

/** What the history says otherwise than it must. */
export function historyFaults(
  { adopted, completed, pending }: ExpectedHistory,
  after: DatabaseDump,
): string[] {
  const faults: string[] = [];
  const rows = after.tables.schema_migrations?.rows ?? [];
  const versions = rows.map(({ version }) => Number((version ?? '').replace('integer ', '')));
  const inOrder = (files: readonly number[]): number[] => [...files].sort((a, b) => a - b);
  const expected = [...inOrder([...adopted, ...completed]), ...inOrder(pending)];
  if (versions.join() !== expected.join())
    faults.push(`the history has ${versions.join()}, not ${expected.join()}`);
  for (const row of rows) {
    const version = Number((row.version ?? '').replace('integer ', ''));
    const origin = adopted.includes(version)
      ? 'legacy'
      : completed.includes(version)
        ? 'completed'
        : 'migration';
    if (row.origin !== `text '${origin}'`)
      faults.push(`file ${version} is recorded as ${row.origin ?? '?'}, not ${origin}`);
    if (row.status !== "text 'applied'") faults.push(`file ${version} has the status ${row.status ?? '?'}`);
    if (row.checksum !== `text '${checksums.get(version) ?? '?'}'`)
      faults.push(`file ${version} has another checksum`);
    if (!/^text '\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z'$/.test(row.applied_at ?? ''))
      faults.push(`file ${version} was applied at ${row.applied_at ?? '?'}`);
    if (!/^integer \d+$/.test(row.execution_time_ms ?? ''))
      faults.push(`file ${version} took ${row.execution_time_ms ?? '?'}`);
  }
  if (after.userVersion !== 11) faults.push(`user_version is ${after.userVersion}, not 11`);
  return faults;
}
