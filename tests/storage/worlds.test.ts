import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { pino } from 'pino';

import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import { agentsOf } from '../../core/storage/agents.js';
import { archivesOf } from '../../core/storage/archives.js';
import { chatsOf } from '../../core/storage/chats.js';
import { eventsOf } from '../../core/storage/events.js';
import { memoryOf } from '../../core/storage/memory.js';
import { StorageSession } from '../../core/storage/storage-session.js';
import { worldsOf, type Worlds } from '../../core/storage/worlds.js';
import { journalModes, StorageDatabase } from '../support/storage-database.js';
import { untyped } from '../support/untyped.js';

const children = [
  'agents',
  'agent_memory',
  'memory_archives',
  'archived_messages',
  'world_chats',
  'chat_snapshots',
];
const all = ['worlds', ...children, 'events', 'event_sequences'];

const LAST_INTEGER = '9223372036854775807';

describe.each(journalModes)('worlds in %s mode', (journalMode) => {
  let storage: StorageDatabase;
  let worlds: Worlds;

  beforeEach(async () => {
    storage = await StorageDatabase.make(journalMode);
    worlds = worldsOf(storage.session);
  });

  afterEach(() => storage.remove());

  async function fill(worldId: string): Promise<void> {
    const { session } = storage;
    await worlds.save({ id: worldId, name: worldId });
    const agent = { id: 'a', worldId, name: 'A', type: 'default', provider: 'p', model: 'm' };
    await agentsOf(session).save(agent);
    const chatId = `${worldId}-chat`;
    await chatsOf(session).save({ id: chatId, worldId, name: 'C' });
    await chatsOf(session).saveSnapshot({ chatId, worldId, data: { messages: [] } });
    const hello = { role: 'user', content: 'hello' } as const;
    await memoryOf(session).append(worldId, 'a', hello);
    await archivesOf(session).archive(worldId, 'a');
    await memoryOf(session).append(worldId, 'a', hello);
    const event = { worldId, type: 't', payload: null };
    await eventsOf(session).append([event, { ...event, chatId }]);
  }

  async function counts(): Promise<Readonly<Record<string, unknown>>> {
    const terms = all.map((table) => `(SELECT count(*) FROM ${table}) AS ${table}`);
    return (await storage.rows(`SELECT ${terms.join(', ')}`))[0] ?? {};
  }

  test('are given back as they were saved', async () => {
    const world = {
      id: 'w',
      name: 'Wörld 🌍',
      description: '',
      turnLimit: 9,
      chatLlmProvider: 'provider',
      chatLlmModel: 'model',
      currentChatId: 'c',
      mcpConfig: '{"servers":{}}',
      createdAt: '2025-01-31T09:30:00.000Z',
    };
    const saved = await worlds.save(world);
    expect(saved).toEqual({ ...world, updatedAt: expect.any(String) });
    expect(await worlds.load('w')).toEqual(saved);
    expect(await worlds.load('another')).toBeUndefined();
  });

  test('get defaults where they are new', async () => {
    expect(await worlds.save({ id: 'w', name: 'W' })).toEqual({
      id: 'w',
      name: 'W',
      description: null,
      turnLimit: 5,
      chatLlmProvider: null,
      chatLlmModel: null,
      currentChatId: null,
      mcpConfig: null,
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/),
      updatedAt: expect.any(String),
    });
  });

  test('keep what is left out and lose what is null when they are saved again', async () => {
    await worlds.save({ id: 'w', name: 'W', description: 'd', turnLimit: 7, mcpConfig: '{}' });
    const again = await worlds.save({ id: 'w', name: 'New', mcpConfig: null });
    expect(again).toMatchObject({ name: 'New', description: 'd', turnLimit: 7, mcpConfig: null });
  });

  test('keep everything that belongs to them when they are saved again', async () => {
    await fill('w');
    const before = await counts();
    await worlds.save({ id: 'w', name: 'New' });
    expect(await counts()).toEqual(before);
    expect(Object.values(before).every((count) => count !== 0)).toBe(true);
  });

  test('are listed by their time, then by their id', async () => {
    for (const [id, createdAt] of [
      ['b', '2025-01-02'],
      ['z', '2025-01-01'],
      ['a', '2025-01-02'],
    ] as const) {
      await worlds.save({ id, name: id, createdAt });
    }
    expect((await worlds.list()).map(({ id }) => id)).toEqual(['z', 'a', 'b']);
  });

  test('are deleted with everything that belongs to them, and with nothing else', async () => {
    await fill('stays');
    const before = await counts();
    await fill('goes');
    expect(await worlds.delete('goes')).toBe(true);
    expect(await counts()).toEqual(before);
    expect(await worlds.delete('goes')).toBe(false);
  });

  test('are not deleted where somebody else refers to them', async () => {
    await worlds.save({ id: 'w', name: 'W' });
    await storage.write("CREATE TABLE mine (world REFERENCES worlds (id)); INSERT INTO mine VALUES ('w');");
    await expect(worlds.delete('w')).rejects.toMatchObject({
      code: 'BAD_VALUE',
      cause: expect.objectContaining({ sqliteCode: 'SQLITE_CONSTRAINT' }),
    });
    expect(await worlds.load('w')).toBeDefined();
  });

  test('are all read, whatever old programs stored in them', async () => {
    await storage.write(`
      INSERT INTO worlds (id, name, turn_limit, description, created_at) VALUES
        ('text', 'A', 'many', x'68c3a9ff', 1714550400000),
        ('large', 'B', ${LAST_INTEGER}, '', ${LAST_INTEGER}),
        ('real', x'', 2.5, NULL, 'yesterday'),
        ('blob', 'D', x'05', NULL, x'6e6f77'),
        (NULL, 'no id', 5, NULL, NULL);`);
    const found = new Map((await worlds.list()).map((world) => [world.id, world]));
    expect(found.get('text')).toMatchObject({
      turnLimit: null,
      description: 'hé\uFFFD',
      createdAt: 1714550400000,
    });
    expect(found.get('large')).toMatchObject({ turnLimit: null, description: '', createdAt: LAST_INTEGER });
    expect(found.get('real')).toMatchObject({ name: '', turnLimit: null, createdAt: 'yesterday' });
    expect(found.get('blob')).toMatchObject({ turnLimit: null, createdAt: 'now' });
  });

  test('keep what cannot be read as a number when they are loaded and saved again', async () => {
    await storage.write(
      `INSERT INTO worlds (id, name, turn_limit, created_at) VALUES ('w', 'W', 'many', ${LAST_INTEGER})`,
    );
    const world = await worlds.load('w');
    if (world !== undefined) await worlds.save({ ...world, name: 'New' });
    expect(
      await storage.rows(
        'SELECT name, turn_limit, CAST(created_at AS TEXT) AS t, typeof(created_at) AS k FROM worlds',
      ),
    ).toEqual([{ name: 'New', turn_limit: 'many', t: LAST_INTEGER, k: 'integer' }]);
  });

  test('store large whole numbers as whole numbers', async () => {
    await worlds.save({ id: 'w', name: 'W', turnLimit: 2 ** 52, createdAt: 1714550400000 });
    expect(await storage.rows('SELECT typeof(turn_limit) AS t, typeof(created_at) AS c FROM worlds')).toEqual(
      [{ t: 'integer', c: 'integer' }],
    );
  });

  test.each([
    [{ id: '' }, 'world.id must not be empty.'],
    [{ name: 'half \uD83C' }, 'world.name holds half of a surrogate pair, which UTF-8 cannot say.'],
    [{ turnLimit: 2.5 }, 'world.turnLimit must be a whole number, but is 2.5.'],
    [{ turnLimit: Number.NaN }, 'world.turnLimit must be a whole number, but is NaN.'],
    [{ turnLimit: 2 ** 53 }, 'world.turnLimit must be a whole number, but is 9007199254740992.'],
    [
      { createdAt: Number.POSITIVE_INFINITY },
      'world.createdAt must be text or a finite number, but is Infinity.',
    ],
  ])('are refused where SQLite would refuse or change a value: %j', async (fault, message) => {
    const attempt = worlds.save({ id: 'w', name: 'W', ...fault });
    await expect(attempt).rejects.toMatchObject({ code: 'BAD_VALUE', message });
    expect(await worlds.list()).toEqual([]);
  });

  test('are refused where an untyped caller gives another type', async () => {
    const world = untyped({ id: 'w', name: 'W' }, { name: 5 });
    await expect(worlds.save(world)).rejects.toMatchObject({
      code: 'BAD_VALUE',
      message: 'world.name must be text, but is 5.',
      hint: 'Give a string.',
    });
    await expect(worlds.load('')).rejects.toMatchObject({ code: 'BAD_VALUE' });
  });

  test('are refused where their current chat is no text', async () => {
    const world = untyped({ id: 'w', name: 'W' }, { currentChatId: 5 });
    await expect(worlds.save(world)).rejects.toMatchObject({
      code: 'BAD_VALUE',
      message: 'world.currentChatId must be text, but is 5.',
    });
  });

  test('are listed where an id leads to them, and the log says once how many others there are', async () => {
    const lines: string[] = [];
    const logger = pino({ level: 'warn' }, { write: (line) => lines.push(line) });
    const db = await sqlite3Driver.open(storage.path, 'read-write');
    const session = new StorageSession(db, logger);
    await storage.write(`
      INSERT INTO worlds (id, name) VALUES (NULL, 'none'), ('', 'empty'), (x'77', 'blob'), ('w', 'text'), (7, 'digits');
      INSERT INTO agents (id, world_id, name, type, provider, model)
        VALUES ('', 'w', '', 't', 'p', 'm'), (x'61', 'w', '', 't', 'p', 'm'), ('a', 'w', '', 't', 'p', 'm');
      INSERT INTO world_chats (id, world_id, name) VALUES (NULL, 'w', ''), ('', 'w', ''), (x'63', 'w', ''), ('c', 'w', '');`);
    const listed = await worldsOf(session).list();
    expect(listed.map(({ id }) => id).sort()).toEqual(['7', 'w']);
    for (const world of listed) expect(await worldsOf(session).load(world.id)).toEqual(world);
    expect((await agentsOf(session).list('w')).map(({ id }) => id)).toEqual(['a']);
    const chats = chatsOf(session);
    expect((await chats.list('w')).map(({ id }) => id)).toEqual(['c']);
    await chats.list('w');
    await session.close();
    expect(lines.map((line): unknown => JSON.parse(line))).toMatchObject([
      { table: 'worlds', rows: 3 },
      { table: 'agents', rows: 2 },
      { table: 'world_chats', rows: 3 },
    ]);
    expect((await counts()).worlds).toBe(5);
  });

  test('take what looks like SQL as a text', async () => {
    const id = "w'); DROP TABLE worlds; --";
    await worlds.save({ id, name: '%s ? :name' });
    expect(await worlds.load(id)).toMatchObject({ id, name: '%s ? :name' });
  });
});
