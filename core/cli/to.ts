import type { Command } from 'commander';

import { settingsOf } from './change.js';
import { addSourceCommand, perform } from './command.js';
import { exitStatus, exitStatusHelp } from './exit-status.js';
import { version } from './options.js';
import type { Output } from './output.js';
import { describePlan } from './plan-text.js';
import { addUndoOptions, carryOutUndo, type UndoOptions } from './undo.js';
import { describeUpgrade } from './upgrade-text.js';

export function addTo(program: Command): void {
  const command = addSourceCommand(program, 'to', {
    summary: 'bring a database to one version, up or down',
    description:
      'Brings a database to a version, whichever way it lies: undoes what is newer, as "down" does, and applies what is pending up to it, as "up" does.',
    examples: ['to 9 --database worlds.db', 'to 9 --database worlds.db --dry-run'],
    exitStatuses: exitStatusHelp(
      ['done', 'the database is at the version; with --dry-run: the plan was printed'],
      ['failed', 'refused, a step failed, or something would be lost and nobody said yes'],
      ['newer', 'the database is newer than this program, and --from-history was not given'],
      ['locked', 'another process holds the database'],
      ['changed', 'an applied file was changed, or the history was'],
      ['usage', 'a wrong option'],
      ['signal', 'stopped by SIGINT, by SIGTERM; the step that was going on was rolled back'],
    ),
  }).argument('<version>', 'the number of a migration, or 0 to undo everything', version);
  addUndoOptions(command).action((to: number, options: UndoOptions) =>
    perform(options, (output) =>
      options.dryRun === true ? plan(to, options, output) : move(to, options, output),
    ),
  );
}

async function plan(to: number, options: UndoOptions, output: Output): Promise<number> {
  const { planMove } = await import('../index.js');
  const { fromHistory } = options;
  const found = await planMove({ ...(await settingsOf(options)), to, fromHistory });
  output.result(found, describePlan(found));
  return exitStatus.done;
}

async function move(to: number, options: UndoOptions, output: Output): Promise<number> {
  const { moveDatabase } = await import('../index.js');
  const report = await carryOutUndo(options, output, (settings) => moveDatabase({ ...settings, to }));
  output.result(report, describeUpgrade(report, 'named'));
  return exitStatus.done;
}
