import { basename } from 'node:path';

import { InvalidOptionError } from '../errors.js';
import type { Logger } from '../logger.js';
import type { DatabaseFile } from './database-file.js';
import { atLeastOne, Fleet, type FleetOptions, type FleetSummary, type Unfinished } from './fleet.js';
import { findDatabases } from './fleet-files.js';
import { upTo } from './change-terms.js';
import { changeFile } from './database-change.js';
import { refuseUnknownOptions } from './known-options.js';
import { refuseUnknownTarget } from './migration-plan.js';
import { PartialFiles } from './partial-files.js';
import { resolveSettings, type UpgradeOptions } from './upgrade-options.js';
import { resolveSource } from './upgrade-source.js';
import { planFile, type UpgradePlan } from './upgrade-plan.js';
import { safeProgress, type ProgressEvent } from './upgrade-progress.js';
import type { UpgradeReport } from './upgrade-report.js';
import { shown } from './values.js';

type SharedOptions = FleetOptions & Omit<UpgradeOptions, 'database' | 'onProgress' | 'rereadFiles'>;

export interface UpgradeAllOptions extends SharedOptions {
  /**
   * So many databases have to be upgraded, one after another, before others are begun beside them; the first failure
   * until then stops everything. One that is up to date proves nothing and does not count. Default: 0.
   */
  readonly canary?: number | undefined;
  /** Told what happens to each database, as it happens. */
  readonly onProgress?: ((event: ProgressEvent, database: string) => void) | undefined;
  /** Told of each database as it comes to its end. Reports are kept nowhere else. */
  readonly onResult?: ((outcome: UpgradeOutcome) => void) | undefined;
}

const planAllOptionNames = {
  adopt: true,
  backup: true,
  code: true,
  concurrency: true,
  countRows: true,
  databases: true,
  driver: true,
  fullCheckBytes: true,
  historyTable: true,
  legacy: true,
  legacyMode: true,
  lockWaitMs: true,
  logger: true,
  migrations: true,
  onResult: true,
  signal: true,
  stopAfter: true,
  to: true,
  transaction: true,
} as const satisfies Record<keyof PlanAllOptions, true>;

const upgradeAllOptionNames = {
  ...planAllOptionNames,
  canary: true,
  onProgress: true,
} as const satisfies Record<keyof UpgradeAllOptions, true>;

/** What became of one database of many. */
export type UpgradeOutcome =
  | {
      /** `left`: a legacy database that `legacyMode` keeps as it is. */
      readonly kind: 'upgraded' | 'upToDate' | 'left';
      readonly database: string;
      readonly report: UpgradeReport;
    }
  | Unfinished;

/** How an upgrade of many databases ended. Of those that went well it keeps only their number. */
export interface UpgradeSummary extends FleetSummary {
  readonly upgraded: number;
  readonly upToDate: number;
  readonly left: number;
}

/**
 * Upgrades many databases, several at a time, each as `upgradeDatabase` does. The files are read once. A database that
 * cannot be upgraded is reported and stops nobody. A second call goes on where the first was stopped: what is done is up
 * to date, and is only read.
 *
 * ```ts
 * const summary = await upgradeAll({ databases: 'data/*.db', migrations: 'migrations', canary: 1, stopAfter: 5 });
 * for (const { database, error } of summary.failures) console.error(database, error);
 * ```
 *
 * @throws MigrationFileError, InvalidOptionError before anything is done, when the files or the options are at fault
 * @throws FileAccessError (MISSING_DATABASE) when a glob matches no database, and whatever an iterable throws
 */
export async function upgradeAll(options: UpgradeAllOptions): Promise<UpgradeSummary> {
  refuseUnknownOptions('upgradeAll', options, upgradeAllOptionNames);
  refuseUnlessPaths(options.databases);
  const { databases, concurrency, stopAfter, signal, canary, onResult, onProgress, ...each } = options;
  resolveSettings(options);
  const source = await resolveSource(options);
  const terms = upTo(options.to);
  refuseUnknownTarget(terms.goal, source.migrations);
  const refuseMixedBackups = backupNames(options);
  const partials = new PartialFiles();
  const tellProgress = safeProgress(onProgress, source.logger);
  const fleet = new Fleet<Exclude<UpgradeOutcome, Unfinished>>(
    { concurrency, stopAfter },
    {
      intent: 'write',
      canary: canary === undefined ? 0 : atLeastOne(canary, 0, 'canary'),
      tell: safeProgress(onResult, source.logger),
      async visit(database, file, stop) {
        refuseMixedBackups(file);
        const report = await changeFile({
          source,
          file,
          options: {
            ...each,
            migrations: source.migrations,
            code: undefined,
            database,
            signal: stop,
            onProgress:
              onProgress === undefined
                ? undefined
                : (event) => {
                    tellProgress(event, database);
                  },
          },
          terms,
          started: performance.now(),
          partials,
        });
        const kind = report.upToDate ? 'upToDate' : report.wouldDo === undefined ? 'upgraded' : 'left';
        return { kind, database, report };
      },
    },
  );
  const summary = await fleet.visitAll(await pathsOf(databases, source.logger), signal);
  return {
    ...summary,
    upgraded: fleet.count('upgraded'),
    upToDate: fleet.count('upToDate'),
    left: fleet.count('left'),
  };
}

