import type { DatabaseBridge } from '../database/database-bridge.js';
import { isSqliteError, type DatabaseError } from '../errors.js';
import { adoptionMismatch } from './adoption-mismatch.js';
import { probeDatabase } from './database-state.js';
import { occupied } from './history-change.js';
import type { HistoryTable } from './history-table.js';
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
    const probed = await probeDatabase(db, table);
    if (probed.kind === 'occupied') throw occupied(probed);
    return undefined;
  }
  const to = `${occupant.table}_${occupant.tool}`;
  const [taken] = await db.query('SELECT type FROM sqlite_schema WHERE lower(name) = ?', [foldName(to)]);
  if (taken === undefined) return { from: occupant.table, to };
  throw adoptionMismatch(
    `The table ${occupant.table} of ${occupant.title} has to be renamed to ${to}, and that name is taken (${String(taken.type)}).`,
    'Rename that one, or give our history another name (historyTable, --history-table).',
  );
}

/**
 * Renames a table; its rows, its indexes and the views on it stay with it. A view or trigger that is broken keeps SQLite
 * from renaming anything ("ALTER TABLE", section 3); where none of them speaks of the table, the older way of renaming does
 * not look at them ("PRAGMA legacy_alter_table").
 *
 * @throws UpgradeBridgeError (ADOPTION_MISMATCH) when a broken view or trigger is in the way, or a table with text in
 *   double quotes where this SQLite takes none
 */
export async function renameTable(db: DatabaseBridge, { from, to }: Renaming): Promise<void> {
  const rename = `ALTER TABLE ${quoteName(from)} RENAME TO ${quoteName(to)}`;
  try {
    await db.executeScript(rename);
  } catch (error) {
    if (!isRefusedForOthers(error)) throw error;
    const [concerned] = await db.query(
      `SELECT type, name FROM sqlite_schema WHERE type IN ('view', 'trigger') AND instr(lower(sql), ?) > 0`,
      [foldName(from)],
    );
    if (concerned !== undefined)
      throw adoptionMismatch(
        `The table ${from} has to be renamed to ${to}, the ${String(concerned.type)} ${quoteName(String(concerned.name))} speaks of it, and SQLite reports: ${error.message}.`,
        'Mend or drop what is broken, or give our history another name (historyTable, --history-table).',
        error,
      );
    await db.executeScript('PRAGMA legacy_alter_table = ON');
    try {
      await db.executeScript(rename);
    } catch (stillRefused) {
      if (!isRefusedForOthers(stillRefused)) throw stillRefused;
      throw adoptionMismatch(
        `The table ${from} has to be renamed to ${to}, and SQLite reports: ${stillRefused.message}.`,
        'Give our history another name (historyTable, --history-table). Where it is text in double quotes that this SQLite does not take, the driver sqlite3 does.',
        stillRefused,
      );
    } finally {
      await db.executeScript('PRAGMA legacy_alter_table = OFF');
    }
  }
}

/** `error in view v: no such table: t`: SQLite compiles the whole schema anew when it renames. */
function isRefusedForOthers(error: unknown): error is DatabaseError {
  return isSqliteError(error, 'SQLITE_ERROR') && error.message.startsWith('error in ');
}
