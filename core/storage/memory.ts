import type { Row, SqlValue } from '../database/database-bridge.js';
import { exactly, optionalTextOf, rowNumberOf, textOf, timestampOf, type Timestamp } from './rows.js';
import type { StorageSession } from './storage-session.js';
import {
  idValue,
  namingForeignKey,
  optionalIdValue,
  optionalTextValue,
  recordValue,
  roleValue,
  shown,
  textValue,
  timestampValue,
  type Role,
} from './values.js';

/** A message that an agent remembers, as it is stored. */
export interface MemoryMessage {
  /** The number of the row: it grows with every message, and is never given twice. Rounded beyond 2^53. */
  readonly id: number;
  readonly worldId: string;
  readonly agentId: string;
  /** `system`, `user` or `assistant`, which the table itself checks; see `isRole`. */
  readonly role: string;
  readonly content: string;
  readonly sender: string | null;
  readonly chatId: string | null;
  /** null in the memories of early releases. */
  readonly messageId: string | null;
  readonly replyToMessageId: string | null;
  readonly createdAt: Timestamp;
}

/** A message to remember. */
export interface NewMemoryMessage {
  readonly role: Role;
  readonly content: string;
  readonly sender?: string | null;
  readonly chatId?: string | null;
  /** By this the message is edited and deleted. Default: a random UUID. */
  readonly messageId?: string;
  readonly replyToMessageId?: string | null;
  /** Default, and for null: now. Text that looks like a number is stored as one. */
  readonly createdAt?: Timestamp;
}

/** Whose messages: what is left out is not asked for. */
export interface MemoryScope {
  readonly worldId: string;
  readonly agentId?: string;
  /** null asks for the messages that belong to no chat. */
  readonly chatId?: string | null;
}

/** A message by its id: of one agent, or, without `agentId`, of every agent of the world that remembers it. */
export interface MessageKey {
  readonly worldId: string;
  readonly agentId?: string;
  readonly messageId: string;
}

/**
 * What the agents of a storage remember. Messages stand in the order in which they were appended, whatever their
 * timestamps say: old rows hold these in several forms, which do not sort among each other.
 */
export interface Memory {
  /**
   * Appends messages to the memory of an agent: all of them, or none.
   *
   * @returns the messages as they are stored now
   * @throws UpgradeBridgeError `BAD_VALUE` when a field cannot be stored as it is, or there is no such agent
   */
  append(
    worldId: string,
    agentId: string,
    messages: NewMemoryMessage | readonly NewMemoryMessage[],
  ): Promise<readonly MemoryMessage[]>;
  /** The messages of a world, of one of its agents, of one of its chats, or of one agent in one chat. */
  list(scope: MemoryScope): Promise<readonly MemoryMessage[]>;
  /**
   * Gives a message another content.
   *
   * @returns how many memories held it
   */
  edit(message: MessageKey, content: string): Promise<number>;
  /**
   * Deletes a message.
   *
   * @returns how many memories held it
   */
  delete(message: MessageKey): Promise<number>;
  /**
   * Deletes a message and all that was appended after it to the same memory in the same chat (or, like the message, in
   * none).
   *
   * @returns how many messages are gone
   */
  deleteFrom(message: MessageKey): Promise<number>;
}

const columns = `id, world_id, agent_id, role, content, sender, chat_id, message_id, reply_to_message_id,
  ${exactly('created_at')}`;

const insert = `INSERT INTO agent_memory
  (world_id, agent_id, role, content, sender, chat_id, message_id, reply_to_message_id, created_at)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, coalesce(?, CURRENT_TIMESTAMP))
  RETURNING ${columns}`;

