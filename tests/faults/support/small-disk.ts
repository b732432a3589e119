import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';

import type { Need } from './part.js';

const BLOCK = 4_096;
const block = Buffer.alloc(BLOCK, 1);
const mounted = new Set<SmallDisk>();
let made = 0;

export interface DiskSize {
  readonly bytes: number;
  /** How many files and folders there may be. */
  readonly inodes?: number;
}

/** A small disk in memory that can be filled, emptied and made read-only. It goes away with this process. */
export class SmallDisk {
  /** @throws Error when it cannot be mounted */
  constructor(
    folder: string,
    { bytes, inodes }: DiskSize,
    readonly path: string = join(folder, `small-disk-${process.pid}-${(made += 1)}`),
  ) {
    mkdirSync(path);
    const options = [`size=${bytes}`, 'mode=0755', ...(inodes === undefined ? [] : [`nr_inodes=${inodes}`])];
    run('mount', '-t', 'tmpfs', '-o', options.join(), 'tmpfs', path);
    if (made === 1) unmountAtTheEnd();
    mounted.add(this);
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.path);
    return bavail * bsize;
  }

  /** Fills it, at once, until so many bytes are free or fewer. */
  fillTo(freeBytes: number): void {
    const filler = openSync(join(this.path, 'filler'), 'a');
    try {
      while (this.freeBytes > freeBytes) writeSync(filler, block);
    } finally {
      closeSync(filler);
    }
  }

  /** Gives back what it was filled with. */
  makeRoom(): void {
    rmSync(join(this.path, 'filler'), { force: true });
  }

  remount(access: 'ro' | 'rw'): void {
    run('mount', '-o', `remount,${access}`, this.path);
  }

  unmount(): void {
    mounted.delete(this);
    run('umount', '--lazy', this.path);
    rmSync(this.path, { recursive: true });
  }
}

/** Gives `use` a small disk, and takes it away whatever happens. */
export async function withSmallDisk<Result>(
  folder: string,
  size: DiskSize,
  use: (disk: SmallDisk) => Promise<Result>,
): Promise<Result> {
  const disk = new SmallDisk(folder, size);
  try {
    return await use(disk);
  } finally {
    disk.unmount();
    await rm(disk.path, { recursive: true, force: true });
  }
}

function run(command: string, ...parameters: readonly string[]): void {
  const { status, error, stderr } = spawnSync(command, parameters, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${parameters.join(' ')}: ${error?.message ?? stderr.trim()}`);
}

function unmountAll(): void {
  for (const disk of [...mounted]) disk.unmount();
}

function unmountAtTheEnd(): void {
  process.once('exit', unmountAll);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      unmountAll();
      process.kill(process.pid, signal);
    });
  }
  unmountThoseOfTheDead();
}

/** A run that was killed could not take its disks away. */
function unmountThoseOfTheDead(): void {
  for (const line of readFileSync('/proc/mounts', 'utf8').split('\n')) {
    const [, path = ''] = line.split(' ');
    const maker = /\/small-disk-(\d+)-\d+$/.exec(path)?.[1];
    if (maker === undefined || isAlive(Number(maker))) continue;
    run('umount', '--lazy', path);
    rmSync(path, { recursive: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

export const needsMount: Need = () => {
  if (process.platform !== 'linux') return 'disks in memory are mounted on Linux only';
  if (process.getuid?.() !== 0) return 'only root may mount a disk';
  const { status } = spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']);
  return status === 0 ? undefined : 'no disk in memory can be mounted here';
};
