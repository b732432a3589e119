import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync } from 'node:fs';

import type { Need } from './part.js';
import { programPath } from './places.js';

/** Nobody, whose files nobody misses. */
const OTHER_USER = 65_534;

/** What starts a program as another user, who may do nothing in particular. */
export const asOtherUser: readonly string[] = [
  'setpriv',
  `--reuid=${OTHER_USER}`,
  `--regid=${OTHER_USER}`,
  '--clear-groups',
];

/** Gives a file or folder to that user, with these permissions. */
export function giveToOtherUser(path: string, permissions: number): void {
  chownSync(path, OTHER_USER, OTHER_USER);
  chmodSync(path, permissions);
}

/** Gives a file or folder to root, with these permissions. */
export function giveToRoot(path: string, permissions: number): void {
  chownSync(path, 0, 0);
  chmodSync(path, permissions);
}

export const needsOtherUser: Need = () => {
  if (process.getuid?.() !== 0) return 'only root can be another user';
  const [command = '', ...parameters] = asOtherUser;
  if (spawnSync(command, [...parameters, 'true']).status !== 0) return 'setpriv is missing';
  const { status } = spawnSync(command, [
    ...parameters,
    process.execPath,
    '--check',
    programPath('upgrader'),
  ]);
  return status === 0 ? undefined : 'another user may not run the programs that stand here';
};
