import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';

import { forEachAtOnce, workers } from './support/at-once.js';
import { withInspectors } from './support/inspector.js';
import { everyNth, type Check, type Finding, type Part, type Settings } from './support/part.js';
import {
  callsAt,
  describePoint,
  endOfBackup,
  flagsOf,
  freshCase,
  knownPoints,
  recordPoints,
  traceUpgrade,
  type Point,
} from './support/points.js';
import { journals, legacyKind, nameOf, reportedBy, scenarioOf, type Kind } from './support/scenario.js';
import { needsStrace, type TracedEnd } from './support/strace.js';

const errors = ['ENOSPC', 'EIO'] as const;
type SystemError = (typeof errors)[number];

/** Four times as many cases as kills: the whole does every fourth call of each. */
const thinning = 8;

const needSpace = /^(pwrite64|ftruncate|mkdir|mkdirat)$/;

/** What strace is told so that one call fails, or this one and everything of its kind after it. */
function injectionsFor(
  points: readonly Point[],
  index: number,
  error: SystemError,
  lasting: boolean,
): string[] {
  const [point] = points.slice(index, index + 1);
  if (point === undefined) return [];
  if (!lasting) return [`${point.call}:error=${error}:when=${point.when}`];
  const affected = new Set(
    points.map(({ call }) => call).filter((call) => error === 'EIO' || needSpace.test(call)),
  );
  return [...affected].map((call) => {
    const before = points.slice(0, index).filter((earlier) => earlier.call === call);
    return `${call}:error=${error}:when=${(before.at(-1)?.when ?? 0) + 1}+`;
  });
}

/** Why an end is none that a user could understand; undefined when it is. */
function badEnd({ code, hung, lines, stderr }: TracedEnd): string | undefined {
  if (hung) return 'it hung';
  if (code === 0) return lines.at(-1) === '@closed' ? undefined : 'it ended without a word';
  const said = lines.find((line) => line.startsWith('@error '));
  if (code !== 3 || said === undefined)
    return `it crashed with ${String(code)}: ${stderr.replaceAll(/\s+/g, ' ').trim().slice(0, 300)}`;
  const error: unknown = JSON.parse(said.slice('@error '.length));
  const clear =
    typeof error === 'object' &&
    error !== null &&
    ['code', 'message', 'hint'].every(
      (key) => String(Object.entries(error).find(([name]) => name === key)?.[1] ?? '') !== '',
    );
  return clear ? undefined : `its error is not clear: ${said}`;
}

interface Failing {
  readonly kind: Kind;
  readonly error: SystemError;
  readonly lasting: boolean;
}

async function failEverywhere(settings: Settings, { kind, error, lasting }: Failing): Promise<Finding> {
  const scenario = await scenarioOf(settings.shared, kind);
  const recorded = await knownPoints(settings.shared, scenario);
  const until = kind.backup ? endOfBackup(recorded) : recorded.length;
  const cases = recorded
    .map((point, index) => ({ point, index }))
    .slice(0, until)
    .filter(({ point }) => error === 'EIO' || needSpace.test(point.call));
  const chosen = everyNth(cases, thinning * settings.stride);
  const failures: string[] = [];
  const codes = new Map<string, number>();
  await withInspectors(scenario, workers, (inspectors) =>
    forEachAtOnce(chosen, inspectors, async ({ point, index }, inspector) => {
      const name = `${error} ${lasting ? 'from' : 'at'} ${describePoint(point)}, ${scenario.name}`;
      const folder = join(settings.folder, `failing-${inspectors.indexOf(inspector)}`);
      const database = await freshCase(folder, scenario);
      const { end, calls } = await traceUpgrade(database, {
        flags: flagsOf(scenario),
        injections: injectionsFor(recorded, index, error, lasting),
      });
      const bad = badEnd(end);
      if (bad !== undefined) failures.push(`${name}: ${bad}`);
      const code =
        /"code":"(\w+)"/.exec(end.lines.at(-1) ?? '')?.[1] ?? (end.code === 0 ? 'went on' : 'crashed');
      codes.set(code, (codes.get(code) ?? 0) + 1);
      if (!callsAt(folder, point, calls).some(({ result }) => result !== undefined && result < 0))
        failures.push(`${name}: this call did not fail`);
      const lock = `${database}.lock`;
      if (existsSync(lock)) {
        // Where the lock's removal is what failed, the next one waits until it is stale.
        if (!lasting && point.call !== 'rmdir') failures.push(`${name}: it left its lock`);
        await rm(lock, { recursive: true });
      }
      const { problems } = await inspector.inspect({
        path: database,
        ...reportedBy(end.lines, scenario),
        complete: true,
      });
      failures.push(...problems.map((problem) => `${name}: ${problem}`));
    }),
  );
  const ends = [...codes].map(([code, count]) => `${code} ${count}`).join(', ');
  return { figures: `${chosen.length} of ${cases.length} calls failed: ${ends}`, failures };
}

/** Without a journal nothing can be undone: a failing write must leave databases between two states. */
async function failUnprotected(settings: Settings): Promise<Finding> {
  const scenario = await scenarioOf(settings.shared, legacyKind('rollback'));
  const flags = ['--journal-mode', 'OFF'];
  const recorded = await recordPoints(join(settings.folder, 'recorded'), scenario, flags);
  const cases = recorded
    .map((point, index) => ({ point, index }))
    .filter(({ point }) => point.call === 'pwrite64');
  const chosen = everyNth(cases, 4);
  const failures: string[] = [];
  await withInspectors(scenario, workers, (inspectors) =>
    forEachAtOnce(chosen, inspectors, async ({ point, index }, inspector) => {
      const folder = join(settings.folder, `unprotected-${inspectors.indexOf(inspector)}`);
      const database = await freshCase(folder, scenario);
      const injections = injectionsFor(recorded, index, 'ENOSPC', true);
      const { end } = await traceUpgrade(database, { flags, injections });
      const { problems } = await inspector.inspect({
        path: database,
        ...reportedBy(end.lines, scenario),
        complete: false,
      });
      const [problem] = problems;
      if (problem !== undefined) failures.push(`${describePoint(point)}: ${problem}`);
    }),
  );
  return {
    figures: `${failures.length} of ${chosen.length} full disks without a journal left a bad database`,
    failures,
  };
}

const needs = [needsStrace];

function checkOf(failing: Failing): Check {
  const { kind, error, lasting } = failing;
  return {
    name: `${error} ${lasting ? 'from a call on' : 'once'}, ${nameOf(kind)}`,
    needs,
    run: (settings) => failEverywhere(settings, failing),
  };
}

const kinds = [false, true].flatMap((backup) => journals.map((journal) => legacyKind(journal, backup)));

export const ioErrors: Part = {
  name: 'io-errors',
  checks: kinds.flatMap((kind) =>
    errors.flatMap((error) => [false, true].map((lasting) => checkOf({ kind, error, lasting }))),
  ),
  controls: [{ name: 'ENOSPC without a journal', needs, run: failUnprotected }],
};
