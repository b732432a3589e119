import { relative } from 'node:path';

import type { TracedCall } from './strace.js';

/** What a program did to the files of one folder, and what it said meanwhile. */
export type Operation =
  | { readonly kind: 'create'; readonly name: string; readonly truncate: boolean }
  | { readonly kind: 'write'; readonly name: string; readonly offset: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly name: string; readonly size: number }
  | { readonly kind: 'sync'; readonly name: string }
  | { readonly kind: 'sync folder' }
  | { readonly kind: 'remove'; readonly name: string }
  | { readonly kind: 'rename'; readonly name: string; readonly to: string }
  | { readonly kind: 'said'; readonly line: string };

/** What does not outlive a power cut, or does not matter after it: SQLite makes a -shm anew, a lock is no data. */
const passing = /(-shm|\.lock)$/;

function operationOf(call: TracedCall, folder: string): Operation | undefined {
  const { name: callName, bytes, plain, result } = call;
  if (result === undefined || result < 0) return undefined;
  if (callName === 'write' && bytes.at(0) === 0x40) return { kind: 'said', line: bytes.toString().trimEnd() };
  const inside = call.paths
    .filter((path) => path === folder || path.startsWith(`${folder}/`))
    .map((path) => relative(folder, path));
  const [name, second] = inside;
  if (name === undefined || passing.test(name)) return undefined;
  switch (callName) {
    case 'openat': {
      const flags = plain.find((word) => word.startsWith('O_')) ?? '';
      const truncate = flags.includes('O_TRUNC');
      return flags.includes('O_CREAT') || truncate ? { kind: 'create', name, truncate } : undefined;
    }
    case 'pwrite64':
      return { kind: 'write', name, offset: Number(plain.at(-1)), bytes: bytes.subarray(0, result) };
    case 'ftruncate':
      return { kind: 'truncate', name, size: Number(plain.at(-1)) };
    case 'fsync':
    case 'fdatasync':
      return name === '' ? { kind: 'sync folder' } : { kind: 'sync', name };
    case 'unlink':
    case 'unlinkat':
      return { kind: 'remove', name };
    case 'rename':
    case 'renameat':
    case 'renameat2':
      if (second !== undefined) return { kind: 'rename', name, to: second };
      throw new Error(`${name} is moved out of its folder.`);
    case 'mkdir':
    case 'mkdirat':
    case 'rmdir':
      return undefined;
    default:
      throw new Error(`Nobody knows what ${callName} does to ${name}.`);
  }
}

/** Reads the operations out of a trace. */
export function operationsOf(calls: readonly TracedCall[], folder: string): Operation[] {
  return calls.flatMap((call) => operationOf(call, folder) ?? []);
}
