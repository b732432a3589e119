import type { UpgradeReport } from '../index.js';
import { describeCheckViolation } from '../storage/database-integrity.js';
import { describeViolation } from '../storage/migration-guards.js';
import { describeTrigger } from '../storage/own-triggers.js';
import { workSections } from './plan-text.js';
import { aligned, milliseconds, plural, section } from './text.js';

/**
 * What an upgrade or a way back found and did, as lines for people.
 *
 * @param goal whether it was to end at the newest version, or at one that was named
 */
export function describeUpgrade(report: UpgradeReport, goal: 'newest' | 'named'): string[] {
  const { database, version, adoptedFrom } = report;
  if (report.upToDate)
    return [
      goal === 'newest'
        ? `"${database}" is up to date at version ${version}: every file is applied. "verify" tells whether it still is what they made.`
        : `"${database}" is at version ${version}: there is nothing to do.`,
    ];
  if (report.wouldDo !== undefined)
    return [
      `"${database}" was left as it is: ${origin(report)}.`,
      ...section('Claim and schema differ', report.differences),
      ...workSections(report.wouldDo),
    ];
  const changed = report.rows.filter(({ before, after }) => before !== after);
  const footer = [
    ...(report.rows.length === 0 ? [] : [['Rows:', rowsInWords(report)]]),
    ...(adoptedFrom?.table === undefined
      ? []
      : [['Its table:', describeOtherTable(adoptedFrom.table, adoptedFrom.renamedFrom, false)]]),
    ...(report.backup === undefined ? [] : [['Backup:', report.backup]]),
  ];
  return [
    `"${database}" is at version ${version} now (${milliseconds(report.ms)}). It was ${origin(report)}.`,
    ...section('Claim and schema differed', report.differences),
    ...section(
      'Adopted, being there already',
      report.adopted.map(({ filename }) => filename),
    ),
    ...section(
      'Completed',
      report.completed.map(({ filename, objects }) => [filename, objects.join(', ')]),
    ),
    ...section(
      'Replaced, being there in another form, by its old text',
      report.completed.flatMap(({ replaced }) => replaced),
    ),
    ...section(
      'Rolled back',
      report.rolledBack.map(({ filename, ms }) => [filename, milliseconds(ms)]),
    ),
    ...section('Lost, because that was allowed', report.losses),
    ...section(
      'Applied',
      report.applied.map(({ filename, ms }) => [filename, milliseconds(ms)]),
    ),
    ...section(
      'Tables with more or fewer rows than before',
      changed.map(({ table, before, after }) => [table, `${before} before, ${after} now`]),
    ),
    ...section('Broken foreign keys, counted and kept', report.violations.map(describeViolation)),
    ...section('Broken checks, counted and kept', report.checkViolations.map(describeCheckViolation)),
    ...section(
      "Triggers of the database's own, where files wrote rows: look whether they left any out",
      report.ownTriggers.map((trigger) => [describeTrigger(trigger), trigger.filename]),
    ),
    ...(footer.length === 0 ? [] : ['', ...aligned(footer)]),
  ];
}

function rowsInWords({ rows }: UpgradeReport): string {
  const sum = (moment: 'before' | 'after'): number => rows.reduce((total, row) => total + row[moment], 0);
  return `${sum('before')} before, ${sum('after')} now, in ${plural(rows.length, 'table')}`;
}

/** What becomes of the table of another tool whose history is taken over. */
export function describeOtherTable(table: string, renamedFrom: string | undefined, dryRun: boolean): string {
  if (renamedFrom === undefined) return `${table}, left as it is`;
  return `${renamedFrom} ${dryRun ? 'would be' : 'was'} renamed to ${table}`;
}

function origin({ found, claimed, evident, rolledBack, adoptedFrom }: UpgradeReport): string {
  switch (found) {
    case 'absent':
      return 'absent';
    case 'empty':
      return 'empty';
    case 'legacy':
      return claimed === evident
        ? `a legacy database of version ${claimed ?? 0}`
        : `a legacy database that claimed version ${claimed ?? 0} and had the schema of ${evident ?? 0}`;
    case 'managed':
      return rolledBack[0] === undefined ? 'a managed database' : `at version ${rolledBack[0].version}`;
    case 'foreign':
      return `a database of which ${adoptedFrom?.title ?? 'another tool'} kept the history`;
  }
}
