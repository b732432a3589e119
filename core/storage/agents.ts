import type { Row } from '../database/database-bridge.js';
import { addressableRows } from './addressable-rows.js';
import { memoryOf, type MemoryMessage } from './memory.js';
import {
  exactly,
  integerOf,
  kept,
  numberOf,
  optionalTextOf,
  textOf,
  timestampOf,
  type Timestamp,
} from './rows.js';
import type { Reader, StorageSession } from './storage-session.js';
import { upsert, type SavedTable } from './upsert.js';
import {
  idValue,
  namingForeignKey,
  optionalIntegerValue,
  optionalNumberValue,
  optionalTextValue,
  recordValue,
  shown,
  textValue,
  timestampValue,
} from './values.js';

/** An agent as it is stored. */
export interface Agent {
  readonly id: string;
  readonly worldId: string;
  readonly name: string;
  readonly type: string;
  readonly status: string | null;
  readonly provider: string;
  readonly model: string;
  readonly systemPrompt: string | null;
  /** null where there is none, or where an old program stored what is no number; the same for the other numbers. */
  readonly temperature: number | null;
  readonly maxTokens: number | null;
  readonly llmCallCount: number | null;
  readonly createdAt: Timestamp;
  /** Set by the database whenever the row changes. */
  readonly lastActive: Timestamp;
  readonly lastLlmCall: Timestamp;
}

/** An agent with all that it remembers. */
export interface AgentWithMemory extends Agent {
  /** In the order in which it was appended. */
  readonly memory: readonly MemoryMessage[];
}

/**
 * What is saved of an agent. A field that is left out keeps what is stored, or gets its default in a new agent; null
 * clears it. An `Agent` that was loaded can be saved as it is; its memory is not part of that (see `Memory`).
 */
export interface AgentValues {
  readonly id: string;
  readonly worldId: string;
  readonly name: string;
  readonly type: string;
  readonly provider: string;
  readonly model: string;
  /** Default: `inactive`. */
  readonly status?: string | null;
  readonly systemPrompt?: string | null;
  readonly temperature?: number | null;
  readonly maxTokens?: number | null;
  /** Default: 0. */
  readonly llmCallCount?: number | null;
  /** Default: now. Text that looks like a number is stored as one. */
  readonly createdAt?: Timestamp;
  readonly lastLlmCall?: Timestamp;
}

/** The agents of a storage. The id of an agent is its own within its world. */
export interface Agents {
  /**
   * Makes an agent, or changes the one that its world has under this id; its memory and archives stay.
   *
   * @returns the agent as it is stored now
   * @throws UpgradeBridgeError `BAD_VALUE` when a field cannot be stored as it is, or there is no such world
   */
  save(agent: AgentValues): Promise<Agent>;
  /** The agent with its memory, or undefined where there is none. */
  load(worldId: string, id: string): Promise<AgentWithMemory | undefined>;
  /**
   * The agents of a world without their memory, by their `created_at` as SQLite sorts it, then by id. One whose id is
   * empty or a BLOB is left out, as with `Worlds.list`.
   */
  list(worldId: string): Promise<readonly Agent[]>;
  /**
   * Deletes an agent with its memory and its archives.
   *
   * @returns whether there was such an agent
   * @throws UpgradeBridgeError `BAD_VALUE` when a table that is not this package's refers to it and forbids that
   */
  delete(worldId: string, id: string): Promise<boolean>;
}

const table: SavedTable = {
  name: 'agents',
  key: ['id', 'world_id'],
  numbers: { temperature: 'real', max_tokens: 'integer', llm_call_count: 'integer' },
};

const select = `SELECT id, world_id, name, type, status, provider, model, system_prompt, temperature, max_tokens,
  llm_call_count, ${exactly('created_at')}, ${exactly('last_active')}, ${exactly('last_llm_call')} FROM agents`;

/** The agents that a session reaches. */
export function agentsOf(session: StorageSession): Agents {
  const memory = memoryOf(session);
  const addressable = addressableRows(table.name, session.logger);
  return {
    async save(agent) {
      recordValue('agent', agent);
      const id = idValue('agent.id', agent.id);
      const worldId = idValue('agent.worldId', agent.worldId);
      const statement = upsert(table, {
        id,
        world_id: worldId,
        name: textValue('agent.name', agent.name),
        type: textValue('agent.type', agent.type),
        status: optionalTextValue('agent.status', agent.status),
        provider: textValue('agent.provider', agent.provider),
        model: textValue('agent.model', agent.model),
        system_prompt: optionalTextValue('agent.systemPrompt', agent.systemPrompt),
        temperature: optionalNumberValue('agent.temperature', agent.temperature),
        max_tokens: optionalIntegerValue('agent.maxTokens', agent.maxTokens),
        llm_call_count: optionalIntegerValue('agent.llmCallCount', agent.llmCallCount),
        created_at: timestampValue('agent.createdAt', agent.createdAt),
        last_llm_call: timestampValue('agent.lastLlmCall', agent.lastLlmCall),
      });
      return session.write(async (db) => {
        await namingForeignKey(
          db.execute(statement.sql, statement.parameters),
          `agent.worldId ${shown(worldId)}`,
          'is no world of this storage',
          'Save the world first.',
        );
        return kept(await find(db, worldId, id), `The agent ${shown(id)}`);
      });
    },

    async load(worldId, id) {
      idValue('worldId', worldId);
      idValue('agent.id', id);
      return session.read(async (db) => {
        const agent = await find(db, worldId, id);
        return agent && { ...agent, memory: await memory.list({ worldId, agentId: id }) };
      });
    },

    async list(worldId) {
      idValue('worldId', worldId);
      return session.read(async (db) => {
        const rows = await db.query(`${select} WHERE world_id = ? ORDER BY agents.created_at, id`, [worldId]);
        return addressable(rows).map(agentOf);
      });
    },

    async delete(worldId, id) {
      idValue('worldId', worldId);
      idValue('agent.id', id);
      return session.write(async (db) => {
        const { changes } = await namingForeignKey(
          db.execute('DELETE FROM agents WHERE world_id = ? AND id = ?', [worldId, id]),
          `agent.id ${shown(id)}`,
          'cannot be deleted, because a table that is not of this storage refers to the agent',
          'Delete what refers to it first.',
        );
        return changes > 0;
      });
    },
  };
}

async function find(db: Reader, worldId: string, id: string): Promise<Agent | undefined> {
  const [row] = await db.query(`${select} WHERE world_id = ? AND id = ?`, [worldId, id]);
  return row === undefined ? undefined : agentOf(row);
}

function agentOf(row: Row): Agent {
  return {
    id: textOf(row, 'id'),
    worldId: textOf(row, 'world_id'),
    name: textOf(row, 'name'),
    type: textOf(row, 'type'),
    status: optionalTextOf(row, 'status'),
    provider: textOf(row, 'provider'),
    model: textOf(row, 'model'),
    systemPrompt: optionalTextOf(row, 'system_prompt'),
    temperature: numberOf(row, 'temperature'),
    maxTokens: integerOf(row, 'max_tokens'),
    llmCallCount: integerOf(row, 'llm_call_count'),
    createdAt: timestampOf(row, 'created_at'),
    lastActive: timestampOf(row, 'last_active'),
    lastLlmCall: timestampOf(row, 'last_llm_call'),
  };
}
