import type { Command } from 'commander';

import { MigrationFailedError } from '../errors.js';
import type { RollBackOptions, UpgradeReport } from '../index.js';
import { addChangeOptions, carryOut, type ChangeOptions } from './change.js';
import { canAsk, confirm, NotConfirmed } from './confirmation.js';
import type { Output } from './output.js';

/** What every command takes that may undo migrations. */
export interface UndoOptions extends ChangeOptions {
  readonly yes?: boolean;
  readonly fromHistory?: boolean;
}

export function addUndoOptions(command: Command): Command {
  return addChangeOptions(
    command
      .option('--yes', 'lose the rows and objects that undoing loses, without being asked')
      .option('--from-history', 'undo migrations that are no files here by the text that the history kept'),
  );
}

/**
 * Carries out a change that may undo migrations. Where undoing would lose what no down file declares, nothing is changed
 * until somebody has said yes.
 *
 * @throws MigrationFailedError OBJECTS_LOST, ROWS_LOST when there is nobody to ask
 * @throws NotConfirmed when the answer is no
 */
export function carryOutUndo(
  options: UndoOptions,
  output: Output,
  change: (settings: RollBackOptions) => Promise<UpgradeReport>,
): Promise<UpgradeReport> {
  return carryOut(options, output, async (settings, signal) => {
    const terms = { ...settings, fromHistory: options.fromHistory };
    if (options.yes === true) return change({ ...terms, allowLoss: true });
    let agreed: readonly string[] = [];
    for (;;) {
      try {
        return await change({ ...terms, allowLoss: agreed });
      } catch (error) {
        if (!isLossOfUndoing(error) || !canAsk()) throw error;
        output.remark(error.message);
        if (!(await confirm('Undo it all the same?', signal)))
          throw new NotConfirmed(
            agreed.length === 0 ? 'Nothing was undone.' : 'Nothing that was not agreed to was undone.',
            'Answer with y, or give --yes, to lose what was named.',
          );
        // What others add while a person thinks is not in it.
        agreed = error.losses;
      }
    }
  });
}

/** What a down file would lose; what a file would lose on the way up nobody can allow but the file. */
function isLossOfUndoing(error: unknown): error is MigrationFailedError {
  return error instanceof MigrationFailedError && error.losses.length > 0;
}
