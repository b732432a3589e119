import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import { agentsOf } from '../../core/storage/agents.js';
import { archivesOf, type Archives } from '../../core/storage/archives.js';
import { memoryOf, type Memory } from '../../core/storage/memory.js';
import { worldsOf } from '../../core/storage/worlds.js';
import { journalModes, StorageDatabase } from '../support/storage-database.js';
import { untyped } from '../support/untyped.js';

describe.each(journalModes)('archives in %s mode', (journalMode) => {
  let storage: StorageDatabase;
  let archives: Archives;
  let memory: Memory;

  beforeEach(async () => {
    storage = await StorageDatabase.make(journalMode);
    archives = archivesOf(storage.session);
    memory = memoryOf(storage.session);
    await worldsOf(storage.session).save({ id: 'w', name: 'W' });
    for (const id of ['a', 'b']) {
      await agentsOf(storage.session).save({
        id,
        worldId: 'w',
        name: id,
        type: 't',
        provider: 'p',
        model: 'm',
      });
    }
  });

  afterEach(() => storage.remove());

  test('take over all that an agent remembers, and nothing of another', async () => {
    await memory.append('w', 'a', [
      { role: 'user', content: 'hello 🌍', sender: 'Ann', createdAt: '2025-01-31T09:30:00Z' },
      { role: 'assistant', content: '', sender: 'a', createdAt: 1714550400000 },
      { role: 'system', content: 'rule', createdAt: 'garbage' },
      { role: 'user', content: 'bye', sender: 'Ann', createdAt: '2025-01-01' },
    ]);
    await memory.append('w', 'b', { role: 'user', content: 'stays' });
    const archive = await archives.archive('w', 'a', { sessionName: 'first', reason: 'full', tags: ['x'] });
    expect(archive).toEqual({
      id: expect.any(Number),
      worldId: 'w',
      agentId: 'a',
      sessionName: 'first',
      reason: 'full',
      messageCount: 4,
      startTime: '2025-01-31T09:30:00Z',
      endTime: '2025-01-01',
      participants: ['Ann', 'a'],
      tags: ['x'],
      createdAt: expect.any(String),
    });
    expect((await memory.list({ worldId: 'w' })).map(({ content }) => content)).toEqual(['stays']);
    const loaded = await archives.load(archive.id);
    expect(loaded).toMatchObject(archive);
    expect(loaded?.messages).toMatchObject([
      { role: 'user', content: 'hello 🌍', sender: 'Ann', originalCreatedAt: '2025-01-31T09:30:00Z' },
      { role: 'assistant', content: '', sender: 'a', originalCreatedAt: 1714550400000 },
      { role: 'system', content: 'rule', sender: null, originalCreatedAt: 'garbage' },
      { role: 'user', content: 'bye', sender: 'Ann', originalCreatedAt: '2025-01-01' },
    ]);
  });

  test('may be empty and unnamed', async () => {
    const archive = await archives.archive('w', 'a');
    expect(archive).toMatchObject({
      sessionName: null,
      reason: null,
      messageCount: 0,
      startTime: null,
      endTime: null,
      participants: [],
      tags: [],
    });
    expect(await archives.load(archive.id)).toMatchObject({ messages: [] });
  });

  test('are listed in the order in which they were made, of a world or of an agent', async () => {
    for (const [agentId, sessionName] of [
      ['a', '1'],
      ['b', '2'],
      ['a', '3'],
    ] as const) {
      await archives.archive('w', agentId, { sessionName });
    }
    const names = async (agentId?: string) =>
      (await archives.list('w', agentId)).map(({ sessionName }) => sessionName);
    expect(await names()).toEqual(['1', '2', '3']);
    expect(await names('a')).toEqual(['1', '3']);
    expect(await archives.list('nowhere')).toEqual([]);
    expect(await archives.load(99)).toBeUndefined();
  });

  test('leave the memory as it was where they cannot be made', async () => {
    await memory.append('w', 'a', { role: 'user', content: 'x' });
    await storage.write(
      "CREATE TRIGGER mine BEFORE DELETE ON agent_memory BEGIN SELECT RAISE(ABORT, 'kept by mine'); END",
    );
    await expect(archives.archive('w', 'a')).rejects.toMatchObject({ message: 'kept by mine' });
    expect(await archives.list('w')).toEqual([]);
    expect(await storage.rows('SELECT * FROM archived_messages')).toEqual([]);
    expect(await memory.list({ worldId: 'w' })).toHaveLength(1);
  });

  test('keep odd values of the memory byte for byte', async () => {
    await storage.write(`
      INSERT INTO agent_memory (agent_id, world_id, role, content, sender, created_at)
      VALUES ('a', 'w', 'user', x'ff00', x'41', 9223372036854775807);`);
    const archive = await archives.archive('w', 'a');
    expect(archive).toMatchObject({ startTime: '9223372036854775807', participants: ['A'] });
    expect(
      await storage.rows(
        'SELECT hex(content) AS c, typeof(content) AS k, hex(sender) AS s, CAST(original_created_at AS TEXT) AS t FROM archived_messages',
      ),
    ).toEqual([{ c: 'FF00', k: 'blob', s: '41', t: '9223372036854775807' }]);
  });

  test('are not made for an agent that is not there', async () => {
    await expect(archives.archive('w', 'nobody')).rejects.toMatchObject({
      code: 'BAD_VALUE',
      message: 'agentId "nobody" is no agent of the world "w".',
      cause: expect.objectContaining({ sqliteCode: 'SQLITE_CONSTRAINT' }),
    });
  });

  test('are all read, whatever old programs stored in them', async () => {
    await storage.write(`
      INSERT INTO memory_archives (agent_id, world_id, session_name, message_count, start_time, participants, tags) VALUES
        ('a', 'w', x'41', 'many', 'garbage', 'Ann, Bob', '["x"'),
        ('gone', 'w', NULL, 2.5, 9223372036854775807, NULL, 'null');`);
    expect(await archives.list('w')).toMatchObject([
      {
        sessionName: 'A',
        messageCount: null,
        startTime: 'garbage',
        participants: ['Ann, Bob'],
        tags: ['["x"'],
      },
      { agentId: 'gone', messageCount: null, startTime: '9223372036854775807', participants: [], tags: [] },
    ]);
  });

  test.each([
    [
      'tags',
      { tags: ['half \uDC00'] },
      'archive.tags[0] holds half of a surrogate pair, which UTF-8 cannot say.',
    ],
    [
      'sessionName',
      untyped({ sessionName: '' }, { sessionName: 5 }),
      'archive.sessionName must be text, but is 5.',
    ],
  ])('refuse a label that cannot be stored as it is: %s', async (_field, label, message) => {
    await expect(archives.archive('w', 'a', label)).rejects.toMatchObject({ code: 'BAD_VALUE', message });
    await expect(archives.load(Number.NaN)).rejects.toMatchObject({ code: 'BAD_VALUE' });
  });
});
