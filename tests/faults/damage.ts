import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import {
  messageOf,
  upgradeDatabase,
  UpgradeBridgeError,
  verifyDatabase,
  worldLegacyVersions,
} from '../../core/index.js';
import { copyDatabase, hashesIn, withCopy } from '../support/database-copy.js';
import { dumpDatabase, type DatabaseDump } from '../support/database-dump.js';
import { buildLegacyDatabase, legacyFixtures } from '../support/legacy-databases.js';
import { openLegacy, withLegacy } from '../support/legacy-driver.js';
import { seededRandom, type Random } from '../support/legacy-rows.js';
import { forEachAtOnce, workers } from './support/at-once.js';
import { lostRows } from './support/database-states.js';
import { everyNth, type Finding, type Part, type Settings } from './support/part.js';
import { migrationsDir } from './support/places.js';
import { upgradeWithout } from './support/unprotected-upgrade.js';

/** What of each database is damaged, and how often. */
const plan = {
  'one byte changed': 24,
  'one byte of the log changed': 20,
  'cut off': 12,
  'a page of zeros': 12,
} as const;
type Kind = keyof typeof plan;

const fixtureNames = [
  'version-0-unstamped',
  'version-1-with-chats',
  'version-4-upgraded',
  'version-5-born',
  'version-7-upgraded',
  'missing-one-of-two-columns',
  'events-without-references',
  'odd-values',
  'orphans',
  'user-extras',
  'wal-left-behind',
  'everything-at-once',
];

interface Case {
  readonly name: string;
  readonly source: string;
  readonly kind: Kind;
  readonly seed: number;
}

/** What of SQLite's own means is the first to find the damage. */
const findings = ['the first read', 'quick_check', 'integrity_check', 'nothing'] as const;
type FoundBy = (typeof findings)[number];

const ends = ['refused', 'upgraded'] as const;
type End = (typeof ends)[number];

/** A database whose rows are in the file and whose last change is in the log. */
async function makeWithLog(path: string): Promise<void> {
  const alive = `${path}.alive`;
  await buildLegacyDatabase(alive, { version: 6, journal: 'wal', pageSize: 1024, extras: ['index'] });
  const connection = await openLegacy(alive);
  try {
    await connection.run("PRAGMA wal_autocheckpoint = 0; UPDATE worlds SET description = 'Written last.'");
    await copyFile(alive, path);
    await copyFile(`${alive}-wal`, `${path}-wal`);
  } finally {
    await connection.close();
    await rm(alive);
  }
}

async function makeCases(folder: string, kind: Kind): Promise<Case[]> {
  const makers = [
    ...legacyFixtures
      .filter(({ name }) => fixtureNames.includes(name))
      .map(({ name, make }) => ({ name, make })),
    { name: 'written-in-the-log', make: makeWithLog },
  ];
  const cases: Case[] = [];
  for (const { name, make } of makers) {
    const source = join(folder, `${name}.db`);
    await make(source);
    if (kind === 'one byte of the log changed' && !existsSync(`${source}-wal`)) continue;
    for (let count = 0; count < plan[kind]; count++) {
      const seed = cases.length + 1;
      cases.push({ name: `${name}, ${seed}`, source, kind, seed });
    }
  }
  return cases;
}

/** Changes one byte to any other. */
function changeByte(bytes: Buffer, random: Random): Buffer {
  const offset = Math.floor(random() * bytes.length);
  bytes.writeUInt8((bytes.readUInt8(offset) + 1 + Math.floor(random() * 255)) % 256, offset);
  return bytes;
}

function damaged(bytes: Buffer, kind: Kind, random: Random): Buffer {
  const pageSize = 1024;
  const pages = bytes.length / pageSize;
  switch (kind) {
    case 'one byte changed':
    case 'one byte of the log changed':
      return changeByte(bytes, random);
    case 'cut off': {
      // At any byte or at the end of a page; never all of it, which is an empty database.
      const kept = 1 + Math.floor(random() * (bytes.length - 1));
      return bytes.subarray(0, random() < 0.5 ? kept : Math.max(1, Math.floor(kept / pageSize)) * pageSize);
    }
    case 'a page of zeros': {
      const start = Math.floor(random() * pages) * pageSize;
      return bytes.fill(0, start, start + pageSize);
    }
  }
}

async function damageFile(path: string, { kind, seed }: Case): Promise<void> {
  const place = kind === 'one byte of the log changed' ? `${path}-wal` : path;
  await writeFile(place, damaged(await readFile(place), kind, seededRandom(seed)));
}

const rule = /^(CHECK constraint failed in|NULL value in) /;

function foundBy(path: string): Promise<FoundBy> {
  return withCopy(path, async (copy) => {
    if ((await complaints(copy, 'SELECT count(*) FROM sqlite_schema')).length > 0) return 'the first read';
    for (const check of ['quick_check', 'integrity_check'] as const)
      if ((await complaints(copy, `PRAGMA ${check}`)).length > 0) return check;
    return 'nothing';
  });
}

