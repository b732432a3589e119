import { describe, expect, it } from '@jest/globals';

import type { DatabaseBridge } from '../../core/database/database-bridge.js';
import { upgradeDatabase } from '../../core/index.js';
import { checkIntegrity, findCheckViolations, refuseDamage } from '../../core/storage/database-integrity.js';
import { driverNames } from '../support/drivers.js';
import { withDatabase } from '../support/memory-database.js';
import { migrationsOf } from '../support/migration-values.js';
import { ScratchDatabase } from '../support/scratch-database.js';

/** Makes the schema say something else of an object than what it was made by. */
const lie = (name: string, sql: string): string =>
  `PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = '${sql}' WHERE name = '${name}'; PRAGMA writable_schema = RESET;`;
const sound = { damage: [], brokenRules: [], staleIndexes: [] };
const both = ['quick', 'full'] as const;

describe.each(both)('a %s check', (depth) => {
  const check = (script: string): ReturnType<typeof checkIntegrity> =>
    withDatabase(script, (db) => checkIntegrity(db, depth));

  it('says why it cannot be made where a column that may not be NULL is computed by a function of the owner', async () => {
    const computed = (name: string) => `CREATE TABLE t (a, b AS (${name}(a)) NOT NULL)`;
    const script = `${computed('abs')}; INSERT INTO t VALUES (1); ${lie('t', computed('theirs'))}`;
    await expect(check(script)).rejects.toMatchObject({
      code: 'DATABASE_ERROR',
      sqliteCode: 'SQLITE_ERROR',
      message: expect.stringMatching(
        /^The database ":memory:" cannot be looked through for damage: .* function: theirs(\(\))?\.$/,
      ),
      hint: expect.stringContaining('on a connection of that program'),
    });
  });

  it('finds nothing in a sound database', async () => {
    expect(await check('CREATE TABLE t (a UNIQUE); INSERT INTO t VALUES (1)')).toEqual(sound);
  });

  it('tells a NULL where none may be from damage', async () => {
    const { damage, brokenRules } = await check(
      `CREATE TABLE t (a); INSERT INTO t VALUES (NULL); ${lie('t', 'CREATE TABLE t (a NOT NULL)')}`,
    );
    expect({ damage, brokenRules }).toEqual({ damage: [], brokenRules: ['NULL value in t.a'] });
  });

  it('is made as far as it goes where the owner has functions of his own', async () => {
    const script = `CREATE TABLE t (a); CREATE INDEX i ON t (abs(a)); INSERT INTO t VALUES (1);
      ${lie('i', 'CREATE INDEX i ON t (theirs(a))')}`;
    expect((await check(script)).damage).toEqual([]);
  });

  it('passes over the checks that call a function of the owner, and no more than that', async () => {
    const script = `PRAGMA ignore_check_constraints = ON;
      CREATE TABLE t (a CHECK (abs(a) > 0)); INSERT INTO t VALUES (1);
      CREATE TABLE u (a, b, c CHECK (c > 0)); CREATE INDEX i ON u (a); INSERT INTO u VALUES (1, 2, 0);
      ${lie('t', 'CREATE TABLE t (a CHECK (theirs(a) > 0))')}
      PRAGMA ignore_check_constraints = OFF;`;
    await withDatabase(script, async (db) => {
      expect(await checkIntegrity(db, depth, 'sqlite')).toEqual({
        ...sound,
        brokenRules: depth === 'full' ? ['1 row of u breaks CHECK (c > 0)'] : [],
      });
      expect(await db.query('PRAGMA ignore_check_constraints')).toEqual([{ ignore_check_constraints: 0 }]);
      await db.executeScript(lie('i', 'CREATE INDEX i ON u (b)'));
      const { damage } = await checkIntegrity(db, depth, 'sqlite');
      expect(damage).toEqual(depth === 'full' ? ['row 1 missing from index i'] : []);
    });
  });
});

describe('a full check', () => {
  it('finds an index that does not fit its table, which a quick one does not', async () => {
    const script = `CREATE TABLE t (a, b); CREATE INDEX i ON t (a); INSERT INTO t VALUES (1, 2); ${lie('i', 'CREATE INDEX i ON t (b)')}`;
    await withDatabase(script, async (db) => {
      expect((await checkIntegrity(db, 'quick')).damage).toEqual([]);
      expect((await checkIntegrity(db, 'full')).damage).toEqual(['row 1 missing from index i']);
      await expect(refuseDamage(db, 'full')).rejects.toMatchObject({
        code: 'DAMAGED_DATABASE',
        message: 'The database ":memory:" is damaged: row 1 missing from index i.',
      });
      await expect(refuseDamage(db, 'quick')).resolves.toMatchObject({ damage: [] });
    });
  });

  it('calls an index on an expression stale and not damaged, because SQLite may compute it otherwise today', async () => {
    const script = `CREATE TABLE t (a); CREATE INDEX i ON t (a + 1); INSERT INTO t VALUES (1); ${lie('i', 'CREATE INDEX i ON t (a + 2)')}`;
    expect(await withDatabase(script, (db) => checkIntegrity(db, 'full'))).toEqual({
      ...sound,
      staleIndexes: ['row 1 missing from index i'],
    });
  });

  it('counts the rows that break each check', async () => {
    const script = `PRAGMA ignore_check_constraints = ON;
      CREATE TABLE t (a CHECK (a > 0), b CHECK (b IS NOT 'x')); INSERT INTO t VALUES (-1, 'y'), (0, 'y'), (NULL, 'x');
      CREATE TABLE fine (a CHECK (a > 0)); INSERT INTO fine VALUES (1);`;
    const { damage, brokenRules } = await withDatabase(script, (db) => checkIntegrity(db, 'full'));
    expect(damage).toEqual([]);
    expect(brokenRules).toEqual([
      '2 rows of t break CHECK (a > 0)',
      "1 row of t breaks CHECK (b IS NOT 'x')",
    ]);
  });
});

it.each(driverNames)(
  'lets %s copy and upgrade a database with a check on a function of its owner',
  async (driver) => {
    const scratch = await ScratchDatabase.make('wal');
    try {
      const files = { '001_tags.sql': 'CREATE TABLE tags (tag);', '002_more.sql': 'DELETE FROM tags;' };
      const [first, ...others] = migrationsOf(files);
      if (first === undefined) throw new Error('There is no file.');
      await upgradeDatabase({ database: scratch.path, migrations: [first] });
      await scratch.run(`CREATE TABLE notes (size CHECK (abs(size) > 0)); INSERT INTO notes VALUES (1);
      ${lie('notes', 'CREATE TABLE notes (size CHECK (theirs(size) > 0))')}`);
      const report = await upgradeDatabase({
        database: scratch.path,
        migrations: [first, ...others],
        driver,
      });
      expect(report).toMatchObject({ version: 2, backup: expect.any(String) });
    } finally {
      await scratch.remove();
    }
  },
);

describe('findCheckViolations', () => {
  const find = (script: string): Promise<unknown> =>
    withDatabase(script, (db: DatabaseBridge) => findCheckViolations(db));

  it('passes over a check that only the program of its owner can try', async () => {
    expect(
      await find(
        `CREATE TABLE t (a CHECK (abs(a) > 0)); INSERT INTO t VALUES (1); ${lie('t', 'CREATE TABLE t (a CHECK (theirs(a)))')}`,
      ),
    ).toEqual([]);
  });

  it('does not take a check that says nothing for broken', async () => {
    expect(await find('CREATE TABLE t (a CHECK (a > 0)); INSERT INTO t VALUES (NULL)')).toEqual([]);
  });
});
