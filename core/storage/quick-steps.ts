import { randomBytes } from 'node:crypto';

import { rollBack } from '../database/transaction.js';
import { DatabaseError, isSqliteError, messageOf } from '../errors.js';
import { attemptAt, type Attempt } from './history-row.js';
import { historyScript } from './history-table.js';
import { effectOf } from './migration-effect.js';
import { rowsScript } from './migration-history.js';
import type { Migration } from './migration.js';
import { FILES_IN_GROUP, quickGroup, type QuickGroup } from './quick-group.js';
import type { Standing } from './standing.js';
import type { Step, UpgradeCourse } from './upgrade-course.js';

/** The quick way led nowhere: nothing of the migrations is kept, and applied statement by statement they say why. */
export class LeftQuickWay extends Error {
  /** @param migration the one that failed; undefined where it is one of several */
  constructor(
    readonly migration: Migration | undefined,
    override readonly cause: unknown,
  ) {
    super(messageOf(cause), { cause });
  }
}

/** Migrations whose statements were carried out in the transaction that is open. */
interface Carried {
  readonly steps: readonly (Step & { kind: 'applied' })[];
  readonly attempts: readonly Attempt[];
  /** SQL that records them, in that transaction. */
  readonly recording: readonly string[];
  /** How the database stands once that is committed. */
  readonly standing: Standing;
  /** What can be carried out next. */
  readonly next: QuickGroup;
}

/** An error of SQL where something is not so. */
const refuseUnless = (fact: string): string => `SELECT iif(${fact}, 1, json('no JSON'))`;

/** The semicolon stands right behind each statement: SQLite keeps what is before it as the text of an index. */
const asScript = (statements: readonly string[]): string => statements.join(';\n');

const statementsOf = ({ migrations }: QuickGroup): string[] =>
  migrations.flatMap(({ statements }) => statements.map(({ sql }) => sql));

/**
 * Migrations that can do no harm. Several of them share a call of the driver and a transaction where nobody is told of each,
 * and each has its own where somebody is. A row in the history needs the time that its migration took, and so travels with
 * the commit and with what comes next.
 */
export class QuickSteps {
  /** How many migrations share a transaction at most. */
  private most: number;

  constructor(private readonly course: UpgradeCourse) {
    this.most = course.request.watched ? 1 : FILES_IN_GROUP;
  }

  /**
   * Applies the migrations that can be applied so, from the transaction that is open on. The last of them are recorded in
   * the transaction that is open then, for the caller to commit.
   *
   * @returns the last one; undefined where there is none, or the first one was refused and nothing of it is left
   * @throws LeftQuickWay when a later one was refused, or there is no transaction any more; nothing is open then
   */
  async carryOut(standing: Standing): Promise<(Step & { kind: 'applied' }) | undefined> {
    const { db, request } = this.course;
    const isOne = request.settings.transaction === 'all';
    let done = this.carried(standing, [], []);
    let last: (Step & { kind: 'applied' }) | undefined;
    while (done.next.migrations.length > 0) {
      done = isOne || done.steps.length === 0 ? await this.goOnWithin(done) : await this.goOnBehind(done);
      last = done.steps.at(-1) ?? last;
    }
    if (done.steps.length === 0) return last;
    try {
      await db.executeScript(asScript(done.recording));
    } catch (error) {
      throw await this.left(done, error);
    }
    this.note(done);
    return last;
  }

  /** Records what was carried out, and carries out the next migrations in the same transaction. */
  private async goOnWithin(done: Carried): Promise<Carried> {
    const { course } = this;
    const { migrations } = done.next;
    const started = performance.now();
    this.tellBegin(done.next);
    const mark = `step_${randomBytes(8).toString('hex')}`;
    const step = [`SAVEPOINT ${mark}`, ...statementsOf(done.next), `RELEASE ${mark}`];
    const script = asScript([...done.recording, ...step]);
    try {
      await course.connection.interruptible(() => course.db.executeScript(script));
    } catch (error) {
      if (!(error instanceof DatabaseError)) throw error;
      if (!(await this.undo(mark))) throw await this.left(done, error);
      this.note(done);
      course.begun = this.toldApart(migrations);
      return this.carried(done.standing, [], []);
    }
    this.note(done);
    return this.carriedOut(done, started);
  }

  /** @returns false where there is no transaction any more, or what was to be recorded before was refused */
  private async undo(mark: string): Promise<boolean> {
    try {
      await this.course.db.executeScript(`ROLLBACK TO ${mark}; RELEASE ${mark}`);
      return true;
    } catch (error) {
      if (isSqliteError(error, 'SQLITE_ERROR')) return false;
      throw error;
    }
  }

