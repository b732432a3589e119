import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import type { DatabaseBridge, OpenMode } from '../../core/database/database-bridge.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import { FileAccessError, InterruptedError, InvalidOptionError } from '../../core/errors.js';
import type { Backup } from '../../core/storage/backup-files.js';
import { applyRetention, listBackups } from '../../core/storage/backup-retention.js';
import {
  backUpDatabase,
  createBackup,
  verifyBackup,
  type BackupOptions,
} from '../../core/storage/database-backup.js';
import { resolveDatabaseFile } from '../../core/storage/database-file.js';
import { checkFreeSpace, formatBytes, largestTableBytes } from '../../core/storage/free-space.js';
import { dumpDatabase } from '../support/database-dump.js';
import { meddlingDriver } from '../support/meddling-driver.js';
import { giveToOtherUser, noOtherUser, runAsOtherUser, testUnless } from '../support/other-user.js';
import { startProgram } from '../support/processes.js';

const driver = sqlite3Driver;
const now = new Date('2026-11-20T06:02:05.123Z');
const DAY = 86_400_000;

let folder = '';
const open: DatabaseBridge[] = [];
const path = (): string => join(folder, 'worlds.db');
const files = (): string[] => readdirSync(folder).sort();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'database-backup-'));
});

afterEach(async () => {
  for (const db of open.splice(0)) await db.close();
  rmSync(folder, { recursive: true, force: true });
});

async function connect(mode: OpenMode = 'create', at = path()): Promise<DatabaseBridge> {
  const db = await driver.open(at, mode);
  open.push(db);
  return db;
}

/** A database that has something of everything; its connection stays open. */
async function newDatabase(setup = ''): Promise<DatabaseBridge> {
  const db = await connect();
  await db.executeScript(
    `${setup};
    PRAGMA user_version = 4; PRAGMA application_id = 77;
    CREATE TABLE worlds(id TEXT PRIMARY KEY, name);
    CREATE TABLE notes(text, shout GENERATED ALWAYS AS (upper(text)), size AS (length(text)) STORED);
    CREATE TABLE numbered(id INTEGER PRIMARY KEY AUTOINCREMENT, x);
    CREATE TABLE plain(a PRIMARY KEY, b) WITHOUT ROWID;
    CREATE TABLE typed(n INT, check_me CHECK (check_me < 5)) STRICT;
    CREATE INDEX by_size ON notes(lower(text), text DESC) WHERE text <> '';
    CREATE VIEW loud AS SELECT shout FROM notes;
    CREATE VIEW broken AS SELECT * FROM gone;
    CREATE TRIGGER kept AFTER DELETE ON worlds BEGIN DELETE FROM numbered; END;
    CREATE VIRTUAL TABLE search USING fts5(body);
    INSERT INTO search VALUES ('find me');
    INSERT INTO worlds(rowid, id, name) VALUES (9, 'b', x'00ff'), (3, 'a', 1e300), (70, 'c', 9007199254740993);
    INSERT INTO notes(rowid, text) VALUES (50, 'later'), (5, 'sooner'), (-7, 'first');
    INSERT INTO numbered(x) VALUES (1), (2); DELETE FROM numbered;
    INSERT INTO plain VALUES (1, 'x');
    ANALYZE;`.replace('check_me CHECK', 'check_me INT CHECK'),
  );
  return db;
}

/** Makes a backup as an upgrade does: while a writing transaction is open that has written nothing yet. */
async function backUp(db: DatabaseBridge, options: Partial<BackupOptions> = {}): Promise<Backup> {
  await db.execute('BEGIN IMMEDIATE');
  try {
    const file = await resolveDatabaseFile(path());
    return await backUpDatabase(file, { driver, from: 'legacy4', to: 'v11', now, ...options });
  } finally {
    await db.execute('ROLLBACK');
  }
}

const failure = (work: Promise<unknown>): Promise<unknown> => work.catch((error: unknown) => error);

