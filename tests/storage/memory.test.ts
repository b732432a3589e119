import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import { agentsOf } from '../../core/storage/agents.js';
import { memoryOf, type Memory } from '../../core/storage/memory.js';
import { isRole } from '../../core/storage/values.js';
import { worldsOf } from '../../core/storage/worlds.js';
import { journalModes, StorageDatabase } from '../support/storage-database.js';
import { untyped } from '../support/untyped.js';

describe.each(journalModes)('memory in %s mode', (journalMode) => {
  let storage: StorageDatabase;
  let memory: Memory;

  beforeEach(async () => {
    storage = await StorageDatabase.make(journalMode);
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

  const say = (content: string, more: { chatId?: string; messageId?: string } = {}) =>
    ({ role: 'user', content, ...more }) as const;

  const contents = async (scope: { agentId?: string; chatId?: string | null } = {}) =>
    (await memory.list({ worldId: 'w', ...scope })).map(({ content }) => content);

  test('is given back as it was appended', async () => {
    const message = {
      role: 'assistant',
      content: 'a\u0000b \u{10FFFF} e\u0301\r\n',
      sender: 'A',
      chatId: 'c',
      messageId: 'm2',
      replyToMessageId: 'm1',
      createdAt: '2025-01-31T09:30:00.123Z',
    } as const;
    const [stored] = await memory.append('w', 'a', message);
    expect(stored).toEqual({ ...message, id: expect.any(Number), worldId: 'w', agentId: 'a' });
    expect(await memory.list({ worldId: 'w', agentId: 'a' })).toEqual([stored]);
    expect(isRole(stored?.role)).toBe(true);
  });

  test('gives a message an id and a time where the caller gives none', async () => {
    const stored = await memory.append('w', 'a', [say('one'), { ...say('two'), createdAt: null }]);
    expect(stored).toMatchObject([
      { sender: null, chatId: null, replyToMessageId: null, createdAt: expect.stringMatching(/^\d{4}-/) },
      { createdAt: expect.stringMatching(/^\d{4}-/) },
    ]);
    expect(new Set(stored.map(({ messageId }) => messageId)).size).toBe(2);
    expect(stored[0]?.messageId).toMatch(/^[0-9a-f-]{36}$/);
  });

  test('stands in the order in which it was appended, whatever the timestamps say', async () => {
    const times = [
      '2025-01-02T00:00:00Z',
      '2025-01-02 23:00:00',
      1714550400000,
      'garbage',
      '2024-01-01',
      null,
    ];
    await memory.append(
      'w',
      'a',
      times.map((createdAt, index) => ({ ...say(String(index)), createdAt })),
    );
    expect(await contents({ agentId: 'a' })).toEqual(['0', '1', '2', '3', '4', '5']);
  });

  test('is listed by world, by agent, by chat, by both, and without a chat', async () => {
    await memory.append('w', 'a', [say('a1', { chatId: 'one' }), say('a2', { chatId: 'two' }), say('a0')]);
    await memory.append('w', 'b', [say('b1', { chatId: 'one' })]);
    expect(await contents()).toEqual(['a1', 'a2', 'a0', 'b1']);
    expect(await contents({ agentId: 'a' })).toEqual(['a1', 'a2', 'a0']);
    expect(await contents({ chatId: 'one' })).toEqual(['a1', 'b1']);
    expect(await contents({ agentId: 'a', chatId: 'one' })).toEqual(['a1']);
    expect(await contents({ chatId: null })).toEqual(['a0']);
    expect(await memory.list({ worldId: 'nowhere' })).toEqual([]);
  });

  test('is edited by message id, in one memory or in all of the world', async () => {
    await memory.append('w', 'a', [say('x', { messageId: 'm1' }), say('y', { messageId: 'm2' })]);
    await memory.append('w', 'b', say('x', { messageId: 'm1' }));
    expect(await memory.edit({ worldId: 'w', agentId: 'a', messageId: 'm1' }, 'A')).toBe(1);
    expect(await contents()).toEqual(['A', 'y', 'x']);
    expect(await memory.edit({ worldId: 'w', messageId: 'm1' }, 'all')).toBe(2);
    expect(await contents()).toEqual(['all', 'y', 'all']);
    expect(await memory.edit({ worldId: 'v', messageId: 'm1' }, 'none')).toBe(0);
  });

  test('loses a message by its id, in one memory or in all of the world', async () => {
    await memory.append('w', 'a', [say('x', { messageId: 'm1' }), say('y', { messageId: 'm2' })]);
    await memory.append('w', 'b', [say('x', { messageId: 'm1' }), say('y', { messageId: 'm2' })]);
    expect(await memory.delete({ worldId: 'w', agentId: 'b', messageId: 'm2' })).toBe(1);
    expect(await contents()).toEqual(['x', 'y', 'x']);
    expect(await memory.delete({ worldId: 'w', messageId: 'm1' })).toBe(2);
    expect(await contents()).toEqual(['y']);
  });

  test('loses a message and all after it, in the same memory and chat only', async () => {
    await memory.append('w', 'a', [
      say('a1', { chatId: 'c', messageId: 'm1' }),
      { ...say('a2', { chatId: 'c', messageId: 'm2' }), createdAt: '2020-01-01' },
      say('other chat', { chatId: 'd' }),
      { ...say('a3', { chatId: 'c' }), createdAt: 'garbage' },
      say('no chat'),
    ]);
    await memory.append('w', 'b', [say('b2', { chatId: 'c', messageId: 'm2' }), say('b3', { chatId: 'c' })]);
    expect(await memory.deleteFrom({ worldId: 'w', agentId: 'a', messageId: 'm2' })).toBe(2);
    expect(await contents()).toEqual(['a1', 'other chat', 'no chat', 'b2', 'b3']);
    expect(await memory.deleteFrom({ worldId: 'w', messageId: 'm2' })).toBe(2);
    expect(await contents()).toEqual(['a1', 'other chat', 'no chat']);
    expect(await memory.deleteFrom({ worldId: 'w', messageId: 'm2' })).toBe(0);
  });

  test('loses what follows a message without a chat only among those without', async () => {
    await memory.append('w', 'a', [say('x', { messageId: 'm' }), say('chat', { chatId: 'c' }), say('y')]);
    expect(await memory.deleteFrom({ worldId: 'w', agentId: 'a', messageId: 'm' })).toBe(2);
    expect(await contents()).toEqual(['chat']);
  });

  test('never gives the number of a deleted message again', async () => {
    const [first] = await memory.append('w', 'a', say('x', { messageId: 'm' }));
    await memory.delete({ worldId: 'w', messageId: 'm' });
    const [second] = await memory.append('w', 'a', say('y'));
    expect(second?.id).toBe((first?.id ?? 0) + 1);
  });

  test('keeps nothing of a list of which one message cannot be stored', async () => {
    await storage.write(
      "CREATE TRIGGER mine BEFORE INSERT ON agent_memory WHEN NEW.content = 'bad' BEGIN SELECT RAISE(ABORT, 'mine'); END",
    );
    await expect(memory.append('w', 'a', [say('good'), say('bad')])).rejects.toMatchObject({
      sqliteCode: 'SQLITE_CONSTRAINT',
      message: 'mine',
    });
    expect(await contents()).toEqual([]);
  });

  test('is not appended for an agent that is not there', async () => {
    await expect(memory.append('w', 'nobody', say('x'))).rejects.toMatchObject({
      code: 'BAD_VALUE',
      message: 'agentId "nobody" is no agent of the world "w".',
      cause: expect.objectContaining({ sqliteCode: 'SQLITE_CONSTRAINT' }),
    });
  });

  test('is read whole, whatever old programs stored in it', async () => {
    await storage.write(`
      INSERT INTO agent_memory (id, agent_id, world_id, role, content, sender, chat_id, created_at) VALUES
        (-9223372036854775808, 'a', 'w', 'user', x'c3a9', 5, NULL, NULL),
        (7, 'gone', 'w', 'system', '', x'', 'gone', 9223372036854775807),
        (9223372036854775806, 'a', 'w', 'assistant', 'last', NULL, NULL, 'garbage');`);
    expect(await memory.list({ worldId: 'w' })).toMatchObject([
      { id: -(2 ** 63), content: 'é', sender: '5', messageId: null, createdAt: null },
      { id: 7, agentId: 'gone', content: '', sender: '', createdAt: '9223372036854775807' },
      { content: 'last', createdAt: 'garbage' },
    ]);
  });

  test.each([
    [{ role: 'tool' }, 'message.role must be one of system, user, assistant, but is "tool".'],
    [{ content: null }, 'message.content must be text, but is null.'],
    [{ messageId: '' }, 'message.messageId must not be empty.'],
    [{ chatId: '' }, 'message.chatId must not be empty.'],
    [{ sender: {} }, 'message.sender must be text, but is an object.'],
  ])('refuses what SQLite would refuse or change: %j', async (fault, message) => {
    const faulty = untyped(say('x'), fault);
    await expect(memory.append('w', 'a', [say('good'), faulty])).rejects.toMatchObject({
      code: 'BAD_VALUE',
      message,
    });
    expect(await contents()).toEqual([]);
  });

  test('changes nothing where an untyped caller names no message', async () => {
    await memory.append('w', 'a', say('x'));
    const key = untyped({ worldId: 'w', messageId: 'm' }, { messageId: undefined });
    for (const attempt of [memory.delete(key), memory.deleteFrom(key), memory.edit(key, 'y')]) {
      await expect(attempt).rejects.toMatchObject({
        code: 'BAD_VALUE',
        message: 'messageId must be text, but is undefined.',
      });
    }
    expect(await contents()).toEqual(['x']);
  });
});
