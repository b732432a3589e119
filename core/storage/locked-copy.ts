import { open } from 'node:fs/promises';

import type { LocalBridge } from '../database/database-bridge.js';
import { unlikeItsSource } from './copy-failures.js';
import { copyBytes } from './raw-copy.js';

/** From how many bytes on it takes longer to read every row than to begin a process that copies the file. */
const LARGE_BYTES = 16 * 1024 ** 2;

/** The header of a log, and of each page in it ("Database File Format", section 4.1). */
const LOG_HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;

/** How a database lies in its files. */
interface Extent {
  readonly pageSize: number;
  readonly pages: number;
  readonly freePages: number;
}

/** Whether a copy of the file is the better one: of a large database, and not where much of it is empty. */
export async function isWorthItsBytes(source: LocalBridge): Promise<boolean> {
  // Windows locks bytes of the file against everybody who would read them.
  if (process.platform === 'win32') return false;
  const { pageSize, pages, freePages } = await extentOf(source);
  return pages * pageSize >= LARGE_BYTES && freePages * 4 <= pages;
}

/**
 * Copies the files of a database that nobody can write, as "Using the SQLite Online Backup API" tells of the time before it:
 * under a lock of SQLite's own, by a program that is not this process.
 *
 * While the caller's write transaction is open and has written nothing, no other connection can write the file, with one
 * exception: in WAL mode a checkpoint goes on beside it and carries pages over from the log. The log itself can neither
 * grow nor begin anew meanwhile. So the copy of the log holds every page that a checkpoint may have been writing while the
 * file was copied, and whoever opens the copy sees these.
 *
 * @param source another connection to the database, without a transaction
 * @param partial a file that is there, for the copy; the log's copy lies beside it, for SQLite to fold into it
 * @throws Error when a file cannot be copied, or `signal` is aborted
 */
export async function copyLockedFiles(
  source: LocalBridge,
  partial: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const frames = await framesInLog(source);
  const { pageSize } = await extentOf(source);
  await copyBytes(source.location, partial, signal);
  if (frames === 0) return;
  const log = `${partial}-wal`;
  await (await open(log, 'wx', 0o600)).close();
  await copyBytes(`${source.location}-wal`, log, signal);
  // What comes behind is none of the database: pages of transactions that were rolled back, or never ended.
  await cutOff(log, LOG_HEADER_BYTES + frames * (FRAME_HEADER_BYTES + pageSize));
}

/** How many pages of the log belong to the database; 0 without a log ("PRAGMA wal_checkpoint": NOOP copies nothing). */
async function framesInLog(source: LocalBridge): Promise<number> {
  const [row] = await source.query('PRAGMA wal_checkpoint(NOOP)');
  return Math.max(0, Number(row?.log));
}

async function extentOf(source: LocalBridge): Promise<Extent> {
  const [row] = await source.query(
    'SELECT page_size, page_count, freelist_count FROM pragma_page_size, pragma_page_count, pragma_freelist_count',
  );
  return {
    pageSize: Number(row?.page_size),
    pages: Number(row?.page_count),
    freePages: Number(row?.freelist_count),
  };
}

async function cutOff(path: string, bytes: number): Promise<void> {
  const file = await open(path, 'r+');
  try {
    const { size } = await file.stat();
    if (size < bytes) throw unlikeItsSource(path, [`its log has ${size} bytes of ${bytes}`]);
    await file.truncate(bytes);
  } finally {
    await file.close();
  }
}