describe('a backup', () => {
  test.each(['wal', 'delete'])('holds all that the database holds, rowids too (%s)', async (mode) => {
    const db = await newDatabase(`PRAGMA journal_mode = ${mode}`);
    const backup = await backUp(db);
    const name = 'worlds.db.backup-20261120T060205.123Z-legacy4-to-v11';
    expect(backup).toEqual({
      path: join(folder, name),
      name,
      time: now,
      from: 'legacy4',
      to: 'v11',
      sizeBytes: statSync(join(folder, name)).size,
    });
    const original = await dumpDatabase(path());
    expect(Object.keys(original.tables)).toContain('sqlite_sequence');
    expect(await dumpDatabase(backup.path)).toEqual({ ...original, journalMode: 'delete' });
    expect(files().filter((each) => each.startsWith(name))).toEqual([name]);
    expect(await verifyBackup(backup.path, { driver })).toMatchObject({ verified: true, userVersion: 4 });
  });

  test('holds what is in the log and not yet in the file', async () => {
    const db = await newDatabase('PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0');
    expect(statSync(path()).size).toBeLessThanOrEqual(4096);
    const backup = await backUp(db);
    expect((await dumpDatabase(backup.path)).tables.worlds?.rows).toHaveLength(3);
  });

  test.each([
    ["PRAGMA encoding = 'UTF-16le'; PRAGMA page_size = 1024; PRAGMA auto_vacuum = 2"],
    [
      "PRAGMA encoding = 'UTF-16be'; PRAGMA page_size = 16384; PRAGMA auto_vacuum = 1; PRAGMA journal_mode = WAL",
    ],
  ])('keeps encoding, page size and auto_vacuum: %s', async (setup) => {
    const db = await newDatabase(setup);
    const backup = await backUp(db);
    const copy = await connect('read-only', backup.path);
    for (const pragma of ['encoding', 'page_size', 'auto_vacuum']) {
      expect(await copy.query(`PRAGMA ${pragma}`)).toEqual(await db.query(`PRAGMA ${pragma}`));
    }
    const { tables } = await dumpDatabase(path());
    expect((await dumpDatabase(backup.path)).tables).toEqual(tables);
  });

  test('is made page by page where VACUUM cannot: an index on a function that only the application has', async () => {
    const db = await newDatabase('PRAGMA journal_mode = WAL');
    await db.executeScript(`PRAGMA writable_schema = ON;
      UPDATE sqlite_schema SET sql = 'CREATE INDEX by_size ON notes(own_function(text))' WHERE name = 'by_size';
      PRAGMA writable_schema = RESET`);
    await expect(db.execute('VACUUM INTO ?', [join(folder, 'x.db')])).rejects.toThrow(/own_function/);
    const backup = await backUp(db);
    expect(await dumpDatabase(backup.path)).toEqual({
      ...(await dumpDatabase(path())),
      journalMode: 'delete',
    });
    expect(files()).not.toContain(`${backup.name}-wal`);
  });

  test('may lack a sqlite_sequence that counts nothing any more', async () => {
    const db = await newDatabase();
    await db.executeScript('DROP TRIGGER kept; DROP TABLE numbered');
    const backup = await backUp(db);
    expect(await verifyBackup(backup.path, { driver })).toMatchObject({ verified: true });
  });

  test('can be read by those who can read the database, and by nobody else', async () => {
    const db = await newDatabase();
    giveToOtherUser(path(), 0o640);
    const backup = await backUp(db);
    const { mode, uid, gid } = statSync(path());
    expect(statSync(backup.path)).toMatchObject({ mode, uid, gid });
  });

  test('never has the name of another one', async () => {
    const db = await newDatabase();
    const first = await backUp(db);
    const second = await backUp(db);
    expect(second.name).toBe(`${first.name}-2`);
    await db.execute('BEGIN IMMEDIATE');
    const file = await resolveDatabaseFile(path());
    const both = await Promise.all(
      [1, 2, 3].map(() => backUpDatabase(file, { driver, from: 'legacy4', to: 'v11', now })),
    );
    await db.execute('ROLLBACK');
    expect(new Set([first, second, ...both].map(({ name }) => name)).size).toBe(5);
    expect((await listBackups(path(), { driver })).map(({ name }) => name)).toEqual(
      ['-5', '-4', '-3', '-2', ''].map((ending) => `${first.name}${ending}`),
    );
  });

  test('lies in the folder that is named, and with the file that a link leads to', async () => {
    const db = await newDatabase();
    mkdirSync(join(folder, 'kept'));
    symlinkSync('worlds.db', join(folder, 'link.db'));
    const file = await resolveDatabaseFile(join(folder, 'link.db'));
    const options = { driver, from: 'v9', to: 'v11', now };
    const beside = await backUpDatabase(file, options);
    expect(beside.name).toBe('worlds.db.backup-20261120T060205.123Z-v9-to-v11');
    const kept = await backUpDatabase(file, { ...options, folder: join(folder, 'kept') });
    expect(kept.path).toBe(join(folder, 'kept', beside.name));
    expect(await failure(backUp(db, { folder: join(folder, 'nowhere') }))).toBeInstanceOf(InvalidOptionError);
    expect(await failure(backUp(db, { folder: '' }))).toBeInstanceOf(InvalidOptionError);
  });

  test('is not made of a damaged database, and nothing is left of the attempt', async () => {
    const db = await newDatabase();
    await db.executeScript(`INSERT INTO notes(text) SELECT 'note ' || value FROM json_each('[1,2,3]');
      CREATE TABLE other(x); CREATE INDEX other_x ON other(x); INSERT INTO other VALUES (1), (2);
      PRAGMA writable_schema = ON;
      UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_worlds_1')
        WHERE name = 'other_x';
      PRAGMA writable_schema = RESET`);
    const before = files();
    expect(await failure(backUp(db))).toMatchObject({
      code: 'BACKUP_FAILED',
      hint: expect.stringContaining('integrity'),
    });
    expect(files()).toEqual(before);
  });

  test('is not made while another program writes, and says so', async () => {
    const db = await newDatabase('PRAGMA journal_mode = WAL');
    const before = files();
    const file = await resolveDatabaseFile(path());
    const meddling = meddlingDriver(async (sql) => {
      if (sql.startsWith('VACUUM')) await db.execute("UPDATE worlds SET name = 'other' WHERE id = 'a'");
    });
    const error = await failure(backUpDatabase(file, { driver: meddling, from: 'legacy4', to: 'v11' }));
    expect(error).toMatchObject({
      code: 'BACKUP_FAILED',
      message: expect.stringContaining('was changed while'),
    });
    expect(files()).toEqual(before);
  });

  test.each([
    'DELETE FROM plain',
    'DROP TABLE plain',
    'DROP INDEX by_size',
    'DROP VIEW loud; CREATE VIEW loud AS SELECT 1',
    'CREATE TABLE extra(x)',
    'PRAGMA user_version = 3',
    'PRAGMA application_id = 1',
  ])('is given up when it turns out unlike the database: %s', async (change) => {
    const db = await newDatabase();
    const meddling = meddlingDriver(async (_sql, [copy]) => {
      if (typeof copy !== 'string') return;
      const made = await driver.open(copy, 'read-write');
      await made.executeScript(change);
      await made.close();
    });
    const error = await failure(backUp(db, { driver: meddling }));
    expect(error).toMatchObject({ code: 'BACKUP_FAILED', message: expect.stringContaining('is not right') });
    expect(files()).toEqual(['worlds.db']);
  });

  test('can be interrupted, and leaves nothing', async () => {
    const db = await newDatabase('PRAGMA synchronous = OFF');
    await db.executeScript(
      'INSERT INTO notes(text) WITH n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 100000) SELECT hex(randomblob(50)) FROM n',
    );
    for (const ms of [0, 40]) {
      const stop = new AbortController();
      setTimeout(() => {
        stop.abort();
      }, ms);
      expect(await failure(backUp(db, { signal: stop.signal }))).toBeInstanceOf(InterruptedError);
      expect(files()).toEqual(['worlds.db']);
    }
  });

  test.each([
    { from: 'V9' },
    { from: '../x' },
    { to: '' },
    { now: new Date(NaN) },
    { fullCheckBytes: NaN },
    { fullCheckBytes: -1 },
    { fullCheckBytes: Infinity },
  ])('refuses an option that cannot be used: %p', async (options) => {
    const db = await newDatabase();
    expect(await failure(backUp(db, options))).toBeInstanceOf(InvalidOptionError);
    expect(files()).toEqual(['worlds.db']);
  });

  test('that was killed half-way has a name of its own, and is gone after the next', async () => {
    const db = await newDatabase();
    const program = startProgram('back-up-slowly', path());
    await program.said('copying');
    while (!files().some((name) => name.endsWith('.partial')))
      await new Promise((resolve) => setTimeout(resolve, 5));
    const [partial = ''] = files().filter((name) => name.endsWith('.partial'));
    program.kill('SIGSTOP');
    // Its maker lives: it stays.
    await backUp(db);
    expect(files()).toContain(partial);
    program.kill('SIGKILL');
    await program.end();
    writeFileSync(join(folder, 'other.db.backup-x.1-1.partial'), 'not ours');
    writeFileSync(join(folder, 'worlds.db.partial'), 'not ours');
    await backUp(db);
    expect(files().filter((name) => name.endsWith('.partial'))).toEqual([
      'other.db.backup-x.1-1.partial',
      'worlds.db.partial',
    ]);
    expect(await listBackups(path(), { driver, verify: true })).toEqual([
      expect.objectContaining({ verdict: expect.objectContaining({ verified: true }) }),
      expect.objectContaining({ verdict: expect.objectContaining({ verified: true }) }),
    ]);
  });

  testUnless(noOtherUser, 'needs a folder that can be written', async () => {
    const db = await newDatabase();
    await db.close();
    open.length = 0;
    giveToOtherUser(path(), 0o600);
    giveToOtherUser(folder, 0o500);
    expect(await runAsOtherUser('create-backup', path())).toBe('NO_ACCESS');
    mkdirSync(join(folder, 'kept'));
    giveToOtherUser(join(folder, 'kept'), 0o700);
    expect(await runAsOtherUser('create-backup', path(), join(folder, 'kept'))).toMatch(/-legacy4-to-copy$/);
    giveToOtherUser(folder, 0o700);
  });
});

