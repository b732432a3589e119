import { realpathSync } from 'node:fs';
import { lstat, readdir, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';

import { InvalidOptionError } from '../errors.js';
import { resolveDatabaseFile } from './database-file.js';
import { syncFolder, systemErrorCode } from './file-system.js';

/** One backup of a database: `FILE.backup-<UTC time>-<from>-to-<to>`. */
export interface Backup {
  readonly path: string;
  readonly name: string;
  /** When it was made. */
  readonly time: Date;
  /** What is in it: `legacy4`, `v9`. */
  readonly from: string;
  /** What was about to happen: `v11` for an upgrade, `restore`, `copy` for one that somebody asked for. */
  readonly to: string;
  readonly sizeBytes: number;
}

/** Where the backups of one database are. */
export interface BackupPlace {
  /** The database's file name, with which the names of its backups begin. */
  readonly database: string;
  readonly folder: string;
}

const label = /^[a-z]+\d*$/;
const afterDatabase =
  /^\.backup-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d\.\d{3})Z-([a-z]+\d*)-to-([a-z]+\d*)(?:-(\d+))?$/;

/**
 * Where the backups of a database are, whether it still exists or not.
 *
 * @param folder beside the database unless given; databases of the same name need a folder each
 */
export async function backupPlaceOf(databasePath: string, folder?: string): Promise<BackupPlace> {
  const file = await resolveDatabaseFile(databasePath, 'locate');
  const database = basename(file.canonicalPath);
  return { database, folder: folder === undefined ? file.folder : await existingFolder(folder) };
}

/** The path of a new backup, to which a number is added where it is taken. */
export function backupPath(place: BackupPlace, time: Date, from: string, to: string): string {
  for (const word of [from, to]) {
    if (!label.test(word)) {
      throw new InvalidOptionError(`"${word}" cannot stand in the name of a backup.`, {
        hint: 'Give lower-case letters, and a number where there is one, such as "v9".',
      });
    }
  }
  if (Number.isNaN(time.getTime())) {
    throw new InvalidOptionError('The time of a backup is not a time.', {
      hint: 'Leave it out, or give a valid Date.',
    });
  }
  return join(place.folder, `${place.database}.backup-${timeStamp(time)}-${from}-to-${to}`);
}

/** A time as it stands in file names: UTC, without colons. */
export function timeStamp(time: Date): string {
  return time.toISOString().replace(/[-:]/g, '');
}

/** Every backup at a place, the newest first. Other files, and what is still being made, are passed over. */
export async function backupsIn(place: BackupPlace): Promise<Backup[]> {
  const found: { readonly backup: Backup; readonly count: number }[] = [];
  for (const name of await readdir(place.folder)) {
    const parts = partsOf(name, place);
    if (parts === undefined) continue;
    const path = join(place.folder, name);
    const file = await lstatOrGone(path);
    if (file?.isFile() !== true) continue;
    const { time, from, to, count } = parts;
    found.push({ backup: { path, name, time, from, to, sizeBytes: file.size }, count });
  }
  return found
    .sort((one, other) => other.backup.time.getTime() - one.backup.time.getTime() || other.count - one.count)
    .map(({ backup }) => backup);
}

/** Removes backups for good. */
export async function removeBackups(place: BackupPlace, backups: readonly Backup[]): Promise<void> {
  for (const { path } of backups) await rm(path, { force: true });
  if (backups.length > 0) await syncFolder(place.folder);
}

function partsOf(
  name: string,
  place: BackupPlace,
): { readonly time: Date; readonly from: string; readonly to: string; readonly count: number } | undefined {
  if (!name.startsWith(place.database)) return undefined;
  const match = afterDatabase.exec(name.slice(place.database.length));
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second, from = '', to = '', count = '1'] = match;
  const time = new Date(
    `${year ?? ''}-${month ?? ''}-${day ?? ''}T${hour ?? ''}:${minute ?? ''}:${second ?? ''}Z`,
  );
  return Number.isNaN(time.getTime()) ? undefined : { time, from, to, count: Number(count) };
}

async function existingFolder(folder: string): Promise<string> {
  try {
    if (folder !== '' && (await stat(folder)).isDirectory()) return realpathSync(folder);
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR'].includes(systemErrorCode(error) ?? '')) throw error;
  }
  throw new InvalidOptionError(`The folder for backups, "${folder}", does not exist or is no folder.`, {
    hint: 'Make it first, or leave the option out: backups then lie beside the database.',
  });
}

async function lstatOrGone(path: string) {
  try {
    return await lstat(path);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
