import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { LocalBridge, Row } from '../../core/database/database-bridge.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import { backUpDatabase, createBackup } from '../../core/storage/database-backup.js';
import { resolveDatabaseFile } from '../../core/storage/database-file.js';
import { copyLockedFiles, isWorthItsBytes } from '../../core/storage/locked-copy.js';
import { dumpDatabase } from '../support/database-dump.js';
import { startProgram } from '../support/processes.js';
import { ScratchDatabase } from '../support/scratch-database.js';

const driver = sqlite3Driver;
const accounts = 2_000;
const schema = `PRAGMA user_version = 7;
  CREATE TABLE account (id INTEGER PRIMARY KEY, amount INTEGER, turn INTEGER, stamp TEXT, filling BLOB);
  CREATE INDEX by_turn ON account (turn);
  WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${accounts})
  INSERT INTO account SELECT i, 100, 0, '100 0', randomblob(700 + i % 900) FROM n;`;
/** Just enough to be copied as a file. */
const large = `CREATE TABLE filling AS WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 17)
  SELECT randomblob(1048576) AS bytes FROM n;`;

let scratch: ScratchDatabase;
let open: LocalBridge[];
const { PATH } = process.env;

beforeEach(() => {
  open = [];
});

afterEach(async () => {
  process.env.PATH = PATH;
  for (const db of open) await db.close();
  await scratch.remove();
});

async function connect(mode: 'read-only' | 'read-write' = 'read-write'): Promise<LocalBridge> {
  const db = await driver.open(scratch.path, mode);
  open.push(db);
  return db;
}

const copyPath = (): string => join(scratch.folder, 'copy.db');

