import { cp, mkdir, rm, statfs } from 'node:fs/promises';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Seen from the compiled form of this file. */
const root = new URL('../../../../../', import.meta.url);

export const migrationsDir = fileURLToPath(new URL('migrations', root));

/** Where the databases of failed cases are kept. */
const keptDir = fileURLToPath(new URL('var/faults/', root));

export function programPath(name: string): string {
  return fileURLToPath(new URL(`../programs/${name}.js`, import.meta.url));
}

/** Makes a folder for this run: in memory where there is room, because thousands of databases are made and thrown away. */
export async function makeRunFolder(): Promise<string> {
  const memory = '/dev/shm';
  const enough = 512 * 1024 * 1024;
  try {
    const { bavail, bsize } = await statfs(memory);
    if (bavail * bsize >= enough) return mkdtempSync(join(memory, 'faults-'));
  } catch {
    // Not Linux, or not allowed: the usual place will do.
  }
  return mkdtempSync(join(tmpdir(), 'faults-'));
}

const sideFiles = ['', '-journal', '-wal', '-shm'];

/** Removes a database and what lies beside it. */
export async function removeDatabase(path: string): Promise<void> {
  for (const side of sideFiles) await rm(path + side, { force: true });
}

/** Keeps the folder of a failed case for a closer look. */
export async function keepCase(folder: string, name: string): Promise<string> {
  const kept = join(keptDir, name.replaceAll(/[^\w.-]+/g, '-'));
  await rm(kept, { recursive: true, force: true });
  await mkdir(keptDir, { recursive: true });
  await cp(folder, kept, { recursive: true });
  return kept;
}
