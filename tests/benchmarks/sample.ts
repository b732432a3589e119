// One sample in a process of its own: `node --expose-gc sample.js template|measure WORKLOAD CONTESTANT TEMPLATE FOLDER`.
// Writes what it found to standard output as JSON.
import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';

import { forgetPeak, peakMiB } from './memory.js';
import type { Measurement, Workload } from './workload.js';
import { findWorkload } from './workloads/index.js';

/** How often the event loop is asked whether it is free, in milliseconds. */
const LOOK_MS = 1;

const [task, name = '', contestant = '', template = '', folder = ''] = process.argv.slice(2);

/** Begins to watch the event loop; a look is counted from the one before it, so one has to be over. */
async function watchLoop(): Promise<IntervalHistogram> {
  const delay = monitorEventLoopDelay({ resolution: LOOK_MS });
  delay.enable();
  await pause(10 * LOOK_MS);
  // What came before is forgotten, and so is when the last look was.
  delay.reset();
  await pause(5 * LOOK_MS);
  return delay;
}

async function measure(workload: Workload): Promise<Measurement> {
  const sample = await workload.prepare(contestant, template, folder);
  const delay = workload.watchesLoop === true ? await watchLoop() : undefined;
  forgetPeak();
  const before = peakMiB();
  const started = process.hrtime.bigint();
  await sample.run();
  const ms = Number(process.hrtime.bigint() - started) / 1e6;
  const peak = peakMiB();
  // A last look, where the loop was not free until now.
  if (delay !== undefined) await pause(10 * LOOK_MS);
  delay?.disable();
  await sample.verify();
  return {
    ms,
    memoryMiB: peak - before,
    peakMiB: peak,
    ...(delay === undefined ? {} : { loopMs: Math.max(0, delay.max / 1e6 - LOOK_MS) }),
    figures: sample.figures?.() ?? {},
  };
}

const workload = await findWorkload(name);
if (task === 'template') await workload.makeTemplate?.(contestant, folder);
else console.log(JSON.stringify(await measure(workload)));
