import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { messageOf, MigrationFileError } from '../errors.js';
import { systemErrorCode } from './file-system.js';

/**
 * Reads the names that drizzle-kit keeps beside the migrations (`meta/_journal.json`), by the time that drizzle writes
 * into the database.
 *
 * @param folder the folder of the migrations
 * @returns nothing where there is no such file
 * @throws MigrationFileError (UNREADABLE_MIGRATIONS) when it cannot be read or is no journal
 */
export async function readDrizzleJournal(folder: string): Promise<ReadonlyMap<string, string>> {
  const path = join(folder, 'meta', '_journal.json');
  try {
    return new Map(entriesOf(JSON.parse(await readFile(path, 'utf8'))));
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return new Map();
    throw new MigrationFileError(
      'UNREADABLE_MIGRATIONS',
      `The journal of drizzle "${path}" cannot be read: ${messageOf(error)}.`,
      path,
      undefined,
      {
        hint: 'Put the file right, or take it away: then drizzle’s migrations are matched without it.',
        cause: error,
      },
    );
  }
}

function entriesOf(journal: unknown): [string, string][] {
  const entries: unknown =
    typeof journal === 'object' && journal !== null && 'entries' in journal ? journal.entries : [];
  if (!Array.isArray(entries)) throw new Error('its entries are no list');
  return entries.map((entry: unknown) => {
    if (typeof entry === 'object' && entry !== null && 'when' in entry && 'tag' in entry)
      return [String(entry.when), String(entry.tag)];
    throw new Error('an entry has no time or no name');
  });
}
