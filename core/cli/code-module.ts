import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

import { InvalidOptionError, messageOf } from '../errors.js';
import type { CodeMigration } from '../index.js';

/**
 * Loads the migrations in code that a module gives: its default export is one of them or a list.
 *
 * @throws InvalidOptionError when the module cannot be loaded or gives something else
 */
export async function loadCode(path: string): Promise<readonly CodeMigration[]> {
  const given = defaultOf(await load(path));
  const list: readonly unknown[] = Array.isArray(given) ? given : [given];
  if (list.length === 0) throw wrongModule(path, 'gives an empty list');
  return list.map((each, index) => {
    if (isCode(each)) return each;
    const what = Array.isArray(given)
      ? `has as entry ${index + 1} of its default export`
      : 'has as its default export';
    throw wrongModule(path, `${what} no { version, name, up }`);
  });
}

async function load(path: string): Promise<unknown> {
  try {
    return await import(pathToFileURL(resolve(path)).href);
  } catch (error) {
    throw wrongModule(path, `cannot be loaded: ${messageOf(error).replace(/\.$/, '')}`, error);
  }
}

function defaultOf(module: unknown): unknown {
  return typeof module === 'object' && module !== null && 'default' in module ? module.default : undefined;
}

/** What is in the fields is for the library to check, which names them. */
function isCode(value: unknown): value is CodeMigration {
  return (
    typeof value === 'object' && value !== null && 'version' in value && 'name' in value && 'up' in value
  );
}

function wrongModule(path: string, problem: string, cause?: unknown): InvalidOptionError {
  return new InvalidOptionError(`The module of migrations in code "${path}" ${problem}.`, {
    hint: 'Give a JavaScript module: export default [{ version: 9, name: "fingerprints", async up(db) { … } }].',
    cause,
  });
}
