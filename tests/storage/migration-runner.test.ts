import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { upgradeDatabase, type Migration, type ProgressEvent, type UpgradeReport } from '../../core/index.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import type { DatabaseDriver, Row } from '../../core/database/database-bridge.js';
import { hashesIn } from '../support/database-copy.js';
import { dumpDatabase } from '../support/database-dump.js';
import { withLegacy } from '../support/legacy-driver.js';
import { migrationsOf } from '../support/migration-values.js';

let folder: string;
let database: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'migration-runner-'));
  database = join(folder, 'a.db');
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

type Options = Partial<Parameters<typeof upgradeDatabase>[0]>;

const upgrade = (migrations: readonly Migration[], options: Options = {}): Promise<UpgradeReport> =>
  upgradeDatabase({ database, migrations, backup: false, ...options });

const rows = (sql: string): Promise<Row[]> =>
  withLegacy(database, async (connection) => {
    const found = await connection.rows(sql);
    return found.map((row) =>
      Object.fromEntries(Object.entries(row).map(([key, value]) => [key, String(value)])),
    );
  });

const history = async (): Promise<string[]> =>
  (await rows('SELECT version, status, origin FROM schema_migrations ORDER BY id')).map((row) =>
    Object.values(row).join(' '),
  );

const one = {
  '0001_one.sql': "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT);\nINSERT INTO t (a) VALUES ('x');",
};
const two = { '0002_two.sql': 'CREATE TABLE u (a);' };
const three = { '0003_three.sql': "INSERT INTO t (a) VALUES ('three');" };
/** The third statement, on line 5, cannot be carried out. */
const wrong = {
  '0002_two.sql':
    "-- Two.\n\nINSERT INTO t (a) VALUES ('two');\nCREATE TABLE u (a);\n  INSERT INTO nowhere VALUES (1);\n",
};

/** A database in a journal mode of its owner's choice, with the first file applied. */
async function prepared(journal: 'wal' | 'delete'): Promise<void> {
  await withLegacy(database, (connection) =>
    connection.run(`PRAGMA journal_mode = ${journal}; CREATE TABLE mine (a);`),
  );
  await withLegacy(database, (connection) => connection.run('DROP TABLE mine;'));
  await upgrade(migrationsOf(one));
}

describe.each(['wal', 'delete'] as const)('a file that fails, in %s mode', (journal) => {
  beforeEach(() => prepared(journal));

  it('is rolled back whole, and the error says where and why', async () => {
    const before = await dumpDatabase(database);
    const failed = upgrade(migrationsOf({ ...one, ...wrong, ...three }));
    await expect(failed).rejects.toMatchObject({
      name: 'MigrationFailedError',
      code: 'MIGRATION_FAILED',
      message: 'Migration 0002_two.sql failed at statement 3, line 5: no such table: nowhere.',
      place: { filename: '0002_two.sql', statement: 3, line: 5 },
      cause: expect.objectContaining({ code: 'DATABASE_ERROR', sqliteCode: 'SQLITE_ERROR' }),
    });
    const after = await dumpDatabase(database);
    expect(after.tables.t).toEqual(before.tables.t);
    expect(Object.keys(after.tables)).toEqual(Object.keys(before.tables));
    expect(after.userVersion).toBe(1);
    expect(after.journalMode).toBe(journal);
  });

  it('leaves a row in the history that says what happened', async () => {
    await expect(upgrade(migrationsOf({ ...one, ...wrong }))).rejects.toThrow();
    expect(await history()).toEqual(['1 applied migration', '2 failed migration']);
    const [row] = await rows('SELECT details FROM schema_migrations WHERE version = 2');
    expect(JSON.parse(String(row?.details))).toEqual({
      error: 'Migration 0002_two.sql failed at statement 3, line 5: no such table: nowhere.',
    });
  });

  it('is told to the listener, and nothing after it is applied', async () => {
    const told: string[] = [];
    const onProgress = (event: ProgressEvent): void => {
      if ('version' in event) told.push(`${event.kind} ${event.version}`);
    };
    await expect(upgrade(migrationsOf({ ...one, ...wrong, ...three }), { onProgress })).rejects.toThrow();
    expect(told).toEqual(['applying 2', 'failed 2']);
  });

  it('keeps what was applied before it, and the upgrade goes on once the file is mended', async () => {
    const files = {
      ...one,
      ...two,
      '0003_three.sql': 'INSERT INTO nowhere VALUES (1);',
      '0004_four.sql': 'CREATE TABLE v (a);',
    };
    await expect(upgrade(migrationsOf(files))).rejects.toMatchObject({
      place: { filename: '0003_three.sql' },
    });
    expect(await history()).toEqual(['1 applied migration', '2 applied migration', '3 failed migration']);
    const report = await upgrade(migrationsOf({ ...files, ...three }));
    expect(report).toMatchObject({ found: 'managed', version: 4, upToDate: false });
    expect(report.applied.map(({ version }) => version)).toEqual([3, 4]);
    expect(await history()).toEqual([
      '1 applied migration',
      '2 applied migration',
      '3 failed migration',
      '3 applied migration',
      '4 applied migration',
    ]);
    expect(await rows('PRAGMA user_version')).toEqual([{ user_version: '4' }]);
  });

  it('fails again as often as it is tried, and each attempt is written down', async () => {
    for (let attempt = 0; attempt < 3; attempt += 1)
      await expect(upgrade(migrationsOf({ ...one, ...wrong }))).rejects.toMatchObject({
        code: 'MIGRATION_FAILED',
      });
    expect((await history()).slice(1)).toEqual(Array.from({ length: 3 }, () => '2 failed migration'));
  });
});

