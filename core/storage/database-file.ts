import { accessSync, constants, lstatSync, readlinkSync, realpathSync, statSync, type Stats } from 'node:fs';
import { basename, dirname, join, resolve, sep } from 'node:path';

import { FileAccessError, InvalidOptionError, messageOf, UnreadableDatabaseError } from '../errors.js';
import { networkFileSystemOf, systemErrorCode } from './file-system.js';

/** What a path leads to, learned without opening the file. */
export interface DatabaseFile {
  /** The path as it was given. */
  readonly path: string;
  /** The one path under which the file is known to every process: links followed, absolute. */
  readonly canonicalPath: string;
  /** The real path of the folder that the file is or will be in. */
  readonly folder: string;
  readonly exists: boolean;
  /** Bytes of the database file itself; 0 where it is absent. */
  readonly sizeBytes: number;
  /** The permission bits of the file; undefined where it is absent. */
  readonly permissions: number | undefined;
  /** Bytes of the write-ahead log beside it, which may hold all of its data. */
  readonly walBytes: number;
  /** Bytes of the rollback journal beside it: a program stopped in the middle of a change, or is in one now. */
  readonly journalBytes: number;
  /** The kind of network file system that the file is on. Locks are often not to be relied on there. */
  readonly networkFileSystem: string | undefined;
}

/**
 * - `locate`: only its place matters; the file may be absent or unusable.
 * - `read`: the file is only looked at.
 * - `plan`: the same, to say whether it could be changed; another user may have the permission.
 * - `write`: the file will be changed, or made where it is absent.
 * - `replace`: as `write`, and what is in the file now does not matter.
 */
export type FileIntent = 'locate' | 'read' | 'plan' | 'write' | 'replace';

/** SQLite's own limit is 512 bytes less the ending of the journal (`mxPathname` of its VFS); longer: SQLITE_CANTOPEN. */
const MAX_PATH_BYTES = 504;

/**
 * Learns what a path leads to before SQLite sees it, and refuses what cannot be a database or cannot be used safely.
 *
 * The file itself is never opened: closing it again would drop every POSIX lock that this process holds on it
 * ("How To Corrupt An SQLite Database File", section 2.2).
 *
 * @param whenFound called with the canonical path as soon as it is known to lead to a plain file, while the rest is still
 *   to be looked at: nothing may be read or written there before all of it is
 * @throws InvalidOptionError when the path names no file: empty, `:memory:`, a URI, too long
 * @throws FileAccessError when it leads to something else than a file, or the file or its folder may not be used
 * @throws UnreadableDatabaseError when SQLite would destroy data by looking
 */
export function resolveDatabaseFile(
  path: string,
  intent: FileIntent = 'write',
  whenFound?: (canonicalPath: string) => void,
): Promise<DatabaseFile> {
  // A few system calls that need no disk: a turn through the thread pool for each takes longer than all of them.
  return new Promise((resolved) => {
    resolved(lookAtFile(path, intent, whenFound));
  });
}

function lookAtFile(
  path: string,
  intent: FileIntent,
  whenFound: ((canonicalPath: string) => void) | undefined,
): DatabaseFile {
  refuseUnusableName(path);
  const absolute = resolve(path);
  const canonicalPath = followLinks(path, absolute);
  if (Buffer.byteLength(canonicalPath) > MAX_PATH_BYTES) {
    throw new InvalidOptionError(
      `The path of the database has ${Buffer.byteLength(canonicalPath)} bytes; SQLite opens at most ${MAX_PATH_BYTES}: "${canonicalPath}".`,
      { hint: 'Move the database to a folder with a shorter path.' },
    );
  }
  const folder = dirname(canonicalPath);
  // Before the file itself: while another process makes the database, its log has bytes only after the file has.
  const walBytes = sizeOf(`${canonicalPath}-wal`);
  const found = statOrAbsent(canonicalPath);
  if (found !== undefined) {
    refuseUnusableKind(found, path);
    whenFound?.(canonicalPath);
  }
  const writes = intent === 'write' || intent === 'replace';
  if ((writes || intent === 'plan') && found !== undefined && found.nlink > 1)
    throw hardLinked(path, found.nlink);
  if (intent !== 'locate') refuseWithoutAccess(path, canonicalPath, folder, found !== undefined, writes);

  const file: DatabaseFile = {
    path,
    canonicalPath,
    folder,
    exists: found !== undefined,
    sizeBytes: found?.size ?? 0,
    permissions: found === undefined ? undefined : found.mode & 0o777,
    walBytes,
    journalBytes: sizeOf(`${canonicalPath}-journal`),
    networkFileSystem: networkFileSystemOf(folder),
  };
  if (hasOrphanedLog(file) && ['read', 'plan', 'write'].includes(intent)) throw orphanedLog(file);
  return file;
}

function refuseUnusableName(path: string): void {
  const hint = 'Give the path of a database file, such as "data/worlds.db".';
  const given: unknown = path;
  if (typeof given !== 'string')
    throw new InvalidOptionError(
      `The path of the database must be text, and is ${given === null ? 'null' : `of the type ${typeof given}`}.`,
      { hint },
    );
  if (path.trim() === '') throw new InvalidOptionError('The path of the database is empty.', { hint });
  if (path.includes('\0')) {
    throw new InvalidOptionError('The path of the database holds a NUL character.', { hint });
  }
  if (path === ':memory:') {
    throw new InvalidOptionError('":memory:" names no file, and a file is needed here.', { hint });
  }
  if (path.slice(0, 'file:'.length).toLowerCase() === 'file:') {
    throw new InvalidOptionError(`"${path}" is a URI, and a plain path is needed here.`, { hint });
  }
  // resolve() would drop the slash, and a file would be made where a folder was meant.
  if (path.endsWith('/') || path.endsWith(sep)) throw notAFile(path, 'the path of a folder');
}