/** The memories that a session reaches. */
export function memoryOf(session: StorageSession): Memory {
  const change = async (statement: string, key: MessageKey, values: readonly SqlValue[] = []) => {
    const { where, parameters } = keyConditionsOf(key);
    return session.write(async (db) => {
      const { changes } = await db.execute(`${statement} WHERE ${where}`, [...values, ...parameters]);
      return changes;
    });
  };

  return {
    async append(worldId, agentId, messages) {
      const ids = [idValue('worldId', worldId), idValue('agentId', agentId)];
      const list = isList(messages) ? messages : [messages];
      const rows = list.map((message) => [...ids, ...parametersOf(message)]);
      return session.write(async (db) => {
        const stored: MemoryMessage[] = [];
        for (const row of rows) {
          const inserted = await namingForeignKey(
            db.query(insert, row),
            `agentId ${shown(agentId)}`,
            `is no agent of the world ${shown(worldId)}`,
            'Save the agent first.',
          );
          stored.push(...inserted.map(messageOf));
        }
        return stored;
      });
    },

    async list(scope) {
      const { where, parameters } = conditionsOf(scope);
      return session.read(async (db) => {
        const rows = await db.query(
          `SELECT ${columns} FROM agent_memory WHERE ${where} ORDER BY id`,
          parameters,
        );
        return rows.map(messageOf);
      });
    },

    async edit(message, content) {
      return change('UPDATE agent_memory SET content = ?', message, [textValue('content', content)]);
    },

    async delete(message) {
      return change('DELETE FROM agent_memory', message);
    },

    async deleteFrom(key) {
      const { where, parameters } = keyConditionsOf(key);
      return session.write(async (db) => {
        const { changes } = await db.execute(
          `DELETE FROM agent_memory WHERE id IN (
             SELECT later.id
             FROM (SELECT * FROM agent_memory WHERE ${where}) AS message
             JOIN agent_memory AS later ON later.world_id = message.world_id AND later.agent_id = message.agent_id
               AND later.chat_id IS message.chat_id AND later.id >= message.id
           )`,
          parameters,
        );
        return changes;
      });
    },
  };
}

interface Conditions {
  readonly where: string;
  readonly parameters: readonly SqlValue[];
}

/** The WHERE of a scope. Its columns are named here and nowhere else; its values are bound. */
function conditionsOf(scope: MemoryScope): Conditions {
  recordValue('scope', scope);
  const conditions = ['world_id = ?'];
  const parameters: SqlValue[] = [idValue('worldId', scope.worldId)];
  if (scope.agentId !== undefined) {
    conditions.push('agent_id = ?');
    parameters.push(idValue('agentId', scope.agentId));
  }
  const chatId = optionalIdValue('chatId', scope.chatId);
  if (chatId !== undefined) {
    conditions.push('chat_id IS ?');
    parameters.push(chatId);
  }
  return { where: conditions.join(' AND '), parameters };
}

function keyConditionsOf(key: MessageKey): Conditions {
  recordValue('message', key);
  const messageId = idValue('messageId', key.messageId);
  const { where, parameters } = conditionsOf(key);
  return { where: `${where} AND message_id = ?`, parameters: [...parameters, messageId] };
}

function parametersOf(message: NewMemoryMessage): readonly SqlValue[] {
  recordValue('message', message);
  return [
    roleValue('message.role', message.role),
    textValue('message.content', message.content),
    optionalTextValue('message.sender', message.sender) ?? null,
    optionalIdValue('message.chatId', message.chatId) ?? null,
    message.messageId === undefined ? crypto.randomUUID() : idValue('message.messageId', message.messageId),
    optionalIdValue('message.replyToMessageId', message.replyToMessageId) ?? null,
    timestampValue('message.createdAt', message.createdAt) ?? null,
  ];
}

function isList(
  messages: NewMemoryMessage | readonly NewMemoryMessage[],
): messages is readonly NewMemoryMessage[] {
  return Array.isArray(messages);
}

function messageOf(row: Row): MemoryMessage {
  return {
    id: rowNumberOf(row, 'id'),
    worldId: textOf(row, 'world_id'),
    agentId: textOf(row, 'agent_id'),
    role: textOf(row, 'role'),
    content: textOf(row, 'content'),
    sender: optionalTextOf(row, 'sender'),
    chatId: optionalTextOf(row, 'chat_id'),
    messageId: optionalTextOf(row, 'message_id'),
    replyToMessageId: optionalTextOf(row, 'reply_to_message_id'),
    createdAt: timestampOf(row, 'created_at'),
  };
}
