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

/** What this process holds once garbage was collected, and what the system has given it, in MiB. Needs `--expose-gc`. */
export function heldMiB(): { readonly held: number; readonly resident: number } {
  globalThis.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { held: (heapUsed + external) / KIB_PER_MIB ** 2, resident: rss / KIB_PER_MIB ** 2 };
}
