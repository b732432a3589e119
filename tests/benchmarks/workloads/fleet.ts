import { copyFileSync } from 'node:fs';
import { join } from 'node:path';

import { openBare } from '../bare.js';
import { loadContestant } from '../contestants.js';
import { verifyContent, verifyHistory } from '../expected.js';
import { growingSchema, writeFiles } from '../scripts.js';
import { memoryNow } from '../memory.js';
import type { Upgrade, UpgradeMany } from '../contestant.js';
import type { Workload } from '../workload.js';
import { upgradePragmas } from './migrations.js';

const DATABASES = 1_000;
const APPLIED = 10;
const AT_ONCE = 8;
/** One database in so many is held against its migrations; of the others, the history is looked at. */
const EVERY = 100;

/** After which of the databases the memory is looked at. */
const looks = new Map([
  [1, '1st'],
  [100, '100th'],
  [DATABASES, 'last'],
]);

const scripts = growingSchema(2 * APPLIED);
const filesIn = (template: string): string => join(template, 'migrations');

/** Makes somebody who upgrades one database upgrade many. */
function inTurn(upgrade: Upgrade): UpgradeMany {
  return async (databases, atOnce, ended) => {
    const rest = databases[Symbol.iterator]();
    const one = async (): Promise<void> => {
      for (const database of { [Symbol.iterator]: () => rest }) {
        await upgrade(database);
        ended();
      }
    };
    await Promise.all(Array.from({ length: atOnce }, one));
  };
}

/** Many small databases with ten migrations applied and ten pending. */
export function fleet(contestants: readonly string[]): Workload {
  return {
    name: 'fleet',
    title: `${DATABASES.toLocaleString('en')} small databases, ${APPLIED} migrations pending in each, ${AT_ONCE} at once`,
    contestants,
    units: DATABASES,
    async makeTemplate(name, folder) {
      const contestant = await loadContestant(name);
      const first = scripts.slice(0, APPLIED);
      const begun = join(folder, 'begun');
      await writeFiles(begun, contestant.files(first));
      await writeFiles(filesIn(folder), contestant.files(scripts));
      const upgrade = await contestant.prepare({ folder: begun, scripts: first, pragmas: upgradePragmas });
      await upgrade(join(folder, 'a.db'));
    },
    async prepare(name, template, folder) {
      const contestant = await loadContestant(name);
      await contestant.loadUpgrade?.();
      const databases = Array.from({ length: DATABASES }, (_, index) => join(folder, `${index}.db`));
      for (const path of databases) copyFileSync(join(template, 'a.db'), path);
      const setup = { folder: filesIn(template), scripts, pragmas: upgradePragmas };
      const upgradeMany = (await contestant.prepareMany?.(setup)) ?? inTurn(await contestant.prepare(setup));
      const figures: Record<string, number> = {};
      let ended = 0;
      return {
        run: () =>
          upgradeMany(databases, AT_ONCE, () => {
            ended += 1;
            const place = looks.get(ended);
            if (place === undefined) return;
            const { held, resident, outside } = memoryNow();
            for (const [what, size] of Object.entries({ held, resident, outside }))
              figures[`${what} after the ${place}, MiB`] = size;
          }),
        figures: () => figures,
        async verify() {
          const whole = databases.filter((_, index) => index % EVERY === 0);
          for (const path of whole) await verifyContent(path, scripts, contestant.history);
          const verifyOne = async (path: string): Promise<void> => {
            const db = await openBare(path, 'read-only');
            await verifyHistory(db, scripts, contestant.history);
            await db.close();
          };
          await inTurn(verifyOne)(databases, AT_ONCE, () => undefined);
        },
      };
    },
  };
}