describe('the very first file', () => {
  const bad = migrationsOf({ '0001_one.sql': 'CREATE TABLE t (a); CREATE TABLE t (a);' });

  it('that fails leaves a database that is as good as empty', async () => {
    await expect(upgrade(bad)).rejects.toThrow('table t already exists');
    expect(await history()).toEqual(['1 failed migration']);
    const report = await upgrade(migrationsOf(one));
    expect(report).toMatchObject({ found: 'empty', version: 1 });
    expect(await history()).toEqual(['1 failed migration', '1 applied migration']);
  });
});

describe('a listener', () => {
  it('is told each step in its order, when it is done', async () => {
    const told: ProgressEvent[] = [];
    await upgrade(migrationsOf({ ...one, ...two }), { onProgress: (event) => told.push(event) });
    expect(told).toEqual([
      { kind: 'applying', version: 1, filename: '0001_one.sql' },
      { kind: 'applied', version: 1, filename: '0001_one.sql', ms: expect.any(Number) },
      { kind: 'applying', version: 2, filename: '0002_two.sql' },
      { kind: 'applied', version: 2, filename: '0002_two.sql', ms: expect.any(Number) },
    ]);
  });

  it('is told of the check of a database that is there, and of nothing where there is nothing to do', async () => {
    await upgrade(migrationsOf(one));
    const told: string[] = [];
    const onProgress = ({ kind }: ProgressEvent): void => {
      told.push(kind);
    };
    await upgrade(migrationsOf({ ...one, ...two }), { onProgress });
    expect(told).toEqual(['checked', 'applying', 'applied']);
    await upgrade(migrationsOf({ ...one, ...two }), { onProgress });
    expect(told).toHaveLength(3);
  });

  it('that throws does no harm', async () => {
    const onProgress = (): void => {
      throw new Error('I fell');
    };
    await expect(upgrade(migrationsOf({ ...one, ...two }), { onProgress })).resolves.toMatchObject({
      version: 2,
    });
  });
});

