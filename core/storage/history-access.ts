import type { DatabaseBridge } from '../database/database-bridge.js';
import { withinTransaction } from '../database/transaction.js';
import { AlreadyRecordedError, InvalidOptionError } from '../errors.js';
import { findKeptHistories, LARGEST_USER_VERSION, readUserVersion } from './database-state.js';
import { inWords, migrationName } from './migration-files.js';
import type { AppliedMigration, Attempt } from './history-row.js';
import { hasHistory, historyTableOf, readHistoryShape, type HistoryTable } from './history-table.js';
import { ensureHistory, readAttempts, recordAttempt, refuseTrigger } from './migration-history.js';
import { checkedWaitMs } from './migration-lock.js';
import { otherHistory } from './other-history.js';
import { shown } from './values.js';

export interface HistoryAccessOptions {
  /** The name of the table that holds the history. Default: `schema_migrations`. */
  readonly historyTable?: string | undefined;
  /** How long to wait for other programs that write, in milliseconds. Default: 60 000. */
  readonly lockWaitMs?: number | undefined;
}

export interface ListAppliedOptions extends HistoryAccessOptions {
  /** By number, or by the time at which they were applied. Default: `version`. */
  readonly order?: 'version' | 'applied_at' | undefined;
}

/** A file that another program has carried out. */
export interface RecordedFile {
  /** Its name, without a folder: `003_add_messages.sql`. */
  readonly filename: string;
  /** What `Migration.checksum` says of it. Without one, nobody can tell later whether the file was changed. */
  readonly checksum?: string | undefined;
}

/** How many rows are read at a time. */
const ROWS_AT_ONCE = 500;

/** A row that stands applied: no later attempt at its version was applied or rolled back. */
const standing = ({ sql }: HistoryTable): string =>
  `a.status = 'applied' AND NOT EXISTS (
    SELECT 1 FROM ${sql} AS later WHERE later.version = a.version AND later.id > a.id AND later.status <> 'failed')`;

/**
 * Makes the table of the history where there is none, and brings one of an earlier version of this package to today's
 * shape.
 *
 * @throws OtherHistoryError when another tool keeps a history in the database, and ours tells nothing yet
 * @throws ForeignDatabaseError when something else stands there
 * @throws UpgradeBridgeError (HISTORY_ELSEWHERE) when a table of another name holds the history
 */
export async function ensureHistoryTable(
  db: DatabaseBridge,
  options: HistoryAccessOptions = {},
): Promise<void> {
  const table = historyTableOf(options);
  await writing(db, options, async () => {
    await hasOwnHistory(db, table);
    return ensureHistory(db, table);
  });
}

/**
 * The migrations that stand applied, one after the other: memory does not grow with their number. Other programs may
 * write meanwhile; what they add may be among them or not.
 *
 * ```ts
 * for await (const { filename, appliedAt } of listApplied(db)) console.log(filename, appliedAt);
 * ```
 *
 * @throws UnreadableDatabaseError (BAD_HISTORY) when a row holds what this package never writes
 * @throws InvalidOptionError when there is no such order
 * @throws what `ensureHistoryTable` throws
 */
export async function* listApplied(
  db: DatabaseBridge,
  options: ListAppliedOptions = {},
): AsyncGenerator<AppliedMigration, void, undefined> {
  const table = historyTableOf(options);
  const column = orderOf(options);
  if (!(await inTurn(db, () => hasOwnHistory(db, table)))) return;
  let last: AppliedMigration | undefined;
  do {
    const after = last === undefined ? '' : `AND (a.${column}, a.id) > (?, ?)`;
    const place = last === undefined ? [] : [column === 'version' ? last.version : last.appliedAt, last.id];
    const page = await inTurn(db, () =>
      readAttempts(
        db,
        table,
        `WHERE ${standing(table)} ${after} ORDER BY a.${column}, a.id LIMIT ${ROWS_AT_ONCE}`,
        place,
      ),
    );
    yield* page;
    last = page.length < ROWS_AT_ONCE ? undefined : page.at(-1);
  } while (last !== undefined);
}

function orderOf({ order = 'version' }: ListAppliedOptions): 'version' | 'applied_at' {
  const known = (['version', 'applied_at'] as const).find((each) => each === order);
  if (known !== undefined) return known;
  throw new InvalidOptionError(`The order must be version or applied_at, and is ${shown(order)}.`, {
    hint: 'Leave order out to have the migrations by their numbers.',
  });
}

/**
 * Whether a file does not stand applied.
 *
 * @param filename its name, without a folder
 * @throws MigrationFileError (BAD_MIGRATION_NAME) when that is not the name of a migration
 * @throws AlreadyRecordedError when a file of another name stands applied under its number
 * @throws what `ensureHistoryTable` throws
 */
export async function isPending(
  db: DatabaseBridge,
  filename: string,
  options: HistoryAccessOptions = {},
): Promise<boolean> {
  const table = historyTableOf(options);
  const { version } = nameOf(filename);
  const found = await inTurn(db, async () =>
    (await hasOwnHistory(db, table)) ? standingAt(db, table, version) : undefined,
  );
  if (found === undefined || found.filename === filename) return found === undefined;
  throw alreadyRecorded(filename, found);
}

/**
 * Records files that another program has carried out: all of them or none. The rows are those of our own upgrades, with the
 * origin `recorded`, and `PRAGMA user_version` tells the newest.
 *
 * It is a part of the transaction that is open on the connection, or a transaction of its own where none is: a program
 * that carries a file out can keep both or neither.
 *
 * @throws AlreadyRecordedError when one of them stands applied, or is there twice
 * @throws MigrationFileError (BAD_MIGRATION_NAME), InvalidOptionError when a name or a checksum is none
 * @throws DatabaseError (SQLITE_BUSY) when another program does not let go in time
 * @throws what `ensureHistoryTable` throws
 */
