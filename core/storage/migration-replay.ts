import type { DatabaseBridge, DatabaseDriver, Row } from '../database/database-bridge.js';
import { tryTransaction, withTransaction } from '../database/transaction.js';
import { isSqliteError, messageOf, MigrationFailedError } from '../errors.js';
import type { HistoryTable } from './history-table.js';
import { lendConnection } from './migration-connection.js';
import type { Migration, MigrationConnection } from './migration.js';
import { SchemaLog, schemasAfter } from './schema-log.js';
import { emptySchema, type SchemaSnapshot } from './schema-snapshot.js';

/** One file carried out on an empty database: the schema before it and after it. */
export interface ReplayStep {
  readonly migration: Migration;
  readonly before: SchemaSnapshot;
  readonly after: SchemaSnapshot;
}

/** What the files make of an empty database. */
export interface Replay {
  readonly steps: readonly ReplayStep[];
  /** The schema after the last file: what every upgraded database must have. */
  readonly final: SchemaSnapshot;
}

/** With what files are replayed. */
export interface ReplayPlace {
  readonly driver: DatabaseDriver;
  /** The table that no migration may write, and that is no part of a schema. */
  readonly historyTable: HistoryTable;
}

/** Failures for which the machine is to blame and not the file. */
const outsideTheFile = ['SQLITE_FULL', 'SQLITE_IOERR', 'SQLITE_READONLY', 'SQLITE_NOMEM', 'SQLITE_CORRUPT'];

function failedAt(
  filename: string,
  at: { statement: number; line: number } | undefined,
  cause: unknown,
): MigrationFailedError {
  const where = at === undefined ? '' : ` at statement ${at.statement}, line ${at.line}`;
  return new MigrationFailedError(
    'MIGRATION_FAILED',
    `Migration ${filename} failed${where}: ${messageOf(cause).replace(/\.$/, '')}.`,
    { filename, statement: at?.statement, line: at?.line },
    {
      hint: isSqliteError(cause, ...outsideTheFile)
        ? `The file was rolled back whole. ${cause.hint}`
        : 'The file was rolled back whole. Correct the file, or the data it stumbles over, and upgrade again.',
      cause,
    },
  );
}

/** Runs statements in order; a failure names the file, the statement's number, its line and SQLite's message. */
export async function runStatements(
  db: DatabaseBridge,
  { filename, statements }: Pick<Migration, 'filename' | 'statements'>,
): Promise<void> {
  for (const [index, { sql, line }] of statements.entries()) {
    try {
      await db.executeScript(sql);
    } catch (error) {
      throw failedAt(filename, { statement: index + 1, line }, error);
    }
  }
}

/** Runs the one statement of a file that cannot run inside a transaction. */
export async function runAlone(
  db: DatabaseBridge,
  { filename, statements }: Pick<Migration, 'filename' | 'statements'>,
): Promise<void> {
  for (const { sql, line } of statements) {
    try {
      const [row] = await db.query(sql);
      // SQLite answers with the mode that holds, and calls it no error when that is not the one that was asked for.
      const [, wanted] = /journal_mode\s*=\s*(\w+)/i.exec(sql) ?? [];
      if (wanted !== undefined && row?.journal_mode !== wanted.toLowerCase())
        throw new Error(`the journal mode stayed ${String(row?.journal_mode)}`);
    } catch (error) {
      throw failedAt(filename, { statement: 1, line }, error);
    }
  }
}

/** Runs a migration: its statements, or its code. */
export async function runUp(
  db: DatabaseBridge,
  historyTable: HistoryTable,
  migration: Migration,
): Promise<void> {
  if (migration.code === undefined) await runStatements(db, migration);
  else await runCode(db, historyTable, migration.filename, migration.code.up);
}

/** Runs the way back of a migration. */
export async function runDown(
  db: DatabaseBridge,
  historyTable: HistoryTable,
  { filename, code, down }: Migration,
): Promise<void> {
  if (code?.down !== undefined) await runCode(db, historyTable, filename, code.down);
  else if (down !== undefined) await runStatements(db, down);
}

async function runCode(
  db: DatabaseBridge,
  historyTable: HistoryTable,
  filename: string,
  code: (db: MigrationConnection) => Promise<void>,
): Promise<void> {
  try {
    await lendConnection(db, historyTable, filename, code);
  } catch (error) {
    if (error instanceof MigrationFailedError) throw error;
    throw failedAt(filename, undefined, error);
  }
}

