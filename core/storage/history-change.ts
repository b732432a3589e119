import type { DatabaseBridge } from '../database/database-bridge.js';
import { withSnapshot } from '../database/transaction.js';
import { FileAccessError, ForeignDatabaseError, UpgradeBridgeError } from '../errors.js';
import { resolveDatabaseFile } from './database-file.js';
import { takeInventory, type Inventory } from './database-inventory.js';
import { readOnly, readPatiently } from './database-reading.js';
import { probeDatabase, type OccupiedState, type ProbedState } from './database-state.js';
import { chainRows, findTampering } from './history-chain.js';
import {
  guardAgainstLeftovers,
  guardAgainstLoss,
  markTransaction,
  type GuardedStep,
} from './migration-guards.js';
import { appliedMigrations, type Attempt, type ToleratedViolations } from './history-row.js';
import { ensureHistory, readHistory, recordAttempt } from './migration-history.js';
import { anotherName, type HistoryTable } from './history-table.js';
import { otherHistory } from './other-history.js';
import { underLock } from './migration-runner.js';
import type { CheckViolations } from './check-violations.js';
import type { UpgradeConnection } from './upgrade-connection.js';
import { resolveProgress, resolveSettings, type UpgradeOptions } from './upgrade-options.js';
import { resolveSource, type ResolvedSource } from './upgrade-source.js';
import type { ChangeRequest } from './upgrade-request.js';

/** What repairs, baselines and adoptions share. */
export interface HistoryChangeOptions extends Omit<
  UpgradeOptions,
  'adopt' | 'legacyMode' | 'to' | 'transaction'
> {
  /** Only to say what would be done: nothing is written, and no lock is taken. Default: false. */
  readonly dryRun?: boolean | undefined;
}

/** What they take where they are made through an open connection. */
export type ConnectionHistoryOptions = Omit<HistoryChangeOptions, 'backup' | 'database'>;

/** A change of the history that somebody asked for, as it was decided by looking at the database. */
export interface HistoryChange {
  /** What the database is, as the name of its backup says it. */
  readonly from: string;
  /** The work on the schema, which comes first. */
  readonly mend: (db: DatabaseBridge) => Promise<readonly CheckViolations[]>;
  /** Whether the rows that are there are chained anew. */
  readonly rechain: boolean;
  /** The rows to add; none where there is nothing to do. */
  readonly attempts: readonly Attempt[];
  /** The violations that are not held against the database from now on; undefined for no change. */
  readonly tolerated: (before: Inventory, after: Inventory) => readonly ToleratedViolations[] | undefined;
  /** The versions that stand applied afterwards, in their order. */
  readonly standing: readonly number[];
  /** What `PRAGMA user_version` says, and what it says afterwards. */
  readonly userVersion: { readonly found: number; readonly set: number };
}

/** What was decided and done. */
export interface HistoryChangeResult<Change extends HistoryChange> {
  readonly change: Change;
  readonly checkViolations: readonly CheckViolations[];
  readonly backup: string | undefined;
}

/** What is changed, in the words of errors and of the name of the backup. */
export interface HistoryChangeSubject {
  /** `The repair`. */
  readonly title: string;
  /** `repair`. */
  readonly label: string;
}

/**
 * Changes the history as somebody decided: looks without writing, and where there is something to do, looks again under
 * the lock, makes a copy, and does all of it in one transaction, guarded like a migration.
 *
 * @param decide looks at the database and says what is to be done, or refuses; called twice
 * @param known the files, where they were read already
 * @throws FileAccessError (MISSING_DATABASE) when there is no such file
 * @throws what `decide` throws; nothing was changed then
 */
export async function changeHistory<Change extends HistoryChange>(
  options: HistoryChangeOptions,
  subject: HistoryChangeSubject,
  decide: (db: DatabaseBridge, source: ResolvedSource) => Promise<Change>,
  known?: ResolvedSource,
): Promise<HistoryChangeResult<Change>> {
  const settings = resolveSettings(options);
  const source = known ?? (await resolveSource(options));
  const file = await resolveDatabaseFile(options.database, options.dryRun === true ? 'read' : 'write');
  if (!file.exists)
    throw new FileAccessError('MISSING_DATABASE', `There is no database at "${options.database}".`, {
      hint: 'Check the path.',
    });
  const look = (db: DatabaseBridge): Promise<Change> => decide(db, source);
  const change =
    options.dryRun === true
      ? await readOnly(source.driver, file, options, look)
      : await readPatiently(
          source.driver,
          file,
          { lockWaitMs: settings.lockWaitMs, signal: options.signal },
          look,
        );
  if (options.dryRun === true || change.attempts.length === 0)
    return { change, checkViolations: [], backup: undefined };
  const request = requestFor(file, source, options, subject);
  return underLock(request, (connection) => carryOut(request, connection, subject, look));
}