export async function recordApplied(
  db: DatabaseBridge,
  files: RecordedFile | readonly RecordedFile[],
  options: HistoryAccessOptions = {},
): Promise<void> {
  const table = historyTableOf(options);
  const attempts = [files].flat().map(attemptOf);
  refuseTwice(attempts);
  if (attempts.length === 0) return;
  await writing(db, options, async () => {
    await hasOwnHistory(db, table);
    await refuseTrigger(db, table);
    await ensureHistory(db, table);
    for (const attempt of attempts) {
      const found = await standingAt(db, table, attempt.version);
      if (found !== undefined) throw alreadyRecorded(attempt.filename, found);
      await recordAttempt(db, table, attempt);
    }
    await stamp(db, table);
    return true;
  });
}

/**
 * Whether there is a history of ours. Beside that of another tool, one that says nothing is none: what was recorded into
 * it would hide what the other tool has applied.
 */
async function hasOwnHistory(db: DatabaseBridge, table: HistoryTable): Promise<boolean> {
  const { kind } = await readHistoryShape(db, table);
  const isTelling =
    kind === 'ours' &&
    (await db.query(`SELECT 1 FROM ${table.sql} WHERE status <> 'failed' LIMIT 1`)).length > 0;
  if (isTelling) return true;
  const [other] = await findKeptHistories(db, table);
  if (other !== undefined) throw otherHistory(other, kind === 'foreign');
  return hasHistory(db, table);
}

/** What was begun on a connection, and has to end before the next begins: it would fall into its transaction. */
const turns = new WeakMap<DatabaseBridge, Promise<unknown>>();

function inTurn<Result>(db: DatabaseBridge, work: () => Promise<Result>): Promise<Result> {
  const turn = (turns.get(db) ?? Promise.resolve()).then(work);
  turns.set(
    db,
    turn.catch(() => undefined),
  );
  return turn;
}

/** @param work says whether it has written anything */
async function writing(
  db: DatabaseBridge,
  { lockWaitMs }: HistoryAccessOptions,
  work: () => Promise<boolean>,
): Promise<void> {
  const beginPatienceMs = checkedWaitMs(lockWaitMs);
  const writes = (hasWritten: boolean): boolean => hasWritten;
  await inTurn(db, () => withinTransaction(db, work, { beginPatienceMs, writes }));
}

function nameOf(filename: unknown): ReturnType<typeof migrationName> {
  if (typeof filename === 'string') return migrationName(filename);
  throw new InvalidOptionError(`The name of a file must be text, and is ${shown(filename)}.`, {
    hint: 'Give it without its folder, such as 001_create_notes.sql.',
  });
}

function attemptOf({ filename, checksum }: RecordedFile): Attempt {
  const { version, name } = nameOf(filename);
  if (checksum !== undefined && (typeof checksum !== 'string' || checksum.trim() === ''))
    throw new InvalidOptionError(
      `The checksum of ${filename} must be a text that is not empty, and is ${shown(checksum)}.`,
      { hint: 'Give what Migration.checksum says, or leave it out.' },
    );
  return {
    version,
    filename,
    description: inWords(name),
    checksum: checksum ?? '',
    appliedAt: new Date().toISOString(),
    executionTimeMs: 0,
    status: 'applied',
    origin: 'recorded',
    details: {},
    release: undefined,
    texts: { up: undefined, down: undefined },
  };
}

function refuseTwice(attempts: readonly Attempt[]): void {
  const seen = new Map<number, string>();
  for (const { version, filename } of attempts) {
    const other = seen.get(version);
    if (other !== undefined)
      throw new AlreadyRecordedError(
        `${other} and ${filename} both have the number ${version}, and only one can be recorded.`,
        filename,
        version,
        { hint: 'Nothing was recorded. Give each file once.' },
      );
    seen.set(version, filename);
  }
}

async function standingAt(
  db: DatabaseBridge,
  table: HistoryTable,
  version: number,
): Promise<AppliedMigration | undefined> {
  const [newest] = await readAttempts(
    db,
    table,
    "WHERE a.version = ? AND a.status <> 'failed' ORDER BY a.id DESC LIMIT 1",
    [version],
  );
  return newest?.status === 'applied' ? newest : undefined;
}

function alreadyRecorded(
  filename: string,
  { version, filename: recorded, appliedAt }: AppliedMigration,
): AlreadyRecordedError {
  return filename === recorded
    ? new AlreadyRecordedError(`${filename} stands applied since ${appliedAt}.`, filename, version, {
        hint: 'Nothing was recorded. Ask whether it is pending before it is carried out.',
      })
    : new AlreadyRecordedError(
        `The number of ${filename} is that of ${recorded}, which stands applied since ${appliedAt}.`,
        filename,
        version,
        { hint: 'Nothing was recorded. Give the new file the next free number.' },
      );
}

/** user_version follows the newest version while it fits, and otherwise how many migrations stand applied. */
async function stamp(db: DatabaseBridge, table: HistoryTable): Promise<void> {
  const [newest] = await readAttempts(db, table, `WHERE ${standing(table)} ORDER BY a.version DESC LIMIT 1`);
  const wanted =
    newest === undefined || newest.version <= LARGEST_USER_VERSION
      ? (newest?.version ?? 0)
      : Number(
          (await db.query(`SELECT count(*) AS number FROM ${table.sql} AS a WHERE ${standing(table)}`))[0]
            ?.number,
        );
  if (wanted !== (await readUserVersion(db))) await db.executeScript(`PRAGMA user_version = ${wanted}`);
}