describe('an upgrade that is asked to stop', () => {
  it('does not begin', async () => {
    const stopped = upgrade(migrationsOf(one), { signal: AbortSignal.abort('enough') });
    await expect(stopped).rejects.toMatchObject({ name: 'InterruptedError', code: 'INTERRUPTED' });
    await expect(upgrade(migrationsOf(one))).resolves.toMatchObject({ version: 1 });
  });

  it('keeps the files that are applied, and goes on with the next open', async () => {
    const controller = new AbortController();
    const stopped = upgrade(migrationsOf({ ...one, ...two, ...three }), {
      signal: controller.signal,
      onProgress: ({ kind }) => {
        if (kind === 'applied') controller.abort(new Error('enough'));
      },
    });
    await expect(stopped).rejects.toMatchObject({ code: 'INTERRUPTED', cause: new Error('enough') });
    expect(await history()).toEqual(['1 applied migration']);
    const report = await upgrade(migrationsOf({ ...one, ...two, ...three }));
    expect(report.applied.map(({ version }) => version)).toEqual([2, 3]);
  });

  it.each([0, 50])(
    'does so in the middle of a statement, %i ms after it was told of its file',
    async (ms) => {
      const endless = {
        '0002_two.sql': `CREATE TABLE u (a);
        INSERT INTO u WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 0;`,
      };
      const controller = new AbortController();
      const stopped = upgrade(migrationsOf({ ...one, ...endless }), {
        signal: controller.signal,
        onProgress: (event) => {
          if (event.kind !== 'applying' || event.version !== 2) return;
          if (ms === 0) controller.abort();
          else
            setTimeout(() => {
              controller.abort();
            }, ms);
        },
      });
      await expect(stopped).rejects.toMatchObject({ code: 'INTERRUPTED' });
      // What is undone is no failure.
      expect(await history()).toEqual(['1 applied migration']);
      await expect(upgrade(migrationsOf({ ...one, ...two }))).resolves.toMatchObject({ version: 2 });
    },
  );
});

describe('a file without a transaction', () => {
  const vacuum = { '0002_two.sql': '-- migration: no-transaction\nVACUUM;' };

  it('runs between the others', async () => {
    const report = await upgrade(migrationsOf({ ...one, ...vacuum, ...three }));
    expect(report.applied.map(({ version }) => version)).toEqual([1, 2, 3]);
    expect(await history()).toEqual(['1 applied migration', '2 applied migration', '3 applied migration']);
    expect(await rows('SELECT a FROM t')).toEqual([{ a: 'x' }, { a: 'three' }]);
  });

  it('may be the last', async () => {
    await expect(upgrade(migrationsOf({ ...one, ...vacuum }))).resolves.toMatchObject({ version: 2 });
    await expect(upgrade(migrationsOf({ ...one, ...vacuum }))).resolves.toMatchObject({ upToDate: true });
  });

  it('can change the journal mode', async () => {
    const rollback = { '0002_two.sql': '-- migration: no-transaction\nPRAGMA journal_mode = DELETE;' };
    await upgrade(migrationsOf({ ...one, ...rollback }));
    expect((await dumpDatabase(database)).journalMode).toBe('delete');
  });

  it('is written down and named like any other where it fails', async () => {
    await upgrade(migrationsOf(one));
    const reader = await sqlite3Driver.open(database, 'read-only');
    const rollback = { '0002_two.sql': '-- migration: no-transaction\nPRAGMA journal_mode = DELETE;' };
    const files = migrationsOf({ ...one, ...rollback });
    // Somebody is reading: the mode cannot change.
    await reader.execute('BEGIN');
    await reader.query('SELECT * FROM t');
    await expect(upgrade(files)).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      place: { filename: '0002_two.sql', statement: 1, line: 2 },
    });
    await reader.execute('COMMIT');
    await reader.close();
    expect(await history()).toEqual(['1 applied migration', '2 failed migration']);
    await expect(upgrade(files)).resolves.toMatchObject({ version: 2 });
  });
});

describe('user_version', () => {
  const stamp = async (): Promise<string> => String((await rows('PRAGMA user_version'))[0]?.user_version);

  it('tells the newest file, in the same transaction', async () => {
    await upgrade(migrationsOf({ ...one, '0700_later.sql': 'CREATE TABLE v (a);' }));
    expect(await stamp()).toBe('700');
  });

  it('comes down from what an old release claimed, so that an upgrade that ends early can go on', async () => {
    await withLegacy(database, (connection) => connection.run('PRAGMA user_version = 5'));
    const release = { database, migrations: migrationsOf({ ...one, ...two }), legacy: { 5: [1] } };
    await upgradeDatabase({ ...release, to: 1 });
    expect(await stamp()).toBe('1');
    await expect(upgradeDatabase(release)).resolves.toMatchObject({ version: 2 });
    expect(await stamp()).toBe('2');
  });

  it('counts the files where their numbers do not fit', async () => {
    const dates = {
      '20250131093000_four.sql': 'CREATE TABLE v (a);',
      '20250131093001_five.sql': 'CREATE TABLE w (a);',
    };
    const report = await upgrade(migrationsOf({ ...one, ...two, ...three, ...dates }));
    expect(report.version).toBe(20250131093001);
    expect(await stamp()).toBe('5');
    await upgrade(
      migrationsOf({ ...one, ...two, ...three, ...dates, '20250131093002_six.sql': 'CREATE TABLE x (a);' }),
    );
    expect(await stamp()).toBe('6');
  });

  it('counts them also where it was higher before: one that is ahead of the history would be a sign of tampering', async () => {
    await upgrade(migrationsOf({ ...one, '0900_two.sql': 'CREATE TABLE v (a);' }));
    await upgrade(
      migrationsOf({
        ...one,
        '0900_two.sql': 'CREATE TABLE v (a);',
        '20250131093000_three.sql': 'CREATE TABLE w (a);',
      }),
    );
    expect(await stamp()).toBe('3');
  });
});

