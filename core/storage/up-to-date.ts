import type { DatabaseBridge, DatabaseDriver, OpenMode } from '../database/database-bridge.js';
import { resolveDriver } from '../database/drivers.js';
import { DatabaseError } from '../errors.js';
import { moduleLogger } from '../logger.js';
import { resolveDatabaseFile } from './database-file.js';
import { listFiles } from './folder-listing.js';
import { historyTableOf, type HistoryTable } from './history-table.js';
import type { CodeMigration } from './code-migrations.js';
import { isBundle, refuseUnlessMigrations } from './migration-bundle.js';
import { contentsOf, digestOf, type Identified } from './migration-digest.js';
import type { Migration } from './migration.js';
import {
  contentsSeal,
  listingSeal,
  readSealedHistory,
  sealContext,
  type Seal,
  type SealContext,
  type SealedHistory,
} from './upgrade-seal.js';
import type { UpgradeOptions } from './upgrade-options.js';
import type { UpgradeReport } from './upgrade-report.js';

/** A database that was found up to date, on the connection on which it was found so. */
export interface UpToDate {
  readonly db: DatabaseBridge;
  readonly report: UpgradeReport;
}

/**
 * Finds out in one query whether there is nothing to do: the last upgrade left nothing, and neither the history nor the
 * migrations have changed since. The files of a folder are compared by their listing, and read where that has changed.
 *
 * @param keep whether the caller goes on with the connection, and so wants one that can write
 * @returns undefined where that cannot be told so quickly, for whatever reason: the whole look names it
 * @throws InvalidOptionError, FileAccessError, UnreadableDatabaseError when the path leads to no database
 */
export async function findUpToDate(options: UpgradeOptions, keep: boolean): Promise<UpToDate | undefined> {
  // `performance` is loaded by the first who asks for it, which takes longer than opening the database.
  const started = process.hrtime.bigint();
  if (options.to !== undefined) return undefined;
  refuseUnlessMigrations(options.migrations);
  const driver = resolveDriver(options.driver);
  let opening: Promise<DatabaseBridge | undefined> | undefined;
  let isKept = false;
  try {
    const looking = resolveDatabaseFile(options.database, 'write', (path) => {
      opening = openOrNot(driver, path, keep ? 'read-write' : 'read-only');
    });
    const file = await looking;
    if (!file.exists || file.networkFileSystem !== undefined) return undefined;
    // A connection that may write carries over, when it closes, a log that others left beside the database.
    const isAlone = file.walBytes === 0 && file.journalBytes === 0;
    if (keep && !isAlone) return undefined;
    const historyTable = historyTableOf(options);
    const context = await contextOf(options, historyTable);
    const db = await opening;
    if (db === undefined) return undefined;
    // SQLite reads on another thread, while this one looks at the files.
    const asking = sealedHistoryOf(db, historyTable);
    const listing = listingOf(options);
    const history = await asking;
    if (!keep) opening = undefined;
    const [, version] = await Promise.all([
      keep ? undefined : db.close(),
      sealedVersion(options, context, history, listing),
    ]);
    if (version === undefined) return undefined;
    const { database } = options;
    const report = upToDateReport(database, version, Number(process.hrtime.bigint() - started) / 1e6);
    const logger = moduleLogger(options.logger, 'upgrade').child({ database });
    logger.debug({ version, ms: report.ms }, 'up to date');
    isKept = keep;
    return { db, report };
  } finally {
    if (!isKept) await (await opening)?.close();
  }
}

async function openOrNot(
  driver: DatabaseDriver,
  path: string,
  mode: OpenMode,
): Promise<DatabaseBridge | undefined> {
  try {
    // Whoever is in the way is waited for by the whole look.
    return await driver.open(path, mode, 0);
  } catch (error) {
    passOverRefusal(error);
    return undefined;
  }
}

/** What SQLite refuses here, it refuses in the whole look as well, where it gets its name. */
function passOverRefusal(error: unknown): void {
  if (!(error instanceof DatabaseError)) throw error;
}

async function sealedHistoryOf(
  db: DatabaseBridge,
  historyTable: HistoryTable,
): Promise<SealedHistory | undefined> {
  try {
    return await readSealedHistory(db, historyTable);
  } catch (error) {
    passOverRefusal(error);
    return undefined;
  }
}

/** The listing of the folder, where it is to be compared; it is read while others have their turns. */
function listingOf({
  migrations,
  rereadFiles = false,
}: UpgradeOptions): Promise<string | undefined> | undefined {
  return typeof migrations === 'string' && !rereadFiles ? listFiles(migrations) : undefined;
}

/** The version at which the database is up to date; undefined where that is not proved. */
async function sealedVersion(
  options: UpgradeOptions,
  context: SealContext,
  history: SealedHistory | undefined,
  listingFiles: Promise<string | undefined> | undefined,
): Promise<number | undefined> {
  const seal = history?.seal;
  if (history === undefined || seal === undefined) return undefined;
  const { version } = seal;
  const listing = await listingFiles;
  const isAsListed =
    listing !== undefined && seal.listing === listingSeal(context, { version, listing }, history);
  return isAsListed || (await isAsRead(options, context, history, seal)) ? version : undefined;
}

async function isAsRead(
  options: UpgradeOptions,
  context: SealContext,
  history: SealedHistory,
  { version, contents: expected }: Seal,
): Promise<boolean> {
  const digest = await digestOfMigrations(options, context, version);
  return digest !== undefined && expected === contentsSeal(context, { version, digest }, history);
}

/** The digest of the migrations; undefined where one is newer than the version, so that it cannot be the sealed one. */
async function digestOfMigrations(
  { migrations, rereadFiles = false }: UpgradeOptions,
  { historyTable }: SealContext,
  version: number,
): Promise<string | undefined> {
  if (typeof migrations === 'string') {
    const { identifyFiles } = await import('./migration-files.js');
    const identified = identifyFiles(migrations, version);
    return identified === undefined ? undefined : digestOf(identified);
  }
  if (!isBundle(migrations)) return digestOf(await identified(migrations));
  if (!rereadFiles) return migrations.digest;
  const { openBundle } = await import('./bundle-opening.js');
  return digestOf(openBundle(migrations, { historyTable: historyTable.name }));
}

/** Migrations in code have what identifies them only once they are defined. */
async function identified(
  migrations: readonly (Identified | CodeMigration | Migration)[],
): Promise<readonly Identified[]> {
  const isIdentified = (each: Identified | CodeMigration): each is Identified =>
    typeof each === 'object' && 'filename' in each && 'checksum' in each;
  if (migrations.every(isIdentified)) return migrations;
  const { defineMigration } = await import('./code-migrations.js');
  return migrations.map((each) => (isIdentified(each) ? each : defineMigration(each)));
}

async function contextOf(
  { legacy, code = [] }: UpgradeOptions,
  historyTable: HistoryTable,
): Promise<SealContext> {
  return sealContext(historyTable, {
    legacy,
    code: code.length === 0 ? '' : contentsOf(await identified(code)),
  });
}

function upToDateReport(database: string, version: number, ms: number): UpgradeReport {
  return {
    database,
    found: 'managed',
    upToDate: true,
    claimed: undefined,
    evident: undefined,
    differences: [],
    adopted: [],
    completed: [],
    applied: [],
    rolledBack: [],
    losses: [],
    version,
    rows: [],
    violations: [],
    checkViolations: [],
    ownTriggers: [],
    backup: undefined,
    removedBackups: [],
    adoptedFrom: undefined,
    wouldDo: undefined,
    ms: Math.round(ms),
  };
}