export interface PlanAllOptions extends SharedOptions {
  /** Told of the plan of each database as it is made. */
  readonly onResult?: ((outcome: PlanOutcome) => void) | undefined;
}

/** What would become of one database of many. */
export type PlanOutcome =
  | { readonly kind: 'planned' | 'upToDate'; readonly database: string; readonly plan: UpgradePlan }
  | Unfinished;

/** What an upgrade of many databases would do. */
export interface PlanSummary extends FleetSummary {
  /** How many would be upgraded. */
  readonly planned: number;
  readonly upToDate: number;
}

/**
 * Says what `upgradeAll` would do with the same options. Changes no byte of any database, and takes no lock.
 *
 * @throws what `upgradeAll` throws
 */
export async function planAll(options: PlanAllOptions): Promise<PlanSummary> {
  refuseUnknownOptions('planAll', options, planAllOptionNames);
  refuseUnlessPaths(options.databases);
  const { databases, concurrency, stopAfter, signal, onResult, ...each } = options;
  resolveSettings(options);
  const source = await resolveSource(options);
  const terms = upTo(options.to);
  refuseUnknownTarget(terms.goal, source.migrations);
  const fleet = new Fleet<Exclude<PlanOutcome, Unfinished>>(
    { concurrency, stopAfter },
    {
      intent: 'plan',
      canary: 0,
      tell: safeProgress(onResult, source.logger),
      async visit(database, file, stop) {
        const plan = await planFile(source, file, { ...each, database, signal: stop }, terms);
        return { kind: plan.upToDate ? 'upToDate' : 'planned', database, plan };
      },
    },
  );
  const summary = await fleet.visitAll(await pathsOf(databases, source.logger), signal);
  return { ...summary, planned: fleet.count('planned'), upToDate: fleet.count('upToDate') };
}

/** @throws InvalidOptionError when a caller without types gave what cannot be gone through */
function refuseUnlessPaths(databases: unknown): void {
  if (typeof databases === 'string') return;
  const goesThrough =
    typeof databases === 'object' &&
    databases !== null &&
    (Symbol.iterator in databases || Symbol.asyncIterator in databases);
  if (goesThrough) return;
  throw new InvalidOptionError(
    `databases must be a glob, or paths that can be iterated over, and is ${shown(databases)}.`,
    { hint: "Give a glob such as 'data/*.db', or a list of paths." },
  );
}

async function pathsOf(
  databases: FleetOptions['databases'],
  logger: Logger,
): Promise<Iterable<string> | AsyncIterable<string>> {
  if (typeof databases !== 'string') return databases;
  const found = await findDatabases([databases]);
  for (const folder of found.unreadable)
    logger.warn({ folder }, 'a folder cannot be read, with whatever databases it holds');
  return found.databases;
}

/** Refuses a second database of the same name where all copies go into one folder: retention could not tell them apart. */
function backupNames({ backup }: Pick<UpgradeOptions, 'backup'>): (file: DatabaseFile) => void {
  const folder = backup === false ? undefined : backup?.folder;
  if (folder === undefined) return () => undefined;
  const names = new Map<string, string>();
  return ({ canonicalPath }) => {
    const name = basename(canonicalPath);
    const other = names.get(name);
    names.set(name, other ?? canonicalPath);
    if (other === undefined) return;
    throw new InvalidOptionError(
      `The backups of "${canonicalPath}" would have the names of those of "${other}" in the folder "${folder}".`,
      {
        hint: 'Leave the folder out, so that the copies lie beside each database, or upgrade databases of one name apart.',
      },
    );
  };
}
