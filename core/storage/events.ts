import type { Row, SqlValue } from '../database/database-bridge.js';
import { isSqliteError } from '../errors.js';
import { checkChat } from './chat-snapshots.js';
import { takeNumbers } from './event-sequences.js';
import {
  exactly,
  integerOf,
  jsonOf,
  kept,
  optionalTextOf,
  textOf,
  timestampOf,
  type JsonValue,
  type Timestamp,
} from './rows.js';
import type { StorageSession, Writer } from './storage-session.js';
import {
  badValue,
  idValue,
  integerValue,
  jsonValue,
  namingForeignKey,
  optionalIdValue,
  recordValue,
  shown,
  textValue,
  timestampValue,
} from './values.js';

/** An event as it is stored. */
export interface StoredEvent {
  readonly id: string;
  readonly worldId: string;
  readonly chatId: string | null;
  /** Its number within its world and chat; null where an old program stored none, or one that is no exact whole number. */
  readonly seq: number | null;
  readonly type: string;
  /** Where an old program stored what is no JSON, its text; the same for `meta`. */
  readonly payload: JsonValue;
  readonly meta: JsonValue;
  readonly createdAt: Timestamp;
}

/** An event to append. */
export interface NewEvent {
  readonly worldId: string;
  /** Left out or null: an event of the world itself. */
  readonly chatId?: string | null;
  readonly type: string;
  readonly payload: JsonValue;
  readonly meta?: JsonValue;
  /** Default: a random UUID. */
  readonly id?: string;
  /** Default, and for null: now. Text that looks like a number is stored as one. */
  readonly createdAt?: Timestamp;
}

/** A range of numbers, both ends included. */
export interface SeqRange {
  readonly fromSeq?: number;
  readonly toSeq?: number;
  /** At most so many events, from the beginning of the range. */
  readonly limit?: number;
}

/** A range of time, both ends included; a number is milliseconds since 1970. */
export interface TimeRange {
  readonly from?: Date | number;
  readonly to?: Date | number;
  /** Only the events of this chat, or, for null, of the world itself. Default: all. */
  readonly chatId?: string | null;
  /** At most so many events, from the beginning of the range. */
  readonly limit?: number;
}

/** The events of a storage. */
export interface Events {
  /**
   * Appends events: all of them, or none. Each gets the next number of its world and chat, and those without a chat the
   * next number of their world, without gaps and repeats, also when several processes append.
   *
   * @returns the events as they are stored now
   * @throws UpgradeBridgeError `BAD_VALUE` when a field cannot be stored as it is, there is no such world, no such chat
   *   in it, or an event with this id already; `SEQUENCE_EXHAUSTED` when the integers of 64 bits are used up
   */
  append(events: NewEvent | readonly NewEvent[]): Promise<readonly StoredEvent[]>;
  /**
   * The events of a chat, or, for null, those of the world itself, by their number; equal numbers, which only old programs
   * gave, in the order in which they were appended. Events without a number are there only where `fromSeq` and `toSeq` are
   * left out.
   */
  list(worldId: string, chatId: string | null, range?: SeqRange): Promise<readonly StoredEvent[]>;
  /**
   * The events of a world by their time. Text that SQLite reads as a time counts as UTC where it names no zone; a number
   * as milliseconds since 1970. Events whose time cannot be read are there only where `from` and `to` are left out, and
   * come first.
   */
  listByTime(worldId: string, range?: TimeRange): Promise<readonly StoredEvent[]>;
}

const columns = `id, world_id, chat_id, seq, type, payload, meta, ${exactly('created_at')}`;

const insertEvent = `
  INSERT INTO events (id, world_id, chat_id, seq, type, payload, meta, created_at)
  VALUES (?, ?, ?, CAST(? AS INTEGER) + ?, ?, ?, ?, coalesce(?, CURRENT_TIMESTAMP))
  RETURNING ${columns}`;

/** Milliseconds since 1970, or NULL. */
const instant = `CASE typeof(events.created_at)
  WHEN 'text' THEN round((julianday(events.created_at) - 2440587.5) * 86400000.0)
  WHEN 'blob' THEN NULL
  ELSE events.created_at END`;

/** An event whose fields were looked at, with its place in what the caller gave. */
interface CheckedEvent {
  readonly index: number;
  readonly id: string;
  /** Type, payload, meta and time. */
  readonly values: readonly SqlValue[];
}

/** Events that are numbered together. */
interface Stream {
  readonly worldId: string;
  readonly chatId: string | null;
  readonly events: CheckedEvent[];
}

