import { numberOf, withBare } from '../bare.js';
import { loadContestant } from '../contestants.js';
import { verifySchema } from '../expected.js';
import type { Workload } from '../workload.js';
import { copySettled, databaseIn, filesIn, makeFull, scripts } from './full-database.js';
import { upgradePragmas } from './migrations.js';

async function verify(database: string, readingCount: number, history: string): Promise<void> {
  await verifySchema(database, scripts, history);
  await withBare(database, async (db) => {
    const left = await numberOf(
      db,
      `SELECT (SELECT sum(readings) FROM item_day) * 10 + (SELECT count(celsius) FROM item_reading)
         + (SELECT count(*) FROM item_letter)`,
    );
    const expected = readingCount * 11 + readingCount / 5;
    if (left !== expected) throw new Error(`the rows count to ${left}, and should to ${expected}`);
  });
}

/** A database full of rows, to which five migrations are applied. */
export function full(
  { name, title, readingCount }: { name: string; title: string; readingCount: number },
  contestants: readonly string[],
): Workload {
  return {
    name,
    title,
    contestants,
    templates: { folderUnguarded: 'folder' },
    watchesLoop: true,
    makeTemplate: (contestant, folder) => makeFull(contestant, folder, readingCount),
    async prepare(contestantName, template, folder) {
      const database = databaseIn(folder);
      await copySettled(databaseIn(template), database);
      const contestant = await loadContestant(contestantName);
      await contestant.loadUpgrade?.();
      const upgrade = await contestant.prepare({
        folder: filesIn(template),
        scripts,
        pragmas: upgradePragmas,
      });
      return {
        run: () => upgrade(database),
        verify: () => verify(database, readingCount, contestant.history),
      };
    },
  };
}
