import { execFile, spawnSync } from 'node:child_process';
import { chmodSync, chownSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** Nobody, whose files nobody misses. */
export const OTHER_USER = 65_534;

const programs = new URL('../../var/tests/tests/fixtures/processes/', import.meta.url);
const run = promisify(execFile);
const asRoot = process.getuid?.() === 0;
const dropping = [`--reuid=${OTHER_USER}`, `--regid=${OTHER_USER}`, '--clear-groups'];
const canDrop = asRoot && spawnSync('setpriv', [...dropping, 'true']).status === 0;

/** Why what needs a user without rights cannot be tested here; undefined where it can. */
export const noOtherUser =
  process.platform === 'win32'
    ? 'Windows has other permissions'
    : asRoot && !canDrop
      ? 'root may do everything, and setpriv is missing'
      : undefined;

/** Why what needs two users cannot be tested here; undefined where it can. */
export const noTwoUsers = canDrop ? undefined : 'it needs root and setpriv, to be two users';

/** Runs a program of tests/fixtures/processes as a user without rights, and returns what it wrote. */
export async function runAsOtherUser(name: string, ...parameters: readonly string[]): Promise<string> {
  const path = fileURLToPath(new URL(`${name}.js`, programs));
  const command = [process.execPath, path, ...parameters];
  const [file, ...rest] = asRoot ? ['setpriv', ...dropping, ...command] : command;
  const { stdout } = await run(file ?? '', rest);
  return stdout.trim();
}

/** What stands before a command in a shell that is to run as a user without rights; nothing where we are one. */
export const otherUserCommand = asRoot ? ['setpriv', ...dropping].join(' ') : '';

/** Gives a file or folder to the user that `runAsOtherUser` is, with these permissions. */
export function giveToOtherUser(path: string, permissions: number): void {
  chmodSync(path, permissions);
  if (asRoot) chownSync(path, OTHER_USER, OTHER_USER);
}
