import type { Outcome } from './rounds.js';
import { spreadOf, type Spread } from './statistics.js';
import type { Measurement } from './workload.js';

/** What the samples of one contestant came to. */
export interface Result {
  readonly contestant: string;
  readonly ms: Spread;
  /** Of each round, in milliseconds. */
  readonly rounds: readonly number[];
  /** Times the limit of the same round, with the same cut of transactions; undefined where the limit failed, as the next two. */
  readonly ratio: Spread | undefined;
  /** More than the limit of the same round, in milliseconds. */
  readonly overMs: Spread | undefined;
  readonly memoryMiB: Spread;
  readonly peakMiB: Spread;
  /** The rise of the peak memory, times that of the limit in the same round. */
  readonly memoryRatio: Spread | undefined;
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
  return [...samples].flatMap(([contestant, found]) => {
    if (found.length === 0) return [];
    const limit = samples.get(workload.limits?.[contestant] ?? limitName);
    const beside = (relation: (own: Measurement, limits: Measurement) => number): Spread | undefined => {
      const pairs = found.flatMap((own, round) => {
        const limits = limit?.[round];
        return limits === undefined ? [] : [relation(own, limits)];
      });
      return pairs.length === 0 ? undefined : spreadOf(pairs);
    };
    const loops = found.flatMap(({ loopMs }) => (loopMs === undefined ? [] : [loopMs]));
    return [
      {
        contestant,
        ms: spreadOf(found.map(({ ms }) => ms)),
        rounds: found.map(({ ms }) => ms),
        ratio: beside((own, limits) => own.ms / limits.ms),
        overMs: beside((own, limits) => own.ms - limits.ms),
        memoryMiB: spreadOf(found.map(({ memoryMiB }) => memoryMiB)),
        peakMiB: spreadOf(found.map(({ peakMiB }) => peakMiB)),
        memoryRatio: beside((own, limits) => own.memoryMiB / limits.memoryMiB),
        loopMs: loops.length === 0 ? undefined : spreadOf(loops),
        figures: figuresOf(found),
      },
    ];
  });
}
