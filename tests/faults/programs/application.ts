// Reads and writes all along, as an application does that knows nothing of an upgrade:
// `application DATABASE [on-the-upgrades-connection]`. Tells of each row as soon as it is saved ("saved ID NUMBER"), and
// of each statement that failed ("failed MESSAGE"); ends when its standard input ends.
//
// With the second word, an upgrade runs on its own connection meanwhile, for the control run.
import { setTimeout as pause } from 'node:timers/promises';

import { sqlite3Driver } from '../../../core/database/sqlite3-bridge.js';
import { messageOf, worldLegacyVersions } from '../../../core/index.js';
import { upgradeOn } from '../support/unprotected-upgrade.js';
import { migrationsDir } from '../support/places.js';

const BUSY_TIMEOUT_MS = 30_000;
/** Between two turns, so that there are others beside it. */
const PAUSE_MS = 2;

const [database = '', together] = process.argv.slice(2);
const db = await sqlite3Driver.open(database, 'read-write');
await db.query(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);

process.stdin.resume();
if (together !== undefined) {
  const options = { database, migrations: migrationsDir, legacy: worldLegacyVersions };
  void upgradeOn(db, options).then(() => {
    console.log('upgraded');
  });
}

let saved = 0;
for (let number = 1; !process.stdin.readableEnded; number += 1) {
  try {
    const { lastInsertRowid } = await db.execute(
      `INSERT INTO agent_memory (agent_id, world_id, role, content, created_at)
       VALUES ('agent-1', 'world-1', 'user', ?, '2025-01-01 00:00:00')`,
      [`note ${number}`],
    );
    saved += 1;
    console.log(`saved ${lastInsertRowid} ${number}`);
    const [row] = await db.query("SELECT count(*) AS notes FROM agent_memory WHERE content LIKE 'note %'");
    if (row?.notes !== saved) console.log(`failed it sees ${String(row?.notes)} of its ${saved} notes`);
  } catch (error) {
    console.log(`failed ${messageOf(error)}`);
  }
  await pause(PAUSE_MS);
}
await db.close();