describe('another program that writes', () => {
  it('is waited for', async () => {
    await upgrade(migrationsOf(one));
    const other = await sqlite3Driver.open(database, 'read-write');
    await other.executeScript("BEGIN IMMEDIATE; INSERT INTO t (a) VALUES ('theirs')");
    const done = upgrade(migrationsOf({ ...one, ...three }));
    await new Promise((resolve) => setTimeout(resolve, 400));
    await other.execute('COMMIT');
    await expect(done).resolves.toMatchObject({ version: 3 });
    expect(await rows('SELECT a FROM t')).toEqual([{ a: 'x' }, { a: 'theirs' }, { a: 'three' }]);
    await other.close();
  });

  it('is waited for where it does not even let anybody read', async () => {
    await prepared('delete');
    const other = await sqlite3Driver.open(database, 'read-write');
    await other.executeScript("BEGIN EXCLUSIVE; INSERT INTO t (a) VALUES ('theirs')");
    await expect(upgrade(migrationsOf({ ...one, ...two }), { lockWaitMs: 10 })).rejects.toMatchObject({
      code: 'LOCKED',
    });
    const done = upgrade(migrationsOf({ ...one, ...three }));
    await new Promise((resolve) => setTimeout(resolve, 100));
    await other.execute('COMMIT');
    await other.close();
    await expect(done).resolves.toMatchObject({ version: 3 });
    expect(await rows('SELECT a FROM t')).toEqual([{ a: 'x' }, { a: 'theirs' }, { a: 'three' }]);
  });

  it('is named where it does not let go, and nothing has changed', async () => {
    await upgrade(migrationsOf(one));
    const other = await sqlite3Driver.open(database, 'read-write');
    await other.execute('BEGIN IMMEDIATE');
    await expect(upgrade(migrationsOf({ ...one, ...two }), { lockWaitMs: 10 })).rejects.toMatchObject({
      code: 'LOCKED',
    });
    await other.execute('COMMIT');
    await other.close();
    expect(await history()).toEqual(['1 applied migration']);
  });
});

describe('the journal mode', () => {
  const journalMode = async (): Promise<string> => (await dumpDatabase(database)).journalMode;

  it('of a new file is WAL', async () => {
    await upgrade(migrationsOf(one));
    expect(await journalMode()).toBe('wal');
  });

  it('of a file without a byte is WAL', async () => {
    await writeFile(database, '');
    expect(await upgrade(migrationsOf(one))).toMatchObject({ found: 'empty' });
    expect(await journalMode()).toBe('wal');
  });

  it('of a file whose making was cut off, and is rolled back, is WAL', async () => {
    await withLegacy(database, (connection) => connection.run('PRAGMA journal_mode = WAL;'));
    // "Database File Format", section 3: before this transaction the database had no page.
    const journal = Buffer.alloc(512);
    journal.write('d9d505f920a163d7', 'hex');
    journal.writeUInt32BE(512, 20);
    journal.writeUInt32BE(4096, 24);
    await writeFile(`${database}-journal`, journal);
    await upgrade(migrationsOf(one));
    expect(await journalMode()).toBe('wal');
    expect(await history()).toEqual(['1 applied migration']);
  });

  it.each(['delete', 'wal'] as const)('of a database in %s mode stays as it is', async (journal) => {
    await prepared(journal);
    await upgrade(migrationsOf({ ...one, ...two }));
    expect(await journalMode()).toBe(journal);
  });
});