/** Copies under the lock of a connection, and reads what the locked database and the copy hold. */
async function copyUnderLock(
  holder: LocalBridge,
  source: LocalBridge,
  read: (db: LocalBridge) => Promise<Row[]>,
): Promise<{ locked: Row[]; copied: Row[] }> {
  const path = copyPath();
  await writeFile(path, '', { mode: 0o600 });
  await holder.execute('BEGIN IMMEDIATE');
  await copyLockedFiles(source, path, undefined);
  const locked = await read(holder);
  await holder.execute('ROLLBACK');
  const copy = await driver.open(path, 'read-write');
  try {
    expect(await copy.query('PRAGMA journal_mode = DELETE')).toEqual([{ journal_mode: 'delete' }]);
    expect(existsSync(`${path}-wal`)).toBe(false);
    expect(await copy.query('PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
    return { locked, copied: await read(copy) };
  } finally {
    await copy.close();
  }
}

const everyAccount = (db: LocalBridge): Promise<Row[]> =>
  db.query('SELECT id, amount, turn, stamp, hex(filling) AS filling FROM account ORDER BY id');
const sums = (db: LocalBridge): Promise<Row[]> =>
  db.query(
    `SELECT sum(amount) AS amount, count(*) AS rows, sum(stamp = amount || ' ' || turn) AS whole FROM account`,
  );

describe('a copy of the files of a locked database', () => {
  it('holds what is in the log and not yet in the file, and what is in the file and in no log', async () => {
    scratch = await ScratchDatabase.make('wal', schema);
    const holder = await connect();
    await holder.executeScript(
      "PRAGMA wal_autocheckpoint = 0; UPDATE account SET stamp = 'new' WHERE id < 9",
    );
    const { locked, copied } = await copyUnderLock(holder, await connect('read-only'), everyAccount);
    expect(locked.filter(({ stamp }) => stamp === 'new')).toHaveLength(8);
    expect(copied).toEqual(locked);
  });

  it('holds what a checkpoint had half carried over', async () => {
    scratch = await ScratchDatabase.make('wal', schema);
    const [holder, reader] = [await connect(), await connect('read-only')];
    await holder.executeScript("PRAGMA wal_autocheckpoint = 0; UPDATE account SET stamp = 'one'");
    await reader.executeScript('BEGIN; SELECT * FROM account LIMIT 1');
    await holder.executeScript("UPDATE account SET stamp = 'two' WHERE id % 2");
    expect(await holder.query('PRAGMA wal_checkpoint')).toEqual([
      { busy: 0, log: expect.any(Number), checkpointed: expect.any(Number) },
    ]);
    const { locked, copied } = await copyUnderLock(holder, await connect('read-only'), everyAccount);
    expect(copied).toEqual(locked);
  });

  it('holds nothing that is in the log and was never a part of the database', async () => {
    scratch = await ScratchDatabase.make('wal', schema);
    const first = await connect();
    await first.executeScript("PRAGMA wal_autocheckpoint = 0; UPDATE account SET stamp = 'one' WHERE id < 9");
    const log = `${scratch.path}-wal`;
    const { size } = await stat(log);
    await first.executeScript("UPDATE account SET stamp = 'two' WHERE id < 9");
    const both = await readFile(log);
    // As a process leaves it that ends between its last write and saying that it was the last.
    const aside = await readFile(scratch.path);
    await first.close();
    open.pop();
    await writeFile(scratch.path, aside);
    await writeFile(log, both.subarray(0, size));
    const holder = await connect();
    await holder.query('SELECT count(*) FROM account');
    await truncate(log, 0);
    await writeFile(log, both);
    const { locked, copied } = await copyUnderLock(holder, await connect('read-only'), everyAccount);
    expect(locked.filter(({ stamp }) => stamp === 'one')).toHaveLength(8);
    expect(copied).toEqual(locked);
  });

  it('can be read by nobody else while it is made, nor can the copy of its log', async () => {
    scratch = await ScratchDatabase.make('wal', schema);
    const [holder, source] = [await connect(), await connect('read-only')];
    await holder.executeScript("PRAGMA wal_autocheckpoint = 0; UPDATE account SET stamp = 'late'");
    const bin = join(scratch.migrations, 'bin');
    await mkdir(bin);
    const seen = join(bin, 'seen');
    await writeFile(
      join(bin, 'cp'),
      `#!/bin/sh\nPATH='${PATH ?? ''}'\nls -l "$3" | cut -c1-10 >> '${seen}'\nexec cp "$@"\n`,
      { mode: 0o700 },
    );
    process.env.PATH = bin;
    await copyUnderLock(holder, source, everyAccount);
    expect(await readFile(seen, 'utf8')).toBe('-rw-------\n-rw-------\n');
  });

  it('is none where its log was copied in part, which SQLite would take for the end of it', async () => {
    scratch = await ScratchDatabase.make('wal', schema);
    const [holder, source] = [await connect(), await connect('read-only')];
    await holder.executeScript("PRAGMA wal_autocheckpoint = 0; UPDATE account SET stamp = 'late'");
    const bin = join(scratch.migrations, 'bin');
    await mkdir(bin);
    await writeFile(
      join(bin, 'cp'),
      `#!/bin/sh
PATH='${PATH ?? ''}'
case "$2" in *-wal) head -c 5000 "$2" > "$3" ;; *) cat "$2" > "$3" ;; esac
`,
      { mode: 0o700 },
    );
    process.env.PATH = bin;
    await writeFile(copyPath(), '', { mode: 0o600 });
    await holder.execute('BEGIN IMMEDIATE');
    await expect(copyLockedFiles(source, copyPath(), undefined)).rejects.toMatchObject({
      code: 'BACKUP_FAILED',
      message: expect.stringMatching(/its log has 5000 bytes of \d+\.$/),
    });
    await holder.execute('ROLLBACK');
  });

  it.each(['wal', 'delete'] as const)(
    'is whole though programs write and carry the log over all along (%s)',
    async (journal) => {
      scratch = await ScratchDatabase.make(journal, schema);
      const readers = journal === 'wal' ? ['reader', 'reader'] : [];
      const programs = ['writer', 'writer', 'checkpointer', 'checkpointer', ...readers].map((task) =>
        startProgram('move-money', scratch.path, task),
      );
      try {
        for (const program of programs) await program.said('going');
        const [holder, source] = [await connect(), await connect('read-only')];
        await holder.executeScript('PRAGMA busy_timeout = 60000');
        await slowCopies();
        const rounds = Number(process.env.LOCKED_COPIES ?? 4);
        const seen = new Set<string>();
        for (let round = 0; round < rounds; round += 1) {
          const { locked, copied } = await copyUnderLock(holder, source, everyAccount);
          expect(copied).toEqual(locked);
          seen.add(JSON.stringify(locked));
          const copy = await driver.open(copyPath(), 'read-only');
          expect(await sums(copy)).toEqual([{ amount: accounts * 100, rows: accounts, whole: accounts }]);
          await copy.close();
        }
        expect(seen.size).toBeGreaterThan(1);
      } finally {
        for (const program of programs) program.kill('SIGKILL');
        for (const program of programs) expect(await program.end()).toMatchObject({ stderr: '' });
      }
    },
  );
});

/** Puts a `cp` before the machine's own that leaves time between two parts of a file. */
async function slowCopies(): Promise<void> {
  const bin = join(scratch.migrations, 'bin');
  await mkdir(bin);
  await writeFile(
    join(bin, 'cp'),
    `#!/bin/sh
for part in 0 1 2 3 4 5 6 7 8 9; do
  dd if="$2" of="$3" bs=65536 skip=$((part * 8)) seek=$((part * 8)) count=8 conv=notrunc status=none
  sleep 0.01
done
dd if="$2" of="$3" bs=65536 skip=80 seek=80 conv=notrunc status=none
`,
  );
  await chmod(join(bin, 'cp'), 0o700);
  process.env.PATH = `${bin}${delimiter}${PATH ?? ''}`;
}

describe('a backup of a large database', () => {
  const made = async (): Promise<string[]> =>
    (await readdir(scratch.folder)).filter((name) => name.includes('backup'));

  it.each(['wal', 'delete'] as const)(
    'holds all that the database holds, for its user alone (%s)',
    async (journal) => {
      scratch = await ScratchDatabase.make(journal, `${schema} ${large}`);
      await chmod(scratch.path, 0o640);
      const writer = await connect();
      await writer.executeScript("PRAGMA wal_autocheckpoint = 0; UPDATE account SET stamp = 'late'");
      const backup = await createBackup(scratch.path, { driver });
      await writer.close();
      open.pop();
      expect(await dumpDatabase(backup.path)).toEqual({
        ...(await dumpDatabase(scratch.path)),
        journalMode: 'delete',
      });
      expect((await stat(backup.path)).mode & 0o777).toBe(0o640);
      expect(await made()).toEqual([backup.name]);
    },
  );

  it.each([
    ['there is no cp', undefined],
    ['cp fails in the middle', 'head -c 1000000 "$2" > "$3"; echo No space left on device >&2; exit 1'],
    ['cp leaves a part out and says nothing', 'head -c 5000000 "$2" > "$3"'],
    ['cp writes something else', 'tr a b < "$2" > "$3"'],
  ])('is made all the same where %s', async (_title, script) => {
    scratch = await ScratchDatabase.make('wal', `${schema} ${large}`);
    const bin = join(scratch.migrations, 'bin');
    await mkdir(bin);
    if (script !== undefined)
      await writeFile(join(bin, 'cp'), `#!/bin/sh\nPATH='${PATH ?? ''}'\n${script}\n`, { mode: 0o700 });
    process.env.PATH = bin;
    const backup = await createBackup(scratch.path, { driver });
    process.env.PATH = PATH;
    expect(await dumpDatabase(backup.path)).toEqual({
      ...(await dumpDatabase(scratch.path)),
      journalMode: 'delete',
    });
    expect(await made()).toEqual([backup.name]);
  });

  it('can be stopped, and leaves nothing', async () => {
    scratch = await ScratchDatabase.make('wal', `${schema} ${large}`);
    const bin = join(scratch.migrations, 'bin');
    await mkdir(bin);
    const begun = join(bin, 'begun');
    await writeFile(join(bin, 'cp'), `#!/bin/sh\necho > '${begun}'\nexec sleep 600\n`, { mode: 0o700 });
    process.env.PATH = `${bin}${delimiter}${PATH ?? ''}`;
    const stop = new AbortController();
    const stopped = createBackup(scratch.path, { driver, signal: stop.signal });
    while (!existsSync(begun)) await new Promise((resolve) => setTimeout(resolve, 5));
    stop.abort();
    await expect(stopped).rejects.toMatchObject({ code: 'INTERRUPTED' });
    expect(await made()).toEqual([]);
    await scratch.run("UPDATE account SET stamp = 'nobody holds the lock'");
  });

  it('is not made of its file where nobody keeps others from writing, where it is small, and where much of it is empty', async () => {
    scratch = await ScratchDatabase.make('wal', `${schema} ${large}`);
    const bin = join(scratch.migrations, 'bin');
    await mkdir(bin);
    const begun = join(bin, 'begun');
    await writeFile(join(bin, 'cp'), `#!/bin/sh\necho > '${begun}'\nexit 1\n`, { mode: 0o700 });
    process.env.PATH = `${bin}${delimiter}${PATH ?? ''}`;
    await backUpDatabase(await resolveDatabaseFile(scratch.path), { driver, from: 'v1', to: 'v2' });
    expect(existsSync(begun)).toBe(false);
    const db = await connect();
    expect(await isWorthItsBytes(db)).toBe(true);
    await db.executeScript('DELETE FROM filling WHERE rowid % 2');
    expect(await isWorthItsBytes(db)).toBe(false);
    await db.executeScript('DROP TABLE filling; VACUUM');
    expect(await isWorthItsBytes(db)).toBe(false);
  });
});
