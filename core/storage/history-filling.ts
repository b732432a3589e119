import type { DatabaseBridge } from '../database/database-bridge.js';
import { chainRows } from './history-chain.js';
import { missingColumns, sealColumn, type HistoryTable } from './history-table.js';
import type { AppliedMigration } from './history-row.js';
import { ensureHistory } from './migration-history.js';
import type { Migration } from './migration.js';

/**
 * Fills in what rows do not say that an earlier version of this package or another program wrote: checksum, release and
 * texts, from the files that they are about. A row without a checksum is trusted this once: from then on its file counts as
 * the one that was applied. Brings the table to today's shape, and chains its rows anew.
 *
 * @param applied the rows that stand applied
 * @param known the files and the migrations in code
 */
export async function fillHistory(
  db: DatabaseBridge,
  table: HistoryTable,
  applied: readonly AppliedMigration[],
  known: readonly Migration[],
): Promise<void> {
  const isOlder = (await missingColumns(db, table)).some((column) => column !== sealColumn);
  if (!isOlder && applied.every(({ checksum }) => checksum !== '')) return;
  await ensureHistory(db, table);
  const files = new Map(known.map((migration) => [migration.version, migration]));
  for (const { id, version, checksum } of applied) {
    const file = files.get(version);
    const fits = checksum === '' || (isOlder && checksum === file?.checksum);
    if (file === undefined || !fits) continue;
    const [up, down] = file.code === undefined ? [file.sql, file.down?.sql] : [];
    await db.execute(
      `UPDATE ${table.sql} SET checksum = ?, release = coalesce(release, ?), up_sql = coalesce(up_sql, ?),
         down_sql = coalesce(down_sql, ?) WHERE id = ?`,
      [file.checksum, file.release ?? null, up ?? null, down ?? null, id],
    );
  }
  await chainRows(db, table);
}
