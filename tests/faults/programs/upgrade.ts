// Opens a database through the library, as an application does, and tells what it is told:
// `upgrade DATABASE [--backup] [--silent] [--saves N] [--synchronous LEVEL] [--journal-mode MODE] [--cache-pages N]`.
//
// Each line that begins with @ is written by one system call before anything else happens: "@adopted", "@applied 6",
// "@opened", "@saved 0", "@closed". Ends with 0; with 3 after "@error {…}" where the library refused; anything else is
// a crash. The last three options weaken the protection, for the control runs.
import { writeSync } from 'node:fs';
import { parseArgs } from 'node:util';

import { sqlite3Driver } from '../../../core/database/sqlite3-bridge.js';
import {
  openStorage,
  UpgradeBridgeError,
  worldLegacyVersions,
  type ProgressEvent,
} from '../../../core/index.js';
import { savedWorld } from '../support/database-states.js';
import { migrationsDir } from '../support/places.js';
import { weakenDriver } from '../support/unprotected-driver.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    backup: { type: 'boolean', default: false },
    silent: { type: 'boolean', default: false },
    saves: { type: 'string', default: '0' },
    synchronous: { type: 'string' },
    'journal-mode': { type: 'string' },
    'cache-pages': { type: 'string' },
  },
});
const [database = ''] = positionals;
const pages = values['cache-pages'];
weakenDriver(sqlite3Driver, {
  synchronous: values.synchronous,
  journalMode: values['journal-mode'],
  cachePages: pages === undefined ? undefined : Number(pages),
});

function say(line: string): void {
  writeSync(1, `@${line}\n`);
}

function tell(event: ProgressEvent): void {
  if (event.kind === 'adopted' || event.kind === 'backed-up') say(event.kind);
  if (event.kind === 'applied') say(`applied ${event.version}`);
}

try {
  const storage = await openStorage({
    database,
    migrationsDir,
    legacy: worldLegacyVersions,
    ...(values.backup ? {} : { backup: false }),
    ...(values.silent ? {} : { onProgress: tell }),
  });
  say('opened');
  for (let index = 0; index < Number(values.saves); index++) {
    await storage.worlds.save(savedWorld(index));
    say(`saved ${index}`);
  }
  await storage.close();
  say('closed');
} catch (error) {
  if (!(error instanceof UpgradeBridgeError)) throw error;
  say(`error ${JSON.stringify({ code: String(error.code), message: error.message, hint: error.hint })}`);
  process.exitCode = 3;
}
