import { existsSync, statSync } from 'node:fs';
import { basename, isAbsolute } from 'node:path';

import { FileAccessError } from '../errors.js';
import { openSearch } from './fleet-search.js';

/** The databases that globs name. */
export interface FoundDatabases {
  /** Their paths in alphabetical order, each once. */
  readonly databases: readonly string[];
  /** How many files matched that belong to a database and are none of their own: copies, logs, journals. */
  readonly leftOut: number;
  /** The folders that could not be read: which databases they hold is not known. */
  readonly unreadable: readonly string[];
}

/** Backups, what a restore set aside, files that are being made, and what SQLite keeps beside a database. */
const belonging = /\.(?:backup|set-aside)-|\.partial$|-(?:wal|shm|journal)$/;
/** The folder of a rehearsal, which is removed at its end. */
const rehearsal = /\.rehearsal-[^/\\]*[/\\]/;

/**
 * Finds the databases that globs name: `*`, `**`, `?`, `[…]`, `{…,…}`, with `/` between folders. Files are not looked
 * into. What begins with a dot has to be named so; links are followed, and one that leads nowhere is found as well: its
 * database is missing. The path of a file is taken as it is.
 *
 * @throws FileAccessError (MISSING_DATABASE) when one of them matches no file, or none of them a database
 */
export async function findDatabases(globs: readonly string[]): Promise<FoundDatabases> {
  const found = new Set<string>();
  const leftOut = new Set<string>();
  const unreadable = new Set<string>();
  for (const glob of globs) {
    const matches = await matchesOf(glob, unreadable);
    if (matches.length === 0) throw nothingFound(`No database matches "${glob}"${except(unreadable)}.`);
    for (const path of matches) (belongs(path) ? leftOut : found).add(path);
  }
  if (found.size === 0)
    throw nothingFound(`"${globs.join('", "')}" matches no database, only copies, logs or journals of some.`);
  return { databases: [...found].sort(), leftOut: leftOut.size, unreadable: [...unreadable].sort() };
}

function belongs(path: string): boolean {
  return belonging.test(basename(path)) || rehearsal.test(path);
}

async function matchesOf(pattern: string, unreadable: Set<string>): Promise<string[]> {
  // A shell may have put the names in the place of the glob, and a name may hold what a glob gives a meaning.
  if (existsSync(pattern) && statSync(pattern).isFile()) return [pattern];
  const { glob } = await import('tinyglobby');
  return glob(pattern, {
    absolute: isAbsolute(pattern),
    expandDirectories: false,
    fs: openSearch(unreadable),
  });
}

function except(unreadable: ReadonlySet<string>): string {
  const folders = [...unreadable].map((path) => `"${path}"`).join(', ');
  return folders === '' ? '' : `, as far as folders can be read: ${folders} cannot`;
}

function nothingFound(sentence: string): FileAccessError {
  return new FileAccessError('MISSING_DATABASE', sentence, {
    hint: 'Write it as "data/*.db", or "data/**/*.db" for folders within folders, in quotes and with /.',
  });
}
