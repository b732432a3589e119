import type { DatabaseBridge } from '../database/database-bridge.js';
import { countedTables, countedTablesIn, type CountedTable } from './database-inventory.js';
import { indexedColumns, type HistoryTable } from './history-table.js';
import { plainTables } from './migration-effect.js';
import type { Migration } from './migration.js';
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
  /** The hash of the newest row of the history; empty where there is none. */
  readonly hash: string;
  /** Whether the history is there, in today's shape. */
  readonly hasHistory: boolean;
  /** Whether nothing at all is in the database. */
  readonly bare: boolean;
  /** Whether rows that are added or changed can do no more than be there. */
  readonly plain: boolean;
  readonly small: boolean;
  /** Whether the database has a write-ahead log, so that no reader keeps a commit waiting. */
  readonly wal: boolean;
  /** The tables that there were at that time, where they were asked for. */
  readonly tables: readonly CountedTable[] | undefined;
}

/**
 * Notes how the database stands in the transaction that is open.
 *
 * @param recorded whether the history was written before, and so has today's shape
 * @param lists whether the tables are asked for as well
 * @returns undefined where that is not known of the history
 */
export async function readStanding(
  db: DatabaseBridge,
  { sql, key }: HistoryTable,
  work: UpgradeWork,
  recorded: boolean,
  lists = false,
): Promise<Standing | undefined> {
  const isThere = recorded || work.hasWholeHistory === true;
  const [hash, indexed, keys] = isThere
    ? [`(SELECT hash FROM ${sql} ORDER BY id DESC LIMIT 1)`, indexedTwice, [key, ...indexedColumns]]
    : ["''", '1', []];
  const [row] = await db.query(
    `SELECT (SELECT data_version FROM pragma_data_version) AS dataVersion,
       (SELECT user_version FROM pragma_user_version) AS userVersion,
       (SELECT journal_mode FROM pragma_journal_mode) AS journal,
       (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size) AS bytes,
       NOT EXISTS (SELECT 1 FROM sqlite_schema) AS bare,
       ${hash} AS hash, ${indexed} AS indexed, ${plainTables} AS plain,
       ${lists ? countedTables : 'NULL'} AS tables`,
    lists ? [...keys, key] : keys,
  );
  const bare = row?.bare === 1;
  if (isThere ? !recorded && row?.indexed !== 1 : !bare) return undefined;
  return {
    dataVersion: Number(row?.dataVersion),
    work,
    userVersion: Number(row?.userVersion),
    hash: typeof row?.hash === 'string' ? row.hash : '',
    hasHistory: isThere,
    bare,
    plain: row?.plain === 1,
    small: Number(row?.bytes) <= SMALL_BYTES,
    wal: row?.journal === 'wal',
    tables: lists ? countedTablesIn(row?.tables) : undefined,
  };
}

/** Whether the history has the indexes that it is given; where one is missing, a step of the slow way adds it. */
const indexedTwice = `(SELECT count(DISTINCT i.name) FROM pragma_index_list(?) AS l JOIN pragma_index_info(l.name) AS i
  WHERE i.seqno = 0 AND i.name IN (${indexedColumns.map(() => '?').join()})) = ${indexedColumns.length}`;

/** What is left to do when a migration is applied. */
export function withoutMigration(work: UpgradeWork, { version }: Migration): UpgradeWork {
  const [next] = work.plan.pending;
  const pending =
    next?.version === version
      ? work.plan.pending.slice(1)
      : work.plan.pending.filter((migration) => migration.version !== version);
  return { ...work, plan: { ...work.plan, pending } };
}
