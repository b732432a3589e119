import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { dumpDatabase } from '../support/database-dump.js';
import { buildLegacyDatabase, legacyFixtures } from '../support/legacy-databases.js';
import { openLegacy, withLegacy, type LegacyConnection } from '../support/legacy-driver.js';

const migrations = resolve('migrations');
const filenames = [
  '0001_create_events_table.sql',
  '0002_add_event_sequences.sql',
  '0003_init_base_schema.sql',
  '0004_add_chat_id.sql',
  '0005_add_llm_config.sql',
  '0006_add_message_id.sql',
  '0007_add_reply_to_message_id.sql',
  '0008_add_current_chat_id.sql',
  '0009_add_mcp_config.sql',
  '0010_create_world_chats.sql',
  '0011_number_events.sql',
];
const texts = new Map<string, string>();
let folder: string;
let database: LegacyConnection;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'migrations-'));
  for (const filename of filenames) texts.set(filename, await readFile(join(migrations, filename), 'utf8'));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

function textOf(filename: string): string {
  const text = texts.get(filename);
  if (text === undefined) throw new Error(`${filename} was not read.`);
  return text;
}

/** Applies files, each in a transaction of its own, with foreign keys off. */
async function apply(connection: LegacyConnection, files: readonly string[]): Promise<void> {
  await connection.run('PRAGMA foreign_keys = OFF;');
  for (const filename of files) await connection.run(`BEGIN;\n${textOf(filename)}\nCOMMIT;`);
}

/** Column and table names, types, keys and actions as SQLite itself tells them. */
async function describeTable(connection: LegacyConnection, table: string): Promise<string[]> {
  const columns = await connection.rows(
    `SELECT name || ' ' || type || iif("notnull", ' NOT NULL', '') || iif(pk, ' KEY ' || pk, '')
       || coalesce(' DEFAULT ' || dflt_value, '') AS line
     FROM pragma_table_xinfo('${table}') ORDER BY cid`,
  );
  const references = await connection.rows(
    `SELECT group_concat("from") || ' -> ' || "table" || '(' || group_concat("to") || ') ON DELETE ' || on_delete
       || iif(on_update = 'NO ACTION', '', ' ON UPDATE ' || on_update) AS line
     FROM (SELECT * FROM pragma_foreign_key_list('${table}') ORDER BY id, seq) GROUP BY id ORDER BY line`,
  );
  return [...columns, ...references].map(({ line }) => String(line));
}

/** The indexes that somebody created, as `name: table(columns)`. */
async function describeIndexes(connection: LegacyConnection): Promise<string[]> {
  const rows = await connection.rows(
    `SELECT i.name || ': ' || t.name || '(' || (
       SELECT group_concat(c.name || iif(c."desc", ' DESC', '') || iif(c.coll = 'BINARY', '', ' ' || c.coll))
       FROM pragma_index_xinfo(i.name) c WHERE c.key
     ) || ')' || iif(i."unique", ' UNIQUE', '') || iif(i.partial, ' PARTIAL', '') AS line
     FROM sqlite_schema t, pragma_index_list(t.name) i
     WHERE t.type = 'table' AND i.origin = 'c' ORDER BY line`,
  );
  return rows.map(({ line }) => String(line));
}

