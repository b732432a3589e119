import { existsSync, statSync } from 'node:fs';
import { basename, isAbsolute } from 'node:path';

import { FileAccessError } from '../errors.js';

/** The databases that globs name. */
export interface FoundDatabases {
  /** Their paths in alphabetical order, each once. */
  readonly databases: readonly string[];
  /** How many files matched that belong to a database and are none of their own: copies, logs, journals. */
  readonly leftOut: number;
}

/** Backups, files that are being made, and what SQLite keeps beside a database. */
const belonging = /\.backup-|\.partial$|-(?:wal|shm|journal)$/;
/** The folder of a rehearsal, which is removed at its end. */
const rehearsal = /\.rehearsal-[^/\\]*[/\\]/;

/**
 * Finds the databases that globs name: `*`, `**`, `?`, `[…]`, `{…,…}`, with `/` between folders. Files are not looked
 * into. What begins with a dot has to be named so; links are followed; folders that cannot be read are passed over. The
 * path of a file is taken as it is.
 *
 * @throws FileAccessError (MISSING_DATABASE) when one of them matches no file, or none of them a database
 */
export async function findDatabases(globs: readonly string[]): Promise<FoundDatabases> {
  const found = new Set<string>();
  const leftOut = new Set<string>();
  for (const glob of globs) {
    const matches = await matchesOf(glob);
    if (matches.length === 0) throw nothingFound(`No database matches "${glob}".`);
    for (const path of matches) (belongs(path) ? leftOut : found).add(path);
  }
  if (found.size === 0)
    throw nothingFound(`"${globs.join('", "')}" matches no database, only copies, logs or journals of some.`);
  return { databases: [...found].sort(), leftOut: leftOut.size };
}

function belongs(path: string): boolean {
  return belonging.test(basename(path)) || rehearsal.test(path);
}

async function matchesOf(pattern: string): Promise<string[]> {
  // A shell may have put the names in the place of the glob, and a name may hold what a glob gives a meaning.
  if (existsSync(pattern) && statSync(pattern).isFile()) return [pattern];
  const { glob } = await import('tinyglobby');
  return glob(pattern, { absolute: isAbsolute(pattern), expandDirectories: false });
}

function nothingFound(sentence: string): FileAccessError {
  return new FileAccessError('MISSING_DATABASE', sentence, {
    hint: 'Write it as "data/*.db", or "data/**/*.db" for folders within folders, in quotes and with /.',
  });
}
