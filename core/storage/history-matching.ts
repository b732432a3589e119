import type { Migration } from './migration.js';
import { hasChecksum } from './other-checksums.js';
import { standingRows, type OtherHistory, type OtherRow } from './other-history.js';
import { partsOfName, releaseOf, slugOf, wholeNumber } from './other-names.js';

/**
 * What a row and a file have in common:
 *
 * - `name`: the name, without number and ending.
 * - `version`: the number, or the release that the file names.
 * - `checksum`: the checksum of the text.
 * - `order`: their place, in a history of as many rows as the schema shows files.
 */
export type MatchKind = 'name' | 'version' | 'checksum' | 'order';

/** A file that a row of another tool's history stands for. */
export interface Match {
  readonly migration: Migration;
  readonly row: OtherRow;
  readonly by: MatchKind;
}

/** How the rows of a history stand to the files. */
export interface Matching {
  /** By version. */
  readonly matches: readonly Match[];
  /** Rows that no file belongs to, as sentences that say why. */
  readonly unmatched: readonly string[];
}

type Found = { readonly migrations: readonly Migration[]; readonly by: MatchKind } | { readonly why: string };

/**
 * Finds the file of every row that stands applied: by its name, by its checksum, by its release or its number. A number
 * alone decides only where the tool keeps no names: of two sequences, the same number may be another migration.
 *
 * Pure.
 *
 * @param journal the names that the tool keeps outside of the database, by version
 */
export function matchHistory(
  history: OtherHistory,
  migrations: readonly Migration[],
  journal: ReadonlyMap<string, string> = new Map(),
): Matching {
  const matches = new Map<number, Match>();
  const unmatched: string[] = [];
  for (const row of standingRows(history)) {
    const known = journal.get(row.version ?? '');
    const named = known === undefined ? row : { ...row, label: known, name: known };
    if (!isNamed(named)) {
      unmatched.push(`${named.label} has no name`);
      continue;
    }
    const found = findFiles(named, migrations);
    if ('why' in found) {
      unmatched.push(`${named.label}: ${found.why}`);
      continue;
    }
    for (const migration of found.migrations) {
      const taken = matches.get(migration.version);
      if (taken !== undefined && row.reach === 'one' && taken.row.reach === 'one')
        unmatched.push(`${named.label}: ${migration.filename} belongs to ${taken.row.label} already`);
      else matches.set(migration.version, { migration, row: named, by: found.by });
    }
  }
  return {
    matches: [...matches.values()].sort((a, b) => a.migration.version - b.migration.version),
    unmatched,
  };
}

/** Whether a row says anything by which its file could be known. */
function isNamed({ name, version, checksum }: OtherRow): boolean {
  return [name, version, checksum].some((text) => text !== undefined && text !== '');
}

function findFiles(row: OtherRow, migrations: readonly Migration[]): Found {
  if (row.reach === 'up to') return filesUpTo(row, migrations);
  const { slug, whole, number: numberInName } = partsOfName(row.name ?? '');
  const number = wholeNumber(row.version) ?? numberInName;
  const named = migrations.filter(({ name }) => slug !== undefined && [slug, whole].includes(slugOf(name)));
  const [byName] = named.length > 1 ? named.filter(({ version }) => version === number) : named;
  if (byName !== undefined) return { migrations: [byName], by: 'name' };

  const { checksum } = row;
  const [byChecksum, ...more] = migrations.filter(
    ({ sql, code }) => checksum !== undefined && code === undefined && hasChecksum(sql, checksum) === true,
  );
  if (byChecksum !== undefined && more.length === 0) return { migrations: [byChecksum], by: 'checksum' };

  const release = releaseOf(row.version);
  const released = migrations.filter((file) => release !== undefined && file.release === release);
  if (released.length > 0 && slug === undefined) return { migrations: released, by: 'version' };

  const byNumber = migrations.find(({ version }) => version === number);
  if (byNumber !== undefined && slug === undefined) return { migrations: [byNumber], by: 'version' };
  if (named.length > 1)
    return { why: `${named.map(({ filename }) => filename).join(' and ')} bear its name` };
  if (byNumber !== undefined) return { why: `${byNumber.filename} has its number and another name` };
  if (slug === undefined && number === undefined && release !== undefined)
    return { why: `no file says "-- migration: release ${release}"` };
  return { why: 'there is no such file' };
}

function filesUpTo(row: OtherRow, migrations: readonly Migration[]): Found {
  const version = wholeNumber(row.version);
  const upTo = migrations.filter((migration) => version !== undefined && migration.version <= version);
  if (upTo.at(-1)?.version === version && version !== undefined) return { migrations: upTo, by: 'version' };
  return { why: `there is no file of version ${row.version ?? '(none)'}` };
}

/**
 * Whether the checksum of a row is one that is known, and not that of its file. That of a release of several files may be
 * made of all of them: it tells nothing of one.
 */
export function isChanged({ migration, row }: Match, matches: readonly Match[]): boolean {
  return (
    row.checksum !== undefined &&
    matches.filter((match) => match.row === row).length === 1 &&
    migration.code === undefined &&
    hasChecksum(migration.sql, row.checksum) === false
  );
}
