import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import {
  applyRetention,
  createBackup,
  listBackups,
  LockedError,
  restoreBackup,
  UnreadableDatabaseError,
  verifyBackup,
} from '../../core/index.js';
import { withLegacy } from '../support/legacy-driver.js';
import { ScratchDatabase } from '../support/scratch-database.js';
import { journalModes } from '../support/storage-database.js';

describe.each(journalModes)('backups, in %s mode,', (journal) => {
  let scratch: ScratchDatabase;

  beforeEach(async () => {
    scratch = await ScratchDatabase.make(
      journal,
      "CREATE TABLE notes (text); INSERT INTO notes VALUES ('a');",
    );
  });

  afterEach(() => scratch.remove());

  it('are made, listed, verified and restored by their paths alone', async () => {
    const made = await createBackup(scratch.path);
    expect(await listBackups(scratch.path)).toEqual([{ ...made, verdict: undefined }]);
    const verdict = { verified: true, userVersion: 0, tables: 1, rows: 1 };
    expect(await verifyBackup(made.path)).toEqual(verdict);
    expect(await listBackups(scratch.path, { verify: true })).toMatchObject([{ verdict }]);
    await scratch.run('DELETE FROM notes');
    const restored = await restoreBackup(made.path, scratch.path);
    expect(restored).toMatchObject({ rows: 1, saved: { verified: true } });
    expect(await scratch.value('SELECT text FROM notes')).toBe('a');
  });

  it('go where the option says, and are kept as long as it says', async () => {
    const copies = join(scratch.folder, 'copies');
    await mkdir(copies);
    for (let count = 1; count <= 3; count += 1) await createBackup(scratch.path, { folder: copies });
    expect(await readdir(copies)).toHaveLength(3);
    const removed = await applyRetention(scratch.path, { folder: copies, keepCount: 1 });
    expect(removed).toHaveLength(2);
    expect(await listBackups(scratch.path, { folder: copies })).toHaveLength(1);
    expect(await listBackups(scratch.path)).toEqual([]);
  });

  it('wait no longer for a writer than the option says', async () => {
    await withLegacy(scratch.path, async (program) => {
      await program.run('BEGIN IMMEDIATE');
      await expect(createBackup(scratch.path, { lockWaitMs: 0 })).rejects.toThrow(LockedError);
    });
    expect(await listBackups(scratch.path)).toEqual([]);
  });

  it('stop waiting for a writer when they are told to', async () => {
    const stop = new AbortController();
    await withLegacy(scratch.path, async (program) => {
      await program.run('BEGIN IMMEDIATE');
      const made = createBackup(scratch.path, { lockWaitMs: 600_000, signal: stop.signal });
      stop.abort();
      await expect(made).rejects.toMatchObject({ code: 'INTERRUPTED' });
    });
  });
});

it('no backup is made of what is no database', async () => {
  const scratch = await ScratchDatabase.make('delete');
  try {
    await writeFile(scratch.path, 'no database, and long enough to be looked at as one'.repeat(40));
    await expect(createBackup(scratch.path)).rejects.toThrow(UnreadableDatabaseError);
    expect(await readdir(scratch.folder)).toEqual(['app.db']);
  } finally {
    await scratch.remove();
  }
});
