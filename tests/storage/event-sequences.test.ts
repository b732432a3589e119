import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import { chatsOf } from '../../core/storage/chats.js';
import { selectHighest } from '../../core/storage/event-sequences.js';
import { eventsOf, type Events } from '../../core/storage/events.js';
import { worldsOf } from '../../core/storage/worlds.js';
import { outputOf, runProgram, startProgram } from '../support/processes.js';
import { journalModes, StorageDatabase } from '../support/storage-database.js';

const LAST_INTEGER = '9223372036854775807';

const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);

describe.each(journalModes)('the numbers of events in %s mode', (journalMode) => {
  let storage: StorageDatabase;
  let events: Events;

  beforeEach(async () => {
    storage = await StorageDatabase.make(journalMode);
    events = eventsOf(storage.session);
    await worldsOf(storage.session).save({ id: 'w', name: 'W' });
    await chatsOf(storage.session).save({ id: 'c', worldId: 'w', name: 'C' });
  });

  afterEach(() => storage.remove());

  async function append(chatId: string | null = null): Promise<number | null | undefined> {
    const [stored] = await events.append({ worldId: 'w', chatId, type: 't', payload: null });
    return stored?.seq;
  }

  const counters = () =>
    storage.rows(
      'SELECT chat_id AS chat, CAST(last_seq AS TEXT) AS last, typeof(last_seq) AS kind FROM event_sequences ORDER BY 1',
    );

  test('count each chat and the world itself from 1', async () => {
    expect(await append('c')).toBe(1);
    expect(await append()).toBe(1);
    expect(await append('c')).toBe(2);
    expect(await append()).toBe(2);
    expect(await counters()).toEqual([
      { chat: null, last: '2', kind: 'integer' },
      { chat: 'c', last: '2', kind: 'integer' },
    ]);
  });

  test('go on after the counter where the last events are gone', async () => {
    for (let count = 0; count < 3; count++) await append('c');
    await storage.write('DELETE FROM events WHERE seq = 3');
    expect(await append('c')).toBe(4);
  });

  test('go on after the highest event where the counter is behind or missing', async () => {
    await storage.write(`
      INSERT INTO events (id, world_id, chat_id, seq, type, payload) VALUES
        ('e1', 'w', 'c', 41, 't', '1'), ('e2', 'w', 'c', 'text', 't', '1'), ('e3', 'w', 'c', 99.5, 't', '1'),
        ('e4', 'w', 'c', NULL, 't', '1'), ('e5', 'w', 'c', x'ff', 't', '1'), ('e6', 'w', NULL, 7, 't', '1');
      INSERT INTO event_sequences VALUES ('w', 'c', 5);`);
    expect(await append('c')).toBe(42);
    expect(await append()).toBe(8);
    expect(await counters()).toEqual([
      { chat: null, last: '8', kind: 'integer' },
      { chat: 'c', last: '42', kind: 'integer' },
    ]);
  });

  test('leave one counter where an old program left several, and count none that is no number', async () => {
    await storage.write(`
      INSERT INTO event_sequences VALUES ('w', NULL, 1), ('w', NULL, 6), ('w', NULL, 'many'), ('w', NULL, NULL),
        ('w', NULL, 77.5), ('other', NULL, 50), ('other', NULL, 50), ('w', 'c', x'ff');`);
    expect(await append()).toBe(7);
    expect(await append('c')).toBe(1);
    expect(await storage.rows("SELECT last_seq AS last FROM event_sequences WHERE world_id = 'w'")).toEqual(
      expect.arrayContaining([{ last: 7 }, { last: 1 }]),
    );
    expect(
      await storage.rows('SELECT world_id, count(*) AS n FROM event_sequences GROUP BY 1 ORDER BY 1'),
    ).toEqual([
      { world_id: 'other', n: 2 },
      { world_id: 'w', n: 2 },
    ]);
  });

  test('begin with 1 where all that is there is below', async () => {
    await storage.write(`
      INSERT INTO event_sequences VALUES ('w', NULL, -9223372036854775808);
      INSERT INTO events (id, world_id, seq, type, payload) VALUES ('e', 'w', -5, 't', '1');`);
    expect(await append()).toBe(1);
  });

  test('are exact beyond what JavaScript can count', async () => {
    await storage.write("INSERT INTO event_sequences VALUES ('w', 'c', 9007199254740993)");
    await append('c');
    await append('c');
    expect(await storage.rows('SELECT CAST(seq AS TEXT) AS seq FROM events ORDER BY events.seq')).toEqual([
      { seq: '9007199254740994' },
      { seq: '9007199254740995' },
    ]);
    expect(await counters()).toEqual([{ chat: 'c', last: '9007199254740995', kind: 'integer' }]);
  });

  test('end with the integers of 64 bits, and then nothing is appended', async () => {
    await storage.write("INSERT INTO event_sequences VALUES ('w', 'c', 9223372036854775805)");
    const event = { worldId: 'w', chatId: 'c', type: 't', payload: null };
    const exhausted = {
      code: 'SEQUENCE_EXHAUSTED',
      message: 'The chat "c" has no numbers left for its events.',
    };
    await expect(events.append([event, event, event])).rejects.toMatchObject(exhausted);
    await events.append([event, event]);
    await expect(events.append(event)).rejects.toMatchObject(exhausted);
    expect(await storage.rows('SELECT CAST(seq AS TEXT) AS seq FROM events ORDER BY events.seq')).toEqual([
      { seq: '9223372036854775806' },
      { seq: LAST_INTEGER },
    ]);
    expect(await counters()).toEqual([{ chat: 'c', last: LAST_INTEGER, kind: 'integer' }]);
    expect(await append()).toBe(1);
  });

  test('are handed out once where many calls of one handle append at the same time', async () => {
    const numbers = await Promise.all(upTo(40).map(() => append()));
    expect(numbers).toEqual(upTo(40));
  });

  test.each(['-', 'c'])(
    'have no gaps and no repeats where three processes append at once: chat %s',
    async (chat) => {
      const programs = [1, 2, 5].map((size) =>
        startProgram('append-events', storage.path, 'w', chat, String(20 / size), String(size)),
      );
      await Promise.all(programs.map((program) => program.said('ready')));
      for (const program of programs) program.tell('go');
      const mine: (number | null | undefined)[] = [];
      for (let count = 0; count < 20; count++) mine.push(await append(chat === '-' ? null : chat));
      const theirs = await Promise.all(
        programs.map(async (program) => {
          const [, numbers = ''] = outputOf(await program.end()).split('\n');
          return numbers.split(' ').map(Number);
        }),
      );
      for (const numbers of theirs) expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
      expect([...mine, ...theirs.flat()].sort((a, b) => (a ?? 0) - (b ?? 0))).toEqual(upTo(80));
      const stored = await events.list('w', chat === '-' ? null : chat);
      expect(stored.map(({ seq }) => seq)).toEqual(upTo(80));
      expect(await counters()).toMatchObject([{ last: '80' }]);
    },
  );

  test('are right again where an old program put wrong counters and numbers there', async () => {
    expect([await append(), await append()]).toEqual([1, 2]);
    await runProgram('old-program', storage.path, 'w', '-', '3');
    // What the old program does: it never finds its counter again.
    expect(await storage.rows('SELECT count(*) AS n FROM event_sequences')).toEqual([{ n: 4 }]);
    expect(await storage.rows("SELECT seq FROM events WHERE type = 'old'")).toEqual([
      { seq: 1 },
      { seq: 1 },
      { seq: 1 },
    ]);
    expect([await append(), await append()]).toEqual([3, 4]);
    expect(await counters()).toEqual([{ chat: null, last: '4', kind: 'integer' }]);
    await runProgram('old-program', storage.path, 'w', 'c', '2');
    expect(await append('c')).toBe(3);
    await runProgram('old-program', storage.path, 'w', 'c', '1');
    expect(await append('c')).toBe(5);
  });

  test('have no repeats among ours where an old program writes at the same time', async () => {
    const mine = [await append()];
    const program = startProgram('old-program', storage.path, 'w', '-', '30');
    await program.said('ready');
    for (let count = 0; count < 30; count++) mine.push(await append());
    outputOf(await program.end());
    mine.push(await append());
    expect(mine).toEqual(upTo(32));
    expect(await counters()).toEqual([{ chat: null, last: '32', kind: 'integer' }]);
  });

  test('are found by the index, however many events there are', async () => {
    const plan = await storage.rows(`EXPLAIN QUERY PLAN ${selectHighest}`, 1, 'w', null, 'w', null);
    expect(plan.map((row) => row.detail).filter((detail) => String(detail).includes(' events '))).toEqual([
      'SEARCH events USING COVERING INDEX idx_events_world_chat_seq (world_id=? AND chat_id=? AND seq<?)',
    ]);
  });
});
