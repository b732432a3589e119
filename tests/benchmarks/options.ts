import { parseArgs } from 'node:util';

import { messageOf } from '../../core/errors.js';
import type { Workload } from './workload.js';
import { findWorkload, workloadNames } from './workloads/index.js';

const usage = `npm run bench -- [--workload W] [--only NAME] [--rounds N] [--out FOLDER]

Without options: measures everything and writes docs/benchmarks.md and docs/benchmarks.svg.
  --workload W   the workload of that name, or those whose names begin so
  --only NAME    the contestant of that name, or those whose names begin so; the limits take part always
  --rounds N     how often each takes its turn
  --out FOLDER   where to write the page
With one of the first three, it only prints what it finds, unless --out says where the page goes.`;

/** What a run measures. */
export interface Chosen {
  /** The workloads, each with the contestants that take part. */
  readonly workloads: readonly (readonly [Workload, readonly string[]])[];
  readonly rounds: number | undefined;
  /** Where the page goes; undefined where that is for the whole run to say. */
  readonly out: string | undefined;
  readonly isPart: boolean;
}

/** What cannot be measured, with what can. */
export class UsageError extends Error {}

function named(wanted: string, names: readonly string[]): readonly string[] {
  return names.includes(wanted) ? [wanted] : names.filter((name) => name.startsWith(wanted));
}

function contestantsOf({ contestants, limits = {} }: Workload, only: string | undefined): readonly string[] {
  if (only === undefined) return contestants;
  const chosen = named(only, contestants);
  const beside = new Set([contestants[0], ...chosen.map((name) => limits[name])]);
  return chosen.length === 0 ? [] : contestants.filter((name) => beside.has(name) || chosen.includes(name));
}

/**
 * Reads what is to be measured from the words behind the command; undefined where help is asked for.
 *
 * @throws UsageError when an option is none, or nothing is called so
 */
export async function readOptions(): Promise<Chosen | undefined> {
  const { workload, only, rounds, out, help } = parsed();
  if (help === true) {
    console.log(`${usage}\n\n${await namesOf(workloadNames)}`);
    return undefined;
  }
  if (rounds !== undefined && !/^[1-9]\d*$/.test(rounds))
    throw new UsageError(`--rounds is a whole number of 1 or more, and not "${rounds}".`);
  const names = named(workload ?? '', workloadNames);
  if (names.length === 0)
    throw new UsageError(
      `No workload begins with "${workload ?? ''}". There are: ${workloadNames.join(', ')}.`,
    );
  const found = await Promise.all(names.map(findWorkload));
  const workloads = found
    .map((each) => [each, contestantsOf(each, only)] as const)
    .filter(([, contestants]) => contestants.length > 0);
  if (workloads.length === 0) {
    const all = [...new Set(found.flatMap(({ contestants }) => contestants))];
    throw new UsageError(`No contestant begins with "${only ?? ''}". There are: ${all.join(', ')}.`);
  }
  const isPart = [workload, only, rounds].some((option) => option !== undefined);
  return { workloads, rounds: rounds === undefined ? undefined : Number(rounds), out, isPart };
}

/** What can be named: the workloads, and the contestants of all of them. */
async function namesOf(workloads: readonly string[]): Promise<string> {
  const found = await Promise.all(workloads.map(findWorkload));
  const contestants = new Set(found.flatMap((each) => each.contestants));
  return `Workloads: ${workloads.join(', ')}\nContestants: ${[...contestants].join(', ')}`;
}

function parsed() {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      options: { workload: text, only: text, rounds: text, out: text, help: { type: 'boolean' } },
    }).values;
  } catch (error) {
    throw new UsageError(`${messageOf(error)}\n\n${usage}`);
  }
}
