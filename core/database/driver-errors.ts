import { DatabaseError, messageOf, UpgradeBridgeError } from '../errors.js';

const hints: Readonly<Record<string, string>> = {
  SQLITE_BUSY: 'Another program is using the database. Try again when it has finished.',
  SQLITE_FULL: 'The disk is full. Make room and try again; nothing of the failed step was kept.',
  SQLITE_IOERR: 'The disk or the file system reported an error. Check it before you try again.',
  SQLITE_READONLY: 'The file or its folder cannot be written. Check the permissions.',
  SQLITE_CANTOPEN: 'Check that the path is right and that the file and its folder are readable and writable.',
  SQLITE_CORRUPT:
    'The file is damaged. Restore a backup, or try the ".recover" command of the sqlite3 shell.',
  SQLITE_NOTADB: 'The file is not a SQLite database, or it is encrypted.',
};

/**
 * What a driver reported, as the rest knows it.
 *
 * @param code SQLite's result code by name; of an extended one, such as `SQLITE_BUSY_SNAPSHOT`, the primary one is kept
 */
export function databaseError(code: string, message: string, cause: unknown): DatabaseError {
  const primary = /^SQLITE_[A-Z]+/.exec(code)?.[0] ?? 'SQLITE_ERROR';
  return new DatabaseError(message, primary, {
    hint: hints[primary] ?? 'See "Result and Error Codes" in the SQLite documentation.',
    cause,
  });
}

export function interruptedCopy(): DatabaseError {
  return new DatabaseError('interrupted', 'SQLITE_INTERRUPT', {
    hint: 'The copy was stopped; what it was to replace is as it was.',
  });
}

/** The code that an error carries. Asked for by its parts: each realm (a worker's, a test's) has a class of its own. */
export function codeOf(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined;
}

/** What Node says of a package that is not there, to `import` and to `require`. */
const missingCodes: readonly unknown[] = ['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'];

/**
 * Loads the package of a driver.
 *
 * @param wanted what npm is to install: the name, perhaps with the version that is supported
 * @throws UpgradeBridgeError (NO_DRIVER) when it is not installed, or was built for another system or another Node
 */
export async function loadPackage<Module>(
  name: string,
  load: () => Promise<Module>,
  wanted: string,
): Promise<Module> {
  try {
    return await load();
  } catch (error) {
    throw noDriver(name, wanted, error);
  }
}

/** The error that says why the package of a driver could not be loaded. */
export function noDriver(name: string, wanted: string, cause: unknown): UpgradeBridgeError {
  const missing = missingCodes.includes(codeOf(cause));
  return new UpgradeBridgeError(
    'NO_DRIVER',
    missing
      ? `The driver ${name} is not installed.`
      : `The driver ${name} cannot be loaded: ${messageOf(cause).split('\n', 1)[0] ?? ''}`,
    {
      hint: missing
        ? `Install it ("npm install ${wanted}"), or choose another driver.`
        : `Build it for this Node and this system ("npm rebuild ${name}"), or choose another driver.`,
      cause,
    },
  );
}
