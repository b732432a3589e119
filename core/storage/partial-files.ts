import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

import type { BackupPlace } from './backup-files.js';
import { systemErrorCode } from './file-system.js';

/**
 * After a day without a write nobody is at it any more: the process of its maker's number is another one, which got the
 * number later.
 */
const ABANDONED_MS = 24 * 60 * 60 * 1000;

/** Files that this process is making now. */
const making = new Set<string>();
let claimed = 0;
const partialName = /\.(\d+)-\d+\.partial(?:-journal|-wal|-shm)?$/;
const sideFiles = ['', '-journal', '-wal', '-shm'];

/** A temporary name in the folder of `target` that no other process, and nobody in this one, uses. */
export async function claimPartial(target: string): Promise<string> {
  const partial = `${target}.${process.pid}-${(claimed += 1)}.partial`;
  making.add(partial);
  // An earlier process of the same number may have left one.
  await removeWithSideFiles(partial);
  return partial;
}

/**
 * Removes what is left of a temporary file; does nothing when it got its name. A refusal is no error: what made the copy fail is
 * what the caller has to know, and what cannot be removed now is swept before the next copy.
 *
 * @returns whether nothing is left
 */
export async function discardPartial(partial: string): Promise<boolean> {
  try {
    await removeWithSideFiles(partial);
    return true;
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return false;
  } finally {
    making.delete(partial);
  }
}

async function removeWithSideFiles(partial: string): Promise<void> {
  for (const ending of sideFiles) await rm(`${partial}${ending}`, { force: true });
}

/** The temporary files in folders, each of which is looked through once, for many databases in one. */
export class PartialFiles {
  private readonly listings = new Map<string, Promise<readonly string[]>>();

  /** The names of those in a folder when it was first asked about. */
  in(folder: string): Promise<readonly string[]> {
    const known = this.listings.get(folder);
    if (known !== undefined) return known;
    const listing = readdir(folder).then((names) => names.filter((name) => partialName.test(name)));
    this.listings.set(folder, listing);
    // That it failed once is no answer for the next database.
    listing.catch(() => this.listings.delete(folder));
    return listing;
  }
}

/**
 * Removes the temporary files of one database that processes left which were killed.
 *
 * @param known what was seen in its folder before; where it is given, what was left there since stays
 */
export async function sweepPartials(place: BackupPlace, known = new PartialFiles()): Promise<string[]> {
  const swept: string[] = [];
  for (const name of await known.in(place.folder)) {
    const maker = partialName.exec(name)?.[1];
    if (!name.startsWith(`${place.database}.`) || maker === undefined) continue;
    const path = join(place.folder, name);
    if (await isMadeNow(path, Number(maker))) continue;
    await rm(path, { force: true });
    swept.push(path);
  }
  return swept;
}

async function isMadeNow(path: string, maker: number): Promise<boolean> {
  // In a container, every process may have had our number.
  if (maker === process.pid) return [...making].some((partial) => path.startsWith(partial));
  return isProcessAlive(maker) && Date.now() - (await writtenAt(path)) < ABANDONED_MS;
}

/** When a file was last written, in milliseconds since 1970; 0 where it is gone. */
async function writtenAt(path: string): Promise<number> {
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return 0;
    throw error;
  }
}

/** Whether there is a process of this number on this machine. */
export function isProcessAlive(id: number): boolean {
  try {
    process.kill(id, 0);
    return true;
  } catch (error) {
    // It lives, and belongs to another user.
    return systemErrorCode(error) === 'EPERM';
  }
}