const nowDefault = 'DEFAULT CURRENT_TIMESTAMP';
const schema: Readonly<Record<string, readonly string[]>> = {
  worlds: [
    'id TEXT KEY 1',
    'name TEXT NOT NULL',
    'description TEXT',
    'turn_limit INTEGER NOT NULL DEFAULT 5',
    `created_at TIMESTAMP ${nowDefault}`,
    `updated_at TIMESTAMP ${nowDefault}`,
    'chat_llm_provider TEXT',
    'chat_llm_model TEXT',
    'current_chat_id TEXT',
    'mcp_config TEXT',
  ],
  agents: [
    'id TEXT NOT NULL KEY 1',
    'world_id TEXT NOT NULL KEY 2',
    'name TEXT NOT NULL',
    'type TEXT NOT NULL',
    "status TEXT DEFAULT 'inactive'",
    'provider TEXT NOT NULL',
    'model TEXT NOT NULL',
    'system_prompt TEXT',
    'temperature REAL',
    'max_tokens INTEGER',
    'llm_call_count INTEGER DEFAULT 0',
    `created_at TIMESTAMP ${nowDefault}`,
    `last_active TIMESTAMP ${nowDefault}`,
    'last_llm_call TIMESTAMP',
    'world_id -> worlds(id) ON DELETE CASCADE',
  ],
  agent_memory: [
    'id INTEGER KEY 1',
    'agent_id TEXT NOT NULL',
    'world_id TEXT NOT NULL',
    'role TEXT NOT NULL',
    'content TEXT NOT NULL',
    'sender TEXT',
    `created_at TIMESTAMP ${nowDefault}`,
    'chat_id TEXT',
    'message_id TEXT',
    'reply_to_message_id TEXT',
    'agent_id,world_id -> agents(id,world_id) ON DELETE CASCADE',
  ],
  memory_archives: [
    'id INTEGER KEY 1',
    'agent_id TEXT NOT NULL',
    'world_id TEXT NOT NULL',
    'session_name TEXT',
    'archive_reason TEXT',
    'message_count INTEGER NOT NULL DEFAULT 0',
    'start_time TIMESTAMP',
    'end_time TIMESTAMP',
    'participants TEXT',
    'tags TEXT',
    `created_at TIMESTAMP ${nowDefault}`,
    'agent_id,world_id -> agents(id,world_id) ON DELETE CASCADE',
  ],
  archived_messages: [
    'id INTEGER KEY 1',
    'archive_id INTEGER NOT NULL',
    'role TEXT NOT NULL',
    'content TEXT NOT NULL',
    'sender TEXT',
    'original_created_at TIMESTAMP',
    `archived_at TIMESTAMP ${nowDefault}`,
    'archive_id -> memory_archives(id) ON DELETE CASCADE',
  ],
  archive_statistics: [
    'id INTEGER KEY 1',
    'world_id TEXT NOT NULL',
    'agent_id TEXT',
    'stat_type TEXT NOT NULL',
    'stat_date DATE NOT NULL',
    'archive_count INTEGER DEFAULT 0',
    'message_count INTEGER DEFAULT 0',
    'session_length_avg REAL DEFAULT 0',
    'most_active_agent TEXT',
    'data TEXT',
    `created_at TIMESTAMP ${nowDefault}`,
    `updated_at TIMESTAMP ${nowDefault}`,
    'world_id -> worlds(id) ON DELETE CASCADE',
  ],
  world_chats: [
    'id TEXT KEY 1',
    'world_id TEXT NOT NULL',
    'name TEXT NOT NULL',
    'description TEXT',
    'message_count INTEGER DEFAULT 0',
    'tags TEXT',
    `created_at TIMESTAMP ${nowDefault}`,
    `updated_at TIMESTAMP ${nowDefault}`,
    'world_id -> worlds(id) ON DELETE CASCADE',
  ],
  chat_snapshots: [
    'id INTEGER KEY 1',
    'chat_id TEXT NOT NULL',
    'world_id TEXT NOT NULL',
    'snapshot_data TEXT NOT NULL',
    `captured_at TIMESTAMP ${nowDefault}`,
    "version TEXT DEFAULT '1.0'",
    'chat_id -> world_chats(id) ON DELETE CASCADE',
    'world_id -> worlds(id) ON DELETE CASCADE',
  ],
  events: [
    'id TEXT KEY 1',
    'world_id TEXT NOT NULL',
    'chat_id TEXT',
    'seq INTEGER',
    'type TEXT NOT NULL',
    'payload TEXT NOT NULL',
    'meta TEXT',
    `created_at TIMESTAMP ${nowDefault}`,
    'chat_id -> world_chats(id) ON DELETE CASCADE',
    'world_id -> worlds(id) ON DELETE CASCADE',
  ],
  event_sequences: ['world_id TEXT NOT NULL KEY 1', 'chat_id TEXT KEY 2', 'last_seq INTEGER DEFAULT 0'],
};

const indexes = [
  'idx_agent_memory_agent_world: agent_memory(agent_id,world_id)',
  'idx_agent_memory_chat_id: agent_memory(chat_id)',
  'idx_agent_memory_created_at: agent_memory(created_at)',
  'idx_agent_memory_message_id: agent_memory(message_id)',
  'idx_agent_memory_reply_to_message_id: agent_memory(reply_to_message_id)',
  'idx_agent_memory_sender: agent_memory(sender)',
  'idx_agents_last_active: agents(last_active)',
  'idx_agents_status: agents(status)',
  'idx_agents_world_id: agents(world_id)',
  'idx_archive_statistics_type: archive_statistics(stat_type)',
  'idx_archive_statistics_world_date: archive_statistics(world_id,stat_date)',
  'idx_archived_messages_archive_id: archived_messages(archive_id)',
  'idx_archived_messages_content: archived_messages(content)',
  'idx_archived_messages_sender: archived_messages(sender)',
  'idx_chat_snapshots_chat_id: chat_snapshots(chat_id)',
  'idx_chat_snapshots_world_id: chat_snapshots(world_id)',
  'idx_event_sequences_world: event_sequences(world_id)',
  'idx_events_type: events(type)',
  'idx_events_world_chat_seq: events(world_id,chat_id,seq)',
  'idx_events_world_chat_time: events(world_id,chat_id,created_at)',
  'idx_events_world_id: events(world_id)',
  'idx_memory_archives_agent_world: memory_archives(agent_id,world_id)',
  'idx_memory_archives_created_at: memory_archives(created_at)',
  'idx_memory_archives_session_name: memory_archives(session_name)',
  'idx_world_chats_created_at: world_chats(created_at)',
  'idx_world_chats_updated_at: world_chats(updated_at)',
  'idx_world_chats_world_id: world_chats(world_id)',
];

