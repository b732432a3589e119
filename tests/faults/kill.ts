import { existsSync, statSync } from 'node:fs';
import { cp, open, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { forEachAtOnce, workers } from './support/at-once.js';
import { type Inspector, withInspectors } from './support/inspector.js';
import { everyNth, type Check, type Finding, type Part, type Settings } from './support/part.js';
import { keepCase } from './support/places.js';
import {
  callsAt,
  callsIn,
  describePoint,
  endOfBackup,
  flagsOf,
  freshCase,
  pointsOf,
  knownPoints,
  recordPoints,
  traceUpgrade,
  type Point,
  type TracedUpgrade,
} from './support/points.js';
import {
  journals,
  legacyKind,
  nameOf,
  newKind,
  reportedBy,
  scenarioOf,
  silent,
  type Journal,
  type Kind,
  type Scenario,
} from './support/scenario.js';
import { needsStrace, type TracedCall } from './support/strace.js';

/** How long after the death of its holder a lock may still keep others waiting. */
const lockPatienceMs = 15_000;

/** What a process left that was killed as it entered a call. */
interface Killed {
  readonly database: string;
  readonly folder: string;
  readonly upgrade: TracedUpgrade;
  /** The call in which it died, which was not carried out; the last one it made where it died in none or in another. */
  readonly last: TracedCall | undefined;
  /** Whether `last` is the call in which it was to die. */
  readonly asAsked: boolean;
}

async function killAt(
  folder: string,
  scenario: Scenario,
  point: Point,
  flags: readonly string[],
): Promise<Killed> {
  const database = await freshCase(folder, scenario);
  return killOpening(database, point, flags);
}

/** Kills a process that opens a database which is there already. */
async function killOpening(database: string, point: Point, flags: readonly string[]): Promise<Killed> {
  const folder = dirname(database);
  const upgrade = await traceUpgrade(database, { flags, killAt: point });
  // Several calls can be without a result: each thread may have been in one, and strace sometimes shows the one that it
  // killed a second time, in a thread that did nothing.
  const asked = callsAt(folder, point, upgrade.calls).find(({ result }) => result === undefined);
  const last = asked ?? callsIn(folder, upgrade.calls).at(-1);
  return { database, folder, upgrade, last, asAsked: asked !== undefined };
}

/** Why a process did not die where it should have; undefined when it did. */
function missed({ upgrade: { end, calls }, last, asAsked }: Killed): string | undefined {
  if (end.hung) return 'the process hung';
  if (end.signal !== 'SIGKILL') return `the process was not killed: ${end.lines.at(-1) ?? ''} ${end.stderr}`;
  if (asAsked) return undefined;
  const count = calls.filter(({ name, thread }) => name === last?.name && thread === last.thread).length;
  return `it was killed at ${String(last?.name)}, the ${count}th of its thread`;
}

/** Half of what a killed process was about to write gets into the file; of a byte, nothing. */
async function tearLastWrite({ database, last }: Killed, folder: string): Promise<boolean> {
  const path = last?.paths.at(-1);
  if (last?.name !== 'pwrite64' || path === undefined || last.bytes.length < 2) return false;
  const file = await open(join(folder, path.slice(dirname(database).length + 1)), 'r+');
  try {
    await file.write(last.bytes, 0, last.bytes.length >> 1, Number(last.plain.at(-1)));
  } finally {
    await file.close();
  }
  return true;
}

/** Takes away the lock of a killed process, for which the next one would wait up to fifteen seconds. */
async function removeLock(database: string): Promise<void> {
  await rm(`${database}.lock`, { recursive: true, force: true });
}

/** Looks at what a killed process left, completes the upgrade and names what is wrong; keeps what failed. */
async function verdictOn(
  { database, folder, upgrade }: Pick<Killed, 'database' | 'folder' | 'upgrade'>,
  scenario: Scenario,
  inspector: Inspector,
  name: string,
  complete = true,
): Promise<{ readonly failures: string[]; readonly openMs: number }> {
  const pristine = `${folder}-before`;
  if (complete) await cp(folder, pristine, { recursive: true });
  const { problems, openMs } = await inspector.inspect({
    path: database,
    ...reportedBy(upgrade.end.lines, scenario),
    complete,
  });
  const failures = problems.map((problem) => `${name}: ${problem}`);
  if (complete && problems.length > 0) failures.push(`${name}: kept in ${await keepCase(pristine, name)}`);
  await rm(pristine, { recursive: true, force: true });
  return { failures, openMs };
}

/** A new database holds nothing that could be lost, and until a copy is made nothing is written into the old one. */
const thinning = { new: 6, backup: 2 };

async function killEverywhere(settings: Settings, kind: Kind): Promise<Finding> {
  const { backup, database: origin } = kind;
  const scenario = await scenarioOf(settings.shared, kind);
  const recorded = await knownPoints(settings.shared, scenario);
  // With a backup, only what is new: until the backup is made. What follows is the same as without.
  const chosen = backup ? recorded.slice(0, endOfBackup(recorded) + 2) : recorded;
  const points = everyNth(
    chosen,
    settings.stride * (origin === 'new' ? thinning.new : backup ? thinning.backup : 1),
  );
  const failures: string[] = [];
  let torn = 0;
  if (backup && endOfBackup(recorded) === 0) failures.push('the upgrade makes no backup');
  await withInspectors(scenario, workers, (inspectors) =>
    forEachAtOnce(points, inspectors, async (point, inspector) => {
      const name = `killed at ${describePoint(point)}, ${scenario.name}`;
      const folder = join(settings.folder, `killed-${inspectors.indexOf(inspector)}`);
      const killed = await killAt(folder, scenario, point, flagsOf(scenario));
      const miss = missed(killed);
      if (miss !== undefined) {
        failures.push(`${name}: ${miss}`);
        return;
      }
      await removeLock(killed.database);
      const tornFolder = `${folder}-torn`;
      await rm(tornFolder, { recursive: true, force: true });
      await cp(folder, tornFolder, { recursive: true });
      if (await tearLastWrite(killed, tornFolder)) {
        torn += 1;
        const database = join(tornFolder, basename(killed.database));
        const remains = { ...killed, folder: tornFolder, database };
        failures.push(...(await verdictOn(remains, scenario, inspector, `torn and ${name}`)).failures);
      }
      failures.push(...(await verdictOn(killed, scenario, inspector, name)).failures);
    }),
  );
  const figures = `killed at ${points.length} of ${chosen.length} calls, ${torn} times in the middle of a write`;
  return { figures, failures };
}

/** Whether a database waits for the next one to undo or to bring home what is beside it. */
function needsRecovery(database: string): boolean {
  return ['-journal', '-wal'].some(
    (side) => existsSync(database + side) && statSync(database + side).size > 0,
  );
}

async function killRecovery(settings: Settings, journal: Journal): Promise<Finding> {
  const scenario = await scenarioOf(settings.shared, legacyKind(journal));
  const recorded = await knownPoints(settings.shared, scenario);
  const failures: string[] = [];
  let [first, second] = [0, 0];
  const writes = recorded.filter(({ call, file }) => call === 'pwrite64' && !file.endsWith('-shm'));
  const firstPoints = everyNth(writes, Math.ceil(writes.length / Math.max(2, 8 / settings.stride)));
  await withInspectors(scenario, workers, (inspectors) =>
    forEachAtOnce(firstPoints, inspectors, async (point, inspector) => {
      const lane = inspectors.indexOf(inspector);
      const folder = join(settings.folder, `first-${lane}`);
      const killed = await killAt(folder, scenario, point, flagsOf(scenario));
      await removeLock(killed.database);
      if (!needsRecovery(killed.database)) return;
      first += 1;
      const again = join(settings.folder, `second-${lane}`);
      const database = join(again, basename(killed.database));
      const start = async (): Promise<void> => {
        await rm(again, { recursive: true, force: true });
        await cp(folder, again, { recursive: true });
      };
      await start();
      const recovery = await traceUpgrade(database, { flags: flagsOf(scenario) });
      const calls = recovery.calls;
      const points = recoveryPoints(again, calls);
      for (const next of everyNth(points, Math.ceil(points.length / Math.max(3, 8 / settings.stride)))) {
        const name = `killed at ${describePoint(point)} and again at ${describePoint(next)}, ${scenario.name}`;
        await start();
        const twice = await killOpening(database, next, flagsOf(scenario));
        const miss = missed(twice);
        if (miss !== undefined) failures.push(`${name}: ${miss}`);
        second += 1;
        await removeLock(database);
        const end = {
          ...twice.upgrade.end,
          lines: [...killed.upgrade.end.lines, ...twice.upgrade.end.lines],
        };
        const remains = { ...twice, upgrade: { ...twice.upgrade, end } };
        failures.push(...(await verdictOn(remains, scenario, inspector, name)).failures);
      }
    }),
  );
  return {
    figures: `killed ${second} times while ${first} killed upgrades were undone or brought home`,
    failures,
  };
}

/** The calls of an opening up to the lock: what SQLite does to recover, before the upgrade goes on. */
function recoveryPoints(folder: string, calls: readonly TracedCall[]): Point[] {
  const points = pointsOf(folder, calls);
  const lock = points.findIndex(({ call }) => call.startsWith('mkdir'));
  return (lock === -1 ? points : points.slice(0, lock + 1)).filter(({ file }) => !file.endsWith('-shm'));
}

/** The other checks take the lock of a killed process away. Here it stays, and the next one has to wait for it. */
async function leaveLock(settings: Settings): Promise<Finding> {
  const scenario = await scenarioOf(settings.shared, legacyKind('wal'));
  const recorded = await knownPoints(settings.shared, scenario);
  const locked = recorded.filter(({ call, file }) => call === 'pwrite64' && file.endsWith('-wal'));
  const points = [0.1, 0.5, 0.9].flatMap((part) => locked[Math.floor(locked.length * part)] ?? []);
  const failures: string[] = [];
  const waits: number[] = [];
  await withInspectors(scenario, points.length, (inspectors) =>
    forEachAtOnce(points, inspectors, async (point, inspector) => {
      const name = `killed with its lock left at ${describePoint(point)}`;
      const folder = join(settings.folder, `locked-${inspectors.indexOf(inspector)}`);
      const killed = await killAt(folder, scenario, point, flagsOf(scenario));
      if (!existsSync(`${killed.database}.lock`)) failures.push(`${name}: there is no lock`);
      const verdict = await verdictOn(killed, scenario, inspector, name);
      failures.push(...verdict.failures);
      waits.push(verdict.openMs);
      if (verdict.openMs > lockPatienceMs) failures.push(`${name}: the next one waited ${verdict.openMs} ms`);
    }),
  );
  const longest = (Math.max(...waits) / 1000).toFixed(1);
  return {
    figures: `${points.length} locks left, the next upgrade was done after ${longest} s at the latest`,
    failures,
  };
}

/** Without a journal nothing can be undone: kills must leave databases between two states, and the harness must see it. */
async function killUnprotected(settings: Settings): Promise<Finding> {
  const scenario = await scenarioOf(settings.shared, legacyKind('rollback'));
  const flags = ['--journal-mode', 'OFF'];
  const recorded = await recordPoints(join(settings.folder, 'recorded'), scenario, flags);
  const points = everyNth(recorded, 4);
  const failures: string[] = [];
  await withInspectors(scenario, workers, (inspectors) =>
    forEachAtOnce(points, inspectors, async (point, inspector) => {
      const folder = join(settings.folder, `unprotected-${inspectors.indexOf(inspector)}`);
      const killed = await killAt(folder, scenario, point, flags);
      const [failure] = (await verdictOn(killed, scenario, inspector, describePoint(point), false)).failures;
      if (failure !== undefined) failures.push(failure);
    }),
  );
  return {
    figures: `${failures.length} of ${points.length} kills without a journal left a bad database`,
    failures,
  };
}

const needs = [needsStrace];

export const kill: Part = {
  name: 'kill',
  checks: [
    ...[
      ...journals.map((journal) => legacyKind(journal)),
      ...journals.map((journal) => legacyKind(journal, true)),
      newKind,
      silent(newKind),
      silent(legacyKind('wal')),
    ].map((kind): Check => ({
      name: `SIGKILL at every call, ${nameOf(kind)}`,
      needs,
      run: (settings) => killEverywhere(settings, kind),
    })),
    ...journals.map((journal): Check => ({
      name: `a second SIGKILL during the recovery, ${journal} journal`,
      needs,
      run: (settings) => killRecovery(settings, journal),
    })),
    { name: 'the lock of a killed process', needs, run: leaveLock },
  ],
  controls: [{ name: 'SIGKILL without a journal', needs, run: killUnprotected }],
};
