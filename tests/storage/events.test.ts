import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import { chatsOf } from '../../core/storage/chats.js';
import { eventsOf, type Events } from '../../core/storage/events.js';
import type { JsonValue } from '../../core/storage/rows.js';
import { worldsOf } from '../../core/storage/worlds.js';
import { journalModes, StorageDatabase } from '../support/storage-database.js';
import { untyped } from '../support/untyped.js';

describe.each(journalModes)('events in %s mode', (journalMode) => {
  let storage: StorageDatabase;
  let events: Events;

  beforeEach(async () => {
    storage = await StorageDatabase.make(journalMode);
    events = eventsOf(storage.session);
    for (const id of ['w', 'v']) await worldsOf(storage.session).save({ id, name: id });
    await chatsOf(storage.session).save({ id: 'c', worldId: 'w', name: 'C' });
  });

  afterEach(() => storage.remove());

  const event = (payload: JsonValue = null, chatId: string | null = null) =>
    ({ worldId: 'w', chatId, type: 't', payload }) as const;

  test('are given back as they were appended', async () => {
    const full = {
      id: 'e',
      worldId: 'w',
      chatId: 'c',
      type: 'message',
      payload: { text: 'ä 🌍 \u0000', list: [1, 0.1, null, true, { deep: '' }] },
      meta: ['m'],
      createdAt: '2025-01-31T09:30:00.123Z',
    };
    const [stored] = await events.append(full);
    expect(stored).toEqual({ ...full, seq: 1 });
    expect(await events.list('w', 'c')).toEqual([stored]);
  });

  test('get an id and a time, and no meta, where the caller gives none', async () => {
    const stored = await events.append([event(), { worldId: 'w', type: 't', payload: 'x', createdAt: null }]);
    expect(stored).toMatchObject([
      { chatId: null, payload: null, meta: null, createdAt: expect.stringMatching(/^\d{4}-/) },
      { chatId: null, payload: 'x', meta: null, createdAt: expect.stringMatching(/^\d{4}-/) },
    ]);
    expect(stored[0]?.id).toMatch(/^[0-9a-f-]{36}$/);
    expect(stored[0]?.id).not.toBe(stored[1]?.id);
  });

  test('come back in the order in which they were given, also from several chats and worlds', async () => {
    const stored = await events.append([
      event(1),
      event(2, 'c'),
      { ...event(3), worldId: 'v' },
      event(4, 'c'),
      event(5),
    ]);
    expect(stored.map(({ payload, seq }) => [payload, seq])).toEqual([
      [1, 1],
      [2, 1],
      [3, 1],
      [4, 2],
      [5, 2],
    ]);
    expect(await events.append([])).toEqual([]);
  });

  test('are listed by a range of numbers', async () => {
    await events.append([1, 2, 3, 4, 5].map((n) => event(n, 'c')));
    await events.append(event('world'));
    const payloads = async (range: Parameters<Events['list']>[2]) =>
      (await events.list('w', 'c', range)).map(({ payload }) => payload);
    expect(await payloads({})).toEqual([1, 2, 3, 4, 5]);
    expect(await payloads({ fromSeq: 4 })).toEqual([4, 5]);
    expect(await payloads({ toSeq: 2 })).toEqual([1, 2]);
    expect(await payloads({ fromSeq: 2, toSeq: 4, limit: 2 })).toEqual([2, 3]);
    expect(await payloads({ limit: 0 })).toEqual([]);
    expect((await events.list('w', null)).map(({ payload }) => payload)).toEqual(['world']);
    expect(await events.list('v', 'c')).toEqual([]);
  });

  test('are listed by a range of time, in whatever form their time is stored', async () => {
    await events.append([
      { ...event('text'), createdAt: '2025-01-01 10:00:00' },
      { ...event('iso', 'c'), createdAt: '2025-01-01T09:00:00.500Z' },
      { ...event('zone'), createdAt: '2025-01-01T12:30:00+02:00' },
      { ...event('number'), createdAt: Date.UTC(2025, 0, 1, 11) },
      { ...event('garbage'), createdAt: 'garbage' },
    ]);
    const payloads = async (range: Parameters<Events['listByTime']>[1]) =>
      (await events.listByTime('w', range)).map(({ payload }) => payload);
    expect(await payloads({})).toEqual(['garbage', 'iso', 'text', 'zone', 'number']);
    expect(await payloads({ from: new Date('2025-01-01T10:00:00Z') })).toEqual(['text', 'zone', 'number']);
    expect(await payloads({ to: Date.UTC(2025, 0, 1, 10, 30) })).toEqual(['iso', 'text', 'zone']);
    expect(await payloads({ from: Date.UTC(2025, 0, 1, 9, 0, 0, 501), limit: 1 })).toEqual(['text']);
    expect(
      await payloads({ from: Date.UTC(2025, 0, 1, 9, 0, 0, 500), to: Date.UTC(2025, 0, 1, 9, 59) }),
    ).toEqual(['iso']);
    expect(await payloads({ chatId: 'c' })).toEqual(['iso']);
    expect(await payloads({ chatId: null, to: new Date('2025-01-01T10:00:00Z') })).toEqual(['text']);
    expect(await events.listByTime('v')).toEqual([]);
  });

  test('are kept all or none', async () => {
    await events.append({ ...event(1, 'c'), id: 'taken' });
    await expect(
      events.append([event(2, 'c'), event(3), { ...event(4), id: 'taken' }]),
    ).rejects.toMatchObject({
      code: 'BAD_VALUE',
      message: 'event.id "taken" belongs to another event.',
      cause: expect.objectContaining({ sqliteCode: 'SQLITE_CONSTRAINT' }),
    });
    expect(await storage.rows('SELECT id FROM events')).toEqual([{ id: 'taken' }]);
    const next = await events.append([event(5, 'c'), event(6)]);
    expect(next.map(({ seq }) => seq)).toEqual([2, 1]);
  });

  test('are refused where two of them have one id', async () => {
    const twice = [
      { ...event(1, 'c'), id: 'same' },
      { ...event(2), id: 'same' },
    ];
    await expect(events.append(twice)).rejects.toMatchObject({
      code: 'BAD_VALUE',
      message: 'event.id "same" is given to two of the events that are to be appended.',
    });
    expect(await storage.rows('SELECT * FROM events')).toEqual([]);
  });

  test('are not appended to a world or a chat that is not there', async () => {
    await expect(events.append({ ...event(), worldId: 'nowhere' })).rejects.toMatchObject({
      code: 'BAD_VALUE',
      message: 'event.worldId "nowhere" is no world of this storage.',
      cause: expect.objectContaining({ sqliteCode: 'SQLITE_CONSTRAINT' }),
    });
    for (const lost of [event(1, 'nowhere'), { ...event(1, 'c'), worldId: 'v' }]) {
      await expect(events.append(lost)).rejects.toMatchObject({
        code: 'BAD_VALUE',
        message: `chatId "${String(lost.chatId)}" is no chat of the world "${lost.worldId}".`,
      });
    }
    expect(await storage.rows('SELECT * FROM event_sequences')).toEqual([]);
  });

  test('are all read, whatever old programs stored in them', async () => {
    await storage.write(`
      INSERT INTO events (id, world_id, chat_id, seq, type, payload, meta, created_at) VALUES
        ('a', 'w', 'gone', 9223372036854775807, 't', 'not JSON {', '', 9223372036854775807),
        ('b', 'w', 'gone', NULL, x'74', x'7b22c3a4223a317d', x'ff', x'6e6f77'),
        ('c', 'w', 'gone', 'many', 't', '', '[1', NULL),
        ('d', 'w', 'gone', 2.5, 't', '9e999', 'NaN', 'garbage'),
        ('e', 'w', 'gone', -3, 't', '${'['.repeat(50_000)}${']'.repeat(50_000)}', NULL, '2025-01-01');`);
    const found = new Map((await events.list('w', 'gone')).map((stored) => [stored.id, stored]));
    expect(found.get('a')).toMatchObject({
      seq: null,
      payload: 'not JSON {',
      meta: '',
      createdAt: '9223372036854775807',
    });
    expect(found.get('b')).toMatchObject({
      seq: null,
      type: 't',
      payload: { ä: 1 },
      meta: '\uFFFD',
      createdAt: 'now',
    });
    expect(found.get('c')).toMatchObject({ seq: null, payload: '', meta: '[1', createdAt: null });
    expect(found.get('d')).toMatchObject({ seq: null, payload: '9e999', meta: 'NaN', createdAt: 'garbage' });
    expect(Array.isArray(found.get('e')?.payload)).toBe(true);
    expect((await events.list('w', 'gone', { fromSeq: -5 })).map(({ id }) => id)).toEqual(['e', 'a']);
    expect((await events.list('w', 'gone', { toSeq: 5 })).map(({ id }) => id)).toEqual(['e']);
    expect((await events.listByTime('w', { from: 0 })).map(({ id }) => id)).toEqual(['e', 'a']);
  });

  const circle: Record<string, unknown> = {};
  circle.self = circle;
  test.each<readonly [string, unknown]>([
    ['undefined', undefined],
    ['NaN', { x: Number.NaN }],
    ['an undefined item', [undefined]],
    ['a function', { x: () => 1 }],
    ['a big integer', [1n]],
    ['a date', new Date(0)],
    ['a map', { x: new Map([[1, 2]]) }],
    ['a circle', circle],
    ['its own form of JSON', { toJSON: () => 'x' }],
  ])('are refused where JSON cannot say their payload: %s', async (_name, payload) => {
    await expect(events.append(untyped(event(), { payload }))).rejects.toMatchObject({
      code: 'BAD_VALUE',
      message: 'event.payload holds what JSON cannot say.',
    });
    expect(await events.list('w', null)).toEqual([]);
  });

  test('leave out a property that is undefined, as JSON does', async () => {
    const payload = untyped({ kept: 1 }, { gone: undefined });
    expect((await events.append(event(payload)))[0]?.payload).toEqual({ kept: 1 });
  });

  test('are refused for a limit or a bound that is none', async () => {
    for (const attempt of [
      events.list('w', null, { limit: -1 }),
      events.list('w', null, { fromSeq: 0.5 }),
      events.listByTime('w', { from: new Date('garbage') }),
      events.listByTime('w', { limit: Number.NaN }),
    ]) {
      await expect(attempt).rejects.toMatchObject({ code: 'BAD_VALUE' });
    }
    await expect(events.listByTime('w', { from: new Date('garbage') })).rejects.toMatchObject({
      message: 'from must be a Date or a finite number, but is a Date that is no time.',
    });
    await expect(events.listByTime('w', { to: Number.NaN })).rejects.toMatchObject({
      message: 'to must be a Date or a finite number, but is NaN.',
    });
  });
});
