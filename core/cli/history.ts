import type { Command } from 'commander';

import type { AppliedMigration } from '../index.js';
import { addDatabaseCommand, perform } from './command.js';
import { exitStatus, exitStatusHelp } from './exit-status.js';
import { addHistoryTableOption, type DatabaseOptions, type HistoryTableOptions } from './options.js';
import type { Output } from './output.js';
import { origins } from './status-text.js';
import { plural, table } from './text.js';

interface HistoryOptions extends DatabaseOptions, HistoryTableOptions {}

export function addHistory(program: Command): void {
  const command = addDatabaseCommand(program, 'history', {
    summary: 'list everything that was ever done to a database',
    description:
      'Lists every attempt at a migration that the history remembers, oldest first: what was adopted, completed, applied or rolled back, and what failed. Changes no byte of the database, and needs no files.',
    examples: ['history --database worlds.db', 'history --database worlds.db --json | jq ".[-1]"'],
    exitStatuses: exitStatusHelp(
      ['done', 'the history was printed, also when there is none'],
      ['failed', 'the database cannot be read, or another tool keeps its history there'],
      ['locked', 'another program keeps the database from being read'],
      ['changed', 'the history was changed by hand'],
      ['usage', 'a wrong option'],
    ),
  });
  addHistoryTableOption(command).action((options: HistoryOptions) =>
    perform(options, (output) => history(options, output)),
  );
}

async function history(options: HistoryOptions, output: Output): Promise<number> {
  const { listHistory } = await import('../index.js');
  const { database, driver, historyTable } = options;
  const attempts = await listHistory(database, { driver, historyTable });
  output.result(attempts, describe(database, attempts));
  return exitStatus.done;
}

function describe(database: string, attempts: readonly AppliedMigration[]): string[] {
  if (attempts.length === 0) return [`"${database}" has no history.`];
  return [
    `History of "${database}", ${plural(attempts.length, 'attempt')}, oldest first:`,
    ...table(
      ['id', 'version', 'file', 'status', 'origin', 'applied at', 'ms', 'release', 'error'],
      attempts.map((attempt) => [
        String(attempt.id),
        String(attempt.version),
        attempt.filename,
        attempt.status,
        origins[attempt.origin],
        attempt.appliedAt,
        String(attempt.executionTimeMs),
        attempt.release ?? '',
        attempt.details.error ?? '',
      ]),
    ),
  ];
}
