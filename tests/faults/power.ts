import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { forEachAtOnce, workers } from './support/at-once.js';
import { DiskModel, randomCut, simpleCut, type PowerCut } from './support/disk-model.js';
import { withInspectors } from './support/inspector.js';
import type { Check, Finding, Part, Settings } from './support/part.js';
import { keepCase } from './support/places.js';
import { flagsOf, freshCase, traceUpgrade } from './support/points.js';
import { operationsOf, type Operation } from './support/recording.js';
import {
  journals,
  legacyKind,
  nameOf,
  newKind,
  silent,
  reportedBy,
  scenarioOf,
  type Journal,
  type Kind,
  type Scenario,
} from './support/scenario.js';
import { needsStrace } from './support/strace.js';
import { seededRandom } from '../support/legacy-rows.js';

/** Random cuts at each moment, beside those that are always tried. */
const randomCuts = 2;
const saves = 3;

/** What the files of a database may be after a power cut, and what had been said by then. */
interface Image {
  readonly name: string;
  readonly files: ReadonlyMap<string, Buffer>;
  /** What was reported: a place in the scenario's states, worlds saved, backup made. */
  readonly state: number;
  readonly saved: number;
  readonly backedUp: boolean;
}

interface Recording {
  readonly before: ReadonlyMap<string, Buffer>;
  readonly operations: readonly Operation[];
}

async function filesIn(folder: string): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for (const name of await readdir(folder)) files.set(name, await readFile(join(folder, name)));
  return files;
}

/** Lets a program open the database, save a little and close it, and writes down what it did to the files. */
async function record(folder: string, scenario: Scenario, flags: readonly string[]): Promise<Recording> {
  const database = await freshCase(folder, scenario);
  const before = await filesIn(folder);
  const { end, calls } = await traceUpgrade(database, {
    flags: [...flagsOf(scenario), '--saves', String(saves), ...flags],
  });
  if (end.code !== 0) throw new Error(`The upgrade that nobody disturbs fails: ${end.stderr}`);
  const operations = operationsOf(calls, folder);

  // The recording is whole when it leads to the files that are there.
  const model = new DiskModel(before);
  for (const operation of operations) model.carryOut(operation);
  const replayed = model.after(simpleCut(true, true));
  const after = await filesIn(folder);
  for (const name of new Set([...replayed.keys(), ...after.keys()])) {
    if (after.get(name)?.equals(replayed.get(name) ?? Buffer.alloc(0)) !== true)
      throw new Error(`The recording does not lead to the ${name} that is there.`);
  }
  return { before, operations };
}

function cutsAt(index: number, operation: Operation): (readonly [string, PowerCut])[] {
  return [
    ['everything that was not synced is gone', simpleCut(false, false)],
    ['names are gone', simpleCut(false, true)],
    ['data is gone', simpleCut(true, false)],
    ['nothing is gone', simpleCut(true, true)],
    ...(operation.kind === 'write' ? [['the last write is torn', simpleCut(true, true, true)] as const] : []),
    ...Array.from(
      { length: randomCuts },
      (_, round) => [`random ${round}`, randomCut(seededRandom(1 + index * randomCuts + round))] as const,
    ),
  ];
}

function keyOf(files: ReadonlyMap<string, Buffer>): string {
  const hash = createHash('sha256');
  for (const [name, content] of [...files].sort(([one], [other]) => (one < other ? -1 : 1)))
    hash.update(`${name} ${content.length}\n`).update(content);
  return hash.digest('hex');
}

/** Every image that a power cut at any moment may leave, equal ones too. Made one after the other: they are many. */
function* everyImage(
  { before, operations }: Recording,
  scenario: Scenario,
  stride: number,
): Generator<Image> {
  const model = new DiskModel(before);
  const lines: string[] = [];
  for (const [index, operation] of operations.entries()) {
    model.carryOut(operation);
    if (operation.kind === 'said') lines.push(operation.line);
    else if (index % stride !== 0) continue;
    const reported = reportedBy(lines, scenario);
    for (const [what, cut] of cutsAt(index, operation)) {
      const name = `power cut after ${index + 1} of ${operations.length} operations (${operation.kind}), ${what}, ${scenario.name}`;
      yield { name, files: model.after(cut), ...reported };
    }
  }
}

