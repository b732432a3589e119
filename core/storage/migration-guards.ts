import type { DatabaseBridge } from '../database/database-bridge.js';
import { MigrationFailedError, type FailurePlace } from '../errors.js';
import { foreignKeyName, type Inventory, type NamedObject } from './database-inventory.js';
import type { ToleratedViolations } from './history-row.js';
import type { Directives } from './migration.js';
import { foldName, shownName } from './sql-tokens.js';
import { quoteName } from './table-definition.js';

const nothingDeclared: Directives = { noTransaction: false, allowLoss: [], drops: [] };

/** What a file may do because it says so. */
export interface GuardedStep {
  /** What the errors call the step, such as `Migration 0004_add_chat_id.sql`. */
  readonly subject: string;
  readonly place: FailurePlace;
  /** What the step declares; nothing where it is left out. */
  readonly directives?: Directives;
  /** The loss of rows and objects that the caller has declared; undefined where no caller can. */
  readonly lossAllowed?: AllowedLoss;
  /** Whether it is a migration in code, which declares by properties. */
  readonly isCode?: boolean;
}

/** What undoing may lose without a down file's saying so: everything, nothing, or these losses as an error named them. */
export type AllowedLoss = boolean | readonly string[];

/** A loss as it is allowed: with the file that loses it. */
export function namedLosses({ place }: GuardedStep, losses: readonly string[]): string[] {
  return losses.map((loss) => `${place.filename}: ${loss}`);
}

/** Whether a caller has allowed each of these losses, and none that has grown since. */
export function allows(allowed: AllowedLoss | undefined, named: readonly string[]): boolean {
  if (typeof allowed !== 'object') return allowed === true || named.length === 0;
  return named.every((loss) => allowed.includes(loss));
}

function failure(
  step: GuardedStep,
  code: ConstructorParameters<typeof MigrationFailedError>[0],
  what: string,
  hint: string,
  losses: readonly string[] = [],
): MigrationFailedError {
  return new MigrationFailedError(code, `${step.subject} ${what}; it was rolled back.`, step.place, {
    hint,
    losses: step.lossAllowed === undefined ? [] : namedLosses(step, losses),
  });
}

/**
 * Marks the transaction that is open, so that one which was ended and begun again behind our back is noticed. The mark is a
 * setting that every COMMIT and ROLLBACK switches off, and that means nothing while keys are not enforced ("PRAGMA
 * defer_foreign_keys"). A savepoint would do as well, but keeps what each page was that is written after it.
 *
 * @returns a function that throws MigrationFailedError (TRANSACTION_ENDED) when the mark is gone
 */
export async function markTransaction(db: DatabaseBridge): Promise<(step: GuardedStep) => Promise<void>> {
  await db.executeScript('PRAGMA defer_foreign_keys = ON');
  return async (step) => {
    const [row] = await db.query('PRAGMA defer_foreign_keys');
    if (row?.defer_foreign_keys === 1) return;
    throw failure(
      step,
      'TRANSACTION_ENDED',
      'ended the transaction that it runs in',
      'Take COMMIT, ROLLBACK and everything that causes one out of the file: every file is one transaction already.',
    );
  };
}

function lostRows(
  before: Inventory,
  after: Inventory,
  dropped: ReadonlySet<string>,
  allowed: ReadonlySet<string>,
): { table: string; sentence: string }[] {
  return [...before.rows].flatMap(([table, rows]) => {
    const left = after.rows.get(table);
    if (left === undefined || left >= rows || allowed.has(foldName(table)) || dropped.has(foldName(table)))
      return [];
    return [{ table, sentence: `${shownName(table)} would go from ${rows} to ${left} rows` }];
  });
}

function lostObjects(before: Inventory, after: Inventory, dropped: ReadonlySet<string>): NamedObject[] {
  const left = new Set(after.objects.map(({ type, name }) => `${type} ${foldName(name)}`));
  const gone = before.objects.filter(({ type, name }) => !left.has(`${type} ${foldName(name)}`));
  const goneTables = new Set(gone.filter(({ type }) => type === 'table').map(({ name }) => foldName(name)));
  return gone.filter(({ type, name, table }) => {
    if (dropped.has(foldName(name)) || dropped.has(foldName(table))) return false;
    // A table that vanishes takes its columns, indexes and triggers along: name the table only.
    return type === 'table' || type === 'view' || !goneTables.has(foldName(table));
  });
}

/** `table notes with 12 rows`, `column notes.title`. */
function describeObject({ type, name }: NamedObject, { rows }: Inventory): string {
  const count = type === 'table' ? rows.get(name) : undefined;
  return `${type} ${shownName(name)}${count === undefined ? '' : ` with ${count} ${count === 1 ? 'row' : 'rows'}`}`;
}

function lostSequences(before: Inventory, after: Inventory, free: ReadonlySet<string>): string[] {
  const tables = new Set(after.objects.filter(({ type }) => type === 'table').map(({ name }) => name));
  return [...before.sequences].flatMap(([table, sequence]) => {
    const left = after.sequences.get(table) ?? 0n;
    if (left >= sequence || !tables.has(table) || free.has(foldName(table))) return [];
    return [
      `the AUTOINCREMENT counter of ${shownName(table)} would go from ${String(sequence)} back to ${String(left)}`,
    ];
  });
}

