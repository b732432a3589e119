import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import {
  inspectDatabase,
  messageOf,
  openStorage,
  upgradeDatabase,
  UpgradeBridgeError,
  worldLegacyVersions,
  type UpgradeOptions,
} from '../../core/index.js';
import { copyDatabase, hashesIn } from '../support/database-copy.js';
import { buildLegacyDatabase, type LegacySpec } from '../support/legacy-databases.js';
import { withLegacy } from '../support/legacy-driver.js';
import { forEachAtOnce } from './support/at-once.js';
import {
  completionFaults,
  halfwayFaults,
  knowUpgrade,
  stateOf,
  type KnownUpgrade,
} from './support/known-upgrade.js';
import { asOtherUser, giveToOtherUser, giveToRoot, needsOtherUser } from './support/other-user.js';
import { everyNth, type Finding, type Need, type Part, type Settings } from './support/part.js';
import { migrationsDir } from './support/places.js';
import { needsMount, withSmallDisk, type SmallDisk } from './support/small-disk.js';
import { upgradeWithout } from './support/unprotected-upgrade.js';
import { Upgrader, type Outcome } from './support/upgrader.js';

const journals = ['rollback', 'wal'] as const;
const PAGE = 4_096;
const DISK_BYTES = 8 * 1024 ** 2;

/** A database of which files are adopted, completed by a rebuild, and applied. */
const spec: LegacySpec = {
  version: 4,
  missing: ['worlds.chat_llm_model'],
  events: 'without references',
  wrongNumbers: true,
  orphans: true,
  worlds: 12,
};

function knowBoth(folder: string): Promise<KnownUpgrade[]> {
  return Promise.all(
    journals.map((journal) =>
      knowUpgrade(folder, journal, (path) => buildLegacyDatabase(path, { ...spec, journal })),
    ),
  );
}

/** The parts of an error that a person sees. */
interface Told {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

/** How often each end came. */
class Ends {
  readonly #counts = new Map<string, number>();

  add(end: string): void {
    this.#counts.set(end, (this.#counts.get(end) ?? 0) + 1);
  }

