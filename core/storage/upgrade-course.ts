import type { DatabaseBridge } from '../database/database-bridge.js';
import type { Holdings } from './database-inventory.js';
import { LARGEST_USER_VERSION, type DatabaseState } from './database-state.js';
import { appliedMigrations, type Attempt } from './history-row.js';
import { LooseCommits } from './loose-commits.js';
import { mayAddCheck } from './migration-effect.js';
import { ensureHistory, readHistory, recordAttempts } from './migration-history.js';
import type { Migration } from './migration.js';
import type { Standing } from './standing.js';
import { StockTaking } from './stock-taking.js';
import type { UpgradeConnection } from './upgrade-connection.js';
import type { RunRequest, UpgradeWork } from './upgrade-request.js';

/** What one step turned out to be, once its transaction is committed. */
export type Step =
  | { readonly kind: 'adopted'; readonly files: readonly string[]; readonly ms: number }
  | { readonly kind: 'applied'; readonly migration: Migration; readonly ms: number }
  | { readonly kind: 'rolled back'; readonly migration: Migration; readonly ms: number };

/** What one upgrade knows and has done so far. */
export class UpgradeCourse {
  readonly db: DatabaseBridge;
  readonly stock: StockTaking;
  readonly commits: LooseCommits;
  /** What was recorded; those of a transaction that is not committed yet are its end. */
  readonly attempts: Attempt[] = [];
  readonly losses: string[] = [];
  state: DatabaseState | undefined;
  version: number | undefined;
  /** What the database held before the first step, and holds after the last; undefined where nothing was done. */
  before: Pick<Holdings, 'rows'> | undefined;
  after: Holdings | undefined;
  /** What is known between two transactions; undefined where the next one has to look. */
  standing: Standing | undefined;
  /** The migration of which it was told that it begins, when its quick way did not lead to the end. */
  begun: Migration | undefined;
  /** Whether the history is known to be there, in today's shape. */
  hasHistory = false;
  /** Whether the look at the database found none, and nothing in its place. */
  private hasRoomForHistory = false;
  /** Whether a file may have added a CHECK to rows that were there. */
  addsCheck = false;
  private committed = 0;
  /** The steps of the transaction that is open. */
  private readonly untold: Step[] = [];

  constructor(
    readonly request: RunRequest,
    readonly connection: UpgradeConnection,
  ) {
    this.db = connection.db;
    this.commits = new LooseCommits(this.db, 'canonicalPath' in request.target);
    this.stock = new StockTaking(this.db, request.historyTable, request.settings);
  }

  /** Whether anything was recorded in the transaction that is open. */
  get hasNews(): boolean {
    return this.attempts.length > this.committed;
  }

  /** A step was carried out in the transaction that is open: it is told once that is committed. */
  note(step: Step): void {
    this.untold.push(step);
  }

  /** A transaction was committed: what was recorded in it stays. */
  keep(): void {
    this.committed = this.attempts.length;
    for (const step of this.untold.splice(0)) this.tell(step);
  }

  /** A transaction was rolled back: nothing that was learned in it holds. */
  forget(): void {
    this.attempts.length = this.committed;
    this.untold.length = 0;
    this.stock.forget();
    this.standing = undefined;
    this.after = undefined;
    this.hasHistory = false;
    this.hasRoomForHistory = false;
  }

  /** The database was looked at: what was known of its history before holds no longer. */
  looked({ hasRoomForHistory = false }: UpgradeWork): void {
    this.hasHistory = false;
    this.hasRoomForHistory = hasRoomForHistory;
  }

  /** What files make may bear the name of the history's table, or of an index of it. */
  willRunFiles(): void {
    this.hasRoomForHistory = false;
  }

  /**
   * Steps are to be begun again: what was made sure of before the first write was so in a transaction that is gone.
   *
   * @param migration the one that is not to go the quick way again
   */
  async beginAgain(migration: Migration | undefined): Promise<void> {
    this.begun = migration;
    if (this.committed > 0) return;
    this.before = undefined;
    await this.connection.withdrawBackup();
  }

  /** Adds rows to the history, and lets user_version follow. */
  async record(...attempts: readonly Attempt[]): Promise<void> {
    if (!this.hasHistory) await ensureHistory(this.db, this.request.historyTable, this.hasRoomForHistory);
    this.hasHistory = true;
    const userVersion = await recordAttempts(this.db, this.request.historyTable, attempts);
    this.attempts.push(...attempts);
    const applied = attempts.filter(({ status }) => status === 'applied');
    if (applied.length === 0) return;
    const version = Math.max(...applied.map((attempt) => attempt.version));
    // What an old release claimed can be ahead of what is applied, and must not stay so.
    const isNewest = version > userVersion && version <= LARGEST_USER_VERSION;
    const stamp = isNewest ? version : await this.newestStamp();
    if (stamp !== userVersion) await this.setUserVersion(stamp);
  }

  /** user_version tells the newest version while it fits, and otherwise how many migrations stand applied. */
  async newestStamp(): Promise<number> {
    const applied = appliedMigrations(await readHistory(this.db, this.request.historyTable));
    const newest = applied.at(-1)?.version ?? 0;
    return newest <= LARGEST_USER_VERSION ? newest : applied.length;
  }

  async setUserVersion(stamp: number): Promise<void> {
    await this.db.executeScript(`PRAGMA user_version = ${stamp}`);
  }

  /** Proves the finished database, says in its history that it is, and counts what it holds. */
  async finish(last: Migration | undefined, after?: Holdings): Promise<void> {
    await this.request.bridge.verify(this.db, last);
    const { bridge, settings } = this.request;
    const tables = await bridge.seal(this.db, after === undefined && settings.countRows);
    this.after = after ?? (await this.stock.holdings({ plain: this.standing?.plain === true, tables }));
  }

  /** A migration is applied and recorded. */
  reach(migration: Migration): void {
    this.version = Math.max(this.version ?? 0, migration.version);
    this.addsCheck ||= mayAddCheck(migration);
  }

  tellBegin(kind: 'applied' | 'rolled back', migration: Migration): void {
    if (this.begun === migration) return;
    const { version, filename } = migration;
    this.request.progress({ kind: kind === 'applied' ? 'applying' : 'rolling-back', version, filename });
  }

  tell(step: Step): void {
    const { progress, logger } = this.request;
    if (step.kind === 'adopted') {
      progress(step);
      logger.info({ files: step.files.length, ms: Math.round(step.ms) }, 'legacy database adopted');
      return;
    }
    const [kind, sentence] =
      step.kind === 'applied'
        ? (['applied', 'migration applied'] as const)
        : (['rolled-back', 'migration rolled back'] as const);
    const { version, filename } = step.migration;
    progress({ kind, version, filename, ms: step.ms });
    logger.info({ version, file: filename, ms: Math.round(step.ms) }, sentence);
  }
}
