import { test } from '@jest/globals';
import { spawnSync } from 'node:child_process';

/** A test that is skipped, by a name that tells why, where `reason` is given. */
export function testUnless(reason: string | undefined, name: string, body: () => Promise<void>): void {
  if (reason === undefined) test(name, body);
  else test.skip(`${name} (skipped: ${reason})`, body);
}

/** Why what needs a program cannot be tested here; undefined where it can. */
export function withoutProgram(name: string): string | undefined {
  return spawnSync(name, ['--version']).status === 0 ? undefined : `it needs the program ${name}`;
}