it('a large database gets the quick check, and rows that break a rule are no reason to refuse it', async () => {
  await upgrade(migrationsOf({ '0001_one.sql': "CREATE TABLE t (a CHECK (a <> ''));" }));
  await withLegacy(database, (connection) =>
    connection.run("PRAGMA ignore_check_constraints = ON; INSERT INTO t VALUES ('');"),
  );
  const checks: string[] = [];
  const onProgress = (event: ProgressEvent): void => {
    if (event.kind === 'checked') checks.push(event.depth);
  };
  const files = { '0001_one.sql': "CREATE TABLE t (a CHECK (a <> ''));", ...two };
  const quick = await upgrade(migrationsOf(files), { fullCheckBytes: 0, onProgress });
  const full = await upgrade(migrationsOf({ ...files, '0003_three.sql': 'CREATE TABLE v (a);' }), {
    onProgress,
  });
  expect(checks).toEqual(['quick', 'full']);
  const violation = { table: 't', expression: "(a <> '')", rows: 1 };
  expect([quick.checkViolations, full.checkViolations]).toEqual([[violation], [violation]]);
});

it('the rows that are there in the end are told, whatever was not counted again on the way', async () => {
  await upgrade(migrationsOf(one));
  const { rows: counted } = await upgrade(
    migrationsOf({
      ...one,
      '0002_two.sql': "UPDATE t SET a = 'two';",
      '0003_three.sql': "CREATE TABLE u (a); INSERT INTO u SELECT a FROM t; UPDATE u SET a = '';",
      '0004_four.sql': "INSERT INTO t (a) VALUES ('four'); CREATE INDEX by_a ON t (a);",
      '0005_five.sql': "UPDATE t SET a = 'five';",
    }),
  );
  expect(counted).toEqual([
    { table: 't', before: 1, after: 2 },
    { table: 'u', before: 0, after: 1 },
  ]);
});

it('a damaged database is refused before the first write', async () => {
  await upgrade(migrationsOf({ ...one, '0002_two.sql': 'CREATE INDEX by_a ON t (a);' }));
  await withLegacy(database, (connection) =>
    connection.run(
      "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE INDEX by_a ON t (id)' WHERE name = 'by_a'; PRAGMA writable_schema = OFF;",
    ),
  );
  const bytes = await hashesIn(folder);
  const refused = upgrade(migrationsOf({ ...one, '0002_two.sql': 'CREATE INDEX by_a ON t (a);', ...three }));
  await expect(refused).rejects.toMatchObject({ code: 'DAMAGED_DATABASE' });
  expect(await hashesIn(folder)).toEqual(bytes);
});

