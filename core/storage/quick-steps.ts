import { randomBytes } from 'node:crypto';

import { rollBack, withTransaction } from '../database/transaction.js';
import { DatabaseError, isSqliteError, messageOf } from '../errors.js';
import { readUserVersion } from './database-state.js';
import { attemptAt, type Attempt } from './history-row.js';
import { historyScript } from './history-table.js';
import { effectOf } from './migration-effect.js';
import { rowScript } from './migration-history.js';
import type { Migration } from './migration.js';
import { quickMigration, standingAfter, type Standing } from './standing.js';
import type { Step, UpgradeCourse } from './upgrade-course.js';

/** The quick way led nowhere: nothing of the migration is kept, and applied statement by statement it says why. */
export class LeftQuickWay extends Error {
  constructor(
    readonly migration: Migration,
    override readonly cause: unknown,
  ) {
    super(messageOf(cause), { cause });
  }
}

/** A migration whose statements were carried out in the transaction that is open. */
interface Carried {
  readonly migration: Migration;
  readonly attempt: Attempt;
  readonly started: number;
  /** SQL that records it, in that transaction. */
  readonly recording: readonly string[];
  /** How the database stands once that is committed. */
  readonly standing: Standing;
}

/** An error of SQL where something is not so. */
const refuseUnless = (fact: string): string => `SELECT iif(${fact}, 1, json('no JSON'))`;

/** The semicolon stands right behind each statement: SQLite keeps what is before it as the text of an index. */
const asScript = (statements: readonly string[]): string => statements.join(';\n');

const statementsOf = ({ statements }: Migration): string[] => statements.map(({ sql }) => sql);

/**
 * Migrations that can do no harm, each in a transaction of its own and in one call of the driver: its row in the history
 * needs the time that it took, and so travels with the commit and with the migration after it.
 */
export class QuickSteps {
  /** Whether there are commits that no later one has taken along onto the disk. */
  private loose = false;

  constructor(private readonly course: UpgradeCourse) {}

  /**
   * Applies the migrations that can be applied so, from the transaction that is open on. The last of them is recorded in
   * the transaction that is open then, for the caller to commit.
   *
   * @returns undefined where there is none, or the first one was refused and nothing of it is left
   * @throws LeftQuickWay when a later one was refused, or there is no transaction any more; nothing is open then
   */
  async carryOut(standing: Standing): Promise<(Step & { kind: 'applied' }) | undefined> {
    const { course } = this;
    const first = quickMigration(standing);
    if (first === undefined || first === course.begun) return undefined;
    let done = await this.begin(first, standing);
    let next = done === undefined ? undefined : quickMigration(done.standing);
    if (done === undefined) return undefined;
    try {
      for (; next !== undefined; next = quickMigration(done.standing)) done = await this.goOn(done, next);
      await course.db.executeScript(asScript(done.recording));
    } catch (error) {
      await rollBack(course.db, ['ROLLBACK'], error);
      const isKept = await this.isKept(done);
      if (isKept) this.keep(done);
      if (!(error instanceof DatabaseError)) throw error;
      throw new LeftQuickWay((isKept ? next : undefined) ?? done.migration, error);
    }
    const { migration, started } = done;
    this.note(done);
    return { kind: 'applied', migration, ms: performance.now() - started };
  }

  /** Carries out a migration in the transaction that was opened for a look at the database. */
  private async begin(migration: Migration, standing: Standing): Promise<Carried | undefined> {
    const { course } = this;
    const started = performance.now();
    course.tellBegin('applied', migration);
    const mark = `step_${randomBytes(8).toString('hex')}`;
    const script = asScript([`SAVEPOINT ${mark}`, ...statementsOf(migration), `RELEASE ${mark}`]);
    try {
      await course.connection.interruptible(() => course.db.executeScript(script));
    } catch (error) {
      if (!(error instanceof DatabaseError)) throw error;
      course.begun = migration;
      if (!(await this.undo(mark))) throw new LeftQuickWay(migration, error);
      return undefined;
    }
    return this.carried(migration, standing, started);
  }

  /** @returns false where SQLite has rolled the whole transaction back already */
  private async undo(mark: string): Promise<boolean> {
    try {
      await this.course.db.executeScript(`ROLLBACK TO ${mark}; RELEASE ${mark}`);
      return true;
    } catch (error) {
      if (isSqliteError(error, 'SQLITE_ERROR')) return false;
      throw error;
    }
  }