/** The same through one open connection, with the weaker promises of `upgradeConnection`. */
export async function changeHistoryThrough<Change extends HistoryChange>(
  db: DatabaseBridge,
  options: ConnectionHistoryOptions,
  subject: HistoryChangeSubject,
  decide: (db: DatabaseBridge, source: ResolvedSource) => Promise<Change>,
): Promise<HistoryChangeResult<Change>> {
  const source = await resolveSource(options);
  if (options.dryRun === true) {
    const change = await withSnapshot(db, () => decide(db, source));
    return { change, checkViolations: [], backup: undefined };
  }
  const request = requestFor(db, source, { ...options, database: db.location }, subject);
  return underLock(request, (connection) =>
    carryOut(request, connection, subject, (own) => decide(own, source)),
  );
}

function requestFor(
  target: ChangeRequest['target'],
  source: ResolvedSource,
  options: HistoryChangeOptions,
  { label }: HistoryChangeSubject,
): ChangeRequest {
  return {
    driver: source.driver,
    target,
    historyTable: source.historyTable,
    settings: resolveSettings(options),
    logger: source.logger.child({ database: options.database }),
    progress: resolveProgress(options, source.logger),
    signal: options.signal,
    to: label,
  };
}

async function carryOut<Change extends HistoryChange>(
  { settings, historyTable, logger }: ChangeRequest,
  connection: UpgradeConnection,
  subject: HistoryChangeSubject,
  decide: (db: DatabaseBridge) => Promise<Change>,
): Promise<HistoryChangeResult<Change>> {
  const { db } = connection;
  const step: GuardedStep = {
    subject: subject.title,
    place: { filename: `(${subject.label})`, statement: undefined, line: undefined },
  };
  const work = async (): Promise<HistoryChangeResult<Change>> => {
    const change = await decide(db);
    // Somebody else may have done it meanwhile.
    if (change.attempts.length === 0) return { change, checkViolations: [], backup: undefined };
    await connection.secure(change.from);
    const before = await takeInventory(db, historyTable, settings);
    const finish = await markTransaction(db);
    const checkViolations = await change.mend(db);
    await finish(step);
    await guardAgainstLeftovers(db, step);
    const after = await takeInventory(db, historyTable, settings);
    guardAgainstLoss(step, before, after);
    await record(db, historyTable, change, change.tolerated(before, after));
    return { change, checkViolations, backup: connection.backup };
  };
  try {
    const result = await connection.transaction(
      () => connection.interruptible(work),
      ({ change }) => change.attempts.length > 0,
    );
    for (const { version, filename, status, details } of result.change.attempts)
      logger.info({ version, file: filename, status, ...details }, 'history changed');
    return result;
  } catch (error) {
    // One transaction: nothing was changed.
    await connection.withdrawBackup();
    throw connection.nameFailure(error);
  }
}

async function record(
  db: DatabaseBridge,
  table: HistoryTable,
  change: HistoryChange,
  violations: readonly ToleratedViolations[] | undefined,
): Promise<void> {
  await ensureHistory(db, table);
  if (change.rechain) await chainRows(db, table);
  for (const [index, attempt] of change.attempts.entries()) {
    const isLast = index === change.attempts.length - 1;
    const details = isLast && violations !== undefined ? { ...attempt.details, violations } : attempt.details;
    await recordAttempt(db, table, { ...attempt, details });
  }
  await db.executeScript(`PRAGMA user_version = ${change.userVersion.set}`);
  await prove(db, table, change);
}

/** Reads the history that is about to be committed as the next program will read it. */
async function prove(db: DatabaseBridge, table: HistoryTable, { standing }: HistoryChange): Promise<void> {
  const found = appliedMigrations(await readHistory(db, table)).map(({ version }) => version);
  const [tampering] = await findTampering(db, table);
  if (found.join() === standing.join() && tampering === undefined) return;
  throw new UpgradeBridgeError(
    'BAD_HISTORY',
    `The history would not say what was decided: ${tampering ?? `it has ${found.join(', ')} applied, not ${standing.join(', ')}`}.`,
    { hint: 'Nothing was changed. Report this with the output of "upgrade-bridge verify --json".' },
  );
}

/**
 * @throws OtherHistoryError when another tool keeps a history where ours should be
 * @throws ForeignDatabaseError when something else stands there
 */
export async function probeOwn(
  db: DatabaseBridge,
  table: HistoryTable,
): Promise<Exclude<ProbedState, OccupiedState>> {
  const probed = await probeDatabase(db, table);
  if (probed.kind !== 'occupied') return probed;
  const [other] = probed.others;
  throw other === undefined ? occupied(probed) : otherHistory(other, true);
}

/** Says that something that is no history stands where ours should be. */
export function occupied({ description }: OccupiedState): ForeignDatabaseError {
  return new ForeignDatabaseError(`This cannot be taken for a database of this program: ${description}.`, {
    hint: `Nothing was changed. Check the path; if that is something of your own, ${anotherName}.`,
  });
}