  toString(): string {
    return [...this.#counts].map(([end, count]) => `${count} ${end}`).join(', ');
  }
}

/** What is wrong with an error that says that something of the disk is the matter. */
function toldFaults({ code, message, hint }: Told, about: RegExp): string[] {
  return about.test(`${message} ${hint}`)
    ? []
    : [`${code} does not tell what is the matter: ${message} ${hint}`];
}

const aboutSpace = /\b(disk|room|space|full)\b/i;

/** Upgrades within this process. Undefined where it went well; throws what is no error of the library. */
async function attempt(database: string, options: Partial<UpgradeOptions> = {}): Promise<Told | undefined> {
  try {
    await upgradeDatabase({ database, migrations: migrationsDir, legacy: worldLegacyVersions, ...options });
    return undefined;
  } catch (error) {
    if (error instanceof UpgradeBridgeError) return error;
    throw error;
  }
}

/** Takes everything from a disk. */
async function clear(disk: SmallDisk): Promise<void> {
  for (const name of await readdir(disk.path)) await rm(join(disk.path, name), { recursive: true });
}

/** What is wrong with looking at a database on a full disk. */
async function inspectionFaults(database: string): Promise<string[]> {
  try {
    await inspectDatabase(database, { migrations: migrationsDir, legacy: worldLegacyVersions });
    return [];
  } catch (error) {
    if (!(error instanceof UpgradeBridgeError)) throw error;
    return toldFaults(error, aboutSpace).map((fault) => `while it is full, ${fault}`);
  }
}

/** What is wrong when the application opens the database again, now that nothing stands in its way. */
async function openingFaults(
  known: KnownUpgrade,
  database: string,
  backup: UpgradeOptions['backup'],
): Promise<string[]> {
  try {
    const storage = await openStorage({ database, migrationsDir, legacy: worldLegacyVersions, backup });
    await storage.close();
    return await completionFaults(known, database);
  } catch (error) {
    return [`cannot be opened again: ${messageOf(error)}`];
  }
}

/** What is wrong with an upgrade that found too little room, and with the next one, which finds enough. */
async function fullDiskFaults(
  known: KnownUpgrade,
  disk: SmallDisk,
  told: Told | undefined,
  backup: UpgradeOptions['backup'],
): Promise<string[]> {
  const database = join(disk.path, 'database.db');
  const faults: string[] = [];
  const state = await stateOf(known, database);
  if (told === undefined) {
    if (state !== known.states.length - 1) faults.push('is not complete, though that was said');
  } else {
    faults.push(...toldFaults(told, aboutSpace));
    if (state === -1) faults.push('is between two states');
    if (/nothing was changed/i.test(told.hint) && state !== 0)
      faults.push(`${told.code} says that nothing was changed`);
    faults.push(...(await inspectionFaults(database)));
  }
  disk.makeRoom();
  return [...faults, ...(await openingFaults(known, database, backup))];
}

/** Goes through cases on two small disks, side by side. */
async function onSmallDisk<Case>(
  { folder, stride }: Settings,
  size: { readonly bytes: number; readonly inodes?: number },
  cases: (known: readonly KnownUpgrade[]) => readonly Case[],
  run: (each: Case, disk: SmallDisk) => Promise<{ readonly end: string; readonly faults: readonly string[] }>,
  nameOf: (each: Case) => string,
): Promise<Finding> {
  const place = await mkdtemp(join(folder, 'disk-'));
  const done = everyNth(cases(await knowBoth(place)), stride);
  const ends = new Ends();
  const failures: string[] = [];
  await withSmallDisk(place, size, (one) =>
    withSmallDisk(place, size, (other) =>
      forEachAtOnce(done, [one, other], async (each, disk) => {
        await clear(disk);
        const { end, faults } = await run(each, disk);
        ends.add(end);
        if (faults.length > 0) failures.push(`${nameOf(each)}: ${faults.join('; ')}`);
      }),
    ),
  );
  return { figures: `${done.length} upgrades: ${ends.toString()}`, failures };
}

interface Level {
  readonly known: KnownUpgrade;
  readonly backup: UpgradeOptions['backup'];
  readonly free: number;
}

const backups: readonly UpgradeOptions['backup'][] = [{}, false];
const nameOfBackup = (backup: UpgradeOptions['backup']): string => (backup === false ? 'without' : 'with');

/** The disk is full to some level before the upgrade begins. */
function fullBefore(settings: Settings): Promise<Finding> {
  const levels = [
    ...Array.from({ length: 12 }, (_, index) => index * PAGE),
    ...Array.from({ length: 24 }, (_, index) => 48 * 1024 + index * 96 * 1024),
  ];
  return onSmallDisk<Level>(
    settings,
    { bytes: DISK_BYTES },
    (all) =>
      all.flatMap((known) => backups.flatMap((backup) => levels.map((free) => ({ known, backup, free })))),
    async ({ known, backup, free }, disk) => {
      const database = join(disk.path, 'database.db');
      await copyDatabase(known.source, database);
      disk.fillTo(free);
      const told = await attempt(database, { backup });
      return { end: told?.code ?? 'upgraded', faults: await fullDiskFaults(known, disk, told, backup) };
    },
    ({ known, backup, free }) => `${known.name}, ${nameOfBackup(backup)} backup, ${free} bytes free`,
  );
}

interface Moment {
  readonly known: KnownUpgrade;
  /** After how many events. */
  readonly event: number;
  readonly free: number;
}

type Upgrade = (database: string, options: Partial<UpgradeOptions>) => Promise<Told | undefined>;

/** Something else fills the disk while the upgrade runs. */
function fullMeanwhile(settings: Settings, upgrade: Upgrade): Promise<Finding> {
  const events = Array.from({ length: 15 }, (_, event) => event);
  const pages = [0, 1, 2, 4, 8, 16, 32];
  return onSmallDisk<Moment>(
    settings,
    { bytes: DISK_BYTES },
    (all) =>
      all.flatMap((known) =>
        events.flatMap((event) => pages.map((page) => ({ known, event, free: page * PAGE }))),
      ),
    async ({ known, event, free }, disk) => {
      const database = join(disk.path, 'database.db');
      await copyDatabase(known.source, database);
      let happened = 0;
      const told = await upgrade(database, {
        onProgress: () => {
          if (happened === event) disk.fillTo(free);
          happened += 1;
        },
      });
      return { end: told?.code ?? 'upgraded', faults: await fullDiskFaults(known, disk, told, {}) };
    },
    ({ known, event, free }) => `${known.name}, after ${event} events ${free} bytes free`,
  );
}

/** A disk on which no more files can be made, though there is room. */
async function outOfFiles(settings: Settings): Promise<Finding> {
  const findings: Finding[] = [];
  for (const inodes of [2, 3, 4, 5, 6, 7, 8])
    findings.push(
      await onSmallDisk<Level>(
        { ...settings, stride: 1 },
        { bytes: DISK_BYTES, inodes: inodes + 1 },
        (all) => all.flatMap((known) => backups.map((backup) => ({ known, backup, free: 0 }))),
        async ({ known, backup }, disk) => {
          const database = join(disk.path, 'database.db');
          await copyDatabase(known.source, database);
          const told = await attempt(database, { backup });
          const faults: string[] = [];
          if (told !== undefined)
            faults.push(...toldFaults(told, aboutSpace), ...(await halfwayFaults(known, database)));
          else faults.push(...(await completionFaults(known, database)));
          return { end: told?.code ?? 'upgraded', faults };
        },
        ({ known, backup }) => `${known.name}, ${nameOfBackup(backup)} backup, ${inodes} files at most`,
      ),
    );
  return {
    figures: findings.map(({ figures }, index) => `${index + 2} files at most: ${figures}`).join('; '),
    failures: findings.flatMap(({ failures }) => failures),
  };
}

/** What is wrong where a process could make no file larger than a limit, and then could again. */
async function limitedFaults(
  upgrader: Upgrader,
  known: KnownUpgrade,
  database: string,
  backup: UpgradeOptions['backup'],
  bytes: number,
): Promise<{ readonly end: string; readonly faults: readonly string[] }> {
  const limit = (largest: number | 'unlimited'): void => {
    spawnSync('prlimit', ['--pid', String(upgrader.pid), `--fsize=${largest}:unlimited`]);
  };
  const job = { database, without: [], backup: backup === false ? (false as const) : {} };
  const faults: string[] = [];
  await copyDatabase(known.source, database);
  await upgrader.ready();
  limit(bytes);
  const told = toldBy(await upgrader.upgrade(job));
  limit('unlimited');
  if (told !== undefined) {
    faults.push(...toldFaults(told, /\b(disk|room|space|full|size)\b/i));
    faults.push(...(await halfwayFaults(known, database)));
    const again = toldBy(await upgrader.upgrade(job));
    if (again !== undefined) faults.push(`without a limit again: ${again.code}, ${again.message}`);
  }
  faults.push(...(await completionFaults(known, database)));
  return { end: told?.code ?? 'upgraded', faults };
}

/** No file of the upgrading process may be larger than some limit (`ulimit -f`). */
async function fileSizeLimit({ folder, stride }: Settings): Promise<Finding> {
  const place = await mkdtemp(join(folder, 'limit-'));
  const limits = [0, 1, 100, 512, ...Array.from({ length: 40 }, (_, index) => (index + 1) * 3 * PAGE)];
  const cases = everyNth(
    (await knowBoth(place)).flatMap((known) =>
      backups.flatMap((backup) => limits.map((bytes) => ({ known, backup, bytes }))),
    ),
    stride,
  );
  const ends = new Ends();
  const failures: string[] = [];
  const upgraders = [new Upgrader(), new Upgrader()];
  try {
    await forEachAtOnce(
      [...cases.entries()],
      upgraders,
      async ([index, { known, backup, bytes }], upgrader) => {
        const own = join(place, String(index));
        await mkdir(own);
        const { end, faults } = await limitedFaults(upgrader, known, join(own, 'database.db'), backup, bytes);
        ends.add(end);
        if (faults.length > 0)
          failures.push(
            `${known.name}, ${nameOfBackup(backup)} backup, ${bytes} bytes: ${faults.join('; ')}`,
          );
        await rm(own, { recursive: true });
      },
    );
  } finally {
    for (const upgrader of upgraders) await upgrader.close();
  }
  return { figures: `${cases.length} upgrades: ${ends.toString()}`, failures };
}

const needsPrlimit: Need = () =>
  spawnSync('prlimit', ['--version']).status === 0 ? undefined : 'prlimit is missing';

/** Leaves a database with the journal of a change that was cut off. */
async function makeCutOff(path: string): Promise<void> {
  const alive = `${path}.alive`;
  await buildLegacyDatabase(alive, spec);
  await withLegacy(alive, async (connection) => {
    await connection.run(
      "PRAGMA cache_size = 1; BEGIN; UPDATE agent_memory SET content = 'Half of a change.'; UPDATE worlds SET name = 'x'",
    );
    copyFileSync(alive, path);
    copyFileSync(`${alive}-journal`, `${path}-journal`);
    await connection.run('ROLLBACK');
  });
  await rm(alive);
}

const makers = {
  rollback: (path: string) => buildLegacyDatabase(path, spec),
  wal: (path: string) => buildLegacyDatabase(path, { ...spec, journal: 'wal' }),
  'a log left behind': (path: string) => buildLegacyDatabase(path, { ...spec, journal: 'wal left behind' }),
  'a change cut off': makeCutOff,
} as const;

async function knowAll(folder: string): Promise<KnownUpgrade[]> {
  const known: KnownUpgrade[] = [];
  for (const [name, make] of Object.entries(makers)) known.push(await knowUpgrade(folder, name, make));
  return known;
}

/** What is wrong with a refusal before which nothing may be written. */
async function untouchedFaults(
  folder: string,
  before: string,
  told: Told | undefined,
  about: RegExp,
): Promise<string[]> {
  if (told === undefined) return ['it was not refused'];
  const faults = toldFaults(told, about);
  if (JSON.stringify(await hashesIn(folder)) !== before)
    faults.push(`${told.code} came after something was changed`);
  return faults;
}

async function readOnlyDisk({ folder }: Settings): Promise<Finding> {
  const place = await mkdtemp(join(folder, 'read-only-'));
  const ends = new Ends();
  const failures: string[] = [];
  for (const known of await knowAll(place))
    await withSmallDisk(place, { bytes: DISK_BYTES }, async (disk) => {
      const database = join(disk.path, 'database.db');
      await copyDatabase(known.source, database);
      const before = JSON.stringify(await hashesIn(disk.path));
      disk.remount('ro');
      const told = await attempt(database);
      const faults = await untouchedFaults(disk.path, before, told, /read-only/);
      ends.add(told?.code ?? 'upgraded');
      disk.remount('rw');
      faults.push(...(await openingFaults(known, database, {})));
      if (faults.length > 0) failures.push(`${known.name}: ${faults.join('; ')}`);
    });
  return { figures: `${Object.keys(makers).length} databases: ${ends.toString()}`, failures };
}

/** Something that another user may not do. */
interface Prohibition {
  readonly name: string;
  readonly make: keyof typeof makers;
  /** Forbids it; the folder and all in it are the other user's before. */
  readonly forbid: (folder: string, database: string) => void;
  /** What the error has to name. */
  readonly about: RegExp;
}

const prohibitions: readonly Prohibition[] = [
  {
    name: 'the file cannot be read',
    make: 'rollback',
    forbid: (_, database) => {
      giveToRoot(database, 0o600);
    },
    about: /cannot be read/,
  },
  {
    name: 'the file cannot be written',
    make: 'rollback',
    forbid: (_, database) => {
      giveToRoot(database, 0o644);
    },
    about: /cannot be written/,
  },
  {
    name: 'the file of a database in WAL mode cannot be written',
    make: 'wal',
    forbid: (_, database) => {
      giveToRoot(database, 0o644);
    },
    about: /cannot be written/,
  },
  {
    name: 'the folder cannot be written',
    make: 'rollback',
    forbid: (folder) => {
      giveToRoot(folder, 0o755);
    },
    about: /folder .* cannot be written/i,
  },
  {
    name: 'the folder of a database in WAL mode cannot be written',
    make: 'wal',
    forbid: (folder) => {
      giveToRoot(folder, 0o755);
    },
    about: /folder .* cannot be written/i,
  },
  {
    name: 'the folder cannot be passed',
    make: 'rollback',
    forbid: (folder) => {
      giveToRoot(folder, 0o700);
    },
    about: /permission/,
  },
  {
    name: 'the log cannot be read',
    make: 'a log left behind',
    forbid: (_, database) => {
      giveToRoot(`${database}-wal`, 0o600);
    },
    about: /may not read ".*-wal"/,
  },
  {
    name: 'the log cannot be written',
    make: 'a log left behind',
    forbid: (_, database) => {
      giveToRoot(`${database}-wal`, 0o644);
    },
    about: /may not write ".*-wal"/,
  },
  {
    name: 'the journal cannot be read',
    make: 'a change cut off',
    forbid: (_, database) => {
      giveToRoot(`${database}-journal`, 0o600);
    },
    about: /opened|journal/,
  },
  {
    name: "another user's lock lies where nobody removes what is not his",
    make: 'rollback',
    forbid: (folder, database) => {
      giveToRoot(folder, 0o1777);
      mkdirSync(`${database}.lock`, 0o755);
      spawnSync('touch', ['--date=2020-01-01', `${database}.lock`]);
    },
    about: /lock/,
  },
];

async function prohibitionFaults(
  { make, forbid, about }: Prohibition,
  known: KnownUpgrade,
  own: string,
  upgrader: Upgrader,
): Promise<{ readonly end: string; readonly faults: readonly string[] }> {
  const database = join(own, 'database.db');
  await copyDatabase(known.source, database);
  const giveAll = async (): Promise<void> => {
    giveToOtherUser(own, 0o755);
    for (const name of await readdir(own)) giveToOtherUser(join(own, name), 0o644);
  };
  await giveAll();
  const before = JSON.stringify(await hashesIn(own));
  forbid(own, database);
  const job = { database, without: [], backup: {} };
  const told = toldBy(await upgrader.upgrade(job));
  await rm(`${database}.lock`, { recursive: true, force: true });
  const faults = await untouchedFaults(own, before, told, about);
  await giveAll();
  const again = toldBy(await upgrader.upgrade(job));
  if (again !== undefined) faults.push(`when it may again: ${again.code}, ${again.message}`);
  faults.push(...(await completionFaults(known, database)));
  return { end: told?.code ?? 'upgraded', faults: faults.map((fault) => `${make}: ${fault}`) };
}

function toldBy(outcome: Outcome): Told | undefined {
  switch (outcome.kind) {
    case 'upgraded':
      return undefined;
    case 'refused':
      return outcome;
    case 'ended':
      throw new Error(`The process that upgrades ended: ${outcome.output}`);
  }
}

async function noPermission({ folder }: Settings, command: readonly string[]): Promise<Finding> {
  const place = await mkdtemp(join(folder, 'permission-'));
  for (const path of [dirname(folder), folder, place]) await chmod(path, 0o755);
  const known = await knowAll(place);
  const ends = new Ends();
  const failures: string[] = [];
  const upgrader = new Upgrader(command);
  try {
    await upgrader.ready();
    for (const [index, each] of prohibitions.entries()) {
      const own = join(place, String(index));
      await mkdir(own);
      const expected = known.find(({ name }) => name === each.make);
      if (expected === undefined) throw new Error(`There is no database "${each.make}".`);
      const { end, faults } = await prohibitionFaults(each, expected, own, upgrader);
      ends.add(end);
      if (faults.length > 0) failures.push(`${each.name}: ${faults.join('; ')}`);
    }
  } finally {
    await upgrader.close();
  }
  return { figures: `${prohibitions.length} prohibitions: ${ends.toString()}`, failures };
}

const withoutTransactions: Upgrade = async (database, options) => {
  try {
    await upgradeWithout(['transactions'], {
      database,
      migrations: migrationsDir,
      legacy: worldLegacyVersions,
      ...options,
    });
    return undefined;
  } catch (error) {
    return { code: 'none', message: `the disk is full: ${messageOf(error)}`, hint: '' };
  }
};

/** A disk that is full, cannot be written, or may not be. */
export const disk: Part = {
  name: 'disk',
  checks: [
    { name: 'full before the upgrade', needs: [needsMount], run: fullBefore },
    {
      name: 'full while it runs',
      needs: [needsMount],
      run: (settings) => fullMeanwhile(settings, attempt),
    },
    { name: 'no more files', needs: [needsMount], run: outOfFiles },
    { name: 'file size limit', needs: [needsPrlimit], run: fileSizeLimit },
    { name: 'read-only disk', needs: [needsMount], run: readOnlyDisk },
    {
      name: 'no permission',
      needs: [needsOtherUser],
      run: (settings) => noPermission(settings, asOtherUser),
    },
  ],
  controls: [
    {
      name: 'full while an upgrade without transactions runs',
      needs: [needsMount],
      run: (settings) => fullMeanwhile(settings, withoutTransactions),
    },
    {
      name: 'no permission, as root',
      needs: [needsOtherUser],
      run: (settings) => noPermission(settings, []),
    },
  ],
};
