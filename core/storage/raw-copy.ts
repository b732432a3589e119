import { execFile } from 'node:child_process';
import { open, rm, stat } from 'node:fs/promises';

import { BackupError, messageOf } from '../errors.js';
import { syncFile, systemErrorCode, takePlaceOf } from './file-system.js';

/** A file, and where its bytes are to be kept. */
export interface RawCopy {
  readonly from: string;
  readonly to: string;
}

const script = `
const { constants, copyFileSync } = require('node:fs');
const [from, to] = process.argv.slice(1);
try {
  copyFileSync(from, to, constants.COPYFILE_FICLONE);
} catch (error) {
  process.stderr.write(error.message);
  process.exitCode = 1;
}`;

/**
 * Copies database files byte by byte, as they lie there, without SQLite, onto the disk.
 *
 * @throws BackupError BACKUP_FAILED; what was copied until then is removed
 */
export async function copyRaw(copies: readonly RawCopy[], signal: AbortSignal | undefined): Promise<void> {
  const made: string[] = [];
  try {
    for (const { from, to } of copies) {
      const likeness = await stat(from);
      await (await open(to, 'wx', 0o600)).close();
      made.push(to);
      await copyBytes(from, to, signal);
      await takePlaceOf(likeness, to);
      await syncFile(to);
    }
  } catch (error) {
    for (const path of made) await rm(path, { force: true });
    throw new BackupError(
      'BACKUP_FAILED',
      `"${copies[0]?.from ?? ''}" and what lies beside it cannot be kept aside: ${signal?.aborted === true ? 'it was stopped' : messageOf(error)}.`,
      {
        hint: 'Nothing was changed. Make room, or move these files away yourself, and restore again.',
        cause: error,
      },
    );
  }
}

/**
 * Copies the bytes of a database file into a file that is there. It happens in a process of its own, by `cp` where there is
 * one: to open and close a database file here would drop every lock that this process holds on it ("How To Corrupt An
 * SQLite Database File", section 2.2).
 *
 * @throws Error that says why, or that `signal` was aborted
 */
export async function copyBytes(from: string, to: string, signal: AbortSignal | undefined): Promise<void> {
  if (process.platform !== 'win32') {
    try {
      await run('cp', ['--', from, to], process.env, signal);
      return;
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT') throw error;
    }
  }
  await copyWithNode(from, to, signal);
}

function copyWithNode(from: string, to: string, signal: AbortSignal | undefined): Promise<void> {
  const env = { ...process.env, NODE_OPTIONS: '', ELECTRON_RUN_AS_NODE: '1' };
  return run(process.execPath, ['--input-type=commonjs', '-e', script, '--', from, to], env, signal);
}

function run(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  signal: AbortSignal | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { env, signal, windowsHide: true }, (error, _output, problem) => {
      if (error === null) resolve();
      else
        reject(
          problem !== '' || !(error instanceof Error) ? new Error(problem.trim(), { cause: error }) : error,
        );
    });
  });
}