describe('a backup that somebody asks for', () => {
  test.each(['wal', 'delete'])('is made while programs read and write (%s)', async (mode) => {
    const db = await newDatabase(`PRAGMA journal_mode = ${mode}`);
    let written = 0;
    const done = new AbortController();
    const writing = (async () => {
      for (; !done.signal.aborted; written += 1) {
        await db.execute('INSERT INTO worlds(id) VALUES (hex(randomblob(8)))');
      }
    })();
    const backup = await createBackup(path(), { driver });
    done.abort();
    await writing;
    expect(backup).toMatchObject({ from: 'legacy4', to: 'copy' });
    expect(await verifyBackup(backup.path, { driver })).toMatchObject({ verified: true });
    expect((await dumpDatabase(path())).tables.worlds?.rows).toHaveLength(3 + written);
  });

  test('says that there is no database', async () => {
    expect(await failure(createBackup(path(), { driver }))).toMatchObject({ code: 'MISSING_DATABASE' });
    expect(files()).toEqual([]);
  });

  test('waits for a program that writes, and no longer than it may', async () => {
    const db = await newDatabase();
    await db.execute('BEGIN IMMEDIATE');
    const error = await failure(createBackup(path(), { driver, waitMs: 0 }));
    expect(error).toHaveProperty('sqliteCode', 'SQLITE_BUSY');
    const waiting = createBackup(path(), { driver, waitMs: 30_000 });
    await db.execute('ROLLBACK');
    expect(await waiting).toHaveProperty('to', 'copy');
  });
});

