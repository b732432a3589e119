import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import {
  inspectDatabase,
  upgradeDatabase,
  verifyDatabase,
  type Migration,
  type Verification,
} from '../../core/index.js';
import { DatabaseFolder } from '../support/database-folder.js';
import { migrationsOf } from '../support/migration-values.js';
import { journalModes } from '../support/storage-database.js';

const files = {
  '0001_a.sql': 'CREATE TABLE a (x);',
  '0002_b.sql': 'CREATE TABLE b (\n  x TEXT\n);\nCREATE INDEX b_by_x ON b (x);',
  '0003_c.sql': 'CREATE TABLE c (x);',
};
const migrations = migrationsOf(files);
const changed = migrationsOf({
  ...files,
  '0002_b.sql': 'CREATE TABLE b (\n  x TEXT,\n  y TEXT\n);\nCREATE INDEX b_by_x ON b (x);',
  '0003_c.sql': '-- Makes c.\nCREATE TABLE c (x);',
});
const differenceOfB = [
  '@@ -1,4 +1,5 @@',
  ...[' CREATE TABLE b (', '-  x TEXT', '+  x TEXT,', '+  y TEXT', ' );', ' CREATE INDEX b_by_x ON b (x);'],
];
const differenceOfC = ['@@ -1,1 +1,2 @@', '+-- Makes c.', ' CREATE TABLE c (x);'];

let place: DatabaseFolder;

afterEach(() => place.remove());

/** Makes the history one of the shape that it had before it kept texts and hashes. */
const olderShape = ['release', 'up_sql', 'down_sql', 'hash', 'seal']
  .map((column) => `ALTER TABLE schema_migrations DROP COLUMN ${column};`)
  .join(' ');

describe.each(journalModes)('files that were changed after they were applied, in %s mode', (journal) => {
  beforeEach(async () => {
    place = await DatabaseFolder.make(journal);
    await place.upgrade({ migrations });
  });

  it('are shown by an inspection, each with what has changed', async () => {
    const found = await inspectDatabase(place.path, { migrations: changed });
    expect(found.problem?.code).toBe('CHANGED_MIGRATION');
    expect(found.changed).toEqual([
      {
        version: 2,
        filename: '0002_b.sql',
        appliedAt: found.applied[1]?.appliedAt,
        difference: differenceOfB,
      },
      {
        version: 3,
        filename: '0003_c.sql',
        appliedAt: found.applied[2]?.appliedAt,
        difference: differenceOfC,
      },
    ]);
    expect((await inspectDatabase(place.path, { migrations })).changed).toEqual([]);
  });

  it('are shown by a verification, with what they would make otherwise', async () => {
    const found = await verifyDatabase(place.path, { migrations: changed });
    expect(found.ok).toBe(false);
    expect(found.changed.map(({ difference }) => difference)).toEqual([differenceOfB, differenceOfC]);
    expect(found.drift).toEqual([
      {
        kind: 'missing',
        object: 'column',
        name: 'b.y',
        sentence: 'column b.y is missing',
        mend: ['ALTER TABLE "b" ADD COLUMN y TEXT'],
      },
    ]);
  });

  it('are the only thing that is wrong where they make the same', async () => {
    const commented = migrationsOf({ ...files, '0003_c.sql': '-- Makes c.\nCREATE TABLE c (x);' });
    expect(await verifyDatabase(place.path, { migrations: commented })).toMatchObject({
      ok: false,
      drift: [],
      pending: [],
      tampering: [],
      changed: [{ version: 3 }],
    });
  });

  it('are told without the change where they are code', async () => {
    const step = { version: 4, name: 'fill', up: () => Promise.resolve(), checksum: 'first' };
    await upgradeDatabase({ database: place.path, migrations, code: [step], backup: false });
    const code = [{ ...step, checksum: 'second' }];
    expect((await inspectDatabase(place.path, { migrations, code })).changed).toMatchObject([
      { version: 4, difference: undefined },
    ]);
  });

  it('are told without the change where the history kept no text', async () => {
    await place.run(olderShape);
    const found = await inspectDatabase(place.path, { migrations: changed });
    expect(found.changed.map(({ version, difference }) => ({ version, difference }))).toEqual([
      { version: 2, difference: undefined },
      { version: 3, difference: undefined },
    ]);
  });
});

