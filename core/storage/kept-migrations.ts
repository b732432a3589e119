import type { DatabaseBridge } from '../database/database-bridge.js';
import type { ManagedState } from './database-state.js';
import { checksumOf, parseDown, parseMigration } from './migration-files.js';
import { readKeptTexts, type HistoryTable } from './migration-history.js';
import type { Migration } from './migration.js';

/**
 * Makes migrations of what the history kept of files that this program does not have, so that an older program can undo
 * what a newer one applied.
 *
 * @throws MigrationFileError when a text that was kept is no migration any more
 */
export async function keptMigrations(
  db: DatabaseBridge,
  table: HistoryTable,
  { applied }: ManagedState,
  known: readonly Migration[],
): Promise<Migration[]> {
  const versions = new Set(known.map(({ version }) => version));
  const options = { historyTable: table.name };
  const kept: Migration[] = [];
  for (const { version, filename, checksum } of applied) {
    if (versions.has(version)) continue;
    const { up, down } = await readKeptTexts(db, table, version);
    if (up === undefined || checksumOf(up) !== checksum) continue;
    const migration = parseMigration(filename, Buffer.from(up), options);
    const downName = filename.replace(/(\.up)?\.sql$/, '.down.sql');
    kept.push(
      down === undefined
        ? migration
        : { ...migration, down: parseDown(downName, Buffer.from(down), options) },
    );
  }
  return kept;
}