describe('whether a backup is good', () => {
  const verdict = (at: string): Promise<unknown> => verifyBackup(at, { driver });

  test('is told with what it holds, or what is wrong', async () => {
    const db = await newDatabase();
    const { path: good } = await backUp(db);
    expect(await verdict(good)).toEqual({
      verified: true,
      userVersion: 4,
      tables: 12,
      rows: expect.any(Number),
    });

    writeFileSync(join(folder, 'random'), 'no database at all, '.repeat(50));
    writeFileSync(join(folder, 'empty'), '');
    writeFileSync(join(folder, 'cut'), readFileSync(good));
    truncateSync(join(folder, 'cut'), 8192);
    writeFileSync(join(folder, 'x.1-1.partial'), readFileSync(good));
    const bytes = readFileSync(good);
    bytes.fill(0, 4096, 8192);
    writeFileSync(join(folder, 'zeroed'), bytes);
    for (const name of ['random', 'empty', 'cut', 'x.1-1.partial', 'zeroed']) {
      expect({ name, verdict: await verdict(join(folder, name)) }).toEqual({
        name,
        verdict: { verified: false, reason: expect.stringMatching(/\w{3}/) },
      });
    }
    await expect(verdict(join(folder, 'absent'))).rejects.toBeInstanceOf(FileAccessError);
  });

  test('is told without a change to the folder', async () => {
    const db = await newDatabase();
    const { path: good } = await backUp(db);
    const before = files();
    await verdict(good);
    expect(files()).toEqual(before);
  });
});

