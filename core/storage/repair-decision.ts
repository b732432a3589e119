import type { DatabaseBridge } from '../database/database-bridge.js';
import { InvalidOptionError, isSqliteError, messageOf, UpgradeBridgeError } from '../errors.js';
import { readChangedFiles, readChangedWaysBack, type ChangedFile } from './changed-files.js';
import { foreignKeyName, type Inventory } from './database-inventory.js';
import { stateLabel, userVersionFor, type ManagedState } from './database-state.js';
import { findSigns } from './history-tampering.js';
import { probeOwn, type HistoryChange } from './history-change.js';
import { newViolations } from './migration-guards.js';
import { refuseTampering } from './history-chain.js';
import { toleratedViolations, type AppliedMigration, type ToleratedViolations } from './history-row.js';
import type { HistoryTable } from './history-table.js';
import { refuseChanged, refuseMissing, refuseNewer } from './migration-plan.js';
import { replayMigrations } from './migration-replay.js';
import type { Migration } from './migration.js';
import { RepairRows } from './repair-rows.js';
import { diagnose, makerOf, mendDrift, type Drift } from './schema-mending.js';
import { readSchema } from './schema-snapshot.js';
import { summarizeDifference } from './text-difference.js';
import type { CheckViolations } from './check-violations.js';
import type { ResolvedSource } from './upgrade-source.js';

/** What somebody wants to be repaired. */
export interface RepairWishes {
  readonly acceptChanged: boolean;
  readonly acceptTampering: boolean;
  readonly markApplied: readonly number[];
  readonly markPending: readonly number[];
  readonly completeMissing: boolean;
}

/** A migration of which somebody said how it stands. */
export interface MarkedMigration {
  readonly version: number;
  readonly filename: string;
}

/** What a repair is to do. */
export interface RepairDecision extends HistoryChange {
  readonly acceptedTampering: readonly string[];
  readonly acceptedChanges: readonly ChangedFile[];
  readonly markedApplied: readonly MarkedMigration[];
  readonly markedPending: readonly MarkedMigration[];
  readonly mended: readonly Drift[];
  readonly unmended: readonly Drift[];
}

/**
 * Looks at a database and decides what a repair is to do.
 *
 * @throws UpgradeBridgeError REPAIR_FAILED where there is no history, TAMPERED_HISTORY where one was changed by hand and
 *   that is not accepted
 * @throws NewerDatabaseError, HistoryConflictError, ForeignDatabaseError, InvalidOptionError when the database, its files
 *   and the wishes do not go together
 */
export async function decideRepair(
  db: DatabaseBridge,
  source: ResolvedSource,
  wishes: RepairWishes,
): Promise<RepairDecision> {
  const state = await managedState(db, source.historyTable);
  const files = new Map(source.migrations.map((migration) => [migration.version, migration]));
  const tampering = await findSigns(db, source.historyTable, state);
  if (!wishes.acceptTampering) refuseTampering(tampering);
  refuseNewer(state.applied, source.migrations);
  const { markedApplied, markedPending } = resolveMarks(wishes, state, files);
  const pending = new Set(markedPending.map(({ version }) => version));
  const kept = state.applied.filter(({ version }) => !pending.has(version));
  refuseMissing(kept, files);
  if (!wishes.acceptChanged) refuseChanged(kept, files);
  const changes = await readChangedFiles(db, source.historyTable, kept, source.migrations);
  const waysBack = wishes.acceptChanged
    ? await readChangedWaysBack(db, source.historyTable, kept, source.migrations)
    : [];
  const standing = source.migrations.filter(({ version }) =>
    [...kept, ...markedApplied].some((each) => each.version === version),
  );
  const mending = wishes.completeMissing ? await decideMending(db, source, standing) : nothingToMend;

  const rows = new RepairRows(state, standing);
  for (const { version } of markedPending) rows.note(version, 'marked as not applied');
  for (const { version } of markedApplied) rows.note(version, 'marked as applied');
  for (const { version, difference } of changes)
    rows.note(
      version,
      difference === undefined
        ? 'accepted the changed file'
        : `accepted the changed file: ${summarizeDifference(difference)}`,
    );
  for (const { version, filename, difference } of waysBack)
    rows.note(version, `accepted ${filename} as it is now: ${summarizeDifference(difference ?? [])}`);
  for (const { version, label } of mending.labels) rows.complete(version, label);
  for (const sentence of tampering)
    rows.noteDatabase(`accepted a history that was changed by hand: ${sentence}`);
  const userVersion = userVersionFor(standing);
  if (state.userVersion !== userVersion) rows.noteDatabase(`user_version was ${state.userVersion}`);

  return {
    from: stateLabel(state),
    mend: mending.mend,
    rechain: tampering.length > 0,
    attempts: rows.attempts(),
    tolerated: (before, after) => tolerated(state, before, after),
    standing: standing.map(({ version }) => version),
    userVersion: { found: state.userVersion, set: userVersion },
    acceptedTampering: tampering,
    acceptedChanges: [...changes, ...waysBack],
    markedApplied,
    markedPending,
    mended: mending.mended,
    unmended: mending.unmended,
  };
}

