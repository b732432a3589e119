import type { DatabaseBridge } from '../database/database-bridge.js';
import { MigrationFailedError } from '../errors.js';
import { takeInventory } from './database-inventory.js';
import { guardAgainstLoss, markTransaction, type GuardedStep } from './migration-guards.js';
import type { HistoryTable } from './migration-history.js';
import type { RollBack } from './migration-plan.js';
import { runDown } from './migration-replay.js';

/** Undoing one migration, as the guards see it. */
export function rollBackStep({ migration }: RollBack, lossAllowed: boolean): GuardedStep {
  return {
    subject: `Undoing ${migration.filename}`,
    place: {
      filename: migration.down?.filename ?? migration.filename,
      statement: undefined,
      line: undefined,
    },
    directives: migration.code?.downDirectives ?? migration.down?.directives ?? migration.directives,
    lossAllowed,
  };
}

/**
 * Undoes migrations and takes all of it back, inside the transaction that is open, so that everything that would be lost
 * is told before anything is. Ends at the first that fails: then the attempt that is meant fails there too, and tells of it.
 *
 * @throws MigrationFailedError OBJECTS_LOST that names every loss that no down file declares
 */
export async function refuseLosses(
  db: DatabaseBridge,
  historyTable: HistoryTable,
  undo: readonly RollBack[],
  settings: { readonly countRows: boolean },
): Promise<void> {
  const losses: string[] = [];
  let failure: MigrationFailedError | undefined;
  await db.executeScript('SAVEPOINT trial');
  try {
    let before = await takeInventory(db, historyTable, settings);
    for (const each of undo) {
      const step = rollBackStep(each, true);
      const finish = await markTransaction(db);
      await runDown(db, historyTable, each.migration);
      await finish(step);
      const after = await takeInventory(db, historyTable, settings);
      const lost = guardAgainstLoss(step, before, after);
      losses.push(...lost.map((loss) => `${each.migration.filename}: ${loss}`));
      before = after;
    }
  } catch (error) {
    if (!(error instanceof MigrationFailedError)) throw error;
    failure = error;
  }
  try {
    await db.executeScript('ROLLBACK TO trial; RELEASE trial');
  } catch (error) {
    // What failed may have ended the transaction.
    throw failure ?? error;
  }
  const [first] = undo;
  if (losses.length === 0 || first === undefined) return;
  throw new MigrationFailedError(
    'OBJECTS_LOST',
    `Undoing ${undo.length} migrations would lose what no down file declares: ${losses.join('; ')}.`,
    rollBackStep(first, false).place,
    { hint: 'Nothing was changed. If that is meant, allow it (allowLoss, --yes).' },
  );
}
