import type { Command } from 'commander';

import type { RepairOptions, RepairReport } from '../index.js';
import { addHistoryChangeOptions, carryOut, type ChangeOptions } from './change.js';
import { addSourceCommand, perform } from './command.js';
import { canAsk, confirm, NotConfirmed } from './confirmation.js';
import { exitStatus, exitStatusHelp } from './exit-status.js';
import { changedFilesSection, driftSection } from './finding-text.js';
import { versions } from './options.js';
import type { Output } from './output.js';
import { aligned, milliseconds, section, userVersionInWords } from './text.js';

interface RepairCommandOptions extends ChangeOptions {
  readonly yes?: boolean;
  readonly acceptChanged: boolean;
  readonly acceptTampering?: boolean;
  readonly markApplied?: readonly number[];
  readonly markPending?: readonly number[];
  readonly completeMissing?: boolean;
}

export function addRepair(program: Command): void {
  const command = addSourceCommand(program, 'repair', {
    summary: 'put the history right, after a person has decided',
    description:
      'Takes applied files that were changed as they are now, shows what has changed, and puts user_version right; with its options it also marks migrations as applied or pending, accepts a history that was changed by hand, and mends the schema. Says what it would do and asks; without a terminal it does so only with --yes. Writes into the history what it did.',
    examples: [
      'repair --database worlds.db --dry-run',
      'repair --database worlds.db --yes',
      'repair --database worlds.db --complete-missing',
      'repair --database notes.db --migrations sql --mark-applied 7,8 --yes',
    ],
    exitStatuses: exitStatusHelp(
      ['done', 'it was repaired, or there was nothing to repair; with --dry-run: it was said'],
      ['failed', 'refused, or nobody said yes'],
      ['found', 'with --complete-missing: something of the schema is left that only a person can mend'],
      ['newer', 'the database is newer than this program'],
      ['locked', 'another process holds the database'],
      ['changed', 'a changed file or a changed history is not to be accepted'],
      ['usage', 'a wrong option'],
      ['signal', 'stopped by SIGINT, by SIGTERM; nothing was changed'],
    ),
  })
    .option('--yes', 'do not ask')
    .option('--no-accept-changed', 'refuse applied files that were changed')
    .option('--accept-tampering', 'take a history that was changed by hand as it is now')
    .option('--mark-applied <versions>', 'these stand applied from now on, and are not run', versions)
    .option('--mark-pending <versions>', 'these are pending from now on, and are not undone', versions)
    .option('--complete-missing', 'add what is missing of the schema, and give what is different its form');
  addHistoryChangeOptions(command).action((options: RepairCommandOptions) =>
    perform(options, (output) => repair(options, output)),
  );
}

async function repair(options: RepairCommandOptions, output: Output): Promise<number> {
  const { repairHistory } = await import('../index.js');
  const { acceptChanged, acceptTampering, markApplied, markPending, completeMissing } = options;
  const wishes = { acceptChanged, acceptTampering, markApplied, markPending, completeMissing };
  const report = await carryOut(options, output, async (settings, signal) => {
    const work: RepairOptions = { ...settings, ...wishes };
    if (options.yes === true) return repairHistory({ ...work, dryRun: options.dryRun });
    const intent = await repairHistory({ ...work, dryRun: true });
    if (options.dryRun === true || intent.nothingToDo) return intent;
    await ask(intent, output, signal);
    return repairHistory(work);
  });
  output.result(report, describe(report));
  return report.unmended.length > 0 ? exitStatus.found : exitStatus.done;
}

/** @throws NotConfirmed when the answer is no, or there is nobody to ask */
async function ask(intent: RepairReport, output: Output, signal: AbortSignal): Promise<void> {
  if (!canAsk())
    throw new NotConfirmed(
      `There is something to repair in "${intent.database}", and no terminal to ask.`,
      'Nothing was changed. Look at it with --dry-run, and give --yes if that is meant.',
    );
  for (const line of describe(intent)) output.remark(line);
  if (!(await confirm('Repair it?', signal)))
    throw new NotConfirmed('Nothing was repaired.', 'Answer with y, or give --yes, to repair it.');
}

function describe(report: RepairReport): string[] {
  const { userVersion, markedApplied, markedPending, dryRun } = report;
  const footer = [
    ...(userVersion === undefined
      ? []
      : [['user_version:', userVersionInWords(userVersion.found, userVersion.expected, dryRun)]]),
    ['Version:', String(report.version)],
    ...(report.backup === undefined ? [] : [['Backup:', report.backup]]),
  ];
  return [
    conclusion(report),
    ...changedFilesSection('Changed files, accepted as they are now', report.acceptedChanges),
    ...section('Changes by hand in the history, accepted', report.acceptedTampering),
    ...section(
      'Marked as applied',
      markedApplied.map(({ filename }) => filename),
    ),
    ...section(
      'Marked as pending',
      markedPending.map(({ filename }) => filename),
    ),
    ...driftSection('Mended', report.mended),
    ...driftSection('Left, because only a person can tell what to do', report.unmended),
    ...section(
      'Rows that break a CHECK of a table that was mended, and were kept',
      report.checkViolations.map(({ table, expression, rows }) => [table, expression, String(rows)]),
    ),
    '',
    ...aligned(footer),
  ];
}

function conclusion({ database, dryRun, nothingToDo, ms }: RepairReport): string {
  if (nothingToDo) return `There is nothing to repair in "${database}".`;
  return dryRun
    ? `What a repair of "${database}" would do; nothing was changed.`
    : `"${database}" was repaired (${milliseconds(ms)}).`;
}
