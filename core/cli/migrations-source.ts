import { readFile, stat } from 'node:fs/promises';
import { extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

import { MigrationFileError, messageOf } from '../errors.js';
import type { MigrationBundle } from '../index.js';
import { systemErrorCode } from '../storage/file-system.js';
import { isBundle } from '../storage/migration-bundle.js';

/**
 * What `--migrations` names: a folder, or a file that the command `bundle` wrote. What is in a bundle is for the library to
 * check, and so is a folder that is not there.
 *
 * @throws MigrationFileError (BAD_BUNDLE) when a file cannot be loaded or gives something else
 */
export async function migrationsFrom(path: string): Promise<string | MigrationBundle> {
  if (!(await isFile(path))) return path;
  const value = await load(path);
  if (isBundle(value)) return value;
  throw badBundle(path, 'gives no bundle of migrations', undefined);
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return false;
  }
}

async function load(path: string): Promise<unknown> {
  try {
    // Some editors and shells write a byte order mark.
    if (extname(path) === '.json') return JSON.parse((await readFile(path, 'utf8')).replace(/^\uFEFF/, ''));
    const module: unknown = await import(pathToFileURL(resolve(path)).href);
    return typeof module === 'object' && module !== null && 'default' in module ? module.default : undefined;
  } catch (error) {
    throw badBundle(path, `cannot be loaded: ${messageOf(error).replace(/\.$/, '')}`, error);
  }
}

function badBundle(path: string, problem: string, cause: unknown): MigrationFileError {
  return new MigrationFileError('BAD_BUNDLE', `The file "${path}" ${problem}.`, path, undefined, {
    hint: 'Give a folder of SQL files, or a .js, .mjs, .cjs or .json file that "upgrade-bridge bundle" wrote.',
    cause,
  });
}
