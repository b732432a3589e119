// Measures the project beside a bare driver and other tools:
// `node main.js [--workload W] [--only NAME] [--rounds N]`.
//
// Without options it does all and writes docs/benchmarks.md and docs/benchmarks.svg. --workload takes the workloads
// whose name begins with W, --only the contestants whose name begins with NAME, beside the limit. Both print only.
import { parseArgs } from 'node:util';

import { installPackages } from './packages.js';
import { resultsOf, type Result } from './results.js';
import { runRounds } from './rounds.js';
import { findWorkload, workloadNames } from './workloads/index.js';

const usualRounds = 9;

const { values } = parseArgs({
  options: {
    workload: { type: 'string', default: '' },
    only: { type: 'string', default: '' },
    rounds: { type: 'string' },
  },
});
const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
if (rounds !== undefined && (!Number.isSafeInteger(rounds) || rounds < 1))
  throw new Error('--rounds is a whole number of 1 or more.');

function line({ contestant, ms, ratio, memoryMiB, loopMs }: Result): string {
  const digits = ms.median < 100 ? 2 : 0;
  const time = `${ms.median.toFixed(digits)} ms (${ms.min.toFixed(digits)} to ${ms.max.toFixed(digits)})`;
  const times = `${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)} to ${ratio.max.toFixed(2)})`;
  const loop = loopMs === undefined ? '' : `, loop ${loopMs.median.toFixed(1)} ms`;
  return `  ${contestant.padEnd(18)} ${time.padEnd(30)} ${times.padEnd(24)} +${memoryMiB.median.toFixed(1)} MiB${loop}`;
}

const chosen = workloadNames.includes(values.workload)
  ? [values.workload]
  : workloadNames.filter((name) => name.startsWith(values.workload));
if (chosen.length === 0) throw new Error(`No workload begins with "${values.workload}".`);

installPackages();
for (const name of chosen) {
  const workload = await findWorkload(name);
  const [limit, ...others] = workload.contestants;
  const contestants = [limit ?? '', ...others.filter((name) => name.startsWith(values.only))];
  console.log(`${workload.name}: ${workload.title}`);
  const outcome = await runRounds(workload, {
    contestants,
    rounds: rounds ?? workload.rounds ?? usualRounds,
  });
  for (const result of resultsOf(outcome)) console.log(line(result));
}
