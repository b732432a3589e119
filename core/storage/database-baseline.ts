import type { DatabaseBridge } from '../database/database-bridge.js';
import { InvalidOptionError, UpgradeBridgeError } from '../errors.js';
import { changesSchema, evidenceOf, findBaseline, misfits } from './baseline-evidence.js';
import { userVersionFor } from './database-state.js';
import { changeHistory, probeOwn, type HistoryChange, type HistoryChangeOptions } from './history-change.js';
import { attemptAt, type Attempt } from './history-row.js';
import { replayMigrations, type Replay, type ReplayStep } from './migration-replay.js';
import type { Migration } from './migration.js';
import { compareSchemas, type SchemaDifference } from './schema-comparison.js';
import { listSentences } from './sentence-list.js';
import { emptySchema, isEmptySchema, type SchemaSnapshot } from './schema-snapshot.js';
import type { ResolvedSource } from './upgrade-source.js';

export interface BaselineOptions extends Omit<HistoryChangeOptions, 'legacy'> {
  /** The version up to which the database holds everything. Default: the newest one that the schema shows. */
  readonly at?: number | undefined;
}

/** A file that a baseline records, with what shows that it has been carried out. */
export interface BaselineFile {
  readonly version: number;
  readonly filename: string;
  /** What is there of it, or not there any more; empty where a later file took all of it away, too. */
  readonly evidence: readonly string[];
  /** Whether it changes data only, so that nothing can be seen of it and it is taken to have run. */
  readonly assumed: boolean;
}

/** What a baseline recorded; with `dryRun`, what it would record. */
export interface BaselineReport {
  readonly database: string;
  readonly dryRun: boolean;
  /** The version that the database is at. */
  readonly version: number;
  readonly files: readonly BaselineFile[];
  /** The files that are not recorded: the next upgrade applies them. */
  readonly pending: readonly string[];
  /** Why the next file that changes the schema is not counted as there; undefined where there is none. */
  readonly next: { readonly filename: string; readonly misfits: readonly string[] } | undefined;
  /** What the database has beyond: its own, and what later files make. */
  readonly extras: readonly SchemaDifference[];
  /** `PRAGMA user_version` before and after. */
  readonly userVersion: { readonly found: number; readonly set: number };
  /** The path of the copy that was made before the first write. */
  readonly backup: string | undefined;
  readonly ms: number;
}

interface Baseline extends HistoryChange {
  readonly files: readonly BaselineFile[];
  readonly pending: readonly string[];
  readonly next: BaselineReport['next'];
  readonly extras: readonly SchemaDifference[];
}

/**
 * Records what a database holds that has no history and is no legacy database of this program: one that was made by hand
 * or by another tool from the same SQL. It is recorded only what can be seen in the schema, and files between that change
 * data only; those rows have the origin `baseline`. What else the database has stays.
 *
 * It runs like an upgrade: under the lock, after a copy, in one transaction. Nothing but the history and user_version is
 * written.
 *
 * ```ts
 * const { version, files } = await baselineDatabase({ database: 'notes.db', migrations: 'migrations', dryRun: true });
 * ```
 *
 * @throws UpgradeBridgeError (BASELINE_MISMATCH) that names what is missing or different, or where there is a history
 *   already or nothing to record
 * @throws InvalidOptionError when `at` is no version of these files
 * @throws ForeignDatabaseError, FileAccessError, UnreadableDatabaseError, LockedError as `upgradeDatabase` does
 */
export async function baselineDatabase(options: BaselineOptions): Promise<BaselineReport> {
  const started = performance.now();
  let replay: Promise<Replay> | undefined;
  const { change, backup } = await changeHistory(
    { ...options, legacy: undefined },
    { title: 'The baseline', label: 'baseline' },
    async (db, source) => {
      replay ??= replayMigrations(source, source.migrations);
      return decideBaseline(db, source, (await replay).steps, options.at);
    },
  );
  const { files, pending, next, extras, userVersion } = change;
  return {
    database: options.database,
    dryRun: options.dryRun ?? false,
    version: change.standing.at(-1) ?? 0,
    files,
    pending,
    next,
    extras,
    userVersion,
    backup,
    ms: Math.round(performance.now() - started),
  };
}

