import { statSync } from 'node:fs';

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import { InvalidOptionError } from '../../core/errors.js';
import { resolveDatabaseFile } from '../../core/storage/database-file.js';
import { checkFreeSpace, formatBytes, largestTableBytes } from '../../core/storage/free-space.js';
import { BackupFolder, failure } from '../support/backup-folder.js';

let place: BackupFolder;

beforeEach(() => {
  place = new BackupFolder();
});

afterEach(async () => {
  await place.remove();
});

describe('the room that an upgrade needs', () => {
  test('is the copy, the largest table and its log, and the error tells both sizes', async () => {
    const db = await place.newDatabase();
    const file = await resolveDatabaseFile(place.path);
    await checkFreeSpace(file, db, { backupFolder: place.folder });
    const error = await failure(
      checkFreeSpace(file, db, { backupFolder: place.folder, rebuildBytes: 2 ** 52 }),
    );
    expect(error).toMatchObject({
      code: 'NO_SPACE',
      message: expect.stringMatching(/has [\d.]+ \w+ free, and 9007 TB are needed/),
    });
    for (const rebuildBytes of [NaN, -1, Infinity]) {
      expect(
        await failure(checkFreeSpace(file, db, { backupFolder: undefined, rebuildBytes })),
      ).toBeInstanceOf(InvalidOptionError);
    }
  });

  test('counts a table with its indexes', async () => {
    const db = await place.newDatabase();
    expect(await largestTableBytes(db)).toBeLessThan(100_000);
    await db.executeScript(`CREATE TABLE large(x); CREATE INDEX large_x ON large(x);
      INSERT INTO large SELECT randomblob(500) FROM (WITH n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 1000) SELECT x FROM n)`);
    expect(await largestTableBytes(db)).toBeGreaterThan(1_000_000);
    expect(await largestTableBytes(db)).toBeLessThan(statSync(place.path).size);
  });

  test.each([
    [999, '999 bytes'],
    [1_500, '1.5 kB'],
    [12_345_678, '12 MB'],
    [1_200_000_000, '1.2 GB'],
  ])('is told in words for people: %p', (bytes, words) => {
    expect(formatBytes(bytes)).toBe(words);
  });
});
