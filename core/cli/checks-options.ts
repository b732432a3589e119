import type { Command } from 'commander';

import { path } from './options.js';

/** The project's own checks. */
export interface ChecksOptions {
  /** The file that holds them; false for none, undefined for the one beside the migrations. */
  readonly checks?: string | false;
}

export function addChecksOptions(command: Command): Command {
  return command
    .option('--checks <file>', 'a file of checks (default: checks.sql in the folder of --migrations)', path)
    .option('--no-checks', 'carry out no checks');
}
