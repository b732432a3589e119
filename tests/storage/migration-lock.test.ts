import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { afterAll, describe, expect, test } from '@jest/globals';
import { pino } from 'pino';

import { InterruptedError, InvalidOptionError, LockedError } from '../../core/errors.js';
import { resolveDatabaseFile, type DatabaseFile } from '../../core/storage/database-file.js';
import { defaultLockWaitMs } from '../../core/storage/defaults.js';
import { acquireMigrationLock, type LockWait } from '../../core/storage/migration-lock.js';
import { testUnless } from '../support/needed.js';
import { giveToOtherUser, noOtherUser, noTwoUsers, runAsOtherUser } from '../support/other-user.js';
import { startProgram } from '../support/processes.js';

// Each test has a folder of its own, because those that wait for ten seconds run side by side.
const folders: string[] = [];

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'migration-lock-'));
  folders.push(folder);
  return folder;
}

async function newDatabase(): Promise<DatabaseFile> {
  const path = join(newFolder(), 'a.db');
  writeFileSync(path, '');
  return await resolveDatabaseFile(path);
}

const lockOf = (file: DatabaseFile): string => `${file.canonicalPath}.lock`;

/** A lock as a process leaves it that was killed so many seconds ago. */
function leaveLock(path: string, secondsAgo: number): void {
  mkdirSync(path);
  const time = new Date(Date.now() - secondsAgo * 1000);
  utimesSync(path, time, time);
}

const failure = (lock: Promise<unknown>): Promise<unknown> => lock.catch((error: unknown) => error);

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

describe('the lock of a database', () => {
  test('is a folder beside it while it is held, and gone afterwards', async () => {
    const file = await newDatabase();
    const lock = await acquireMigrationLock(file);
    expect(lock.path).toBe(lockOf(file));
    expect(statSync(lock.path).isDirectory()).toBe(true);
    expect(lock.lost).toBe(false);
    await lock.release();
    expect(existsSync(lock.path)).toBe(false);
  });

  test('may be released twice, and the second time does not touch the lock of somebody else', async () => {
    const file = await newDatabase();
    const first = await acquireMigrationLock(file);
    await first.release();
    const second = await acquireMigrationLock(file);
    await first.release();
    expect(existsSync(second.path)).toBe(true);
    expect(second.lost).toBe(false);
    await second.release();
  });

  test('is one and the same for every way to write its path, and before the file exists', async () => {
    const folder = newFolder();
    symlinkSync(folder, join(folder, 'link'));
    const path = join(folder, 'a.db');
    const lock = await acquireMigrationLock(await resolveDatabaseFile(path));
    for (const exists of [false, true]) {
      if (exists) writeFileSync(path, '');
      const other = await resolveDatabaseFile(join(folder, 'link', 'a.db'));
      expect(await failure(acquireMigrationLock(other, { waitMs: 0 }))).toHaveProperty('code', 'LOCKED');
    }
    await lock.release();
  });

  test('makes the next one wait, who says so once and since when, and goes on', async () => {
    const file = await newDatabase();
    const before = Date.now();
    const holder = startProgram('hold-lock', file.path);
    await holder.said('held');
    const lines: string[] = [];
    const stream = new Writable({
      write(chunk, _encoding, done) {
        lines.push(String(chunk));
        done();
      },
    });
    const waits: LockWait[] = [];
    const waiting = acquireMigrationLock(file, {
      logger: pino({ level: 'info' }, stream),
      onWait: (wait) => waits.push(wait),
    });
    await sleep(600);
    holder.tell('release');
    await (await waiting).release();
    expect(await holder.end()).toMatchObject({ code: 0, stdout: 'held\nreleased, lost: false\n' });
    expect(waits).toHaveLength(1);
    const since = waits[0]?.heldSince ?? new Date(0);
    expect(since.getTime()).toBeGreaterThanOrEqual(before - 10);
    expect(since.getTime()).toBeLessThanOrEqual(Date.now());
    expect(lines).toEqual([expect.stringContaining(since.toISOString())]);
  });

  test('goes from one process to the next until each had it', async () => {
    const file = await newDatabase();
    const programs = [1, 2, 3, 4].map(() => startProgram('hold-lock', file.path));
    for (const program of programs) {
      void program.said('held').then(() => {
        program.tell('release');
      });
    }
    for (const program of programs) {
      expect(await program.end()).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/released, lost: false/),
      });
    }
    expect(existsSync(lockOf(file))).toBe(false);
  });
});

