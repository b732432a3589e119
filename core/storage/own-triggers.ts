import type { DatabaseBridge } from '../database/database-bridge.js';
import { isSqliteError, MigrationFailedError } from '../errors.js';
import type { Replay } from './migration-replay.js';
import type { Migration } from './migration.js';
import { foldName, shownName } from './sql-tokens.js';
import { rowStatementOf } from './touched-rows.js';

/** A trigger that no migration makes, on a table whose rows a migration writes. */
export interface OwnTrigger {
  readonly name: string;
  readonly table: string;
  /** The migration that writes the table. */
  readonly filename: string;
}

/** The tables whose rows a migration writes, in the letter case that names are compared in; undefined where code decides. */
function writtenTables({ code, statements }: Migration): ReadonlySet<string> | undefined {
  if (code !== undefined) return undefined;
  const written = statements.flatMap(({ sql }) => {
    const statement = rowStatementOf(sql);
    return statement?.kind === 'write' ? [foldName(statement.table)] : [];
  });
  return new Set(written);
}

/**
 * Finds the database's own triggers on the tables whose rows some migrations write. SQLite carries such a trigger out with
 * each row, and it may refuse the row, leave it out without a word, or change more ("CREATE TRIGGER", RAISE).
 *
 * @param replay what the migrations make, asked for where there is a trigger on one of the tables
 */
export async function ownTriggers(
  db: DatabaseBridge,
  migrations: readonly Migration[],
  replay: () => Promise<Replay>,
): Promise<readonly OwnTrigger[]> {
  const rows = await db.query(
    "SELECT name, tbl_name FROM sqlite_schema WHERE type = 'trigger' ORDER BY tbl_name, name",
  );
  const triggers = rows.map((row) => ({ name: String(row.name), table: String(row.tbl_name) }));
  const met = migrations.flatMap((migration) => {
    const tables = writtenTables(migration);
    return triggers
      .filter(({ table }) => tables?.has(foldName(table)) ?? true)
      .map((trigger) => ({ ...trigger, filename: migration.filename }));
  });
  if (met.length === 0) return [];
  const { steps } = await replay();
  const isOurs = ({ name, table }: OwnTrigger): boolean =>
    steps.some(({ after }) =>
      [...after.objects.values()].some(
        (object) =>
          object.type === 'trigger' &&
          foldName(object.name) === foldName(name) &&
          foldName(object.table) === foldName(table),
      ),
    );
  return met.filter((trigger) => !isOurs(trigger));
}

/** `trigger guard on events`. */
export function describeTrigger({ name, table }: OwnTrigger): string {
  return `trigger ${shownName(name)} on ${shownName(table)}`;
}

/** Whether a trigger can make a migration fail in this way. */
export function isOfTriggers(error: unknown): error is MigrationFailedError {
  if (!(error instanceof MigrationFailedError)) return false;
  if (error.code !== 'MIGRATION_FAILED')
    return error.code !== 'LEFT_BEHIND' && error.code !== 'SCHEMA_MISMATCH';
  return isSqliteError(error.cause, 'SQLITE_CONSTRAINT', 'SQLITE_ERROR');
}

/** The same failure with the triggers as its possible cause; as it is where there are none. */
export function blameTriggers(
  error: MigrationFailedError,
  triggers: readonly OwnTrigger[],
): MigrationFailedError {
  if (triggers.length === 0) return error;
  const named = triggers.map(describeTrigger).join(', ');
  const [has, them] = triggers.length === 1 ? ['a trigger', 'it'] : ['triggers', 'them'];
  return new MigrationFailedError(error.code, error.message, error.place, {
    hint:
      `The database has ${has} of its own where the file writes, which may well be the cause: ${named}. ` +
      `Keep the text of ${them} (SELECT sql FROM sqlite_schema WHERE type = 'trigger'), drop ${them}, upgrade, and create ${them} again. Otherwise: ${error.hint}`,
    cause: error.cause,
  });
}
