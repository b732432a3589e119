import { randomBytes } from 'node:crypto';

import type { DatabaseBridge, SqlValue } from '../database/database-bridge.js';
import { tryTransaction } from '../database/transaction.js';
import { LARGEST_USER_VERSION } from './database-state.js';
import type { HistoryTable } from './history-table.js';
import { canDoNoHarm, makesRules, plainTables } from './migration-effect.js';
import { attemptAt, linkedRow, type Attempt } from './history-row.js';
import type { Migration } from './migration.js';
import type { UpgradeConnection } from './upgrade-connection.js';
import type { UpgradeWork } from './upgrade-request.js';

/** Up to which size of the database it does not matter that a step which fails is carried out twice. */
const SMALL_BYTES = 64 * 1024 ** 2;

/** What is known of a database between two of our transactions, until another connection writes to it. */
export interface Standing {
  /** "PRAGMA data_version": changes when another connection has committed, and never by our own doing. */
  readonly dataVersion: number;
  /** What is left to do. */
  readonly work: UpgradeWork;
  readonly userVersion: number;
  /** The hash of the newest row of the history. */
  readonly hash: string;
  /** Whether rows that are added or changed can do no more than be there. */
  readonly plain: boolean;
  readonly small: boolean;
}

/** Notes how the database stands at the end of a transaction. */
export async function readStanding(
  db: DatabaseBridge,
  table: HistoryTable,
  work: UpgradeWork,
): Promise<Standing> {
  const [row] = await db.query(
    `SELECT (SELECT data_version FROM pragma_data_version) AS dataVersion,
       (SELECT user_version FROM pragma_user_version) AS userVersion,
       (SELECT hash FROM ${table.sql} ORDER BY id DESC LIMIT 1) AS hash,
       (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size) AS bytes,
       ${plainTables} AS plain`,
  );
  return {
    dataVersion: Number(row?.dataVersion),
    work,
    userVersion: Number(row?.userVersion),
    hash: typeof row?.hash === 'string' ? row.hash : '',
    plain: row?.plain === 1,
    small: Number(row?.bytes) <= SMALL_BYTES,
  };
}

/** What is left to do when a migration is applied. */
export function withoutMigration(work: UpgradeWork, { version }: Migration): UpgradeWork {
  const [next] = work.plan.pending;
  const pending =
    next?.version === version
      ? work.plan.pending.slice(1)
      : work.plan.pending.filter((migration) => migration.version !== version);
  return { ...work, plan: { ...work.plan, pending } };
}

/**
 * The migration that can be applied in two calls of the driver: one that can do no harm, is not the first or the last of
 * its upgrade, and whose transaction asks nothing but whether the database stands as it was left.
 */
export function quickMigration({ work, plain, small }: Standing): Migration | undefined {
  const [next, another] = work.plan.pending;
  if (next === undefined || another === undefined || !small || work.plan.undo.length > 0) return undefined;
  const newest = work.state.kind === 'managed' ? (work.state.applied.at(-1)?.version ?? 0) : 0;
  const fits = Math.max(next.version, newest) <= LARGEST_USER_VERSION;
  return fits && !next.directives.noTransaction && canDoNoHarm(next, plain) ? next : undefined;
}

/**
 * Applies a migration: its statements, its row in the history and user_version in one transaction.
 *
 * @returns undefined where anything was refused, and nothing is kept: applied statement by statement, it says what
 */
export function applyQuickly(
  connection: UpgradeConnection,
  table: HistoryTable,
  migration: Migration,
  standing: Standing,
): Promise<{ attempt: Attempt; standing: Standing } | undefined> {
  const { db } = connection;
  const mark = `step_${randomBytes(8).toString('hex')}`;
  // The semicolon stands right behind each statement: SQLite keeps what is before it as the text of an index.
  const script = [
    'BEGIN IMMEDIATE',
    `SELECT iif((SELECT data_version FROM pragma_data_version) = ${standing.dataVersion}, 1, json('somebody wrote'))`,
    `SAVEPOINT ${mark}`,
    ...migration.statements.map(({ sql }) => sql),
    `RELEASE ${mark}`,
  ];
  return tryTransaction(db, async () => {
    const started = performance.now();
    await connection.interruptible(() => db.executeScript(script.join(';\n')));
    const attempt = attemptAt(migration, {
      status: 'applied',
      origin: 'migration',
      executionTimeMs: performance.now() - started,
      details: {},
    });
    const row = linkedRow(attempt, standing.hash);
    const values = Object.values(row).map(literal).join(', ');
    // A legacy database lacks files below the newest one that it holds.
    const userVersion = Math.max(standing.userVersion, migration.version);
    await db.executeScript(
      `INSERT INTO ${table.sql} (${Object.keys(row).join(', ')}) VALUES (${values});
       PRAGMA user_version = ${userVersion};
       COMMIT`,
    );
    return {
      attempt,
      standing: {
        ...standing,
        work: withoutMigration(standing.work, migration),
        userVersion,
        hash: String(row.hash),
        plain: standing.plain && !makesRules(migration),
      },
    };
  });
}

function literal(value: SqlValue): string {
  if (typeof value === 'string') return `'${value.replaceAll("'", "''")}'`;
  return value === null || typeof value === 'number'
    ? String(value)
    : `x'${Buffer.from(value).toString('hex')}'`;
}
