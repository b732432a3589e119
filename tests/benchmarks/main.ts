// Measures the project beside a bare driver and other tools:
// `node main.js [--workload W] [--only NAME] [--rounds N] [--out FOLDER]`.
//
// Without options it does all and writes docs/benchmarks.md and docs/benchmarks.svg. --workload takes the workload of that
// name, or those whose names begin so; --only the contestants whose name begins with NAME, beside the limit; --rounds says
// how often. With any of them, it prints only, unless --out says where the page goes.
import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { format, resolveConfig } from 'prettier';

import { chartOf, drawChart } from './chart.js';
import { benchmarksFolder } from './contestants.js';
import { describeMachine } from './machine.js';
import { installPackages, wantedPackages } from './packages.js';
import { pageOf, type Run } from './report.js';
import { resultsOf, type Result } from './results.js';
import { runRounds, type Outcome } from './rounds.js';
import { findWorkload, workloadNames } from './workloads/index.js';

const usualRounds = 7;

const { values } = parseArgs({
  options: {
    workload: { type: 'string' },
    only: { type: 'string' },
    rounds: { type: 'string' },
    out: { type: 'string' },
  },
});
const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
if (rounds !== undefined && (!Number.isSafeInteger(rounds) || rounds < 1))
  throw new Error('--rounds is a whole number of 1 or more.');

function chosenWorkloads(wanted = ''): readonly string[] {
  if (workloadNames.includes(wanted)) return [wanted];
  const found = workloadNames.filter((name) => name.startsWith(wanted));
  if (found.length === 0)
    throw new Error(`No workload begins with "${wanted}": ${workloadNames.join(', ')}.`);
  return found;
}

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

async function runWorkload(name: string): Promise<Outcome> {
  const workload = await findWorkload(name);
  const [limit = '', ...others] = workload.contestants;
  const contestants = [limit, ...others.filter((other) => other.startsWith(values.only ?? ''))];
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

const started = performance.now();
const chosen = chosenWorkloads(values.workload);
installPackages();

const place = mkdtempSync(join(tmpdir(), 'benchmarks-'));
process.env.TMPDIR = place; // Also for what other processes make.
process.once('exit', () => {
  rmSync(place, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
const outcomes: Outcome[] = [];
for (const name of chosen) outcomes.push(await runWorkload(name));

const isPart = values.workload !== undefined || values.only !== undefined || rounds !== undefined;
const folder = values.out ?? (isPart ? undefined : fileURLToPath(new URL('../../docs/', benchmarksFolder)));
if (folder !== undefined) {
  const results = new Map(
    outcomes.map((outcome) => [
      outcome.workload.name,
      new Map(resultsOf(outcome).map((result) => [result.contestant, result])),
    ]),
  );
  const machine = await describeMachine();
  await writePage({ outcomes, results, machine, packages: wantedPackages() }, folder);
}
const failures = outcomes.reduce((sum, outcome) => sum + outcome.failures.size, 0);
const minutes = ((performance.now() - started) / 60_000).toFixed(1);
console.log(`${outcomes.length} workloads in ${minutes} minutes, ${failures} contestants failed.`);
if (failures > 0) process.exitCode = 1;