/** What SQLite has to say against a database while it answers a question. */
async function complaints(path: string, question: string): Promise<string[]> {
  try {
    const rows = await withLegacy(path, (connection) => connection.rows(question));
    const texts = rows.flatMap((row) => Object.values(row)).filter((value) => typeof value === 'string');
    return texts.flatMap((text) => text.split('\n')).filter((line) => line !== 'ok' && !rule.test(line));
  } catch (error) {
    return [messageOf(error)];
  }
}

/** What SQLite can still read of a database; undefined where that is not all of it. */
async function readable(path: string): Promise<DatabaseDump | undefined> {
  try {
    return await dumpDatabase(path);
  } catch {
    return undefined;
  }
}

/** What is wrong with the refusal of a damaged database. */
function refusalFaults(error: unknown, isUnchanged: boolean): string[] {
  if (!(error instanceof UpgradeBridgeError)) return [`it failed without a name: ${messageOf(error)}`];
  const faults: string[] = [];
  const code = String(error.code);
  if (error.hint === '') faults.push(`${code} has no hint`);
  if (code === 'DATABASE_ERROR') faults.push(`the error has no name of its own: ${error.message}`);
  if (!isUnchanged) faults.push(`it was refused late, and changed: ${code}, ${error.message}`);
  return faults;
}

/** What is wrong with a damaged database that was upgraded all the same. */
async function upgradeFaults(
  path: string,
  before: DatabaseDump | undefined,
  found: FoundBy,
): Promise<string[]> {
  if (before === undefined) return ['it was upgraded though it cannot be read wholly'];
  const faults: string[] = [];
  try {
    const [lost] = lostRows(before, await dumpDatabase(path));
    if (lost !== undefined) faults.push(`it lost ${lost}`);
    const { ok, drift, integrity } = await verifyDatabase(path, {
      migrations: migrationsDir,
      legacy: worldLegacyVersions,
    });
    if (!ok) faults.push(`it does not verify: ${JSON.stringify({ drift, integrity })}`);
    // What an index on an expression lacks may be another SQLite's doing: that is told, and no reason to refuse.
    else if (found !== 'nothing' && integrity.staleIndexes.length === 0)
      faults.push(`it was upgraded though ${found} finds damage`);
  } catch (error) {
    faults.push(`it cannot be read any more: ${messageOf(error)}`);
  }
  return faults;
}

type Upgrade = (database: string) => Promise<unknown>;

async function tryCase(
  each: Case,
  folder: string,
  upgrade: Upgrade,
): Promise<{ readonly end: End; readonly found: FoundBy; readonly faults: string[] }> {
  const path = join(folder, 'database.db');
  await copyDatabase(each.source, path);
  await damageFile(path, each);
  const found = await foundBy(path);
  const before = await readable(path);
  const hashes = JSON.stringify(await hashesIn(folder));
  try {
    await upgrade(path);
  } catch (error) {
    const isUnchanged = JSON.stringify(await hashesIn(folder)) === hashes;
    return { end: 'refused', found, faults: refusalFaults(error, isUnchanged) };
  }
  return { end: 'upgraded', found, faults: await upgradeFaults(path, before, found) };
}

function table(count: ReadonlyMap<string, number>): string {
  return findings
    .map((found) => {
      const [refused = 0, upgraded = 0] = ends.map((end) => count.get(`${found} ${end}`));
      return `found by ${found}: ${refused} refused, ${upgraded} upgraded`;
    })
    .join('; ');
}

async function tryAll({ folder, stride }: Settings, upgrade: Upgrade, kind: Kind): Promise<Finding> {
  const place = await mkdtemp(join(folder, 'damage-'));
  const cases = everyNth(await makeCases(place, kind), stride);
  const count = new Map<string, number>();
  const failures: string[] = [];
  const lanes = Array.from({ length: workers }, (_, lane) => lane);
  await forEachAtOnce(cases, lanes, async (each, lane) => {
    const own = join(place, `lane-${lane}`);
    await mkdir(own);
    const { end, found, faults } = await tryCase(each, own, upgrade);
    count.set(`${found} ${end}`, (count.get(`${found} ${end}`) ?? 0) + 1);
    if (faults.length > 0) failures.push(`${each.name}: ${faults.join('; ')}`);
    await rm(own, { recursive: true });
  });
  return { figures: `${cases.length} databases; ${table(count)}`, failures };
}

const options = { migrations: migrationsDir, legacy: worldLegacyVersions };

const protectedUpgrade: Upgrade = (database) => upgradeDatabase({ ...options, database });

const kinds = ['one byte changed', 'one byte of the log changed', 'cut off', 'a page of zeros'] as const;

/** Damage that was there before the upgrade. */
export const damage: Part = {
  name: 'damage',
  checks: kinds.map((kind) => ({ name: kind, run: (settings) => tryAll(settings, protectedUpgrade, kind) })),
  controls: [
    {
      name: 'one byte changed, and no check',
      run: (settings) =>
        tryAll(
          settings,
          (database) => upgradeWithout(['integrity check'], { ...options, database }),
          'one byte changed',
        ),
    },
    {
      name: 'one byte changed, and only the quick check',
      run: (settings) =>
        tryAll(
          settings,
          (database) => upgradeDatabase({ ...options, database, fullCheckBytes: 0 }),
          'one byte changed',
        ),
    },
  ],
};
