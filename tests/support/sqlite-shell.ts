import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { resolve } from 'node:path';

/** Has SQLite's own shell carry out the SQL files of a folder, in the order of their numbers; the ways back are left out. */
export function readByShell(folder: string, database: string): void {
  const files = readdirSync(folder)
    .filter((name) => /^\d+_.*\.sql$/.test(name) && !name.endsWith('.down.sql'))
    .sort((one, other) => Number.parseInt(one, 10) - Number.parseInt(other, 10));
  if (files.length === 0) throw new Error(`${folder} holds no file.`);
  for (const file of files) {
    const { status, stderr } = spawnSync('sqlite3', ['-bail', resolve(database), `.read '${file}'`], {
      cwd: folder,
      encoding: 'utf8',
    });
    if (status !== 0 || stderr !== '') throw new Error(`sqlite3 on ${file}: ${stderr}`);
  }
}
