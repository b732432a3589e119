import type { DatabaseBridge } from '../database/database-bridge.js';
import { DatabaseError, isSqliteError, UnreadableDatabaseError } from '../errors.js';
import { countBreaking, isForeignFunction, type CheckViolations } from './check-violations.js';
import { columnsOf } from './schema-comparison.js';
import { readSchema } from './schema-snapshot.js';

/** What SQLite's check of a database found. */
export interface IntegrityResult {
  /** The file contradicts itself. */
  readonly damage: readonly string[];
  /** Rows that break a CHECK or NOT NULL of their table: no damage, and there before us. */
  readonly brokenRules: readonly string[];
  /** Indexes on expressions whose value another SQLite version computes differently; REINDEX mends them. */
  readonly staleIndexes: readonly string[];
}

const checkLine = 'CHECK constraint failed in ';
const nullLine = 'NULL value in ';
const indexLine = /^(?:row \d+ missing from|wrong # of entries in) index (.+)$/;

/** Who looks at the CHECKs: a connection that can write and does not ignore them, or only whoever counts their violations. */
export type CheckReader = 'sqlite' | 'nobody';

/** Counts, check by check, the rows that break it: rows that were written while checks were ignored, or before there was one. */
export async function findCheckViolations(db: DatabaseBridge): Promise<CheckViolations[]> {
  const violations: CheckViolations[] = [];
  for (const table of (await readSchema(db, undefined)).tables.values()) {
    const columns = new Set(columnsOf(table).keys());
    for (const { kind, expression } of table.constraints) {
      if (kind !== 'check' || expression === undefined) continue;
      const rows = await countBreaking(db, table.name, expression, columns);
      if (rows > 0) violations.push({ table: table.name, expression, rows });
    }
  }
  return violations;
}

/** `3 rows of agent_memory break CHECK (role IN ('system', 'user', 'assistant'))`. */
export function describeCheckViolation({ table, expression, rows }: CheckViolations): string {
  return `${rows} ${rows === 1 ? 'row' : 'rows'} of ${table} ${rows === 1 ? 'breaks' : 'break'} CHECK ${expression}`;
}

async function expressionIndexes(db: DatabaseBridge): Promise<ReadonlySet<string>> {
  const rows = await db.query(
    `SELECT DISTINCT s.name FROM sqlite_schema AS s JOIN pragma_index_xinfo(s.name) AS x
     WHERE s.type = 'index' AND x.cid = -2`,
  );
  return new Set(rows.map(({ name }) => String(name)));
}

/** What SQLite said, and whether it passed over every CHECK. */
interface SqliteCheck {
  readonly lines: readonly string[];
  readonly ignoresChecks: boolean;
}

/** As much of a check as can be had: a CHECK or an index on a function that only the owner's program has is passed over. */
async function runCheck(db: DatabaseBridge, depth: 'quick' | 'full'): Promise<SqliteCheck> {
  try {
    return { lines: await linesOf(db, depth), ignoresChecks: false };
  } catch (error) {
    if (!isForeignFunction(error)) throw error;
  }
  const [row] = await db.query('PRAGMA ignore_check_constraints');
  await db.execute('PRAGMA ignore_check_constraints = ON');
  try {
    return { lines: await linesWithoutIndexes(db, depth), ignoresChecks: true };
  } finally {
    if (row?.ignore_check_constraints === 0) await db.execute('PRAGMA ignore_check_constraints = OFF');
  }
}

async function linesWithoutIndexes(db: DatabaseBridge, depth: 'quick' | 'full'): Promise<readonly string[]> {
  try {
    return await linesOf(db, depth);
  } catch (error) {
    if (!isForeignFunction(error)) throw error;
    if (depth === 'full') return linesWithoutIndexes(db, 'quick');
    // A column that is computed when it is read, and NOT NULL: SQLite looks at none of the tables without it.
    throw new DatabaseError(
      `The database "${db.location}" cannot be looked through for damage: ${error.message}.`,
      error.sqliteCode,
      {
        hint: 'Nothing was changed. Upgrade it in the program that has this function, on a connection of that program (upgradeConnection).',
        cause: error,
      },
    );
  }
}

async function linesOf(db: DatabaseBridge, depth: 'quick' | 'full'): Promise<readonly string[]> {
  const rows = await db.query(depth === 'full' ? 'PRAGMA integrity_check' : 'PRAGMA quick_check');
  return rows.flatMap((row) => Object.values(row).map(String)).flatMap((text) => text.split('\n'));
}

/**
 * Asks SQLite whether the database is whole ("PRAGMA integrity_check", "PRAGMA quick_check").
 *
 * @param depth `full` also holds every index against its table, and takes several times as long
 * @param reader `sqlite` where SQLite's own check looks at every CHECK on this connection
 */
export async function checkIntegrity(
  db: DatabaseBridge,
  depth: 'quick' | 'full',
  reader: CheckReader = 'nobody',
): Promise<IntegrityResult> {
  let check: SqliteCheck;
  try {
    check = await runCheck(db, depth);
  } catch (error) {
    if (!isSqliteError(error, 'SQLITE_CORRUPT', 'SQLITE_NOTADB')) throw error;
    return { damage: [error.message], brokenRules: [], staleIndexes: [] };
  }
  const { lines, ignoresChecks } = check;
  const found = lines.filter((line) => line !== 'ok' && line !== '');
  const computed = found.some((line) => indexLine.test(line))
    ? await expressionIndexes(db)
    : new Set<string>();
  const stale = (line: string): boolean => computed.has(indexLine.exec(line)?.[1] ?? '');
  const damage = found.filter(
    (line) => !line.startsWith(checkLine) && !line.startsWith(nullLine) && !stale(line),
  );
  const nulls = found.filter((line) => line.startsWith(nullLine));
  // SQLite names no CHECK, and on a connection that may only read it looks at none; counting takes a scan a check.
  const seen = found.filter((line) => line.startsWith(checkLine));
  const isSilent = reader === 'nobody' || ignoresChecks;
  const counts = depth === 'full' && damage.length === 0 && (isSilent || seen.length > 0);
  const checks = counts ? (await findCheckViolations(db)).map(describeCheckViolation) : seen;
  return { damage, brokenRules: [...nulls, ...checks], staleIndexes: found.filter(stale) };
}

/**
 * Refuses a damaged database, because writing to one can spread the damage.
 *
 * @throws UnreadableDatabaseError (DAMAGED_DATABASE) that quotes SQLite's first findings
 */
export async function refuseDamage(
  db: DatabaseBridge,
  depth: 'quick' | 'full',
  reader?: CheckReader,
): Promise<IntegrityResult> {
  const result = await checkIntegrity(db, depth, reader);
  if (result.damage.length > 0)
    throw new UnreadableDatabaseError(
      'DAMAGED_DATABASE',
      `The database "${db.location}" is damaged: ${result.damage.slice(0, 3).join('; ')}.`,
      {
        hint: 'Nothing was changed. Restore a backup, or save what can be read with the ".recover" command of the sqlite3 shell.',
      },
    );
  return result;
}
