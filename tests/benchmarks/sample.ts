// One sample in a process of its own: `node sample.js template|measure WORKLOAD CONTESTANT TEMPLATE FOLDER`.
// Writes what it found to standard output as JSON.
import { monitorEventLoopDelay } from 'node:perf_hooks';

import type { Measurement, Workload } from './workload.js';
import { findWorkload } from './workloads/index.js';

/** How often the event loop is asked whether it is free, in milliseconds. */
const LOOK_MS = 1;

const [task, name = '', contestant = '', template = '', folder = ''] = process.argv.slice(2);

const peakMiB = (): number => process.resourceUsage().maxRSS / 1024;

async function measure(workload: Workload): Promise<Measurement> {
  const sample = await workload.prepare(contestant, template, folder);
  const delay = workload.watchesLoop === true ? monitorEventLoopDelay({ resolution: LOOK_MS }) : undefined;
  delay?.enable();
  const before = peakMiB();
  const started = process.hrtime.bigint();
  await sample.run();
  const ms = Number(process.hrtime.bigint() - started) / 1e6;
  const memoryMiB = peakMiB() - before;
  // A last look, where the loop was not free until now.
  if (delay !== undefined) await new Promise((resolve) => setTimeout(resolve, 2 * LOOK_MS));
  delay?.disable();
  await sample.verify();
  return {
    ms,
    memoryMiB,
    ...(delay === undefined ? {} : { loopMs: Math.max(0, delay.max / 1e6 - LOOK_MS) }),
    figures: sample.figures?.() ?? {},
  };
}

const workload = await findWorkload(name);
if (task === 'template') await workload.makeTemplate?.(contestant, folder);
else console.log(JSON.stringify(await measure(workload)));