describe('a database that is looked at while the first file is written,', () => {
  const indexed = { ...one, '0002_two.sql': 'CREATE INDEX by_a ON t (a);' };

  async function damaged(mode: 'WAL' | 'DELETE', megabytes: number): Promise<void> {
    await upgrade(migrationsOf(indexed));
    await withLegacy(database, (connection) =>
      connection.run(
        `PRAGMA journal_mode = ${mode};
         WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${megabytes}) INSERT INTO t (a) SELECT randomblob(1000000) FROM n;
         PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE INDEX by_a ON t (id)' WHERE name = 'by_a'; PRAGMA writable_schema = OFF;`,
      ),
    );
  }

  it.each(['WAL', 'DELETE'] as const)('is told to hold rows that break a CHECK (%s)', async (mode) => {
    await upgrade(migrationsOf(one));
    await withLegacy(database, (connection) =>
      connection.run(
        `PRAGMA journal_mode = ${mode}; PRAGMA ignore_check_constraints = ON;
         CREATE TABLE own (a CHECK (a > 0)); INSERT INTO own VALUES (-1);
         INSERT INTO t (a) VALUES (randomblob(1000000)), (randomblob(1000000));`,
      ),
    );
    const report = await upgrade(migrationsOf({ ...one, ...two }));
    expect(report.checkViolations).toEqual([{ table: 'own', expression: '(a > 0)', rows: 1 }]);
  });

  // More than the cache of a connection holds, unless it is told not to spill.
  const rewritten = {
    '0003_three.sql': "INSERT INTO t (a) VALUES ('three'); UPDATE t SET a = a || zeroblob(9);",
  };
  it.each([
    ['that can be carried out', 'WAL', 20, three],
    ['that cannot', 'WAL', 20, { '0003_three.sql': 'INSERT INTO nowhere VALUES (1);' }],
    ['in one transaction with the others', 'WAL', 20, { ...three, '0004_four.sql': 'CREATE TABLE v (a);' }],
    ['that rewrites all of it', 'DELETE', 8, rewritten],
    ['that cannot be carried out', 'DELETE', 8, { '0003_three.sql': 'INSERT INTO nowhere VALUES (1);' }],
    ['that rewrites all of a large one', 'DELETE', 20, rewritten],
  ] as const)('is refused when it is damaged, whatever a file does %s, in the mode %s', async (...given) => {
    const [title, mode, megabytes, files] = given;
    await damaged(mode, megabytes);
    const { 'a.db': bytes } = await hashesIn(folder);
    const refused = upgrade(migrationsOf({ ...indexed, ...files }), {
      backup: {},
      transaction: title.startsWith('in one') ? 'all' : 'each',
    });
    await expect(refused).rejects.toMatchObject({ code: 'DAMAGED_DATABASE' });
    expect((await hashesIn(folder))['a.db']).toEqual(bytes);
    expect(await history()).toEqual(['1 applied migration', '2 applied migration']);
    expect(await rows("SELECT count(*) FROM t WHERE a = 'three'")).toEqual([{ 'count(*)': '0' }]);
    expect((await readdir(folder)).filter((name) => !name.startsWith('a.db-'))).toEqual(['a.db']);
  });

  it.each([
    ['WAL', 20],
    ['DELETE', 8],
  ] as const)(
    'is refused before a file is kept that others wait behind, in the mode %s',
    async (mode, megabytes) => {
      await damaged(mode, megabytes);
      // A file with END in it shares its transaction with no other.
      const view = { '0004_four.sql': 'CREATE VIEW v AS SELECT CASE a WHEN 1 THEN 2 END AS b FROM t;' };
      const refused = upgrade(migrationsOf({ ...indexed, ...three, ...view }));
      await expect(refused).rejects.toMatchObject({ code: 'DAMAGED_DATABASE' });
      expect(await history()).toEqual(['1 applied migration', '2 applied migration']);
      expect(await rows("SELECT count(*) FROM t WHERE a = 'three'")).toEqual([{ 'count(*)': '0' }]);
    },
  );

  /** Names pages on which rows of a table stand as free ones, so that SQLite writes over them. */
  async function nameAsFree(count: number): Promise<void> {
    const bytes = await readFile(database);
    const size = bytes.readUInt16BE(16);
    const page = (number: number): Buffer => bytes.subarray((number - 1) * size, number * size);
    const withRows = Array.from({ length: bytes.length / size }, (_, index) => index + 1).filter(
      (number) => page(number)[0] === 13 && page(number).includes('a row of t'),
    );
    const trunk = page(bytes.readUInt32BE(32));
    const free = trunk.readUInt32BE(4);
    for (const [index, number] of withRows.slice(-count).entries())
      trunk.writeUInt32BE(number, 8 + 4 * (free - 1 - index));
    await writeFile(database, bytes);
  }

  it.each(['each', 'all'] as const)(
    'keeps every row where the list of free pages is wrong, and no log keeps what is written (%s)',
    async (transaction) => {
      await upgrade(migrationsOf(one));
      await withLegacy(database, (connection) =>
        connection.run(
          `PRAGMA journal_mode = DELETE; CREATE TABLE gone (b);
           WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
             INSERT INTO t (a) SELECT 'a row of t ' || hex(randomblob(100)) FROM n;
           INSERT INTO gone SELECT zeroblob(9000) FROM t LIMIT 100; DELETE FROM gone;`,
        ),
      );
      await nameAsFree(20);
      const { 'a.db': bytes } = await hashesIn(folder);
      const copied = { '0002_copy.sql': 'CREATE TABLE cp AS SELECT * FROM t; CREATE INDEX cpa ON cp (a);' };
      const refused = upgrade(migrationsOf({ ...one, ...copied }), { transaction });
      await expect(refused).rejects.toMatchObject({ code: 'DAMAGED_DATABASE' });
      expect((await hashesIn(folder))['a.db']).toEqual(bytes);
    },
  );

  it.each([
    ['WAL', 20],
    ['DELETE', 8],
  ] as const)(
    'ends a statement that would go on for ever when it is damaged (%s)',
    async (mode, megabytes) => {
      await damaged(mode, megabytes);
      const endless =
        'INSERT INTO t (a) WITH n (i) AS (SELECT 1 UNION ALL SELECT 1 FROM n) SELECT i FROM n WHERE i = 2;';
      const refused = upgrade(migrationsOf({ ...indexed, '0003_three.sql': endless }));
      await expect(refused).rejects.toMatchObject({ code: 'DAMAGED_DATABASE' });
    },
  );

  it('is not written to before the look is over, where it has no log', async () => {
    await upgrade(migrationsOf(indexed));
    await withLegacy(database, (connection) =>
      connection.run(
        `PRAGMA journal_mode = DELETE;
         WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 8) INSERT INTO t (a) SELECT zeroblob(1000000) FROM n;`,
      ),
    );
    const written = async (): Promise<bigint> => (await stat(database, { bigint: true })).mtimeNs;
    const before = await written();
    let meanwhile: bigint | undefined;
    let goOn: (() => void) | undefined;
    const isWritten = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const driver: DatabaseDriver = {
      name: 'slow to look',
      threads: true,
      async open(location, mode) {
        const db = await sqlite3Driver.open(location, mode);
        const query: typeof db.query = db.query.bind(db);
        const executeScript = db.executeScript.bind(db);
        return Object.assign(db, {
          query: async (...call: Parameters<typeof query>) => {
            if (call[0] === 'PRAGMA integrity_check') await isWritten;
            return query(...call);
          },
          executeScript: async (sql: string) => {
            await executeScript(sql);
            if (!sql.includes('UPDATE t')) return;
            meanwhile ??= await written();
            goOn?.();
          },
        });
      },
    };
    await upgrade(migrationsOf({ ...indexed, '0003_three.sql': 'UPDATE t SET a = a || zeroblob(9);' }), {
      driver,
    });
    expect(meanwhile).toBe(before);
    expect(await written()).not.toBe(before);
  });

  it('is told to be whole before it is told that the file is applied', async () => {
    await upgrade(migrationsOf(one));
    await withLegacy(database, (connection) =>
      connection.run('PRAGMA journal_mode = WAL; INSERT INTO t (a) VALUES (zeroblob(20000000));'),
    );
    const told: string[] = [];
    const onProgress = ({ kind }: ProgressEvent): void => {
      told.push(kind);
    };
    await upgrade(migrationsOf({ ...one, ...two }), { onProgress });
    expect(told.toSorted()).toEqual(['applied', 'applying', 'checked']);
    expect(told.at(-1)).toBe('applied');
  });

  it('is copied before, as it was', async () => {
    await upgrade(migrationsOf(one));
    await withLegacy(database, (connection) =>
      connection.run('PRAGMA journal_mode = WAL; INSERT INTO t (a) VALUES (zeroblob(20000000));'),
    );
    const before = await dumpDatabase(database);
    const { backup } = await upgrade(migrationsOf({ ...one, ...three }), { backup: {} });
    expect(await dumpDatabase(backup ?? '')).toEqual({ ...before, journalMode: 'delete' });
  });

  it('can be stopped while it is looked at', async () => {
    await upgrade(migrationsOf(one));
    await withLegacy(database, (connection) =>
      connection.run('PRAGMA journal_mode = WAL; INSERT INTO t (a) VALUES (zeroblob(20000000));'),
    );
    const stop = new AbortController();
    const onProgress = ({ kind }: ProgressEvent): void => {
      if (kind === 'applying') stop.abort();
    };
    const stopped = upgrade(migrationsOf({ ...one, ...two }), { onProgress, signal: stop.signal });
    await expect(stopped).rejects.toMatchObject({ code: 'INTERRUPTED' });
    expect(await history()).toEqual(['1 applied migration']);
  });
});
