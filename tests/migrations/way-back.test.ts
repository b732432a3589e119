import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readdir } from 'node:fs/promises';

import {
  openStorage,
  readMigrations,
  rollBackDatabase,
  upgradeDatabase,
  verifyDatabase,
  worldLegacyVersions,
  worldMigrationsDir,
  type RollBackOptions,
  type UpgradeReport,
} from '../../core/index.js';
import { dumpDatabase, type DatabaseDump } from '../support/database-dump.js';
import { buildLegacyDatabase } from '../support/legacy-databases.js';
import { describeSchema, schemaFaults } from '../support/schema-by-pragmas.js';
import { ScratchDatabase } from '../support/scratch-database.js';
import { journalModes } from '../support/storage-database.js';

const versions = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

/** The rows of each table as text, but for the history and the counters of ids. */
function rowsOf({ tables }: DatabaseDump): Record<string, string[]> {
  const own = Object.entries(tables).filter(
    ([name]) => name !== 'schema_migrations' && name !== 'sqlite_sequence',
  );
  return Object.fromEntries(
    own.map(([name, { rows }]) => [
      name,
      // The order of columns is not the same once one was dropped and added again.
      rows.map((row) => JSON.stringify(Object.entries(row).sort())).sort(),
    ]),
  );
}

it('every file says how to undo it', async () => {
  const migrations = await readMigrations(worldMigrationsDir);
  expect(migrations.map(({ version }) => version)).toEqual(versions);
  for (const { filename, down } of migrations)
    expect(down?.filename).toBe(filename.replace(/\.sql$/, '.down.sql'));
  expect(await readdir(worldMigrationsDir)).toHaveLength(2 * versions.length);
});

it('no way back declares a loss: whoever goes back is told of each', async () => {
  for (const { down } of await readMigrations(worldMigrationsDir))
    expect(down?.directives).toEqual({ noTransaction: false, allowLoss: [], drops: [] });
});

