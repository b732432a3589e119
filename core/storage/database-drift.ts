import { resolveDatabaseFile } from './database-file.js';
import { readDatabase } from './database-reading.js';
import { probeDatabase } from './database-state.js';
import { replayApplied } from './migration-replay.js';
import { diagnose, type Drift } from './schema-mending.js';
import { readSchema } from './schema-snapshot.js';
import type { MigrationSource } from './upgrade-options.js';
import { resolveSource } from './upgrade-source.js';
import { worldLegacyVersions, worldMigrationsDir } from './world-migrations.js';

/**
 * Finds out in what a managed database is not what its applied files make. Quicker than `verifyDatabase`, because no row
 * is looked at; changes no byte.
 *
 * @param path the database file
 * @param source the files to hold it against; the world storage layer's own unless said
 * @returns what is missing or different; nothing where there is no history to hold the schema against
 * @throws UnreadableDatabaseError, FileAccessError when it cannot be read
 */
export async function findDrift(
  path: string,
  source: MigrationSource = { migrations: worldMigrationsDir, legacy: worldLegacyVersions },
): Promise<Drift[]> {
  const resolved = await resolveSource(source);
  const { driver, migrations, historyTable } = resolved;
  const file = await resolveDatabaseFile(path, 'read');
  if (!file.exists) return [];
  return readDatabase(driver, file, 'read-only', async (db) => {
    const probed = await probeDatabase(db, historyTable);
    if (probed.kind !== 'managed') return [];
    const expected = await replayApplied(resolved, migrations, probed.applied);
    return diagnose(expected, await readSchema(db, historyTable)).map(({ drift }) => drift);
  });
}
