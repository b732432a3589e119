import type { DatabaseBridge } from '../database/database-bridge.js';
import { UnreadableDatabaseError, isSqliteError } from '../errors.js';

/** What SQLite's check of a database found. */
export interface IntegrityResult {
  /** The file contradicts itself. */
  readonly damage: readonly string[];
  /** Rows that break a CHECK or NOT NULL of their table: no damage, and there before us. */
  readonly brokenRules: readonly string[];
  /** Indexes on expressions whose value another SQLite version computes differently; REINDEX mends them. */
  readonly staleIndexes: readonly string[];
}

const ruleLine = /^(CHECK constraint failed in|NULL value in) /;
const indexLine = /^(?:row \d+ missing from|wrong # of entries in) index (.+)$/;

async function expressionIndexes(db: DatabaseBridge): Promise<ReadonlySet<string>> {
  const rows = await db.query(
    `SELECT DISTINCT s.name FROM sqlite_schema AS s JOIN pragma_index_xinfo(s.name) AS x
     WHERE s.type = 'index' AND x.cid = -2`,
  );
  return new Set(rows.map(({ name }) => String(name)));
}

/**
 * Asks SQLite whether the database is whole ("PRAGMA integrity_check", "PRAGMA quick_check").
 *
 * @param depth `full` also holds every index against its table, and takes several times as long
 */
export async function checkIntegrity(db: DatabaseBridge, depth: 'quick' | 'full'): Promise<IntegrityResult> {
  let lines: string[];
  try {
    const rows = await db.query(depth === 'full' ? 'PRAGMA integrity_check' : 'PRAGMA quick_check');
    lines = rows.flatMap((row) => Object.values(row).map(String)).flatMap((text) => text.split('\n'));
  } catch (error) {
    if (!isSqliteError(error, 'SQLITE_CORRUPT', 'SQLITE_NOTADB')) throw error;
    return { damage: [error.message], brokenRules: [], staleIndexes: [] };
  }
  const found = lines.filter((line) => line !== 'ok' && line !== '');
  const computed = found.some((line) => indexLine.test(line))
    ? await expressionIndexes(db)
    : new Set<string>();
  const stale = (line: string): boolean => computed.has(indexLine.exec(line)?.[1] ?? '');
  return {
    damage: found.filter((line) => !ruleLine.test(line) && !stale(line)),
    brokenRules: found.filter((line) => ruleLine.test(line)),
    staleIndexes: found.filter(stale),
  };
}

/**
 * Refuses a damaged database, because writing to one can spread the damage.
 *
 * @throws UnreadableDatabaseError (DAMAGED_DATABASE) that quotes SQLite's first findings
 */
export async function refuseDamage(db: DatabaseBridge, depth: 'quick' | 'full'): Promise<IntegrityResult> {
  const result = await checkIntegrity(db, depth);
  if (result.damage.length > 0)
    throw new UnreadableDatabaseError(
      'DAMAGED_DATABASE',
      `The database ${db.location} is damaged: ${result.damage.slice(0, 3).join('; ')}.`,
      {
        hint: 'Nothing was changed. Restore a backup, or save what can be read with the ".recover" command of the sqlite3 shell.',
      },
    );
  return result;
}
