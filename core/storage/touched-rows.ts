import type { DatabaseDriver, LocalBridge } from '../database/database-bridge.js';
import { nameAt } from './forbidden-statements.js';
import type { HistoryTable } from './history-table.js';
import { splitStatements } from './sql-script.js';
import { foldName, isKeyword, tokenize, type Token } from './sql-tokens.js';
import { quoteName } from './table-definition.js';

/** How many rows of one table a step wrote. */
export interface TouchedRows {
  readonly table: string;
  /** An INSERT that replaces or updates a row counts here. */
  readonly inserted: number;
  readonly updated: number;
  readonly deleted: number;
}

/** What a step wrote. */
export interface StepRows {
  /** By table, in the order in which they were first written. */
  readonly touched: readonly TouchedRows[];
  /** Rows that were changed in consequence: by triggers, and by virtual tables in tables of their own. */
  readonly inConsequence: number;
}

type Change = 'inserted' | 'updated' | 'deleted';

/** What one statement does to rows. */
export type RowStatement =
  | { readonly kind: 'write'; readonly table: string; readonly change: Change }
  /** CREATE TABLE … AS SELECT. */
  | { readonly kind: 'create'; readonly table: string }
  | { readonly kind: 'rename'; readonly table: string; readonly to: string };

/** Of how many texts it is remembered what they do: code that writes many rows says the same again and again. */
const REMEMBERED_TEXTS = 500;

/**
 * Reads from a statement's words which table's rows it writes; undefined where it writes none.
 *
 * Pure. The first INSERT, REPLACE, UPDATE or DELETE outside of all parentheses decides, so that the common tables of a
 * WITH are passed over.
 */
export function rowStatementOf(sql: string): RowStatement | undefined {
  const tokens = tokenize(sql).filter(({ kind }) => kind !== 'comment');
  const [first] = tokens;
  if (isKeyword(first, 'CREATE')) return creation(tokens);
  if (isKeyword(first, 'ALTER')) return renaming(tokens);
  if (!isKeyword(first, 'WITH', 'INSERT', 'REPLACE', 'UPDATE', 'DELETE')) return undefined;
  let depth = 0;
  for (const [index, token] of tokens.entries()) {
    if (token.text === '(') depth += 1;
    if (token.text === ')') depth -= 1;
    if (depth > 0) continue;
    if (isKeyword(token, 'INSERT', 'REPLACE')) return write('inserted', tokens, after(tokens, index, 'INTO'));
    if (isKeyword(token, 'UPDATE'))
      return write('updated', tokens, isKeyword(tokens[index + 1], 'OR') ? index + 3 : index + 1);
    if (isKeyword(token, 'DELETE')) return write('deleted', tokens, after(tokens, index, 'FROM'));
  }
  return undefined;
}

function after(tokens: readonly Token[], from: number, keyword: string): number {
  return tokens.findIndex((token, index) => index > from && isKeyword(token, keyword)) + 1;
}

function write(change: Change, tokens: readonly Token[], position: number): RowStatement | undefined {
  const table = nameAt(tokens, position);
  return table === undefined ? undefined : { kind: 'write', table, change };
}

function creation(tokens: readonly Token[]): RowStatement | undefined {
  const name = nameAt(tokens, 2);
  const afterName = tokens[3]?.text === '.' ? 5 : 3;
  const filled = isKeyword(tokens[1], 'TABLE') && isKeyword(tokens[afterName], 'AS');
  return filled && name !== undefined ? { kind: 'create', table: name } : undefined;
}

function renaming(tokens: readonly Token[]): RowStatement | undefined {
  const rename = tokens.findIndex((token) => isKeyword(token, 'RENAME'));
  if (!isKeyword(tokens[rename + 1], 'TO')) return undefined;
  const [table, to] = [nameAt(tokens, 2), nameAt(tokens, rename + 2)];
  return table === undefined || to === undefined ? undefined : { kind: 'rename', table, to };
}

/** What has been seen of one step. */
interface Tally {
  readonly tables: Map<string, TouchedRows>;
  inConsequence: number;
}

const noRows = { inserted: 0, updated: 0, deleted: 0 };

/** Sees which rows the statements of each step write, on connections that its driver opens. */
export class RowObserver {
  private readonly tallies = new Map<string, Tally>();
  private readonly known = new Map<string, RowStatement | undefined>();
  private current: Tally;
  /** Rows that statements wrote since `total` was last read, and that total. */
  private direct = 0;
  private total = 0;