describe('old backups', () => {
  /** Backups of the given ages in days, the newest first, as files that all hold the same. */
  async function make(...ages: readonly number[]): Promise<string[]> {
    const db = await newDatabase();
    const made: string[] = [];
    for (const age of ages) {
      made.push((await backUp(db, { now: new Date(now.getTime() - age * DAY) })).name);
    }
    return made;
  }
  const kept = async (): Promise<string[]> => (await listBackups(path(), { driver })).map(({ name }) => name);

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
      writeFileSync(join(folder, other), '');
    }
    mkdirSync(join(folder, first.replace('v11', 'v12')));
    for (const db of open.splice(0)) await db.close();
    rmSync(path());
    const listed = await listBackups(path(), { driver, verify: true });
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
    expect(await applyRetention(path(), { driver, now })).toEqual([]);
    expect(await kept()).toEqual(made);
    const removed = await applyRetention(path(), { driver, now, keepCount: 4 });
    expect(removed.map(({ name }) => name)).toEqual(made.slice(4));
    await applyRetention(path(), { driver, now, keepDays: 2.5 });
    expect(await kept()).toEqual(made.slice(0, 3));
    await applyRetention(path(), { driver, now, keepCount: 2, keepDays: 30 });
    expect(await kept()).toEqual(made.slice(0, 2));
  });

  test('never go altogether: the newest one that verifies stays', async () => {
    const made = await make(0, 1, 2);
    const [newest = '', second = '', third = ''] = made;
    writeFileSync(join(folder, newest), 'damaged');
    await applyRetention(path(), { driver, now: new Date(now.getTime() + 1000 * DAY), keepDays: 1 });
    expect(await kept()).toEqual([second]);
    await applyRetention(path(), {
      driver,
      now: new Date(now.getTime() + 1000 * DAY),
      keepDays: 1,
      keepCount: 1,
    });
    expect(await kept()).toEqual([second]);
    expect(existsSync(join(folder, third))).toBe(false);
  });

  test('all stay when none of them verifies', async () => {
    const made = await make(0, 1);
    for (const name of made) writeFileSync(join(folder, name), 'damaged');
    expect(await applyRetention(path(), { driver, now, keepCount: 1 })).toEqual([]);
    expect(await kept()).toEqual(made);
  });

  test('of other databases and other files are not touched', async () => {
    const [first = ''] = await make(5, 4, 3);
    const others = [first.replace('worlds', 'my-worlds'), `${first}.txt`, first.replace('-legacy4', '')];
    for (const name of others) writeFileSync(join(folder, name), '');
    await applyRetention(path(), { driver, now, keepCount: 1, keepDays: 1 });
    expect(files()).toEqual(expect.arrayContaining(others));
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
    expect(await failure(applyRetention(path(), { driver, ...limits }))).toBeInstanceOf(InvalidOptionError);
    expect(await kept()).toHaveLength(1);
  });
});

describe('the room that an upgrade needs', () => {
  test('is the copy, the largest table and its log, and the error tells both sizes', async () => {
    const db = await newDatabase();
    const file = await resolveDatabaseFile(path());
    await checkFreeSpace(file, db, { backupFolder: folder });
    const error = await failure(checkFreeSpace(file, db, { backupFolder: folder, rebuildBytes: 2 ** 52 }));
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
    const db = await newDatabase();
    expect(await largestTableBytes(db)).toBeLessThan(100_000);
    await db.executeScript(`CREATE TABLE large(x); CREATE INDEX large_x ON large(x);
      INSERT INTO large SELECT randomblob(500) FROM (WITH n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 1000) SELECT x FROM n)`);
    expect(await largestTableBytes(db)).toBeGreaterThan(1_000_000);
    expect(await largestTableBytes(db)).toBeLessThan(statSync(path()).size);
  });

  test.each([
    [999, '999 bytes'],
    [1_500, '1.5 kB'],
    [12_345_678, '12 MB'],
    [1_200_000_000, '1.2 GB'],
  ])('is told in words for people: %p', (bytes, words) => {
    expect(formatBytes(bytes)).toBe(words);
    expect(basename(words)).toBe(words);
  });
});
