import { Option, type Command } from 'commander';

import { InvalidOptionError } from '../errors.js';
import type { AdoptionTerms } from '../index.js';
import { otherTools } from '../storage/other-history.js';

/** What `up` takes of another tool's history. */
export interface UpAdoptionOptions extends AdoptionTerms {
  readonly adopt?: boolean;
}

/** @param condition what stands before the meaning of each option */
export function addAdoptionTerms(command: Command, condition = ''): Command {
  return command
    .addOption(
      new Option('--tool <tool>', `${condition}whose history, where several tools keep one`).choices(
        otherTools,
      ),
    )
    .option('--table <name>', `${condition}the table that holds it, where several are histories`)
    .option(
      '--accept-differences',
      `${condition}record the files although the schema is not wholly what they make`,
    );
}

/**
 * What the option `adopt` of an upgrade is.
 *
 * @throws InvalidOptionError when there are terms for what is not wanted
 */
export function adoptionOf(options: UpAdoptionOptions): AdoptionTerms | undefined {
  const { adopt, tool, table, acceptDifferences } = options;
  if (adopt === true) return { tool, table, acceptDifferences };
  const given = [
    ...(tool === undefined ? [] : ['--tool']),
    ...(table === undefined ? [] : ['--table']),
    ...(acceptDifferences === undefined ? [] : ['--accept-differences']),
  ];
  if (given.length === 0) return undefined;
  throw new InvalidOptionError(`${given.join(' and ')} can only be given with --adopt.`, {
    hint: 'Leave it out, or give --adopt to take over the history that another tool keeps.',
  });
}
