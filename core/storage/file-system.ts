import { statfsSync, type Stats } from 'node:fs';
import { chmod, chown, open } from 'node:fs/promises';

/** `f_type` of statfs(2) for the file systems that are, or may be, reached over a network. */
const networkFileSystems: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB2'],
  [0x5346414f, 'AFS'],
  [0x6b414653, 'AFS'],
  [0x73757245, 'Coda'],
  [0x01021997, '9P'],
  [0x00c36400, 'Ceph'],
  [0x0bd00bd0, 'Lustre'],
  [0x65735546, 'FUSE'],
]);

/** The `code` of an error of the operating system, such as `ENOENT`; undefined for any other error. */
export function systemErrorCode(error: unknown): string | undefined {
  const hasCode = typeof error === 'object' && error !== null && 'code' in error;
  return hasCode && typeof error.code === 'string' ? error.code : undefined;
}

/** Free bytes that this user may still write in the file system of a folder. */
export function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

/**
 * Makes what was written to a file outlast a power cut.
 *
 * Never for a database that this process may have open: closing the file drops its locks.
 */
export async function syncFile(path: string): Promise<void> {
  await sync(path, 'r+');
}

/** Makes the names in a folder outlast a power cut: what was made, renamed or removed there. */
export async function syncFolder(path: string): Promise<void> {
  // Windows opens no folders, and writes their names by itself.
  if (process.platform !== 'win32') await sync(path, 'r');
}

async function sync(path: string, flags: string): Promise<void> {
  const handle = await open(path, flags);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Gives a file that takes the place of another one, or is its copy, its owner and permissions, as far as this user may. */
export async function takePlaceOf({ mode, uid, gid }: Stats, path: string): Promise<void> {
  if (process.getuid?.() === 0) await chown(path, uid, gid);
  await chmod(path, mode & 0o777);
}

/** The kind of network file system that a folder is on; undefined for a local disk. */
export function networkFileSystemOf(folder: string): string | undefined {
  if (process.platform === 'win32') return folder.startsWith('\\\\') ? 'network share' : undefined;
  // Other systems number their file systems differently.
  if (process.platform !== 'linux') return undefined;
  return networkFileSystems.get(statfsSync(folder).type >>> 0);
}
