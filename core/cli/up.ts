import { Option, type Command } from 'commander';

import type { LegacyMode } from '../index.js';
import { addAdoptionTerms, adoptionOf, type UpAdoptionOptions } from './adoption-options.js';
import { addChangeOptions, carryOut, settingsOf, type ChangeOptions } from './change.js';
import { addSourceCommand, perform } from './command.js';
import { exitStatus, exitStatusHelp } from './exit-status.js';
import { addFleetOptions, isFleet, refuseFleetOptions, upAll, type FleetCommandOptions } from './up-all.js';
import { version } from './options.js';
import type { Output } from './output.js';
import { describePlan } from './plan-text.js';
import { describeUpgrade } from './upgrade-text.js';

interface UpOptions extends ChangeOptions, FleetCommandOptions, UpAdoptionOptions {
  readonly to?: number;
  readonly legacyMode?: LegacyMode;
  readonly rereadFiles?: boolean;
}

export function addUp(program: Command): void {
  const command = addSourceCommand(program, 'up', {
    summary: 'bring a database to the newest version',
    description:
      'Brings a database to the newest version, or to the one that --to names: adopts and completes what an earlier release left, applies the files that are pending, and proves the result. Makes the file where there is none. Before the first write it makes a verified copy.',
    examples: [
      'up --database worlds.db',
      'up --database worlds.db --to 9 --dry-run',
      'up --database worlds.db --backup-dir backups --keep 5 --keep-days 90',
      'up --database notes.db --migrations sql --legacy past.json --lock-wait 5',
      "up --all 'customers/*/worlds.db' --canary --stop-after 5",
    ],
    exitStatuses: exitStatusHelp(
      ['done', 'the database is at the version; with --dry-run: the plan was printed'],
      [
        'failed',
        'refused, or a step failed and was rolled back; with --all: one of them failed, whatever the reason, or a folder cannot be read',
      ],
      ['newer', 'the database is newer than this program'],
      ['locked', 'another process holds the database'],
      ['changed', 'an applied file was changed, or the history was'],
      ['usage', 'a wrong option'],
      ['signal', 'stopped by SIGINT, by SIGTERM; the step that was going on was rolled back'],
    ),
  })
    .option('--to <version>', 'end at this version; later files stay pending', version)
    .option('--adopt', 'take over the history that another tool keeps first, as "adopt" does without asking')
    .option('--reread-files', 'read every file, also where the listing of the folder has not changed')
    .addOption(
      new Option(
        '--legacy-mode <mode>',
        'a legacy database: bridge: upgrade it (default); refuse: fail; inspect-only: say what an upgrade would do',
      ).choices(['bridge', 'refuse', 'inspect-only']),
    );
  addAdoptionTerms(command, 'with --adopt: ');
  addFleetOptions(addChangeOptions(command)).action((options: UpOptions) =>
    perform({ ...options, jsonLines: isFleet(options) }, (output) => {
      if (isFleet(options)) return upAll(options, output);
      refuseFleetOptions(options);
      return options.dryRun === true ? plan(options, output) : up(options, output);
    }),
  );
}

async function plan(options: UpOptions, output: Output): Promise<number> {
  const { planUpgrade } = await import('../index.js');
  const adopt = adoptionOf(options);
  const found = await planUpgrade({ ...(await settingsOf(options)), to: options.to, adopt });
  output.result(found, describePlan(found));
  return exitStatus.done;
}

async function up(options: UpOptions, output: Output): Promise<number> {
  const { upgradeDatabase } = await import('../index.js');
  const report = await carryOut(options, output, (settings) =>
    upgradeDatabase({
      ...settings,
      to: options.to,
      legacyMode: options.legacyMode,
      adopt: adoptionOf(options),
      rereadFiles: options.rereadFiles,
    }),
  );
  output.result(report, describeUpgrade(report, options.to === undefined ? 'newest' : 'named'));
  return exitStatus.done;
}