describe('waiting', () => {
  test('lasts a minute unless told otherwise', () => {
    expect(defaultLockWaitMs).toBe(60_000);
  });

  test('ends with an error that tells since when the lock is held, and what to do', async () => {
    const file = await newDatabase();
    const lock = await acquireMigrationLock(file);
    const error = await failure(acquireMigrationLock(file, { waitMs: 250 }));
    expect(error).toBeInstanceOf(LockedError);
    const born = new Date(Number(statSync(lock.path, { bigint: true }).birthtimeMs)).toISOString();
    expect(error).toMatchObject({
      code: 'LOCKED',
      message: expect.stringMatching(
        `"${file.path}" .* held since ${born} \\(last sign of life .*waited 0\\.25 s`,
      ),
      hint: expect.stringContaining('goes away by itself'),
    });
    await lock.release();
  });

  test('can be left out, and a free lock is had all the same', async () => {
    const file = await newDatabase();
    const lock = await acquireMigrationLock(file, { waitMs: 0 });
    expect(await failure(acquireMigrationLock(file, { waitMs: 0 }))).toHaveProperty('code', 'LOCKED');
    await lock.release();
  });

  test('can be interrupted, and before it begins too', async () => {
    const file = await newDatabase();
    const lock = await acquireMigrationLock(file);
    const stop = new AbortController();
    const waiting = failure(
      acquireMigrationLock(file, {
        signal: stop.signal,
        onWait: () => {
          stop.abort(new Error('enough'));
        },
      }),
    );
    expect(await waiting).toBeInstanceOf(InterruptedError);
    await lock.release();
    expect(await failure(acquireMigrationLock(file, { signal: stop.signal }))).toBeInstanceOf(
      InterruptedError,
    );
    expect(existsSync(lockOf(file))).toBe(false);
  });

  test.each([NaN, -1, Infinity, 1.5])('cannot last %p milliseconds', async (waitMs) => {
    const file = await newDatabase();
    expect(await failure(acquireMigrationLock(file, { waitMs }))).toBeInstanceOf(InvalidOptionError);
    expect(existsSync(lockOf(file))).toBe(false);
  });
});

describe('a lock whose owner is gone', () => {
  test('is taken at once when it is older than ten seconds', async () => {
    const file = await newDatabase();
    leaveLock(lockOf(file), 11);
    const lock = await acquireMigrationLock(file, { waitMs: 0 });
    await lock.release();
  });

  test.each(['SIGINT', 'SIGTERM'] as const)(
    'is gone at once after %s, which still ends the process',
    async (signal) => {
      const file = await newDatabase();
      const holder = startProgram('hold-lock', file.path);
      await holder.said('held');
      holder.kill(signal);
      expect(await holder.end()).toMatchObject({ code: null, signal });
      expect(existsSync(lockOf(file))).toBe(false);
    },
  );

  test('stays with its owner when the program has a listener of its own for the signal', async () => {
    const file = await newDatabase();
    const holder = startProgram('hold-lock', file.path);
    await holder.said('held');
    holder.tell('handle signals');
    await holder.said('handling');
    holder.kill('SIGTERM');
    await holder.said('SIGTERM');
    expect(existsSync(lockOf(file))).toBe(true);
    holder.tell('release');
    expect(await holder.end()).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('released, lost: false'),
    });
  });

  test.each([
    ['exit', 3],
    ['throw', 1],
  ])('is gone at once when the process ends by "%s"', async (word, code) => {
    const file = await newDatabase();
    const holder = startProgram('hold-lock', file.path);
    await holder.said('held');
    holder.tell(word);
    expect(await holder.end()).toMatchObject({ code });
    expect(existsSync(lockOf(file))).toBe(false);
  });
});

describe('what is in the place of the lock and never goes away', () => {
  test.each([
    [
      'a file',
      'is not a folder',
      (path: string) => {
        writeFileSync(path, '');
      },
    ],
    [
      'a link',
      'is not a folder',
      (path: string) => {
        symlinkSync('/nowhere', path);
      },
    ],
    [
      'a folder with a file in it',
      'is not empty (it holds note)',
      (path: string) => {
        mkdirSync(path);
        writeFileSync(join(path, 'note'), '');
      },
    ],
  ])('is named: %s', async (_what, sentence, make) => {
    for (const secondsAgo of [0, 60]) {
      const file = await newDatabase();
      const path = lockOf(file);
      make(path);
      if (secondsAgo > 0 && existsSync(path)) utimesSync(path, 0, 0);
      expect(await failure(acquireMigrationLock(file))).toMatchObject({
        code: 'BAD_LOCK',
        message: expect.stringContaining(`"${path}" ${sentence}`),
        hint: expect.stringContaining(`move "${path}" away`),
      });
    }
  });

  testUnless(
    noTwoUsers,
    'is named: the lock of another user, in a folder where each removes only what is his',
    async () => {
      const folder = newFolder();
      chmodSync(folder, 0o1777);
      leaveLock(join(folder, 'a.db.lock'), 60);
      expect(await runAsOtherUser('hold-lock', join(folder, 'a.db'))).toBe('BAD_LOCK');
    },
  );

  testUnless(noOtherUser, 'cannot be made where the folder may not be written', async () => {
    const folder = newFolder();
    giveToOtherUser(folder, 0o700);
    expect(await runAsOtherUser('lock-in-unwritable-folder', folder)).toBe('NO_ACCESS');
  });
});

