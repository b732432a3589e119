import { accessSync, constants, realpathSync, statSync } from 'node:fs';

import { FileAccessError } from '../errors.js';
import { systemErrorCode } from './file-system.js';

const endings = ['-wal', '-shm', '-journal'];

/**
 * Names what keeps this user from a database that the user may write: files beside it that another user's program made.
 * Whoever reads a database in WAL mode makes two of them, which only a user who may write the database removes again
 * ("Write-Ahead Logging").
 *
 * @returns undefined where there are none
 */
export function refusalBeside(database: string, cause: unknown): FileAccessError | undefined {
  if (!mayUse(database, constants.W_OK)) return undefined;
  const real = realpathSync.native(database);
  const paths = endings
    .map((ending) => real + ending)
    .filter(
      (path) =>
        statSync(path, { throwIfNoEntry: false }) !== undefined &&
        !mayUse(path, constants.R_OK | constants.W_OK),
    );
  if (paths[0] === undefined) return undefined;
  const verb = paths.every((path) => mayUse(path, constants.R_OK)) ? 'write' : 'read';
  const files = paths.map((each) => `"${each}"`).join(' and ');
  return new FileAccessError(
    'NO_ACCESS',
    `"${database}" cannot be used: this user may not ${verb} ${files} beside it, which user ${statSync(paths[0]).uid} owns.`,
    {
      hint: `Let this user read and write ${files} (chown, chmod). Do not remove a "-wal" or a "-journal" with bytes in it: they belong to the database.`,
      cause,
    },
  );
}

function mayUse(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return false;
  }
}
