import type { DatabaseBridge, DatabaseDriver, Row, SqlValue } from '../database/database-bridge.js';
import { resolveDriver, type DriverOption } from '../database/drivers.js';
import { withRollback } from '../database/transaction.js';
import { FileAccessError, isSqliteError, type DatabaseError } from '../errors.js';
import { bundledText } from './bundle-opening.js';
import {
  parseChecks,
  readChecks,
  readFolderChecks,
  type DatabaseCheck,
  type Expectation,
} from './check-files.js';
import { resolveDatabaseFile, type DatabaseFile } from './database-file.js';
import { nameReadError, readUserVersion } from './database-state.js';
import { isBundle } from './migration-bundle.js';
import { CHECKS_FILE, type MigrationFileOptions } from './migration-files.js';
import type { Statement } from './migration.js';
import { foldName, isKeyword, tokenize } from './sql-tokens.js';
import { rowStatementOf } from './touched-rows.js';
import type { Migrations } from './upgrade-options.js';

/** What became of one of a project's own checks. */
export interface CheckResult {
  readonly name: string;
  readonly ok: boolean;
  /** What happened, in words. */
  readonly found: string;
  /** What was to happen, as the file says it. */
  readonly expected: string;
  /** The line of the file on which the check begins. */
  readonly line: number;
}

/** How many rows of a result are looked at. */
const SHOWN_ROWS = 20;
const SHOWN_CHARACTERS = 60;

/** SQLite's answers to a statement that breaks a rule of the schema, rather than of the language. */
const brokenRules = ['SQLITE_CONSTRAINT', 'SQLITE_MISMATCH'];

type Outcome = Pick<CheckResult, 'ok' | 'found'>;

/**
 * Carries out a project's own checks on a database, each in a transaction that is rolled back, with foreign keys on.
 *
 * Where no check writes, the database is only read. Otherwise a connection of its own takes the write lock for as long as
 * each check takes; programs that write meanwhile wait, and no row is changed.
 *
 * @param database the path of the database
 * @param checks the path of the file of checks, or what `readChecks` made of it
 * @throws MigrationFileError when the file is not as it must be
 * @throws FileAccessError, UnreadableDatabaseError when the database cannot be used
 * @throws LockedError when another program does not let go of it in time
 */
export async function runChecks(
  database: string,
  checks: string | readonly DatabaseCheck[],
  options: MigrationFileOptions & DriverOption = {},
): Promise<readonly CheckResult[]> {
  const driver = resolveDriver(options.driver);
  const list = typeof checks === 'string' ? await readChecks(checks, options) : checks;
  if (list.length === 0) return [];
  const file = await resolveDatabaseFile(database, list.some(writes) ? 'write' : 'read');
  if (!file.exists)
    throw new FileAccessError('MISSING_DATABASE', `There is no database at "${database}".`, {
      hint: 'Check the path.',
    });
  return carryOutChecks(driver, file, list);
}

/**
 * The checks that belong to a folder of migrations or to a bundle of one, or those in a file of their own.
 *
 * @param checks the path of the file; `false` for none; otherwise the `checks.sql` of the folder, where there is one
 * @throws MigrationFileError when the file is not as it must be
 */
export async function findChecks(
  migrations: Migrations,
  checks: string | false | undefined,
  options: MigrationFileOptions = {},
): Promise<readonly DatabaseCheck[]> {
  if (checks === false) return [];
  if (checks !== undefined) return readChecks(checks, options);
  if (isBundle(migrations)) {
    const { checks: bundled } = migrations;
    return bundled === undefined
      ? []
      : parseChecks(bundled.filename, Buffer.from(bundledText(bundled)), options);
  }
  if (typeof migrations !== 'string') return [];
  const bytes = await readFolderChecks(migrations);
  return bytes === undefined ? [] : parseChecks(CHECKS_FILE, bytes, options);
}

async function carryOutChecks(
  driver: DatabaseDriver,
  file: DatabaseFile,
  checks: readonly DatabaseCheck[],
): Promise<CheckResult[]> {
  const writing = checks.some(writes);
  const results: CheckResult[] = [];
  try {
    // The last connection that closes carries a write-ahead log over into the file, unless it may only read.
    const keeper = await driver.open(file.canonicalPath, 'read-only');
    try {
      await readUserVersion(keeper);
      const db = writing ? await driver.open(file.canonicalPath, 'read-write') : keeper;
      try {
        await db.executeScript('PRAGMA foreign_keys = ON');
        for (const check of checks) {
          const { name, line, expected } = check;
          const begin = writes(check) ? 'BEGIN IMMEDIATE' : 'BEGIN';
          results.push({
            name,
            line,
            expected,
            ...(await withRollback(db, begin, () => carryOut(db, check))),
          });
        }
      } finally {
        if (db !== keeper) await db.close();
      }
    } finally {
      await keeper.close();
    }
  } catch (error) {
    throw nameReadError(error, file.path);
  }
  return results;
}

