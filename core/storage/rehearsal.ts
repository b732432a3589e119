import { FileAccessError, InterruptedError } from '../errors.js';
import type { DatabaseCheck } from './check-files.js';
import { findChecks, runChecks } from './database-checks.js';
import { resolveDatabaseFile } from './database-file.js';
import { inspectDatabase } from './database-inspection.js';
import { readDatabase } from './database-reading.js';
import { verifyDatabase, type Verification, type VerificationOptions } from './database-verification.js';
import { upTo } from './change-terms.js';
import { withRehearsalCopy, type RehearsalCopy } from './rehearsal-copy.js';
import {
  runOnCopy,
  type RehearsalError,
  type RehearsalRequest,
  type RehearsedStep,
} from './rehearsal-run.js';
import { contentOnceAdopted, goRoundTrip, readContent, type Content, type RoundTrip } from './round-trip.js';
import { schemaChanges, type SchemaChange } from './schema-changes.js';
import { readSchema, type SchemaSnapshot } from './schema-snapshot.js';
import { resolveSettings, type UpgradeOptions } from './upgrade-options.js';
import { resolveSource, type ResolvedSource } from './upgrade-source.js';
import type { UpgradeReport } from './upgrade-report.js';

export interface RehearsalOptions
  extends Omit<UpgradeOptions, 'backup' | 'legacyMode'>, Pick<VerificationOptions, 'checks'> {
  /** The path of the database. It is only read. */
  readonly database: string;
  /** Whether the copy also goes down to where it started and up again. Default: false. */
  readonly roundTrip?: boolean | undefined;
  /** Where the copy is made; beside the database unless given. It needs as much room as the database, and more. */
  readonly folder?: string | undefined;
}

/** What an upgrade would do to a database. */
export interface RehearsalReport {
  readonly database: string;
  /**
   * Whether the upgrade would go through, every check of the project's own is met after it, and the round trip, where it
   * was asked for, leads to where it began.
   */
  readonly ok: boolean;
  /** Why the upgrade would fail. */
  readonly error: RehearsalError | undefined;
  /** What the upgrade would report; undefined where it would fail. */
  readonly upgrade: UpgradeReport | undefined;
  readonly steps: readonly RehearsedStep[];
  /** What the upgrade does to the schema; up to the step that fails, where one does. */
  readonly schema: readonly SchemaChange[];
  /** How the upgraded copy stands to the files, with the project's own checks; undefined where the upgrade would fail. */
  readonly verification: Verification | undefined;
  readonly roundTrip: RoundTrip | undefined;
  /** The size of the copy. */
  readonly bytes: number;
  readonly ms: number;
}

/**
 * Carries out an upgrade on a copy of a database, with every guard and check, and says what it did. The copy is thrown
 * away, also after a failure; the database itself is only read, while other programs go on using it.
 *
 * What would make the upgrade fail is a part of the report. What keeps the rehearsal itself from being held is thrown.
 *
 * @throws MigrationFileError, InvalidOptionError when a file or an option cannot be used
 * @throws FileAccessError, UnreadableDatabaseError, BackupError when the database cannot be read or copied: missing,
 *   damaged, waiting for recovery, or no room for the copy
 * @throws InterruptedError when `signal` was aborted
 */
export async function rehearseUpgrade(options: RehearsalOptions): Promise<RehearsalReport> {
  const started = performance.now();
  const { fullCheckBytes } = resolveSettings(options);
  const source = await resolveSource(options);
  const checks = await findChecks(options.migrations, options.checks, options);
  const file = await resolveDatabaseFile(options.database, 'read');
  if (!file.exists)
    throw new FileAccessError('MISSING_DATABASE', `There is no database at "${options.database}".`, {
      hint: 'Check the path.',
    });
  const copying = {
    driver: source.driver,
    folder: options.folder,
    copies: options.roundTrip === true ? 2 : 1,
    fullCheckBytes,
    signal: options.signal,
    logger: source.logger,
  };
  try {
    const found = await withRehearsalCopy(file, copying, (copy) => rehearse(copy, options, source, checks));
    return { ...found, ms: Math.round(performance.now() - started) };
  } catch (error) {
    throw options.signal?.aborted === true ? stopped(options.signal) : error;
  }
}

function stopped(signal: AbortSignal): InterruptedError {
  return new InterruptedError('The rehearsal was stopped on request; its copy was removed.', {
    hint: 'Nothing was changed. Start it again at any time.',
    cause: signal.reason,
  });
}

async function rehearse(
  copy: RehearsalCopy,
  options: RehearsalOptions,
  source: ResolvedSource,
  checks: readonly DatabaseCheck[],
): Promise<Omit<RehearsalReport, 'ms'>> {
  const { database, roundTrip } = options;
  const logger = source.logger.child({ rehearsal: true });
  // The files are the same for every run, whoever edits them meanwhile.
  const settled = { ...options, migrations: source.migrations, code: undefined, logger };
  const request: RehearsalRequest = { copy, options: settled };
  const before = await schemaOf(copy, source);
  const start = roundTrip === true ? await contentAtStart(request, copy) : undefined;

  const first = await runOnCopy(request, upTo(options.to));
  const schema = schemaChanges(before, await schemaOf(copy, source));
  const verification = first.error === undefined ? await verified(copy, settled, checks) : undefined;
  const trip =
    roundTrip === true && first.error === undefined
      ? await goRoundTrip(request, first, source.migrations, start)
      : undefined;
  return {
    database,
    ok:
      first.error === undefined &&
      (verification?.checks ?? []).every((check) => check.ok) &&
      (trip === undefined || trip.ok),
    error: first.error,
    upgrade: first.report,
    steps: first.steps,
    schema,
    verification,
    roundTrip: trip,
    bytes: copy.bytes,
  };
}

async function verified(
  { path }: RehearsalCopy,
  options: RehearsalOptions,
  checks: readonly DatabaseCheck[],
): Promise<Verification> {
  const found = await verifyDatabase(path, { ...options, checks: false });
  const results = await runChecks(path, checks, { driver: options.driver });
  return {
    ...found,
    database: options.database,
    ok: found.ok && results.every(({ ok }) => ok),
    checks: results,
  };
}

/** What a way down must lead back to. */
async function contentAtStart(request: RehearsalRequest, copy: RehearsalCopy): Promise<Content | undefined> {
  const { kind } = await inspectDatabase(copy.path, request.options);
  return kind === 'legacy' ? contentOnceAdopted(request, copy) : readContent(copy.path, request.options);
}

async function schemaOf(
  { path }: RehearsalCopy,
  { driver, historyTable }: ResolvedSource,
): Promise<SchemaSnapshot> {
  return readDatabase(driver, await resolveDatabaseFile(path, 'read'), 'read-only', (db) =>
    readSchema(db, historyTable),
  );
}