/** Of equal images, only the one of which most was promised: the last. */
function* imagesOf(recording: Recording, scenario: Scenario, stride: number): Generator<Image> {
  const last = new Map<string, string>();
  for (const { name, files } of everyImage(recording, scenario, stride)) last.set(keyOf(files), name);
  for (const image of everyImage(recording, scenario, stride))
    if (last.get(keyOf(image.files)) === image.name) yield image;
}

async function writeImage(folder: string, { files }: Image): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
  for (const [name, content] of files) await writeFile(join(folder, name), content);
}

interface PowerRun {
  readonly kind: Kind;
  /** Weakens the program that is recorded. */
  readonly flags: readonly string[];
  readonly complete: boolean;
}

async function cutEverywhere(settings: Settings, run: PowerRun): Promise<Finding> {
  const scenario = await scenarioOf(settings.shared, run.kind);
  const recording = await record(join(settings.folder, 'recorded'), scenario, run.flags);
  const images = imagesOf(recording, scenario, settings.stride);
  const failures: string[] = [];
  let [count, bad] = [0, 0];
  const found = new Map<string, number>();
  await withInspectors(scenario, workers, (inspectors) =>
    forEachAtOnce(images, inspectors, async (image, inspector) => {
      count += 1;
      const folder = join(settings.folder, `image-${inspectors.indexOf(inspector)}`);
      await writeImage(folder, image);
      const { state, saved, backedUp } = image;
      const path = join(folder, 'worlds.db');
      const verdict = await inspector.inspect({ path, state, saved, backedUp, complete: run.complete });
      found.set(verdict.found, (found.get(verdict.found) ?? 0) + 1);
      if (verdict.problems.length === 0) return;
      bad += 1;
      failures.push(...verdict.problems.map((problem) => `${image.name}: ${problem}`));
      if (run.complete) {
        await writeImage(folder, image);
        failures.push(`kept in ${await keepCase(dirname(path), image.name)}`);
      }
    }),
  );
  const syncs = recording.operations.filter(({ kind }) => kind.startsWith('sync')).length;
  const states = [...found].map(([name, count]) => `${name} ${count}`).join(', ');
  return {
    figures: `${count} images of ${recording.operations.length} operations with ${syncs} syncs, ${bad} bad: ${states}`,
    failures,
  };
}

const needs = [needsStrace];

/** With so few pages in memory, SQLite writes in the middle of its transactions. */
const smallCache = ['--cache-pages', '6'];

function checkOf(what: string, run: PowerRun, thinning = 1): Check {
  return {
    name: `${what}, ${nameOf(run.kind)}`,
    needs,
    run: (settings) => cutEverywhere({ ...settings, stride: settings.stride * thinning }, run),
  };
}

function weakened(journal: Journal, synchronous: string): Check {
  const flags = ['--synchronous', synchronous];
  return checkOf(`power cut with synchronous = ${synchronous}`, {
    kind: legacyKind(journal),
    flags,
    complete: false,
  });
}

export const power: Part = {
  name: 'power',
  checks: [
    ...[
      ...journals.map((journal) => legacyKind(journal, true)),
      newKind,
      silent(newKind),
      silent(legacyKind('wal')),
    ].map((kind) =>
      checkOf(
        'power cut at every moment',
        { kind, flags: [], complete: true },
        kind.database === 'new' ? 3 : 1,
      ),
    ),
    ...journals.map((journal) =>
      checkOf(
        'power cut with a small cache',
        { kind: legacyKind(journal), flags: smallCache, complete: true },
        4,
      ),
    ),
  ],
  controls: [
    weakened('rollback', 'OFF'),
    weakened('rollback', 'NORMAL'),
    weakened('rollback', 'FULL'),
    weakened('wal', 'OFF'),
    weakened('wal', 'NORMAL'),
  ],
};
