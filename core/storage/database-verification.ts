import type { DatabaseBridge } from '../database/database-bridge.js';
import { FileAccessError } from '../errors.js';
import { readChangedFiles, readChangedWaysBack, type ChangedFile } from './changed-files.js';
import { findChecks, runChecks, type CheckResult } from './database-checks.js';
import { resolveDatabaseFile } from './database-file.js';
import { checkIntegrity, type IntegrityResult } from './database-integrity.js';
import { countViolations } from './database-inventory.js';
import { readDatabase } from './database-reading.js';
import {
  probeDatabase,
  wrongUserVersion,
  type DatabaseState,
  type WrongUserVersion,
} from './database-state.js';
import { LegacyBridge } from './legacy-migrations.js';
import { newViolations } from './migration-guards.js';
import { findTampering } from './history-chain.js';
import { toleratedViolations, type ToleratedViolations } from './history-row.js';
import type { HistoryTable } from './history-table.js';
import { planMigrations, type MigrationPlan } from './migration-plan.js';
import { replayApplied, replayMigrations } from './migration-replay.js';
import type { Migration } from './migration.js';
import { compareSchemas, type SchemaDifference } from './schema-comparison.js';
import { diagnose, type Drift } from './schema-mending.js';
import { findOtherHistories } from './other-history-reading.js';
import { readSchema, type SchemaSnapshot } from './schema-snapshot.js';
import { foldName } from './sql-tokens.js';
import type { MigrationSource } from './upgrade-options.js';
import { resolveSource } from './upgrade-source.js';
import { worldLegacyVersions, worldMigrationsDir } from './world-migrations.js';

/** How a database stands to its files. */
export interface Verification {
  readonly database: string;
  readonly kind: DatabaseState['kind'];
  /**
   * Whether nothing is pending, nothing missing, different or changed, nothing damaged, no foreign key newly broken, the
   * history as it was written, `user_version` right, and every check of the project's own met.
   */
  readonly ok: boolean;
  /** Files that wait to be applied, adopted or completed. */
  readonly pending: readonly string[];
  /** The applied files that are not what they were when they were applied. The schema is held against today's. */
  readonly changed: readonly ChangedFile[];
  /** The ways back that are not what they were when their migrations were applied; a note, and no fault. */
  readonly changedWaysBack: readonly ChangedFile[];
  /** Rows of the history that were changed, moved or taken out by hand, as sentences. */
  readonly tampering: readonly string[];
  /** What is missing or different, against the files that stand applied, with the statements that would mend it. */
  readonly drift: readonly Drift[];
  /** What the database has beyond the files: its owner's own. Histories of other tools are left out. */
  readonly extras: readonly SchemaDifference[];
  readonly integrity: IntegrityResult;
  /** Foreign keys broken by more rows than were counted when the database was upgraded. */
  readonly newViolations: readonly ToleratedViolations[];
  /** All rows that break a foreign key, those counted at the upgrade included. */
  readonly violations: readonly ToleratedViolations[];
  /** Whether `PRAGMA user_version` tells the newest applied version. */
  readonly userVersion: WrongUserVersion | undefined;
  /** What became of the project's own checks. */
  readonly checks: readonly CheckResult[];
}

/** The files and the past to hold a database against, and the project's own checks. */
export interface VerificationOptions extends MigrationSource {
  /**
   * The path of a file of checks; `false` for none. Default: `checks.sql` in the folder of the migrations, where it is
   * there. Checks that write take the write lock while they are carried out, and are rolled back.
   */
  readonly checks?: string | false | undefined;
}

/** Looks whether these files can be held against a database at all: one that was changed can, and is told of apart. */
function planUnchanged(state: DatabaseState, migrations: readonly Migration[]): MigrationPlan {
  if (state.kind !== 'managed') return planMigrations(state, migrations);
  const versions = new Map(migrations.map((migration) => [migration.version, migration]));
  const applied = state.applied.map((attempt) => ({
    ...attempt,
    checksum: versions.get(attempt.version)?.checksum ?? attempt.checksum,
  }));
  return planMigrations({ ...state, applied }, migrations);
}

