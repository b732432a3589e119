import { statSync } from 'node:fs';

import type { DatabaseDriver, LocalBridge } from '../database/database-bridge.js';
import { DatabaseError } from '../errors.js';
import type { DatabaseFile } from './database-file.js';

/**
 * A connection on which a database is looked at before there is a lock, and which can become the one that changes it: to
 * open another one takes as long as several migrations.
 */
export class EarlyConnection {
  /** Whether it is no longer this one's to close. */
  private isGone = false;

  private constructor(
    readonly db: LocalBridge,
    private readonly file: DatabaseFile,
    private readonly identity: string,
  ) {}

  /**
   * @returns undefined where looking is left to a connection that may only read: where a log or a journal lies beside the
   *   database, which one that may write would carry over or undo, and where SQLite refuses to open it. It waits for nobody
   */
  static async open(driver: DatabaseDriver, file: DatabaseFile): Promise<EarlyConnection | undefined> {
    const isAlone = file.exists && file.walBytes === 0 && file.journalBytes === 0;
    if (!isAlone || file.networkFileSystem !== undefined) return undefined;
    const identity = identityOf(file);
    try {
      return new EarlyConnection(await driver.open(file.canonicalPath, 'read-write', 0), file, identity);
    } catch (error) {
      if (error instanceof DatabaseError) return undefined;
      throw error;
    }
  }

  /**
   * Hands the connection over. To be called under the lock: until then the file could be replaced by another one, such as
   * a backup.
   *
   * @returns undefined where that has happened
   */
  take(): LocalBridge | undefined {
    if (this.isGone || identityOf(this.file) !== this.identity) return undefined;
    this.isGone = true;
    return this.db;
  }

  /** Closes the connection, unless it was taken. */
  async close(): Promise<void> {
    if (this.isGone) return;
    this.isGone = true;
    await this.db.close();
  }
}

/** A file that is open keeps its number, so that no other one has it meanwhile. */
function identityOf({ canonicalPath }: DatabaseFile): string {
  const found = statSync(canonicalPath, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? '' : `${String(found.dev)} ${String(found.ino)}`;
}
