import type { DatabaseBridge } from '../database/database-bridge.js';
import { withTransaction } from '../database/transaction.js';
import { isSqliteError } from '../errors.js';
import { readUserVersion } from './database-state.js';

/** Commits that only a later one presses onto the disk: with a write-ahead log, while nobody is told of each. */
export class LooseCommits {
  /** Whether there are commits that no later one has taken along onto the disk. */
  private loose = false;

  /** @param isOwn whether the connection is the upgrade's own: how a caller's is set up is the caller's choice */
  constructor(
    private readonly db: DatabaseBridge,
    private readonly isOwn: boolean,
  ) {}

  /**
   * Only the last commit has to outlast a power cut: in the log it is behind the others, and pressing it onto the disk takes
   * them along ("PRAGMA synchronous").
   *
   * @param isLast whether the transaction that begins next is the last one of its kind
   * @returns SQL for in front of it
   */
  loosen(isLast: boolean): string[] {
    if (!this.isOwn || isLast !== this.loose) return [];
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
    const { db } = this;
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