async function decideBaseline(
  db: DatabaseBridge,
  { migrations, historyTable }: ResolvedSource,
  steps: readonly ReplayStep[],
  at: number | undefined,
): Promise<Baseline> {
  const probed = await probeOwn(db, historyTable);
  if (probed.kind === 'managed')
    throw mismatch('The database has a history already.', 'Upgrade it ("upgrade-bridge up").');
  const { schema, userVersion } = probed;
  if (isEmptySchema(schema))
    throw mismatch(
      'There is nothing in the database that could be recorded.',
      'Upgrade it ("upgrade-bridge up").',
    );
  const recorded = steps.slice(
    0,
    at === undefined ? evidentCount(schema, steps) : countUpTo(schema, steps, at),
  );
  const standing = recorded.map(({ migration }) => migration);
  const nextStep = steps.slice(recorded.length).find(changesSchema);
  const final = recorded.at(-1)?.after ?? emptySchema;
  const files = recorded.map((step) => baselineFile(step, final));
  return {
    from: 'unmanaged',
    mend: () => Promise.resolve([]),
    rechain: false,
    attempts: recorded.map(({ migration }, index) => attemptFor(migration, files[index])),
    tolerated: (_before, { violations }) => (violations.length === 0 ? undefined : violations),
    standing: standing.map(({ version }) => version),
    userVersion: { found: userVersion, set: userVersionFor(standing) },
    files,
    pending: migrations.slice(recorded.length).map(({ filename }) => filename),
    next:
      nextStep === undefined
        ? undefined
        : {
            filename: nextStep.migration.filename,
            misfits: misfits(schema, steps.slice(0, steps.indexOf(nextStep) + 1)),
          },
    extras: compareSchemas(final, schema).filter(({ kind }) => kind === 'extra'),
  };
}

/** How many files the schema shows to have been carried out. */
function evidentCount(schema: SchemaSnapshot, steps: readonly ReplayStep[]): number {
  const count = findBaseline(schema, steps);
  if (count > 0) return count;
  const first = steps.findIndex(changesSchema);
  const { migration } = steps[first] ?? {};
  throw mismatch(
    `The database holds none of these files wholly; of ${migration?.filename ?? 'the first'}: ${listSentences(misfits(schema, steps.slice(0, first + 1)))}.`,
    'Check the path and the files. A legacy database is completed by "upgrade-bridge up"; in any other, add what is missing with the sqlite3 shell and try again.',
  );
}

/** How many files there are up to a version, all of which must be there. */
function countUpTo(schema: SchemaSnapshot, steps: readonly ReplayStep[], at: number): number {
  const index = steps.findIndex(({ migration }) => migration.version === at);
  if (index === -1)
    throw new InvalidOptionError(`There is no migration ${at} to record the database at.`, {
      hint: `Give one of ${steps.map(({ migration }) => migration.version).join(', ')}.`,
    });
  const found = misfits(schema, steps.slice(0, index + 1));
  if (found.length === 0) return index + 1;
  throw mismatch(
    `The database does not hold what the files up to version ${at} make: ${listSentences(found)}.`,
    'Leave the version out to have the one found that fits, or add what is missing with the sqlite3 shell.',
  );
}

function mismatch(message: string, hint: string): UpgradeBridgeError {
  return new UpgradeBridgeError('BASELINE_MISMATCH', message, { hint: `Nothing was changed. ${hint}` });
}

function baselineFile(step: ReplayStep, final: SchemaSnapshot): BaselineFile {
  const { version, filename } = step.migration;
  return { version, filename, evidence: evidenceOf(step, final), assumed: !changesSchema(step) };
}

function attemptFor(migration: Migration, file: BaselineFile | undefined): Attempt {
  return attemptAt(migration, {
    status: 'applied',
    origin: 'baseline',
    executionTimeMs: 0,
    details: { notes: file === undefined ? [] : [reason(file)] },
  });
}

function reason({ evidence, assumed }: BaselineFile): string {
  if (assumed) return 'changes data only, and is taken to have run';
  return evidence.length === 0 ? 'was overtaken by later files' : `is there: ${evidence.join(', ')}`;
}
