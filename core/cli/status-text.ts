import type { Drift, FileStatus, Inspection, Origin } from '../index.js';
import { userVersionRemedy } from './finding-text.js';
import { workSections } from './plan-text.js';
import { aligned, plural, section, table } from './text.js';

/** What is known of drift: the differences, why they could not be found, or that there is nothing to hold against. */
export type DriftFound = readonly Drift[] | { readonly unknown: string } | undefined;

/** How a migration came to be applied. */
export const origins: Readonly<Record<Origin, string>> = {
  migration: 'applied',
  legacy: 'adopted',
  completed: 'completed',
  baseline: 'adopted on request',
  adopted: 'taken over',
  repaired: 'repaired',
  recorded: 'recorded',
};

const kinds: Readonly<Record<Inspection['kind'], string>> = {
  absent: 'absent: there is no such file yet',
  empty: 'empty: no table and no history',
  legacy: 'legacy: tables of an earlier release and no history',
  managed: 'managed: the history says what was applied',
  newer: 'newer: the history has a migration that is not among the files',
  foreign: 'foreign: cannot be taken for a database of this program',
};

const keptByAnother = 'foreign: another tool keeps its history, which "adopt" takes over';

export function isUpToDate({ adoptable, completable, pending }: Inspection): boolean {
  return adoptable.length + completable.length + pending.length === 0;
}

/** What a database is and what an upgrade would do, as lines for people. */
export function describeStatus(found: Inspection, drift: DriftFound): string[] {
  const { claimed, evident, differences, failed, wrongUserVersion: wrong } = found;
  const hasHistory = found.kind === 'managed' || found.kind === 'newer';
  return [
    ...aligned([
      ['Database:', found.database],
      ['State:', found.problem?.code === 'OTHER_HISTORY' ? keptByAnother : kinds[found.kind]],
      ...(claimed === undefined ? [] : [['Claimed:', `version ${claimed} (user_version)`]]),
      ...(evident === undefined ? [] : [['Evident:', `version ${evident} (schema)`]]),
      ...(hasHistory ? [['Version:', String(found.version)]] : []),
      ...(wrong === undefined
        ? []
        : [
            [
              'user_version:',
              `${wrong.found}, and ${wrong.expected} belongs there: ${userVersionRemedy(wrong)}`,
            ],
          ]),
      ...(drift === undefined ? [] : [['Drift:', driftInWords(drift)]]),
    ]),
    ...section('Claim and schema differ', differences),
    ...(hasHistory ? filesSection(found.files) : []),
    ...section('Changed by hand in the history', found.tampering),
    ...section(
      'Failed',
      failed.map(({ filename, appliedAt, details }) => [filename, appliedAt, details.error ?? '']),
    ),
    ...section(
      'Histories of other tools',
      found.otherHistories.map(({ title, table: name, rows, newest }) => [
        title,
        name ?? 'PRAGMA user_version',
        plural(rows, 'row'),
        newest === undefined ? 'nothing applied' : `newest: ${newest}`,
      ]),
    ),
    ...section(
      'Not finished in them',
      found.otherHistories.flatMap(({ unfinished }) => unfinished),
    ),
    ...workSections(found),
    ...(found.problem === undefined && isUpToDate(found) ? ['', 'Up to date.'] : []),
  ];
}

function driftInWords(drift: NonNullable<DriftFound>): string {
  if ('unknown' in drift) return `not known: ${drift.unknown}`;
  return drift.length === 0 ? 'none' : `${plural(drift.length, 'difference')}, which "verify" names`;
}

function filesSection(files: readonly FileStatus[]): string[] {
  return [
    '',
    `Files (${files.length}):`,
    ...table(
      ['version', 'file', 'state', 'applied at', 'ms', 'origin', 'release'],
      files.map((file) => [
        String(file.version),
        file.filename,
        file.state,
        file.appliedAt ?? '',
        file.executionTimeMs === undefined ? '' : String(file.executionTimeMs),
        file.origin === undefined ? '' : origins[file.origin],
        file.release ?? '',
      ]),
    ),
  ];
}