function followLinks(path: string, absolute: string): string {
  try {
    return realpathSync.native(absolute);
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw pathError(path, error);
  }
  const target = danglingTarget(path, absolute);
  if (target !== undefined) {
    throw new FileAccessError(
      'MISSING_DATABASE',
      `"${path}" is a link to "${target}", which does not exist.`,
      {
        hint: 'Bring back what the link leads to (is its disk mounted?), or remove the link.',
      },
    );
  }
  try {
    return join(realpathSync.native(dirname(absolute)), basename(absolute));
  } catch (error) {
    throw pathError(path, error);
  }
}

/** Where a link leads that leads nowhere; undefined when there is no link. */
function danglingTarget(path: string, absolute: string): string | undefined {
  try {
    const isLink = lstatSync(absolute, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
    return isLink ? readlinkSync(absolute) : undefined;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw pathError(path, error);
  }
}

function pathError(path: string, cause: unknown): Error {
  const folder = dirname(resolve(path));
  switch (systemErrorCode(cause) ?? '') {
    case 'ENOENT':
      return new FileAccessError('MISSING_DATABASE', `The folder "${folder}" of "${path}" does not exist.`, {
        hint: 'Check the path, or make the folder first.',
        cause,
      });
    case 'ENOTDIR':
      return new FileAccessError('NOT_A_FILE', `"${path}" leads through something that is not a folder.`, {
        hint: 'Check the path: one of its folders is a file.',
        cause,
      });
    case 'ELOOP':
      return new FileAccessError('NOT_A_FILE', `"${path}" is a link that leads back to itself.`, {
        hint: 'Remove the link, or point it at the database.',
        cause,
      });
    case 'ENAMETOOLONG':
      return new InvalidOptionError(`The path of the database, or a name in it, is too long: "${path}".`, {
        hint: 'Give the database or its folders shorter names.',
        cause,
      });
    case 'EACCES':
    case 'EPERM':
      return new FileAccessError(
        'NO_ACCESS',
        `"${path}" cannot be reached: permission is missing on its way.`,
        { hint: `Let this user pass through the folders of "${folder}".`, cause },
      );
    default:
      return new FileAccessError('NO_ACCESS', `"${path}" cannot be reached: ${messageOf(cause)}`, {
        hint: 'Check the disk or the network that the file is on.',
        cause,
      });
  }
}

function refuseUnusableKind(found: Stats, path: string): void {
  const kind = kindOf(found);
  if (kind !== undefined) throw notAFile(path, kind);
}

function notAFile(path: string, kind: string): FileAccessError {
  return new FileAccessError('NOT_A_FILE', `"${path}" is ${kind}, not a database file.`, {
    hint: 'Give the path of the database file itself.',
  });
}

function kindOf(found: Stats): string | undefined {
  if (found.isFile()) return undefined;
  if (found.isDirectory()) return 'a folder';
  if (found.isFIFO()) return 'a pipe';
  if (found.isSocket()) return 'a socket';
  return 'a device';
}

function hardLinked(path: string, names: number): FileAccessError {
  return new FileAccessError(
    'HARD_LINKED_FILE',
    `"${path}" has ${names} names (hard links); each would have a journal and a lock of its own.`,
    {
      hint:
        'Programs that use different names corrupt the database. ' +
        'Find the others with "find DISK -samefile FILE", remove all but one, and use that one.',
    },
  );
}

function refuseWithoutAccess(
  path: string,
  canonicalPath: string,
  folder: string,
  exists: boolean,
  writes: boolean,
): void {
  const { R_OK, W_OK, X_OK } = constants;
  if (exists) {
    requireAccess(canonicalPath, R_OK, `"${path}" cannot be read`, 'Let this user read the file.');
    if (writes) {
      requireAccess(
        canonicalPath,
        W_OK,
        `"${path}" cannot be written`,
        'Let this user write the file, and check that it is not marked as unchangeable.',
      );
    }
  }
  if (writes) {
    requireAccess(
      folder,
      W_OK | X_OK,
      `The folder "${folder}" of "${path}" cannot be written`,
      'SQLite keeps its journal beside the database: let this user write the folder.',
    );
  }
}

function requireAccess(path: string, mode: number, sentence: string, hint: string): void {
  try {
    accessSync(path, mode);
  } catch (error) {
    const readOnly = systemErrorCode(error) === 'EROFS';
    throw new FileAccessError(
      'NO_ACCESS',
      `${sentence}${readOnly ? ': its file system is read-only' : ''}.`,
      {
        hint: readOnly ? 'Mount the file system for writing, or move the database.' : hint,
        cause: error,
      },
    );
  }
}

/** Whether the only data is in the log beside the file, which SQLite would remove. */
export function hasOrphanedLog(file: DatabaseFile): boolean {
  return file.sizeBytes === 0 && file.walBytes > 0;
}

function orphanedLog(file: DatabaseFile): UnreadableDatabaseError {
  return new UnreadableDatabaseError(
    'NEEDS_RECOVERY',
    `"${file.path}" is ${file.exists ? 'empty' : 'missing'}, but the log beside it ("${file.canonicalPath}-wal") holds ${file.walBytes} bytes of a database.`,
    {
      hint:
        'Do not open it: SQLite removes the log when it finds no database in the file. ' +
        'Move both files away together and restore a backup, or bring back the file that the log belongs to.',
    },
  );
}

function statOrAbsent(path: string): Stats | undefined {
  try {
    // An error that is only made to be caught costs more than the look itself.
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw pathError(path, error);
  }
}

function sizeOf(path: string): number {
  return statOrAbsent(path)?.size ?? 0;
}
