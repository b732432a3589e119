import { existsSync, readFileSync, writeFileSync } from 'node:fs';

const KIB_PER_MIB = 1024;
const peakReset = '/proc/self/clear_refs';
const canReset = existsSync(peakReset);

/** One of the sizes that Linux tells of this process, in MiB. */
function toldMiB(name: 'VmHWM' | 'VmRSS'): number {
  const [, kib] =
    new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return Number(kib) / KIB_PER_MIB;
}

/** The most memory that this process has had, or since `forgetPeak` where the system can forget it, in MiB. */
export function peakMiB(): number {
  // Not maxRSS, which begins at what the process had that started this one.
  return canReset ? toldMiB('VmHWM') : process.resourceUsage().maxRSS / KIB_PER_MIB;
}

/** Makes the memory that the process has now its peak. */
export function forgetPeak(): void {
  if (canReset) writeFileSync(peakReset, '5');
}

/** What a process has, in MiB. */
export interface Memory {
  /** What JavaScript holds once garbage was collected. */
  readonly held: number;
  /** What the system has given. */
  readonly resident: number;
  /** What of that is not V8's own room for objects, of which it gives nothing back while it works. */
  readonly outside: number;
}

/** What this process has once garbage was collected. Needs `--expose-gc`. */
export function memoryNow(): Memory {
  globalThis.gc?.();
  const { heapUsed, heapTotal, external, rss } = process.memoryUsage();
  const bytes = { held: heapUsed + external, resident: rss, outside: rss - heapTotal };
  return {
    held: bytes.held / KIB_PER_MIB ** 2,
    resident: bytes.resident / KIB_PER_MIB ** 2,
    outside: bytes.outside / KIB_PER_MIB ** 2,
  };
}
