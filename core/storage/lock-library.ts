import type * as properLockfile from 'proper-lockfile';

import { requirePackage } from '../require-package.js';

type Library = typeof properLockfile;

/** The library of the lock, which is loaded with the first one that is taken. */
export function lockLibrary(): Library {
  const found = requirePackage('proper-lockfile');
  if (isLibrary(found)) return found;
  throw new Error('Another package bears the name proper-lockfile.');
}

function isLibrary(value: unknown): value is Library {
  return typeof value === 'function' && 'lock' in value && typeof value.lock === 'function';
}
