import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import {
  inspectDatabase,
  upgradeDatabase,
  worldLegacyVersions,
  worldMigrationsDir,
  type UpgradeReport,
} from '../../core/index.js';
import { DatabaseFolder } from '../support/database-folder.js';

let place: DatabaseFolder;

beforeEach(async () => {
  place = await DatabaseFolder.make();
  await copyFile(new URL('../fixtures/legacy/wrong-numbers.db', import.meta.url), place.path);
});

afterEach(() => place.remove());

function upgrade(): Promise<UpgradeReport> {
  return upgradeDatabase({
    database: place.path,
    migrations: worldMigrationsDir,
    legacy: worldLegacyVersions,
    backup: false,
  });
}

const numbers = 'SELECT id, seq FROM events ORDER BY id';

describe("a trigger of the database's own on what a file writes", () => {
  it('is named where it refuses the rows', async () => {
    const before = await place.rows(numbers);
    await place.run(`CREATE TRIGGER "events are final" BEFORE UPDATE ON events
      BEGIN SELECT RAISE(ABORT, 'events are final'); END`);
    const hint =
      /^The database has a trigger .* the cause: trigger "events are final" on events\. .* drop it, upgrade/;
    await expect(upgrade()).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      message: expect.stringMatching(
        /^Migration 0011_number_events\.sql failed at statement 1, .*events are final/,
      ),
      hint: expect.stringMatching(hint),
    });
    expect(await place.rows(numbers)).toEqual(before);
    const found = await inspectDatabase(place.path);
    expect(found).toMatchObject({ kind: 'managed', version: 10 });
  });

  it.each([
    ['keeps the numbers from being set', 'BEFORE UPDATE ON events'],
    ['keeps counters from being deleted and set', 'BEFORE UPDATE ON event_sequences'],
    ['keeps counters from being added', 'BEFORE INSERT ON event_sequences'],
  ])('does not let a file pass of which nothing was done: %s', async (_title, when) => {
    await place.run(`DELETE FROM event_sequences WHERE chat_id IS NOT NULL;
      CREATE TRIGGER quiet ${when} BEGIN SELECT RAISE(IGNORE); END`);
    await expect(upgrade()).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      message: expect.stringContaining('CHECK constraint failed: every_event_is_numbered'),
      hint: expect.stringContaining('trigger quiet on event'),
    });
    await place.run('DROP TRIGGER quiet');
    expect(await upgrade()).toMatchObject({ version: 11, ownTriggers: [] });
  });

  it('is named where it makes a file lose rows', async () => {
    await place.run(`CREATE TRIGGER tidy AFTER UPDATE ON events
      BEGIN DELETE FROM agent_memory; END`);
    await expect(upgrade()).rejects.toMatchObject({
      code: 'ROWS_LOST',
      hint: expect.stringContaining('trigger tidy on events'),
    });
  });

  it('is reported where it lets everything through, and those of the files are not', async () => {
    await place.run(`CREATE TABLE log (event);
      CREATE TRIGGER watch AFTER UPDATE ON events BEGIN INSERT INTO log VALUES (NEW.id); END;
      CREATE TRIGGER elsewhere AFTER UPDATE ON worlds BEGIN INSERT INTO log VALUES (NEW.id); END`);
    expect(await upgrade()).toMatchObject({
      version: 11,
      ownTriggers: [{ name: 'watch', table: 'events', filename: '0011_number_events.sql' }],
    });
    expect(await place.rows('SELECT count(*) > 0 AS watched FROM log')).toEqual([{ watched: 1 }]);
  });
});

it('a trigger of the files is not the cause, nor reported, where a later file writes', async () => {
  const [first, second] = [join(place.folder, '1.db'), join(place.folder, 'sql')];
  await mkdir(second);
  await writeFile(
    join(second, '0001_a.sql'),
    'CREATE TABLE t (a); CREATE TABLE seen (a); CREATE TRIGGER see AFTER INSERT ON t BEGIN INSERT INTO seen VALUES (1); END;',
  );
  await writeFile(join(second, '0002_b.sql'), 'INSERT INTO t VALUES (1);');
  const report = await upgradeDatabase({ database: first, migrations: second });
  expect(report).toMatchObject({ version: 2, ownTriggers: [] });
});

it('a file that is at fault itself is blamed itself', async () => {
  await place.run('CREATE TRIGGER elsewhere AFTER UPDATE ON worlds BEGIN SELECT 1; END');
  await place.run('CREATE TABLE events_not_numbered (id)');
  await expect(upgrade()).rejects.toMatchObject({
    code: 'MIGRATION_FAILED',
    hint: expect.not.stringContaining('elsewhere'),
  });
});
