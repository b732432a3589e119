import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import { FileAccessError, InterruptedError, InvalidOptionError } from '../../core/errors.js';
import { listBackups } from '../../core/storage/backup-retention.js';
import { backUpDatabase, createBackup, verifyBackup } from '../../core/storage/database-backup.js';
import { resolveDatabaseFile } from '../../core/storage/database-file.js';
import { BackupFolder, backupTime, failure } from '../support/backup-folder.js';
import { dumpDatabase } from '../support/database-dump.js';
import { meddlingDriver } from '../support/meddling-driver.js';
import { testUnless } from '../support/needed.js';
import { giveToOtherUser, noOtherUser, runAsOtherUser } from '../support/other-user.js';
import { startProgram } from '../support/processes.js';

const driver = sqlite3Driver;
const now = backupTime;
let place: BackupFolder;

beforeEach(() => {
  place = new BackupFolder();
});

afterEach(async () => {
  await place.remove();
});

describe('a backup', () => {
  test.each(['wal', 'delete'])('holds all that the database holds, rowids too (%s)', async (mode) => {
    const db = await place.newDatabase(`PRAGMA journal_mode = ${mode}`);
    const backup = await place.backUp(db);
    const name = 'worlds.db.backup-20261120T060205.123Z-legacy4-to-v11';
    expect(backup).toEqual({
      path: place.at(name),
      name,
      time: now,
      from: 'legacy4',
      to: 'v11',
      sizeBytes: statSync(place.at(name)).size,
    });
    const original = await dumpDatabase(place.path);
    expect(Object.keys(original.tables)).toContain('sqlite_sequence');
    expect(await dumpDatabase(backup.path)).toEqual({ ...original, journalMode: 'delete' });
    expect(place.files().filter((each) => each.startsWith(name))).toEqual([name]);
    expect(await verifyBackup(backup.path, { driver })).toMatchObject({ verified: true, userVersion: 4 });
  });

  test('holds what is in the log and not yet in the file', async () => {
    const db = await place.newDatabase('PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0');
    expect(statSync(place.path).size).toBeLessThanOrEqual(4096);
    const backup = await place.backUp(db);
    expect((await dumpDatabase(backup.path)).tables.worlds?.rows).toHaveLength(3);
  });

  test.each([
    ["PRAGMA encoding = 'UTF-16le'; PRAGMA page_size = 1024; PRAGMA auto_vacuum = 2"],
    [
      "PRAGMA encoding = 'UTF-16be'; PRAGMA page_size = 16384; PRAGMA auto_vacuum = 1; PRAGMA journal_mode = WAL",
    ],
  ])('keeps encoding, page size and auto_vacuum: %s', async (setup) => {
    const db = await place.newDatabase(setup);
    const backup = await place.backUp(db);
    const copy = await place.connect('read-only', backup.path);
    for (const pragma of ['encoding', 'page_size', 'auto_vacuum']) {
      expect(await copy.query(`PRAGMA ${pragma}`)).toEqual(await db.query(`PRAGMA ${pragma}`));
    }
    const { tables } = await dumpDatabase(place.path);
    expect((await dumpDatabase(backup.path)).tables).toEqual(tables);
  });

  test('is made page by page where VACUUM cannot: an index on a function that only the application has', async () => {
    const db = await place.newDatabase('PRAGMA journal_mode = WAL');
    await db.executeScript(`PRAGMA writable_schema = ON;
      UPDATE sqlite_schema SET sql = 'CREATE INDEX by_size ON notes(own_function(text))' WHERE name = 'by_size';
      PRAGMA writable_schema = RESET`);
    await expect(db.execute('VACUUM INTO ?', [place.at('x.db')])).rejects.toThrow(/own_function/);
    const backup = await place.backUp(db);
    expect(await dumpDatabase(backup.path)).toEqual({
      ...(await dumpDatabase(place.path)),
      journalMode: 'delete',
    });
    expect(place.files()).not.toContain(`${backup.name}-wal`);
  });

  test('may lack a sqlite_sequence that counts nothing any more', async () => {
    const db = await place.newDatabase();
    await db.executeScript('DROP TRIGGER kept; DROP TABLE numbered');
    const backup = await place.backUp(db);
    expect(await verifyBackup(backup.path, { driver })).toMatchObject({ verified: true });
    expect(Object.keys((await dumpDatabase(backup.path)).tables)).not.toContain('sqlite_sequence');
  });

  test('can be read by those who can read the database, and by nobody else', async () => {
    const db = await place.newDatabase();
    giveToOtherUser(place.path, 0o640);
    const backup = await place.backUp(db);
    const { mode, uid, gid } = statSync(place.path);
    expect(statSync(backup.path)).toMatchObject({ mode, uid, gid });
  });

  test('never has the name of another one', async () => {
    const db = await place.newDatabase();
    const first = await place.backUp(db);
    const second = await place.backUp(db);
    expect(second.name).toBe(`${first.name}-2`);
    await db.execute('BEGIN IMMEDIATE');
    const file = await resolveDatabaseFile(place.path);
    const both = await Promise.all(
      [1, 2, 3].map(() => backUpDatabase(file, { driver, from: 'legacy4', to: 'v11', now })),
    );
    await db.execute('ROLLBACK');
    expect(new Set([first, second, ...both].map(({ name }) => name)).size).toBe(5);
    expect((await listBackups(place.path, { driver })).map(({ name }) => name)).toEqual(
      ['-5', '-4', '-3', '-2', ''].map((ending) => `${first.name}${ending}`),
    );
  });

  test('lies in the folder that is named, and with the file that a link leads to', async () => {
    const db = await place.newDatabase();
    mkdirSync(place.at('kept'));
    symlinkSync('worlds.db', place.at('link.db'));
    const file = await resolveDatabaseFile(place.at('link.db'));
    const options = { driver, from: 'v9', to: 'v11', now };
    const beside = await backUpDatabase(file, options);
    expect(beside.name).toBe('worlds.db.backup-20261120T060205.123Z-v9-to-v11');
    const kept = await backUpDatabase(file, { ...options, folder: place.at('kept') });
    expect(kept.path).toBe(join(place.folder, 'kept', beside.name));
    expect(await failure(place.backUp(db, { folder: place.at('nowhere') }))).toBeInstanceOf(
      InvalidOptionError,
    );
    expect(await failure(place.backUp(db, { folder: '' }))).toBeInstanceOf(InvalidOptionError);
  });

  test('is not made of a damaged database, and nothing is left of the attempt', async () => {
    const db = await place.newDatabase();
    await db.executeScript(`INSERT INTO notes(text) SELECT 'note ' || value FROM json_each('[1,2,3]');
      CREATE TABLE other(x); CREATE INDEX other_x ON other(x); INSERT INTO other VALUES (1), (2);
      PRAGMA writable_schema = ON;
      UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_worlds_1')
        WHERE name = 'other_x';
      PRAGMA writable_schema = RESET`);
    const before = place.files();
    expect(await failure(place.backUp(db))).toMatchObject({
      code: 'BACKUP_FAILED',
      hint: expect.stringContaining('integrity'),
    });
    expect(place.files()).toEqual(before);
  });

  test('is not made while another program writes, and says so', async () => {
    const db = await place.newDatabase('PRAGMA journal_mode = WAL');
    const before = place.files();
    const file = await resolveDatabaseFile(place.path);
    const meddling = meddlingDriver(async (sql) => {
      if (sql.startsWith('VACUUM')) await db.execute("UPDATE worlds SET name = 'other' WHERE id = 'a'");
    });
    const error = await failure(backUpDatabase(file, { driver: meddling, from: 'legacy4', to: 'v11' }));
    expect(error).toMatchObject({
      code: 'BACKUP_FAILED',
      message: expect.stringContaining('was changed while'),
    });
    expect(place.files()).toEqual(before);
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
    const db = await place.newDatabase();
    const meddling = meddlingDriver(async (_sql, [copy]) => {
      if (typeof copy !== 'string') return;
      const made = await driver.open(copy, 'read-write');
      await made.executeScript(change);
      await made.close();
    });
    const error = await failure(place.backUp(db, { driver: meddling }));
    expect(error).toMatchObject({ code: 'BACKUP_FAILED', message: expect.stringContaining('is not right') });
    expect(place.files()).toEqual(['worlds.db']);
  });

  test('can be interrupted, and leaves nothing', async () => {
    const db = await place.newDatabase('PRAGMA synchronous = OFF');
    await db.executeScript(
      'INSERT INTO notes(text) WITH n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 100000) SELECT hex(randomblob(50)) FROM n',
    );
    for (const ms of [0, 40]) {
      const stop = new AbortController();
      setTimeout(() => {
        stop.abort();
      }, ms);
      expect(await failure(place.backUp(db, { signal: stop.signal }))).toBeInstanceOf(InterruptedError);
      expect(place.files()).toEqual(['worlds.db']);
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
    const db = await place.newDatabase();
    expect(await failure(place.backUp(db, options))).toBeInstanceOf(InvalidOptionError);
    expect(place.files()).toEqual(['worlds.db']);
  });

  test('that was killed half-way has a name of its own, and is gone after the next', async () => {
    const db = await place.newDatabase();
    const program = startProgram('back-up-slowly', place.path);
    await program.said('copying');
    while (!place.files().some((name) => name.endsWith('.partial')))
      await new Promise((resolve) => setTimeout(resolve, 5));
    const [partial = ''] = place.files().filter((name) => name.endsWith('.partial'));
    program.kill('SIGSTOP');
    // Its maker lives: it stays.
    await place.backUp(db);
    expect(place.files()).toContain(partial);
    program.kill('SIGKILL');
    await program.end();
    writeFileSync(place.at('other.db.backup-x.1-1.partial'), 'not ours');
    writeFileSync(place.at('worlds.db.partial'), 'not ours');
    await place.backUp(db);
    expect(place.files().filter((name) => name.endsWith('.partial'))).toEqual([
      'other.db.backup-x.1-1.partial',
      'worlds.db.partial',
    ]);
    expect(await listBackups(place.path, { driver, verify: true })).toEqual([
      expect.objectContaining({ verdict: expect.objectContaining({ verified: true }) }),
      expect.objectContaining({ verdict: expect.objectContaining({ verified: true }) }),
    ]);
  });

  test('that was left unfinished is gone after the next, also where another process has the number of its maker', async () => {
    const db = await place.newDatabase();
    const [left, recent] = [1, 2].map((count) => `worlds.db.backup-x.${process.ppid}-${count}.partial`);
    if (left === undefined || recent === undefined) throw new Error('There are two names.');
    for (const name of [left, recent]) writeFileSync(place.at(name), 'half a copy');
    const twoDaysAgo = new Date(Date.now() - 48 * 60 * 60 * 1000);
    utimesSync(place.at(left), twoDaysAgo, twoDaysAgo);
    await place.backUp(db);
    expect(place.files()).not.toContain(left);
    expect(place.files()).toContain(recent);
  });

  testUnless(noOtherUser, 'needs a folder that can be written', async () => {
    await place.newDatabase();
    await place.closeAll();
    mkdirSync(place.at('kept'));
    giveToOtherUser(place.at('kept'), 0o700);
    giveToOtherUser(place.path, 0o600);
    giveToOtherUser(place.folder, 0o500);
    expect(await runAsOtherUser('create-backup', place.path)).toBe('NO_ACCESS');
    expect(await runAsOtherUser('create-backup', place.path, place.at('kept'))).toMatch(/-legacy4-to-copy$/);
    giveToOtherUser(place.folder, 0o700);
  });

  testUnless(
    noOtherUser,
    'is not told that a change waits to be undone where WAL mode needs a folder',
    async () => {
      const setup = 'PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0';
      await place.newDatabase(setup);
      const copy = place.at('read-only');
      mkdirSync(copy);
      mkdirSync(place.at('kept'));
      giveToOtherUser(place.at('kept'), 0o700);
      giveToOtherUser(place.folder, 0o755);
      for (const ending of ['', '-wal']) {
        spawnSync('cp', [`${place.path}${ending}`, join(copy, `worlds.db${ending}`)]);
        giveToOtherUser(join(copy, `worlds.db${ending}`), 0o444);
      }
      giveToOtherUser(copy, 0o555);
      const told = await runAsOtherUser('create-backup', join(copy, 'worlds.db'), place.at('kept'));
      giveToOtherUser(copy, 0o700);
      expect(told).toBe('NO_ACCESS');
    },
  );
});

describe('a backup that somebody asks for', () => {
  test.each(['wal', 'delete'])('is made while programs read and write (%s)', async (mode) => {
    const db = await place.newDatabase(`PRAGMA journal_mode = ${mode}`);
    let written = 0;
    const done = new AbortController();
    const writing = (async () => {
      for (; !done.signal.aborted; written += 1) {
        await db.execute('INSERT INTO worlds(id) VALUES (hex(randomblob(8)))');
      }
    })();
    const backup = await createBackup(place.path, { driver });
    done.abort();
    await writing;
    expect(backup).toMatchObject({ from: 'legacy4', to: 'copy' });
    expect(await verifyBackup(backup.path, { driver })).toMatchObject({ verified: true });
    expect((await dumpDatabase(place.path)).tables.worlds?.rows).toHaveLength(3 + written);
  });

  test('says that there is no database', async () => {
    expect(await failure(createBackup(place.path, { driver }))).toMatchObject({ code: 'MISSING_DATABASE' });
    expect(place.files()).toEqual([]);
  });

  test('waits for a program that writes, and no longer than it may', async () => {
    const db = await place.newDatabase();
    await db.execute('BEGIN IMMEDIATE');
    const error = await failure(createBackup(place.path, { driver, waitMs: 0 }));
    expect(error).toHaveProperty('code', 'LOCKED');
    const waiting = createBackup(place.path, { driver, waitMs: 30_000 });
    await db.execute('ROLLBACK');
    expect(await waiting).toHaveProperty('to', 'copy');
  });

  test.each(['wal', 'delete'])('does not wait for a program that reads on and on (%s)', async (mode) => {
    const reader = await place.newDatabase(`PRAGMA journal_mode = ${mode}`);
    await reader.execute('BEGIN');
    await reader.query('SELECT * FROM worlds');
    const backup = await createBackup(place.path, { driver, waitMs: 0 });
    await reader.execute('COMMIT');
    expect(await verifyBackup(backup.path, { driver })).toMatchObject({ verified: true });
  });
});

describe('whether a backup is good', () => {
  const verdict = (at: string): Promise<unknown> => verifyBackup(at, { driver });

  test('is told with what it holds, or what is wrong', async () => {
    const db = await place.newDatabase();
    const { path: good } = await place.backUp(db);
    expect(await verdict(good)).toEqual({
      verified: true,
      userVersion: 4,
      tables: 12,
      rows: expect.any(Number),
    });

    writeFileSync(place.at('random'), 'no database at all, '.repeat(50));
    writeFileSync(place.at('empty'), '');
    writeFileSync(place.at('cut'), readFileSync(good));
    truncateSync(place.at('cut'), 8192);
    writeFileSync(place.at('x.1-1.partial'), readFileSync(good));
    const bytes = readFileSync(good);
    bytes.fill(0, 4096, 8192);
    writeFileSync(place.at('zeroed'), bytes);
    for (const name of ['random', 'empty', 'cut', 'x.1-1.partial', 'zeroed']) {
      expect({ name, verdict: await verdict(place.at(name)) }).toEqual({
        name,
        verdict: { verified: false, reason: expect.stringMatching(/\w{3}/) },
      });
    }
    await expect(verdict(place.at('absent'))).rejects.toBeInstanceOf(FileAccessError);
  });

  test('is told of a log without its file before SQLite is let near it, which would remove the log', async () => {
    await place.newDatabase('PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0');
    const log = readFileSync(`${place.path}-wal`);
    expect(log.length).toBeGreaterThan(0);
    writeFileSync(place.at('left'), '');
    writeFileSync(place.at('left-wal'), log);
    expect(await verdict(place.at('left'))).toEqual({
      verified: false,
      reason: 'its data is in a log without its file',
    });
    expect(readFileSync(place.at('left-wal')).equals(log)).toBe(true);
  });

  test('is told as deeply as is asked for', async () => {
    const db = await place.newDatabase();
    // The index says of itself that it is over another column than it is.
    await db.executeScript(`CREATE INDEX typed_n ON typed (n); INSERT INTO typed VALUES (1, 2);
      PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE INDEX typed_n ON typed (check_me)' WHERE name = 'typed_n';`);
    await place.closeAll();
    expect(await verdict(place.path)).toMatchObject({
      verified: false,
      reason: /missing from index typed_n/,
    });
    expect(await verifyBackup(place.path, { driver, fullCheckBytes: 0 })).toMatchObject({ verified: true });
    expect(await failure(verifyBackup(place.path, { driver, fullCheckBytes: -1 }))).toBeInstanceOf(
      InvalidOptionError,
    );
  });

  test('is not told where the look was stopped, or failed by no fault of the backup', async () => {
    const db = await place.newDatabase();
    const { path: good } = await place.backUp(db);
    const stopped = verifyBackup(good, { driver, signal: AbortSignal.abort() });
    expect(await failure(stopped)).toBeInstanceOf(InterruptedError);
    const broken = { ...driver, open: () => Promise.reject(new TypeError('a fault of the program')) };
    expect(await failure(verifyBackup(good, { driver: broken }))).toBeInstanceOf(TypeError);
  });

  test('is told without a change to the folder', async () => {
    const db = await place.newDatabase();
    const { path: good } = await place.backUp(db);
    const before = place.files();
    await verdict(good);
    expect(place.files()).toEqual(before);
  });
});
