import { copyFile, open, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { withBare } from '../bare.js';
import { loadContestant } from '../contestants.js';
import { writeFiles, type Script } from '../scripts.js';
import { upgradePragmas } from './migrations.js';

const readings = `
  id INTEGER PRIMARY KEY, sensor_id INTEGER NOT NULL, taken_at TEXT NOT NULL, value REAL NOT NULL, note TEXT`;

/** The tables that are there and full, and what is pending. */
export const scripts: readonly Script[] = [
  {
    version: 1,
    name: 'create_readings_and_letters',
    statements: [
      `CREATE TABLE item_reading (${readings})`,
      'CREATE TABLE item_letter (id INTEGER PRIMARY KEY, sender TEXT NOT NULL, body TEXT NOT NULL)',
    ],
  },
  {
    version: 2,
    name: 'index_readings',
    statements: ['CREATE INDEX item_reading_sensor ON item_reading (sensor_id, taken_at)'],
  },
  {
    version: 3,
    name: 'add_celsius',
    statements: [
      'ALTER TABLE item_reading ADD COLUMN celsius REAL',
      'UPDATE item_reading SET celsius = (value - 32) / 1.8',
    ],
  },
  {
    version: 4,
    name: 'check_readings',
    statements: [
      `CREATE TABLE item_reading_checked (${readings}, celsius REAL NOT NULL CHECK (celsius > -274))`,
      `INSERT INTO item_reading_checked (id, sensor_id, taken_at, value, note, celsius)
       SELECT id, sensor_id, taken_at, value, note, celsius FROM item_reading`,
      'DROP TABLE item_reading',
      'ALTER TABLE item_reading_checked RENAME TO item_reading',
      'CREATE INDEX item_reading_sensor ON item_reading (sensor_id, taken_at)',
    ],
  },
  {
    version: 5,
    name: 'index_letters',
    statements: ['CREATE INDEX item_letter_sender ON item_letter (sender)'],
  },
  {
    version: 6,
    name: 'sum_up_days',
    statements: [
      'CREATE TABLE item_day (day TEXT PRIMARY KEY, readings INTEGER NOT NULL, mean REAL NOT NULL)',
      `INSERT INTO item_day (day, readings, mean)
       SELECT substr(taken_at, 1, 10), count(*), avg(celsius) FROM item_reading GROUP BY 1`,
    ],
  },
];

/** A million readings of about 150 bytes and a fifth as many letters of about 250. */
function rowsFor(readingCount: number): string {
  return `
    BEGIN;
    WITH RECURSIVE counter (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < ${readingCount})
    INSERT INTO item_reading (sensor_id, taken_at, value, note)
    SELECT (n * 7919) % 1000, datetime(1700000000 + n * 30, 'unixepoch'), 50 + (n * 31) % 400 / 10.0,
      'reading ' || n || ' ' || printf('%.*c', 30 + n % 110, 'x') FROM counter;
    WITH RECURSIVE counter (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < ${readingCount / 5})
    INSERT INTO item_letter (sender, body)
    SELECT 'sender ' || (n * 7919) % 5000, 'letter ' || n || ' ' || printf('%.*c', 150 + n % 150, 'y') FROM counter;
    COMMIT;`;
}

export const filesIn = (template: string): string => join(template, 'migrations');
export const databaseIn = (folder: string): string => join(folder, 'a.db');

/**
 * Copies a database and waits until it is on the disk: what is still on its way there would be written while somebody
 * else is measured.
 */
export async function copySettled(from: string, to: string): Promise<void> {
  await copyFile(from, to);
  const file = await open(to, 'r+');
  await file.sync();
  await file.close();
}

/** Makes a database of the first migration alone, full of rows, and the files of all migrations. */
export async function makeFull(name: string, folder: string, readingCount: number): Promise<void> {
  const contestant = await loadContestant(name);
  const begun = join(folder, 'begun');
  const first = scripts.slice(0, 1);
  await writeFiles(begun, contestant.files(first));
  await writeFiles(filesIn(folder), contestant.files(scripts));
  const upgrade = await contestant.prepare({ folder: begun, scripts: first, pragmas: upgradePragmas });
  const unsettled = join(folder, 'unsettled.db');
  await upgrade(unsettled);
  await withBare(unsettled, async (db) => {
    await db.exec(`PRAGMA synchronous = OFF; ${rowsFor(readingCount)} PRAGMA wal_checkpoint(TRUNCATE);`);
  });
  await copySettled(unsettled, databaseIn(folder));
  await rm(unsettled);
}
