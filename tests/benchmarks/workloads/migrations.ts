import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';

import { loadContestant } from '../contestants.js';
import { verifyContent } from '../expected.js';
import { growingSchema, writeFiles } from '../scripts.js';
import type { Workload } from '../workload.js';

/** What the project's own upgrade uses on a database with a write-ahead log; everybody gets the same. */
export const upgradePragmas =
  'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF;';

/** What a program sets at each start. */
const startPragmas =
  'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000;';

const filesIn = (template: string): string => join(template, 'migrations');
const databaseIn = (folder: string): string => join(folder, 'a.db');

/** An empty database, and all migrations pending. */
export function fresh(count: number, contestants: readonly string[]): Workload {
  const scripts = growingSchema(count);
  return {
    name: `fresh-${count}`,
    title: `A fresh file, ${count.toLocaleString('en')} migrations`,
    contestants,
    units: count,
    limits: { folderTogether: 'limit-together' },
    async makeTemplate(name, folder) {
      const contestant = await loadContestant(name);
      await writeFiles(filesIn(folder), contestant.files(scripts));
    },
    async prepare(name, template, folder) {
      const contestant = await loadContestant(name);
      await contestant.loadUpgrade?.();
      const upgrade = await contestant.prepare({
        folder: filesIn(template),
        scripts,
        pragmas: upgradePragmas,
      });
      const database = databaseIn(folder);
      return {
        run: () => upgrade(database),
        verify: () => verifyContent(database, scripts, contestant.history),
      };
    },
  };
}

/** Everything applied already. */
export function nothingPending(count: number, contestants: readonly string[]): Workload {
  const scripts = growingSchema(count);
  return {
    name: `open-${count}`,
    title: `Nothing pending, ${count.toLocaleString('en')} applied`,
    contestants,
    async makeTemplate(name, folder) {
      const contestant = await loadContestant(name.startsWith('limit') ? 'limit' : name);
      await writeFiles(filesIn(folder), contestant.files(scripts));
      const upgrade = await contestant.prepare({ folder: filesIn(folder), scripts, pragmas: upgradePragmas });
      await upgrade(databaseIn(folder));
    },
    async prepare(name, template, folder) {
      const contestant = await loadContestant(name);
      const database = databaseIn(folder);
      await copyFile(databaseIn(template), database);
      const upgrade = await contestant.prepare({ folder: filesIn(template), scripts, pragmas: startPragmas });
      return {
        run: () => upgrade(database),
        verify: () => verifyContent(database, scripts, contestant.history),
      };
    },
  };
}
