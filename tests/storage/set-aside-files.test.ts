import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { resolveDatabaseFile } from '../../core/storage/database-file.js';
import { copyRaw } from '../../core/storage/raw-copy.js';
import { keepAside, moveAside } from '../../core/storage/set-aside-files.js';

let folder: string;
const at = (name: string): string => join(folder, name);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'set-aside-files-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

/** Every file by its name, with what is in it. */
async function files(): Promise<Record<string, string>> {
  const names = (await readdir(folder)).sort();
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(at(name), 'utf8')] as const)),
  );
}

describe('files that are set aside', () => {
  beforeEach(async () => {
    await writeFile(at('a.db'), 'file');
    await writeFile(at('a.db-wal'), 'log');
    // The file of an earlier restore was taken away, and its log was not.
    await writeFile(at('a.db.set-aside-now-wal'), 'earlier log');
  });

  it('replace nothing of an earlier time when they are moved', async () => {
    await moveAside(await resolveDatabaseFile(at('a.db'), 'replace'), 'now');
    expect(await files()).toEqual({
      'a.db.set-aside-now-wal': 'earlier log',
      'a.db.set-aside-now-2': 'file',
      'a.db.set-aside-now-2-wal': 'log',
    });
  });

  it('replace nothing of an earlier time when they are copied', async () => {
    const copies = await keepAside(await resolveDatabaseFile(at('a.db'), 'replace'), 'now', undefined);
    expect(copies).toEqual([at('a.db.set-aside-now-2'), at('a.db.set-aside-now-2-wal')]);
    expect(await files()).toMatchObject({
      'a.db': 'file',
      'a.db-wal': 'log',
      'a.db.set-aside-now-wal': 'earlier log',
      'a.db.set-aside-now-2': 'file',
      'a.db.set-aside-now-2-wal': 'log',
    });
  });
});

describe('a copy byte by byte', () => {
  const both = (): Parameters<typeof copyRaw>[0] => [
    { from: at('a.db'), to: at('b.db') },
    { from: at('a.db-wal'), to: at('b.db-wal') },
  ];

  it('that cannot be finished leaves nothing', async () => {
    await writeFile(at('a.db'), 'file');
    await expect(copyRaw(both(), undefined)).rejects.toMatchObject({
      code: 'BACKUP_FAILED',
      message: expect.stringContaining('ENOENT'),
    });
    expect(await files()).toEqual({ 'a.db': 'file' });
  });

  it('replaces nothing, and leaves what is in its way', async () => {
    await writeFile(at('a.db'), 'file');
    await writeFile(at('a.db-wal'), 'log');
    await writeFile(at('b.db-wal'), 'mine');
    await expect(copyRaw(both(), undefined)).rejects.toMatchObject({
      code: 'BACKUP_FAILED',
      message: expect.stringContaining('EEXIST'),
    });
    expect(await files()).toEqual({ 'a.db': 'file', 'a.db-wal': 'log', 'b.db-wal': 'mine' });
  });

  it('ends where it is stopped', async () => {
    await writeFile(at('a.db'), 'file');
    await writeFile(at('a.db-wal'), 'log');
    await expect(copyRaw(both(), AbortSignal.abort())).rejects.toMatchObject({
      code: 'BACKUP_FAILED',
      message: expect.stringContaining('it was stopped'),
    });
    expect(await files()).toEqual({ 'a.db': 'file', 'a.db-wal': 'log' });
  });
});
