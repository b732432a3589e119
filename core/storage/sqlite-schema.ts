import { setTimeout as pause } from 'node:timers/promises';

import type { DatabaseBridge, SqlValue } from '../database/database-bridge.js';
import { DatabaseError, InvalidOptionError, isSqliteError, UpgradeBridgeError } from '../errors.js';

const BUSY_TIMEOUT_MS = 5_000;
const WAL_PATIENCE_MS = 10_000;
const WAL_PAUSE_MS = 10;

/** SQLite's own numbers for its levels of `PRAGMA synchronous`. */
const synchronousLevels = { OFF: 0, NORMAL: 1, FULL: 2, EXTRA: 3 } as const;

export type Synchronous = keyof typeof synchronousLevels;

export interface PragmaOptions {
  /** How many milliseconds SQLite waits for another connection's lock before it says SQLITE_BUSY. Default: 5000. */
  readonly busyTimeoutMs?: number;
  /**
   * How hard a commit is pressed onto the disk. Default: FULL for a database in WAL mode, EXTRA for one with a rollback
   * journal. These are the lowest levels at which no commit that was acknowledged is gone after a power cut.
   */
  readonly synchronous?: Synchronous;
}

/**
 * Sets up one connection: foreign keys are enforced, locks are waited for, commits survive a power cut, and SQL that
 * stands in the schema may not call what is dangerous. Each setting is read back.
 *
 * The journal mode stays as it is. Not to be called inside a transaction, where SQLite ignores some of these.
 *
 * @throws UpgradeBridgeError `PRAGMA_REFUSED` when a setting did not take
 * @throws DatabaseError when the database cannot be read, on a full disk for one
 * @throws InvalidOptionError when an option cannot be used
 */
export async function applyPragmas(db: DatabaseBridge, options: PragmaOptions = {}): Promise<void> {
  checkPragmaOptions(options);
  const settings = {
    // The first, so that what follows waits for a lock as well.
    busy_timeout: options.busyTimeoutMs ?? BUSY_TIMEOUT_MS,
    foreign_keys: 1,
    trusted_schema: 0,
    synchronous: synchronousLevels[options.synchronous ?? 'FULL'],
  };
  const mode = await setTogether(db, settings);
  // Where one did not take, setting them one by one tells which.
  if (mode === undefined)
    for (const [name, value] of Object.entries(settings)) await setPragma(db, name, value);
  const needsMore = options.synchronous === undefined && (mode ?? (await journalMode(db))) !== 'wal';
  if (needsMore) await setPragma(db, 'synchronous', synchronousLevels.EXTRA);
}

/**
 * Sets several settings and reads them back, in two calls.
 *
 * @returns the journal mode; undefined where not all of them took
 */
async function setTogether(
  db: DatabaseBridge,
  settings: Readonly<Record<string, number>>,
): Promise<SqlValue | undefined> {
  const entries = Object.entries(settings);
  try {
    await db.executeScript(entries.map(([name, value]) => `PRAGMA ${name} = ${value}`).join('; '));
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    return undefined;
  }
  const tables = [...entries.map(([name]) => name), 'journal_mode'].map((name) => `pragma_${name}`);
  const [row] = await db.query(`SELECT * FROM ${tables.join(', ')}`);
  const found = row === undefined ? [] : Object.values(row);
  return entries.every(([, value], index) => found[index] === value) ? found[entries.length] : undefined;
}

/** @throws InvalidOptionError when an option cannot be used */
export function checkPragmaOptions(options: PragmaOptions): void {
  const busyTimeoutMs = options.busyTimeoutMs ?? BUSY_TIMEOUT_MS;
  if (!Number.isInteger(busyTimeoutMs) || busyTimeoutMs < 0 || busyTimeoutMs > 0x7fffffff) {
    throw new InvalidOptionError(
      `busyTimeoutMs must be a whole number of milliseconds, but is ${busyTimeoutMs}.`,
      {
        hint: 'Give a number from 0 to 2147483647, or leave the option out.',
      },
    );
  }
  if (options.synchronous !== undefined && !Object.hasOwn(synchronousLevels, options.synchronous)) {
    throw new InvalidOptionError(
      `synchronous must be OFF, NORMAL, FULL or EXTRA, but is ${options.synchronous}.`,
      {
        hint: 'Leave the option out to have the level that fits the journal mode.',
      },
    );
  }
}

/**
 * Puts a new database into WAL mode, in which readers and the writer do not stand in each other's way. Only for a file
 * that is just being made: the journal mode of an existing one is its owner's choice. A database in memory has no journal
 * file and stays as it is.
 *
 * @param known the mode that holds, where that was just asked
 * @throws UpgradeBridgeError `PRAGMA_REFUSED` when the mode did not take within ten seconds
 */
export async function ensureWal(db: DatabaseBridge, known?: SqlValue): Promise<void> {
  const start = performance.now();
  for (let found = known; ; found = undefined) {
    try {
      if ((found ?? (await journalMode(db))) === 'wal') return;
      const mode = await pragmaValue(db, 'journal_mode = WAL');
      if (mode === 'wal' || (mode === 'memory' && db.location === ':memory:')) return;
      throw refused(db, 'journal_mode', 'wal', mode);
    } catch (error) {
      // SQLite does not wait here, whatever the busy timeout is.
      if (!isSqliteError(error, 'SQLITE_BUSY')) throw error;
      if (performance.now() - start >= WAL_PATIENCE_MS) {
        throw refused(db, 'journal_mode', 'wal', 'kept busy by another connection', error);
      }
    }
    await pause(WAL_PAUSE_MS);
  }
}

async function journalMode(db: DatabaseBridge): Promise<SqlValue> {
  return pragmaValue(db, 'journal_mode');
}

async function setPragma(db: DatabaseBridge, name: string, value: number): Promise<void> {
  try {
    await db.execute(`PRAGMA ${name} = ${value}`);
  } catch (error) {
    // SQLite reads the schema for some settings, and may find that the file cannot be read: that is not about the setting.
    if (error instanceof DatabaseError && error.sqliteCode !== 'SQLITE_ERROR') throw error;
    throw refused(db, name, value, 'refused', error);
  }
  const found = await pragmaValue(db, name);
  if (found !== value) throw refused(db, name, value, found);
}

async function pragmaValue(db: DatabaseBridge, pragma: string): Promise<SqlValue> {
  const [row] = await db.query(`PRAGMA ${pragma}`);
  return row === undefined ? null : (Object.values(row)[0] ?? null);
}

function refused(
  db: DatabaseBridge,
  name: string,
  wanted: SqlValue,
  found: SqlValue,
  cause?: unknown,
): UpgradeBridgeError {
  return new UpgradeBridgeError(
    'PRAGMA_REFUSED',
    `PRAGMA ${name} did not take on "${db.location}": it should be ${String(wanted)} and is ${String(found)}.`,
    {
      hint:
        name === 'journal_mode'
          ? 'Close other programs that use the database, and keep it on a local disk: WAL does not work over a network.'
          : 'Set up the connection before a transaction begins on it.',
      cause,
    },
  );
}
