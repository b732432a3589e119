import type { DatabaseBridge } from '../database/database-bridge.js';
import { adoptionMismatch } from './adoption-mismatch.js';
import { probeOwn } from './history-change.js';
import type { HistoryTable } from './migration-history.js';
import { findOtherHistories } from './other-history-reading.js';
import { foldName } from './sql-tokens.js';
import { quoteName } from './table-definition.js';

/** A table that gets another name, because it bears that of our history. */
export interface Renaming {
  readonly from: string;
  readonly to: string;
}

/**
 * Looks what bears the name of our history, and what it is to be called.
 *
 * @returns undefined where the name is free
 * @throws UpgradeBridgeError (ADOPTION_MISMATCH) when the new name is taken
 * @throws ForeignDatabaseError when something that is no history of another tool stands where ours should be
 */
export async function planRenaming(db: DatabaseBridge, table: HistoryTable): Promise<Renaming | undefined> {
  const occupant = (await findOtherHistories(db, table)).find(
    (history) => foldName(history.table ?? '') === table.key,
  );
  if (occupant?.table === undefined) {
    await probeOwn(db, table);
    return undefined;
  }
  const to = `${occupant.table}_${occupant.tool}`;
  const [taken] = await db.query('SELECT type FROM sqlite_schema WHERE lower(name) = ?', [foldName(to)]);
  if (taken === undefined) return { from: occupant.table, to };
  throw adoptionMismatch(
    `The table ${occupant.table} of ${occupant.title} has to be renamed to ${to}, and there is a ${String(taken.type)} of that name.`,
    'Rename that one, or give our history another name (historyTable, --history-table).',
  );
}

/** Renames a table; its rows, its indexes and the views on it stay with it. */
export async function renameTable(db: DatabaseBridge, { from, to }: Renaming): Promise<void> {
  await db.executeScript(`ALTER TABLE ${quoteName(from)} RENAME TO ${quoteName(to)}`);
}