const names = async (connection: LegacyConnection, type: 'table' | 'trigger'): Promise<string[]> =>
  (
    await connection.rows(
      `SELECT name FROM sqlite_schema WHERE type = '${type}' AND name NOT LIKE 'sqlite_%' ORDER BY name`,
    )
  ).map(({ name }) => String(name));

describe('the migration files', () => {
  it('are these eleven', async () => {
    expect((await readdir(migrations)).filter((name) => !name.endsWith('.down.sql'))).toEqual(filenames);
  });

  it.each(filenames)('%s begins with a sentence that says what it is for', (filename) => {
    expect(textOf(filename).split('\n', 1)[0]).toMatch(/^-- [A-Z].*\.$/);
  });

  it('declare that only the counters lose rows', () => {
    const declared = filenames.flatMap((filename) => textOf(filename).match(/^-- migration:.*$/gm) ?? []);
    expect(declared).toEqual(['-- migration: allow-loss event_sequences']);
    expect(textOf('0011_number_events.sql')).toContain(declared[0]);
  });
});

describe('a new database made from files 1 to 11', () => {
  beforeEach(async () => {
    database = await openLegacy(':memory:');
    await apply(database, filenames);
  });

  afterEach(async () => {
    await database.close();
  });

  it('has these tables and no others', async () => {
    expect(await names(database, 'table')).toEqual(Object.keys(schema).sort());
  });

  it.each(Object.entries(schema))('has %s with these columns and references', async (table, lines) => {
    expect(await describeTable(database, table)).toEqual(lines);
  });

  it('has these indexes', async () => {
    expect(await describeIndexes(database)).toEqual(indexes);
  });

  it('holds no rows', async () => {
    for (const table of Object.keys(schema)) {
      expect(await database.rows(`SELECT * FROM ${table}`)).toEqual([]);
    }
  });

  it('accepts three roles and refuses any other', async () => {
    const remember = (role: string): Promise<void> =>
      database.run(`
        INSERT INTO agent_memory (agent_id, world_id, role, content) VALUES ('a', 'w', '${role}', 'hello');
        INSERT INTO archived_messages (archive_id, role, content) VALUES (1, '${role}', 'hello');`);
    for (const role of ['system', 'user', 'assistant']) await remember(role);
    await expect(remember('tool')).rejects.toThrow('CHECK constraint failed');
    await expect(
      database.run(`INSERT INTO archived_messages (archive_id, role, content) VALUES (1, 'User', 'hello')`),
    ).rejects.toThrow('CHECK constraint failed');
  });

  it('never hands out an id twice', async () => {
    const counted = [
      'agent_memory',
      'memory_archives',
      'archived_messages',
      'archive_statistics',
      'chat_snapshots',
    ];
    const insert: Readonly<Record<string, string>> = {
      agent_memory: "(agent_id, world_id, role, content) VALUES ('a', 'w', 'user', 'hello')",
      memory_archives: "(agent_id, world_id) VALUES ('a', 'w')",
      archived_messages: "(archive_id, role, content) VALUES (1, 'user', 'hello')",
      archive_statistics: "(world_id, stat_type, stat_date) VALUES ('w', 'daily', '2024-02-29')",
      chat_snapshots: "(chat_id, world_id, snapshot_data) VALUES ('c', 'w', '{}')",
    };
    for (const table of counted) {
      const add = `INSERT INTO ${table} ${insert[table] ?? ''};`;
      await database.run(`${add} ${add} DELETE FROM ${table}; ${add}`);
      expect(await database.rows(`SELECT id FROM ${table}`)).toEqual([{ id: 3 }]);
    }
  });

  it('stamps the row that changed, and no other', async () => {
    const past = "'2001-01-01 00:00:00'";
    await database.run(`
      INSERT INTO worlds (id, name, updated_at) VALUES ('w1', 'One', ${past}), ('w2', 'Two', ${past});
      INSERT INTO agents (id, world_id, name, type, provider, model, last_active)
        VALUES ('a', 'w1', 'A', 't', 'p', 'm', ${past}), ('a', 'w2', 'A', 't', 'p', 'm', ${past});
      INSERT INTO world_chats (id, world_id, name, updated_at) VALUES ('c1', 'w1', 'C', ${past}), ('c2', 'w1', 'C', ${past});
      INSERT INTO archive_statistics (world_id, stat_type, stat_date, updated_at)
        VALUES ('w1', 'daily', '2024-02-29', ${past}), ('w2', 'daily', '2024-02-29', ${past});
      UPDATE worlds SET name = 'New' WHERE id = 'w1';
      UPDATE agents SET status = 'active' WHERE id = 'a' AND world_id = 'w1';
      UPDATE world_chats SET name = 'New' WHERE id = 'c1';
      UPDATE archive_statistics SET archive_count = 1 WHERE id = 1;`);
    const stamps = await database.rows(`
      SELECT 'worlds ' || id AS row, updated_at AS stamp FROM worlds
      UNION ALL SELECT 'agents ' || world_id, last_active FROM agents
      UNION ALL SELECT 'world_chats ' || id, updated_at FROM world_chats
      UNION ALL SELECT 'archive_statistics ' || id, updated_at FROM archive_statistics`);
    const untouched = stamps.filter(({ stamp }) => stamp === '2001-01-01 00:00:00').map(({ row }) => row);
    const stamped = stamps.filter(({ stamp }) => stamp !== '2001-01-01 00:00:00').map(({ row }) => row);
    expect(stamped.sort()).toEqual(['agents w1', 'archive_statistics 1', 'world_chats c1', 'worlds w1']);
    expect(untouched.sort()).toEqual(['agents w2', 'archive_statistics 2', 'world_chats c2', 'worlds w2']);
    for (const { stamp } of stamps) expect(stamp).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
    expect(await names(database, 'trigger')).toEqual([
      'agents_last_active',
      'archive_statistics_updated_at',
      'world_chats_updated_at',
      'worlds_updated_at',
    ]);
  });

  it('takes everything of a world away with it', async () => {
    await database.run(`
      PRAGMA foreign_keys = ON;
      INSERT INTO worlds (id, name) VALUES ('w', 'World');
      INSERT INTO agents (id, world_id, name, type, provider, model) VALUES ('a', 'w', 'A', 't', 'p', 'm');
      INSERT INTO agent_memory (agent_id, world_id, role, content) VALUES ('a', 'w', 'user', 'hello');
      INSERT INTO memory_archives (agent_id, world_id) VALUES ('a', 'w');
      INSERT INTO archived_messages (archive_id, role, content) VALUES (1, 'user', 'hello');
      INSERT INTO archive_statistics (world_id, stat_type, stat_date) VALUES ('w', 'daily', '2024-02-29');
      INSERT INTO world_chats (id, world_id, name) VALUES ('c', 'w', 'Chat');
      INSERT INTO chat_snapshots (chat_id, world_id, snapshot_data) VALUES ('c', 'w', '{}');
      INSERT INTO events (id, world_id, chat_id, type, payload) VALUES ('e1', 'w', 'c', 't', '{}'), ('e2', 'w', NULL, 't', '{}');
      DELETE FROM worlds;`);
    for (const table of Object.keys(schema)) {
      expect(await database.rows(`SELECT * FROM ${table}`)).toEqual([]);
    }
  });

  it('has the schema of a complete database of version 7, but for the order of columns', async () => {
    const path = join(folder, 'complete.db');
    await buildLegacyDatabase(path, { version: 7, columnOrder: 7 });
    await withLegacy(path, async (legacy) => {
      expect(await describeIndexes(legacy)).toEqual(indexes);
      for (const [table, lines] of Object.entries(schema)) {
        expect((await describeTable(legacy, table)).sort()).toEqual([...lines].sort());
      }
    });
  });
});

