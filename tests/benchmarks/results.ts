import type { Outcome } from './rounds.js';
import { spreadOf, type Spread } from './statistics.js';
import type { Measurement } from './workload.js';

/** What the samples of one contestant came to. */
export interface Result {
  readonly contestant: string;
  readonly samples: number;
  readonly ms: Spread;
  /** Times the limit of the same round. */
  readonly ratio: Spread;
  /** More than the limit of the same round, in milliseconds. */
  readonly overMs: Spread;
  readonly memoryMiB: Spread;
  readonly loopMs: Spread | undefined;
  readonly figures: Readonly<Record<string, Spread>>;
}

function figuresOf(samples: readonly Measurement[]): Record<string, Spread> {
  const names = Object.keys(samples[0]?.figures ?? {});
  return Object.fromEntries(
    names.map((name) => [name, spreadOf(samples.map(({ figures }) => figures[name] ?? Number.NaN))]),
  );
}

/** What each contestant came to, in the order in which the workload names them. */
export function resultsOf({ workload, samples }: Outcome): Result[] {
  const [limitName = ''] = workload.contestants;
  const limit = samples.get(limitName);
  return [...samples].flatMap(([contestant, found]) => {
    if (found.length === 0) return [];
    const beside = (relation: (ms: number, limitMs: number) => number): Spread =>
      spreadOf(found.map(({ ms }, round) => relation(ms, limit?.[round]?.ms ?? Number.NaN)));
    const loops = found.flatMap(({ loopMs }) => (loopMs === undefined ? [] : [loopMs]));
    return [
      {
        contestant,
        samples: found.length,
        ms: spreadOf(found.map(({ ms }) => ms)),
        ratio: beside((ms, limitMs) => ms / limitMs),
        overMs: beside((ms, limitMs) => ms - limitMs),
        memoryMiB: spreadOf(found.map(({ memoryMiB }) => memoryMiB)),
        loopMs: loops.length === 0 ? undefined : spreadOf(loops),
        figures: figuresOf(found),
      },
    ];
  });
}
