import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { linkSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import { FileAccessError, InvalidOptionError, UnreadableDatabaseError } from '../../core/errors.js';
import { resolveDatabaseFile } from '../../core/storage/database-file.js';
import { freeBytes } from '../../core/storage/file-system.js';
import { testUnless } from '../support/needed.js';
import { giveToOtherUser, noOtherUser, runAsOtherUser } from '../support/other-user.js';

let folder = '';
const at = (name: string): string => join(folder, name);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'database-file-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** The refusal, which must say its hint; and the folder is as it was. */
async function refusal(path: string, intent?: 'read' | 'write'): Promise<Error> {
  const before = readdirSync(folder);
  const error: unknown = await resolveDatabaseFile(path, intent).catch((caught: unknown) => caught);
  expect(readdirSync(folder)).toEqual(before);
  expect(error).toHaveProperty('hint', expect.stringMatching(/\w{3}.*\.$/));
  return error instanceof Error ? error : new Error('not refused');
}

describe('a path to a database', () => {
  test('says where the file is, how large, and what lies beside it', async () => {
    writeFileSync(at('a.db'), 'x'.repeat(100), { mode: 0o640 });
    writeFileSync(at('a.db-wal'), 'x'.repeat(40));
    writeFileSync(at('a.db-journal'), 'x'.repeat(7));
    expect(await resolveDatabaseFile(at('a.db'))).toEqual({
      path: at('a.db'),
      canonicalPath: at('a.db'),
      folder,
      exists: true,
      sizeBytes: 100,
      permissions: 0o640,
      walBytes: 40,
      journalBytes: 7,
      networkFileSystem: undefined,
    });
  });

  test('may lead to a file that is still to be made', async () => {
    const file = await resolveDatabaseFile(at('new.db'));
    expect(file).toMatchObject({
      canonicalPath: at('new.db'),
      exists: false,
      sizeBytes: 0,
      permissions: undefined,
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  test('leads to one and the same place, however it is written', async () => {
    mkdirSync(at('real'));
    symlinkSync(at('real'), at('linked'));
    const spellings = [at('linked/a.db'), at('real/../real/a.db'), relative(process.cwd(), at('real/a.db'))];
    for (const exists of [false, true]) {
      if (exists) writeFileSync(at('real/a.db'), '');
      for (const spelling of spellings) {
        expect(await resolveDatabaseFile(spelling)).toMatchObject({ canonicalPath: at('real/a.db'), exists });
      }
    }
    symlinkSync('real/a.db', at('b.db'));
    expect(await resolveDatabaseFile(at('b.db'))).toMatchObject({
      canonicalPath: at('real/a.db'),
      exists: true,
    });
  });

  test.each([
    ['', /empty/],
    ['  ', /empty/],
    ['a\0b', /NUL/],
    [':memory:', /no file/],
    ['file:a.db?mode=ro', /URI/],
  ])('must name a file: %j', async (path, sentence) => {
    const error = await refusal(path);
    expect(error).toBeInstanceOf(InvalidOptionError);
    expect(error.message).toMatch(sentence);
  });

  test.each([undefined, null, 7, ['a.db']])('must be text: %j', async (path) => {
    // @ts-expect-error: what a program without types may pass
    const error = await refusal(path);
    expect(error).toBeInstanceOf(InvalidOptionError);
    expect(error.message).toMatch(/must be text/);
  });

  test('may not be longer than SQLite can open', async () => {
    let deep = folder;
    while (deep.length < 400) deep = join(deep, 'd'.repeat(60));
    mkdirSync(deep, { recursive: true });
    const fitting = join(deep, 'x'.repeat(504 - deep.length - 1));
    const db = await sqlite3Driver.open((await resolveDatabaseFile(fitting)).canonicalPath, 'create');
    await db.execute('CREATE TABLE t(x)');
    await db.close();
    await expect(sqlite3Driver.open(`${fitting}x`, 'create')).rejects.toHaveProperty(
      'sqliteCode',
      'SQLITE_CANTOPEN',
    );
    expect(await refusal(`${fitting}x`)).toBeInstanceOf(InvalidOptionError);
    expect(await refusal(at('x'.repeat(300)))).toBeInstanceOf(InvalidOptionError);
  });

  test('may not lead to a folder, a pipe, a device or a socket', async () => {
    mkdirSync(at('folder.db'));
    spawnSync('mkfifo', [at('pipe.db')]);
    const server = createServer().listen(at('socket.db'));
    await once(server, 'listening');
    const cases = [
      [at('folder.db'), /is a folder/],
      [at('pipe.db'), /is a pipe/],
      [at('socket.db'), /is a socket/],
      ['/dev/null', /is a device/],
      [at('new.db/'), /path of a folder/],
    ] as const;
    for (const [path, sentence] of cases) {
      const error = await refusal(path);
      expect(error).toMatchObject({ code: 'NOT_A_FILE', message: expect.stringMatching(sentence) });
    }
    server.close();
  });

  test('may not be a link that leads nowhere, and the error says where it leads', async () => {
    symlinkSync('/nowhere/a.db', at('dangling.db'));
    symlinkSync(at('loop.db'), at('loop.db'));
    expect(await refusal(at('dangling.db'))).toMatchObject({
      code: 'MISSING_DATABASE',
      message: expect.stringContaining('"/nowhere/a.db"'),
    });
    expect(await refusal(at('loop.db'))).toMatchObject({ code: 'NOT_A_FILE', message: /back to itself/ });
  });

  test('may not lead through a folder that is missing, or none', async () => {
    writeFileSync(at('file'), '');
    expect(await refusal(at('missing/a.db'))).toMatchObject({ code: 'MISSING_DATABASE' });
    expect(await refusal(at('file/a.db'))).toMatchObject({ code: 'NOT_A_FILE' });
  });

  test('may have one name only, where it is written', async () => {
    writeFileSync(at('a.db'), 'x');
    linkSync(at('a.db'), at('b.db'));
    const error = await refusal(at('b.db'));
    expect(error).toBeInstanceOf(FileAccessError);
    expect(error).toMatchObject({ code: 'HARD_LINKED_FILE', message: expect.stringContaining('2 names') });
    expect(await resolveDatabaseFile(at('b.db'), 'read')).toMatchObject({ exists: true });
  });
});

describe('a log without its database', () => {
  test.each([true, false])('is refused before SQLite removes it (file present: %s)', async (present) => {
    const db = await sqlite3Driver.open(at('a.db'), 'create');
    await db.query('PRAGMA journal_mode = WAL');
    await db.executeScript('CREATE TABLE t(x); INSERT INTO t VALUES (1)');
    spawnSync('cp', [at('a.db-wal'), at('b.db-wal')]);
    await db.close();
    if (present) writeFileSync(at('b.db'), '');
    for (const intent of ['read', 'write'] as const) {
      const error = await refusal(at('b.db'), intent);
      expect(error).toBeInstanceOf(UnreadableDatabaseError);
      expect(error).toMatchObject({ code: 'NEEDS_RECOVERY' });
    }
    expect(await resolveDatabaseFile(at('b.db'), 'replace')).toMatchObject({ sizeBytes: 0 });

    // Why: one look, and a read-only one, takes the log away.
    writeFileSync(at('b.db'), '');
    const look = await sqlite3Driver.open(at('b.db'), 'read-only');
    expect(await look.query('SELECT name FROM sqlite_schema')).toEqual([]);
    await look.close();
    expect(readdirSync(folder)).not.toContain('b.db-wal');
  });
});

describe('permissions', () => {
  const asOther = (name: string, body: () => Promise<void>): void => {
    testUnless(noOtherUser, name, body);
  };
  const resolveAsOther = (path: string, intent: string): Promise<string> =>
    runAsOtherUser('resolve-file', path, intent);

  asOther('must allow to read the file, and to write it where it is written', async () => {
    giveToOtherUser(folder, 0o755);
    for (const [permissions, reading, writing] of [
      [0o600, 'fine', 'fine'],
      [0o400, 'fine', 'NO_ACCESS'],
      [0o000, 'NO_ACCESS', 'NO_ACCESS'],
    ] as const) {
      rmSync(at('a.db'), { force: true });
      writeFileSync(at('a.db'), 'x');
      giveToOtherUser(at('a.db'), permissions);
      expect(await resolveAsOther(at('a.db'), 'read')).toBe(reading);
      expect(await resolveAsOther(at('a.db'), 'write')).toBe(writing);
      expect(await resolveAsOther(at('a.db'), 'locate')).toBe('fine');
    }
  });

  asOther('must allow to write the folder where the file is written, and to pass through it', async () => {
    writeFileSync(at('a.db'), 'x');
    giveToOtherUser(at('a.db'), 0o600);
    giveToOtherUser(folder, 0o500);
    expect(await resolveAsOther(at('a.db'), 'read')).toBe('fine');
    expect(await resolveAsOther(at('a.db'), 'write')).toBe('NO_ACCESS');
    expect(await resolveAsOther(at('new.db'), 'write')).toBe('NO_ACCESS');
    giveToOtherUser(folder, 0o000);
    expect(await resolveAsOther(at('a.db'), 'read')).toBe('NO_ACCESS');
    giveToOtherUser(folder, 0o700);
  });
});

test('the free room of a disk is a number of bytes', () => {
  expect(freeBytes(folder)).toBeGreaterThan(1024);
});
