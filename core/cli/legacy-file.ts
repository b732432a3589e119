import { readFile } from 'node:fs/promises';

import { MigrationFileError } from '../errors.js';
import type { LegacyVersions } from '../index.js';

/**
 * Reads a table of legacy versions: a JSON object that maps each user_version to the versions of the files that it
 * claims, such as `{ "1": [3], "2": [3, 4] }`. That the files exist is for the upgrade to check.
 *
 * @throws MigrationFileError (BAD_LEGACY_TABLE) when the file cannot be read or holds something else
 */
export async function readLegacyVersions(path: string): Promise<LegacyVersions> {
  const table: unknown = parse(path, await read(path));
  if (typeof table !== 'object' || table === null || Array.isArray(table))
    throw badTable(path, 'is not a JSON object.');
  const versions: Record<number, readonly number[]> = {};
  for (const [claim, files] of Object.entries(table)) {
    if (!/^(0|[1-9]\d*)$/.test(claim))
      throw badTable(path, `has the key ${JSON.stringify(claim)}, where a user_version belongs.`);
    if (!isVersionList(files))
      throw badTable(
        path,
        `has ${JSON.stringify(files)} for ${claim}, where a list of file numbers belongs.`,
      );
    versions[Number(claim)] = files;
  }
  return versions;
}

function isVersionList(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((each) => Number.isSafeInteger(each) && Number(each) > 0);
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw badTable(path, 'cannot be read.', error);
  }
}

function parse(path: string, text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    throw badTable(path, 'is not JSON.', error);
  }
}

function badTable(path: string, problem: string, cause?: unknown): MigrationFileError {
  return new MigrationFileError(
    'BAD_LEGACY_TABLE',
    `The table of legacy versions "${path}" ${problem}`,
    path,
    undefined,
    {
      hint: 'It maps each user_version to the numbers of the files that it claims, such as { "1": [3], "2": [3, 4] }.',
      cause,
    },
  );
}
