import type { UpgradeReport } from '../index.js';
import { describeCheckViolation } from '../storage/database-integrity.js';
import { describeViolation } from '../storage/migration-guards.js';
import { aligned, milliseconds, plural, section } from './text.js';

/** What an upgrade found and did, as lines for people. */
export function describeUpgrade(report: UpgradeReport): string[] {
  if (report.upToDate) return [`"${report.database}" is up to date at version ${report.version}.`];
  const changed = report.rows.filter(({ before, after }) => before !== after);
  const footer = [
    ...(report.rows.length === 0 ? [] : [['Rows:', rowsInWords(report)]]),
    ...(report.backup === undefined ? [] : [['Backup:', report.backup]]),
  ];
  return [
    `"${report.database}" is at version ${report.version} now (${milliseconds(report.ms)}). It was ${origin(report)}.`,
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
      'Applied',
      report.applied.map(({ filename, ms }) => [filename, milliseconds(ms)]),
    ),
    ...section(
      'Tables with more or fewer rows than before',
      changed.map(({ table, before, after }) => [table, `${before} before, ${after} now`]),
    ),
    ...section('Broken foreign keys, counted and kept', report.violations.map(describeViolation)),
    ...section('Broken checks, counted and kept', report.checkViolations.map(describeCheckViolation)),
    ...(footer.length === 0 ? [] : ['', ...aligned(footer)]),
  ];
}

function rowsInWords({ rows }: UpgradeReport): string {
  const sum = (moment: 'before' | 'after'): number => rows.reduce((total, row) => total + row[moment], 0);
  return `${sum('before')} before, ${sum('after')} now, in ${plural(rows.length, 'table')}`;
}

function origin({ found, claimed, evident }: UpgradeReport): string {
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
      return 'a managed database';
    case 'foreign':
      return 'foreign';
  }
}
