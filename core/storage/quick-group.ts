import { LARGEST_USER_VERSION } from './database-state.js';
import { canDoNoHarm, makesRules } from './migration-effect.js';
import type { Migration } from './migration.js';
import type { Standing } from './standing.js';
import type { UpgradeWork } from './upgrade-request.js';

/** How many files travel together at most. */
export const FILES_IN_GROUP = 32;

/** From how many characters of SQL on no further file is taken along. */
const SQL_IN_GROUP = 64 * 1024;

/** Migrations that are carried out in one call of the driver. */
export interface QuickGroup {
  readonly migrations: readonly Migration[];
  /** How the database stands when they are applied and recorded; the hash of the newest row is that of before. */
  readonly after: Standing;
}

/**
 * The next migrations that can be carried out in one call of the driver and in one transaction: files that can do no harm,
 * and ask nothing but whether the database stands as it was left. None where the next file is not of this kind.
 *
 * @param most how many they may be
 */
export function quickGroup(standing: Standing, most: number): QuickGroup {
  const { work, small } = standing;
  const { baseline, undo, pending } = work.plan;
  const migrations: Migration[] = [];
  let { userVersion, plain } = standing;
  let characters = 0;
  for (const migration of small && baseline.length === 0 && undo.length === 0 ? pending : []) {
    const isAlone = mayEndTransaction(migration);
    const isFull = migrations.length > 0 && (isAlone || characters >= SQL_IN_GROUP);
    const stamp = stampOf(migration, work);
    // What an old release claimed can be ahead of what is applied, and must not stay so.
    const fits = stamp <= LARGEST_USER_VERSION && userVersion <= stamp;
    if (migrations.length === most || isFull || !fits) break;
    if (migration.directives.noTransaction || !canDoNoHarm(migration, plain)) break;
    migrations.push(migration);
    userVersion = stamp;
    plain &&= !makesRules(migration);
    characters += migration.sql.length;
    if (isAlone) break;
  }
  const left = { ...work, plan: { ...work.plan, pending: pending.slice(migrations.length) } };
  return {
    migrations,
    after: { ...standing, work: left, userVersion, plain, hasHistory: true, bare: false },
  };
}

/**
 * Whether a word is in a migration's statements that could end a transaction. Such statements are refused when a file is
 * read; should one slip by, the files before it must not be committed without their rows in the history.
 */
function mayEndTransaction({ statements }: Migration): boolean {
  return statements.some(({ sql }) => /\b(?:commit|end|rollback)\b/i.test(sql));
}

/** A database may lack files below the newest one that it holds. */
function stampOf({ version }: Migration, { state }: UpgradeWork): number {
  const newest = state.kind === 'managed' ? (state.applied.at(-1)?.version ?? 0) : 0;
  return Math.max(version, newest);
}
