import { InvalidArgumentError, Option, type Command } from 'commander';

import type { BundleReport } from '../index.js';
import { addOutputCommand, perform } from './command.js';
import { exitStatus, exitStatusHelp } from './exit-status.js';
import { addHistoryTableOption, once, path, type HistoryTableOptions } from './options.js';
import type { Output, OutputOptions } from './output.js';
import { plural } from './text.js';

interface BundleCommandOptions extends OutputOptions, HistoryTableOptions {
  readonly out: string;
  readonly check?: boolean;
}

export function addBundle(program: Command): void {
  const command = addOutputCommand(program, 'bundle', {
    summary: 'write a folder of migrations as one file',
    description:
      'Looks at every SQL file of a folder as an upgrade would, and writes them as one module or JSON file, with their ways back and checks.sql: for a program that is one file itself, and for a start that asks the disk for nothing but the database. The program gives its default export where it would name the folder. The same folder always makes the same bytes. Touches no database.',
    examples: [
      'bundle migrations --out src/migrations.ts',
      'bundle migrations --out src/migrations.ts --check',
      'bundle migrations --out dist/migrations.json --json',
    ],
    exitStatuses: exitStatusHelp(
      ['done', 'the file holds what is in the folder'],
      ['failed', 'a file of the folder is not as it must be, or the bundle cannot be read or written'],
      ['found', 'with --check: the file is not what the folder makes, or is not there'],
      ['usage', 'a wrong option'],
    ),
  })
    .argument('<folder>', 'the folder of SQL files', path)
    .requiredOption('--out <file>', 'the file: .js, .mjs, .cjs, .ts, .mts or .json', once(path))
    .option('--check', 'write nothing, and say whether the file is what the folder makes')
    .addOption(new Option('--migrations <folder>').hideHelp().argParser(refuseFolderAsOption));
  addHistoryTableOption(command).action((folder: string, options: BundleCommandOptions) =>
    perform(options, (output) => bundle(folder, options, output)),
  );
}

/** Other commands have this option, and may be given what this one writes. */
function refuseFolderAsOption(folder: string): never {
  throw new InvalidArgumentError(`The folder is named without an option: "bundle ${folder} --out FILE".`);
}

async function bundle(folder: string, options: BundleCommandOptions, output: Output): Promise<number> {
  const { writeBundle } = await import('../index.js');
  const { out, check, historyTable } = options;
  const report = await writeBundle({ folder, out, check, historyTable });
  output.result(report, [conclusion(report), contents(report)]);
  return report.state === 'different' ? exitStatus.found : exitStatus.done;
}

function conclusion({ folder, out, state }: BundleReport): string {
  switch (state) {
    case 'written':
      return `"${out}" was written from "${folder}".`;
    case 'current':
      return `"${out}" is what "${folder}" makes.`;
    case 'different':
      return `"${out}" is not what "${folder}" makes: write it anew, without --check.`;
  }
}

function contents({ migrations, version, down, checks }: BundleReport): string {
  return `${plural(migrations, 'migration')} up to version ${version}, ${plural(down, 'way back', 'ways back')}, ${checks ? 'checks.sql' : 'no checks'}.`;
}
