import { MigrationFileError } from '../errors.js';
import { readHeader } from './migration-header.js';
import { historyTableOf } from './history-table.js';
import { withDigest, type Identified } from './migration-digest.js';
import { MigrationFolder } from './migration-folder.js';
import { checksumOf, textOf } from './migration-text.js';
import type { DownScript, Migration } from './migration.js';
import { checkScript, refuseForbidden } from './sql-script.js';

/** The one file in a folder of migrations that is SQL and no migration: the project's own checks. */
export const CHECKS_FILE = 'checks.sql';

/** How migration files are read. */
export interface MigrationFileOptions {
  /** The table that holds the history, which no file may write; `schema_migrations` unless told. */
  readonly historyTable?: string | undefined;
}

/** The parts of a file name: `0004_add_chat_id.sql` is version 4, `add_chat_id`. */
export interface MigrationName {
  readonly filename: string;
  /** The name of the file that undoes it, where there is one. */
  readonly down: string | undefined;
  readonly version: number;
  readonly name: string;
}

const upName = /^(\d+)_([A-Za-z0-9][A-Za-z0-9_-]*?)(?:\.up)?\.sql$/;
const downName = /^(\d+_[A-Za-z0-9][A-Za-z0-9_-]*)\.down\.sql$/;

/**
 * Reads every migration of a folder, in the order of their numbers. Gaps between the numbers are no fault.
 *
 * Entries that do not end in `.sql` are none of its business. Those that do must be migrations, or the way back of one
 * (`NNNN_name.down.sql` beside its `NNNN_name.sql`): a file that is passed over unseen is a schema that is wrong unseen.
 * Only `checks.sql` is neither, and left to `readChecks`.
 *
 * @throws MigrationFileError when the folder cannot be read or holds no migration, when a name, a number, a text or a
 * directive is not as it must be, or when a statement may not stand in a migration
 */
export function readMigrations(
  folder: string,
  options: MigrationFileOptions = {},
): Promise<readonly Migration[]> {
  return Promise.resolve().then(() => readFolder(folder, options).migrations);
}

/** A folder of migrations that was read. */
export interface ReadFolder {
  readonly migrations: readonly Migration[];
  /** The hash of its listing; undefined where that cannot be had. */
  readonly listing: string | undefined;
}

/** Reads a folder as `readMigrations` does. */
export function readFolder(path: string, options: MigrationFileOptions): ReadFolder {
  const folder = new MigrationFolder(path);
  const names = migrationNames(folder.entries);
  if (names.length === 0) {
    throw new MigrationFileError(
      'NO_MIGRATIONS',
      `The folder "${path}" holds no migration; expected files such as 0001_create_users.sql.`,
      path,
      undefined,
      { hint: 'Check that this is the right folder, and that the program was packed with its SQL files.' },
    );
  }
  // A thousand small files are read ten times as fast without a turn through the thread pool for each.
  const migrations = names.map((name) => readMigration(folder, name, options));
  return { migrations: withDigest(migrations), listing: folder.listing() };
}

/**
 * What identifies each migration of a folder, for which its file is read and its statements are not looked at.
 *
 * @param newest the number above which no migration is expected
 * @returns undefined where there is one; then no file is read
 * @throws MigrationFileError when the folder, a name or a text is not as it must be
 */
export function identifyFiles(path: string, newest: number): readonly Identified[] | undefined {
  const folder = new MigrationFolder(path);
  const names = migrationNames(folder.entries);
  if ((names.at(-1)?.version ?? 0) > newest) return undefined;
  return names.map(({ version, filename }) => ({
    version,
    filename,
    checksum: checksumOf(folder.text(filename)),
  }));
}

function readMigration(
  folder: MigrationFolder,
  { filename, down }: MigrationName,
  options: MigrationFileOptions,
): Migration {
  const migration = migrationOf(filename, folder.text(filename), options);
  if (down === undefined) return migration;
  return { ...migration, down: downOf(down, folder.text(down), options) };
}

/**
 * Makes the way back of a migration of its file's name and bytes.
 *
 * @throws MigrationFileError when the text, a directive or a statement is not as it must be
 */
export function parseDown(
  filename: string,
  bytes: Uint8Array,
  options: MigrationFileOptions = {},
): DownScript {
  return downOf(filename, textOf(bytes, filename), options);
}

/** The same, of a text without BOM and with LF line ends. */
export function downOf(filename: string, sql: string, options: MigrationFileOptions): DownScript {
  const { directives } = readHeader(sql, filename);
  const { name: historyTable } = historyTableOf(options);
  const statements = checkScript(sql, {
    file: filename,
    noTransaction: directives.noTransaction,
    historyTable,
  });
  return { filename, sql, statements, directives };
}

/**
 * Makes a migration of a file's name and bytes.
 *
 * @throws MigrationFileError when the name, the text, a directive or a statement is not as it must be
 */
export function parseMigration(
  filename: string,
  bytes: Uint8Array,
  options: MigrationFileOptions = {},
): Migration {
  return migrationOf(filename, textOf(bytes, filename), options);
}