/** An event as id, world, chat, number and time, each an SQL literal. */
type EventLiterals = readonly [id: string, world: string, chat: string, seq: string, time: string];
/** A counter as world, chat and number, each an SQL literal. */
type CounterLiterals = readonly [world: string, chat: string, last: string];

interface NumberingCase {
  readonly title: string;
  readonly events: readonly EventLiterals[];
  readonly counters?: readonly CounterLiterals[];
  /** The number of each event afterwards, as SQLite quotes it. */
  readonly numbers: Readonly<Record<string, string>>;
  /** The counters afterwards, as `world/chat = number`, sorted. */
  readonly counted: readonly string[];
}

const MOST = '9223372036854775807';
const LEAST = '-9223372036854775808';

const numberingCases: readonly NumberingCase[] = [
  { title: 'does nothing where there is nothing', events: [], numbers: {}, counted: [] },
  {
    title: 'numbers the events of a world by their time',
    events: [
      ["'c'", "'w'", 'NULL', '1', "'2024-01-03'"],
      ["'a'", "'w'", 'NULL', '1', "'2024-01-01'"],
      ["'b'", "'w'", 'NULL', '1', "'2024-01-02'"],
    ],
    counters: [
      ["'w'", 'NULL', '1'],
      ["'w'", 'NULL', '1'],
      ["'w'", 'NULL', '1'],
    ],
    numbers: { a: '1', b: '2', c: '3' },
    counted: ["'w'/NULL = 3"],
  },
  {
    title: 'numbers events of the same time in the order in which they were written',
    events: [
      ["'z'", "'w'", 'NULL', '1', "'2024-01-01'"],
      ["'y'", "'w'", 'NULL', 'NULL', "'2024-01-01'"],
      ["'x'", "'w'", 'NULL', '1', "'2024-01-01'"],
    ],
    numbers: { z: '1', y: '2', x: '3' },
    counted: ["'w'/NULL = 3"],
  },
  {
    title: 'orders odd times as SQLite does and parses none',
    events: [
      ["'blob'", "'w'", 'NULL', '1', "x'30'"],
      ["'garbage'", "'w'", 'NULL', '1', "'yesterday'"],
      ["'iso'", "'w'", 'NULL', '1', "'2024-01-01T00:00:00.000Z'"],
      ["'blank'", "'w'", 'NULL', '1', "''"],
      ["'milliseconds'", "'w'", 'NULL', '1', '1704067200000'],
      ["'real'", "'w'", 'NULL', '1', '1704067200.5'],
      ["'digits'", "'w'", 'NULL', '1', "'17'"],
      ["'none'", "'w'", 'NULL', '1', 'NULL'],
      ["'least'", "'w'", 'NULL', '1', LEAST],
    ],
    numbers: {
      none: '1',
      least: '2',
      digits: '3',
      real: '4',
      milliseconds: '5',
      blank: '6',
      iso: '7',
      garbage: '8',
      blob: '9',
    },
    counted: ["'w'/NULL = 9"],
  },
  {
    title: 'numbers each world for itself',
    events: [
      ["'a1'", "'a'", 'NULL', '1', "'2024-01-01'"],
      ["'b1'", "'b'", 'NULL', '1', "'2024-01-02'"],
      ["'a2'", "'a'", 'NULL', '1', "'2024-01-03'"],
      ["'b2'", "'b'", 'NULL', '1', "'2024-01-04'"],
    ],
    counters: [["'a'", 'NULL', '1']],
    numbers: { a1: '1', a2: '2', b1: '1', b2: '2' },
    counted: ["'a'/NULL = 2", "'b'/NULL = 2"],
  },
  {
    title: 'replaces whatever stood in the number of a world-level event',
    events: [
      ["'text'", "'w'", 'NULL', "'first'", "'2024-01-01'"],
      ["'real'", "'w'", 'NULL', '2.5', "'2024-01-02'"],
      ["'blob'", "'w'", 'NULL', "x'33'", "'2024-01-03'"],
      ["'most'", "'w'", 'NULL', MOST, "'2024-01-04'"],
      ["'least'", "'w'", 'NULL', LEAST, "'2024-01-05'"],
    ],
    numbers: { text: '1', real: '2', blob: '3', most: '4', least: '5' },
    counted: ["'w'/NULL = 5"],
  },
  {
    title: 'ignores what a world-level counter says',
    events: [["'a'", "'w'", 'NULL', '1', "'2024-01-01'"]],
    counters: [
      ["'w'", 'NULL', '900'],
      ["'w'", 'NULL', "'x'"],
      ["'w'", 'NULL', MOST],
    ],
    numbers: { a: '1' },
    counted: ["'w'/NULL = 1"],
  },
  {
    title: 'leaves a world that has counters and no events one counter of 0',
    events: [],
    counters: [
      ["'w'", 'NULL', '1'],
      ["'w'", 'NULL', '7'],
    ],
    numbers: {},
    counted: ["'w'/NULL = 0"],
  },
  {
    title: 'keeps the numbers of a chat, with their gaps and repeats',
    events: [
      ["'a'", "'w'", "'c'", '7', "'2024-01-03'"],
      ["'b'", "'w'", "'c'", '3', "'2024-01-01'"],
      ["'c'", "'w'", "'c'", '3', "'2024-01-02'"],
    ],
    counters: [["'w'", "'c'", '7']],
    numbers: { a: '7', b: '3', c: '3' },
    counted: ["'w'/'c' = 7"],
  },
  {
    title: 'numbers the rest of a chat after its highest, by time and then as written',
    events: [
      ["'late'", "'w'", "'c'", 'NULL', "'2024-01-09'"],
      ["'two'", "'w'", "'c'", '2', "'2024-01-02'"],
      ["'tie1'", "'w'", "'c'", 'NULL', "'2024-01-05'"],
      ["'tie2'", "'w'", "'c'", 'NULL', "'2024-01-05'"],
      ["'ten'", "'w'", "'c'", '10', "'2024-01-01'"],
      ["'early'", "'w'", "'c'", 'NULL', 'NULL'],
    ],
    numbers: { two: '2', ten: '10', early: '11', tie1: '12', tie2: '13', late: '14' },
    counted: ["'w'/'c' = 14"],
  },
  {
    title: 'numbers a chat without numbers from 1',
    events: [
      ["'b'", "'w'", "'c'", 'NULL', "'2024-01-02'"],
      ["'a'", "'w'", "'c'", 'NULL', "'2024-01-01'"],
    ],
    counters: [["'w'", "'c'", '0']],
    numbers: { a: '1', b: '2' },
    counted: ["'w'/'c' = 2"],
  },
  {
    title: 'tells apart chats of one name in two worlds, and the chat that is called nothing from none',
    events: [
      ["'a'", "'v'", "'c'", 'NULL', "'2024-01-01'"],
      ["'b'", "'w'", "'c'", '5', "'2024-01-01'"],
      ["'c'", "'w'", "'c'", 'NULL', "'2024-01-02'"],
      ["'d'", "'w'", "''", 'NULL', "'2024-01-01'"],
      ["'e'", "'w'", 'NULL', 'NULL', "'2024-01-01'"],
    ],
    numbers: { a: '1', b: '5', c: '6', d: '1', e: '1' },
    counted: ["'v'/'c' = 1", "'w'/'' = 1", "'w'/'c' = 6", "'w'/NULL = 1"],
  },
  {
    title: 'keeps a counter of a chat that is ahead of its events, and lifts one that is behind',
    events: [
      ["'a'", "'w'", "'ahead'", '3', "'2024-01-01'"],
      ["'b'", "'w'", "'behind'", '9', "'2024-01-01'"],
    ],
    counters: [
      ["'w'", "'ahead'", '12'],
      ["'w'", "'behind'", '1'],
      ["'w'", "'gone'", '25'],
      ["'w'", "'most'", MOST],
    ],
    numbers: { a: '3', b: '9' },
    counted: ["'w'/'ahead' = 12", "'w'/'behind' = 9", "'w'/'gone' = 25", `'w'/'most' = ${MOST}`],
  },
  {
    title: 'takes nothing but an integer for a counter',
    events: [["'a'", "'w'", "'text'", '4', "'2024-01-01'"]],
    counters: [
      ["'w'", "'text'", "'eleven'"],
      ["'w'", "'real'", '2.5'],
      ["'w'", "'huge'", '9e18 * 2'],
      ["'w'", "'bytes'", "x'39'"],
      ["'w'", "'none'", 'NULL'],
    ],
    numbers: { a: '4' },
    counted: ["'w'/'bytes' = 0", "'w'/'huge' = 0", "'w'/'none' = 0", "'w'/'real' = 0", "'w'/'text' = 4"],
  },
  {
    title: 'takes nothing but an integer for a number of a chat, and keeps what is none',
    events: [
      ["'text'", "'w'", "'c'", "'forty'", "'2024-01-01'"],
      ["'real'", "'w'", "'c'", '4.5', "'2024-01-02'"],
      ["'blob'", "'w'", "'c'", "x'39'", "'2024-01-03'"],
      ["'two'", "'w'", "'c'", '2', "'2024-01-04'"],
      ["'next'", "'w'", "'c'", 'NULL', "'2024-01-05'"],
      ["'only'", "'w'", "'words'", "'nine'", "'2024-01-01'"],
    ],
    numbers: { text: "'forty'", real: '4.5', blob: "X'39'", two: '2', next: '3', only: "'nine'" },
    counted: ["'w'/'c' = 3", "'w'/'words' = 0"],
  },
  {
    title: 'goes on from negative numbers as from any other',
    events: [
      ["'a'", "'w'", "'c'", '-5', "'2024-01-01'"],
      ["'b'", "'w'", "'c'", 'NULL', "'2024-01-02'"],
      ["'least'", "'w'", "'d'", LEAST, "'2024-01-01'"],
      ["'after'", "'w'", "'d'", 'NULL', "'2024-01-02'"],
    ],
    counters: [
      ["'w'", "'c'", '-9'],
      ["'w'", "'alone'", '-3'],
    ],
    numbers: { a: '-5', b: '-4', least: LEAST, after: '-9223372036854775807' },
    counted: ["'w'/'alone' = -3", "'w'/'c' = -4", "'w'/'d' = -9223372036854775807"],
  },
  {
    title: 'leaves an event without a number where 64 bits have no next one',
    events: [
      ["'a'", "'w'", "'full'", MOST, "'2024-01-01'"],
      ["'b'", "'w'", "'full'", 'NULL', "'2024-01-02'"],
      ["'c'", "'w'", "'one'", '9223372036854775806', "'2024-01-01'"],
      ["'e'", "'w'", "'one'", 'NULL', "'2024-01-03'"],
      ["'d'", "'w'", "'one'", 'NULL', "'2024-01-02'"],
    ],
    numbers: { a: MOST, b: 'NULL', c: '9223372036854775806', d: MOST, e: 'NULL' },
    counted: [`'w'/'full' = ${MOST}`, `'w'/'one' = ${MOST}`],
  },
  {
    title: 'knows worlds and chats whose ids are bytes from those whose ids are the same text',
    events: [
      ["'a'", "x'77'", 'NULL', '1', "'2024-01-01'"],
      ["'b'", "'w'", 'NULL', '1', "'2024-01-02'"],
      ["'c'", "x'77'", "x'63'", 'NULL', "'2024-01-01'"],
      ["'d'", "x'77'", "'c'", '8', "'2024-01-02'"],
    ],
    counters: [
      ["x'77'", 'NULL', '5'],
      ["x'77'", "x'63'", '5'],
    ],
    numbers: { a: '1', b: '1', c: '1', d: '8' },
    counted: ["'w'/NULL = 1", "X'77'/'c' = 8", "X'77'/NULL = 1", "X'77'/X'63' = 5"],
  },
];

