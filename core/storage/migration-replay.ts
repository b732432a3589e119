import type { DatabaseBridge, DatabaseDriver } from '../database/database-bridge.js';
import { isSqliteError, messageOf, MigrationFailedError } from '../errors.js';
import type { Migration } from './migration.js';
import { emptySchema, readSchema, type SchemaSnapshot } from './schema-snapshot.js';
import type { TableDefinition } from './table-definition.js';

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

/** Failures for which the machine is to blame and not the file. */
const outsideTheFile = ['SQLITE_FULL', 'SQLITE_IOERR', 'SQLITE_READONLY', 'SQLITE_NOMEM', 'SQLITE_CORRUPT'];

/** Runs a file's statements in order; a failure names the file, the statement's number, its line and SQLite's message. */
export async function runStatements(db: DatabaseBridge, migration: Migration): Promise<void> {
  for (const [index, statement] of migration.statements.entries()) {
    try {
      await db.executeScript(statement.sql);
    } catch (error) {
      throw new MigrationFailedError(
        'MIGRATION_FAILED',
        `Migration ${migration.filename} failed at statement ${index + 1}, line ${statement.line}: ${messageOf(error)}.`,
        { filename: migration.filename, statement: index + 1, line: statement.line },
        {
          hint: isSqliteError(error, ...outsideTheFile)
            ? `The file was rolled back whole. ${error.hint}`
            : 'The file was rolled back whole; what was applied before it stays. Correct the file, or the data it stumbles over, and upgrade again.',
          cause: error,
        },
      );
    }
  }
}

/**
 * Applies the files to an empty database in memory and reads the schema after each.
 *
 * @throws MigrationFailedError when a file does not run on what the files before it made
 */
export async function replayMigrations(
  driver: DatabaseDriver,
  migrations: readonly Migration[],
): Promise<Replay> {
  const db = await driver.open(':memory:', 'create');
  try {
    await db.executeScript('PRAGMA foreign_keys = OFF');
    const parsed = new Map<string, TableDefinition>();
    const steps: ReplayStep[] = [];
    let before = emptySchema;
    for (const migration of migrations) {
      await runStatements(db, migration);
      const after = await readSchema(db, parsed);
      steps.push({ migration, before, after });
      before = after;
    }
    return { steps, final: before };
  } finally {
    await db.close();
  }
}