  /**
   * @param location the database whose rows are seen; connections to others are left alone
   * @param first the name of the step that begins before any is named
   */
  constructor(
    private readonly inner: DatabaseDriver,
    private readonly location: string,
    private readonly historyTable: HistoryTable,
    first: string,
  ) {
    this.current = this.begin(first);
  }

  /** Opens the connections that are seen. */
  get driver(): DatabaseDriver {
    return {
      name: this.inner.name,
      open: async (location, mode, waitMs) => {
        const db = await this.inner.open(location, mode, waitMs);
        return location === this.location && mode !== 'read-only' ? this.observed(db) : db;
      },
    };
  }

  /** Lets what is written from now on belong to this step. */
  begin(step: string): Tally {
    this.current = { tables: new Map(), inConsequence: 0 };
    this.tallies.set(step, this.current);
    return this.current;
  }

  /** What a step wrote. */
  rowsOf(step: string): StepRows {
    const tally = this.tallies.get(step);
    return { touched: [...(tally?.tables.values() ?? [])], inConsequence: tally?.inConsequence ?? 0 };
  }

  private observed(db: LocalBridge): LocalBridge {
    return {
      location: db.location,
      execute: async (sql, parameters) => {
        const result = await db.execute(sql, parameters);
        await this.see(db, sql, () => Promise.resolve(result.changes));
        return result;
      },
      executeScript: async (sql) => {
        const statements = splitStatements(sql).map((statement) => statement.sql);
        if (!statements.some((statement) => this.meaningOf(statement) !== undefined)) {
          await db.executeScript(sql);
          return;
        }
        for (const statement of statements) {
          await db.executeScript(statement);
          await this.see(db, statement, () => changesOn(db));
        }
      },
      query: async (sql, parameters) => {
        const rows = await db.query(sql, parameters);
        await this.see(db, sql, () => changesOn(db));
        return rows;
      },
      backupTo: (path) => db.backupTo(path),
      restoreFrom: (path, whileLocked) => db.restoreFrom(path, whileLocked),
      interrupt: () => {
        db.interrupt();
      },
      close: () => db.close(),
    };
  }

  private meaningOf(sql: string): RowStatement | undefined {
    if (this.known.size >= REMEMBERED_TEXTS) this.known.clear();
    if (!this.known.has(sql)) this.known.set(sql, rowStatementOf(sql));
    return this.known.get(sql);
  }

  private async see(db: LocalBridge, sql: string, changes: () => Promise<number>): Promise<void> {
    const statement = this.meaningOf(sql);
    if (statement === undefined) return;
    if (statement.kind === 'rename') this.rename(statement.table, statement.to);
    else if (statement.kind === 'create')
      this.add(
        statement.table,
        'inserted',
        await numberOf(db, `SELECT count(*) AS number FROM ${quoteName(statement.table)}`),
      );
    else {
      const rows = await changes();
      this.direct += rows;
      // Each step ends with the row that the history gets for it.
      if (foldName(statement.table) === this.historyTable.key) await this.settle(db);
      else this.add(statement.table, statement.change, rows);
    }
  }

  private add(table: string, change: Change, rows: number): void {
    if (rows === 0) return;
    const { tables } = this.current;
    const counts = tables.get(foldName(table)) ?? { table, ...noRows };
    tables.set(foldName(table), { ...counts, [change]: counts[change] + rows });
  }

  /** What was written under a name that a table has no more was written to that table. */
  private rename(table: string, to: string): void {
    const { tables } = this.current;
    const counts = tables.get(foldName(table));
    if (counts === undefined) return;
    const { inserted, updated, deleted } = tables.get(foldName(to)) ?? noRows;
    tables.delete(foldName(table));
    tables.set(foldName(to), {
      table: to,
      inserted: counts.inserted + inserted,
      updated: counts.updated + updated,
      deleted: counts.deleted + deleted,
    });
  }

  private async settle(db: LocalBridge): Promise<void> {
    const total = await numberOf(db, 'SELECT total_changes() AS number');
    this.current.inConsequence += Math.max(0, total - this.total - this.direct);
    this.total = total;
    this.direct = 0;
  }
}

function changesOn(db: LocalBridge): Promise<number> {
  return numberOf(db, 'SELECT changes() AS number');
}

async function numberOf(db: LocalBridge, sql: string): Promise<number> {
  const [row] = await db.query(sql);
  return Number(row?.number);
}
