import { UpgradeBridgeError } from '../errors.js';
import { textOf } from './rows.js';
import type { Writer } from './storage-session.js';
import { shown } from './values.js';

const ofStream = 'world_id = ? AND chat_id IS ?';

/**
 * The highest number that was given to an event of a world and chat, and whether so many more fit after it.
 * Old programs leave several counters, and events that are ahead of them.
 */
export const selectHighest = `
  SELECT CAST(highest AS TEXT) AS highest, highest <= 9223372036854775807 - ? AS fits
  FROM (SELECT max(
    0,
    coalesce((SELECT max(last_seq) FROM event_sequences WHERE ${ofStream} AND typeof(last_seq) = 'integer'), 0),
    coalesce((SELECT seq FROM events WHERE ${ofStream} AND seq <= 9223372036854775807 AND typeof(seq) = 'integer'
      ORDER BY seq DESC LIMIT 1), 0)
  ) AS highest)`;

/**
 * Takes the next numbers for events of a chat, or, for null, of the world itself, and sets the counter. To be called
 * inside the writing work that appends the events.
 *
 * Afterwards there is one counter: the key of the table treats NULLs as different, so that an old program puts another
 * one there with every event of the world.
 *
 * @returns the number before the first one that was taken, as text, because JavaScript would round what is beyond 2^53
 * @throws UpgradeBridgeError `SEQUENCE_EXHAUSTED` when the integers of 64 bits are used up
 */
export async function takeNumbers(
  db: Writer,
  worldId: string,
  chatId: string | null,
  count: number,
): Promise<string> {
  const stream = [worldId, chatId];
  const [found] = await db.query(selectHighest, [count, ...stream, ...stream]);
  if (found?.fits !== 1) {
    const whose = chatId === null ? `world ${shown(worldId)}` : `chat ${shown(chatId)}`;
    throw new UpgradeBridgeError('SEQUENCE_EXHAUSTED', `The ${whose} has no numbers left for its events.`, {
      hint: 'Look for an event or a counter whose number is far too high, and correct it.',
    });
  }
  const highest = textOf(found, 'highest');
  const { changes } = await db.execute(
    `UPDATE event_sequences SET last_seq = CAST(? AS INTEGER) + ? WHERE ${ofStream}`,
    [highest, count, ...stream],
  );
  if (changes === 0) {
    await db.execute(
      'INSERT INTO event_sequences (world_id, chat_id, last_seq) VALUES (?, ?, CAST(? AS INTEGER) + ?)',
      [...stream, highest, count],
    );
  }
  if (changes > 1) {
    await db.execute(
      `DELETE FROM event_sequences WHERE ${ofStream}
         AND rowid <> (SELECT min(rowid) FROM event_sequences WHERE ${ofStream})`,
      [...stream, ...stream],
    );
  }
  return highest;
}
