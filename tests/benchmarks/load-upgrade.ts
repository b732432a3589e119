import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** Loads all modules of the package and the library of its lock, many of them needed only when something is pending. */
export async function loadUpgrade(): Promise<void> {
  const folder = fileURLToPath(new URL('.', import.meta.resolve('sqlite-upgrade-bridge')));
  for (const name of await readdir(folder, { recursive: true }))
    if (name.endsWith('.js') && !name.startsWith('cli')) await import(pathToFileURL(join(folder, name)).href);
  await import('proper-lockfile');
}
