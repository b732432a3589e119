import type { DatabaseBridge } from '../database/database-bridge.js';
import { MigrationFailedError } from '../errors.js';
import { takeInventory } from './database-inventory.js';
import {
  allows,
  guardAgainstLoss,
  markTransaction,
  namedLosses,
  type AllowedLoss,
  type GuardedStep,
} from './migration-guards.js';
import type { HistoryTable } from './history-table.js';
import type { RollBack } from './migration-plan.js';
import { runDown } from './migration-replay.js';
import type { Migration } from './migration.js';

/** Undoing one migration, as the guards see it. */
export function rollBackStep({ migration }: RollBack, lossAllowed: AllowedLoss): GuardedStep {
  return {
    subject: `Undoing ${migration.filename}`,
    place: {
      filename: migration.down?.filename ?? migration.filename,
      statement: undefined,
      line: undefined,
    },
    directives: migration.code?.downDirectives ?? migration.down?.directives ?? migration.directives,
    lossAllowed,
    isCode: migration.code !== undefined,
  };
}

/** What a trial found: what would be lost that no down file declares, and the migration that cannot be undone. */
export interface Trial {
  /** As a person reads them. */
  readonly losses: readonly string[];
  /** As they are allowed. */
  readonly named: readonly string[];
  readonly failed: { readonly migration: Migration; readonly error: MigrationFailedError } | undefined;
}

/**
 * Undoes migrations and takes all of it back, inside the transaction that is open, so that everything that would be lost,
 * and a down file that fails, is known before anything is kept. Ends at the first that fails, and before one that cannot
 * run in a transaction.
 */
export async function tryToUndo(
  db: DatabaseBridge,
  historyTable: HistoryTable,
  undo: readonly RollBack[],
  settings: { readonly countRows: boolean },
): Promise<Trial> {
  const losses: string[] = [];
  const named: string[] = [];
  let failed: Trial['failed'];
  await db.executeScript('SAVEPOINT trial');
  let before = await takeInventory(db, historyTable, settings);
  for (const each of undo) {
    const { migration } = each;
    if (migration.down?.directives.noTransaction === true) break;
    const step = rollBackStep(each, true);
    try {
      const finish = await markTransaction(db);
      await runDown(db, historyTable, migration);
      await finish(step);
      const after = await takeInventory(db, historyTable, settings);
      const lost = guardAgainstLoss(step, before, after);
      losses.push(...lost.map((loss) => `${migration.filename}: ${loss}`));
      named.push(...namedLosses(step, lost));
      before = after;
    } catch (error) {
      if (!(error instanceof MigrationFailedError)) throw error;
      failed = { migration, error };
      break;
    }
  }
  try {
    await db.executeScript('ROLLBACK TO trial; RELEASE trial');
  } catch (error) {
    // What failed may have ended the transaction.
    if (failed === undefined) throw error;
  }
  return { losses, named, failed };
}

/** @throws MigrationFailedError OBJECTS_LOST that names every loss, where one of them is not allowed */
export function refuseLosses(
  undo: readonly RollBack[],
  { losses, named }: Trial,
  allowed: AllowedLoss,
): void {
  const [first] = undo;
  if (first === undefined || allows(allowed, named)) return;
  throw new MigrationFailedError(
    'OBJECTS_LOST',
    `Undoing ${undo.length} migrations would lose what no down file declares: ${losses.join('; ')}.`,
    rollBackStep(first, false).place,
    {
      hint: 'Nothing was changed. If that is meant, allow it (allowLoss, --yes), or declare it: in the header of the down file (drops, allow-loss), of a migration in code as downDrops, downAllowLoss.',
      losses: named,
    },
  );
}
