import type { ContentDifference, RehearsalReport, RehearsedStep, RoundTrip, SchemaChange } from '../index.js';
import { checksSection } from './finding-text.js';
import { milliseconds, plural, section, size } from './text.js';

/** What a rehearsal found, as lines for people. */
export function describeRehearsal(report: RehearsalReport): string[] {
  const { steps, schema, verification, roundTrip } = report;
  return [
    `${conclusion(report)} (a copy of ${size(report.bytes)}, ${milliseconds(report.ms)}).`,
    ...section('Steps', steps.map(stepInWords)),
    ...section('Rows that the steps wrote', steps.flatMap(rowsInWords)),
    ...section('Changes of the schema', sentences(schema)),
    ...(verification === undefined
      ? []
      : [
          ...section('Missing or different after the upgrade', sentences(verification.drift)),
          ...checksSection(verification.checks),
          ...section(
            'Checks that are met',
            verification.checks.filter(({ ok }) => ok).map(({ name }) => name),
          ),
        ]),
    ...(roundTrip === undefined ? [] : describeRoundTrip(roundTrip)),
    '',
    `The copy was removed; "${report.database}" was not changed.`,
  ];
}

function conclusion({ database, upgrade, verification, roundTrip }: RehearsalReport): string {
  if (upgrade === undefined) return `The upgrade of "${database}" would fail`;
  if (upgrade.upToDate) return `"${database}" is up to date at version ${upgrade.version}`;
  const way = `The upgrade of "${database}" would go through, to version ${upgrade.version}`;
  if (verification?.checks.some(({ ok }) => !ok) === true) return `${way}, and a check would not be met`;
  return roundTrip?.ok === false ? `${way}, and the way back does not lead back` : way;
}

function stepInWords({ kind, files, ms }: RehearsedStep): string[] {
  return [files.join(', '), kind, ms === undefined ? '' : milliseconds(ms)];
}

function rowsInWords({ files, rows, rowsInConsequence }: RehearsedStep): string[][] {
  const step = files.length === 1 ? (files[0] ?? '') : plural(files.length, 'file');
  return [
    ...rows.map(({ table, inserted, updated, deleted }) => [
      step,
      table,
      `${inserted} inserted, ${updated} updated, ${deleted} deleted`,
    ]),
    ...(rowsInConsequence === 0 ? [] : [[step, '(in consequence)', plural(rowsInConsequence, 'row')]]),
  ];
}

function describeRoundTrip(trip: RoundTrip): string[] {
  return [
    '',
    trip.ok ? 'The round trip led back and up again.' : 'The round trip did not lead back and up again.',
    ...section('No way back from', trip.withoutWayBack),
    ...section('Steps of the round trip', trip.steps.map(stepInWords)),
    ...section('Lost on the way down', trip.losses),
    ...(trip.error === undefined ? [] : ['', `It failed: ${trip.error.message}`]),
    ...section('Different after the way down', differences(trip.afterDown)),
    ...section('Different after the second way up', differences(trip.afterUpAgain)),
  ];
}

function differences({ schema, rows }: ContentDifference): string[] {
  return [...sentences(schema), ...sentences(rows)];
}

function sentences(findings: readonly Pick<SchemaChange, 'sentence'>[]): string[] {
  return findings.map(({ sentence }) => sentence);
}
