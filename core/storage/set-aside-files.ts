import { existsSync, renameSync } from 'node:fs';

import type { DatabaseDriver, LocalBridge } from '../database/database-bridge.js';
import { isSqliteError } from '../errors.js';
import type { DatabaseFile } from './database-file.js';
import { checkIntegrity } from './database-integrity.js';
import { syncFolder } from './file-system.js';
import { databaseBytes, requireSpace } from './free-space.js';
import { copyRaw } from './raw-copy.js';

/**
 * What is there, seen through the log or the journal beside it:
 *
 * - `usable`: there is neither, or they fit.
 * - `doubtful`: it is damaged, or would lose pages, as by the log of another database.
 * - `hidden`: only who writes can see it, having undone by the journal what was begun.
 * - `unusable`: no database, or one too damaged to be written into.
 */
export type FirstLook = 'usable' | 'doubtful' | 'hidden' | 'unusable';

/** Looks without a change of any byte: who may only read carries no log over, and undoes nothing by a journal. */
export async function lookFirst(file: DatabaseFile, driver: DatabaseDriver): Promise<FirstLook> {
  if (file.walBytes === 0 && file.journalBytes === 0) return 'usable';
  try {
    const reader = await driver.open(file.canonicalPath, 'read-only');
    try {
      await reader.query('PRAGMA journal_mode');
      const shrinks = (await databaseBytes(reader)) < file.sizeBytes;
      return shrinks || (await isDamaged(reader)) ? 'doubtful' : 'usable';
    } finally {
      await reader.close();
    }
  } catch (error) {
    if (isSqliteError(error, 'SQLITE_NOTADB', 'SQLITE_CORRUPT')) return 'unusable';
    if (isSqliteError(error, 'SQLITE_CANTOPEN', 'SQLITE_READONLY')) return 'hidden';
    throw error;
  }
}

async function isDamaged(reader: LocalBridge): Promise<boolean> {
  try {
    return (await checkIntegrity(reader, 'quick')).damage.length > 0;
  } catch (error) {
    // Something in it needs a function that only the application has.
    if (isSqliteError(error, 'SQLITE_ERROR')) return false;
    throw error;
  }
}

/** Copies the file and what lies beside it, byte by byte and under names that keep them together. */
export async function keepAside(
  file: DatabaseFile,
  stamp: string,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const name = freeName(file, stamp);
  const copies = ['', '-wal', '-journal']
    .map((ending) => ({ from: `${file.canonicalPath}${ending}`, to: `${name}${ending}` }))
    .filter(({ from }) => existsSync(from));
  const bytes = file.sizeBytes + file.walBytes + file.journalBytes;
  requireSpace([{ folder: file.folder, bytes }]);
  await copyRaw(copies, signal);
  await syncFolder(file.folder);
  return copies.map(({ to }) => to);
}

/** A database, and what can lie beside it. */
const endings = ['', '-wal', '-journal', '-shm'];

function freeName(file: DatabaseFile, stamp: string): string {
  const wanted = `${file.canonicalPath}.set-aside-${stamp}`;
  let name = wanted;
  const isTaken = (): boolean => endings.some((ending) => existsSync(`${name}${ending}`));
  for (let count = 2; isTaken(); count += 1) name = `${wanted}-${count}`;
  return name;
}

/** Renames what is in the way, the log and the journal together with their file, so that they stay together. */
export async function moveAside(file: DatabaseFile, stamp: string): Promise<string[]> {
  const moved: string[] = [];
  const name = freeName(file, stamp);
  for (const ending of endings) {
    const path = `${file.canonicalPath}${ending}`;
    if (!existsSync(path)) continue;
    renameSync(path, `${name}${ending}`);
    moved.push(`${name}${ending}`);
  }
  if (moved.length > 0) await syncFolder(file.folder);
  return moved;
}