describe('0011_number_events.sql', () => {
  const beforeIt = filenames.slice(0, -1);
  const itself = '0011_number_events.sql';

  beforeEach(async () => {
    database = await openLegacy(':memory:');
    await apply(database, beforeIt);
  });

  afterEach(async () => {
    await database.close();
  });

  async function insert({
    events,
    counters = [],
  }: Pick<NumberingCase, 'events' | 'counters'>): Promise<void> {
    for (const [id, world, chat, seq, time] of events) {
      await database.run(
        `INSERT INTO events (id, world_id, chat_id, seq, type, payload, created_at)
         VALUES (${id}, ${world}, ${chat}, ${seq}, 'message', '{}', ${time})`,
      );
    }
    for (const counter of counters) {
      await database.run(
        `INSERT INTO event_sequences (world_id, chat_id, last_seq) VALUES (${counter.join(', ')})`,
      );
    }
  }

  async function numbers(): Promise<Record<string, string>> {
    const rows = await database.rows('SELECT id, quote(seq) AS seq FROM events');
    return Object.fromEntries(rows.map(({ id, seq }) => [String(id), String(seq)]));
  }

  async function counters(): Promise<string[]> {
    const rows = await database.rows(
      `SELECT quote(world_id) || '/' || quote(chat_id) || ' = ' || quote(last_seq) AS line FROM event_sequences`,
    );
    return rows.map(({ line }) => String(line)).sort();
  }

  async function totalChanges(): Promise<unknown> {
    const [row] = await database.rows('SELECT total_changes() AS count');
    return row?.count;
  }

  describe.each(numberingCases)('$title', (given) => {
    beforeEach(() => insert(given));

    it('the first time', async () => {
      await apply(database, [itself]);
      expect(await numbers()).toEqual(given.numbers);
      expect(await counters()).toEqual(given.counted);
    });

    it('and has nothing left to do the second time', async () => {
      await apply(database, [itself]);
      const changes = await totalChanges();
      await apply(database, [itself]);
      expect(await totalChanges()).toBe(changes);
      expect(await numbers()).toEqual(given.numbers);
      expect(await counters()).toEqual(given.counted);
    });
  });

  it('touches only the rows whose number or counter is wrong', async () => {
    await insert({
      events: [
        ["'right'", "'w'", 'NULL', '1', "'2024-01-01'"],
        ["'wrong'", "'w'", 'NULL', '1', "'2024-01-02'"],
        ["'kept'", "'w'", "'c'", '6', "'2024-01-01'"],
        ["'none'", "'w'", "'c'", 'NULL', "'2024-01-02'"],
      ],
      counters: [
        ["'w'", "'quiet'", '4'],
        ["'w'", "'c'", '6'],
      ],
    });
    await database.run(`
      CREATE TABLE log (line TEXT);
      CREATE TRIGGER log_events AFTER UPDATE ON events BEGIN INSERT INTO log VALUES ('event ' || NEW.id); END;
      CREATE TRIGGER log_counters AFTER UPDATE ON event_sequences
        BEGIN INSERT INTO log VALUES ('counter ' || NEW.chat_id); END;
      CREATE TRIGGER log_lost AFTER DELETE ON event_sequences BEGIN INSERT INTO log VALUES ('lost'); END;`);
    await apply(database, [itself]);
    expect((await database.rows('SELECT line FROM log ORDER BY rowid')).map(({ line }) => line)).toEqual([
      'event wrong',
      'event none',
      'counter c',
    ]);
  });

  it('changes nothing of an event but its number', async () => {
    const path = join(folder, 'wrong-numbers.db');
    await legacyFixtures.find(({ name }) => name === 'wrong-numbers')?.make(path);
    const before = await dumpDatabase(path);
    await withLegacy(path, (connection) => apply(connection, [itself]));
    const after = await dumpDatabase(path);
    const withoutNumbers = ({ tables }: typeof before): unknown =>
      Object.entries(tables)
        .filter(([table]) => table !== 'event_sequences')
        .map(([table, { rows }]) => [
          table,
          rows.map((row) => ({ ...row, ...(table === 'events' ? { seq: 'any' } : {}) })),
        ]);
    expect(withoutNumbers(after)).toEqual(withoutNumbers(before));
    expect(after.schema).toEqual(before.schema);
    expect(after.tables.events?.rows).not.toEqual(before.tables.events?.rows);
  });

  it('looks up each event and counter by an index, however many there are', async () => {
    const statements = textOf(itself)
      .split(/;\n/)
      .filter((statement) => /^\w/m.test(statement) && !/^(CREATE|DROP) TABLE/m.test(statement))
      .map((statement) => statement.replace('INSERT INTO events_not_numbered (world_id)', ''));
    expect(statements).toHaveLength(6);
    for (const statement of statements) {
      const plan = (await database.rows(`EXPLAIN QUERY PLAN ${statement}`)).map(({ detail }) =>
        String(detail),
      );
      expect(plan.filter((step) => step.includes('AUTOMATIC'))).toEqual([]);
      const correlated = plan.findIndex((step) => step.startsWith('CORRELATED'));
      if (correlated !== -1)
        expect(plan[correlated + 1]).toMatch(/^SEARCH .*\(world_id=\? AND chat_id=\?\)$/);
      if (statement.includes('UPDATE')) {
        expect(plan).toContainEqual(
          expect.stringMatching(/^SEARCH (events|event_sequences) USING INTEGER PRIMARY KEY \(rowid=\?\)$/),
        );
      }
    }
  });

  it('numbers many events without gaps', async () => {
    const count = 60_000;
    await database.run(`
      BEGIN;
      INSERT INTO events (id, world_id, chat_id, seq, type, payload, created_at)
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
        SELECT 'e' || i, 'w' || (i % 3), iif(i % 2, NULL, 'c' || (i % 500)), iif(i % 2, 1, NULL), 't', '{}',
          (i * 7919) % 10007 FROM n;
      INSERT INTO event_sequences SELECT world_id, NULL, 1 FROM events WHERE chat_id IS NULL;
      COMMIT;`);
    await apply(database, [itself]);
    const [wrong] = await database.rows(`
      SELECT count(*) AS count FROM (
        SELECT seq, row_number() OVER (PARTITION BY world_id, chat_id ORDER BY created_at, rowid) AS place FROM events
      ) WHERE seq IS NOT place`);
    expect(wrong).toEqual({ count: 0 });
    const [counted] = await database.rows(`
      SELECT count(*) AS counters, sum(last_seq) AS total FROM event_sequences`);
    const [groups] = await database.rows(
      'SELECT count(*) AS count FROM (SELECT DISTINCT world_id, chat_id FROM events)',
    );
    expect(counted).toEqual({ counters: groups?.count, total: count });
  });
});
