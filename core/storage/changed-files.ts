import type { DatabaseBridge } from '../database/database-bridge.js';
import { isChanged, type AppliedMigration } from './history-row.js';
import type { HistoryTable } from './history-table.js';
import { readKeptTexts } from './migration-history.js';
import { changedMigrations } from './migration-plan.js';
import type { Migration } from './migration.js';
import { fileDifference } from './text-difference.js';

/** An applied migration whose file is not the one that was applied. */
export interface ChangedFile {
  readonly version: number;
  readonly filename: string;
  /** When the other one was applied. UTC, ISO 8601. */
  readonly appliedAt: string;
  /**
   * What has changed since, as lines of a difference; undefined where the history kept no text: of a migration in code,
   * and of one that an earlier version of this package applied.
   */
  readonly difference: readonly string[] | undefined;
}

/**
 * Finds the ways back that are not those which were there when their migrations were applied. That is no fault: a way back
 * may be corrected, and the one of the file is what runs.
 */
export async function readChangedWaysBack(
  db: DatabaseBridge,
  table: HistoryTable,
  applied: readonly AppliedMigration[],
  known: readonly Migration[],
): Promise<ChangedFile[]> {
  const versions = new Map(known.map((migration) => [migration.version, migration]));
  const files: ChangedFile[] = [];
  for (const attempt of applied) {
    const file = versions.get(attempt.version);
    if (file === undefined || file.code !== undefined || isChanged(attempt, file)) continue;
    const { up, down = '' } = await readKeptTexts(db, table, attempt.version);
    const now = file.down?.sql ?? '';
    // Without any text the row is older than the texts.
    if (up === undefined || down === now) continue;
    files.push({
      version: file.version,
      filename: file.down?.filename ?? file.filename.replace(/(\.up)?\.sql$/, '.down.sql'),
      appliedAt: attempt.appliedAt,
      difference: fileDifference(down, now),
    });
  }
  return files;
}

/** Finds the applied migrations whose files have changed, with what the history kept of them held against them. */
export async function readChangedFiles(
  db: DatabaseBridge,
  table: HistoryTable,
  applied: readonly AppliedMigration[],
  known: readonly Migration[],
): Promise<ChangedFile[]> {
  const versions = new Map(known.map((migration) => [migration.version, migration]));
  const files: ChangedFile[] = [];
  for (const { applied: attempt, file } of changedMigrations(applied, versions)) {
    const { up } = await readKeptTexts(db, table, attempt.version);
    const isText = up !== undefined && file.code === undefined;
    files.push({
      version: file.version,
      filename: file.filename,
      appliedAt: attempt.appliedAt,
      difference: isText ? fileDifference(up, file.sql) : undefined,
    });
  }
  return files;
}
