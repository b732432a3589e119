import { mkdir, readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { messageOf } from '../../../core/index.js';
import { copyDatabase } from '../../support/database-copy.js';
import { dumpDatabase, type DatabaseDump } from '../../support/database-dump.js';
import { withLegacy } from '../../support/legacy-driver.js';
import { digestOf, lostRows, type KnownState } from './database-states.js';
import { upgradeWithSnapshots } from './upgrade-snapshots.js';

/** An upgrade that was carried out once undisturbed: what every other one of the same database has to come to. */
export interface KnownUpgrade {
  readonly name: string;
  /** The database before the upgrade; with its -wal where it has one. */
  readonly source: string;
  readonly old: DatabaseDump;
  readonly journalMode: string;
  /** In the order in which an upgrade reaches them; the first is the one before, the last the one after. */
  readonly states: readonly KnownState[];
}

/**
 * Makes a database, and upgrades a copy of it to learn the states that it goes through.
 *
 * @throws Error when a row of the old database is missing in one of them
 */
export async function knowUpgrade(
  folder: string,
  name: string,
  make: (path: string) => Promise<void>,
): Promise<KnownUpgrade> {
  const place = join(folder, `known-${name.replaceAll(/\W+/g, '-')}`);
  await mkdir(place);
  const source = join(place, 'source.db');
  await make(source);
  const path = join(place, 'upgraded.db');
  await copyDatabase(source, path);
  const snapshots = [{ name: 'old', path: source }, ...(await upgradeWithSnapshots(path, place))];
  const old = await dumpDatabase(source);
  const states: KnownState[] = [];
  for (const snapshot of snapshots) {
    const dump = await dumpDatabase(snapshot.path);
    const [lost] = lostRows(old, dump);
    if (lost !== undefined) throw new Error(`${name}: ${snapshot.name} does not have ${lost}.`);
    states.push({ name: snapshot.name, digest: digestOf(dump) });
  }
  const { journalMode } = await dumpDatabase(path);
  return { name, source, old, journalMode, states };
}

/** In which state a database is: a place among the known ones, -1 where it is none of them. */
export async function stateOf({ states }: KnownUpgrade, path: string): Promise<number> {
  const digest = digestOf(await dumpDatabase(path));
  return states.findIndex((state) => state.digest === digest);
}

/** What is wrong with a database that was left by an upgrade which did not end well: it must be old or further on. */
export async function halfwayFaults(known: KnownUpgrade, path: string): Promise<string[]> {
  try {
    return (await stateOf(known, path)) === -1 ? ['is between two states'] : [];
  } catch (error) {
    return [`cannot be read: ${messageOf(error)}`];
  }
}

/** What is wrong with a database that nobody has open and that must be upgraded wholly. */
export async function completionFaults(known: KnownUpgrade, path: string): Promise<string[]> {
  try {
    const dump = await dumpDatabase(path);
    const faults =
      digestOf(dump) === known.states.at(-1)?.digest ? [] : ['is not what it must be after the upgrade'];
    if (dump.journalMode !== known.journalMode) faults.push(`is in journal mode ${dump.journalMode}`);
    faults.push(...(await damageOf(path)).map((line) => `is damaged: ${line}`), ...(await leftBeside(path)));
    return faults;
  } catch (error) {
    return [`cannot be read: ${messageOf(error)}`];
  }
}

/** What SQLite's own check finds in a database; nothing where it is whole. */
export async function damageOf(path: string): Promise<string[]> {
  const rows = await withLegacy(path, (connection) => connection.rows('PRAGMA integrity_check'));
  return rows.flatMap((row) => Object.values(row).map(String)).filter((line) => line !== 'ok');
}

/** What lies beside a database that nobody has open, and should not. */
async function leftBeside(path: string): Promise<string[]> {
  const names = await readdir(dirname(path));
  return names
    .filter(
      (name) => name.startsWith(basename(path)) && /(-wal|-shm|-journal|\.lock|\.partial.*)$/.test(name),
    )
    .map((name) => `leaves ${name} behind`);
}
