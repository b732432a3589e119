import type { DatabaseBridge } from '../database/database-bridge.js';
import { isSqliteError, type DatabaseError } from '../errors.js';
import { foldName, isKeyword, nameOf, tokenize } from './sql-tokens.js';
import { quoteName } from './table-definition.js';

/** Rows of a table that break one of its CHECKs. */
export interface CheckViolations {
  readonly table: string;
  readonly expression: string;
  readonly rows: number;
}

/** The names by which SQL reaches the rowid of a table that has no column of the name. */
const rowidNames: readonly string[] = ['rowid', '_rowid_', 'oid'];

/**
 * Counts the rows of a table that break a CHECK.
 *
 * @param columns the table's columns by their folded names
 * @returns 0 also where the check calls a function that only the owner's program has: it can be tried by that one only
 */
export async function countBreaking(
  db: DatabaseBridge,
  table: string,
  expression: string,
  columns: ReadonlySet<string>,
): Promise<number> {
  try {
    const [row] = await db.query(
      `SELECT count(*) AS rows FROM ${quoteName(table)} WHERE NOT ${withPlainText(expression, columns)}`,
    );
    return Number(row?.rows);
  } catch (error) {
    if (isForeignFunction(error)) return 0;
    throw error;
  }
}

/** Whether SQLite refused because of a function that only the program which made the database has. */
export function isForeignFunction(error: unknown): error is DatabaseError {
  return isSqliteError(error, 'SQLITE_ERROR') && /(unknown|no such) function/.test(error.message);
}

/**
 * A CHECK's expression with its text in single quotes. In a table's definition that is there already, every SQLite takes
 * what stands in double quotes and names no column for a text; in a query, not every one does ("Double-quoted String
 * Literals Are Accepted").
 *
 * @param columns the table's columns by their folded names
 */
export function withPlainText(expression: string, columns: ReadonlySet<string>): string {
  const tokens = tokenize(expression).filter(({ kind }) => kind !== 'comment');
  let plain = '';
  let done = 0;
  for (const [index, token] of tokens.entries()) {
    const [before, after] = [tokens[index - 1], tokens[index + 1]];
    if (token.kind !== 'quoted-name' || !token.text.startsWith('"')) continue;
    // A name of something else: of a table or its column, of a collation or a type, of a function.
    if (before?.text === '.' || after?.text === '.' || after?.text === '(') continue;
    if (isKeyword(before, 'COLLATE', 'AS')) continue;
    const text = nameOf(token) ?? '';
    if (columns.has(foldName(text)) || rowidNames.includes(foldName(text))) continue;
    plain += `${expression.slice(done, token.start)}'${text.replaceAll("'", "''")}'`;
    done = token.start + token.text.length;
  }
  return plain + expression.slice(done);
}
