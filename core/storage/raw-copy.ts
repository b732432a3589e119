import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';

import { BackupError } from '../errors.js';

/** A file, and where its bytes are to be kept. */
export interface RawCopy {
  readonly from: string;
  readonly to: string;
}

const script = `
const { closeSync, constants, copyFileSync, fsyncSync, openSync, statSync, chownSync } = require('node:fs');
const paths = process.argv.slice(1);
try {
  for (let at = 0; at < paths.length; at += 2) {
    const [from, to] = [paths[at], paths[at + 1]];
    copyFileSync(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    const { uid, gid } = statSync(from);
    if (process.getuid?.() === 0) chownSync(to, uid, gid);
    const copy = openSync(to, 'r+');
    fsyncSync(copy);
    closeSync(copy);
  }
} catch (error) {
  process.stderr.write(error.message);
  process.exitCode = 1;
}`;

/**
 * Copies database files byte by byte, as they lie there, without SQLite. It happens in a process of its own: to open and
 * close a database file here would drop every lock that this process holds on it ("How To Corrupt An SQLite Database
 * File", section 2.2).
 *
 * @throws BackupError BACKUP_FAILED; what was copied until then is removed
 */
export async function copyRaw(copies: readonly RawCopy[], signal: AbortSignal | undefined): Promise<void> {
  // What lies there already keeps the copy from being made, and stays.
  const made = copies.filter(({ to }) => !existsSync(to));
  const paths = copies.flatMap(({ from, to }) => [from, to]);
  try {
    await run(paths, signal);
  } catch (error) {
    for (const { to } of made) await rm(to, { force: true });
    throw error;
  }
}

function run(paths: readonly string[], signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, NODE_OPTIONS: '', ELECTRON_RUN_AS_NODE: '1' };
    const args = ['--input-type=commonjs', '-e', script, '--', ...paths];
    execFile(process.execPath, args, { env, signal }, (error, _output, problem) => {
      if (error === null) {
        resolve();
        return;
      }
      reject(
        new BackupError(
          'BACKUP_FAILED',
          `"${paths[0] ?? ''}" and what lies beside it cannot be kept aside: ${problem === '' ? (signal?.aborted === true ? 'it was stopped' : 'the copying process failed') : problem}.`,
          {
            hint: 'Nothing was changed. Make room, or move these files away yourself, and restore again.',
            cause: error,
          },
        ),
      );
    });
  });
}
