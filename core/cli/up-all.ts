import { Option, type Command } from 'commander';

import { InvalidOptionError } from '../errors.js';
import type { FleetOptions, LegacyMode, PlanOutcome, ProgressEvent, UpgradeOutcome } from '../index.js';
import { adoptionOf, type UpAdoptionOptions } from './adoption-options.js';
import { describeProgress, sharedSettingsOf, type ChangeOptions } from './change.js';
import { exitStatus, exitStatusOfStop } from './exit-status.js';
import { showFleet } from './fleet-progress.js';
import {
  describeOutcome,
  describePlans,
  describeSummary,
  leftOutInWords,
  outcomeDocument,
  plannedInWords,
  unreadableInWords,
} from './fleet-text.js';
import { count, path } from './options.js';
import type { Output } from './output.js';
import { abortOnSignals, StoppedBySignal } from './stop-signals.js';

/** What a command takes that goes through many databases. */
export interface FleetCommandOptions {
  readonly all?: readonly string[];
  readonly concurrency?: number;
  readonly stopAfter?: number;
  readonly canary?: number;
}

type UpAllOptions = Omit<ChangeOptions, 'database'> &
  FleetCommandOptions &
  UpAdoptionOptions & {
    readonly all: readonly string[];
    readonly to?: number;
    readonly legacyMode?: LegacyMode;
  };

export function addFleetOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--all <glob...>',
        'upgrade all databases whose names match, instead of one; in quotes, such as "data/*.db"',
      )
        .conflicts('database')
        .argParser((glob: string, before: readonly string[] | undefined) => [...(before ?? []), path(glob)]),
    )
    .option('--concurrency <count>', 'with --all: how many at a time (default: 8)', count)
    .option('--stop-after <count>', 'with --all: begin no further one after so many failures', count)
    .addOption(
      new Option(
        '--canary [count]',
        'with --all: upgrade so many one after another before all others, and stop at a failure (1 unless given)',
      )
        .preset('1')
        .argParser(count),
    );
}

/** Whether the command is over many databases. */
export function isFleet<Options extends FleetCommandOptions>(
  options: Options,
): options is Options & { readonly all: readonly string[] } {
  return options.all !== undefined;
}

/** @throws InvalidOptionError when what belongs to many databases is given for one */
export function refuseFleetOptions({ concurrency, stopAfter, canary }: FleetCommandOptions): void {
  const given = [
    ...(concurrency === undefined ? [] : ['--concurrency']),
    ...(stopAfter === undefined ? [] : ['--stop-after']),
    ...(canary === undefined ? [] : ['--canary']),
  ];
  if (given.length === 0) return;
  throw new InvalidOptionError(`${given.join(' and ')} can only be given with --all.`, {
    hint: 'Leave it out, or name the databases with --all "data/*.db".',
  });
}

/** Upgrades all databases that the globs name, or says what that would do, and tells of each as it comes to its end. */
export async function upAll(options: UpAllOptions, output: Output): Promise<number> {
  const { findDatabases, planAll, upgradeAll } = await import('../index.js');
  const { databases, leftOut, unreadable } = await findDatabases(options.all);
  const { concurrency, stopAfter, canary, to, legacyMode } = options;
  const display = await showFleet(databases.length, output);
  const signal = abortOnSignals((name) => {
    display.end();
    output.progress(`${name}: stopping; what is not finished is rolled back`);
  });
  const fleet: FleetOptions = { databases, concurrency, stopAfter, signal };
  const settings = { ...(await sharedSettingsOf(options)), ...fleet, to, adopt: adoptionOf(options) };
  const planned: string[][] = [];
  const onResult = (outcome: UpgradeOutcome | PlanOutcome): void => {
    if (output.json) output.result(outcomeDocument(outcome), []);
    else if (outcome.kind === 'planned') planned.push([outcome.database, ...plannedInWords(outcome.plan)]);
    if (outcome.kind === 'failed') output.stack(outcome.error);
    display.tell(outcome.kind, outcome.database, describeOutcome(outcome));
  };
  const onProgress = (event: ProgressEvent, database: string): void => {
    if (event.kind === 'waiting') display.wait(database, `"${database}" is ${describeProgress(event)}`);
    else display.goOn(database);
  };
  const summary =
    options.dryRun === true
      ? await planAll({ ...settings, onResult })
      : await upgradeAll({ ...settings, legacyMode, canary, onResult, onProgress });
  display.end();
  const failures = summary.failures.map(outcomeDocument);
  output.result({ kind: 'summary', ...summary, failures, leftOut, unreadable }, [
    ...describeSummary(summary),
    ...describePlans(planned),
    ...leftOutInWords(leftOut),
    ...unreadableInWords(unreadable),
  ]);
  if (summary.stopped === 'signal' && signal.reason instanceof StoppedBySignal)
    return exitStatusOfStop(signal.reason);
  return summary.failed > 0 || unreadable.length > 0 ? exitStatus.failed : exitStatus.done;
}