async function managedState(db: DatabaseBridge, table: HistoryTable): Promise<ManagedState> {
  const probed = await probeOwn(db, table);
  if (probed.kind === 'managed') return probed;
  throw new UpgradeBridgeError('REPAIR_FAILED', `There is no history in "${db.location}" to repair.`, {
    hint: 'Nothing was changed. Upgrade the database first ("upgrade-bridge up"), or record what it holds ("upgrade-bridge baseline").',
  });
}

function resolveMarks(
  { markApplied, markPending }: RepairWishes,
  { applied }: ManagedState,
  files: ReadonlyMap<number, Migration>,
): { markedApplied: MarkedMigration[]; markedPending: AppliedMigration[] } {
  const standing = new Map(applied.map((attempt) => [attempt.version, attempt]));
  const markedApplied = inOrder(markApplied).map((version) => {
    const file = files.get(version);
    if (markPending.includes(version))
      throw wrongMark(`Migration ${version} cannot be marked as applied and as not applied.`);
    if (file === undefined) throw wrongMark(`There is no migration ${version} to be marked as applied.`);
    if (standing.has(version)) throw wrongMark(`Migration ${version} stands applied already.`);
    return { version, filename: file.filename };
  });
  const markedPending = inOrder(markPending).map((version) => {
    const attempt = standing.get(version);
    if (attempt === undefined) throw wrongMark(`Migration ${version} does not stand applied.`);
    return attempt;
  });
  return { markedApplied, markedPending };
}

function inOrder(versions: readonly number[]): number[] {
  return [...new Set(versions)].sort((a, b) => a - b);
}

function wrongMark(message: string): InvalidOptionError {
  return new InvalidOptionError(message, {
    hint: 'Nothing was changed. "upgrade-bridge status" says how each migration stands.',
  });
}

/** What is to be done to a schema, and in the name of which migrations. */
interface Mending {
  readonly mended: readonly Drift[];
  readonly unmended: readonly Drift[];
  readonly labels: readonly { readonly version: number; readonly label: string }[];
  readonly mend: (db: DatabaseBridge) => Promise<readonly CheckViolations[]>;
}

const nothingToMend: Mending = { mended: [], unmended: [], labels: [], mend: () => Promise.resolve([]) };

async function decideMending(
  db: DatabaseBridge,
  source: ResolvedSource,
  standing: readonly Migration[],
): Promise<Mending> {
  const { steps, final } = await replayMigrations(source, standing);
  const live = await readSchema(db, source.historyTable);
  const findings = diagnose(final, live);
  const mendable = findings.filter(({ remedy }) => remedy.kind !== 'none');
  return {
    mended: mendable.map(({ drift }) => drift),
    unmended: findings.filter(({ remedy }) => remedy.kind === 'none').map(({ drift }) => drift),
    labels: mendable.map(({ drift, place }) => ({
      version: makerOf(place, steps),
      label: `${drift.object} ${drift.name}`,
    })),
    mend: async (writable) => {
      try {
        const checkViolations = await mendDrift(writable, mendable, live);
        const left = diagnose(final, await readSchema(writable, source.historyTable)).filter(
          ({ remedy }) => remedy.kind !== 'none',
        );
        if (left.length === 0) return checkViolations;
        throw repairFailed(left.map(({ drift }) => drift.sentence).join('; '), undefined);
      } catch (error) {
        if (!isSqliteError(error, 'SQLITE_ERROR', 'SQLITE_CONSTRAINT', 'SQLITE_MISMATCH')) throw error;
        throw repairFailed(
          messageOf(error),
          error,
          isSqliteError(error, 'SQLITE_MISMATCH') ? error.hint : undefined,
        );
      }
    },
  };
}

function repairFailed(
  reason: string,
  cause: unknown,
  hint = 'Correct the rows or the object that the sentence names, and repair again.',
): UpgradeBridgeError {
  return new UpgradeBridgeError('REPAIR_FAILED', `The schema could not be mended: ${reason}.`, {
    hint: `Nothing was changed. ${hint}`,
    cause,
  });
}

/** Adds to the violations that are tolerated those that a key shows which the repair has put in place. */
function tolerated(
  { history }: ManagedState,
  before: Inventory,
  after: Inventory,
): readonly ToleratedViolations[] | undefined {
  const shown = newViolations(before.violations, after.violations);
  if (shown.length === 0) return undefined;
  const keys = new Set(shown.map(foreignKeyName));
  return [...toleratedViolations(history).filter((each) => !keys.has(foreignKeyName(each))), ...shown];
}