describe.each(journalModes)('the way back of the worlds, in %s mode,', (journal) => {
  let scratch: ScratchDatabase;

  beforeEach(async () => {
    scratch = await ScratchDatabase.make(journal, 'CREATE TABLE mine (a); DROP TABLE mine;');
  });

  afterEach(() => scratch.remove());

  const source = (): RollBackOptions => ({
    database: scratch.path,
    migrations: worldMigrationsDir,
    legacy: worldLegacyVersions,
    backup: false,
    allowLoss: true,
  });
  const up = (): Promise<UpgradeReport> => upgradeDatabase(source());
  const down = (more: Partial<RollBackOptions> = {}): Promise<UpgradeReport> =>
    rollBackDatabase({ ...source(), ...more });

  /** A database as a release of version 7 left it, with rows in every table, upgraded. */
  async function lived(spec: Omit<Parameters<typeof buildLegacyDatabase>[1], 'version'> = {}): Promise<void> {
    await scratch.remove();
    scratch = await ScratchDatabase.make(journal);
    await buildLegacyDatabase(scratch.path, {
      version: 7,
      journal: journal === 'wal' ? 'wal' : 'rollback',
      ...spec,
    });
    await up();
  }

  it('leads to nothing, and up again to the same schema', async () => {
    await up();
    const fresh = await describeSchema(scratch.path);
    const { schema } = await dumpDatabase(scratch.path);
    const report = await down({ to: 0 });
    expect(report.rolledBack.map(({ version }) => version)).toEqual(versions.toReversed());
    expect(await scratch.objects()).toEqual([]);
    expect(await scratch.value('PRAGMA user_version')).toBe(0);
    expect((await up()).applied.map(({ version }) => version)).toEqual(versions);
    const again = await describeSchema(scratch.path);
    expect([schemaFaults(fresh, again), schemaFaults(again, fresh)]).toEqual([[], []]);
    const texts = (objects: DatabaseDump['schema']): string[] => objects.map(({ sql }) => sql ?? '').sort();
    expect(texts((await dumpDatabase(scratch.path)).schema)).toEqual(texts(schema));
    expect(await verifyDatabase(scratch.path, source())).toMatchObject({ ok: true });
  });

  it('of each file leads to the schema that was there before it', async () => {
    for (const version of versions) {
      const before = version === 1 ? [] : await scratch.objects();
      const columns =
        "SELECT group_concat(t.name || '.' || c.name) FROM sqlite_schema t, pragma_table_xinfo(t.name) c WHERE t.name NOT LIKE 's%'";
      const had = await scratch.value(columns);
      await upgradeDatabase({ ...source(), to: version });
      const after = await scratch.objects();
      await down();
      expect([version, await scratch.objects()]).toEqual([version, before]);
      expect([version, await scratch.value(columns)]).toEqual([version, had]);
      await upgradeDatabase({ ...source(), to: version });
      expect([version, await scratch.objects()]).toEqual([version, after]);
    }
  });

  it('leads to nothing from a database that has lived, whatever was adopted', async () => {
    await lived({ early: ['memory_archives', 'world_chats'], orphans: true, oddValues: true });
    const { losses } = await down({ to: 0 });
    expect(await scratch.objects()).toEqual([]);
    expect(losses.join('\n')).toMatch(/table worlds with \d+ rows/);
    await up();
    const storage = await openStorage({ database: scratch.path });
    await storage.worlds.save({ id: 'w', name: 'A new world' });
    await storage.close();
  });

  it('tells every loss before the first step, and does nothing', async () => {
    await lived();
    const before = rowsOf(await dumpDatabase(scratch.path));
    const refused = down({ to: 0, allowLoss: false });
    await expect(refused).rejects.toMatchObject({ code: 'OBJECTS_LOST' });
    for (const table of ['worlds', 'agents', 'agent_memory', 'world_chats', 'events', 'event_sequences'])
      await expect(refused).rejects.toThrow(new RegExp(`table ${table} with \\d+ rows`));
    expect(rowsOf(await dumpDatabase(scratch.path))).toEqual(before);
    expect((await scratch.history()).filter((line) => line.includes('rolled_back'))).toEqual([]);
  });

  it('of the numbers of events loses nothing, and is no loss to be asked about', async () => {
    await lived({ wrongNumbers: true, oddValues: true });
    const before = rowsOf(await dumpDatabase(scratch.path));
    expect(await down({ allowLoss: false })).toMatchObject({ version: 10, losses: [] });
    expect(rowsOf(await dumpDatabase(scratch.path))).toEqual(before);
    expect((await up()).applied.map(({ version }) => version)).toEqual([11]);
    expect(rowsOf(await dumpDatabase(scratch.path))).toEqual(before);
  });

  it('of the numbers of events lets the next upgrade mend what an older release wrote meanwhile', async () => {
    await lived();
    const numbers =
      'SELECT group_concat(seq) AS seqs FROM (SELECT seq FROM events WHERE chat_id IS NULL AND world_id = (SELECT min(id) FROM worlds) ORDER BY seq)';
    const right = await scratch.value(numbers);
    await down();
    await scratch.run(`INSERT INTO events (id, world_id, seq, type, payload, created_at)
        SELECT 'older', min(id), 1, 't', '{}', '9999-01-01' FROM worlds;
      INSERT INTO event_sequences (world_id, chat_id, last_seq) SELECT min(id), NULL, 1 FROM worlds`);
    await up();
    const count = String(right).split(',').length;
    expect(await scratch.value(numbers)).toBe(`${String(right)},${count + 1}`);
    expect(
      await scratch.rows(
        'SELECT last_seq FROM event_sequences WHERE chat_id IS NULL AND world_id = (SELECT min(id) FROM worlds)',
      ),
    ).toEqual([{ last_seq: count + 1 }]);
  });

  it('of the chats takes their events along, as deleting them would, and leaves all others', async () => {
    await lived({ orphans: true });
    const count = async (where: string): Promise<unknown> =>
      scratch.value(`SELECT count(*) FROM events WHERE ${where}`);
    const total = Number(await count('true'));
    const ofChats = Number(await count('chat_id IN (SELECT id FROM world_chats)'));
    const orphans = Number(
      await count('chat_id IS NOT NULL AND chat_id NOT IN (SELECT id FROM world_chats)'),
    );
    expect([ofChats > 0, orphans > 0]).toEqual([true, true]);
    await down();
    await expect(down({ allowLoss: false })).rejects.toMatchObject({
      code: 'OBJECTS_LOST',
      message: expect.stringMatching(/table world_chats with \d+ rows/),
    });
    const { losses } = await down();
    expect(losses).toContain(`events would go from ${total} to ${total - ofChats} rows`);
    expect(await count('chat_id IS NOT NULL')).toBe(orphans);
    expect(await scratch.objects()).not.toContain('table world_chats');
    expect((await up()).applied.map(({ version }) => version)).toEqual([10, 11]);
    expect(await verifyDatabase(scratch.path, source())).toMatchObject({ ok: true });
  });

  it('of a column loses what is in it and no row', async () => {
    await lived();
    const before = rowsOf(await dumpDatabase(scratch.path));
    await down({ to: 10 });
    await down({ to: 9 });
    const memories = before.agent_memory?.length;
    for (const version of [8, 7, 6, 5, 4, 3]) await down({ to: version });
    const after = rowsOf(await dumpDatabase(scratch.path));
    expect(after.agent_memory).toHaveLength(memories ?? -1);
    expect(after.worlds).toHaveLength(before.worlds?.length ?? -1);
    expect(after.agents).toEqual(before.agents);
    expect(after.memory_archives).toEqual(before.memory_archives);
    expect(after.archived_messages).toEqual(before.archived_messages);
    const columns = await scratch.value("SELECT group_concat(name) FROM pragma_table_info('agent_memory')");
    expect(columns).toBe('id,agent_id,world_id,role,content,sender,created_at');
  });

  it("is not gone where it would leave a user's own rows without their parents", async () => {
    await lived();
    await scratch.run(`CREATE TABLE my_notes (world TEXT REFERENCES worlds(id), note TEXT);
      INSERT INTO my_notes SELECT id, 'mine' FROM worlds`);
    await down({ to: 3 });
    await expect(down({ to: 2 })).rejects.toMatchObject({ code: 'FOREIGN_KEYS_BROKEN' });
    expect(await scratch.objects()).toContain('table worlds');
  });
});
