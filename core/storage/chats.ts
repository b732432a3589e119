import type { Row } from '../database/database-bridge.js';
import { addressableRows } from './addressable-rows.js';
import { chatSnapshotsOf, type ChatSnapshots } from './chat-snapshots.js';
import {
  exactly,
  integerOf,
  kept,
  optionalTextOf,
  textListOf,
  textOf,
  timestampOf,
  type Timestamp,
} from './rows.js';
import type { Reader, StorageSession } from './storage-session.js';
import { update, upsert, type Columns, type SavedTable } from './upsert.js';
import {
  badValue,
  idValue,
  namingForeignKey,
  optionalIntegerValue,
  optionalTextValue,
  recordValue,
  shown,
  textListValue,
  textValue,
  timestampValue,
} from './values.js';

/** A chat as it is stored. */
export interface Chat {
  readonly id: string;
  readonly worldId: string;
  readonly name: string;
  readonly description: string | null;
  /** As it was saved; nobody counts here. null where an old program stored what is no whole number. */
  readonly messageCount: number | null;
  readonly tags: readonly string[];
  readonly createdAt: Timestamp;
  /** Set by the database whenever the row changes. */
  readonly updatedAt: Timestamp;
}

/** What may change in a chat. A field that is left out keeps what is stored; null clears it. */
export interface ChatChanges {
  readonly name?: string;
  readonly description?: string | null;
  readonly messageCount?: number | null;
  readonly tags?: readonly string[];
  /** Text that looks like a number is stored as one. */
  readonly createdAt?: Timestamp;
}

/** What is saved of a chat. A `Chat` that was loaded can be saved as it is. */
export interface ChatValues extends ChatChanges {
  readonly id: string;
  readonly worldId: string;
  readonly name: string;
}

/** The chats of a storage. The id of a chat is its own among all worlds. */
export interface Chats extends ChatSnapshots {
  /**
   * Makes a chat, or changes the one that has this id; its events and snapshots stay.
   *
   * @returns the chat as it is stored now
   * @throws UpgradeBridgeError `BAD_VALUE` when a field cannot be stored as it is, there is no such world, or the id
   *   belongs to a chat of another world
   */
  save(chat: ChatValues): Promise<Chat>;
  /** The chat of a world with this id, or undefined where there is none. */
  load(worldId: string, id: string): Promise<Chat | undefined>;
  /**
   * The chats of a world, by their `created_at` as SQLite sorts it, then by id. One whose id is NULL, empty or a BLOB is
   * left out, as with `Worlds.list`.
   */
  list(worldId: string): Promise<readonly Chat[]>;
  /**
   * Changes some fields of a chat that is there.
   *
   * @returns the chat as it is stored now, or undefined where there is none
   * @throws UpgradeBridgeError `BAD_VALUE` when a field cannot be stored as it is
   */
  update(worldId: string, id: string, changes: ChatChanges): Promise<Chat | undefined>;
  /**
   * Deletes a chat with its snapshots, its events and their counter; where it is the world's current chat, the world has
   * none then. What agents remember of it stays.
   *
   * @returns whether there was such a chat
   * @throws UpgradeBridgeError `BAD_VALUE` when a table that is not this package's refers to it and forbids that
   */
  delete(worldId: string, id: string): Promise<boolean>;
}

const table: SavedTable = { name: 'world_chats', key: ['id'], numbers: { message_count: 'integer' } };

const select = `SELECT id, world_id, name, description, message_count, tags, ${exactly('created_at')},
  ${exactly('updated_at')} FROM world_chats`;

/** The chats that a session reaches. */
export function chatsOf(session: StorageSession): Chats {
  const addressable = addressableRows(table.name, session.logger);
  return {
    ...chatSnapshotsOf(session),

    async save(chat) {
      recordValue('chat', chat);
      const id = idValue('chat.id', chat.id);
      const worldId = idValue('chat.worldId', chat.worldId);
      textValue('chat.name', chat.name);
      const columns = { id, world_id: worldId, ...columnsOf(chat) };
      const statement = upsert(table, columns, 'world_chats.world_id = excluded.world_id');
      return session.write(async (db) => {
        const { changes } = await namingForeignKey(
          db.execute(statement.sql, statement.parameters),
          `chat.worldId ${shown(worldId)}`,
          'is no world of this storage',
          'Save the world first.',
        );
        if (changes === 0) {
          throw badValue(
            `chat.id ${shown(id)}`,
            'belongs to a chat of another world',
            'Give the chat a new id.',
          );
        }
        return kept(await findChat(db, worldId, id), `The chat ${shown(id)}`);
      });
    },

    async load(worldId, id) {
      checkKey(worldId, id);
      return session.read((db) => findChat(db, worldId, id));
    },

    async list(worldId) {
      idValue('worldId', worldId);
      return session.read(async (db) => {
        const order = 'ORDER BY world_chats.created_at, id';
        return addressable(await db.query(`${select} WHERE world_id = ? ${order}`, [worldId])).map(chatOf);
      });
    },

    async update(worldId, id, changes) {
      checkKey(worldId, id);
      recordValue('changes', changes);
      const statement = update(table, columnsOf(changes));
      return session.write(async (db) => {
        if (statement !== undefined) {
          await db.execute(`${statement.sql} WHERE world_id = ? AND id = ?`, [
            ...statement.parameters,
            worldId,
            id,
          ]);
        }
        return findChat(db, worldId, id);
      });
    },

    async delete(worldId, id) {
      checkKey(worldId, id);
      return session.write(async (db) => {
        const { changes } = await namingForeignKey(
          db.execute('DELETE FROM world_chats WHERE world_id = ? AND id = ?', [worldId, id]),
          `chat.id ${shown(id)}`,
          'cannot be deleted, because a table that is not of this storage refers to the chat',
          'Delete what refers to it first.',
        );
        if (changes === 0) return false;
        // These name the chat without a foreign key.
        await db.execute('DELETE FROM event_sequences WHERE world_id = ? AND chat_id = ?', [worldId, id]);
        await db.execute('UPDATE worlds SET current_chat_id = NULL WHERE id = ? AND current_chat_id = ?', [
          worldId,
          id,
        ]);
        return true;
      });
    },
  };
}

function checkKey(worldId: string, chatId: string): void {
  idValue('worldId', worldId);
  idValue('chatId', chatId);
}

function columnsOf(chat: ChatChanges): Columns {
  return {
    name: chat.name === undefined ? undefined : textValue('chat.name', chat.name),
    description: optionalTextValue('chat.description', chat.description),
    message_count: optionalIntegerValue('chat.messageCount', chat.messageCount),
    tags: textListValue('chat.tags', chat.tags),
    created_at: timestampValue('chat.createdAt', chat.createdAt),
  };
}

async function findChat(db: Reader, worldId: string, id: string): Promise<Chat | undefined> {
  const [row] = await db.query(`${select} WHERE world_id = ? AND id = ?`, [worldId, id]);
  return row && chatOf(row);
}

function chatOf(row: Row): Chat {
  return {
    id: textOf(row, 'id'),
    worldId: textOf(row, 'world_id'),
    name: textOf(row, 'name'),
    description: optionalTextOf(row, 'description'),
    messageCount: integerOf(row, 'message_count'),
    tags: textListOf(row, 'tags'),
    createdAt: timestampOf(row, 'created_at'),
    updatedAt: timestampOf(row, 'updated_at'),
  };
}
