import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { LocalBridge } from '../../core/database/database-bridge.js';
import { databaseError } from '../../core/database/driver-errors.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import { inspectDatabase, planAll, planUpgrade, upgradeAll, upgradeDatabase } from '../../core/index.js';
import { ScratchDatabase } from '../support/scratch-database.js';
import { watchedDriver, type Watch } from '../support/watched-driver.js';

let scratch: ScratchDatabase;
/** Another program that has the database open. */
let other: LocalBridge;

beforeEach(async () => {
  scratch = await ScratchDatabase.make('delete', 'CREATE TABLE mine (a); DROP TABLE mine;');
  await scratch.write({ '001_notes.sql': 'CREATE TABLE notes (title TEXT);' });
  await upgradeDatabase({ database: scratch.path, migrations: scratch.migrations });
  await scratch.write({ '002_tags.sql': 'CREATE TABLE tags (tag TEXT);' });
  other = await sqlite3Driver.open(scratch.path, 'read-write');
});

afterEach(async () => {
  await other.close();
  await scratch.remove();
});

const options = (watch: Watch) => ({
  database: scratch.path,
  migrations: scratch.migrations,
  backup: false as const,
  driver: watchedDriver(watch),
});

const many = (watch: Watch) => {
  const { database, ...each } = options(watch);
  return { ...each, databases: [database] };
};

describe('beside a program that lets nobody read', () => {
  beforeEach(() => other.execute('BEGIN EXCLUSIVE'));

  it.each([
    ['an upgrade', async (watch: Watch) => upgradeDatabase({ ...options(watch), lockWaitMs: 0 })],
    ['a plan', async (watch: Watch) => planUpgrade({ ...options(watch), lockWaitMs: 0 })],
    [
      'an inspection',
      async (watch: Watch) => inspectDatabase(scratch.path, { ...options(watch), lockWaitMs: 0 }),
    ],
    [
      'an upgrade of many',
      async (watch: Watch) => {
        const { failures } = await upgradeAll({ ...many(watch), lockWaitMs: 0 });
        throw failures[0]?.error;
      },
    ],
  ])('%s that may not wait tries once, and for no longer than a moment', async (_what, work) => {
    const waits: number[] = [];
    const opening = (_mode: unknown, waitMs = Infinity): void => void waits.push(waitMs);
    await expect(work({ opening })).rejects.toMatchObject({ code: 'LOCKED' });
    expect(waits.filter((waitMs) => waitMs > 0)).toEqual([250]);
  });

  it.each([
    [
      'an upgrade',
      async (watch: Watch, signal: AbortSignal) => upgradeDatabase({ ...options(watch), signal }),
    ],
    ['a plan', async (watch: Watch, signal: AbortSignal) => planUpgrade({ ...options(watch), signal })],
  ])('%s ends where it is told to stop while it waits, and says so', async (_what, work) => {
    const stop = new AbortController();
    const keptOut = (): Promise<void> => {
      stop.abort();
      return Promise.resolve();
    };
    await expect(work({ keptOut }, stop.signal)).rejects.toMatchObject({ code: 'INTERRUPTED' });
  });

  it.each([
    ['an upgrade', upgradeAll],
    ['a plan', planAll],
  ])('%s of many is stopped by a signal, and has not failed', async (_what, work) => {
    const stop = new AbortController();
    const keptOut = (): Promise<void> => {
      stop.abort();
      return Promise.resolve();
    };
    await expect(work({ ...many({ keptOut }), signal: stop.signal })).resolves.toMatchObject({
      interrupted: 1,
      failed: 0,
      stopped: 'signal',
    });
  });

  it.each([
    ['an upgrade', async (watch: Watch) => upgradeDatabase(options(watch))],
    ['a plan', async (watch: Watch) => planUpgrade(options(watch))],
  ])('%s goes on when that one lets go', async (_what, work) => {
    let tries = 0;
    const keptOut = async (): Promise<void> => {
      if ((tries += 1) === 4) await other.execute('COMMIT');
    };
    await expect(work({ keptOut })).resolves.toMatchObject({ database: scratch.path });
  });
});

it('an upgrade waits as well where others are let in no more while its connection is set up', async () => {
  let tries = 0;
  const waiting = upgradeDatabase({
    ...options({
      // A connection that has looked at the database already has no need to do so again.
      opening: (mode) => {
        if (mode === 'read-write') throw databaseError('SQLITE_CANTOPEN', 'unable to open', undefined);
      },
      script: async (sql) => {
        if (sql.includes('PRAGMA synchronous') && tries === 0) await other.execute('BEGIN EXCLUSIVE');
      },
      keptOut: async () => {
        if ((tries += 1) === 3) await other.execute('COMMIT');
      },
    }),
  });
  await expect(waiting).resolves.toMatchObject({ version: 2 });
  expect(tries).toBe(3);
});
