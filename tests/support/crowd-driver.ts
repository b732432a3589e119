import type { DatabaseDriver, LocalBridge, OpenMode } from '../../core/database/database-bridge.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';

/**
 * Real connections, of which it is counted to how many databases they are open at a time. None is given before `crowd`
 * databases want theirs, so that work on fewer at a time never comes to its end.
 */
export class CrowdDriver implements DatabaseDriver {
  readonly name = 'crowd';
  /** To how many databases connections were open at a time. */
  most = 0;
  private readonly connections = new Map<string, number>();
  private readonly waiting: (() => void)[] = [];
  private isThere = false;

  constructor(private readonly crowd: number) {}

  async open(location: string, mode: OpenMode): Promise<LocalBridge> {
    const db = await sqlite3Driver.open(location, mode);
    if (location === ':memory:') return db;
    this.count(location, 1);
    if (this.connections.size >= this.crowd) this.isThere = true;
    if (this.isThere) for (const resume of this.waiting.splice(0)) resume();
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
    return {
      location: db.location,
      execute: (sql, parameters) => db.execute(sql, parameters),
      executeScript: (sql) => db.executeScript(sql),
      query: (sql, parameters) => db.query(sql, parameters),
      backupTo: (path) => db.backupTo(path),
      restoreFrom: (path, whileLocked) => db.restoreFrom(path, whileLocked),
      interrupt: () => {
        db.interrupt();
      },
      close: async () => {
        await db.close();
        this.count(location, -1);
      },
    };
  }

  private count(location: string, change: 1 | -1): void {
    const count = (this.connections.get(location) ?? 0) + change;
    if (count === 0) this.connections.delete(location);
    else this.connections.set(location, count);
    this.most = Math.max(this.most, this.connections.size);
  }
}