/** One line a foreign key, such as `12 rows of events (world_id) point to no row of worlds`. */
export function describeViolation({ table, columns, parent, rows }: ToleratedViolations): string {
  return `${rows} ${rows === 1 ? 'row' : 'rows'} of ${shownName(table)} (${columns}) ${rows === 1 ? 'points' : 'point'} to no row of ${shownName(parent)}`;
}

/** The violations that exceed what was there or was tolerated before. */
export function newViolations(
  known: readonly ToleratedViolations[],
  found: readonly ToleratedViolations[],
): ToleratedViolations[] {
  const before = new Map(known.map((violation) => [foreignKeyName(violation), violation.rows]));
  return found.filter((violation) => violation.rows > (before.get(foreignKeyName(violation)) ?? 0));
}

/** A name as a directive takes it. */
function declared(name: string): string {
  return shownName(name) === name ? name : quoteName(name);
}

function declaredObject({ type, name, table }: NamedObject): string {
  if (type !== 'column') return declared(name);
  return `${declared(table)}.${declared(name.slice(table.length + 1))}`;
}

function hintToDeclare({ lossAllowed, isCode }: GuardedStep, directive: string): string {
  const allow = lossAllowed === undefined ? '' : 'If that is meant, allow it (allowLoss, --yes). ';
  if (isCode === true) {
    const property = directive.startsWith('drops') ? 'drops' : 'allow-loss';
    const [up, down] = property === 'drops' ? ['drops', 'downDrops'] : ['allowLoss', 'downAllowLoss'];
    const names = directive.slice(property.length + 1).split(', ');
    return `${allow}If the migration is yours and means that, declare it: ${lossAllowed === undefined ? up : down}: [${names.map((name) => `'${name}'`).join(', ')}].`;
  }
  return `${allow}If the file is yours and means that, declare it in its header: "-- migration: ${directive}". If it came with a program, report it to its makers.`;
}

/**
 * Holds what a step left against what it found.
 *
 * Rows that break only a foreign key which the step added to a table that was there before are no loss; they are
 * reported by the caller.
 *
 * @returns what is lost although nothing declares it, where the caller allows it
 * @throws MigrationFailedError ROWS_LOST, OBJECTS_LOST or FOREIGN_KEYS_BROKEN
 */
export function guardAgainstLoss(step: GuardedStep, before: Inventory, after: Inventory): string[] {
  const { allowLoss, drops } = step.directives ?? nothingDeclared;
  const allowed = new Set(allowLoss.map(foldName));
  const dropped = new Set(drops.map(foldName));
  const lost = lostObjects(before, after, dropped);
  const objects = lost.map((object) => describeObject(object, before));
  const lostFrom = lostRows(before, after, dropped, allowed);
  const rows = lostFrom.map(({ sentence }) => sentence);
  const sequences = lostSequences(before, after, new Set([...allowed, ...dropped]));
  const losses = [...objects, ...rows, ...sequences];
  if (!allows(step.lossAllowed, namedLosses(step, losses))) {
    const besides = [...rows, ...sequences].map((each) => `; besides, ${each}`).join('');
    if (objects.length > 0)
      throw failure(
        step,
        'OBJECTS_LOST',
        `would remove ${objects.join(', ')} without saying so${besides}`,
        hintToDeclare(step, `drops ${lost.map(declaredObject).join(', ')}`),
        losses,
      );
    if (rows.length > 0)
      throw failure(
        step,
        'ROWS_LOST',
        `would lose rows without saying so: ${[...rows, ...sequences].join(', ')}`,
        hintToDeclare(step, `allow-loss ${lostFrom.map(({ table }) => declared(table)).join(', ')}`),
        losses,
      );
    if (sequences.length > 0)
      throw failure(
        step,
        'ROWS_LOST',
        `would let ids be handed out again: ${sequences.join(', ')}`,
        'Carry the row of sqlite_sequence over when you rebuild the table, or declare the table with allow-loss.',
        losses,
      );
  }
  const tablesBefore = new Set(
    before.objects.filter(({ type }) => type === 'table').map(({ name }) => foldName(name)),
  );
  const broken = newViolations(before.violations, after.violations).filter(
    (violation) =>
      before.foreignKeys.has(foreignKeyName(violation)) || !tablesBefore.has(foldName(violation.table)),
  );
  if (broken.length > 0)
    throw failure(
      step,
      'FOREIGN_KEYS_BROKEN',
      `would break foreign keys: ${broken.map(describeViolation).join('; ')}`,
      'Let the file delete or repair those rows together with what they point to.',
    );
  if (before.attempts !== after.attempts)
    throw failure(
      step,
      'OBJECTS_LOST',
      `changed the history (${after.historyTable})`,
      'Take out whatever writes that table, also by way of a trigger: its rows are written for you.',
    );
  return losses;
}

/**
 * Refuses what a step leaves on the connection, where the next step would trip over it.
 *
 * @throws MigrationFailedError (LEFT_BEHIND) when a temporary object or an attached database is left
 */
export async function guardAgainstLeftovers(db: DatabaseBridge, step: GuardedStep): Promise<void> {
  const rows = await db.query(
    `SELECT * FROM (SELECT type || ' ' || name AS label FROM sqlite_temp_schema ORDER BY name)
     UNION ALL SELECT 'attached database ' || name FROM pragma_database_list WHERE name NOT IN ('main', 'temp')`,
  );
  const left = rows.map((row) => String(row.label));
  if (left.length > 0)
    throw failure(
      step,
      'LEFT_BEHIND',
      `leaves ${left.join(', ')} behind on the connection`,
      'Drop temporary tables, views and triggers at the end of the file that makes them.',
    );
}
