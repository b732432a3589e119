import type { DatabaseBridge, Row } from '../database/database-bridge.js';
import type { HistoryTable } from './history-table.js';
import { foldName, isKeyword, tokenize, type Token } from './sql-tokens.js';
import { parseTableDefinition, type TableConstraint, type TableDefinition } from './table-definition.js';
import { normaliseTokens } from './token-cursor.js';

export interface TableSnapshot extends TableDefinition {
  readonly name: string;
  readonly sql: string;
  /** A virtual table has no columns or constraints here: its module decides what they mean. */
  readonly virtual: boolean;
}

/** An index, a trigger or a view. */
export interface ObjectSnapshot {
  readonly type: 'index' | 'trigger' | 'view';
  readonly name: string;
  /** The table that an index or trigger belongs to; a view's own name. */
  readonly table: string;
  readonly sql: string;
  /** One comparable form of the statement. */
  readonly meaning: string;
}

/** A schema as plain data. SQLite's own objects and the history are left out. */
export interface SchemaSnapshot {
  /** By name in lower case. */
  readonly tables: ReadonlyMap<string, TableSnapshot>;
  /** By name in lower case, that of a trigger in parentheses: it may bear the name of a table, an index or a view. */
  readonly objects: ReadonlyMap<string, ObjectSnapshot>;
}

/** A schema with nothing in it. */
export const emptySchema: SchemaSnapshot = { tables: new Map(), objects: new Map() };

export function isEmptySchema(schema: SchemaSnapshot): boolean {
  return schema.tables.size === 0 && schema.objects.size === 0;
}

/** How many statements are remembered of each kind, so that memory does not grow with the schemas that were read. */
const REMEMBERED = 4_000;

/**
 * What statements mean that were read before: an upgrade reads nearly the same schema several times, and the databases of
 * a fleet have nearly the same one.
 */
const definitions = new Map<string, TableDefinition>();
const meanings = new Map<string, string>();

function remembered<Value>(known: Map<string, Value>, sql: string, read: (sql: string) => Value): Value {
  const found = known.get(sql);
  if (found !== undefined) return found;
  const value = read(sql);
  if (known.size >= REMEMBERED) known.clear();
  known.set(sql, value);
  return value;
}

/** What statements of a schema mean, by their texts. */
export interface StatementMeanings {
  readonly definitions: Readonly<Record<string, TableDefinition>>;
  readonly meanings: Readonly<Record<string, string>>;
}

/** Says what the statements in rows of `schemaRows` mean. */
export function meaningsOf(rows: readonly Row[]): StatementMeanings {
  const texts = (...types: readonly string[]): string[] =>
    rows.filter(({ type }) => types.includes(String(type))).map(({ sql }) => String(sql));
  return {
    definitions: Object.fromEntries(texts('table').map((sql) => [sql, parseTableDefinition(sql)])),
    meanings: Object.fromEntries(texts('index', 'trigger', 'view').map((sql) => [sql, meaningOf(sql)])),
  };
}

/** Takes over what `meaningsOf` has found out elsewhere, so that it is found out no second time. */
export function rememberMeanings(known: StatementMeanings): void {
  for (const [sql, definition] of Object.entries(known.definitions)) definitions.set(sql, definition);
  for (const [sql, meaning] of Object.entries(known.meanings)) meanings.set(sql, meaning);
}

/** The statement in one comparable form: words that change nothing are left out. */
function meaningOf(sql: string): string {
  const tokens = tokenize(sql).filter((token) => token.kind !== 'comment' && token.kind !== 'semicolon');
  const kept: Token[] = [];
  for (let index = 0; index < tokens.length; index += 1) {
    const token = tokens[index];
    if (token === undefined) continue;
    const next = [token, tokens[index + 1], tokens[index + 2]]
      .map((each) => each?.text.toLowerCase())
      .join(' ');
    const isColumn = ['(', ','].includes(kept.at(-1)?.text ?? '');
    if (next === 'for each row') index += 2;
    else if (isColumn || !isKeyword(token, 'ASC')) kept.push(token);
  }
  return normaliseTokens(kept);
}

function resolveImpliedKeys(
  constraint: TableConstraint,
  tables: ReadonlyMap<string, TableSnapshot>,
): TableConstraint {
  if (!constraint.impliesParentKey || constraint.parent === undefined) return constraint;
  const key = tables.get(constraint.parent)?.constraints.find(({ kind }) => kind === 'primary key');
  if (key === undefined) return constraint;
  const named = `references ${constraint.parent}(${key.columns.join()})`;
  return {
    ...constraint,
    meaning: constraint.meaning.replace(`references ${constraint.parent}()`, () => named),
  };
}

/**
 * SQL for the rows of sqlite_schema that are a schema, in no order: those of the history, SQLite's own and the shadow tables
 * of virtual ones are left out.
 *
 * @param key what gives the key of the history's table: a parameter, or a text in SQL
 */
export function schemaRows(key: string): string {
  return `SELECT rowid AS place, type, name, tbl_name, sql FROM main.sqlite_schema
    WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND lower(tbl_name) <> ${key}
      AND tbl_name NOT IN (SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow')`;
}

/**
 * Makes a schema of rows of `schemaRows`, in the order of their places.
 *
 * @param earlier the schema before, whose tables and objects are taken over where they are still the same
 */
export function schemaOf(rows: readonly Row[], earlier: SchemaSnapshot = emptySchema): SchemaSnapshot {
  const tables = new Map<string, TableSnapshot>();
  const objects = new Map<string, ObjectSnapshot>();
  for (const row of rows) {
    const [type, name, table, sql] = [row.type, row.name, row.tbl_name, row.sql].map(String);
    if (type === undefined || name === undefined || table === undefined || sql === undefined) continue;
    if (type === 'table') {
      const known = earlier.tables.get(foldName(name));
      tables.set(foldName(name), known?.sql === sql && known.name === name ? known : tableOf(name, sql));
    } else if (type === 'index' || type === 'trigger' || type === 'view') {
      const key = type === 'trigger' ? `(${foldName(name)})` : foldName(name);
      const known = earlier.objects.get(key);
      const isSame =
        known?.sql === sql && known.type === type && known.name === name && known.table === table;
      objects.set(
        key,
        isSame ? known : { type, name, table, sql, meaning: remembered(meanings, sql, meaningOf) },
      );
    }
  }
  for (const [key, table] of tables)
    if (table.constraints.some(({ impliesParentKey }) => impliesParentKey))
      tables.set(key, {
        ...table,
        constraints: remembered(definitions, table.sql, parseTableDefinition).constraints.map((constraint) =>
          resolveImpliedKeys(constraint, tables),
        ),
      });
  return { tables, objects };
}

function tableOf(name: string, sql: string): TableSnapshot {
  const virtual = /^create\s+virtual\s/i.test(sql);
  const definition = virtual
    ? { columns: [], constraints: [], withoutRowid: false, strict: false }
    : remembered(definitions, sql, parseTableDefinition);
  return { ...definition, name, sql, virtual };
}

/**
 * Reads the schema of a database.
 *
 * @param historyTable the table that is left out; undefined to leave out none but SQLite's own
 */
export async function readSchema(
  db: DatabaseBridge,
  historyTable: HistoryTable | undefined,
): Promise<SchemaSnapshot> {
  return schemaOf(await db.query(`${schemaRows('?')} ORDER BY rowid`, [historyTable?.key ?? '']));
}
