import { Option, type Command } from 'commander';

import { addChecksOptions, type ChecksOptions } from './checks-options.js';
import { describeProgress } from './change.js';
import { addSourceCommand, perform } from './command.js';
import { exitStatus, exitStatusHelp, exitStatusOfCode } from './exit-status.js';
import { path, sourceOf, version, type SourceOptions } from './options.js';
import type { Output } from './output.js';
import { describeRehearsal } from './rehearsal-text.js';
import { untilStopped } from './stop-signals.js';

interface RehearseOptions extends SourceOptions, ChecksOptions {
  readonly to?: number;
  readonly roundTrip?: boolean;
  readonly copyDir?: string;
  readonly countRows: boolean;
  readonly transaction?: 'each' | 'all';
}

export function addRehearse(program: Command): void {
  const command = addSourceCommand(program, 'rehearse', {
    summary: 'carry out an upgrade on a copy, and throw it away',
    description:
      'Makes a copy of a database, carries out the upgrade on it with every guard and check, says what each step took and wrote and what became of the schema, and throws the copy away. The database itself is only read, while programs go on using it.',
    examples: [
      'rehearse --database worlds.db',
      'rehearse --database notes.db --migrations sql --round-trip --copy-dir /tmp',
    ],
    exitStatuses: exitStatusHelp(
      ['done', 'the upgrade would go through'],
      ['failed', 'the upgrade would fail, or the database cannot be read or copied'],
      ['found', 'it would go through, and a check is not met, or the round trip does not lead back'],
      ['newer', 'the database is newer than this program'],
      ['locked', 'another program keeps the database from being read'],
      ['changed', 'an applied file was changed, or the history was'],
      ['usage', 'a wrong option'],
      ['signal', 'stopped by SIGINT, by SIGTERM; the copy was removed'],
    ),
  })
    .option('--to <version>', 'end at this version', version)
    .option('--round-trip', 'also go down and up again on the copy, and compare schema and rows')
    .option('--copy-dir <dir>', 'the folder for the copy (default: beside the database)', path)
    .option('--no-count-rows', 'do not count the rows of every table before and after each step')
    .addOption(
      new Option(
        '--transaction <scope>',
        'each: a transaction a file (default); all: one for everything, or nothing',
      ).choices(['each', 'all']),
    );
  addChecksOptions(command).action((options: RehearseOptions) =>
    perform(options, (output) => rehearse(options, output)),
  );
}

async function rehearse(options: RehearseOptions, output: Output): Promise<number> {
  const { rehearseUpgrade } = await import('../index.js');
  const { database, to, roundTrip, copyDir: folder, countRows, transaction, checks } = options;
  const source = await sourceOf(options);
  const report = await untilStopped(
    (name) => {
      output.progress(`${name}: stopping; the copy is removed`);
    },
    (signal) =>
      rehearseUpgrade({
        ...source,
        ...{ database, to, roundTrip, folder, countRows, transaction, checks, signal },
        onProgress: (event) => {
          output.progress(`on the copy: ${describeProgress(event)}`);
        },
      }),
  );
  output.result(report, describeRehearsal(report));
  if (report.error === undefined) return report.ok ? exitStatus.done : exitStatus.found;
  output.problem(report.error);
  return exitStatusOfCode(report.error.code);
}
