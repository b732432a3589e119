import type { Command } from 'commander';

import type { BaselineFile, BaselineReport } from '../index.js';
import { addHistoryChangeOptions, carryOut, type ChangeOptions } from './change.js';
import { addSourceCommand, perform } from './command.js';
import { exitStatus, exitStatusHelp } from './exit-status.js';
import { version } from './options.js';
import type { Output } from './output.js';
import { aligned, milliseconds, section, userVersionInWords } from './text.js';

interface BaselineCommandOptions extends ChangeOptions {
  readonly at?: number;
}

export function addBaseline(program: Command): void {
  const command = addSourceCommand(program, 'baseline', {
    summary: 'record what a database without a history holds',
    description:
      'Gives a history to a database that was made by hand or by another tool from the same SQL: records the files whose work its schema shows, and says why. Writes nothing but the history and user_version. "up" applies the rest.',
    examples: [
      'baseline --database notes.db --migrations sql --dry-run',
      'baseline --database notes.db --migrations sql --at 4',
    ],
    exitStatuses: exitStatusHelp(
      ['done', 'what the database holds was recorded; with --dry-run: it was said'],
      ['failed', 'the schema does not hold what the files make, or there is a history already'],
      ['locked', 'another process holds the database'],
      ['changed', 'the history was changed by hand'],
      ['usage', 'a wrong option'],
      ['signal', 'stopped by SIGINT, by SIGTERM; nothing was changed'],
    ),
  }).option('--at <version>', 'record up to this version (default: the newest that fits)', version);
  addHistoryChangeOptions(command).action((options: BaselineCommandOptions) =>
    perform(options, (output) => baseline(options, output)),
  );
}

async function baseline(options: BaselineCommandOptions, output: Output): Promise<number> {
  const { baselineDatabase } = await import('../index.js');
  const { at, dryRun } = options;
  const report = await carryOut(options, output, (settings) => baselineDatabase({ ...settings, at, dryRun }));
  output.result(report, describe(report));
  return exitStatus.done;
}

function describe(report: BaselineReport): string[] {
  const { next, backup, userVersion, dryRun } = report;
  return [
    conclusion(report),
    ...section(
      'Files that are there',
      report.files.map((file) => [file.filename, reason(file)]),
    ),
    ...section('Pending', report.pending),
    ...(next === undefined ? [] : section(`Why ${next.filename} does not count as there`, next.misfits)),
    ...section(
      'What the database has beyond',
      report.extras.map(({ sentence }) => sentence),
    ),
    '',
    ...aligned([
      ['user_version:', userVersionInWords(userVersion.found, userVersion.set, dryRun)],
      ...(backup === undefined ? [] : [['Backup:', backup]]),
    ]),
  ];
}

function conclusion({ database, version: at, dryRun, ms }: BaselineReport): string {
  return dryRun
    ? `"${database}" would be recorded at version ${at}; nothing was changed.`
    : `"${database}" is recorded at version ${at} now (${milliseconds(ms)}).`;
}

function reason({ evidence, assumed }: BaselineFile): string {
  if (assumed) return 'changes data only, and is taken to have run';
  return evidence.length === 0 ? 'was overtaken by later files' : evidence.join(', ');
}
