import { InvalidOptionError, MigrationFileError } from '../errors.js';
import { checksumOf } from './migration-text.js';
import { parseRequirements, semanticVersion } from './migration-header.js';
import type { Migration, MigrationConnection } from './migration.js';
import { shown } from './values.js';

/**
 * A migration in code, for what SQL cannot say. It stands in one sequence with the files, runs in the same kind of
 * transaction, under the same guards, and has its row in the same history.
 *
 * `up` also runs on an empty database in memory whenever it has to be known what the migrations make: it must do there
 * what it does to the schema, find no rows, and change nothing outside of its connection.
 */
export interface CodeMigration {
  /** Its place in the sequence: a whole number from 1 on. */
  readonly version: number;
  /** Letters, digits, `_` and `-`, as in the name of a file. */
  readonly name: string;
  /**
   * Told apart from the applied one by this text alone, because nobody can compare code: change it when the code of a
   * released migration changes its meaning. Default: the SHA-256 of `code VERSION NAME`, so that the code may change unseen.
   */
  readonly checksum?: string | undefined;
  /** What it does, for the history and the reports. Default: the name in words. */
  readonly description?: string | undefined;
  /** The release that it belongs to, a semantic version. */
  readonly release?: string | undefined;
  /** What SQLite must be able to do, as in a file: `sqlite >= 3.35, fts5`. */
  readonly requires?: string | undefined;
  /** Tables that may end with fewer rows. */
  readonly allowLoss?: readonly string[] | undefined;
  /** Objects that may vanish; a column is written `table.column`. */
  readonly drops?: readonly string[] | undefined;
  /** Brings a database to this version. It must await every call of the connection. */
  readonly up: (db: MigrationConnection) => Promise<void>;
  /** Undoes `up`. Without it there is no way back. */
  readonly down?: ((db: MigrationConnection) => Promise<void>) | undefined;
  /** Tables that `down` may leave with fewer rows. */
  readonly downAllowLoss?: readonly string[] | undefined;
  /** Objects that `down` may remove. */
  readonly downDrops?: readonly string[] | undefined;
}

/** What a caller without types could have given. */
type Given = Readonly<Partial<Record<keyof CodeMigration, unknown>>>;

/** The digits of a number that stand in a name. */
const DIGITS = 3;

function wrong(subject: string, problem: string, hint: string): InvalidOptionError {
  return new InvalidOptionError(`${subject} ${problem}.`, { hint });
}

function checkedVersion({ version }: Given): number {
  if (typeof version === 'number' && Number.isSafeInteger(version) && version >= 1) return version;
  throw wrong(
    'The version of a migration in code',
    `must be a whole number from 1 on, and is ${shown(version)}`,
    'Give each migration the next number: 1, 2, 3.',
  );
}

function checkedName({ name }: Given, version: number): string {
  if (typeof name === 'string' && /^[A-Za-z0-9][A-Za-z0-9_-]*$/.test(name)) return name;
  const words = typeof name === 'string' ? name.replace(/[^A-Za-z0-9]+/g, '_').replace(/^_|_$/g, '') : '';
  throw wrong(
    `The name of migration ${version}`,
    `must be letters, digits, _ and -, and is ${shown(name)}`,
    `Name it in a few words, such as "${words === '' ? 'add_vectors' : words}"; a sentence belongs into its description.`,
  );
}

function optionalText(given: Given, field: 'checksum' | 'description', subject: string): string | undefined {
  const value = given[field];
  if (value === undefined) return undefined;
  if (typeof value === 'string' && value.trim() !== '') return value;
  throw wrong(
    `The ${field} of ${subject}`,
    `must be a text that is not empty, and is ${shown(value)}`,
    `Give one, or leave ${field} out.`,
  );
}

function names(given: Given, field: keyof CodeMigration, subject: string): readonly string[] {
  const value = given[field];
  if (value === undefined) return [];
  const isName = (name: unknown): name is string => typeof name === 'string' && name !== '';
  if (Array.isArray(value) && value.every(isName)) return value;
  throw wrong(
    `${field} of ${subject}`,
    `must be a list of names, and is ${shown(value)}`,
    "Write ['notes'].",
  );
}

