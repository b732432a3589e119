import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { upgradeDatabase, worldLegacyVersions } from '../../../core/index.js';
import { migrationsDir } from './places.js';

/** A copy of a database as it was after one of the upgrade's transactions. */
export interface Snapshot {
  /** What the programs say then: `adopted`, `applied 6`. */
  readonly name: string;
  readonly path: string;
}

/** Upgrades a database undisturbed, and keeps a copy of each state that it goes through in a folder. */
export async function upgradeWithSnapshots(path: string, folder: string): Promise<Snapshot[]> {
  const snapshots: Snapshot[] = [];
  await upgradeDatabase({
    database: path,
    migrations: migrationsDir,
    legacy: worldLegacyVersions,
    backup: false,
    onProgress: (event) => {
      if (event.kind !== 'adopted' && event.kind !== 'applied') return;
      const name = event.kind === 'adopted' ? 'adopted' : `applied ${event.version}`;
      const snapshot = join(folder, `state-${snapshots.length + 1}.db`);
      // By another process: closing a copy of the file in this one would drop the locks that SQLite has on it.
      for (const side of ['', '-wal']) {
        if (existsSync(path + side)) spawnSync('cp', [path + side, snapshot + side]);
      }
      snapshots.push({ name, path: snapshot });
    },
  });
  return snapshots;
}
