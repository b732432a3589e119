import type { Command } from 'commander';

import { InterruptedError, MigrationFailedError } from '../errors.js';
import type { Inspection, MigrationSource, ProgressEvent } from '../index.js';
import { addDatabaseCommand, perform } from './command.js';
import { exitStatus, exitStatusHelp } from './exit-status.js';
import { seconds, sourceOf, type DatabaseOptions } from './options.js';
import type { Output } from './output.js';
import { abortOnSignals } from './stop-signals.js';
import { milliseconds, plural } from './text.js';
import { describeUpgrade } from './upgrade-text.js';

interface UpOptions extends DatabaseOptions {
  readonly lockWait?: number;
  readonly countRows: boolean;
}

export function addUp(program: Command): void {
  addDatabaseCommand(program, 'up', {
    summary: 'bring a database to the newest version',
    description:
      'Brings a database to the newest version: adopts and completes what an earlier release left, applies the files that are pending, and proves the result. Makes the file where there is none.',
    examples: [
      'up --database worlds.db',
      'up --database notes.db --migrations sql --legacy past.json --lock-wait 5',
    ],
    exitStatuses: exitStatusHelp(
      ['done', 'the database is at the newest version'],
      ['failed', 'refused, or a step failed and was rolled back'],
      ['newer', 'the database is newer than this program'],
      ['locked', 'another process holds the database'],
      ['usage', 'a wrong option'],
      ['signal', 'stopped by SIGINT, by SIGTERM; the step that was going on was rolled back'],
    ),
  })
    .option('--lock-wait <seconds>', 'how long to wait for other processes (default: 60)', seconds)
    .option('--no-count-rows', 'do not count the rows of every table before and after each step')
    .action((options: UpOptions) => perform(options, (output) => up(options, output)));
}

async function up(options: UpOptions, output: Output): Promise<number> {
  const signal = abortOnSignals((name) => {
    output.progress(`${name}: stopping; what is not finished is rolled back`);
  });
  const { upgradeDatabase } = await import('../index.js');
  const source = await sourceOf(options);
  try {
    const report = await upgradeDatabase({
      ...source,
      database: options.database,
      lockWaitMs: options.lockWait,
      countRows: options.countRows,
      signal,
      onProgress: (event) => {
        output.progress(describeProgress(event));
      },
    });
    output.result(report, describeUpgrade(report));
    return exitStatus.done;
  } catch (error) {
    if (error instanceof InterruptedError || error instanceof MigrationFailedError)
      output.progress(await whereItStands(options.database, source));
    throw error;
  }
}

function describeProgress(event: ProgressEvent): string {
  switch (event.kind) {
    case 'waiting':
      return `waiting for another process, which has held the lock since ${event.since.toISOString()}`;
    case 'checked':
      return `checked its integrity (${event.depth} check, ${milliseconds(event.ms)})`;
    case 'backed-up':
      return `backed up to ${event.path} (${milliseconds(event.ms)})`;
    case 'adopted':
      return `adopted ${plural(event.files.length, 'file')} (${milliseconds(event.ms)})`;
    case 'applying':
      return `applying ${event.filename}`;
    case 'applied':
      return `applied ${event.filename} (${milliseconds(event.ms)})`;
    case 'rolled-back':
      return `rolled back ${event.filename} (${milliseconds(event.ms)})`;
    case 'failed':
      return `rolled back ${event.filename}`;
  }
}

/** What an upgrade that did not come to its end left, in a sentence. */
async function whereItStands(database: string, source: MigrationSource): Promise<string> {
  const { inspectDatabase, messageOf } = await import('../index.js');
  try {
    return describeState(await inspectDatabase(database, source));
  } catch (error) {
    return `"${database}" could not be looked at afterwards: ${messageOf(error)}`;
  }
}

function describeState({ database, kind, version, claimed, pending }: Inspection): string {
  const left = `${plural(pending.length, 'file is', 'files are')} pending`;
  switch (kind) {
    case 'absent':
      return `"${database}" was not made.`;
    case 'empty':
      return `"${database}" is empty; ${left}.`;
    case 'legacy':
      return `"${database}" is as it was: a legacy database of version ${claimed ?? 0}.`;
    case 'managed':
      return `"${database}" is at version ${version}; ${left}.`;
    case 'newer':
    case 'foreign':
      return `"${database}" is ${kind}.`;
  }
}
