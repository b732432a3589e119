import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import type { Row } from '../database/database-bridge.js';
import { systemErrorCode } from './file-system.js';
import { hashOfListing } from './folder-listing.js';
import type { HistoryTable } from './history-table.js';
import { withDigest } from './migration-digest.js';
import { readMigrations, type ReadFolder } from './migration-files.js';
import { readReplay, replayOf, type Replay, type ReplayPlace } from './migration-replay.js';
import type { Migration } from './migration.js';
import { meaningsOf, rememberMeanings, type StatementMeanings } from './schema-snapshot.js';
import { worldMigrationsDir } from './world-migrations.js';

/** Where the build leaves what it has found out. Beside the sources there is none, and everything is found out anew. */
const preparedFile = fileURLToPath(new URL('worlds.json', import.meta.url));

/**
 * What reading a folder of migrations and replaying them comes to: found out when the package was built, so that no program
 * has to find it out again. It says nothing of its own: wherever what it was made of is not the same, it is left alone.
 */
export interface PreparedMigrations {
  /** The SQLite on which they were replayed, as `sqlite_source_id()` tells it: another one may write a schema in another way. */
  readonly sqlite: string;
  /** The key of the table that the files may not write, and that is no part of a schema. */
  readonly historyTable: string;
  readonly migrations: readonly Migration[];
  /** What the replay noted: see `readReplay`. */
  readonly changes: readonly Row[];
  readonly meanings: StatementMeanings;
}

/** The SQL that asks SQLite which one it is, as an expression. */
export const sqliteIdentity = 'sqlite_source_id()';

/** Finds out what is to be known of a folder of migrations. */
export async function prepareMigrations(
  folder: string,
  { driver, historyTable }: ReplayPlace,
): Promise<PreparedMigrations> {
  const migrations = await readMigrations(folder, { historyTable: historyTable.name });
  const changes = await readReplay({ driver, historyTable }, migrations);
  const db = await driver.open(':memory:', 'create');
  try {
    const [row] = await db.query(`SELECT ${sqliteIdentity} AS sqlite`);
    const sqlite = String(row?.sqlite);
    return { sqlite, historyTable: historyTable.key, migrations, changes, meanings: meaningsOf(changes) };
  } finally {
    await db.close();
  }
}

/**
 * What was prepared of a folder; undefined where nothing was, and where any file of the folder is not what it was made of.
 * Every file is read: the one difference to `readMigrations` is that nothing more is done with a text that is known.
 */
export function readPrepared(
  folder: string,
  historyTable: HistoryTable,
  file = preparedFile,
): (PreparedMigrations & ReadFolder) | undefined {
  if (folder !== worldMigrationsDir) return undefined;
  try {
    // Before the files: one that changes in between is then noticed at the next start.
    const listing = hashOfListing(folder, readdirSync(folder));
    const found = valueIn(readFileSync(file, 'utf8'));
    if (!isPrepared(found) || found.historyTable !== historyTable.key) return undefined;
    if (!isMadeOf(found, folder)) return undefined;
    return { ...found, migrations: withDigest(found.migrations), listing };
  } catch (error) {
    // Nothing was prepared; or a file of the folder cannot be read, which `readMigrations` calls by its name.
    if (systemErrorCode(error) === undefined) throw error;
    return undefined;
  }
}

/** What the migrations make, as it was found when they were prepared. */
export function preparedReplay({ migrations, changes, meanings }: PreparedMigrations): Replay {
  rememberMeanings(meanings);
  return replayOf(migrations, changes);
}

/** The value in a file that is only a shortcut: where a disk that was full has cut it off, there is none. */
function valueIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The file is written by the build alone, and this tells that it is that file. */
function isPrepared(value: unknown): value is PreparedMigrations {
  return (
    isObject(value) &&
    isList(value.changes) &&
    isObject(value.meanings) &&
    isObject(value.meanings.definitions) &&
    isObject(value.meanings.meanings) &&
    isList(value.migrations) &&
    value.migrations.every(({ statements, directives }) => isList(statements) && isObject(directives))
  );
}

function isList(value: unknown): value is readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) && value.every(isObject);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

/** Whether a folder has these files and no others. */
function isMadeOf({ migrations }: PreparedMigrations, folder: string): boolean {
  const texts = new Map(
    migrations.flatMap(({ filename, sql, down }) => [
      [filename, sql] as const,
      ...(down === undefined ? [] : [[down.filename, down.sql] as const]),
    ]),
  );
  const names = readdirSync(folder).filter((name) => /\.sql$/i.test(name));
  return names.length === texts.size && names.every((name) => isText(join(folder, name), texts.get(name)));
}

/** Looks before it opens: opening a named pipe would wait for ever. */
function isText(path: string, text: string | undefined): boolean {
  return text !== undefined && statSync(path).isFile() && readFileSync(path, 'utf8') === text;
}
