import { openStorage, type DriverName, type UpgradeReport } from '../../core/index.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import { readSchema, type SchemaSnapshot } from '../../core/storage/schema-snapshot.js';
import { withCopy } from './database-copy.js';
import { historyTable } from './history-table.js';
import { behaviourOf, describeSchema, type DescribedSchema } from './schema-by-pragmas.js';

/** What a database of the worlds' storage that was made by opening it comes to; what was upgraded has to equal it. */
export interface FreshDatabase {
  readonly schema: SchemaSnapshot;
  readonly described: DescribedSchema;
  readonly behaviour: readonly string[];
}

/** Opens the worlds' storage in a file, and closes it again. */
export async function openAndClose(path: string, driver: DriverName = 'sqlite3'): Promise<UpgradeReport> {
  const storage = await openStorage({ database: path, backup: false, driver });
  await storage.close();
  return storage.report;
}

/** The schema of a database, read from a copy: what lies beside it stays as it is. */
export function snapshotOf(path: string): Promise<SchemaSnapshot> {
  return withCopy(path, async (copy) => {
    const db = await sqlite3Driver.open(copy, 'read-only');
    try {
      return await readSchema(db, historyTable);
    } finally {
      await db.close();
    }
  });
}

/** Makes a new database. */
export async function makeFresh(path: string): Promise<FreshDatabase> {
  await openAndClose(path);
  return {
    schema: await snapshotOf(path),
    described: await describeSchema(path),
    behaviour: await behaviourOf(path),
  };
}
