import { sha256 } from '../sha256.js';
import type { Migration } from './migration.js';

/** What identifies a migration: nothing else of it decides whether it is applied. */
export type Identified = Pick<Migration, 'version' | 'filename' | 'checksum'>;

/** Of lists that nobody can change: they were frozen when they were made. */
const known = new WeakMap<readonly Identified[], string>();

/** A hash over what identifies migrations, in the order of their versions. */
export function digestOf(migrations: readonly Identified[]): string {
  return known.get(migrations) ?? sha256(contentsOf(migrations));
}

/** Freezes a list and remembers its digest, so that a start with it computes nothing. */
export function withDigest<Each extends Identified>(migrations: readonly Each[]): readonly Each[] {
  const frozen = Object.freeze(migrations.map((each) => Object.freeze(each)));
  known.set(frozen, digestOf(frozen));
  return frozen;
}

/** What identifies migrations, as text. */
export function contentsOf(migrations: readonly Identified[]): string {
  return [...migrations]
    .sort((left, right) => left.version - right.version)
    .map(({ version, filename, checksum }) => JSON.stringify([version, filename, checksum]))
    .join('\n');
}
