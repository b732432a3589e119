import { copyFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { resolveDriver } from '../database/drivers.js';
import { resolveDatabaseFile } from './database-file.js';
import { readDatabase } from './database-reading.js';
import { upTo, type ChangeTerms } from './change-terms.js';
import { historyTableOf } from './history-table.js';
import { hasWayBack } from './migration-plan.js';
import type { Migration } from './migration.js';
import type { RehearsalCopy } from './rehearsal-copy.js';
import {
  runOnCopy,
  type RehearsalError,
  type RehearsalRequest,
  type RehearsalRun,
  type RehearsedStep,
} from './rehearsal-run.js';
import { schemaChanges, type SchemaChange } from './schema-changes.js';
import { readSchema, type SchemaSnapshot } from './schema-snapshot.js';
import { compareDigests, digestTables, type RowDifference, type TableDigest } from './table-digest.js';
import type { UpgradeOptions } from './upgrade-options.js';
import { withInterrupt } from './verified-copy.js';

/** How two states of a database differ. */
export interface ContentDifference {
  readonly schema: readonly SchemaChange[];
  readonly rows: readonly RowDifference[];
}

/** What became of the way down and up again. */
export interface RoundTrip {
  /**
   * Whether every file that was applied could be undone, down led back to the schema that was there before, and the
   * second way up led to the same schema and the same rows as the first.
   */
  readonly ok: boolean;
  /** The files that were applied in this rehearsal and that nothing says how to undo. */
  readonly withoutWayBack: readonly string[];
  /** The steps down and up again. */
  readonly steps: readonly RehearsedStep[];
  /** What undoing lost, as sentences. */
  readonly losses: readonly string[];
  /** Why down, or the second way up, failed. */
  readonly error: RehearsalError | undefined;
  /**
   * How the database that went down differs from the one that was to be upgraded. That rows differ is no fault: what an
   * upgrade changed, nobody may be able to change back. Empty where not every file could be undone.
   */
  readonly afterDown: ContentDifference;
  /** How the database that went up twice differs from the one that went up once. */
  readonly afterUpAgain: ContentDifference;
}

/** The schema of a database and what its rows come to. */
export interface Content {
  readonly schema: SchemaSnapshot;
  readonly tables: ReadonlyMap<string, TableDigest>;
}

const noDifference: ContentDifference = { schema: [], rows: [] };

/** Reads what is in a database; memory does not grow with its rows. */
export async function readContent(
  path: string,
  { driver, historyTable, signal }: Pick<UpgradeOptions, 'driver' | 'historyTable' | 'signal'>,
): Promise<Content> {
  const table = historyTableOf({ historyTable });
  const file = await resolveDatabaseFile(path, 'read');
  return readDatabase(resolveDriver(driver), file, 'read-only', (db) =>
    withInterrupt(db, signal, async () => ({
      schema: await readSchema(db, table),
      tables: await digestTables(db, table),
    })),
  );
}

/**
 * What a legacy database is like once it is adopted and completed, and nothing is applied yet: where a way down from its
 * first upgrade ends. It is found out on a copy of the copy.
 */
export async function contentOnceAdopted(
  { options }: RehearsalRequest,
  copy: RehearsalCopy,
): Promise<Content | undefined> {
  const second = { path: join(copy.folder, 'adopted.db') };
  await copyFile(copy.path, second.path);
  try {
    const { error } = await runOnCopy(
      { copy: second, options: { ...options, onProgress: undefined } },
      upTo(0),
    );
    return error === undefined ? await readContent(second.path, options) : undefined;
  } finally {
    for (const ending of ['', '-wal', '-shm', '-journal'])
      await rm(`${second.path}${ending}`, { force: true });
  }
}

/**
 * Goes back by everything that a run applied, and up again, on the same copy.
 *
 * @param start what the database was like before anything was applied; undefined where that is not known
 */
export async function goRoundTrip(
  request: RehearsalRequest,
  first: RehearsalRun,
  migrations: readonly Migration[],
  start: Content | undefined,
): Promise<RoundTrip> {
  const { copy, options } = request;
  const known = new Map(migrations.map((migration) => [migration.version, migration]));
  const applied = (first.report?.applied ?? []).toSorted((left, right) => right.version - left.version);
  const lacking = applied.filter(({ version }) => !hasWayBack(known.get(version)));
  // What lies below a file that cannot be undone cannot be reached.
  const undoable = lacking[0] === undefined ? applied : applied.slice(0, applied.indexOf(lacking[0]));

  const up = await readContent(copy.path, options);
  const down = await runOnCopy(request, undoing(undoable.map(({ version }) => version)));
  const withoutWayBack = lacking.map(({ filename }) => filename).reverse();
  const losses = down.report?.losses ?? [];
  const told = { withoutWayBack, losses, afterDown: noDifference, afterUpAgain: noDifference };
  if (down.error !== undefined) return { ...told, ok: false, steps: down.steps, error: down.error };

  const below = await readContent(copy.path, options);
  const again = await runOnCopy(request, upTo(options.to));
  const steps = [...down.steps, ...again.steps];
  const afterDown = start === undefined || lacking.length > 0 ? noDifference : difference(start, below);
  if (again.error !== undefined) return { ...told, ok: false, steps, afterDown, error: again.error };

  const afterUpAgain = difference(up, await readContent(copy.path, options));
  const isSame = afterUpAgain.schema.length === 0 && afterUpAgain.rows.length === 0;
  const ok = isSame && afterDown.schema.length === 0 && lacking.length === 0;
  return { ...told, ok, steps, afterDown, afterUpAgain, error: undefined };
}

function undoing(versions: readonly number[]): ChangeTerms {
  return { goal: { kind: 'without', versions }, lossAllowed: true, undoFromHistory: false };
}

function difference(before: Content, after: Content): ContentDifference {
  return {
    schema: schemaChanges(before.schema, after.schema),
    rows: compareDigests(before.tables, after.tables),
  };
}
