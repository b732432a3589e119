import { InvalidArgumentError, Option, type Command } from 'commander';

import { driverNames, type DriverName } from '../database/drivers.js';
import type { MigrationSource } from '../index.js';
import { loadCode } from './code-module.js';
import { readLegacyVersions } from './legacy-file.js';
import { commandLogger, logLevels, type LogLevel } from './log.js';
import { migrationsFrom } from './migrations-source.js';

/** What every command over one database takes. */
export interface DatabaseOptions {
  readonly database: string;
  readonly driver?: DriverName;
  readonly json?: boolean;
  readonly logLevel: LogLevel;
  readonly verbose?: boolean;
}

/** Where the history is. */
export interface HistoryTableOptions {
  readonly historyTable?: string;
}

/** What a command takes that holds the database against files. */
export interface SourceOptions extends DatabaseOptions, HistoryTableOptions {
  readonly migrations?: string;
  readonly code?: string;
  readonly legacy?: string;
}

export function addDatabaseOption(command: Command): Command {
  return command
    .option('--database <file>', 'the database file (required)', once(path))
    .addOption(
      new Option('--driver <name>', 'the package that opens it (default: sqlite3)').choices(driverNames),
    )
    .hook('preAction', refuseWithoutDatabase);
}

export function addSourceOptions(command: Command): Command {
  return addHistoryTableOption(command)
    .option(
      '--migrations <path>',
      "the folder of SQL files, or a bundle of one (default: the world storage layer's own)",
      once(path),
    )
    .option(
      '--code <module>',
      'a JavaScript module of migrations in code, beside the files of --migrations, or all there are without',
      once(path),
    )
    .option(
      '--legacy <file>',
      'what old versions claim, as JSON: {"1":[3],"2":[3,4]} maps each user_version to file numbers',
      once(path),
    );
}

export function addHistoryTableOption(command: Command): Command {
  return command.option(
    '--history-table <name>',
    'the table that holds the history (default: schema_migrations)',
    once(tableName),
  );
}

export function addOutputOptions(command: Command): Command {
  return command
    .option('--json', 'print one JSON document, also for an error')
    .addOption(
      new Option('--log-level <level>', 'log to standard error').choices(logLevels).default('silent'),
    )
    .option('--verbose', 'print the stack of an error and of all that caused it');
}

/** Commander's own check comes before that for unknown options, and a misspelled --database should be told of as such. */
function refuseWithoutDatabase(command: Command): void {
  const isGiven = (name: string): boolean => command.getOptionValueSource(name) !== undefined;
  if (!isGiven('database') && !isGiven('all')) command.error('error: The option --database is missing');
}

/** What may be given once: of two, the first would be passed over without a word. */
export function once<Value>(read: (text: string) => Value): (text: string, before?: Value) => Value {
  return (text, before) => {
    if (before !== undefined) throw new InvalidArgumentError('It is given twice.');
    return read(text);
  };
}

/** A path, and not an option that stands where the path was forgotten. */
export function path(value: string): string {
  if (value === '') throw new InvalidArgumentError('The path is empty.');
  if (value.startsWith('-'))
    throw new InvalidArgumentError(`A path is missing; for a file of that name write ./${value}.`);
  return value;
}

/** The name of a table, and not an option that stands where it was forgotten. */
function tableName(value: string): string {
  if (value === '' || value.startsWith('-'))
    throw new InvalidArgumentError('The name of a table is missing.');
  return value;
}

/** A time in seconds, as milliseconds. */
export function seconds(value: string): number {
  const ms = /^\d+(\.\d+)?$/.test(value) ? Math.round(Number(value) * 1000) : Number.NaN;
  if (!Number.isSafeInteger(ms))
    throw new InvalidArgumentError('A number of seconds belongs here, 0 or more.');
  return ms;
}

/** A time in days. */
export function days(value: string): number {
  const count = /^\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN;
  if (!(Number.isFinite(count) && count > 0))
    throw new InvalidArgumentError('A number of days belongs here, more than 0.');
  return count;
}

/** How many there are to be. */
export function count(value: string): number {
  const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
  if (!(Number.isSafeInteger(number) && number >= 1))
    throw new InvalidArgumentError('A whole number belongs here, 1 or more.');
  return number;
}

/** The number of a migration; 0 is the version before the first. */
export function version(value: string): number {
  const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(number))
    throw new InvalidArgumentError('The number of a migration belongs here, or 0.');
  return number;
}

/** The numbers of migrations, separated by commas. */
export function versions(value: string): number[] {
  return value.split(',').map((number) => version(number.trim()));
}

/**
 * The files and the past that the options name. Old versions mean something only to the files that they are about:
 * with a folder or code of its own and no table, there is no past.
 *
 * @throws InvalidOptionError when the module of migrations in code cannot be used
 * @throws MigrationFileError (BAD_LEGACY_TABLE) when the table cannot be used
 */
export async function sourceOf(options: Omit<SourceOptions, 'database'>): Promise<MigrationSource> {
  const { worldLegacyVersions, worldMigrationsDir } = await import('../index.js');
  const isOwn = options.migrations === undefined && options.code === undefined;
  const ownPast = isOwn ? worldLegacyVersions : undefined;
  return {
    migrations:
      options.migrations === undefined
        ? isOwn
          ? worldMigrationsDir
          : []
        : await migrationsFrom(options.migrations),
    code: options.code === undefined ? undefined : await loadCode(options.code),
    legacy: options.legacy === undefined ? ownPast : await readLegacyVersions(options.legacy),
    historyTable: options.historyTable,
    driver: options.driver,
    logger: await loggerOf(options),
  };
}

export function loggerOf({
  logLevel,
  json,
}: Omit<DatabaseOptions, 'database'>): ReturnType<typeof commandLogger> {
  return commandLogger(logLevel, json ?? false);
}
