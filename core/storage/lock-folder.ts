import { mkdirSync, rmdirSync, statSync, utimesSync, type Stats } from 'node:fs';

type Callback = (error: unknown) => void;

/**
 * The folder that is a lock, and the file system as the lock library is to see it. Two things differ from the real one:
 *
 * - A folder that is not the one we made is not removed, neither by a late release nor at the exit of the process.
 * - The calls do not go through the thread pool: a sign of life must not wait behind long statements on other
 *   connections. Each is one system call on a folder.
 */
export class LockFolder {
  #made: string | undefined;

  constructor(private readonly path: string) {}

  /** Whether the folder at the lock's place is the one that we made. */
  isOurs(): boolean {
    try {
      return this.#made !== undefined && this.#made === identityOf(this.path);
    } catch {
      // A place that cannot be looked at any more is not known to be ours.
      return false;
    }
  }

  /** The part of node:fs that the library calls, for its option `fs`. */
  asFileSystem() {
    return {
      mkdir: (path: string, callback: Callback) => {
        attempt(callback, () => {
          mkdirSync(path);
          this.#made = identityOf(path);
        });
      },
      stat: (path: string, callback: (error: unknown, found?: Stats) => void) => {
        let found: Stats | undefined;
        attempt(
          (error) => {
            callback(error, found);
          },
          () => {
            found = statSync(path);
          },
        );
      },
      utimes: (path: string, accessed: Date, modified: Date, callback: Callback) => {
        attempt(callback, () => {
          utimesSync(path, accessed, modified);
        });
      },
      rmdir: (path: string, callback: Callback) => {
        attempt(callback, () => {
          this.#remove(path);
        });
      },
      rmdirSync: (path: string) => {
        this.#remove(path);
      },
    };
  }

  /** Before we have made a folder, what is removed is a lock whose owner is gone. */
  #remove(path: string): void {
    if (this.#made !== undefined && !this.isOurs())
      throw new Error(`another process has taken over "${path}"`);
    rmdirSync(path);
  }
}

function attempt(callback: Callback, action: () => void): void {
  try {
    action();
  } catch (error) {
    callback(error);
    return;
  }
  callback(null);
}

/** A folder's number is used again once it is removed; number and time of birth together are not. */
function identityOf(path: string): string | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? undefined : `${String(found.ino)} ${String(found.birthtimeNs)}`;
}