/** The same, of a text without BOM and with LF line ends. */
export function migrationOf(filename: string, sql: string, options: MigrationFileOptions): Migration {
  const { version, name } = migrationName(filename);
  const { description, directives, release, requires } = readHeader(sql, filename);
  const { name: historyTable } = historyTableOf(options);
  const { noTransaction } = directives;
  const statements = checkScript(sql, { file: filename, noTransaction, historyTable });
  return {
    version,
    name,
    filename,
    description: description ?? inWords(name),
    sql,
    checksum: checksumOf(sql),
    statements,
    directives,
    release,
    requires,
  };
}

/**
 * Refuses files that were read for a history of another name and write this one.
 *
 * @throws MigrationFileError (FORBIDDEN_STATEMENT) with the line
 */
export function refuseHistoryWrites(migrations: readonly Migration[], historyTable: string): void {
  for (const { filename, sql, directives, down, code } of migrations) {
    if (code !== undefined) continue;
    for (const script of [{ filename, sql, directives }, ...(down === undefined ? [] : [down])]) {
      const { noTransaction } = script.directives;
      refuseForbidden(script.sql, { file: script.filename, noTransaction, historyTable });
    }
  }
}

// Names

/** The name of a migration as a description of it. */
export function inWords(name: string): string {
  return name.replaceAll(/[_-]+/g, ' ');
}

/** The migrations among a folder's entries, by number. */
function migrationNames(entries: readonly string[]): MigrationName[] {
  const names: MigrationName[] = [];
  const all = new Set(entries);
  for (const entry of entries) {
    if (!/\.sql$/i.test(entry) || entry === CHECKS_FILE) continue;
    if (downName.test(entry)) refuseLonelyDown(entry, all);
    else names.push(migrationName(entry, all));
  }
  names.sort((left, right) => left.version - right.version);
  for (const [index, name] of names.entries()) {
    const previous = names[index - 1];
    if (previous?.version === name.version) throw duplicate(previous, name);
  }
  return names;
}

/**
 * Takes the name of a migration's file apart.
 *
 * @param entries the names of the files beside it
 * @throws MigrationFileError (BAD_MIGRATION_NAME) when it is not one
 */
export function migrationName(filename: string, entries: ReadonlySet<string> = new Set()): MigrationName {
  const parts = upName.exec(filename);
  const digits = parts?.[1];
  const name = parts?.[2];
  if (digits === undefined || name === undefined) {
    throw badName(
      filename,
      `The name ${JSON.stringify(filename)} is not that of a migration; expected a number, an underscore, a name and .sql.`,
      renameHint(filename),
    );
  }
  const version = Number(digits);
  if (version === 0) {
    throw badName(
      filename,
      `The file ${filename} has the number 0, which stands for a database without any migration; expected 1 or more.`,
      `Give it the number 1 and every later file the next one: 0001_${name}.sql.`,
    );
  }
  if (!Number.isSafeInteger(version)) {
    throw badName(
      filename,
      `The file ${filename} has a number that is too large; expected at most ${Number.MAX_SAFE_INTEGER}.`,
      'Number the files 0001, 0002 and so on.',
    );
  }
  const down = `${digits}_${name}.down.sql`;
  return { filename, down: entries.has(down) ? down : undefined, version, name };
}

function badName(filename: string, message: string, hint: string): MigrationFileError {
  return new MigrationFileError('BAD_MIGRATION_NAME', message, filename, undefined, { hint });
}

function renameHint(filename: string): string {
  if (/^checks?\.sql$/i.test(filename)) return `A file of checks is named ${CHECKS_FILE}.`;
  if (/[/\\]/.test(filename)) return 'Give the name without its folder.';
  if (/^\d+_\w[\w-]*\.down\.sql$/.test(filename))
    return 'That is a way back; give the name of its migration.';
  const elsewhere = 'If it is no migration, move it out of the folder.';
  if (filename.startsWith('.'))
    return `It is a hidden file that another program may have left: delete it. ${elsewhere}`;
  const ending = /\.down\.sql$/i.test(filename) ? '.down.sql' : '.sql';
  const stem = filename.replace(/(\.up|\.down)?\.sql$/i, '');
  const [, digits, rest = stem] = /^\D*?(\d+)(.*)$/.exec(stem) ?? [];
  const words = rest
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '')
    .replace(/[^A-Za-z0-9_-]+/g, '_')
    .replace(/^[_-]+|[_-]+$/g, '');
  const name = words === '' ? 'name' : words;
  return digits === undefined
    ? `Put its number in front, such as 0001_${name}${ending}. ${elsewhere}`
    : `Rename it to ${digits.padStart(4, '0')}_${name}${ending}. ${elsewhere}`;
}

function refuseLonelyDown(down: string, entries: ReadonlySet<string>): void {
  const up = down.replace(/\.down\.sql$/, '.sql');
  if (entries.has(up) || entries.has(down.replace(/\.down\.sql$/, '.up.sql'))) return;
  throw badName(
    down,
    `The file ${down} undoes a migration that is not there; expected ${up} beside it.`,
    'Give it the number and the name of the migration that it undoes, or delete it.',
  );
}

function duplicate(first: MigrationName, second: MigrationName): MigrationFileError {
  return new MigrationFileError(
    'DUPLICATE_MIGRATION',
    `The files ${first.filename} and ${second.filename} both have the number ${second.version}; expected one file a number.`,
    second.filename,
    undefined,
    { hint: 'Give the one that no database has applied yet the next free number.' },
  );
}
