import { Option, type Command } from 'commander';

import { InterruptedError } from '../errors.js';
import type { Inspection, MigrationSource, ProgressEvent, UpgradeOptions } from '../index.js';
import {
  addBackupPolicy,
  addLockWait,
  backupPolicyOf,
  type BackupPolicyOptions,
  type LockWaitOptions,
} from './backup-options.js';
import { sourceOf, type SourceOptions } from './options.js';
import type { Output } from './output.js';
import { untilStopped } from './stop-signals.js';
import { milliseconds, plural } from './text.js';

/** What every command takes that changes a database by its files. */
export interface ChangeOptions extends SourceOptions, BackupPolicyOptions, LockWaitOptions {
  readonly countRows: boolean;
  readonly transaction?: 'each' | 'all';
  readonly dryRun?: boolean;
}

export function addChangeOptions(command: Command): Command {
  return addHistoryChangeOptions(
    command.addOption(
      new Option(
        '--transaction <scope>',
        'each: a transaction a file (default); all: one for everything, or nothing',
      ).choices(['each', 'all']),
    ),
  );
}

/** The options of what writes into the history, whether it runs files or not. */
export function addHistoryChangeOptions(command: Command): Command {
  addLockWait(command).option(
    '--no-count-rows',
    'do not count the rows of every table before and after each step',
  );
  return addBackupPolicy(command).option('--dry-run', 'say what would be done, and change nothing');
}

/** The options of the library that those of a command stand for. */
export async function settingsOf(options: ChangeOptions): Promise<UpgradeOptions> {
  return { ...(await sharedSettingsOf(options)), database: options.database };
}

/** The same, but for the database. */
export async function sharedSettingsOf(
  options: Omit<ChangeOptions, 'database'>,
): Promise<Omit<UpgradeOptions, 'database' | 'onProgress'>> {
  return {
    ...(await sourceOf(options)),
    lockWaitMs: options.lockWait,
    countRows: options.countRows,
    transaction: options.transaction,
    backup: backupPolicyOf(options),
  };
}

/**
 * Carries a change out that tells of its progress, that SIGINT and SIGTERM stop, and after which, where it did not come to
 * its end, is said where the database stands.
 */
export function carryOut<Result>(
  options: ChangeOptions,
  output: Output,
  work: (settings: UpgradeOptions, signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  return untilStopped(
    (name) => {
      output.progress(`${name}: stopping; what is not finished is rolled back`);
    },
    async (signal) => {
      const settings = await settingsOf(options);
      const told = { begun: false };
      const onProgress = (event: ProgressEvent): void => {
        told.begun ||= event.kind !== 'waiting';
        output.progress(describeProgress(event));
      };
      try {
        return await work({ ...settings, signal, onProgress }, signal);
      } catch (error) {
        if (told.begun || error instanceof InterruptedError)
          await tellWhereItStands(options.database, settings, output);
        throw error;
      }
    },
  );
}

export function describeProgress(event: ProgressEvent): string {
  switch (event.kind) {
    case 'waiting':
      return `waiting for another process, which has held the lock since ${event.since.toISOString()}`;
    case 'checked':
      return `checked its integrity (${event.depth} check, ${milliseconds(event.ms)})`;
    case 'backed-up':
      return `backed up to ${event.path} (${milliseconds(event.ms)})`;
    case 'backup-removed':
      return `removed ${event.path} again, because nothing was changed`;
    case 'old-backups-removed':
      return `removed ${event.paths.join(', ')}, being too many or too old`;
    case 'adopted':
      return `adopted ${plural(event.files.length, 'file')} (${milliseconds(event.ms)})`;
    case 'applying':
      return `applying ${event.filename}`;
    case 'applied':
      return `applied ${event.filename} (${milliseconds(event.ms)})`;
    case 'rolling-back':
      return `rolling back ${event.filename}`;
    case 'rolled-back':
      return `rolled back ${event.filename} (${milliseconds(event.ms)})`;
    case 'failed':
      return `${event.filename} failed, and nothing of it stays`;
  }
}

/** Tells what a change that did not come to its end left. */
async function tellWhereItStands(database: string, source: MigrationSource, output: Output): Promise<void> {
  const { inspectDatabase, messageOf } = await import('../index.js');
  try {
    const found = await inspectDatabase(database, { ...source, lockWaitMs: 0 });
    const { kind, version, pending } = found;
    output.left({ kind, version, pending: pending.map(({ filename }) => filename) }, describeState(found));
  } catch (error) {
    output.progress(`"${database}" could not be looked at afterwards: ${messageOf(error)}`);
  }
}

function describeState({ database, kind, version, claimed, pending }: Inspection): string {
  const left = `${pending.length === 0 ? 'nothing is' : plural(pending.length, 'file is', 'files are')} pending`;
  switch (kind) {
    case 'absent':
      return `"${database}" was not made.`;
    case 'empty':
      return `"${database}" is empty; ${left}.`;
    case 'legacy':
      return `"${database}" is as it was: a legacy database of version ${claimed ?? 0}.`;
    case 'managed':
      return `"${database}" is at version ${version}; ${left}.`;
    case 'newer':
      return `"${database}" is newer than this program.`;
    case 'foreign':
      return `"${database}" is as it was.`;
  }
}
