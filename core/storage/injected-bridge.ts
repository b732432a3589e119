import type {
  DatabaseBridge,
  ExecuteResult,
  LocalBridge,
  Row,
  SqlValue,
} from '../database/database-bridge.js';
import { codeOf, databaseError } from '../database/driver-errors.js';
import { DatabaseError, InvalidOptionError, messageOf, UpgradeBridgeError } from '../errors.js';

/**
 * What a program of its own has to bring of a connection: two verbs. What it does not have of a `DatabaseBridge` is made of
 * these, and whatever else it has is not looked at.
 */
export interface InjectedBridge {
  /** As that of a `DatabaseBridge`, but it may return anything. */
  execute(sql: string, parameters?: readonly SqlValue[]): Promise<unknown>;
  query(sql: string, parameters?: readonly SqlValue[]): Promise<readonly Row[]>;
  executeScript?(sql: string): Promise<unknown>;
  close?(): Promise<unknown>;
  interrupt?(): void;
  /** What a message may call the database. Default: `(injected)`. */
  readonly location?: string;
}

/** What a connection of the caller's own reported, and may say where its database is. */
export class InjectedFailure extends DatabaseError {
  override readonly name = 'DatabaseError';
}

/**
 * A connection of the caller's own as this package uses it: what it lacks is made of `execute` and `query`, what it throws
 * becomes a `DatabaseError`, and a number that is none is refused by name.
 *
 * @throws InvalidOptionError when a verb is missing
 */
export function asBridge(given: InjectedBridge): DatabaseBridge {
  if (isLocal(given)) return given;
  refuseMissingVerbs(given);
  const adapted = new AdaptedBridge(given);
  return given.interrupt === undefined
    ? adapted
    : Object.assign(adapted, { interrupt: () => given.interrupt?.() });
}

/** What this package has opened itself keeps every promise already. */
function isLocal(given: InjectedBridge): given is LocalBridge {
  const value: unknown = given;
  return typeof value === 'object' && value !== null && 'backupTo' in value;
}

/** Callers without types may give anything. */
function refuseMissingVerbs(given: unknown): void {
  const isObject = typeof given === 'object' && given !== null;
  const missing = ['execute', 'query'].filter(
    (verb) => !isObject || typeof Reflect.get(given, verb) !== 'function',
  );
  if (missing.length === 0) return;
  throw new InvalidOptionError(`The connection has no method ${missing.join(' and no method ')}.`, {
    hint: 'Give what openConnection returns, or an object with execute(sql, parameters) and query(sql, parameters).',
  });
}

class AdaptedBridge implements DatabaseBridge {
  readonly location: string;

  constructor(private readonly given: InjectedBridge) {
    this.location = given.location ?? '(injected)';
  }

  async execute(sql: string, parameters?: readonly SqlValue[]): Promise<ExecuteResult> {
    const result = await named(() => this.given.execute(sql, parameters));
    if (isExecuteResult(result)) return result;
    if (!/^\s*(?:insert|update|delete|replace|with)\b/i.test(sql)) return { changes: 0, lastInsertRowid: 0 };
    const [row] = await this.query('SELECT changes() AS changes, last_insert_rowid() AS rowid');
    return { changes: Number(row?.changes), lastInsertRowid: Number(row?.rowid) };
  }

  async executeScript(sql: string): Promise<void> {
    if (this.given.executeScript !== undefined) {
      await named(() => this.given.executeScript?.(sql));
      return;
    }
    // Most programs start without it.
    const { splitStatements } = await import('./sql-script.js');
    for (const statement of splitStatements(sql)) await named(() => this.given.execute(statement.sql));
  }

  async query(sql: string, parameters?: readonly SqlValue[]): Promise<Row[]> {
    const rows: unknown = await named(() => this.given.query(sql, parameters));
    if (!Array.isArray(rows)) throw wrongRows('query of the connection must return a list of rows');
    return rows.map(checkedRow);
  }

  async close(): Promise<void> {
    await named(() => this.given.close?.());
  }
}

function isExecuteResult(result: unknown): result is ExecuteResult {
  return (
    typeof result === 'object' &&
    result !== null &&
    'changes' in result &&
    typeof result.changes === 'number' &&
    'lastInsertRowid' in result &&
    typeof result.lastInsertRowid === 'number'
  );
}

function checkedRow(row: unknown): Row {
  if (!isRow(row)) throw wrongRows('query of the connection must return each row as an object');
  const large = Object.entries<unknown>(row).find(([, value]) => typeof value === 'bigint');
  if (large !== undefined)
    throw wrongRows(
      `query of the connection returned ${String(large[1])} in ${large[0]} as a BigInt, and numbers must be numbers`,
    );
  return row;
}

function isRow(row: unknown): row is Row {
  return typeof row === 'object' && row !== null && !Array.isArray(row);
}

function wrongRows(what: string): InvalidOptionError {
  return new InvalidOptionError(`${what.charAt(0).toUpperCase()}${what.slice(1)}.`, {
    hint: 'Have query(sql, parameters) return an array of objects by column name, with numbers, strings, null and Uint8Array.',
  });
}

/** Gives what a connection throws the one form in which the rest knows failures. */
async function named<Result>(work: () => Result | Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof UpgradeBridgeError) throw error;
    const known = databaseError(
      codeOf(error) ?? 'SQLITE_ERROR',
      messageOf(error).replace(/^SQLITE_[A-Z]+: /, ''),
      error,
    );
    throw new InjectedFailure(known.message, known.sqliteCode, { hint: known.hint, cause: error });
  }
}