test('a write beyond the file size limit stays an error after a lock was taken', async () => {
  const file = await newDatabase();
  const program = fileURLToPath(
    new URL('../../var/tests/tests/fixtures/processes/hold-lock.js', import.meta.url),
  );
  const command = ['-c', 'ulimit -f 2000; exec "$0" "$@"', process.execPath, program, file.path];
  const end = spawnSync('sh', command, { input: 'write too much\nrelease\n', encoding: 'utf8' });
  expect(end).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(/^held\nSQLITE_\w+\nreleased, lost: false\n$/),
  });
});

// Everything that waits runs in processes, so that these tests can run side by side.
describe('within ten seconds and a little', () => {
  test.concurrent('a waiting process goes on after its holder was killed', async () => {
    const file = await newDatabase();
    const holder = startProgram('hold-lock', file.path);
    await holder.said('held');
    const waiter = startProgram('hold-lock', file.path, '15000');
    await waiter.said('waiting');
    holder.kill('SIGKILL');
    await waiter.said('held');
    waiter.tell('release');
    expect(await waiter.end()).toMatchObject({ code: 0 });
    expect(existsSync(lockOf(file))).toBe(false);
  });

  test.concurrent('a lock from the future goes too, because nobody gives a sign of life', async () => {
    const file = await newDatabase();
    leaveLock(lockOf(file), -3600);
    const waiter = startProgram('hold-lock', file.path, '20000');
    await waiter.said('held');
    waiter.tell('release');
    expect(await waiter.end()).toMatchObject({ code: 0 });
  });

  test.concurrent(
    'a holder that was stopped learns that its lock is lost, and leaves it to the next',
    async () => {
      const file = await newDatabase();
      const holder = startProgram('hold-lock', file.path);
      await holder.said('held');
      holder.kill('SIGSTOP');
      const next = startProgram('hold-lock', file.path);
      await next.said('held');
      holder.kill('SIGCONT');
      holder.tell('lost?');
      await holder.said('lost: true');
      holder.tell('release');
      await holder.said('released, lost: true');
      expect(await holder.end()).toMatchObject({ code: 0, stderr: '' });
      expect(existsSync(lockOf(file))).toBe(true);
      next.tell('release');
      expect(await next.end()).toMatchObject({ stdout: expect.stringContaining('released, lost: false') });
    },
  );

  test.concurrent.each(['release', 'exit'])(
    'a holder that slept too long does not take the lock of the next with it: %s',
    async (word) => {
      const file = await newDatabase();
      const holder = startProgram('hold-lock', file.path);
      await holder.said('held');
      holder.tell(`block, ${word}`);
      const next = startProgram('hold-lock', file.path);
      await next.said('held');
      writeFileSync(`${file.path}-go`, '');
      expect(await holder.end()).toMatchObject(
        word === 'exit' ? { code: 3 } : { code: 0, stdout: 'held\nreleased, lost: true\n' },
      );
      expect(existsSync(lockOf(file))).toBe(true);
      next.tell('release');
      expect(await next.end()).toMatchObject({ stdout: expect.stringContaining('released, lost: false') });
    },
  );

  test.concurrent('a holder keeps its lock, though all threads of its pool are at work', async () => {
    const file = await newDatabase();
    const holder = startProgram('hold-lock', file.path);
    await holder.said('held');
    holder.tell('fill thread pool');
    await holder.said('full');
    const waiter = startProgram('hold-lock', file.path, '13000');
    expect(await waiter.end()).toMatchObject({ stdout: 'waiting\nLOCKED\n' });
    holder.tell('lost?');
    await holder.said('lost: false');
    holder.kill('SIGKILL');
    await holder.end();
  });
});
