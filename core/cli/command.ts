import type { Command } from 'commander';

import { exitStatusOfError } from './exit-status.js';
import { addDatabaseOption, addOutputOptions, addSourceOptions } from './options.js';
import { Output, type OutputOptions } from './output.js';

/** What a command's help says besides its options. */
export interface CommandHelp {
  /** One line for the list of commands. */
  readonly summary: string;
  readonly description: string;
  /** Command lines without the name of the program. */
  readonly examples: readonly string[];
  /** As `exitStatusHelp` writes it. */
  readonly exitStatuses: string;
}

/** Begins a command that is about no database. */
export function addOutputCommand(program: Command, name: string, help: CommandHelp): Command {
  return addOutputOptions(begin(program, name, help));
}

/** Begins a command over one database alone. */
export function addDatabaseCommand(program: Command, name: string, help: CommandHelp): Command {
  return addOutputOptions(addDatabaseOption(begin(program, name, help)));
}

/** Begins a command over one database and the files that it is held against. */
export function addSourceCommand(program: Command, name: string, help: CommandHelp): Command {
  return addOutputOptions(addSourceOptions(addDatabaseOption(begin(program, name, help))));
}

function begin(program: Command, name: string, help: CommandHelp): Command {
  const examples = help.examples.map((line) => `  ${program.name()} ${line}`);
  return program
    .command(name)
    .summary(help.summary)
    .description(help.description)
    .addHelpText('after', ['', 'Examples:', ...examples, '', help.exitStatuses].join('\n'));
}

/** Carries out a command's work, which returns the exit status, and tells of its errors. */
export async function perform(
  options: OutputOptions,
  work: (output: Output) => Promise<number>,
): Promise<void> {
  const output = new Output(options);
  try {
    exitWith(await work(output));
  } catch (error) {
    output.failure(error);
    exitWith(exitStatusOfError(error));
  }
}

/** Keeps the status for the end of the process, unless something worse was kept already. */
export function exitWith(status: number): void {
  process.exitCode ??= status;
}
