// Tries what can go wrong during an upgrade, and what must hold all the same:
// `node main.js [--quick | --stride N] [--only NAME] [--control]`.
//
// --quick does every eighth case, --stride every Nth, --only the parts or checks whose name holds NAME. --control turns
// the protection off: there, each check has to find failures.
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { damage } from './damage.js';
import { disk } from './disk.js';
import { formats } from './formats.js';
import { fuzz } from './fuzz.js';
import { ioErrors } from './io-errors.js';
import { kill } from './kill.js';
import { power } from './power.js';
import { processes } from './processes.js';
import type { Check, Part, Settings } from './support/part.js';
import { makeRunFolder } from './support/places.js';

const parts: readonly Part[] = [kill, ioErrors, power, processes, disk, damage, fuzz, formats];
const quickStride = 8;
const shownFailures = 5;

type Outcome = 'passed' | 'failed' | 'skipped';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    stride: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
    control: { type: 'boolean', default: false },
  },
});
const stride = values.quick ? quickStride : Number(values.stride);
if (!Number.isSafeInteger(stride) || stride < 1) throw new Error('--stride is a whole number of 1 or more.');

async function runCheck(check: Check, settings: Settings): Promise<Outcome> {
  const missing = check.needs?.map((need) => need()).find((reason) => reason !== undefined);
  if (missing !== undefined) {
    console.log(`  skipped  ${check.name}: ${missing}`);
    return 'skipped';
  }
  const started = performance.now();
  const { figures, failures } = await check.run(settings);
  const passed = values.control ? failures.length > 0 : failures.length === 0;
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`  ${passed ? 'passed ' : 'failed '}  ${check.name}: ${figures} (${seconds} s)`);
  if (values.control) {
    const [first] = failures;
    console.log(
      `             ${failures.length} failures found${first === undefined ? '' : `, such as: ${first}`}`,
    );
    return passed ? 'passed' : 'failed';
  }
  for (const failure of failures.slice(0, shownFailures)) console.log(`             ${failure}`);
  if (failures.length > shownFailures)
    console.log(`             and ${failures.length - shownFailures} more`);
  return passed ? 'passed' : 'failed';
}

const folder = await makeRunFolder();
process.env.TMPDIR = folder; // Also for the copies that other processes make.
const shared = join(folder, 'shared');
await mkdir(shared);
const counts: Record<Outcome, number> = { passed: 0, failed: 0, skipped: 0 };
try {
  for (const part of parts) {
    const checks = (values.control ? part.controls : part.checks).filter(({ name }) =>
      `${part.name} ${name}`.includes(values.only),
    );
    if (checks.length > 0) console.log(part.name);
    for (const [index, check] of checks.entries()) {
      const own = join(folder, `${part.name}-${index}`);
      await mkdir(own);
      counts[await runCheck(check, { stride, folder: own, shared })] += 1;
      await rm(own, { recursive: true });
    }
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : '';
console.log(`${counts.passed} passed, ${counts.failed} failed${skipped}`);
if (counts.failed > 0 || counts.passed + counts.skipped === 0) process.exitCode = 1;
