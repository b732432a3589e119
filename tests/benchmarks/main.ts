// Measures the project beside a bare driver and other tools: `node main.js --help` says how.
import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { format, resolveConfig } from 'prettier';

import { chartOf, drawChart } from './chart.js';
import { benchmarksFolder } from './contestants.js';
import { describeMachine } from './machine.js';
import { readOptions, UsageError, type Chosen } from './options.js';
import { installPackages, wantedPackages } from './packages.js';
import { pageOf, type Run } from './report.js';
import { resultsOf, type Result } from './results.js';
import { runRounds, type Outcome } from './rounds.js';
import type { Workload } from './workload.js';

const usualRounds = 7;

function line({ contestant, ms, ratio, memoryMiB, loopMs }: Result): string {
  const digits = ms.median < 100 ? 2 : 0;
  const time = `${ms.median.toFixed(digits)} ms (${ms.min.toFixed(digits)} to ${ms.max.toFixed(digits)})`;
  const times =
    ratio === undefined
      ? ''
      : `${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)} to ${ratio.max.toFixed(2)})`;
  const loop = loopMs === undefined ? '' : `, loop ${loopMs.median.toFixed(1)} ms`;
  return `  ${contestant.padEnd(18)} ${time.padEnd(30)} ${times.padEnd(24)} +${memoryMiB.median.toFixed(1)} MiB${loop}`;
}

async function runWorkload(
  workload: Workload,
  contestants: readonly string[],
  rounds: number | undefined,
): Promise<Outcome> {
  console.log(`${workload.name}: ${workload.title}`);
  const outcome = await runRounds(workload, {
    contestants,
    rounds: rounds ?? workload.rounds ?? usualRounds,
  });
  for (const result of resultsOf(outcome)) console.log(line(result));
  return outcome;
}

async function writePage(run: Run, folder: string): Promise<void> {
  const page = join(folder, 'benchmarks.md');
  const style = await resolveConfig(page);
  await writeFile(page, await format(pageOf(run), { ...style, parser: 'markdown' }));
  console.log(`Wrote ${page}.`);
  try {
    await writeFile(join(folder, 'benchmarks.svg'), await drawChart(chartOf(run.results)));
  } catch (error) {
    console.error(`The page has no chart: ${String(error)}`);
    process.exitCode = 1;
  }
}

/** A folder for temporary files, also for those of other processes, which goes when this process does. */
function useOwnTemporaryFolder(): void {
  const place = mkdtempSync(join(tmpdir(), 'benchmarks-'));
  process.env.TMPDIR = place;
  process.once('exit', () => {
    rmSync(place, { recursive: true, force: true });
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
}

function byContestant(results: readonly Result[]): ReadonlyMap<string, Result> {
  return new Map(results.map((result) => [result.contestant, result]));
}

async function main({ workloads, rounds, out, isPart }: Chosen): Promise<void> {
  const started = performance.now();
  const [busy = Number.NaN] = loadavg();
  installPackages();
  useOwnTemporaryFolder();
  const outcomes: Outcome[] = [];
  for (const [workload, contestants] of workloads)
    outcomes.push(await runWorkload(workload, contestants, rounds));

  const folder = out ?? (isPart ? undefined : fileURLToPath(new URL('../../docs/', benchmarksFolder)));
  if (folder === undefined) console.log('This was a part: docs/benchmarks.md is what it was.');
  else {
    const results = new Map(outcomes.map((each) => [each.workload.name, byContestant(resultsOf(each))]));
    const machine = await describeMachine(busy);
    await writePage({ outcomes, results, machine, packages: wantedPackages() }, folder);
  }
  const failures = outcomes.reduce((sum, outcome) => sum + outcome.failures.size, 0);
  const minutes = ((performance.now() - started) / 60_000).toFixed(1);
  console.log(`${outcomes.length} workloads in ${minutes} minutes, ${failures} contestants failed.`);
  if (failures > 0) process.exitCode = 1;
}

try {
  const chosen = await readOptions();
  if (chosen !== undefined) await main(chosen);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
