import type { Command } from 'commander';

import type { Inspection, MigrationSource } from '../index.js';
import { addSourceCommand, perform } from './command.js';
import { errorText } from './error-text.js';
import { exitStatus, exitStatusHelp, exitStatusOfCode, exitStatusOfUserVersion } from './exit-status.js';
import { sourceOf, type SourceOptions } from './options.js';
import type { Output } from './output.js';
import { describeStatus, isUpToDate, type DriftFound } from './status-text.js';

interface StatusOptions extends SourceOptions {
  readonly check?: boolean;
}

export function addStatus(program: Command): void {
  addSourceCommand(program, 'status', {
    summary: 'say what a database is and what an upgrade would do',
    description:
      'Says what a database is, which version it claims and which it evidently has, how each file stands to it, whether its schema has drifted, and what an upgrade would do. Changes no byte of it.',
    examples: ['status --database worlds.db', 'status --database worlds.db --check || echo "upgrade first"'],
    exitStatuses: exitStatusHelp(
      ['done', 'the database was looked at; with --check: and is up to date and has not drifted'],
      ['failed', 'an upgrade would be refused, or the database or the files cannot be read'],
      [
        'found',
        'with --check: something is to be adopted, completed or applied, or the schema or user_version is not as it was left',
      ],
      ['newer', 'the database is newer than this program'],
      ['locked', 'another program keeps the database from being read'],
      ['changed', 'an applied file was changed; with --check: or the history was, by hand'],
      ['usage', 'a wrong option'],
    ),
  })
    .option(
      '--check',
      'exit with 2 when an upgrade has something to do, or the schema has drifted, or user_version is wrong',
    )
    .action((options: StatusOptions) => perform(options, (output) => status(options, output)));
}

async function status(options: StatusOptions, output: Output): Promise<number> {
  const { inspectDatabase } = await import('../index.js');
  const source = await sourceOf(options);
  const found = await inspectDatabase(options.database, source);
  const drift = await driftOf(found, source);
  output.result({ ...found, drift: drift ?? null }, describeStatus(found, drift));
  if (found.problem !== undefined) {
    output.problem(found.problem);
    return exitStatusOfCode(found.problem.code);
  }
  if (options.check !== true) return exitStatus.done;
  if (found.tampering.length > 0) return exitStatus.changed;
  if (found.wrongUserVersion !== undefined) return exitStatusOfUserVersion(found.wrongUserVersion);
  const asItWasLeft = drift === undefined || (!('unknown' in drift) && drift.length === 0);
  return isUpToDate(found) && asItWasLeft ? exitStatus.done : exitStatus.found;
}

/** In what a managed database has drifted. That it could not be found out is told, and does not hide the rest. */
async function driftOf({ kind, database }: Inspection, source: MigrationSource): Promise<DriftFound> {
  if (kind !== 'managed') return undefined;
  const { findDrift } = await import('../index.js');
  try {
    return await findDrift(database, source);
  } catch (error) {
    return { unknown: errorText(error).message };
  }
}