  /** Records a migration, commits it, and carries out the next one. */
  private async goOn(done: Carried, next: Migration): Promise<Carried> {
    const { db, connection, request } = this.course;
    await connection.proveWhole();
    const { dataVersion, wal } = done.standing;
    const step = [
      'BEGIN IMMEDIATE',
      // A COMMIT or a ROLLBACK behind our back would switch it off ("PRAGMA defer_foreign_keys").
      'PRAGMA defer_foreign_keys = ON',
      ...statementsOf(next),
      refuseUnless(`(SELECT data_version FROM pragma_data_version) = ${dataVersion}
        AND (SELECT defer_foreign_keys FROM pragma_defer_foreign_keys) = 1`),
    ];
    let started = performance.now();
    if (wal && !request.watched) {
      const recording = [...done.recording, 'COMMIT', ...this.pressing(done.standing, next)];
      await connection.interruptible(() => db.executeScript(asScript([...recording, ...step])));
      this.keep(done);
      this.course.tellBegin('applied', next);
    } else {
      // With a rollback journal, a reader can keep a COMMIT waiting.
      await db.executeScript(asScript(wal ? [...done.recording, 'COMMIT'] : done.recording));
      if (!wal) await connection.commit();
      this.keep(done);
      connection.refuseToGoOn();
      started = performance.now();
      this.course.tellBegin('applied', next);
      await connection.interruptible(() => db.executeScript(asScript(step)));
    }
    return this.carried(next, done.standing, started);
  }

  private carried(migration: Migration, standing: Standing, started: number): Carried {
    const { historyTable } = this.course.request;
    const executionTimeMs = performance.now() - started;
    const outcome = { status: 'applied', origin: 'migration', executionTimeMs, details: {} } as const;
    const attempt = attemptAt(migration, outcome);
    const { sql, hash } = rowScript(historyTable, attempt, standing.hash);
    const after = standingAfter(standing, migration, hash);
    const recording = [
      ...(standing.hasHistory ? [] : historyScript(historyTable)),
      sql,
      `PRAGMA user_version = ${after.userVersion}`,
    ];
    return { migration, attempt, started, recording, standing: after };
  }

  /** A migration is recorded in the transaction that is open. */
  private note({ migration, attempt, standing }: Carried): void {
    const { course } = this;
    course.attempts.push(attempt);
    course.stock.passOver(effectOf(migration));
    course.reach(migration);
    course.standing = standing;
    course.hasHistory = true;
    course.begun = undefined;
  }

  /** A migration is recorded and committed. */
  private keep(done: Carried): void {
    const { migration, attempt, started } = done;
    if (this.course.attempts.includes(attempt)) return;
    this.note(done);
    this.course.keep();
    this.course.tell({ kind: 'applied', migration, ms: performance.now() - started });
  }

  /** Whether a migration was committed, when a script that would do so and more was refused. */
  private async isKept({ standing: { hash } }: Carried): Promise<boolean> {
    const { db, request } = this.course;
    try {
      const rows = await db.query(`SELECT 1 FROM ${request.historyTable.sql} WHERE hash = ?`, [hash]);
      return rows.length > 0;
    } catch (error) {
      // There is no history, or not in today's shape: both come with the first migration.
      if (isSqliteError(error, 'SQLITE_ERROR')) return false;
      throw error;
    }
  }

  /**
   * While nobody is told of each commit, only the last one has to outlast a power cut: in the log it is behind the others,
   * and pressing it onto the disk takes them along ("PRAGMA synchronous").
   */
  private pressing(standing: Standing, next: Migration): string[] {
    // How a caller's own connection is set up is the caller's choice.
    if (!('canonicalPath' in this.course.request.target)) return [];
    const isLast = quickMigration(standingAfter(standing, next, '')) === undefined;
    if (isLast !== this.loose) return [];
    this.loose = true;
    return [`PRAGMA synchronous = ${isLast ? 'EXTRA' : 'NORMAL'}`];
  }

  /** The last commit has taken all others along. */
  settle(): void {
    this.loose = false;
  }

  /**
   * Presses onto the disk what was committed, where no other commit follows that would: with one that changes nothing. A
   * checkpoint is not enough: beside a reader of what was there before, it has nothing to carry over and leaves the log alone.
   */
  async press(): Promise<void> {
    if (!this.loose) return;
    const { db } = this.course;
    await db.executeScript('PRAGMA synchronous = EXTRA');
    try {
      await withTransaction(db, async () => {
        await db.executeScript(`PRAGMA user_version = ${await readUserVersion(db)}`);
      });
    } catch (error) {
      if (!isSqliteError(error, 'SQLITE_BUSY')) throw error;
      // Another program writes. It is not waited for: what is to be told is why the upgrade ended.
      await db.executeScript('PRAGMA wal_checkpoint(PASSIVE)');
    }
    this.loose = false;
  }
}
