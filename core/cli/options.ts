import { InvalidArgumentError, Option, type Command } from 'commander';

import type { MigrationSource } from '../index.js';
import { readLegacyVersions } from './legacy-file.js';
import { commandLogger, logLevels, type LogLevel } from './log.js';

/** What every command over one database takes. */
export interface DatabaseOptions {
  readonly database: string;
  readonly migrations?: string;
  readonly legacy?: string;
  readonly json?: boolean;
  readonly logLevel: LogLevel;
  readonly verbose?: boolean;
}

export function addDatabaseOptions(command: Command): Command {
  return command
    .option('--database <file>', 'the database file (required)', path)
    .option('--migrations <dir>', "the folder of SQL files (default: the world storage layer's own)", path)
    .option(
      '--legacy <file>',
      'what old versions claim, as JSON: {"1":[3],"2":[3,4]} maps each user_version to file numbers',
      path,
    )
    .option('--json', 'print one JSON document, also for an error')
    .addOption(
      new Option('--log-level <level>', 'log to standard error').choices(logLevels).default('silent'),
    )
    .option('--verbose', 'print the stack of an error and of all that caused it')
    .hook('preAction', refuseWithoutDatabase);
}

/** Commander's own check comes before that for unknown options, and a misspelled --database should be told of as such. */
function refuseWithoutDatabase(command: Command): void {
  if (command.getOptionValueSource('database') === undefined)
    command.error('error: The option --database is missing');
}

/** A path, and not an option that stands where the path was forgotten. */
export function path(value: string): string {
  if (value === '') throw new InvalidArgumentError('The path is empty.');
  if (value.startsWith('-'))
    throw new InvalidArgumentError(`A path is missing; for a file of that name write ./${value}.`);
  return value;
}

/** A time in seconds, as milliseconds. */
export function seconds(value: string): number {
  const ms = /^\d+(\.\d+)?$/.test(value) ? Math.round(Number(value) * 1000) : Number.NaN;
  if (!Number.isSafeInteger(ms))
    throw new InvalidArgumentError('A number of seconds belongs here, 0 or more.');
  return ms;
}

/**
 * The files and the past that the options name. Old versions mean something only to the files that they are about:
 * with a folder of its own and no table, there is no past.
 *
 * @throws MigrationFileError (BAD_LEGACY_TABLE) when the table cannot be used
 */
export async function sourceOf(options: DatabaseOptions): Promise<MigrationSource> {
  const { worldLegacyVersions, worldMigrationsDir } = await import('../index.js');
  const ownPast = options.migrations === undefined ? worldLegacyVersions : undefined;
  return {
    migrations: options.migrations ?? worldMigrationsDir,
    legacy: options.legacy === undefined ? ownPast : await readLegacyVersions(options.legacy),
    logger: await commandLogger(options.logLevel, options.json ?? false),
  };
}
