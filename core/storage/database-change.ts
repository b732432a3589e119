import type { DatabaseBridge } from '../database/database-bridge.js';
import { withSnapshot } from '../database/transaction.js';
import { UpgradeBridgeError } from '../errors.js';
import { resolveDatabaseFile, type DatabaseFile } from './database-file.js';
import { readPatiently } from './database-reading.js';
import { EarlyConnection } from './early-connection.js';
import { adoptionAfter, type AdoptionTerms } from './adoption-terms.js';
import { adoptConnection, adoptHistoryBy, type AdoptReport } from './history-adoption.js';
import type { ChangeTerms } from './change-terms.js';
import { carryOut, LegacyBridge } from './legacy-migrations.js';
import { resolveLegacyMode } from './legacy-mode.js';
import type { PartialFiles } from './partial-files.js';
import { resolveSettings, type ConnectionUpgradeOptions, type UpgradeOptions } from './upgrade-options.js';
import { resolveSource, type ResolvedSource } from './upgrade-source.js';
import type { UpgradeReport } from './upgrade-report.js';
import type { UpgradeWork } from './upgrade-request.js';

/** Brings the database in a file where `terms` say; takes over another tool's history first where `adopt` says so. */
export async function changeDatabase(options: UpgradeOptions, terms: ChangeTerms): Promise<UpgradeReport> {
  const started = performance.now();
  resolveSettings(options);
  const source = await resolveSource(options);
  const file = await resolveDatabaseFile(options.database, 'write');
  return changeFile({ source, file, options, terms, started });
}

/** A file that is to be changed, by migrations that were read already. */
export interface FileChange {
  readonly source: ResolvedSource;
  readonly file: DatabaseFile;
  readonly options: UpgradeOptions;
  readonly terms: ChangeTerms;
  /** When the work began, as `performance.now()` tells it. */
  readonly started: number;
  /** What was seen of unfinished copies, where many databases share that look. */
  readonly partials?: PartialFiles | undefined;
}

/** Does what `changeDatabase` does, with files that many databases may share. */
export async function changeFile(change: FileChange): Promise<UpgradeReport> {
  try {
    return await changeOwn(change);
  } catch (error) {
    const adoption = adoptionAfter(error, change.options);
    if (adoption === undefined) throw error;
    return adoptAndChange(change, adoption);
  }
}

async function adoptAndChange(change: FileChange, terms: AdoptionTerms): Promise<UpgradeReport> {
  const adoption = await adoptHistoryBy(change.source, { ...change.options, ...terms });
  // One copy is enough: that of the database before anything was written.
  const options: UpgradeOptions =
    adoption.backup === undefined ? change.options : { ...change.options, backup: false };
  return withAdoption(await changeOwn({ ...change, options }), adoption);
}

/** Both steps as one: what was taken over, and what was carried out after it. */
function withAdoption(
  report: UpgradeReport,
  { files, backup, tool, title, table, renamedFrom }: AdoptReport,
): UpgradeReport {
  return {
    ...report,
    found: 'foreign',
    upToDate: report.upToDate && files.length === 0,
    adopted: [...files.map(({ version, filename }) => ({ version, filename, ms: 0 })), ...report.adopted],
    adoptedFrom: tool === undefined || title === undefined ? undefined : { tool, title, table, renamedFrom },
    backup: backup ?? report.backup,
  };
}

async function changeOwn(change: FileChange): Promise<UpgradeReport> {
  const { source, file, options, terms, started, partials } = change;
  const { lockWaitMs } = resolveSettings(options);
  const logger = source.logger.child({ database: options.database });
  if (file.networkFileSystem !== undefined)
    logger.warn(
      { fileSystem: file.networkFileSystem },
      'the database is on a network file system, where locks may fail',
    );
  const legacyMode = resolveLegacyMode(options.legacyMode);
  const bridge = new LegacyBridge({ ...source, logger }, terms.goal, terms.undoFromHistory, legacyMode);
  const patience = { lockWaitMs, signal: options.signal };
  const early = await EarlyConnection.open(source.driver, file);
  try {
    const work = file.exists
      ? ((await lookEarly(early, bridge)) ??
        (await readPatiently(source.driver, file, patience, bridge.survey, bridge.surveyAtOnce)))
      : await bridge.surveyNothing();
    return await carryOut({
      target: file,
      work,
      bridge,
      source: { ...source, logger },
      options,
      terms,
      started,
      partials,
      early,
    });
  } finally {
    await early?.close();
  }
}

/** The first look on a connection that can change the database as well; undefined where there is no such connection. */
async function lookEarly(
  early: EarlyConnection | undefined,
  bridge: LegacyBridge,
): Promise<UpgradeWork | undefined> {
  if (early === undefined) return undefined;
  const { db } = early;
  try {
    return (await bridge.surveyAtOnce(db)) ?? (await withSnapshot(db, () => bridge.survey(db)));
  } catch (error) {
    if (!(error instanceof UpgradeBridgeError)) throw error;
    // Looked at once more by a connection that may only read, it gets its name there, or is waited for.
    await early.close();
    return undefined;
  }
}

/** Brings the database of one open connection where `terms` say; takes over another tool's history first where `adopt` says so. */
export async function changeConnection(
  db: DatabaseBridge,
  options: ConnectionUpgradeOptions,
  terms: ChangeTerms,
): Promise<UpgradeReport> {
  try {
    return await changeOwnConnection(db, options, terms);
  } catch (error) {
    const adopted = adoptionAfter(error, options);
    if (adopted === undefined) throw error;
    const adoption = await adoptConnection(db, { ...options, ...adopted });
    return withAdoption(await changeOwnConnection(db, options, terms), adoption);
  }
}

async function changeOwnConnection(
  db: DatabaseBridge,
  options: ConnectionUpgradeOptions,
  terms: ChangeTerms,
): Promise<UpgradeReport> {
  const started = performance.now();
  const source = await resolveSource(options);
  const { goal, undoFromHistory } = terms;
  const bridge = new LegacyBridge(source, goal, undoFromHistory, resolveLegacyMode(options.legacyMode));
  const work = await bridge.survey(db);
  return carryOut({
    target: db,
    work,
    bridge,
    source,
    options: { ...options, database: db.location },
    terms,
    started,
  });
}
