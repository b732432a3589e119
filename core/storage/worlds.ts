import type { Row } from '../database/database-bridge.js';
import { addressableRows } from './addressable-rows.js';
import { exactly, integerOf, kept, optionalTextOf, textOf, timestampOf, type Timestamp } from './rows.js';
import type { Reader, StorageSession } from './storage-session.js';
import { upsert, type SavedTable } from './upsert.js';
import {
  idValue,
  namingForeignKey,
  optionalIntegerValue,
  optionalTextValue,
  recordValue,
  shown,
  textValue,
  timestampValue,
} from './values.js';

/** A world as it is stored. */
export interface World {
  readonly id: string;
  readonly name: string;
  readonly description: string | null;
  /** null where an old program stored what is no whole number. */
  readonly turnLimit: number | null;
  readonly chatLlmProvider: string | null;
  readonly chatLlmModel: string | null;
  readonly currentChatId: string | null;
  /** The configuration of the world's MCP servers as text, usually JSON; nobody looks into it here. */
  readonly mcpConfig: string | null;
  readonly createdAt: Timestamp;
  /** Set by the database whenever the row changes. */
  readonly updatedAt: Timestamp;
}

/**
 * What is saved of a world. A field that is left out keeps what is stored, or gets its default in a new world; null
 * clears it. A `World` that was loaded can be saved as it is.
 */
export interface WorldValues {
  readonly id: string;
  readonly name: string;
  readonly description?: string | null;
  /** Default: 5. null counts as left out, because a world always has a limit. */
  readonly turnLimit?: number | null;
  readonly chatLlmProvider?: string | null;
  readonly chatLlmModel?: string | null;
  readonly currentChatId?: string | null;
  readonly mcpConfig?: string | null;
  /** Default: now. Text that looks like a number is stored as one. */
  readonly createdAt?: Timestamp;
}

/** The worlds of a storage. */
export interface Worlds {
  /**
   * Makes a world, or changes the one that has this id; its agents, chats and events stay.
   *
   * @returns the world as it is stored now
   * @throws UpgradeBridgeError `BAD_VALUE` when a field cannot be stored as it is
   */
  save(world: WorldValues): Promise<World>;
  /** The world with this id, or undefined where there is none. */
  load(id: string): Promise<World | undefined>;
  /**
   * All worlds, by their `created_at` as SQLite sorts it, then by id. Where an old program left a world whose id is NULL,
   * empty or a BLOB, no id leads to it: it is left out, and the log says how many there are.
   */
  list(): Promise<readonly World[]>;
  /**
   * Deletes a world with everything that belongs to it: agents with memory and archives, chats with snapshots, events
   * and their counters.
   *
   * @returns whether there was such a world
   * @throws UpgradeBridgeError `BAD_VALUE` when a table that is not this package's refers to it and forbids that
   */
  delete(id: string): Promise<boolean>;
}

const table: SavedTable = { name: 'worlds', key: ['id'] };

const select = `SELECT id, name, description, turn_limit, chat_llm_provider, chat_llm_model, current_chat_id, mcp_config,
  ${exactly('created_at')}, ${exactly('updated_at')} FROM worlds`;

/** The worlds that a session reaches. */
export function worldsOf(session: StorageSession): Worlds {
  const addressable = addressableRows(table.name, session.logger);
  return {
    async save(world) {
      recordValue('world', world);
      const id = idValue('world.id', world.id);
      const statement = upsert(table, {
        id,
        name: textValue('world.name', world.name),
        description: optionalTextValue('world.description', world.description),
        turn_limit: optionalIntegerValue('world.turnLimit', world.turnLimit) ?? undefined,
        chat_llm_provider: optionalTextValue('world.chatLlmProvider', world.chatLlmProvider),
        chat_llm_model: optionalTextValue('world.chatLlmModel', world.chatLlmModel),
        current_chat_id: optionalTextValue('world.currentChatId', world.currentChatId),
        mcp_config: optionalTextValue('world.mcpConfig', world.mcpConfig),
        created_at: timestampValue('world.createdAt', world.createdAt),
      });
      return session.write(async (db) => {
        await db.execute(statement.sql, statement.parameters);
        return kept(await find(db, id), `The world ${shown(id)}`);
      });
    },

    async load(id) {
      idValue('world.id', id);
      return session.read((db) => find(db, id));
    },

    list() {
      return session.read(async (db) => {
        const rows = await db.query(`${select} ORDER BY worlds.created_at, id`);
        return addressable(rows).map(worldOf);
      });
    },

    async delete(id) {
      idValue('world.id', id);
      return session.write(async (db) => {
        const { changes } = await namingForeignKey(
          db.execute('DELETE FROM worlds WHERE id = ?', [id]),
          `world.id ${shown(id)}`,
          'cannot be deleted, because a table that is not of this storage refers to the world',
          'Delete what refers to it first.',
        );
        // The counters have no foreign key of their own.
        if (changes > 0) await db.execute('DELETE FROM event_sequences WHERE world_id = ?', [id]);
        return changes > 0;
      });
    },
  };
}

async function find(db: Reader, id: string): Promise<World | undefined> {
  const [row] = await db.query(`${select} WHERE id = ?`, [id]);
  return row === undefined ? undefined : worldOf(row);
}

function worldOf(row: Row): World {
  return {
    id: textOf(row, 'id'),
    name: textOf(row, 'name'),
    description: optionalTextOf(row, 'description'),
    turnLimit: integerOf(row, 'turn_limit'),
    chatLlmProvider: optionalTextOf(row, 'chat_llm_provider'),
    chatLlmModel: optionalTextOf(row, 'chat_llm_model'),
    currentChatId: optionalTextOf(row, 'current_chat_id'),
    mcpConfig: optionalTextOf(row, 'mcp_config'),
    createdAt: timestampOf(row, 'created_at'),
    updatedAt: timestampOf(row, 'updated_at'),
  };
}
