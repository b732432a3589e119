import { InvalidOptionError } from '../errors.js';
import { betterSqlite3Driver } from './better-sqlite3-bridge.js';
import type { DatabaseDriver, LocalBridge, OpenMode } from './database-bridge.js';
import { sqlite3Driver } from './sqlite3-bridge.js';

/** The packages through which SQLite can be reached. */
export const driverNames = ['sqlite3', 'better-sqlite3'] as const;

export type DriverName = (typeof driverNames)[number];

/** One of the package's own drivers by name, or one of the caller's. */
export type DriverChoice = DriverName | DatabaseDriver;

/** What everything takes that opens a database. */
export interface DriverOption {
  /**
   * What opens the database: `sqlite3` (the default); `better-sqlite3`, which has to be installed beside this package; or
   * a driver of the caller's own. A package is loaded when the first database is opened with it.
   */
  readonly driver?: DriverChoice | undefined;
}

const drivers: Readonly<Record<DriverName, DatabaseDriver>> = {
  sqlite3: sqlite3Driver,
  'better-sqlite3': betterSqlite3Driver,
};

function isDriverName(name: string): name is DriverName {
  return Object.hasOwn(drivers, name);
}

/** @throws InvalidOptionError when there is no driver of the name, or what was given is none */
export function resolveDriver(choice: DatabaseDriver | string = 'sqlite3'): DatabaseDriver {
  if (typeof choice === 'string') {
    if (isDriverName(choice)) return drivers[choice];
    throw new InvalidOptionError(`There is no driver "${choice}".`, {
      hint: `Give ${driverNames.join(' or ')}, or leave the option out.`,
    });
  }
  if (isDriver(choice)) return choice;
  throw new InvalidOptionError('The driver must be a name or an object with the method open.', {
    hint: `Give ${driverNames.join(' or ')}, or leave the option out. An open connection is no driver: hand it to upgradeConnection.`,
  });
}

/** Callers without types may give anything. */
function isDriver(choice: unknown): choice is DatabaseDriver {
  return (
    typeof choice === 'object' && choice !== null && 'open' in choice && typeof choice.open === 'function'
  );
}

/**
 * Opens a connection as this package's own work uses them: for what takes an open connection, and for a program that has
 * no other way to its database.
 *
 * ```ts
 * const db = await openConnection('notes.db', { mode: 'read-only' });
 * console.log(await db.query('SELECT title FROM notes WHERE id = ?', [7]));
 * await db.close();
 * ```
 *
 * @param location a file path, or `:memory:` for a database of this connection alone
 * @throws DatabaseError when SQLite cannot open it
 * @throws UpgradeBridgeError (NO_DRIVER) when the driver's package cannot be loaded
 */
export async function openConnection(
  location: string,
  { driver, mode = 'create' }: DriverOption & { readonly mode?: OpenMode | undefined } = {},
): Promise<LocalBridge> {
  return resolveDriver(driver).open(location, mode);
}
