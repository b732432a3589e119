import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { pino } from 'pino';

import type {
  DatabaseBridge,
  DatabaseDriver,
  LocalBridge,
  OpenMode,
} from '../../core/database/database-bridge.js';
import { databaseError } from '../../core/database/driver-errors.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import { InterruptedError, InvalidOptionError } from '../../core/errors.js';
import { listBackups } from '../../core/storage/backup-retention.js';
import { createBackup } from '../../core/storage/database-backup.js';
import { resolveDatabaseFile } from '../../core/storage/database-file.js';
import {
  restoreBackup,
  type RestoreOptions,
  type RestoreReport,
} from '../../core/storage/database-restore.js';
import { acquireMigrationLock } from '../../core/storage/migration-lock.js';
import { dumpDatabase, type DatabaseDump } from '../support/database-dump.js';
import { drivers } from '../support/drivers.js';
import { meddlingDriver } from '../support/meddling-driver.js';
import { startProgram } from '../support/processes.js';

const driver = sqlite3Driver;
const modes = ['wal', 'delete'] as const;

let folder = '';
const open: DatabaseBridge[] = [];
const at = (name: string): string => join(folder, name);
const path = (): string => at('worlds.db');
const files = (): string[] => readdirSync(folder).sort();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'database-restore-'));
});

afterEach(async () => {
  await closeAll();
  rmSync(folder, { recursive: true, force: true });
});

async function closeAll(): Promise<void> {
  for (const db of open.splice(0)) await db.close();
}

async function connect(name = 'worlds.db', mode: OpenMode = 'create'): Promise<DatabaseBridge> {
  const db = await driver.open(at(name), mode);
  open.push(db);
  return db;
}

/** A database of some pages; its connection stays open. */
async function newDatabase(setup = '', name = 'worlds.db'): Promise<DatabaseBridge> {
  const db = await connect(name);
  await db.executeScript(`${setup};
    PRAGMA user_version = 4;
    CREATE TABLE worlds(id TEXT PRIMARY KEY, name);
    CREATE TABLE notes(text);
    INSERT INTO worlds VALUES ('a', 'old'), ('b', 'old');
    INSERT INTO notes WITH n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 500) SELECT hex(randomblob(100)) FROM n;`);
  return db;
}

const change = `UPDATE worlds SET name = 'new'; DROP TABLE notes; CREATE TABLE later(x); INSERT INTO later VALUES (1);
  PRAGMA user_version = 5`;

const restore = (backup: string, options: Partial<RestoreOptions> = {}): Promise<RestoreReport> =>
  restoreBackup(backup, path(), { driver, waitMs: 10_000, ...options });
const failure = (work: Promise<unknown>): Promise<unknown> => work.catch((error: unknown) => error);

/** Real connections, but for what happens when one of them is to take the content of a backup. */
const restoringBy = (
  restoreFrom: (live: LocalBridge, from: string, whileLocked?: () => Promise<void>) => Promise<void>,
): DatabaseDriver => ({
  name: 'restoring',
  async open(location, openMode) {
    const db = await meddlingDriver(() => Promise.resolve()).open(location, openMode);
    return { ...db, restoreFrom: (from, whileLocked) => restoreFrom(db, from, whileLocked) };
  },
});
/** The copies of what was there. */
const savedCopies = (): string[] =>
  files().filter((name) => name.includes('-to-restore') && !name.includes('partial'));

/** Everything but what depends on the file's history. */
async function contentOf(file: string): Promise<Omit<DatabaseDump, 'journalMode'>> {
  const { userVersion, applicationId, schema, tables } = await dumpDatabase(file);
  return { userVersion, applicationId, schema, tables };
}

/** The bytes of every file, to see that nothing changed. */
const bytes = (): Record<string, string> =>
  Object.fromEntries(files().map((name) => [name, readFileSync(at(name)).toString('base64')]));

/** Copies files in a process of its own, so that this one keeps its locks. */
function copyAside(name: string, ...copies: readonly (readonly [from: string, to: string])[]): void {
  for (const [from, to] of copies) spawnSync('cp', [at(`${name}${from}`), at(to)]);
}