function writes({ statements }: DatabaseCheck): boolean {
  return !statements.every(isReading);
}

function isReading({ sql }: Statement): boolean {
  return isQuery(sql) || isKeyword(tokenize(sql)[0], 'PRAGMA');
}

/** Whether a statement, which begins with a word, is one that can stand in parentheses as a table. */
function isQuery(sql: string): boolean {
  return isKeyword(tokenize(sql)[0], 'SELECT', 'VALUES', 'WITH') && rowStatementOf(sql) === undefined;
}

async function carryOut(db: DatabaseBridge, { statements, expectation }: DatabaseCheck): Promise<Outcome> {
  const last = statements.at(-1);
  for (const statement of statements.slice(0, -1)) {
    const failure = await failureOf(db.executeScript(statement.sql));
    if (failure !== undefined)
      return { ok: false, found: `the statement on line ${statement.line} failed: ${failure.message}` };
  }
  return last === undefined ? { ok: false, found: 'no statement' } : meets(db, last, expectation);
}

async function meets(db: DatabaseBridge, { sql }: Statement, expectation: Expectation): Promise<Outcome> {
  if (expectation.kind === 'fails') return fails(db, sql, expectation.message);
  if (expectation.kind === 'uses index') return usesIndex(db, sql, expectation.index);
  let rows: Row[] = [];
  const limited = isQuery(sql) ? `SELECT * FROM (${sql}) LIMIT ${SHOWN_ROWS + 1}` : sql;
  const failure = await failureOf(
    db.query(limited).then((found) => {
      rows = found;
    }),
  );
  if (failure !== undefined) return { ok: false, found: `it failed: ${failure.message}` };
  switch (expectation.kind) {
    case 'rows':
      return { ok: rows.length > 0, found: counted(rows) };
    case 'no rows':
      return { ok: rows.length === 0, found: counted(rows) };
    case 'value':
      return isValue(rows, expectation.value);
  }
}

/** What SQLite said against a statement; undefined where it was carried out. A trouble of the machine travels. */
async function failureOf(statement: Promise<unknown>): Promise<DatabaseError | undefined> {
  try {
    await statement;
    return undefined;
  } catch (error) {
    if (isSqliteError(error, 'SQLITE_ERROR', 'SQLITE_AUTH', 'SQLITE_TOOBIG', ...brokenRules)) return error;
    throw error;
  }
}

async function fails(db: DatabaseBridge, sql: string, message: string | undefined): Promise<Outcome> {
  const failure = await failureOf(db.executeScript(sql));
  if (failure === undefined) return { ok: false, found: 'it was carried out' };
  const found = `it failed: ${failure.message}`;
  if (!isSqliteError(failure, ...brokenRules))
    return { ok: false, found: `${found}, which is no rule of the schema` };
  return { ok: message === undefined || failure.message.includes(message), found };
}

async function usesIndex(db: DatabaseBridge, sql: string, index: string): Promise<Outcome> {
  let plan: Row[] = [];
  const failure = await failureOf(
    db.query(`EXPLAIN QUERY PLAN ${sql}`).then((found) => {
      plan = found;
    }),
  );
  if (failure !== undefined) return { ok: false, found: `it failed: ${failure.message}` };
  const steps = plan.map(({ detail }) => String(detail));
  const used = steps.flatMap((step) => / USING (?:COVERING )?INDEX (.+?)(?: \(|$)/.exec(step)?.[1] ?? []);
  return {
    ok: used.some((name) => foldName(name) === foldName(index)),
    found: steps.length === 0 ? 'no plan' : steps.join('; '),
  };
}

function isValue(rows: readonly Row[], expected: SqlValue): Outcome {
  const [row, second] = rows;
  if (row === undefined || second !== undefined) return { ok: false, found: counted(rows) };
  const values = Object.values(row);
  const [value = null] = values;
  if (values.length !== 1) return { ok: false, found: `a row of ${values.length} values` };
  return { ok: literalOf(value) === literalOf(expected), found: shortened(literalOf(value)) };
}

function counted({ length }: readonly Row[]): string {
  if (length === 0) return 'no rows';
  if (length > SHOWN_ROWS) return `more than ${SHOWN_ROWS} rows`;
  return `${length} ${length === 1 ? 'row' : 'rows'}`;
}

function literalOf(value: SqlValue): string {
  if (value === null) return 'NULL';
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string') return `'${value.replaceAll("'", "''")}'`;
  return `x'${Buffer.from(value).toString('hex').toUpperCase()}'`;
}

function shortened(text: string): string {
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
}
