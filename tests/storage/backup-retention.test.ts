import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import { InvalidOptionError } from '../../core/errors.js';
import { applyRetention, listBackups } from '../../core/storage/backup-retention.js';
import { BackupFolder, backupTime, failure } from '../support/backup-folder.js';

const DAY = 86_400_000;
const driver = sqlite3Driver;
const now = backupTime;
let place: BackupFolder;

beforeEach(() => {
  place = new BackupFolder();
});

afterEach(async () => {
  await place.remove();
});

describe('old backups', () => {
  /** Backups of the given ages in days, the newest first, as files that all hold the same. */
  async function make(...ages: readonly number[]): Promise<string[]> {
    const db = await place.newDatabase();
    const made: string[] = [];
    for (const age of ages) {
      made.push((await place.backUp(db, { now: new Date(now.getTime() - age * DAY) })).name);
    }
    return made;
  }
  const kept = async (): Promise<string[]> =>
    (await listBackups(place.path, { driver })).map(({ name }) => name);

  test('are listed even when the database is gone, and files with other names are not', async () => {
    const made = await make(0, 3, 1);
    const [first = ''] = made;
    for (const other of [
      `x${first}`,
      `${first}.txt`,
      `${first}-journal`,
      first.replace('Z-', '-'),
      'worlds.db.backup-',
    ]) {
      writeFileSync(place.at(other), '');
    }
    mkdirSync(place.at(first.replace('v11', 'v12')));
    await place.closeAll();
    rmSync(place.path);
    const listed = await listBackups(place.path, { driver, verify: true });
    expect(listed.map(({ name }) => name)).toEqual([made[0], made[2], made[1]]);
    expect(listed[1]).toMatchObject({
      time: new Date(now.getTime() - DAY),
      from: 'legacy4',
      to: 'v11',
      verdict: { verified: true },
    });
  });

  test('are removed by number, by age, or by both', async () => {
    const made = await make(0, 1, 2, 3, 4);
    expect(await applyRetention(place.path, { driver, now })).toEqual([]);
    expect(await kept()).toEqual(made);
    const removed = await applyRetention(place.path, { driver, now, keepCount: 4 });
    expect(removed.map(({ name }) => name)).toEqual(made.slice(4));
    await applyRetention(place.path, { driver, now, keepDays: 2.5 });
    expect(await kept()).toEqual(made.slice(0, 3));
    await applyRetention(place.path, { driver, now, keepCount: 2, keepDays: 30 });
    expect(await kept()).toEqual(made.slice(0, 2));
  });

  test('never go altogether: the newest one that verifies stays', async () => {
    const made = await make(0, 1, 2);
    const [newest = '', second = '', third = ''] = made;
    writeFileSync(place.at(newest), 'damaged');
    await applyRetention(place.path, { driver, now: new Date(now.getTime() + 1000 * DAY), keepDays: 1 });
    expect(await kept()).toEqual([second]);
    await applyRetention(place.path, {
      driver,
      now: new Date(now.getTime() + 1000 * DAY),
      keepDays: 1,
      keepCount: 1,
    });
    expect(await kept()).toEqual([second]);
    expect(existsSync(place.at(third))).toBe(false);
  });

  test('all stay when none of them verifies', async () => {
    const made = await make(0, 1);
    for (const name of made) writeFileSync(place.at(name), 'damaged');
    expect(await applyRetention(place.path, { driver, now, keepCount: 1 })).toEqual([]);
    expect(await kept()).toEqual(made);
  });

  test('of other databases and other files are not touched', async () => {
    const [first = ''] = await make(5, 4, 3);
    const others = [first.replace('worlds', 'my-worlds'), `${first}.txt`, first.replace('-legacy4', '')];
    for (const name of others) writeFileSync(place.at(name), '');
    await applyRetention(place.path, { driver, now, keepCount: 1, keepDays: 1 });
    expect(place.files()).toEqual(expect.arrayContaining(others));
    expect(await kept()).toHaveLength(1);
  });

  test.each([
    { keepCount: 0 },
    { keepCount: NaN },
    { keepCount: 1.5 },
    { keepDays: 0 },
    { keepDays: -1 },
    { keepDays: Infinity },
    { keepDays: NaN },
  ])('refuse a limit that cannot be used: %p', async (limits) => {
    await make(0);
    expect(await failure(applyRetention(place.path, { driver, ...limits }))).toBeInstanceOf(
      InvalidOptionError,
    );
    expect(await kept()).toHaveLength(1);
  });
});
