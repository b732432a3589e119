import type {
  FailedDatabase,
  PlanOutcome,
  PlanSummary,
  UpgradeOutcome,
  UpgradePlan,
  UpgradeSummary,
} from '../index.js';
import { errorText } from './error-text.js';
import { milliseconds, plural, section } from './text.js';

type Outcome = UpgradeOutcome | PlanOutcome;

/** An outcome as programs are told of it: with the text of its error. */
export function outcomeDocument(outcome: Outcome): object {
  return outcome.kind === 'failed' ? { ...outcome, error: errorText(outcome.error) } : outcome;
}

/** What became of a database, in a line; undefined where the summary says enough. */
export function describeOutcome(outcome: Outcome): string | undefined {
  const name = `"${outcome.database}"`;
  switch (outcome.kind) {
    case 'upgraded':
      return `${name} is at version ${outcome.report.version} now (${milliseconds(outcome.report.ms)})`;
    case 'left':
      return `${name} was left as it is`;
    case 'failed':
      return `${name} failed: ${errorText(outcome.error).code} (${milliseconds(outcome.ms)})`;
    case 'interrupted':
      return `${name} was interrupted; its unfinished step was rolled back`;
    case 'repeated':
      return `${name} is another name of "${outcome.sameAs}"`;
    case 'planned':
      return `${name} would be upgraded: ${plannedInWords(outcome.plan).join(', ')}`;
    case 'upToDate':
    case 'notAttempted':
      return undefined;
  }
}

/** From where to where a database would be brought, and by what. */
export function plannedInWords({ found, version, target, ...work }: UpgradePlan): string[] {
  const { adopt, complete, apply } = work;
  const steps = [
    ...(adopt.length === 0 ? [] : [`${adopt.length} to adopt`]),
    ...(complete.length === 0 ? [] : [`${complete.length} to complete`]),
    ...(apply.length === 0 ? [] : [`${apply.length} to apply`]),
  ];
  return [found === 'managed' ? `version ${version}` : found, `to version ${target}`, steps.join(', ')];
}

/** How a walk through many databases ended, as lines for people. */
export function describeSummary(summary: UpgradeSummary | PlanSummary): string[] {
  const counts: readonly (readonly [number, string])[] = [
    ...('upgraded' in summary
      ? [[summary.upgraded, 'upgraded'] as const, [summary.left, 'left as they are'] as const]
      : [[summary.planned, 'to be upgraded'] as const]),
    [summary.upToDate, 'up to date'],
    [summary.failed, 'failed'],
    [summary.interrupted, 'interrupted'],
    [summary.repeated, 'met again under another name'],
    [summary.notAttempted, 'not attempted'],
  ];
  const told = counts.filter(([count]) => count > 0).map(([count, word]) => `${count} ${word}`);
  return [
    `${plural(summary.databases, 'database')}: ${told.join(', ')} (${milliseconds(summary.ms)}).`,
    ...stopInWords(summary),
    ...failureSections(summary.failures),
  ];
}

function stopInWords({ stopped, failed }: UpgradeSummary | PlanSummary): string[] {
  const goOn = 'The same command goes on where this one stopped.';
  switch (stopped) {
    case 'signal':
      return [`It was stopped on request. ${goOn}`];
    case 'canary':
      return [`It was stopped because a canary failed. ${goOn}`];
    case 'failures':
      return [`It was stopped after ${plural(failed, 'failure')}. ${goOn}`];
    case undefined:
      return [];
  }
}

function failureSections(failures: readonly FailedDatabase[]): string[] {
  const texts = failures.map(({ database, error }) => ({ database, ...errorText(error) }));
  const hints = new Map(texts.map(({ code, hint }) => [`${code} ${hint}`, [code, hint]]));
  return [
    ...section(
      'Failed',
      texts.map(({ database, code, message }) => [database, code, message]),
    ),
    ...section('What to do', [...hints.values()]),
  ];
}

/**
 * What would be done to many databases, those together to which the same would be done.
 *
 * @param rows the name of each, and what would be done to it
 */
export function describePlans(rows: readonly (readonly string[])[]): string[] {
  const alike = new Map<
    string,
    { readonly work: readonly string[]; readonly first: string; others: number }
  >();
  for (const [name = '', ...work] of rows.toSorted()) {
    const key = JSON.stringify(work);
    const group = alike.get(key);
    if (group === undefined) alike.set(key, { work, first: name, others: 0 });
    else group.others += 1;
  }
  const told = [...alike.values()].map(({ work, first, others }) => [
    others === 0 ? first : `${first} and ${plural(others, 'other')}`,
    ...work,
  ]);
  return section('To be upgraded', told, rows.length);
}

export function leftOutInWords(leftOut: number): string[] {
  if (leftOut === 0) return [];
  const files = plural(leftOut, 'file that matches was', 'files that match were');
  return ['', `${files} left out: backups, logs, journals, unfinished copies.`];
}

export function unreadableInWords(folders: readonly string[]): string[] {
  return section('Folders that could not be read, with whatever databases they hold', folders);
}
