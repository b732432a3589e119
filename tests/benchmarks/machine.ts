import { existsSync, readFileSync } from 'node:fs';
import { cpus, release, tmpdir, totalmem, type } from 'node:os';

import BetterSqlite3 from 'better-sqlite3';

import { openBare } from './bare.js';

async function sqliteInSqlite3(): Promise<string> {
  const db = await openBare(':memory:');
  const [row] = await db.all('SELECT sqlite_version() AS version');
  await db.close();
  return String(row?.version);
}

function sqliteInBetterSqlite3(): string {
  const db = new BetterSqlite3(':memory:');
  const version = db.prepare('SELECT sqlite_version()').pluck().get();
  db.close();
  return String(version);
}

/** The file system of the folder for temporary files: that of the mount with the longest path above it. */
function fileSystem(): string {
  const mounts = '/proc/mounts';
  if (!existsSync(mounts)) return 'not known';
  const folder = `${tmpdir()}/`;
  const [found] = readFileSync(mounts, 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, mount = '']) => mount !== '' && folder.startsWith(mount.endsWith('/') ? mount : `${mount}/`))
    .sort(([, one = ''], [, other = '']) => other.length - one.length);
  return found?.[2] ?? 'not known';
}

/**
 * What the benchmarks ran on: a name and a value a line.
 *
 * @param busy how many processes ran on an average in the minute before the benchmarks
 */
export async function describeMachine(busy: number): Promise<ReadonlyMap<string, string>> {
  const [cpu] = cpus();
  return new Map([
    ['processor', `${cpu?.model.trim() ?? 'not known'}, ${cpus().length} cores`],
    ['busy with other work before', `${busy.toFixed(1)} processes on an average`],
    ['memory', `${Math.round(totalmem() / 1024 ** 3)} GiB`],
    ['system', `${type()} ${release()}, ${process.arch}`],
    ['file system', `${fileSystem()}, in the folder for temporary files`],
    ['Node', process.versions.node],
    ['SQLite in sqlite3', await sqliteInSqlite3()],
    ['SQLite in better-sqlite3', sqliteInBetterSqlite3()],
  ]);
}