/** The events that a session reaches. */
export function eventsOf(session: StorageSession): Events {
  return {
    async append(events) {
      const streams = streamsOf(isList(events) ? events : [events]);
      if (streams.length === 0) return [];
      return session.write(async (db) => {
        const stored: (readonly [number, StoredEvent])[] = [];
        for (const stream of streams) stored.push(...(await appendTo(db, stream)));
        return stored.sort(([a], [b]) => a - b).map(([, event]) => event);
      });
    },

    async list(worldId, chatId, range = {}) {
      const parameters: SqlValue[] = [idValue('worldId', worldId), optionalIdValue('chatId', chatId) ?? null];
      recordValue('range', range);
      const conditions = ['world_id = ? AND chat_id IS ?'];
      const bound = (field: string, operator: string, value: number | undefined) => {
        if (value === undefined) return;
        parameters.push(integerValue(field, value));
        conditions.push(`seq ${operator} ? AND typeof(seq) = 'integer'`);
      };
      bound('fromSeq', '>=', range.fromSeq);
      bound('toSeq', '<=', range.toSeq);
      return select(session, conditions, 'seq, rowid', parameters, range.limit);
    },

    async listByTime(worldId, range = {}) {
      const parameters: SqlValue[] = [idValue('worldId', worldId)];
      recordValue('range', range);
      const conditions = ['world_id = ?'];
      const bound = (condition: string, value: SqlValue | undefined) => {
        if (value === undefined) return;
        parameters.push(value);
        conditions.push(`${condition} ?`);
      };
      bound('chat_id IS', optionalIdValue('chatId', range.chatId));
      bound(`${instant} >=`, millisecondsOf('from', range.from));
      bound(`${instant} <=`, millisecondsOf('to', range.to));
      return select(session, conditions, `${instant}, rowid`, parameters, range.limit);
    },
  };
}

async function select(
  session: StorageSession,
  conditions: readonly string[],
  order: string,
  parameters: readonly SqlValue[],
  limit: number | undefined,
): Promise<readonly StoredEvent[]> {
  // To SQLite, a negative limit is none.
  if (limit !== undefined && integerValue('limit', limit) < 0) {
    throw badValue('limit', `must not be negative, but is ${limit}`, 'Leave it out to have all.');
  }
  const rows = await session.read((db) =>
    db.query(
      `SELECT ${columns} FROM events WHERE ${conditions.join(' AND ')} ORDER BY ${order} LIMIT ${limit ?? -1}`,
      parameters,
    ),
  );
  return rows.map(eventOf);
}

async function appendTo(db: Writer, stream: Stream): Promise<(readonly [number, StoredEvent])[]> {
  const { worldId, chatId, events } = stream;
  if (chatId !== null) await checkChat(db, worldId, chatId);
  const highest = await takeNumbers(db, worldId, chatId, events.length);
  const stored: (readonly [number, StoredEvent])[] = [];
  for (const [place, { index, id, values }] of events.entries()) {
    const row = [id, worldId, chatId, highest, place + 1, ...values];
    stored.push([index, await insert(db, row, id, worldId)]);
  }
  return stored;
}

async function insert(
  db: Writer,
  values: readonly SqlValue[],
  id: string,
  worldId: string,
): Promise<StoredEvent> {
  try {
    const [row] = await namingForeignKey(
      db.query(insertEvent, values),
      `event.worldId ${shown(worldId)}`,
      'is no world of this storage',
      'Save the world first.',
    );
    return eventOf(kept(row, `The event ${shown(id)}`));
  } catch (error) {
    if (isSqliteError(error, 'SQLITE_CONSTRAINT') && error.message.includes('UNIQUE')) {
      throw badValue(`event.id ${shown(id)}`, 'belongs to another event', 'Give the event a new id.', error);
    }
    throw error;
  }
}

function streamsOf(events: readonly NewEvent[]): readonly Stream[] {
  const streams = new Map<string, Stream>();
  const ids = new Set<string>();
  for (const [index, event] of events.entries()) {
    recordValue('event', event);
    const worldId = idValue('event.worldId', event.worldId);
    const chatId = optionalIdValue('event.chatId', event.chatId) ?? null;
    const key = JSON.stringify([worldId, chatId]);
    const stream = streams.get(key) ?? { worldId, chatId, events: [] };
    streams.set(key, stream);
    const id = event.id === undefined ? crypto.randomUUID() : idValue('event.id', event.id);
    if (ids.has(id)) {
      const problem = 'is given to two of the events that are to be appended';
      throw badValue(`event.id ${shown(id)}`, problem, 'Give each event an id of its own, or none.');
    }
    ids.add(id);
    stream.events.push({
      index,
      id,
      values: [
        textValue('event.type', event.type),
        jsonValue('event.payload', event.payload),
        event.meta === undefined || event.meta === null ? null : jsonValue('event.meta', event.meta),
        timestampValue('event.createdAt', event.createdAt) ?? null,
      ],
    });
  }
  return [...streams.values()];
}

function isList(events: NewEvent | readonly NewEvent[]): events is readonly NewEvent[] {
  return Array.isArray(events);
}

function millisecondsOf(field: string, time: Date | number | undefined): number | undefined {
  if (time === undefined) return undefined;
  const milliseconds: unknown = time instanceof Date ? time.getTime() : time;
  if (typeof milliseconds === 'number' && Number.isFinite(milliseconds)) return milliseconds;
  const found = time instanceof Date ? 'a Date that is no time' : shown(time);
  const hint = 'Give a Date of a known time or milliseconds since 1970, or leave it out.';
  throw badValue(field, `must be a Date or a finite number, but is ${found}`, hint);
}

function eventOf(row: Row): StoredEvent {
  return {
    id: textOf(row, 'id'),
    worldId: textOf(row, 'world_id'),
    chatId: optionalTextOf(row, 'chat_id'),
    seq: integerOf(row, 'seq'),
    type: textOf(row, 'type'),
    payload: jsonOf(row, 'payload'),
    meta: jsonOf(row, 'meta'),
    createdAt: timestampOf(row, 'created_at'),
  };
}
