import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import {
  openStorage,
  upgradeAll,
  upgradeDatabase,
  type MigrationBundle,
  type UpgradeOptions,
} from 'sqlite-upgrade-bridge';

import type { MigrationContestant } from './contestant.js';
import { open } from './limit.js';
import { loadUpgrade } from './load-upgrade.js';
import { plainFiles } from './scripts.js';

/** Every protection turned off that can be: no rows are counted, and indexes are not held against their tables. */
export const unguarded = { countRows: false, fullCheckBytes: 0 } as const;

type Options = Omit<UpgradeOptions, 'database' | 'migrations'>;

const history = "SELECT count(*) FROM schema_migrations WHERE status = 'applied'";

/** The project over a folder of files, which it finds anew at each call. */
function overFolder(options: Options = {}): MigrationContestant {
  return {
    history,
    files: plainFiles,
    loadUpgrade,
    prepare: ({ folder }) =>
      Promise.resolve(async (database) => {
        await upgradeDatabase({ backup: false, ...options, database, migrations: folder });
      }),
  };
}

const command = fileURLToPath(new URL('cli/main.js', import.meta.resolve('sqlite-upgrade-bridge')));

/** The bundle of a folder, which is written once, by a process of its own. */
async function bundleOf(folder: string): Promise<MigrationBundle> {
  const out = join(folder, 'bundle.mjs');
  if (!existsSync(out)) execFileSync(process.execPath, [command, 'bundle', folder, '--out', out]);
  const module: unknown = await import(pathToFileURL(out).href);
  if (isModuleOfBundle(module)) return module.default;
  throw new Error(`${out} holds no bundle.`);
}

function isModuleOfBundle(module: unknown): module is { readonly default: MigrationBundle } {
  return typeof module === 'object' && module !== null && 'default' in module;
}

/** The project over a bundle, which a program has among its own modules. */
function overBundle(options: Options = {}): MigrationContestant {
  return {
    history,
    files: plainFiles,
    loadUpgrade,
    async prepare({ folder }) {
      const migrations = await bundleOf(folder);
      return async (database) => {
        await upgradeDatabase({ backup: false, ...options, database, migrations });
      };
    },
  };
}

export const ours = {
  folder: overFolder(),
  folderUnguarded: overFolder(unguarded),
  /** With all that is loaded for the first upgrade of a process. */
  folderFirst: { ...overFolder(), loadUpgrade: () => Promise.resolve() },
  folderTogether: overFolder({ transaction: 'all' }),
  /** The same through the other driver. */
  folderBetter: {
    ...overFolder(),
    async prepare(setup) {
      // As the other driver, it is loaded before the clock starts; its native part is with the first database.
      new (await import('better-sqlite3')).default(':memory:').close();
      return overFolder({ driver: 'better-sqlite3' }).prepare(setup);
    },
  } satisfies MigrationContestant,
  bundle: overBundle(),
  bundleUnguarded: overBundle(unguarded),
  upgradeAll: {
    ...overFolder(),
    prepareMany: ({ folder }) =>
      Promise.resolve(async (databases, concurrency, ended) => {
        const options = { migrations: folder, backup: false, concurrency, onResult: ended } as const;
        const { upgraded, failures } = await upgradeAll({ databases, ...options });
        if (upgraded !== databases.length) throw new Error('Not all were upgraded.', { cause: failures });
      }),
  } satisfies MigrationContestant,
  /** A program's whole start: the upgrade, and then the connection with which the program works. */
  program: {
    ...overFolder(),
    prepare: ({ folder, pragmas }) =>
      Promise.resolve(async (database) => {
        await upgradeDatabase({ backup: false, database, migrations: folder });
        await (await open(database, pragmas)).close();
      }),
  } satisfies MigrationContestant,
  /** Up to the handle that a program gets: its connection is opened and set up as well. */
  storage: {
    history,
    files: plainFiles,
    loadUpgrade,
    prepare: ({ folder }) =>
      Promise.resolve(async (database) => {
        const storage = await openStorage({ database, migrationsDir: folder, backup: false });
        await storage.close();
      }),
  } satisfies MigrationContestant,
};
