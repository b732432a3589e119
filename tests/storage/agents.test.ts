import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import { agentsOf, type Agents } from '../../core/storage/agents.js';
import { archivesOf } from '../../core/storage/archives.js';
import { memoryOf, type Memory } from '../../core/storage/memory.js';
import { worldsOf } from '../../core/storage/worlds.js';
import { journalModes, StorageDatabase } from '../support/storage-database.js';

const LAST_INTEGER = '9223372036854775807';

const agent = { id: 'a', worldId: 'w', name: 'A', type: 'default', provider: 'p', model: 'm' };

describe.each(journalModes)('agents in %s mode', (journalMode) => {
  let storage: StorageDatabase;
  let agents: Agents;
  let memory: Memory;

  beforeEach(async () => {
    storage = await StorageDatabase.make(journalMode);
    agents = agentsOf(storage.session);
    memory = memoryOf(storage.session);
    await worldsOf(storage.session).save({ id: 'w', name: 'W' });
  });

  afterEach(() => storage.remove());

  test('are given back as they were saved, with their memory', async () => {
    const full = {
      ...agent,
      status: 'active',
      systemPrompt: 'Be kind. 🙂',
      temperature: 0.7,
      maxTokens: 4096,
      llmCallCount: 3,
      createdAt: '2025-01-31 09:30:00',
      lastLlmCall: 1714550400000,
    };
    const saved = await agents.save(full);
    expect(saved).toEqual({ ...full, lastActive: expect.any(String) });
    const messages = await memory.append('w', 'a', [
      { role: 'user', content: 'hello' },
      { role: 'assistant', content: 'hi' },
    ]);
    expect(await agents.load('w', 'a')).toEqual({ ...saved, memory: messages });
    expect(await agents.load('w', 'another')).toBeUndefined();
    expect(await agents.load('another', 'a')).toBeUndefined();
  });

  test('get defaults where they are new', async () => {
    expect(await agents.save(agent)).toEqual({
      ...agent,
      status: 'inactive',
      systemPrompt: null,
      temperature: null,
      maxTokens: null,
      llmCallCount: 0,
      createdAt: expect.any(String),
      lastActive: expect.any(String),
      lastLlmCall: null,
    });
  });

  test('keep their memory, their archives and what is left out when they are saved again', async () => {
    await agents.save({ ...agent, temperature: 1, systemPrompt: 'old' });
    await memory.append('w', 'a', { role: 'user', content: 'archived' });
    await archivesOf(storage.session).archive('w', 'a');
    await memory.append('w', 'a', { role: 'user', content: 'live' });
    const saved = await agents.save({ ...agent, name: 'New', systemPrompt: null });
    expect(saved).toMatchObject({ name: 'New', temperature: 1, systemPrompt: null });
    expect((await memory.list({ worldId: 'w', agentId: 'a' })).map(({ content }) => content)).toEqual([
      'live',
    ]);
    expect(await storage.rows('SELECT content FROM archived_messages')).toEqual([{ content: 'archived' }]);
  });

  test('have an id of their own in each world', async () => {
    await worldsOf(storage.session).save({ id: 'v', name: 'V' });
    await agents.save(agent);
    await agents.save({ ...agent, worldId: 'v', name: 'another' });
    expect((await agents.list('w')).map(({ name }) => name)).toEqual(['A']);
    expect((await agents.list('v')).map(({ name }) => name)).toEqual(['another']);
  });

  test('are listed by their time, then by their id', async () => {
    for (const [id, createdAt] of [
      ['b', '2025-01-02'],
      ['z', '2025-01-01'],
      ['a', '2025-01-02'],
    ] as const) {
      await agents.save({ ...agent, id, createdAt });
    }
    expect((await agents.list('w')).map(({ id }) => id)).toEqual(['z', 'a', 'b']);
    expect(await agents.list('nowhere')).toEqual([]);
  });

  test('are deleted with their memory and their archives', async () => {
    await agents.save(agent);
    await memory.append('w', 'a', { role: 'user', content: 'archived' });
    await archivesOf(storage.session).archive('w', 'a');
    await memory.append('w', 'a', { role: 'user', content: 'live' });
    expect(await agents.delete('v', 'a')).toBe(false);
    expect(await agents.delete('w', 'a')).toBe(true);
    expect(await agents.delete('w', 'a')).toBe(false);
    for (const table of ['agents', 'agent_memory', 'memory_archives', 'archived_messages']) {
      expect(await storage.rows(`SELECT * FROM ${table}`)).toEqual([]);
    }
  });

  test('are not saved in a world that is not there', async () => {
    await expect(agents.save({ ...agent, worldId: 'nowhere' })).rejects.toMatchObject({
      code: 'BAD_VALUE',
      message: 'agent.worldId "nowhere" is no world of this storage.',
      hint: 'Save the world first.',
      cause: expect.objectContaining({ sqliteCode: 'SQLITE_CONSTRAINT' }),
    });
  });

  test('are all read, whatever old programs stored in them', async () => {
    await storage.write(`
      INSERT INTO agents (id, world_id, name, type, provider, model, temperature, max_tokens, llm_call_count, last_llm_call)
      VALUES ('a', 'w', 'A', 't', 'p', 'm', 'warm', x'00', ${LAST_INTEGER}, 'never'),
             ('b', 'w', 'B', 't', 'p', 'm', 9e999, 1e300, -5, ${LAST_INTEGER});`);
    const [a, b] = await agents.list('w');
    expect(a).toMatchObject({ temperature: null, maxTokens: null, llmCallCount: null, lastLlmCall: 'never' });
    expect(b).toMatchObject({
      temperature: null,
      maxTokens: null,
      llmCallCount: -5,
      lastLlmCall: LAST_INTEGER,
    });
  });

  test('keep what cannot be read as a number when they are loaded and saved again', async () => {
    await storage.write(`
      INSERT INTO agents (id, world_id, name, type, provider, model, temperature, max_tokens, llm_call_count)
      VALUES ('a', 'w', 'A', 't', 'p', 'm', 'warm', 2.5, ${LAST_INTEGER});`);
    const loaded = await agents.load('w', 'a');
    if (loaded !== undefined) await agents.save({ ...loaded, name: 'New' });
    expect(
      await storage.rows(
        'SELECT name, temperature, max_tokens, CAST(llm_call_count AS TEXT) AS calls FROM agents',
      ),
    ).toEqual([{ name: 'New', temperature: 'warm', max_tokens: 2.5, calls: LAST_INTEGER }]);
    const numbers = { temperature: 0.5, maxTokens: 1, llmCallCount: 2 };
    expect(await agents.save({ ...agent, ...numbers })).toMatchObject(numbers);
    const cleared = { temperature: null, maxTokens: null, llmCallCount: null };
    expect(await agents.save({ ...agent, ...cleared })).toMatchObject(cleared);
  });

  test.each([
    [{ id: '' }, 'agent.id must not be empty.'],
    [{ worldId: '' }, 'agent.worldId must not be empty.'],
    [{ temperature: Number.NaN }, 'agent.temperature must be a finite number, but is NaN.'],
    [{ temperature: Infinity }, 'agent.temperature must be a finite number, but is Infinity.'],
    [{ maxTokens: 0.5 }, 'agent.maxTokens must be a whole number, but is 0.5.'],
    [{ lastLlmCall: Number.NaN }, 'agent.lastLlmCall must be text or a finite number, but is NaN.'],
  ])('are refused where SQLite would refuse or change a value: %j', async (fault, message) => {
    await expect(agents.save({ ...agent, ...fault })).rejects.toMatchObject({ code: 'BAD_VALUE', message });
    expect(await agents.list('w')).toEqual([]);
  });
});
