import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** Loads all modules of the package, of which it would load many only when something is pending. */
export async function loadUpgrade(): Promise<void> {
  const folder = fileURLToPath(new URL('.', import.meta.resolve('sqlite-upgrade-bridge')));
  for (const name of await readdir(folder, { recursive: true }))
    if (name.endsWith('.js') && !name.startsWith('cli')) await import(pathToFileURL(join(folder, name)).href);
}
