import { peers } from './contestants.js';
import type { Result } from './results.js';
import { spreadOf, type Spread } from './statistics.js';

/** What each contestant came to, by workload and then by its name. */
export type Results = ReadonlyMap<string, ReadonlyMap<string, Result>>;

/** One thing that the project wants to reach, and how far it is. */
export interface Goal {
  readonly work: string;
  readonly wanted: string;
  readonly measured: string;
  /** Undefined where it was not measured. */
  readonly reached: boolean | undefined;
}

const digits = 2;

const counted = (count: number): string => count.toLocaleString('en');

export function spreadText({ median, min, max }: Spread, places = digits): string {
  return `${median.toFixed(places)} (${min.toFixed(places)} to ${max.toFixed(places)})`;
}

/** Where the greatest is more than so many times the least, a figure tells little. */
const WIDE = 1.5;

const widthOf = ({ min, max }: Spread): string => (max > WIDE * Math.max(min, 0) ? ', **wide**' : '');

function judged(
  work: string,
  wanted: string,
  value: number | undefined,
  judge: { text: string; ok: boolean },
): Goal {
  if (value === undefined || Number.isNaN(value))
    return { work, wanted, measured: 'not measured', reached: undefined };
  return { work, wanted, measured: judge.text, reached: judge.ok };
}

/** A median that may not be more than a number. */
function atMost(work: string, unit: string, most: number, spread: Spread | undefined): Goal {
  return judged(work, `at most ${most} ${unit}`, spread?.median, {
    text: spread === undefined ? '' : spreadText(spread) + widthOf(spread),
    ok: (spread?.median ?? Number.NaN) <= most,
  });
}

/** The goals of the project, each with what was measured. */
export function goalsOf(results: Results): Goal[] {
  const find = (workload: string, contestant: string): Result | undefined =>
    results.get(workload)?.get(contestant);
  const ratio = (work: string, workload: string, contestant: string, most: number): Goal =>
    atMost(work, 'times the limit', most, find(workload, contestant)?.ratio);

  const fastestPeer = (workload: string): Result | undefined =>
    peers.flatMap((peer) => find(workload, peer) ?? []).sort((a, b) => a.ms.median - b.ms.median)[0];
  const ahead = (work: string, workload: string, contestant: string): Goal => {
    const own = find(workload, contestant)?.ms;
    const peer = fastestPeer(workload);
    const told = (spread: Spread | undefined): string =>
      spread === undefined ? '' : `${spread.median.toFixed(1)} ms${widthOf(spread)}`;
    return judged(work, 'faster than every other tool', own === undefined ? undefined : peer?.ms.median, {
      text: `${told(own)}; ${peer?.contestant ?? ''} ${told(peer?.ms)}`,
      ok: (own?.median ?? Number.NaN) < (peer?.ms.median ?? Number.NaN),
    });
  };

  const growth = (contestant: string): number | undefined => {
    const small = find('fresh-100', contestant)?.ms.median;
    const big = find('fresh-1000', contestant)?.ms.median;
    return small === undefined || big === undefined ? undefined : big / 10 / small;
  };
  const ownGrowth = growth('folder');
  const limitGrowth = growth('limit');

  const memory = (workload: string): number | undefined => find(workload, 'folder')?.memoryMiB.median;
  const large = memory('large');
  const medium = memory('medium');

  const share = (name: string, other: Result | undefined, least: number): Goal => {
    const own = find('fleet', 'upgradeAll');
    const pairs = own?.rounds.map((ms, round) => (other?.rounds[round] ?? Number.NaN) / ms) ?? [];
    const times = pairs.length === 0 ? undefined : spreadOf(pairs);
    const rate = (result: Result | undefined): string =>
      result === undefined ? '' : (1_000_000 / result.ms.median).toFixed(0);
    return judged(
      '1,000 small databases',
      `at least ${least} times the files a second of ${name}`,
      times?.median,
      {
        text:
          times === undefined
            ? ''
            : `${spreadText(times)}${widthOf(times)}; ${rate(own)} beside ${rate(other)} a second`,
        ok: (times?.median ?? Number.NaN) >= least,
      },
    );
  };
  const flat = (what: string, figure: string): Goal => {
    const figures = find('fleet', 'upgradeAll')?.figures;
    // Until then the compiler is at work, whose code is held.
    const early = figures?.[`${figure} after the 100th, MiB`]?.median;
    const late = figures?.[`${figure} after the last, MiB`]?.median;
    return judged(
      `1,000 small databases: ${what}`,
      'flat (at most 1.1 times from the 100th to the last)',
      late,
      {
        text: `${early?.toFixed(1) ?? ''} MiB, then ${late?.toFixed(1) ?? ''} MiB`,
        ok: (late ?? Number.NaN) <= 1.1 * (early ?? Number.NaN),
      },
    );
  };

  return [
    ...[100, 1000].flatMap((count) => [
      ratio(`nothing pending, ${counted(count)} applied, a folder`, `open-${count}`, 'folder', 1.25),
      ahead(`nothing pending, ${counted(count)} applied, a folder`, `open-${count}`, 'folder'),
      ratio(`nothing pending, ${counted(count)} applied, a bundle`, `open-${count}`, 'bundle', 1.1),
    ]),
    ...[10, 100, 1000].flatMap((count) => [
      ratio(`a fresh file, ${counted(count)} migrations`, `fresh-${count}`, 'folder', 1.2),
      ahead(`a fresh file, ${counted(count)} migrations`, `fresh-${count}`, 'folder'),
      ratio(`a fresh file, ${counted(count)} in one transaction`, `fresh-${count}`, 'folderTogether', 1.2),
      ahead(`a fresh file, ${counted(count)} in one transaction`, `fresh-${count}`, 'folderTogether'),
    ]),
    judged('a fresh file: the cost of a migration', "grows no faster than the limit's", ownGrowth, {
      text: `from 100 to 1,000 times ${ownGrowth?.toFixed(digits) ?? ''}; the limit's ${limitGrowth?.toFixed(digits) ?? ''}`,
      ok: (ownGrowth ?? Number.NaN) <= (limitGrowth ?? Number.NaN),
    }),
    ...[0, 1, 2, 3, 4, 5, 6, 7].map((version) =>
      ratio(`a legacy file of version ${version}`, `legacy-${version}`, 'folder', 2),
    ),
    ratio('200 MB, guards off', 'large', 'folderUnguarded', 1.05),
    ratio('200 MB, guards on', 'large', 'folder', 1.15),
    atMost('200 MB: rise of the peak memory', "times the limit's", 1.3, find('large', 'folder')?.memoryRatio),
    judged(
      '200 MB: rise of the peak memory',
      'independent of the size (at most 1.3 times that of 20 MB)',
      large,
      {
        text: `${large?.toFixed(1) ?? ''} MiB; ${medium?.toFixed(1) ?? ''} MiB`,
        ok: (large ?? Number.NaN) <= 1.3 * (medium ?? Number.NaN),
      },
    ),
    atMost('200 MB: the event loop', 'ms at a time', 50, find('large', 'folder')?.loopMs),
    ratio('a copy of 200 MB, not verified, not synced', 'copy', 'locked', 1.2),
    share('the fastest other tool', fastestPeer('fleet'), 1.6),
    share('the limit', find('fleet', 'limit'), 0.85),
    flat('memory that is held', 'held'),
    flat("memory that the system gave, but for V8's room for objects", 'outside'),
    atMost('loading the package', 'ms more than loading the driver', 15, find('load', 'package')?.overMs),
  ];
}