  /** Records what was carried out, commits it, and carries out the next migrations in a transaction of their own. */
  private async goOnBehind(done: Carried): Promise<Carried> {
    const { db, connection, commits, request } = this.course;
    const { dataVersion, wal } = done.standing;
    const step = [
      'BEGIN IMMEDIATE',
      // A COMMIT or a ROLLBACK behind our back would switch it off ("PRAGMA defer_foreign_keys").
      'PRAGMA defer_foreign_keys = ON',
      ...statementsOf(done.next),
      refuseUnless(`(SELECT data_version FROM pragma_data_version) = ${dataVersion}
        AND (SELECT defer_foreign_keys FROM pragma_defer_foreign_keys) = 1`),
    ];
    try {
      await connection.proveWhole();
      let started = performance.now();
      if (wal && !request.watched) {
        const isLast = quickGroup(done.next.after, 1).migrations.length === 0;
        const recording = [...done.recording, 'COMMIT', ...commits.loosen(isLast)];
        await connection.interruptible(() => db.executeScript(asScript([...recording, ...step])));
        this.keep(done);
        this.tellBegin(done.next);
      } else {
        // With a rollback journal, a reader can keep a COMMIT waiting.
        await db.executeScript(asScript(wal ? [...done.recording, 'COMMIT'] : done.recording));
        if (!wal) await connection.commit();
        this.keep(done);
        connection.refuseToGoOn();
        started = performance.now();
        this.tellBegin(done.next);
        await connection.interruptible(() => db.executeScript(asScript(step)));
      }
      return this.carriedOut(done, started);
    } catch (error) {
      throw await this.left(done, error);
    }
  }

  /** What is to be thrown when a script was refused that would record something and more: nothing is open any more. */
  private async left(done: Carried, error: unknown): Promise<unknown> {
    await rollBack(this.course.db, ['ROLLBACK'], error);
    const isKept = done.steps.length > 0 && (await this.isKept(done));
    if (isKept) this.keep(done);
    if (!(error instanceof DatabaseError)) return error;
    const waiting = isKept || done.steps.length === 0 ? done.next.migrations : [];
    const refused = waiting.length > 0 ? waiting : done.steps.map(({ migration }) => migration);
    const blamed = this.toldApart(refused);
    // All that was done is to be done again: it would be so each time.
    if (this.course.request.settings.transaction === 'all') this.most = 0;
    return new LeftQuickWay(blamed, error);
  }

  /** The one of the migrations that was refused; where they are several, each has to be tried alone from now on. */
  private toldApart(refused: readonly Migration[]): Migration | undefined {
    if (refused.length === 1) return refused[0];
    this.most = 1;
    return undefined;
  }

  private tellBegin({ migrations }: QuickGroup): void {
    for (const migration of migrations) this.course.tellBegin('applied', migration);
  }

  private carriedOut({ standing: { hash, hasHistory }, next }: Carried, started: number): Carried {
    const { historyTable } = this.course.request;
    const { migrations, after } = next;
    // What was carried out together shares the time that it took.
    const ms = (performance.now() - started) / migrations.length;
    const outcome = { status: 'applied', origin: 'migration', executionTimeMs: ms, details: {} } as const;
    const attempts = migrations.map((migration) => attemptAt(migration, outcome));
    const rows = rowsScript(historyTable, attempts, hash);
    const recording = [
      ...(hasHistory ? [] : historyScript(historyTable)),
      rows.sql,
      `PRAGMA user_version = ${after.userVersion}`,
    ];
    const steps = migrations.map((migration) => ({ kind: 'applied', migration, ms }) as const);
    return { ...this.carried({ ...after, hash: rows.hash }, steps, attempts), recording };
  }

  private carried(standing: Standing, steps: Carried['steps'], attempts: readonly Attempt[]): Carried {
    const found = quickGroup(standing, this.most);
    const next = found.migrations[0] === this.course.begun ? quickGroup(standing, 0) : found;
    return { steps, attempts, recording: [], standing, next };
  }

  /** Migrations are recorded in the transaction that is open. */
  private note({ steps, attempts, standing }: Carried): void {
    if (steps.length === 0) return;
    const { course } = this;
    course.attempts.push(...attempts);
    for (const step of steps) {
      course.stock.passOver(effectOf(step.migration));
      course.reach(step.migration);
      course.note(step);
    }
    course.standing = standing;
    course.hasHistory = true;
    course.begun = undefined;
  }

  /** Migrations are recorded and committed. */
  private keep(done: Carried): void {
    const [first] = done.attempts;
    if (first === undefined || this.course.attempts.includes(first)) return;
    this.note(done);
    this.course.keep();
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
}
