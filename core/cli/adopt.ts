import type { Command } from 'commander';

import type { AdoptedFile, AdoptionTerms, AdoptOptions, AdoptReport, MatchKind } from '../index.js';
import { addAdoptionTerms } from './adoption-options.js';
import { addHistoryChangeOptions, carryOut, type ChangeOptions } from './change.js';
import { addSourceCommand, perform } from './command.js';
import { canAsk, confirm, NotConfirmed } from './confirmation.js';
import { exitStatus, exitStatusHelp } from './exit-status.js';
import type { Output } from './output.js';
import { aligned, milliseconds, plural, section, userVersionInWords } from './text.js';
import { describeOtherTable } from './upgrade-text.js';

interface AdoptCommandOptions extends ChangeOptions, AdoptionTerms {
  readonly yes?: boolean;
}

export function addAdopt(program: Command): void {
  const command = addSourceCommand(program, 'adopt', {
    summary: 'take over the history that another tool keeps',
    description:
      'Takes over the history that knex, umzug, drizzle, Prisma, dbmate, Rails, golang-migrate, Flyway or another tool keeps: finds the file of each of its rows, holds these files against the schema, and records them. Runs nothing; "up" applies the rest. The table of the other tool stays as it is; where it bears the name of our history it is renamed. Says what it would do and asks; without a terminal it does so only with --yes.',
    examples: [
      'adopt --database shop.db --migrations sql --dry-run',
      'adopt --database shop.db --migrations sql --yes',
      'adopt --database shop.db --migrations sql --tool knex --accept-differences',
    ],
    exitStatuses: exitStatusHelp(
      ['done', 'it was taken over, or there is a history of ours already; with --dry-run: it was said'],
      ['failed', 'refused: a row has no file, the schema differs, work is not finished; or nobody said yes'],
      ['locked', 'another process holds the database'],
      ['changed', 'the history was changed by hand'],
      ['usage', 'a wrong option'],
      ['signal', 'stopped by SIGINT, by SIGTERM; nothing was changed'],
    ),
  }).option('--yes', 'do not ask');
  addHistoryChangeOptions(addAdoptionTerms(command)).action((options: AdoptCommandOptions) =>
    perform(options, (output) => adopt(options, output)),
  );
}

async function adopt(options: AdoptCommandOptions, output: Output): Promise<number> {
  const { adoptHistory } = await import('../index.js');
  const { tool, table, acceptDifferences } = options;
  const report = await carryOut(options, output, async (settings, signal) => {
    const work: AdoptOptions = { ...settings, tool, table, acceptDifferences };
    if (options.yes === true) return adoptHistory({ ...work, dryRun: options.dryRun });
    const intent = await adoptHistory({ ...work, dryRun: true });
    if (options.dryRun === true || intent.nothingToDo) return intent;
    await ask(intent, output, signal);
    return adoptHistory(work);
  });
  output.result(report, describe(report));
  return exitStatus.done;
}

/** @throws NotConfirmed when the answer is no, or there is nobody to ask */
async function ask(intent: AdoptReport, output: Output, signal: AbortSignal): Promise<void> {
  if (!canAsk())
    throw new NotConfirmed(
      `There is a history to take over in "${intent.database}", and no terminal to ask.`,
      'Nothing was changed. Look at it with --dry-run, and give --yes if that is meant.',
    );
  for (const line of describe(intent)) output.remark(line);
  if (!(await confirm('Take it over?', signal)))
    throw new NotConfirmed('Nothing was taken over.', 'Answer with y, or give --yes, to take it over.');
}

function describe(report: AdoptReport): string[] {
  const { backup, userVersion, renamedFrom, table, dryRun } = report;
  if (report.nothingToDo)
    return [
      `There is nothing to take over in "${report.database}": it has a history of ours, at version ${report.version}.`,
    ];
  return [
    conclusion(report),
    ...section(
      'Files that the other tool has applied',
      report.files.map((file) => [file.filename, file.row, matched[file.by], shown(file)]),
    ),
    ...section('Pending', report.pending),
    ...section('Where the schema differs, accepted', report.differences),
    '',
    ...aligned([
      ...(table === undefined ? [] : [['Its table:', describeOtherTable(table, renamedFrom, dryRun)]]),
      ['user_version:', userVersionInWords(userVersion.found, userVersion.set, dryRun)],
      ...(backup === undefined ? [] : [['Backup:', backup]]),
    ]),
  ];
}

function conclusion({ database, title, rows, version, dryRun, ms }: AdoptReport): string {
  const what = `the history of ${title ?? ''} (${plural(rows, 'row')})`;
  return dryRun
    ? `"${database}" would be at version ${version}, by ${what}; nothing was changed.`
    : `"${database}" is at version ${version} now, by ${what} (${milliseconds(ms)}).`;
}

const matched: Readonly<Record<MatchKind, string>> = {
  name: 'by name',
  version: 'by version',
  checksum: 'by checksum',
  order: 'by order',
};

function shown({ evidence, assumed, changed }: AdoptedFile): string {
  const schema = assumed
    ? 'changes data only'
    : evidence.length === 0
      ? 'was overtaken by later files'
      : evidence.join(', ');
  return changed ? `${schema}; another checksum` : schema;
}
