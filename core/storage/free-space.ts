import { statSync } from 'node:fs';
import { basename } from 'node:path';

import type { DatabaseBridge } from '../database/database-bridge.js';
import { FileAccessError, InvalidOptionError, isSqliteError } from '../errors.js';
import type { DatabaseFile } from './database-file.js';
import { freeBytes } from './file-system.js';
import { sweepPartials } from './partial-files.js';

/** Room for what grows besides: the history, the schema, the index of the log. */
const SURPLUS_BYTES = 1024 ** 2;

/** So many bytes that will be written below a folder. */
export interface SpaceNeed {
  readonly folder: string;
  readonly bytes: number;
}

export interface UpgradeSpaceOptions {
  /** Where the copy will be made; undefined when none will. */
  readonly backupFolder: string | undefined;
  /** The bytes of the database; looked up unless given. */
  readonly databaseBytes?: number | undefined;
  /** The bytes of the largest table that may be rebuilt; looked up unless given. */
  readonly rebuildBytes?: number | undefined;
}

/**
 * Refuses an upgrade for which there is no room: the copy, the largest rebuild, and the log of that rebuild. Where it is
 * scarce, what killed processes left of copies is removed first.
 *
 * @throws FileAccessError `NO_SPACE` before anything is written, with what is needed and what is free
 */
export async function checkFreeSpace(
  file: DatabaseFile,
  db: DatabaseBridge,
  options: UpgradeSpaceOptions,
): Promise<void> {
  const { backupFolder, rebuildBytes } = options;
  if (rebuildBytes !== undefined && !(Number.isSafeInteger(rebuildBytes) && rebuildBytes >= 0)) {
    throw new InvalidOptionError(`The size of the largest rebuild cannot be ${rebuildBytes}.`, {
      hint: 'Give a whole number of bytes, or leave it out.',
    });
  }
  const bytes = options.databaseBytes ?? (await databaseBytes(db));
  const needs = (largestRebuild: number): SpaceNeed[] => [
    { folder: file.folder, bytes: 2 * largestRebuild + SURPLUS_BYTES },
    ...(backupFolder === undefined ? [] : [{ folder: backupFolder, bytes }]),
  ];
  // No table is larger than all of them together, and to find the largest one takes a look at every page.
  if (rebuildBytes === undefined && findLack(needs(bytes)) === undefined) return;
  // What a killed process left of a copy is room that this one can have.
  if (backupFolder !== undefined)
    await sweepPartials({ database: basename(file.canonicalPath), folder: backupFolder });
  requireSpace(needs(rebuildBytes ?? (await largestTableBytes(db))));
}

/**
 * Refuses to begin what the disks have no room for. Folders of one file system share their room.
 *
 * @throws FileAccessError `NO_SPACE`
 */
export function requireSpace(needs: readonly SpaceNeed[]): void {
  const lack = findLack(needs);
  if (lack === undefined) return;
  const { folder, free, bytes } = lack;
  throw new FileAccessError(
    'NO_SPACE',
    `The disk of "${folder}" has ${formatBytes(free)} free, and ${formatBytes(bytes)} are needed.`,
    { hint: `Make room for ${formatBytes(bytes - free)} more and try again; nothing was changed.` },
  );
}

/** The first disk that has not enough room. */
function findLack(needs: readonly SpaceNeed[]): (SpaceNeed & { readonly free: number }) | undefined {
  const byDisk = new Map<number, SpaceNeed>();
  for (const { folder, bytes } of needs) {
    const { dev } = statSync(folder);
    const other = byDisk.get(dev);
    byDisk.set(dev, { folder: other?.folder ?? folder, bytes: (other?.bytes ?? 0) + bytes });
  }
  for (const { folder, bytes } of byDisk.values()) {
    const free = freeBytes(folder);
    if (free < bytes) return { folder, bytes, free };
  }
  return undefined;
}

/** The bytes of a database, those in its log included. A compacted copy has no more. */
export async function databaseBytes(db: DatabaseBridge): Promise<number> {
  const [row] = await db.query(
    'SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size',
  );
  return Number(row?.bytes);
}

/** The bytes of the largest table together with its indexes ("The DBSTAT Virtual Table"). */
export async function largestTableBytes(db: DatabaseBridge): Promise<number> {
  try {
    const [row] = await db.query(
      `SELECT sum(d.pgsize) AS bytes FROM dbstat('main', 1) AS d JOIN sqlite_schema AS s ON s.name = d.name
       GROUP BY s.tbl_name ORDER BY bytes DESC LIMIT 1`,
    );
    return Number(row?.bytes ?? 0);
  } catch (error) {
    // A SQLite that was built without it: no table is larger than all of them.
    if (isSqliteError(error, 'SQLITE_ERROR') && error.message.includes('no such table: dbstat')) {
      return await databaseBytes(db);
    }
    throw error;
  }
}

/** A number of bytes for people: `1.2 GB`. */
export function formatBytes(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  const step = bytes < 1_000 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), units.length - 1);
  const value = bytes / 1_000 ** step;
  return `${value < 10 && step > 0 ? value.toFixed(1) : Math.round(value)} ${units[step] ?? ''}`;
}