async function replayOne(
  db: DatabaseBridge,
  historyTable: HistoryTable,
  migration: Migration,
): Promise<void> {
  try {
    if (migration.directives.noTransaction) await runStatements(db, migration);
    else await withTransaction(db, () => runUp(db, historyTable, migration));
  } catch (error) {
    if (!(error instanceof MigrationFailedError)) throw error;
    throw new MigrationFailedError('MIGRATION_FAILED', error.message, error.place, {
      hint: 'Nothing was changed: the files were tried on an empty database in memory first. Correct the file, which must run on what the files before it make.',
      cause: error.cause,
    });
  }
}

/** Up to how many characters of SQL are given to the driver at once. */
const SQL_AT_ONCE = 1_000_000;

/** How many migrations from the first on can run in one call; none where the first is code, or stands outside of a transaction. */
function howManyTogether(migrations: readonly Migration[]): number {
  let characters = 0;
  const beyond = migrations.findIndex(({ code, directives, sql }) => {
    characters += sql.length;
    return code !== undefined || directives.noTransaction || characters > SQL_AT_ONCE;
  });
  return beyond === -1 ? migrations.length : beyond;
}

/** Runs files in one call of the driver and notes the schema after each; false where one of them fails. */
async function replayTogether(
  db: DatabaseBridge,
  log: SchemaLog,
  migrations: readonly Migration[],
  first: number,
): Promise<boolean> {
  // The semicolon stands right behind each statement: SQLite keeps what is before it as the text of an index.
  const script = migrations.flatMap(({ statements }, index) => [
    ...['BEGIN', ...statements.map(({ sql }) => sql), 'COMMIT'],
    log.note(first + index),
  ]);
  const done = await tryTransaction(db, async () => {
    await db.executeScript(script.join(';\n'));
    return true;
  });
  return done === true;
}

/**
 * Applies the files to an empty database in memory and reads the schema after each.
 *
 * @throws MigrationFailedError when a file does not run on what the files before it made
 */
export async function replayMigrations(
  place: ReplayPlace,
  migrations: readonly Migration[],
): Promise<Replay> {
  return replayOf(migrations, await readReplay(place, migrations));
}

/** The replay of files, of what each of them was found to change. */
export function replayOf(migrations: readonly Migration[], changes: readonly Row[]): Replay {
  const schemas = schemasAfter(changes);
  const steps = migrations.map((migration, index) => ({
    migration,
    before: schemas[index - 1] ?? emptySchema,
    after: schemas[index] ?? emptySchema,
  }));
  return { steps, final: schemas.at(-1) ?? emptySchema };
}

/**
 * Finds out what each file changes in a database that is empty at first, as rows of `SchemaLog`.
 *
 * @throws MigrationFailedError when a file does not run on what the files before it made
 */
export async function readReplay(
  { driver, historyTable }: ReplayPlace,
  migrations: readonly Migration[],
): Promise<readonly Row[]> {
  const db = await driver.open(':memory:', 'create');
  try {
    const log = new SchemaLog(historyTable);
    await db.executeScript(`PRAGMA foreign_keys = OFF; PRAGMA temp_store = MEMORY; ${log.begin()}`);
    for (let done = 0; done < migrations.length;) {
      const together = howManyTogether(migrations.slice(done));
      if (together > 0 && (await replayTogether(db, log, migrations.slice(done, done + together), done)))
        done += together;
      else done = await replayNext(db, historyTable, log, migrations);
    }
    return await log.read(db);
  } finally {
    await db.close();
  }
}

/** Runs the first migration that is not noted, alone, so that a failure says which statement it is; then it is noted, too. */
async function replayNext(
  db: DatabaseBridge,
  historyTable: HistoryTable,
  log: SchemaLog,
  migrations: readonly Migration[],
): Promise<number> {
  const done = await log.steps(db);
  const next = migrations[done];
  if (next === undefined) return done;
  await replayOne(db, historyTable, next);
  await db.executeScript(log.note(done));
  return done + 1;
}

/**
 * Says what the applied files make. Where one of them builds on another that waits to be run again, it is what all files
 * up to the newest applied one make.
 *
 * @throws MigrationFailedError when a file does not run on what the files before it made
 */
export async function replayApplied(
  place: ReplayPlace,
  migrations: readonly Migration[],
  applied: readonly { readonly version: number }[],
): Promise<SchemaSnapshot> {
  const versions = new Set(applied.map(({ version }) => version));
  const newest = Math.max(0, ...versions);
  const standing = migrations.filter(({ version }) => versions.has(version));
  const all = migrations.filter(({ version }) => version <= newest);
  try {
    return (await replayMigrations(place, standing)).final;
  } catch (error) {
    if (!(error instanceof MigrationFailedError) || all.length === standing.length) throw error;
    return (await replayMigrations(place, all)).final;
  }
}
