import type { DatabaseBridge } from '../database/database-bridge.js';

/** "PRAGMA data_version": changes when another connection has committed, and never by our own doing. */
export async function readDataVersion(db: DatabaseBridge): Promise<number> {
  const [row] = await db.query('PRAGMA data_version');
  return Number(row?.data_version);
}