function refuseUnlessCode(given: Given, field: 'up' | 'down', subject: string): void {
  if (typeof given[field] === 'function') return;
  throw wrong(
    `${field} of ${subject}`,
    `must be a function, and is ${shown(given[field])}`,
    `Write async ${field}(db) { … }${field === 'down' ? ', or leave it out' : ''}.`,
  );
}

function checkedRelease({ release }: Given, subject: string): string | undefined {
  if (release === undefined || (typeof release === 'string' && semanticVersion.test(release))) return release;
  throw wrong(
    `The release of ${subject}`,
    `must be a version of three numbers, and is ${shown(release)}`,
    'Write it as 1.4.0.',
  );
}

function checkedRequirements({ requires }: Given, subject: string): Migration['requires'] {
  if (requires === undefined) return undefined;
  const parsed = typeof requires === 'string' ? parseRequirements(requires) : undefined;
  if (parsed !== undefined) return parsed;
  throw wrong(
    `requires of ${subject}`,
    `must be "sqlite >= VERSION" or the name of a feature, and is ${shown(requires)}`,
    'Write it as "sqlite >= 3.35, fts5".',
  );
}

/**
 * Makes a migration of code: a value that stands beside those of files.
 *
 * ```ts
 * const vectors = defineMigration({
 *   version: 3,
 *   name: 'vector_support',
 *   async up(db) {
 *     await db.executeScript('CREATE TABLE vectors (document INTEGER PRIMARY KEY, embedding BLOB NOT NULL)');
 *     for (const { id, body } of await db.query('SELECT id, body FROM documents'))
 *       await db.execute('INSERT INTO vectors VALUES (?, ?)', [id, embed(body)]);
 *   },
 * });
 * ```
 *
 * @throws InvalidOptionError when a value is not as it must be
 */
export function defineMigration(code: CodeMigration): Migration {
  if (!isObject(code))
    throw wrong(
      'A migration in code',
      `must be an object, and is ${shown(code)}`,
      'Give { version, name, up }.',
    );
  const given: Given = code;
  const version = checkedVersion(given);
  const name = checkedName(given, version);
  const subject = `migration ${version} (${name})`;
  refuseUnlessCode(given, 'up', subject);
  if (given.down !== undefined) refuseUnlessCode(given, 'down', subject);
  return {
    version,
    name,
    filename: `${String(version).padStart(DIGITS, '0')}_${name} (code)`,
    description: optionalText(given, 'description', subject) ?? name.replaceAll(/[_-]+/g, ' '),
    sql: '',
    checksum: optionalText(given, 'checksum', subject) ?? checksumOf(`code ${version} ${name}`),
    statements: [],
    directives: {
      noTransaction: false,
      allowLoss: names(given, 'allowLoss', subject),
      drops: names(given, 'drops', subject),
    },
    release: checkedRelease(given, subject),
    requires: checkedRequirements(given, subject),
    code: {
      up: (db) => code.up(db),
      down: code.down === undefined ? undefined : async (db) => code.down?.(db),
      downDirectives: {
        noTransaction: false,
        allowLoss: names(given, 'downAllowLoss', subject),
        drops: names(given, 'downDrops', subject),
      },
    },
  };
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function asMigration(given: Migration | CodeMigration): Migration {
  return isObject(given) && 'statements' in given ? given : defineMigration(given);
}

/**
 * Makes one sequence of files and migrations in code, by their numbers.
 *
 * @throws InvalidOptionError when a migration in code is not as it must be
 * @throws MigrationFileError (DUPLICATE_MIGRATION) when two have the same number
 */
export function mergeMigrations(...lists: readonly (readonly (Migration | CodeMigration)[])[]): Migration[] {
  const merged = lists
    .flat()
    .map(asMigration)
    .sort((left, right) => left.version - right.version);
  for (const [index, { version, filename }] of merged.entries()) {
    const previous = merged[index - 1];
    if (previous?.version !== version) continue;
    throw new MigrationFileError(
      'DUPLICATE_MIGRATION',
      `${previous.filename} and ${filename} both have the number ${version}; expected one migration a number.`,
      filename,
      undefined,
      { hint: 'Give the one that no database has applied yet the next free number.' },
    );
  }
  return merged;
}
