// Upgrades databases, one after the other, as an application does that opens them. Each line of the standard input is a
// job (Job, as JSON); what happens meanwhile and how it ended goes to the standard output, a line each (Message).
import { createInterface } from 'node:readline';

import { openStorage, UpgradeBridgeError, worldLegacyVersions } from '../../../core/index.js';
import { migrationsDir } from '../support/places.js';
import { upgradeWithout } from '../support/unprotected-upgrade.js';
import { isJob, type Job, type Message } from '../support/upgrader.js';

function say(message: Message): void {
  console.log(JSON.stringify(message));
}

async function upgrade({ database, without, backup }: Job): Promise<number[]> {
  const options = {
    database,
    legacy: worldLegacyVersions,
    backup,
    onProgress: ({ kind }: { readonly kind: string }) => {
      say({ kind: 'event', event: kind });
    },
  };
  if (without.length > 0) {
    const { attempts } = await upgradeWithout(without, { ...options, migrations: migrationsDir });
    return attempts.map(({ version }) => version);
  }
  const storage = await openStorage({ ...options, migrationsDir });
  await storage.close();
  const { adopted, completed, applied } = storage.report;
  return [...adopted, ...completed, ...applied].map(({ version }) => version);
}

say({ kind: 'event', event: 'ready' });
for await (const line of createInterface(process.stdin)) {
  const job: unknown = JSON.parse(line);
  if (!isJob(job)) throw new Error(`This is no job: ${line}`);
  say({ kind: 'event', event: 'started' });
  try {
    say({ kind: 'upgraded', recorded: await upgrade(job) });
  } catch (error) {
    if (!(error instanceof UpgradeBridgeError)) throw error;
    say({ kind: 'refused', code: String(error.code), message: error.message, hint: error.hint });
  }
}
