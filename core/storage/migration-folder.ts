import { readdirSync, readFileSync, statSync, type Stats } from 'node:fs';
import { join, sep } from 'node:path';

import { MigrationFileError, messageOf } from '../errors.js';
import { systemErrorCode } from './file-system.js';
import { hashOfListing } from './folder-listing.js';
import { textOf, textOfDecoded } from './migration-text.js';

/** A folder of migrations while its files are read. */
export class MigrationFolder {
  /** The names of what is in it, in their order. */
  readonly entries: readonly string[];
  /** What the look at each file that was read has found before it was. */
  private readonly found = new Map<string, Stats>();

  /** @throws MigrationFileError when the folder cannot be read */
  constructor(private readonly path: string) {
    try {
      this.entries = readdirSync(path).sort();
    } catch (error) {
      throw unreadable(path, `The folder of migrations "${path}" cannot be read: ${reasonOf(error)}.`, error);
    }
  }

  /**
   * The text of a file, without BOM and with LF line ends.
   *
   * @throws MigrationFileError when it is no file that can be read, or no text
   */
  text(filename: string): string {
    const decoded = this.read(filename, (path) => readFileSync(path, 'utf8'));
    return (
      textOfDecoded(decoded) ??
      textOf(
        this.read(filename, (path) => readFileSync(path)),
        filename,
      )
    );
  }

  /** Looks before it opens: opening a named pipe would wait for ever. */
  private read<Content>(filename: string, read: (path: string) => Content): Content {
    // Not `join`, which takes longer than the look.
    const path = `${this.path}${sep}${filename}`;
    try {
      const found = statSync(path);
      this.found.set(filename, found);
      if (found.isFile()) return read(path);
    } catch (error) {
      throw unreadable(filename, `The migration "${join(path)}" cannot be read: ${reasonOf(error)}.`, error);
    }
    throw unreadable(filename, `The migration "${join(path)}" cannot be read: ${noFile}.`);
  }

  /** The hash of the folder's listing, as it was before its files were read: one that changes in between is noticed later. */
  listing(): string | undefined {
    return hashOfListing(this.path, this.entries, this.found);
  }
}

/** Why what is there is not read: opening it would fail, or wait for ever. */
export const noFile = 'it is a folder, a pipe or a device';

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'it does not exist, or is a link that leads nowhere',
  ENOTDIR: 'it is no folder',
  EACCES: 'this user may not read it',
  EPERM: 'this user may not read it',
  ELOOP: 'it is a link that leads to itself',
};

/** Why a file of migrations cannot be read, in words. */
export function reasonOf(error: unknown): string {
  return reasons[systemErrorCode(error) ?? ''] ?? messageOf(error);
}

function unreadable(file: string, message: string, cause?: unknown): MigrationFileError {
  const hint = 'Check the path and the permissions, and that the program was packed with its SQL files.';
  return new MigrationFileError('UNREADABLE_MIGRATIONS', message, file, undefined, { hint, cause });
}