describe.each(modes)('a restore (%s)', (mode) => {
  const inMode = `PRAGMA journal_mode = ${mode}`;

  test('brings back all that was there, in the mode that the file has', async () => {
    const db = await newDatabase(inMode);
    const before = await contentOf(path());
    const backup = await createBackup(path(), { driver });
    await db.executeScript(change);
    const changed = await contentOf(path());
    const report = await restore(backup.path);

    // What was written is in the file itself.
    if (mode === 'wal') expect(statSync(`${path()}-wal`).size).toBe(0);
    expect(await contentOf(path())).toEqual(before);
    expect((await dumpDatabase(path())).journalMode).toBe(mode);
    expect(report).toEqual({
      database: path(),
      backup: backup.path,
      saved: {
        path: expect.stringMatching(/worlds\.db\.backup-[\dTZ.]+-legacy5-to-restore$/),
        verified: true,
      },
      setAside: [],
      userVersion: 4,
      tables: 2,
      rows: 502,
    });
    expect(await contentOf(report.saved?.path ?? '')).toEqual(changed);
    expect(
      files().filter((name) => !name.startsWith('worlds.db.backup-') && !/-(wal|shm)$/.test(name)),
    ).toEqual(['worlds.db']);
  });

  test.each(drivers)('says of no other program that it wrote where none did ($name)', async (by) => {
    const db = await newDatabase(inMode);
    const before = await contentOf(path());
    const backup = await createBackup(path(), { driver });
    await db.executeScript(change);
    await closeAll();
    const lines: string[] = [];
    const logger = pino({ level: 'debug' }, { write: (line: string) => lines.push(line) });
    await restore(backup.path, { driver: by, logger });
    expect(await contentOf(path())).toEqual(before);
    expect(lines.join('')).not.toContain('another program');
  });

  test('is seen by connections that are open, which go on', async () => {
    const db = await newDatabase(inMode);
    const backup = await createBackup(path(), { driver });
    await db.executeScript(change);
    const reader = await connect('worlds.db', 'read-only');
    expect(await reader.query('SELECT DISTINCT name FROM worlds')).toEqual([{ name: 'new' }]);
    await restore(backup.path);
    for (const connection of [db, reader]) {
      expect(await connection.query('SELECT DISTINCT name FROM worlds')).toEqual([{ name: 'old' }]);
      expect(await connection.query('SELECT count(*) AS count FROM notes')).toEqual([{ count: 500 }]);
    }
    await db.execute("INSERT INTO worlds VALUES ('c', 'later')");
    expect(await reader.query('SELECT count(*) AS count FROM worlds')).toEqual([{ count: 3 }]);
    expect(await db.query('PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
  });

  test('loses no write: what a program wrote is in the copy, or in the database afterwards', async () => {
    const db = await newDatabase(inMode);
    const backup = await createBackup(path(), { driver });
    const done = new AbortController();
    let written = 0;
    const writing = (async () => {
      for (; !done.signal.aborted; written += 1)
        await db.execute('INSERT INTO worlds VALUES (?, ?)', [written, 'x']);
    })();
    const report = await restore(backup.path);
    while (written < 50) await new Promise((resolve) => setTimeout(resolve, 5));
    done.abort();
    await writing;
    const idsOf = async (file: string): Promise<string[]> =>
      ((await dumpDatabase(file)).tables.worlds?.rows ?? [])
        .map((row) => String(row.id))
        .filter((id) => /\d/.test(id));
    const kept = [...(await idsOf(report.saved?.path ?? '')), ...(await idsOf(path()))];
    expect(kept).toHaveLength(written);
    expect(new Set(kept).size).toBe(written);
  });

  test('is read back, and an error when the database does not hold what was restored', async () => {
    const db = await newDatabase(inMode);
    const backup = await createBackup(path(), { driver });
    await db.executeScript("DELETE FROM worlds WHERE id = 'a'");
    const idle = restoringBy(() => Promise.resolve());
    expect(await failure(restore(backup.path, { driver: idle }))).toMatchObject({
      code: 'BACKUP_FAILED',
      message: expect.stringContaining('table worlds has 1 rows, not 2'),
    });
  });

  test('over a log or a journal that a program left behind is a restore all the same', async () => {
    const db = await newDatabase(inMode);
    const before = await contentOf(path());
    const backup = await createBackup(path(), { driver });
    // As they are while a program is in the middle of it, or was killed there.
    await db.executeScript(`PRAGMA cache_size = 1; PRAGMA wal_autocheckpoint = 0;
      UPDATE worlds SET name = 'logged'; BEGIN; UPDATE notes SET text = 'x'; UPDATE worlds SET name = 'half'`);
    const side = mode === 'wal' ? '-wal' : '-journal';
    copyAside('worlds.db', ['', 'left.db'], [side, `left.db${side}`]);
    expect(statSync(at(`left.db${side}`)).size).toBeGreaterThan(1000);
    const report = await restoreBackup(backup.path, at('left.db'), { driver });
    expect(await contentOf(at('left.db'))).toEqual(before);
    const saved = await dumpDatabase(report.saved?.path ?? '');
    expect(saved.tables.worlds?.rows[0]).toMatchObject({ name: "text 'logged'" });
    await db.execute('ROLLBACK');
  });

  test('over a newer log that belongs to another file of the name is a restore all the same', async () => {
    const db = await newDatabase(`${inMode}; PRAGMA wal_autocheckpoint = 0`);
    const before = await contentOf(path());
    const backup = await createBackup(path(), { driver });
    await db.executeScript("UPDATE worlds SET name = 'newer'");
    copyAside('worlds.db', ['-wal', 'left.db-wal']);
    copyAside(backup.name, ['', 'left.db']);
    await restoreBackup(backup.path, at('left.db'), { driver });
    expect(await contentOf(at('left.db'))).toEqual(before);
  });

  test.each(modes)('takes a backup of any form: page size, mode %s', async (backupMode) => {
    await newDatabase(`PRAGMA page_size = 1024; PRAGMA journal_mode = ${backupMode}`, 'backup.db');
    const db = await newDatabase(inMode);
    await db.executeScript(change);
    await restore(at('backup.db'));
    expect(await contentOf(path())).toEqual(await contentOf(at('backup.db')));
    expect((await dumpDatabase(path())).journalMode).toBe(mode);
    expect(await db.query('PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
    expect(files().filter((name) => name.includes('partial'))).toEqual([]);
  });

  test('refuses a backup of another text encoding, until the database is moved away', async () => {
    await newDatabase("PRAGMA encoding = 'UTF-16le'", 'backup.db');
    await newDatabase(inMode);
    await closeAll();
    const before = await contentOf(path());
    expect(await failure(restore(at('backup.db')))).toMatchObject({
      code: 'BAD_BACKUP',
      message: /UTF-16le/,
    });
    expect(await contentOf(path())).toEqual(before);
    rmSync(path());
    await restore(at('backup.db'));
    expect(await contentOf(path())).toEqual(await contentOf(at('backup.db')));
  });

  test('that is interrupted leaves the database as it was', async () => {
    const db = await newDatabase(inMode);
    const backup = await createBackup(path(), { driver });
    await db.executeScript(change);
    const before = await contentOf(path());
    const stop = new AbortController();
    // Somebody stops it when the present content is saved.
    const meddling = meddlingDriver((sql) => {
      if (sql.startsWith('VACUUM')) stop.abort();
      return Promise.resolve();
    });
    expect(await failure(restore(backup.path, { driver: meddling, signal: stop.signal }))).toBeInstanceOf(
      InterruptedError,
    );
    expect(await contentOf(path())).toEqual(before);
    expect(existsSync(at('worlds.db.lock'))).toBe(false);
    await db.execute("INSERT INTO worlds VALUES ('c', 'later')");
  });

  test('that meets a lock once the present content is saved takes that copy away again', async () => {
    await newDatabase(inMode);
    const backup = await createBackup(path(), { driver });
    const [before, there] = [await contentOf(path()), files()];
    let saved: string[] = [];
    const locked = restoringBy(async (_live, _from, whileLocked) => {
      await whileLocked?.();
      saved = savedCopies();
      throw databaseError('SQLITE_BUSY', 'database is locked', undefined);
    });
    expect(await failure(restore(backup.path, { driver: locked, waitMs: 0 }))).toMatchObject({
      code: 'LOCKED',
    });
    expect(saved).toHaveLength(1);
    expect(files()).toEqual(there);
    expect(await contentOf(path())).toEqual(before);
  });

  test.each([
    ['SQLITE_IOERR', 'BACKUP_FAILED'],
    ['SQLITE_FULL', 'NO_SPACE'],
  ])('that fails by %s once the present content is saved keeps that copy', async (sqliteCode, code) => {
    await newDatabase(inMode);
    const backup = await createBackup(path(), { driver });
    const before = await contentOf(path());
    const failing = restoringBy(async (_live, _from, whileLocked) => {
      await whileLocked?.();
      throw databaseError(sqliteCode, 'as SQLite says', undefined);
    });
    expect(await failure(restore(backup.path, { driver: failing }))).toMatchObject({ code });
    expect(savedCopies()).toHaveLength(1);
    expect(await contentOf(at(savedCopies()[0] ?? ''))).toEqual(before);
    expect(await contentOf(path())).toEqual(before);
  });

  test('that is stopped once the present content is saved takes that copy away again', async () => {
    const db = await newDatabase(inMode);
    // So many pages that they are not written in one go.
    await db.executeScript(
      'INSERT INTO notes WITH n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 60) SELECT randomblob(100000) FROM n',
    );
    const backup = await createBackup(path(), { driver });
    await db.executeScript(change);
    await closeAll();
    const [before, there] = [await contentOf(path()), files()];
    const stop = new AbortController();
    const stopping: DatabaseDriver = {
      name: 'stopping',
      async open(location, openMode) {
        const connection = await meddlingDriver(() => Promise.resolve()).open(location, openMode);
        const close = async (): Promise<void> => {
          await connection.close();
          if (savedCopies().length > 0) stop.abort();
        };
        return { ...connection, close };
      },
    };
    expect(await failure(restore(backup.path, { driver: stopping, signal: stop.signal }))).toMatchObject({
      code: 'INTERRUPTED',
      message: expect.stringMatching(/^Interrupted while/),
    });
    expect(stop.signal.aborted).toBe(true);
    expect(files()).toEqual(there);
    expect(await contentOf(path())).toEqual(before);
  });

  test('that waits for another program can be stopped', async () => {
    const db = await newDatabase(inMode);
    const backup = await createBackup(path(), { driver });
    await db.execute('BEGIN IMMEDIATE');
    const stop = new AbortController();
    const waiting = failure(restore(backup.path, { signal: stop.signal, waitMs: 5_000 }));
    await new Promise((resolve) => setTimeout(resolve, 300));
    stop.abort();
    expect(await waiting).toBeInstanceOf(InterruptedError);
    expect(savedCopies()).toEqual([]);
  });

  test('writes what must outlast a power cut', async () => {
    await newDatabase(inMode);
    const backup = await createBackup(path(), { driver });
    const asked: unknown[] = [];
    const asking = restoringBy(async (live, from, whileLocked) => {
      asked.push(...(await live.query('PRAGMA synchronous')));
      await live.restoreFrom(from, whileLocked);
    });
    await restore(backup.path, { driver: asking });
    expect(asked).toEqual([{ synchronous: 3 }]);
  });

  test('that finds no room for a copy of what is there saves it not half, and leaves it', async () => {
    await newDatabase(inMode);
    const backup = await createBackup(path(), { driver });
    const [before, there] = [await contentOf(path()), files()];
    const full: DatabaseDriver = {
      name: 'full',
      async open(location, openMode) {
        const db = await meddlingDriver(() => Promise.resolve()).open(location, openMode);
        const execute: LocalBridge['execute'] = (sql, parameters) =>
          sql.startsWith('VACUUM')
            ? Promise.reject(databaseError('SQLITE_FULL', 'database or disk is full', undefined))
            : db.execute(sql, parameters);
        return { ...db, execute };
      },
    };
    expect(await failure(restore(backup.path, { driver: full }))).toMatchObject({ code: 'NO_SPACE' });
    expect(await contentOf(path())).toEqual(before);
    expect(files()).toEqual(there);
  });

  test('is refused before anything is written where there is no room for it', async () => {
    await newDatabase(inMode);
    const backup = await createBackup(path(), { driver });
    await closeAll();
    const before = await contentOf(path());
    const { size } = statSync(path());
    const { bavail, bsize } = statfsSync(folder);
    // Such a file takes no room itself, and no page of the database lies in what was added.
    truncateSync(path(), bavail * bsize + 2 ** 30);
    expect(await failure(restore(backup.path))).toMatchObject({ code: 'NO_SPACE' });
    truncateSync(path(), size);
    expect(await contentOf(path())).toEqual(before);
    expect(savedCopies()).toEqual([]);
  });

  test('that is killed leaves the old content or the new one', async () => {
    const db = await newDatabase(inMode);
    await db.executeScript(
      'INSERT INTO notes WITH n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 20000) SELECT hex(randomblob(100)) FROM n',
    );
    const backup = await createBackup(path(), { driver });
    const old = await contentOf(path());
    await db.executeScript("UPDATE worlds SET name = 'new'");
    const changed = await contentOf(path());
    await closeAll();
    for (const ms of [0, 30, 60, 90, 120]) {
      const program = startProgram('restore', backup.path, path());
      await program.said('restoring');
      await new Promise((resolve) => setTimeout(resolve, ms));
      program.kill('SIGKILL');
      await program.end();
      const found = await contentOf(path());
      expect([old, changed]).toContainEqual(found);
      rmSync(at('worlds.db.lock'), { recursive: true, force: true });
    }
    await restore(backup.path);
    expect(await contentOf(path())).toEqual(old);
    expect(files().filter((name) => name.includes('partial'))).toEqual([]);
  });

  test('waits for a program that is in the middle of something, and no longer than it may', async () => {
    const db = await newDatabase(inMode);
    const backup = await createBackup(path(), { driver });
    await db.executeScript(change);
    const before = await contentOf(path());
    await db.executeScript("BEGIN IMMEDIATE; INSERT INTO worlds VALUES ('c', 'not yet')");
    const there = files();
    expect(await failure(restore(backup.path, { waitMs: 0 }))).toMatchObject({ code: 'LOCKED' });
    expect(files()).toEqual(there);
    const waiting = restore(backup.path);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await db.execute('ROLLBACK');
    const { saved } = await waiting;
    expect(await contentOf(saved?.path ?? '')).toEqual(before);
  });
});

describe('a restore after which another program writes at once', () => {
  /** Restores, and lets a program write before what was written is read back. */
  async function restoreBefore(writing: string): Promise<{ outcome: unknown; log: string }> {
    const db = await newDatabase('PRAGMA journal_mode = WAL');
    const backup = await createBackup(path(), { driver });
    await db.executeScript(change);
    const quick = restoringBy(async (live, from, whileLocked) => {
      await live.restoreFrom(from, whileLocked);
      await db.executeScript(writing);
    });
    const lines: string[] = [];
    const logger = pino({ level: 'debug' }, { write: (line: string) => lines.push(line) });
    const outcome = await restore(backup.path, { driver: quick, logger }).catch((error: unknown) => error);
    return { outcome, log: lines.join('') };
  }

  test('is done, and the log tells of it, where that one changed rows', async () => {
    const { outcome, log } = await restoreBefore("INSERT INTO worlds VALUES ('c', 'later')");
    expect(outcome).toMatchObject({ rows: 502 });
    expect(log).toContain('another program wrote right after the restore');
  });

  test('is an error where that one changed more than rows', async () => {
    const { outcome } = await restoreBefore('DROP TABLE notes');
    expect(outcome).toMatchObject({
      code: 'BACKUP_FAILED',
      message: expect.stringContaining('table notes is missing'),
    });
  });
});

describe('a restore where', () => {
  /** A backup that is good, and the content that it has; no database any more. */
  async function onlyBackup(): Promise<{ backup: string; content: unknown }> {
    await newDatabase('PRAGMA journal_mode = WAL');
    const { path: backup } = await createBackup(path(), { driver });
    await closeAll();
    rmSync(path());
    return { backup, content: await contentOf(backup) };
  }

  test('a database came while it waited, keeps what is in that one', async () => {
    const { backup, content } = await onlyBackup();
    let other: unknown;
    const late: DatabaseDriver = {
      name: 'late',
      async open(location, mode) {
        if (other === undefined) {
          await newDatabase("CREATE TABLE late (x); INSERT INTO late VALUES ('kept')");
          other = await contentOf(path());
        }
        return driver.open(location, mode);
      },
    };
    const { saved, setAside } = await restore(backup, { driver: late });
    expect(setAside).toEqual([]);
    expect(await contentOf(saved?.path ?? '')).toEqual(other);
    expect(await contentOf(path())).toEqual(content);
  });

  test('no database is any more, makes one for those who could read it', async () => {
    const { backup, content } = await onlyBackup();
    // What a killed process left: no process has so high a number.
    writeFileSync(at('worlds.db.backup-x.999999999-1.partial'), 'half');
    const report = await restore(backup);
    expect(report).toMatchObject({ saved: undefined, setAside: [], rows: 502 });
    expect(await contentOf(path())).toEqual(content);
    expect(statSync(path()).mode).toBe(statSync(backup).mode);
    expect(files()).toEqual(['worlds.db', report.backup.slice(folder.length + 1)]);
  });

  test('an empty file is, fills it', async () => {
    const { backup, content } = await onlyBackup();
    writeFileSync(path(), '');
    const app = await connect('worlds.db', 'read-write');
    expect(await restore(backup)).toMatchObject({ saved: undefined, setAside: [] });
    expect(await contentOf(path())).toEqual(content);
    expect(await app.query('SELECT count(*) AS count FROM worlds')).toEqual([{ count: 2 }]);
  });

  test.each([true, false])(
    'only a log is left, keeps the log (empty file beside it: %s)',
    async (present) => {
      const db = await newDatabase('PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0', 'other.db');
      copyAside('other.db', ['-wal', 'log']);
      expect(await db.query('SELECT count(*) AS count FROM worlds')).toEqual([{ count: 2 }]);
      const { backup, content } = await onlyBackup();
      const log = readFileSync(at('log'));
      writeFileSync(`${path()}-wal`, log);
      if (present) writeFileSync(path(), '');
      const { setAside } = await restore(backup);
      expect(await contentOf(path())).toEqual(content);
      const [kept = ''] = setAside.filter((name) => name.endsWith('-wal'));
      expect(readFileSync(kept).equals(log)).toBe(true);
    },
  );

  test.each([
    [
      'anything but a database',
      (): void => {
        writeFileSync(path(), 'no database at all, '.repeat(500));
      },
    ],
    [
      'a database that was cut off',
      (): void => {
        truncateSync(path(), 8192);
      },
    ],
    [
      'a database with a broken first page',
      (): void => {
        overwrite(path(), 0, 4096);
      },
    ],
  ])('%s is, moves it aside', async (_what, damage) => {
    await newDatabase();
    const { path: backup } = await createBackup(path(), { driver });
    await closeAll();
    damage();
    chmodSync(path(), 0o640);
    const damaged = readFileSync(path());
    const report = await restore(backup);
    expect(report).toMatchObject({
      saved: undefined,
      setAside: [expect.stringMatching(/worlds\.db\.set-aside-/)],
    });
    expect(readFileSync(report.setAside[0] ?? '').equals(damaged)).toBe(true);
    expect(statSync(path()).mode & 0o777).toBe(0o640);
    expect(await contentOf(path())).toEqual(await contentOf(backup));
  });

  test.each(modes)(
    'a damaged database is, keeps it page by page and mends it in place (%s)',
    async (mode) => {
      await newDatabase(`PRAGMA journal_mode = ${mode}`);
      const { path: backup } = await createBackup(path(), { driver });
      await closeAll();
      overwrite(path(), 5 * 4096, 4096);
      const app = await connect('worlds.db', 'read-write');
      expect(await app.query('SELECT count(*) AS count FROM worlds')).toEqual([{ count: 2 }]);
      const { saved } = await restore(backup);
      expect(saved).toMatchObject({ verified: false });
      expect(statSync(saved?.path ?? '').size).toBe(statSync(path()).size);
      expect(await app.query('PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
      expect(await contentOf(path())).toEqual(await contentOf(backup));
      expect(await listBackups(path(), { driver, verify: true })).toEqual([
        expect.objectContaining({ to: 'restore', verdict: expect.objectContaining({ verified: false }) }),
        expect.objectContaining({ to: 'copy', verdict: expect.objectContaining({ verified: true }) }),
      ]);
    },
  );

  test.each([
    ['a whole log', 'wal', '-wal', ''],
    ['a part of a log', 'wal', '-wal', 'PRAGMA wal_checkpoint(TRUNCATE);'],
    ['a journal', 'delete', '-journal', ''],
  ])('%s of another database lies beside it, keeps both as they were', async (_what, mode, ending, cut) => {
    const other = await connect('other.db');
    await other.executeScript(`PRAGMA journal_mode = ${mode}; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = 1;
      CREATE TABLE stranger(x); INSERT INTO stranger VALUES (randomblob(9000)), (1);
      ${cut} BEGIN; UPDATE stranger SET x = randomblob(30000);`);
    if (mode === 'wal') await other.executeScript('COMMIT');
    copyAside('other.db', [ending, 'left-behind']);
    await newDatabase(`PRAGMA journal_mode = ${mode}`);
    const { path: backup } = await createBackup(path(), { driver });
    const content = await contentOf(backup);
    await closeAll();
    const healthy = readFileSync(path());
    const log = readFileSync(at('left-behind'));
    expect(log.length).toBeGreaterThan(0);
    writeFileSync(`${path()}${ending}`, log);

    const { setAside } = await restore(backup);
    const [file = '', beside = '', ...more] = setAside;
    expect(more).toEqual([]);
    expect(readFileSync(file).equals(healthy)).toBe(true);
    expect(beside).toBe(`${file}${ending}`);
    expect(readFileSync(beside).equals(log)).toBe(true);
    expect(await contentOf(path())).toEqual(content);
  });

  test('the database is reached by a link, writes into the file behind it', async () => {
    const { backup, content } = await onlyBackup();
    writeFileSync(path(), '');
    symlinkSync('worlds.db', at('link.db'));
    await restoreBackup(backup, at('link.db'), { driver });
    expect(await contentOf(path())).toEqual(content);
  });
});

function overwrite(file: string, position: number, length: number): void {
  const handle = openSync(file, 'r+');
  writeSync(handle, Buffer.alloc(length, 0xa5), 0, length, position);
  closeSync(handle);
}

describe('nothing is changed', () => {
  test('by a backup that does not verify', async () => {
    const db = await newDatabase();
    const { path: good } = await createBackup(path(), { driver });
    writeFileSync(at('damaged'), readFileSync(good));
    overwrite(at('damaged'), 2 * 4096, 4096);
    writeFileSync(at('empty'), '');
    writeFileSync(at('text'), 'hello '.repeat(1000));
    writeFileSync(at('worlds.db.backup-x.1-1.partial'), readFileSync(good));
    const before = bytes();
    for (const name of ['damaged', 'empty', 'text', 'worlds.db.backup-x.1-1.partial']) {
      expect(await failure(restore(at(name)))).toMatchObject({
        code: 'BAD_BACKUP',
        hint: /Nothing was changed/,
      });
    }
    expect(await failure(restore(at('absent')))).toMatchObject({ code: 'MISSING_BACKUP' });
    symlinkSync('worlds.db', at('link'));
    for (const name of [path(), at('link')])
      expect(await failure(restore(name))).toBeInstanceOf(InvalidOptionError);
    rmSync(at('link'));
    expect(await failure(restore(good, { waitMs: NaN }))).toBeInstanceOf(InvalidOptionError);
    expect(await failure(restore(good, { fullCheckBytes: -1 }))).toBeInstanceOf(InvalidOptionError);
    expect(await failure(restore(good, { folder: at('nowhere') }))).toBeInstanceOf(InvalidOptionError);
    expect(bytes()).toEqual(before);
    expect(await db.query('SELECT count(*) AS count FROM worlds')).toEqual([{ count: 2 }]);
  });

  test('while an upgrade is running', async () => {
    await newDatabase();
    const { path: good } = await createBackup(path(), { driver });
    const lock = await acquireMigrationLock(await resolveDatabaseFile(path()));
    const before = await contentOf(path());
    expect(await failure(restore(good, { waitMs: 200 }))).toMatchObject({ code: 'LOCKED' });
    expect(await contentOf(path())).toEqual(before);
    await lock.release();
  });
});
