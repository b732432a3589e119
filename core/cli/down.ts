import type { Command } from 'commander';

import { settingsOf } from './change.js';
import { addSourceCommand, perform } from './command.js';
import { exitStatus, exitStatusHelp } from './exit-status.js';
import { version } from './options.js';
import type { Output } from './output.js';
import { describePlan } from './plan-text.js';
import { addUndoOptions, carryOutUndo, type UndoOptions } from './undo.js';
import { describeUpgrade } from './upgrade-text.js';

interface DownOptions extends UndoOptions {
  readonly to?: number;
}

export function addDown(program: Command): void {
  const command = addSourceCommand(program, 'down', {
    summary: 'undo the newest migration, or several',
    description:
      'Undoes the newest migration by its down file, or with --to all that are newer than that version. Says what would be lost and asks; without a terminal it does so only with --yes. The history keeps every row.',
    examples: [
      'down --database worlds.db',
      'down --database worlds.db --to 9 --dry-run',
      'down --database worlds.db --to 9 --yes',
      'down --database worlds.db --from-history',
    ],
    exitStatuses: exitStatusHelp(
      ['done', 'the database is at the version; with --dry-run: the plan was printed'],
      ['failed', 'refused, a down file is missing or failed, or something would be lost and nobody said yes'],
      ['newer', 'the database is newer than this program, and --from-history was not given'],
      ['locked', 'another process holds the database'],
      ['changed', 'an applied file was changed, or the history was'],
      ['usage', 'a wrong option'],
      ['signal', 'stopped by SIGINT, by SIGTERM; the step that was going on was rolled back'],
    ),
  }).option('--to <version>', 'the version to go back to; 0 undoes everything (default: one back)', version);
  addUndoOptions(command).action((options: DownOptions) =>
    perform(options, (output) => (options.dryRun === true ? plan(options, output) : down(options, output))),
  );
}

async function plan(options: DownOptions, output: Output): Promise<number> {
  const { planRollBack } = await import('../index.js');
  const { to, fromHistory } = options;
  const found = await planRollBack({ ...(await settingsOf(options)), to, fromHistory });
  output.result(found, describePlan(found));
  return exitStatus.done;
}

async function down(options: DownOptions, output: Output): Promise<number> {
  const { rollBackDatabase } = await import('../index.js');
  const report = await carryOutUndo(options, output, (settings) =>
    rollBackDatabase({ ...settings, to: options.to }),
  );
  output.result(report, describeUpgrade(report, 'named'));
  return exitStatus.done;
}
