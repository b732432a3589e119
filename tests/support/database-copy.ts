import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Copies a database together with the log or the journal that lies beside it. */
export async function copyDatabase(from: string, to: string): Promise<void> {
  await copyFile(from, to);
  for (const side of ['-wal', '-journal'])
    if (existsSync(from + side)) await copyFile(from + side, to + side);
}

/** Gives `use` a copy of a database that may be written, and removes it afterwards. */
export async function withCopy<T>(path: string, use: (copy: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'database-copy-'));
  try {
    const copy = join(folder, 'copy.db');
    await copyDatabase(path, copy);
    return await use(copy);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * The hash of each file in a folder, by name. A -shm is left out, because SQLite makes one for whoever reads a database
 * with a log, and so is a log without a byte in it.
 */
export async function hashesIn(folder: string): Promise<Readonly<Record<string, string>>> {
  const hashes: Record<string, string> = {};
  for (const name of (await readdir(folder)).sort()) {
    if (name.endsWith('-shm')) continue;
    const bytes = await readFile(join(folder, name));
    if (name.endsWith('-wal') && bytes.length === 0) continue;
    hashes[name] = createHash('sha256').update(bytes).digest('hex');
  }
  return hashes;
}
