import { copyFile, mkdir, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { basename, join, relative } from 'node:path';

import type { Scenario } from './scenario.js';
import { readTrace, runTraced, type CallNumber, type TracedCall, type TracedEnd } from './strace.js';

/** One call that an upgrade makes, so that strace finds it again. */
export interface Point extends CallNumber {
  /** What it is about, within the folder of the database. */
  readonly file: string;
}

const reachable = new Set([
  ...['pwrite64', 'fsync', 'fdatasync', 'ftruncate', 'unlink', 'unlinkat', 'rename', 'renameat', 'renameat2'],
  ...['mkdir', 'mkdirat', 'rmdir'],
]);

/** The calls that a program made on files of a folder, in their order. */
export function callsIn(folder: string, calls: readonly TracedCall[]): TracedCall[] {
  return calls.filter(
    ({ name, paths }) =>
      name !== 'openat' && paths.some((path) => path === folder || path.startsWith(`${folder}/`)),
  );
}

/**
 * Says how strace reaches each call that changes a file of a folder.
 *
 * @throws Error when it cannot, because strace counts the calls of each thread for itself and another one comes first
 */
export function pointsOf(folder: string, calls: readonly TracedCall[]): Point[] {
  const counts = new Map<string, Map<number, number>>();
  const own = new Set(callsIn(folder, calls));
  const points: Point[] = [];
  for (const call of calls) {
    const { name, thread, paths } = call;
    const byThread = counts.get(name) ?? new Map<number, number>();
    counts.set(name, byThread);
    const when = (byThread.get(thread) ?? 0) + 1;
    byThread.set(thread, when);
    if (!own.has(call)) continue;
    const path = paths.find((found) => found.startsWith(folder)) ?? folder;
    const others = [...byThread].filter(([other]) => other !== thread).map(([, count]) => count);
    if (!reachable.has(name) || others.some((count) => count >= when))
      throw new Error(`${name} changes ${path}, and cannot be told from other calls.`);
    points.push({ call: name, when, file: relative(folder, path) || 'the folder' });
  }
  return points;
}

/** The calls on files of a folder that have the number of a point in their thread, whichever it is: strace reaches these. */
export function callsAt(
  folder: string,
  { call, when }: CallNumber,
  calls: readonly TracedCall[],
): TracedCall[] {
  const counts = new Map<number, number>();
  const numbered = calls.filter(({ name, thread }) => {
    if (name !== call) return false;
    const count = (counts.get(thread) ?? 0) + 1;
    counts.set(thread, count);
    return count === when;
  });
  return callsIn(folder, numbered);
}

/** A folder with a copy of the scenario's database and nothing else. */
export async function freshCase(folder: string, scenario: Scenario): Promise<string> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
  const database = join(folder, 'worlds.db');
  for (const side of ['', '-wal']) {
    if (existsSync(scenario.source + side)) await copyFile(scenario.source + side, database + side);
  }
  return database;
}

/** A run of the upgrade under strace, and the calls that it made. */
export interface TracedUpgrade {
  readonly end: TracedEnd;
  readonly calls: readonly TracedCall[];
}

/** Upgrades a database under strace. */
export async function traceUpgrade(
  database: string,
  options: {
    readonly flags: readonly string[];
    readonly injections?: readonly string[];
    readonly killAt?: CallNumber;
  },
): Promise<TracedUpgrade> {
  // Beside the folder, not in it: what lies in it is looked at.
  const trace = join(database, '..', '..', `${basename(join(database, '..'))}.trace`);
  const end = await runTraced({
    program: 'upgrade',
    parameters: [database, ...options.flags],
    trace,
    injections: options.injections ?? [],
    killAt: options.killAt,
  });
  const calls = await readTrace(trace);
  await rm(trace);
  return { end, calls };
}

/** The words for the upgrade program that carry out a scenario. */
export function flagsOf(scenario: Scenario): string[] {
  return [...(scenario.backup ? ['--backup'] : []), ...(scenario.silent === true ? ['--silent'] : [])];
}

/**
 * Lets an upgrade run to its end and says what it did.
 *
 * @throws Error when it does not end well
 */
export async function recordPoints(
  folder: string,
  scenario: Scenario,
  flags: readonly string[] = flagsOf(scenario),
): Promise<Point[]> {
  const database = await freshCase(folder, scenario);
  const { end, calls } = await traceUpgrade(database, { flags });
  if (end.code !== 0)
    throw new Error(`The upgrade that nobody disturbs fails: ${end.lines.at(-1) ?? ''} ${end.stderr}`);
  return pointsOf(folder, calls);
}

const known = new Map<Scenario, Promise<Point[]>>();

/** What the upgrade of a scenario does; recorded once in a run. */
export function knownPoints(shared: string, scenario: Scenario): Promise<Point[]> {
  const points = known.get(scenario) ?? recordPoints(join(shared, `points-${known.size}`), scenario);
  known.set(scenario, points);
  return points;
}

/** Where an upgrade has made its backup and goes on to the database itself. */
export function endOfBackup(points: readonly Point[]): number {
  return points.findLastIndex(({ file }) => file.includes('.backup-')) + 1;
}

export function describePoint({ call, when, file }: Point): string {
  return `${call} ${when} (${file})`;
}
