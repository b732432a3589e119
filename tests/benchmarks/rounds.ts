import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import type { Measurement, Workload } from './workload.js';

const run = promisify(execFile);
const program = fileURLToPath(new URL('sample.js', import.meta.url));
/** Nothing takes longer than this, in milliseconds. */
const PATIENCE_MS = 120_000;

/** What the rounds of one workload found. */
export interface Outcome {
  readonly workload: Workload;
  /** The samples of each contestant, by round. */
  readonly samples: ReadonlyMap<string, readonly Measurement[]>;
  /** Why a contestant is not among them, in its own words. */
  readonly failures: ReadonlyMap<string, string>;
}

export interface RoundOptions {
  /** The contestants that take part. */
  readonly contestants: readonly string[];
  readonly rounds: number;
}

function isMeasurement(value: unknown): value is Measurement {
  return (
    typeof value === 'object' &&
    value !== null &&
    'ms' in value &&
    typeof value.ms === 'number' &&
    'memoryMiB' in value &&
    typeof value.memoryMiB === 'number' &&
    'peakMiB' in value &&
    typeof value.peakMiB === 'number'
  );
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const said = 'stderr' in error ? String(error.stderr) : '';
  const line = said.split('\n').find((text) => /\w*Error\b.*: /.test(text));
  return line?.trim() ?? error.message.split('\n', 1)[0] ?? 'unknown';
}

async function inProcess(task: 'template' | 'measure', ...parameters: readonly string[]): Promise<string> {
  const { stdout } = await run(process.execPath, ['--expose-gc', program, task, ...parameters], {
    timeout: PATIENCE_MS,
  });
  return stdout;
}

const templateOf = ({ templates = {} }: Workload, contestant: string): string =>
  templates[contestant] ?? contestant;

async function makeTemplate(workload: Workload, contestant: string, place: string): Promise<void> {
  const name = templateOf(workload, contestant);
  const folder = join(place, name);
  if (existsSync(folder)) return;
  await mkdir(folder);
  if (workload.makeTemplate !== undefined) await inProcess('template', workload.name, name, '', folder);
}

async function takeSample(workload: Workload, contestant: string, place: string): Promise<Measurement> {
  const folder = join(place, 'sample');
  await mkdir(folder);
  try {
    const found: unknown = JSON.parse(
      await inProcess(
        'measure',
        workload.name,
        contestant,
        join(place, templateOf(workload, contestant)),
        folder,
      ),
    );
    if (!isMeasurement(found)) throw new Error('the sample did not say what it found');
    return found;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Lets the contestants of a workload take turns: each once in a round, and each round another one first. */
export async function runRounds(workload: Workload, { contestants, rounds }: RoundOptions): Promise<Outcome> {
  const place = await mkdtemp(join(tmpdir(), 'benchmark-'));
  const samples = new Map<string, Measurement[]>();
  const failures = new Map<string, string>();
  const attempt = async (contestant: string, work: () => Promise<void>): Promise<void> => {
    if (failures.has(contestant)) return;
    try {
      await work();
    } catch (error) {
      failures.set(contestant, reasonOf(error));
      samples.delete(contestant);
      console.error(`  ${contestant} failed: ${reasonOf(error)}`);
    }
  };
  try {
    for (const contestant of contestants)
      await attempt(contestant, async () => {
        await makeTemplate(workload, contestant, place);
        samples.set(contestant, []);
      });
    for (let round = 0; round < rounds; round += 1) {
      const first = round % contestants.length;
      for (const contestant of [...contestants.slice(first), ...contestants.slice(0, first)])
        await attempt(contestant, async () => {
          samples.get(contestant)?.push(await takeSample(workload, contestant, place));
        });
    }
    return { workload, samples, failures };
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}
