import type { DatabaseBridge } from '../database/database-bridge.js';
import type { ManagedState } from './database-state.js';
import { parseDown, parseMigration } from './migration-files.js';
import { checksumOf } from './migration-text.js';
import { isOtherFile } from './history-row.js';
import type { HistoryTable } from './history-table.js';
import { readKeptTexts } from './migration-history.js';
import type { Migration } from './migration.js';

/**
 * Makes migrations of what the history kept of files that this program does not have, or has without their way back, so
 * that an older program can undo what a newer one applied.
 *
 * @throws MigrationFileError when a text that was kept is no migration any more
 */
export async function keptMigrations(
  db: DatabaseBridge,
  table: HistoryTable,
  { applied }: ManagedState,
  known: readonly Migration[],
): Promise<Migration[]> {
  const files = new Map(known.map((migration) => [migration.version, migration]));
  const options = { historyTable: table.name };
  const kept: Migration[] = [];
  for (const attempt of applied) {
    const { version, filename, checksum } = attempt;
    const file = files.get(version);
    const isUndoable = file?.down !== undefined || file?.code !== undefined;
    if (file !== undefined && isUndoable && !isOtherFile(attempt, file)) continue;
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
