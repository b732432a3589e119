import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import { agentsOf } from '../../core/storage/agents.js';
import { chatsOf, type Chats } from '../../core/storage/chats.js';
import { eventsOf } from '../../core/storage/events.js';
import { memoryOf } from '../../core/storage/memory.js';
import { worldsOf, type Worlds } from '../../core/storage/worlds.js';
import { journalModes, StorageDatabase } from '../support/storage-database.js';
import { untyped } from '../support/untyped.js';

const chat = { id: 'c', worldId: 'w', name: 'Chat' };

describe.each(journalModes)('chats in %s mode', (journalMode) => {
  let storage: StorageDatabase;
  let worlds: Worlds;
  let chats: Chats;

  beforeEach(async () => {
    storage = await StorageDatabase.make(journalMode);
    worlds = worldsOf(storage.session);
    chats = chatsOf(storage.session);
    await worlds.save({ id: 'w', name: 'W' });
    await worlds.save({ id: 'v', name: 'V' });
  });

  afterEach(() => storage.remove());

  test('are given back as they were saved', async () => {
    const full = {
      ...chat,
      description: 'd',
      messageCount: 12,
      tags: ['one', 'zwei, drei'],
      createdAt: '2025-01-31 09:30:00',
    };
    const saved = await chats.save(full);
    expect(saved).toEqual({ ...full, updatedAt: expect.any(String) });
    expect(await chats.load('w', 'c')).toEqual(saved);
    expect(await chats.load('v', 'c')).toBeUndefined();
    expect(await chats.save(saved)).toMatchObject(full);
  });

  test('get defaults where they are new', async () => {
    expect(await chats.save(chat)).toEqual({
      ...chat,
      description: null,
      messageCount: 0,
      tags: [],
      createdAt: expect.any(String),
      updatedAt: expect.any(String),
    });
  });

  test('keep their events, their snapshots and what is left out when they are saved again', async () => {
    await chats.save({ ...chat, description: 'd', tags: ['t'] });
    await chats.saveSnapshot({ worldId: 'w', chatId: 'c', data: {} });
    await eventsOf(storage.session).append({ worldId: 'w', chatId: 'c', type: 't', payload: 1 });
    expect(await chats.save({ ...chat, name: 'New' })).toMatchObject({
      name: 'New',
      description: 'd',
      tags: ['t'],
    });
    expect(
      await storage.rows(
        'SELECT (SELECT count(*) FROM events) AS e, (SELECT count(*) FROM chat_snapshots) AS s',
      ),
    ).toEqual([{ e: 1, s: 1 }]);
  });

  test('do not move to another world', async () => {
    await chats.save(chat);
    await expect(chats.save({ ...chat, worldId: 'v', name: 'taken' })).rejects.toMatchObject({
      code: 'BAD_VALUE',
      message: 'chat.id "c" belongs to a chat of another world.',
    });
    expect(await chats.load('w', 'c')).toMatchObject({ name: 'Chat' });
  });

  test('are not saved in a world that is not there', async () => {
    await expect(chats.save({ ...chat, worldId: 'nowhere' })).rejects.toMatchObject({
      code: 'BAD_VALUE',
      message: 'chat.worldId "nowhere" is no world of this storage.',
      cause: expect.objectContaining({ sqliteCode: 'SQLITE_CONSTRAINT' }),
    });
  });

  test('are listed by their time, then by their id', async () => {
    for (const [id, createdAt] of [
      ['b', '2025-01-02'],
      ['z', '2025-01-01'],
      ['a', '2025-01-02'],
    ] as const) {
      await chats.save({ ...chat, id, createdAt });
    }
    expect((await chats.list('w')).map(({ id }) => id)).toEqual(['z', 'a', 'b']);
    expect(await chats.list('v')).toEqual([]);
  });

  test('are updated field by field', async () => {
    await chats.save({ ...chat, description: 'd', messageCount: 1 });
    expect(await chats.update('w', 'c', { messageCount: 2, tags: ['t'] })).toMatchObject({
      name: 'Chat',
      description: 'd',
      messageCount: 2,
      tags: ['t'],
    });
    expect(await chats.update('w', 'c', { description: null })).toMatchObject({
      description: null,
      messageCount: 2,
    });
    expect(await chats.update('w', 'c', {})).toMatchObject({ name: 'Chat' });
    expect(await chats.update('v', 'c', { name: 'taken' })).toBeUndefined();
    expect(await chats.load('w', 'c')).toMatchObject({ name: 'Chat' });
    await expect(chats.update('w', 'c', { messageCount: Number.NaN })).rejects.toMatchObject({
      code: 'BAD_VALUE',
    });
  });

  test('are deleted with their events, counter and snapshots, and are current no more', async () => {
    await chats.save(chat);
    await chats.save({ ...chat, id: 'd' });
    await worlds.save({ id: 'w', name: 'W', currentChatId: 'c' });
    const events = eventsOf(storage.session);
    for (const chatId of ['c', 'd', null])
      await events.append({ worldId: 'w', chatId, type: 't', payload: 1 });
    await chats.saveSnapshot({ worldId: 'w', chatId: 'c', data: 1 });
    await agentsOf(storage.session).save({
      id: 'a',
      worldId: 'w',
      name: 'A',
      type: 't',
      provider: 'p',
      model: 'm',
    });
    await memoryOf(storage.session).append('w', 'a', { role: 'user', content: 'stays', chatId: 'c' });

    expect(await chats.delete('v', 'c')).toBe(false);
    expect(await chats.delete('w', 'c')).toBe(true);
    expect(await chats.delete('w', 'c')).toBe(false);
    expect(await storage.rows('SELECT chat_id FROM events ORDER BY 1')).toEqual([
      { chat_id: null },
      { chat_id: 'd' },
    ]);
    expect(await storage.rows('SELECT chat_id FROM event_sequences ORDER BY 1')).toEqual([
      { chat_id: null },
      { chat_id: 'd' },
    ]);
    expect(await storage.rows('SELECT * FROM chat_snapshots')).toEqual([]);
    expect(await worlds.load('w')).toMatchObject({ currentChatId: null });
    expect(await storage.rows('SELECT content FROM agent_memory')).toEqual([{ content: 'stays' }]);
  });

  test('leave another current chat alone when they are deleted', async () => {
    await chats.save(chat);
    await worlds.save({ id: 'w', name: 'W', currentChatId: 'another' });
    await chats.delete('w', 'c');
    expect(await worlds.load('w')).toMatchObject({ currentChatId: 'another' });
  });

  test('have snapshots, of which the one saved last is loaded', async () => {
    await chats.save(chat);
    expect(await chats.loadSnapshot('w', 'c')).toBeUndefined();
    const data = { messages: ['ä', null, 0.1, { deep: [true] }], 'key "x"': '' };
    const first = await chats.saveSnapshot({ worldId: 'w', chatId: 'c', data, version: '2.0' });
    expect(first).toMatchObject({ data, version: '2.0', capturedAt: expect.any(String) });
    const second = await chats.saveSnapshot({ worldId: 'w', chatId: 'c', data: 2, capturedAt: '1999-01-01' });
    expect(second).toMatchObject({ data: 2, version: '1.0', capturedAt: '1999-01-01' });
    expect(await chats.loadSnapshot('w', 'c')).toEqual(second);
    expect(await chats.listSnapshots('w', 'c')).toEqual([first, second]);
    expect(await chats.listSnapshots('v', 'c')).toEqual([]);
  });

  test('have snapshots only in their own world', async () => {
    await chats.save(chat);
    await expect(chats.saveSnapshot({ worldId: 'v', chatId: 'c', data: 1 })).rejects.toMatchObject({
      code: 'BAD_VALUE',
      message: 'chatId "c" is no chat of the world "v".',
    });
  });

  test('are all read, whatever old programs stored in them', async () => {
    await storage.write(`
      INSERT INTO world_chats (id, world_id, name, message_count, tags, created_at) VALUES
        ('a', 'w', 'A', 'many', 'plain, text', NULL),
        ('b', 'w', 'B', 9223372036854775807, '["x", 1, {"y": 2}]', NULL),
        ('c', 'w', 'C', NULL, x'5b5d', NULL),
        ('d', 'w', 'D', NULL, '{"x": 1}', NULL);
      INSERT INTO chat_snapshots (chat_id, world_id, snapshot_data, version, captured_at) VALUES
        ('a', 'w', 'not JSON {', NULL, 'garbage'),
        ('a', 'w', x'7b7d', x'31', 1714550400000);`);
    expect(await chats.list('w')).toMatchObject([
      { messageCount: null, tags: ['plain, text'] },
      { messageCount: null, tags: ['x', '1', '{"y":2}'] },
      { messageCount: null, tags: [] },
      { messageCount: null, tags: ['{"x": 1}'] },
    ]);
    expect(await chats.listSnapshots('w', 'a')).toMatchObject([
      { data: 'not JSON {', version: null, capturedAt: 'garbage' },
      { data: {}, version: '1', capturedAt: 1714550400000 },
    ]);
  });

  test('keep a count that cannot be read when they are loaded, saved and updated', async () => {
    await storage.write(
      "INSERT INTO world_chats (id, world_id, name, message_count) VALUES ('c', 'w', 'C', 'many')",
    );
    const loaded = await chats.load('w', 'c');
    if (loaded !== undefined) await chats.save({ ...loaded, name: 'New' });
    await chats.update('w', 'c', { messageCount: null });
    expect(await storage.rows('SELECT name, message_count FROM world_chats')).toEqual([
      { name: 'New', message_count: 'many' },
    ]);
  });

  test.each([
    [{ id: '' }, 'chat.id must not be empty.'],
    [{ messageCount: 0.5 }, 'chat.messageCount must be a whole number, but is 0.5.'],
    [{ tags: 'one' }, 'chat.tags must be a list, but is "one".'],
    [{ tags: ['one', 2] }, 'chat.tags[1] must be text, but is 2.'],
    [{ name: undefined }, 'chat.name must be text, but is undefined.'],
  ])('are refused where SQLite would refuse or change a value: %j', async (fault, message) => {
    await expect(chats.save(untyped(chat, fault))).rejects.toMatchObject({ code: 'BAD_VALUE', message });
    expect(await chats.list('w')).toEqual([]);
  });
});
