import type { DatabaseBridge } from '../database/database-bridge.js';
import type { HistoryTable } from './history-table.js';
import type { OtherHistory, OtherRow } from './other-history.js';
import { timeOf } from './other-times.js';
import { formsOf, isNamedAsHistory, type HistoryForm, type TextRow } from './other-tools.js';
import { foldName } from './sql-tokens.js';
import { quoteName } from './table-definition.js';

/** A table with its columns, in lower case. */
export interface FoundTable {
  readonly name: string;
  readonly columns: readonly string[];
}

/** The columns of every table; those of a virtual table are its module's, which may not be there. */
async function readTables(db: DatabaseBridge): Promise<ReadonlyMap<string, FoundTable>> {
  const rows = await db.query(
    `SELECT s.name AS "table", lower(c.name) AS "column"
     FROM sqlite_schema AS s JOIN pragma_table_xinfo(s.name) AS c
     WHERE s.type = 'table' AND s.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND lower(s.sql) NOT GLOB 'create virtual *'
     ORDER BY s.rowid, c.cid`,
  );
  const tables = new Map<string, FoundTable>();
  for (const row of rows) {
    const name = String(row.table);
    const { columns = [] } = tables.get(foldName(name)) ?? {};
    tables.set(foldName(name), { name, columns: [...columns, String(row.column)] });
  }
  return tables;
}

function formOf(
  { name, columns }: FoundTable,
  tables: ReadonlyMap<string, FoundTable>,
  historyTable: HistoryTable,
): HistoryForm | undefined {
  const key = foldName(name);
  const isNamed =
    isNamedAsHistory(name) || key === historyTable.key || key.startsWith(`${historyTable.key}_`);
  const forms = formsOf(columns).filter(({ telling }) => telling || isNamed);
  const isBeside = ({ beside }: HistoryForm): boolean => beside !== undefined && tables.has(beside);
  return forms.find(isBeside) ?? forms.find(({ beside }) => beside === undefined);
}

/** Whether the columns of one of these tables, which are all that there are, are those of another tool's history. */
export function keepsOtherHistory(found: readonly FoundTable[], historyTable: HistoryTable): boolean {
  const tables = new Map(found.map((table) => [foldName(table.name), table]));
  return found.some((table) => formOf(table, tables, historyTable) !== undefined);
}

async function readRows(db: DatabaseBridge, table: FoundTable, form: HistoryForm): Promise<OtherRow[]> {
  // As text, because a number of 64 bits would lose its last digits.
  const values = table.columns.map((column) => `CAST(${quoteName(column)} AS TEXT) AS ${quoteName(column)}`);
  // A name alone would be that of the text.
  const order = form.order.flatMap((column) => [`CAST(their.${column} AS NUMERIC)`, `their.${column}`]);
  const rows = await db.query(
    `SELECT ${values.join(', ')} FROM ${quoteName(table.name)} AS their ORDER BY ${order.join(', ')}`,
  );
  return rows.map((row, index): OtherRow => {
    const texts: TextRow = Object.fromEntries(
      Object.entries(row).map(([column, value]) => [column, value === null ? undefined : String(value)]),
    );
    const { label, name, version, checksum, appliedAt, state, reach } = form.read(texts);
    return {
      label: label === '' ? `row ${index + 1} of ${table.name}` : label,
      name,
      version,
      checksum,
      appliedAt: timeOf(appliedAt),
      state: state ?? { kind: 'applied' },
      reach: reach ?? 'one',
    };
  });
}

async function isHeld(db: DatabaseBridge, lock: string | undefined): Promise<boolean> {
  if (lock === undefined) return false;
  const [row] = await db.query(`SELECT count(*) AS held FROM ${quoteName(lock)} WHERE is_locked <> 0`);
  return row?.held !== 0;
}

/**
 * Finds every history that another tool keeps in a database, by the columns of its table. Changes nothing.
 *
 * @param historyTable the table of our own history: what stands under its name is meant as a history, whatever it is
 * @returns in the order in which their tables were made, those without any row too
 */
export async function findOtherHistories(
  db: DatabaseBridge,
  historyTable: HistoryTable,
): Promise<OtherHistory[]> {
  const tables = await readTables(db);
  const histories: OtherHistory[] = [];
  for (const table of tables.values()) {
    const form = formOf(table, tables, historyTable);
    if (form === undefined) continue;
    const lock = tables.get(foldName(form.lock?.(table.name) ?? ''));
    const beside = tables.get(form.beside ?? '');
    histories.push({
      tool: form.tool,
      title: form.title,
      table: table.name,
      companions: [lock, beside].flatMap((found) => found?.name ?? []),
      rows: await readRows(db, table, form),
      inOrder: form.inOrder ?? false,
      locked: await isHeld(db, lock?.columns.includes('is_locked') === true ? lock.name : undefined),
    });
  }
  return histories;
}

/** What `PRAGMA user_version` alone tells. */
export function userVersionHistory(userVersion: number): OtherHistory {
  const version = String(userVersion);
  return {
    tool: 'user_version',
    title: 'a program that keeps its version in user_version',
    table: undefined,
    companions: [],
    rows: [
      {
        label: `user_version ${version}`,
        name: undefined,
        version,
        checksum: undefined,
        appliedAt: undefined,
        state: { kind: 'applied' },
        reach: 'up to',
      },
    ],
    inOrder: true,
    locked: false,
  };
}
