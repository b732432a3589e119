import { readdirSync, statSync, type Stats } from 'node:fs';
import { sep } from 'node:path';

import { sha256 } from '../sha256.js';
import { systemErrorCode } from './file-system.js';

/** How many files are looked at before others have a turn: so long does SQLite's next step wait at most. */
const FILES_AT_ONCE = 16;

/**
 * What identifies the files of a folder without reading them: the name, size, and times of change of each. A time is a
 * number of milliseconds with all the digits that such a number has, which tells times apart that are a quarter of a
 * microsecond away from each other.
 */
export class FolderListing {
  readonly names: readonly string[];
  private readonly figures: Float64Array;

  /** @param entries what stands in the folder */
  constructor(entries: readonly string[]) {
    this.names = entries.filter((name) => /\.sql$/i.test(name)).sort();
    this.figures = new Float64Array(3 * this.names.length);
  }

  /** Notes what a look at a file found. To be called for each. */
  note(index: number, { size, mtimeMs, ctimeMs }: Stats): void {
    const { figures } = this;
    figures[3 * index] = size;
    figures[3 * index + 1] = mtimeMs;
    figures[3 * index + 2] = ctimeMs;
  }

  /** A hash over all of it. */
  hash(): string {
    return sha256(this.names.join('/')) + sha256(this.figures);
  }
}

/**
 * The hash of a folder's listing. One system call a file on this thread takes a third of the time that the thread pool
 * takes; in between, what goes on on the other threads is led on.
 *
 * @returns undefined where it cannot be had, of which reading the files tells more
 */
export async function listFiles(folder: string): Promise<string | undefined> {
  try {
    const listing = new FolderListing(readdirSync(folder));
    for (const [index, name] of listing.names.entries()) {
      // Not `join`, which takes longer than the look itself.
      listing.note(index, statSync(`${folder}${sep}${name}`));
      if (index % FILES_AT_ONCE === FILES_AT_ONCE - 1) await nextTurn();
    }
    return listing.hash();
  } catch (error) {
    passOverRefusal(error);
    return undefined;
  }
}

/** The same at once, of a folder of which some files were looked at already. */
export function hashOfListing(
  folder: string,
  entries: readonly string[],
  found: ReadonlyMap<string, Stats> = new Map(),
): string | undefined {
  try {
    const listing = new FolderListing(entries);
    for (const [index, name] of listing.names.entries())
      listing.note(index, found.get(name) ?? statSync(`${folder}${sep}${name}`));
    return listing.hash();
  } catch (error) {
    passOverRefusal(error);
    return undefined;
  }
}

/** What the system refuses here, it refuses as well where the files are read. */
function passOverRefusal(error: unknown): void {
  if (systemErrorCode(error) === undefined) throw error;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
