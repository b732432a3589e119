import type { DatabaseBridge, DatabaseDriver } from '../database/database-bridge.js';
import { refuseDamage, type IntegrityResult } from './database-integrity.js';
import type { ChangeRequest } from './upgrade-request.js';
import { withInterrupt } from './verified-copy.js';

/** From how many bytes on a check takes longer than it takes to begin one on a connection of its own. */
const WORTH_BYTES = 1024 ** 2;

/** Up to how many bytes of a database all that a transaction changes may stay in memory for as long as the check takes. */
const HELD_BYTES = 16 * 1024 ** 2;

/** Much more than is written in that time: a bound for a statement that goes on when the check is over. */
const HELD_KIB = 256 * 1024;

/** A check goes through a database once, and finds little again that it has read. */
const CACHED_PAGES = 100;

/**
 * The look for damage before the first commit of an upgrade.
 *
 * What a transaction writes into a write-ahead log is no part of the database until it is committed ("Write-Ahead
 * Logging"), and with a rollback journal it stays in memory until then, where that is asked for ("PRAGMA cache_spill"). So
 * the check goes on beside the transaction, on a connection that sees what the transaction found, and the commit waits for
 * it. It is over before anything is written in a database that is large and has no log, and in one that is tiny.
 *
 * Rolling a damaged database back is no way to leave it as it was: a journal keeps no page that the freelist names
 * ("Database File Format", section 1.5), and where that is wrong, rows are on it. So nothing may be written into it at all.
 */
export class DamageCheck {
  /** Whether it is known that the transaction must not be committed. */
  hasFailed = false;

  private constructor(private readonly running: Promise<IntegrityResult>) {
    // What it throws is thrown by `end`.
    running.catch(() => {
      this.hasFailed = true;
    });
  }

  /**
   * @param db the connection that keeps other writers away, in its transaction
   * @param bytes how large the database is
   */
  static async begin(db: DatabaseBridge, bytes: number, request: ChangeRequest): Promise<DamageCheck> {
    const depth = bytes <= request.settings.fullCheckBytes ? 'full' : 'quick';
    const { target, driver, signal } = request;
    const file = 'canonicalPath' in target && bytes >= WORTH_BYTES ? target : undefined;
    const place = file === undefined ? undefined : await whereWrites(db, bytes, driver);
    if (file === undefined || place === undefined)
      return new DamageCheck(Promise.resolve(await lookForDamage(db, depth, request)));
    // A connection that may only read looks at no CHECK.
    const own = await driver.open(file.canonicalPath, 'read-write');
    const look = async (): Promise<IntegrityResult> => {
      try {
        await own.executeScript(`PRAGMA cache_size = ${CACHED_PAGES}`);
        return await withInterrupt(own, signal, () => lookForDamage(own, depth, request));
      } finally {
        await own.close();
      }
    };
    const lookAndLetGo = async (): Promise<IntegrityResult> => {
      const result = await look();
      await db.executeScript('PRAGMA cache_spill = 1');
      return result;
    };
    return new DamageCheck(place === 'memory' ? lookAndLetGo() : look());
  }

  /** Has something done at once where the transaction must not be committed. */
  onFailure(stop: () => void): void {
    this.running.catch(stop);
  }

  /**
   * Waits until it is known whether the database is whole. To be called before the commit.
   *
   * @throws UnreadableDatabaseError (DAMAGED_DATABASE) where it is not
   */
  end(): Promise<IntegrityResult> {
    return this.running;
  }
}

/** Where what a transaction writes stays until it is committed; undefined where that can be the database itself. */
async function whereWrites(
  db: DatabaseBridge,
  bytes: number,
  { threads = false }: DatabaseDriver,
): Promise<'log' | 'memory' | undefined> {
  const [row] = await db.query('PRAGMA journal_mode');
  if (row?.journal_mode === 'wal') return 'log';
  // Without threads the check waits for the first script, however much that writes.
  if (bytes > HELD_BYTES || !threads) return undefined;
  // Inside a transaction the number takes effect, and OFF does not.
  await db.executeScript(`PRAGMA cache_spill = -${HELD_KIB}`);
  return 'memory';
}

async function lookForDamage(
  db: DatabaseBridge,
  depth: 'quick' | 'full',
  { target, logger, progress }: ChangeRequest,
): Promise<IntegrityResult> {
  const started = performance.now();
  // A connection that was lent may ignore CHECKs ("PRAGMA ignore_check_constraints"); ours does not.
  const result = await refuseDamage(db, depth, 'canonicalPath' in target ? 'sqlite' : 'nobody');
  for (const line of [...result.brokenRules, ...result.staleIndexes])
    logger.warn({ finding: line }, 'found before the upgrade');
  progress({ kind: 'checked', depth, ms: performance.now() - started });
  return result;
}
