import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { DatabaseDriver, LocalBridge } from '../../../core/database/database-bridge.js';
import { numberOf, withBare } from '../bare.js';
import type { Workload } from '../workload.js';
import { databaseIn, makeFull } from './full-database.js';

/** A full database, copied in several ways. */
export function copies(readingCount: number): Workload {
  return {
    name: 'copy',
    title: 'A copy of 200 MB',
    contestants: ['file', 'locked', 'vacuum', 'pages', 'backup'],
    templates: { locked: 'file', vacuum: 'file', pages: 'file', backup: 'file' },
    watchesLoop: true,
    makeTemplate: (_contestant, folder) => makeFull('limit', folder, readingCount),
    async prepare(contestant, template, folder) {
      const database = databaseIn(template);
      const copy = await copyingWith(contestant, database, folder);
      let path = '';
      return {
        run: async () => {
          path = await copy();
        },
        verify: () =>
          withBare(path, async (db) => {
            const rows = await numberOf(db, 'SELECT count(*) FROM item_reading');
            if (rows !== readingCount) throw new Error(`the copy has ${rows} rows of ${readingCount}`);
          }),
      };
    },
  };
}

type CopyFiles = (source: LocalBridge, target: string, signal: undefined) => Promise<void>;

/** As before an upgrade: the copy is made while another connection keeps writers away, and its log is folded into it. */
async function copyLocked(
  driver: DatabaseDriver,
  copyFiles: CopyFiles,
  source: LocalBridge,
  target: string,
): Promise<void> {
  await writeFile(target, '');
  const holder = await driver.open(source.location, 'read-write');
  await holder.execute('BEGIN IMMEDIATE');
  await copyFiles(source, target, undefined);
  await holder.execute('ROLLBACK');
  await holder.close();
  const copy = await driver.open(target, 'read-write');
  await copy.executeScript('PRAGMA synchronous = OFF');
  await copy.query('PRAGMA journal_mode = DELETE');
  await copy.close();
}

/** Copies a database into a folder and says where to. */
async function copyingWith(
  contestant: string,
  database: string,
  folder: string,
): Promise<() => Promise<string>> {
  const target = join(folder, 'copy.db');
  if (contestant === 'backup') {
    const { createBackup } = await import('sqlite-upgrade-bridge');
    return async () => (await createBackup(database, { folder })).path;
  }
  const { sqlite3Driver } = await import('../../../core/database/sqlite3-bridge.js');
  const { copyLockedFiles } = await import('../../../core/storage/locked-copy.js');
  // An upgrade has loaded the driver long before it copies.
  await (await sqlite3Driver.open(':memory:', 'create')).close();
  return async () => {
    if (contestant === 'file') {
      await copyFile(database, target);
      return target;
    }
    const db = await sqlite3Driver.open(database, 'read-only');
    if (contestant === 'locked') await copyLocked(sqlite3Driver, copyLockedFiles, db, target);
    else if (contestant === 'vacuum') await db.execute('VACUUM INTO ?', [target]);
    else await db.backupTo(target);
    await db.close();
    return target;
  };
}