/** The tables in which other tools keep what is theirs: a history that was taken over, a lock. */
async function tablesOfOtherTools(db: DatabaseBridge, table: HistoryTable): Promise<string[]> {
  const histories = await findOtherHistories(db, table);
  return histories.flatMap(({ table: name, companions }) => [
    ...(name === undefined ? [] : [name]),
    ...companions,
  ]);
}

/** A schema without these tables, and without what hangs on them. */
function withoutTables({ tables, objects }: SchemaSnapshot, names: readonly string[]): SchemaSnapshot {
  const left = new Set(names.map(foldName));
  return {
    tables: new Map([...tables].filter(([key]) => !left.has(key))),
    objects: new Map([...objects].filter(([, { table }]) => !left.has(foldName(table)))),
  };
}

function extrasOf(expected: SchemaSnapshot, live: SchemaSnapshot): SchemaDifference[] {
  return compareSchemas(expected, live).filter(({ kind }) => kind === 'extra');
}

const nothingPlanned: MigrationPlan = { baseline: [], undo: [], pending: [] };

/**
 * Holds a database against its files: schema, integrity, foreign keys, user_version; and carries out the project's own
 * checks. Changes no row of it, and no byte where no check writes.
 *
 * A managed database is compared with what its applied files make, any other with what all files make. A file that was
 * changed since is no error here: the result shows the change.
 *
 * @param path the database file
 * @param source the files and the past to hold it against; the world storage layer's own unless said
 * @throws FileAccessError (MISSING_DATABASE) when there is no such file
 * @throws MigrationFileError when a file, or that of the checks, is not as it must be
 * @throws ForeignDatabaseError, NewerDatabaseError, HistoryConflictError, UnreadableDatabaseError when it is not a
 *   database that these files can be held against
 */
export async function verifyDatabase(
  path: string,
  source: VerificationOptions = { migrations: worldMigrationsDir, legacy: worldLegacyVersions },
): Promise<Verification> {
  const resolved = await resolveSource(source);
  const { historyTable } = resolved;
  const checks = await findChecks(source.migrations, source.checks, source);
  const file = await resolveDatabaseFile(path, 'read');
  if (!file.exists)
    throw new FileAccessError('MISSING_DATABASE', `There is no database at "${path}".`, {
      hint: 'Check the path.',
    });
  const bridge = new LegacyBridge(resolved);
  const found = await readDatabase(resolved.driver, file, 'read-only', async (db: DatabaseBridge) => {
    const state = await bridge.recognise(await probeDatabase(db, historyTable));
    const tampering = state.kind === 'managed' ? await findTampering(db, historyTable) : [];
    // From a history that was tampered with no plan can be made: a row that was taken out makes its file late.
    const plan = tampering.length > 0 ? nothingPlanned : planUnchanged(state, resolved.migrations);
    const applied = state.kind === 'managed' ? state.applied : [];
    const expected =
      state.kind === 'managed'
        ? await replayApplied(resolved, resolved.migrations, applied)
        : (await replayMigrations(resolved, resolved.migrations)).final;
    const live = await readSchema(db, historyTable);
    const drift = diagnose(expected, live).map((finding) => finding.drift);
    const changed = await readChangedFiles(db, historyTable, applied, resolved.migrations);
    const changedWaysBack = await readChangedWaysBack(db, historyTable, applied, resolved.migrations);
    const integrity = await checkIntegrity(db, 'full');
    const violations = await countViolations(db);
    const broken = newViolations(
      toleratedViolations(state.kind === 'managed' ? state.history : []),
      violations,
    );
    const userVersion = wrongUserVersion(state);
    const pending = [...plan.baseline.map(({ migration }) => migration), ...plan.pending]
      .sort((a, b) => a.version - b.version)
      .map(({ filename }) => filename);
    return {
      database: path,
      kind: state.kind,
      ok:
        pending.length === 0 &&
        drift.length === 0 &&
        changed.length === 0 &&
        tampering.length === 0 &&
        integrity.damage.length === 0 &&
        broken.length === 0 &&
        userVersion === undefined,
      pending,
      changed,
      changedWaysBack,
      tampering,
      drift,
      extras: extrasOf(expected, withoutTables(live, await tablesOfOtherTools(db, historyTable))),
      integrity,
      newViolations: broken,
      violations,
      userVersion,
    };
  });
  const results = await runChecks(path, checks, source);
  return { ...found, ok: found.ok && results.every(({ ok }) => ok), checks: results };
}
