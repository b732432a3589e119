import type { Command } from 'commander';

import { addSourceCommand, perform } from './command.js';
import { exitStatus, exitStatusHelp } from './exit-status.js';
import { sourceOf, version, type SourceOptions } from './options.js';
import type { Output } from './output.js';
import { describePlan } from './plan-text.js';

interface PlanOptions extends SourceOptions {
  readonly to?: number;
  readonly down?: boolean;
  readonly fromHistory?: boolean;
}

export function addPlan(program: Command): void {
  addSourceCommand(program, 'plan', {
    summary: 'say what an upgrade or a way back would do',
    description:
      'Says what "up" would do, with --to what "to" would do, and with --down what "down" would do: each file in its order, with --json also its text. Refuses what they would refuse. Writes nothing anywhere. The plan of many databases is that of "up --all GLOB --dry-run".',
    examples: [
      'plan --database worlds.db',
      'plan --database worlds.db --to 9 --json',
      'plan --database worlds.db --down',
    ],
    exitStatuses: exitStatusHelp(
      ['done', 'the plan was printed, also when there is nothing to do'],
      ['failed', 'it would be refused, or the database or the files cannot be read'],
      ['newer', 'the database is newer than this program'],
      ['locked', 'another program keeps the database from being read'],
      ['changed', 'an applied file was changed, or the history was'],
      ['usage', 'a wrong option'],
    ),
  })
    .option('--to <version>', 'the version at which to end (default: the newest)', version)
    .option('--down', 'undo what is newer than --to, or the newest one, and apply nothing')
    .option('--from-history', 'undo migrations that are no files here by the text that the history kept')
    .action((options: PlanOptions) => perform(options, (output) => plan(options, output)));
}

async function plan(options: PlanOptions, output: Output): Promise<number> {
  const { planMove, planRollBack, planUpgrade } = await import('../index.js');
  const { database, to, fromHistory } = options;
  const settings = { ...(await sourceOf(options)), database, fromHistory };
  const found =
    options.down === true
      ? await planRollBack({ ...settings, to })
      : to === undefined
        ? await planUpgrade(settings)
        : await planMove({ ...settings, to });
  output.result(found, describePlan(found));
  return exitStatus.done;
}
