import type { DatabaseBridge } from '../database/database-bridge.js';
import { FileAccessError } from '../errors.js';
import { resolveDatabaseFile } from './database-file.js';
import { checkIntegrity, type IntegrityResult } from './database-integrity.js';
import { countViolations } from './database-inventory.js';
import { readDatabase } from './database-reading.js';
import { probeDatabase, type DatabaseState } from './database-state.js';
import { LegacyBridge } from './legacy-migrations.js';
import { newViolations } from './migration-guards.js';
import type { AppliedMigration, ToleratedViolations } from './migration-history.js';
import { planMigrations } from './migration-plan.js';
import { replayMigrations } from './migration-replay.js';
import { compareSchemas, type SchemaDifference } from './schema-comparison.js';
import { readSchema } from './schema-snapshot.js';
import { resolveSource, type MigrationSource } from './upgrade-options.js';
import { worldLegacyVersions, worldMigrationsDir } from './world-migrations.js';

/** How a database stands to its files. */
export interface Verification {
  readonly database: string;
  readonly kind: DatabaseState['kind'];
  /** Whether nothing is pending, nothing missing or different, nothing damaged and no foreign key newly broken. */
  readonly ok: boolean;
  /** Files that wait to be applied, adopted or completed. */
  readonly pending: readonly string[];
  /** What is missing or different, against the files that stand applied. */
  readonly drift: readonly SchemaDifference[];
  /** What the database has beyond the files: its owner's own. */
  readonly extras: readonly SchemaDifference[];
  readonly integrity: IntegrityResult;
  /** Foreign keys broken by more rows than were counted when the database was upgraded. */
  readonly newViolations: readonly ToleratedViolations[];
  /** All rows that break a foreign key, those counted at the upgrade included. */
  readonly violations: readonly ToleratedViolations[];
  /** Whether `PRAGMA user_version` tells the newest applied version. */
  readonly userVersion: { readonly found: number; readonly expected: number } | undefined;
}

/** The violations that the newest history row which counted them tolerates. */
function toleratedBy(applied: readonly AppliedMigration[]): readonly ToleratedViolations[] {
  const counted = [...applied]
    .sort((a, b) => a.id - b.id)
    .filter(({ details }) => details.violations !== undefined);
  return counted.at(-1)?.details.violations ?? [];
}

/**
 * Holds a database against its files: schema, integrity, foreign keys, user_version. Changes no byte of it.
 *
 * A managed database is compared with what its applied files make, any other with what all files make.
 *
 * @param path the database file
 * @param source the files and the past to hold it against; the world storage layer's own unless said
 * @throws FileAccessError (MISSING_DATABASE) when there is no such file
 * @throws ForeignDatabaseError, NewerDatabaseError, HistoryConflictError, UnreadableDatabaseError when it is not a
 *   database that these files can be held against
 */
export async function verifyDatabase(
  path: string,
  source: MigrationSource = { migrations: worldMigrationsDir, legacy: worldLegacyVersions },
): Promise<Verification> {
  const resolved = await resolveSource(source);
  const file = await resolveDatabaseFile(path, 'read');
  if (!file.exists)
    throw new FileAccessError('MISSING_DATABASE', `There is no database at "${path}".`, {
      hint: 'Check the path.',
    });
  const bridge = new LegacyBridge(resolved);
  return readDatabase(resolved.driver, file, 'read-only', async (db: DatabaseBridge) => {
    const state = await bridge.recognise(await probeDatabase(db));
    const plan = planMigrations(state, resolved.migrations);
    const applied = state.kind === 'managed' ? state.applied : [];
    const versions = new Set(applied.map(({ version }) => version));
    const files =
      state.kind === 'managed'
        ? resolved.migrations.filter(({ version }) => versions.has(version))
        : resolved.migrations;
    const { final } = await replayMigrations(resolved.driver, files);
    const differences = compareSchemas(final, await readSchema(db));
    const drift = differences.filter(({ kind }) => kind !== 'extra');
    const integrity = await checkIntegrity(db, 'full');
    const violations = await countViolations(db);
    const broken = newViolations(toleratedBy(applied), violations);
    const newest = applied.at(-1)?.version ?? 0;
    const userVersion =
      state.kind === 'managed' && newest <= 0x7fffffff && state.userVersion !== newest
        ? { found: state.userVersion, expected: newest }
        : undefined;
    const pending = [...plan.baseline.map(({ migration }) => migration), ...plan.pending]
      .sort((a, b) => a.version - b.version)
      .map(({ filename }) => filename);
    return {
      database: path,
      kind: state.kind,
      ok:
        pending.length === 0 &&
        drift.length === 0 &&
        integrity.damage.length === 0 &&
        broken.length === 0 &&
        userVersion === undefined,
      pending,
      drift,
      extras: differences.filter(({ kind }) => kind === 'extra'),
      integrity,
      newViolations: broken,
      violations,
      userVersion,
    };
  });
}