describe.each(journalModes)('a history that was changed by hand, in %s mode', (journal) => {
  beforeEach(async () => {
    place = await DatabaseFolder.make(journal);
    await place.upgrade({ migrations });
  });

  async function verifyAfter(script: string): Promise<Verification> {
    await place.run(script);
    return verifyDatabase(place.path, { migrations });
  }

  const rowAndBefore = (row: string): string =>
    `row ${row} or a row before it was changed, moved or taken out`;

  it('is as it was written while nobody touches it', async () => {
    await place.run('VACUUM');
    expect(await verifyAfter('INSERT INTO a VALUES (1)')).toMatchObject({ ok: true, tampering: [] });
  });

  it.each([
    [
      'a row that was changed',
      "UPDATE schema_migrations SET applied_at = '' WHERE id = 2",
      rowAndBefore('2 (0002_b.sql, applied)'),
    ],
    [
      'a text that was changed',
      "UPDATE schema_migrations SET up_sql = 'CREATE TABLE c (y);' WHERE id = 3",
      rowAndBefore('3 (0003_c.sql, applied)'),
    ],
    [
      'a hash that was taken away',
      'UPDATE schema_migrations SET hash = NULL WHERE id = 3',
      rowAndBefore('3 (0003_c.sql, applied)'),
    ],
    [
      'a row that was added',
      "INSERT INTO schema_migrations (version, filename, description, checksum, applied_at, execution_time_ms, status, origin) SELECT version, filename, description, checksum, applied_at, execution_time_ms, 'failed', origin FROM schema_migrations WHERE id = 3",
      rowAndBefore('4 (0003_c.sql, failed)'),
    ],
  ])('shows %s', async (_title, script, sentence) => {
    expect(await verifyAfter(script)).toMatchObject({ ok: false, tampering: [sentence] });
  });

  it('shows rows that change their places', async () => {
    const found = await verifyAfter(
      'UPDATE schema_migrations SET id = 99 WHERE id = 2; UPDATE schema_migrations SET id = 2 WHERE id = 3; UPDATE schema_migrations SET id = 3 WHERE id = 99',
    );
    expect(found.tampering).toEqual([rowAndBefore('2 (0003_c.sql, applied)')]);
  });

  it('shows that the last row was taken out, in two ways', async () => {
    expect(await verifyAfter('DELETE FROM schema_migrations WHERE id = 3')).toMatchObject({
      ok: false,
      tampering: ['one or more rows after row 2 were taken out'],
      userVersion: { found: 3, expected: 2 },
    });
  });

  it('keeps a database from being upgraded, and not from being opened', async () => {
    await place.run('UPDATE schema_migrations SET hash = NULL, execution_time_ms = 77 WHERE id = 2');
    const more = migrationsOf({ ...files, '0004_d.sql': 'CREATE TABLE d (x);' });
    await expect(
      upgradeDatabase({ database: place.path, migrations: more, backup: false }),
    ).rejects.toMatchObject({ code: 'TAMPERED_HISTORY' });
    const { upToDate } = await upgradeDatabase({ database: place.path, migrations, backup: false });
    expect(upToDate).toBe(true);
  });

  it('of an older shape is trusted once, and then chained', async () => {
    await place.run(`${olderShape} UPDATE schema_migrations SET execution_time_ms = 77`);
    const more: readonly Migration[] = migrationsOf({ ...files, '0004_d.sql': 'CREATE TABLE d (x);' });
    expect((await verifyDatabase(place.path, { migrations })).tampering).toEqual([]);
    await upgradeDatabase({ database: place.path, migrations: more, backup: false });
    expect((await verifyDatabase(place.path, { migrations: more })).tampering).toEqual([]);
    await place.run('UPDATE schema_migrations SET execution_time_ms = 78 WHERE id = 1');
    expect((await verifyDatabase(place.path, { migrations: more })).tampering).toEqual([
      rowAndBefore('1 (0001_a.sql, applied)'),
    ]);
  });
});
