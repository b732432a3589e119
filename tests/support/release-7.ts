import sqlite3 from 'sqlite3';

import { releaseSteps } from './legacy-releases.js';

type Value = string | number | null;
type Row = Readonly<Record<string, unknown>>;

/** The statements with which release 7 opened a database: it made whatever it did not find. */
const opening = releaseSteps({
  version: 7,
  origin: 'born',
  early: [],
  chats: true,
  events: 'with references',
  sequences: true,
  missing: [],
  ahead: [],
  reorder: undefined,
  diedAfter: undefined,
}).map(({ sql }) => sql);

function isRow(value: unknown): value is Row {
  return typeof value === 'object' && value !== null;
}

/** The storage of release 7 with its SQL as it was, over the driver alone: it knows no migrations. */
export class Release7 {
  private constructor(private readonly database: sqlite3.Database) {}

  static async open(path: string): Promise<Release7> {
    const database = await new Promise<sqlite3.Database>((resolve, reject) => {
      const opened = new sqlite3.Database(path, (error) => {
        if (error === null) resolve(opened);
        else reject(error);
      });
    });
    database.serialize();
    const program = new Release7(database);
    await program.rows('PRAGMA foreign_keys = ON');
    const [stamp] = await program.rows('PRAGMA user_version');
    for (const statement of opening) await program.rows(statement);
    if (Number(stamp?.user_version) < 7) throw new Error('It would begin to change the schema.');
    return program;
  }

  /** Carries out one statement of the program. */
  rows(sql: string, ...parameters: readonly Value[]): Promise<Row[]> {
    return new Promise((resolve, reject) => {
      this.database.all(sql, parameters, (error: Error | null, rows: unknown[]) => {
        if (error === null) resolve(rows.filter(isRow));
        else reject(error);
      });
    });
  }

  close(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.database.close((error) => {
        if (error === null) resolve();
        else reject(error);
      });
    });
  }

  /** Everything that it showed of a world, but for the numbers of events. */
  async read(world: string): Promise<Readonly<Record<string, readonly Row[]>>> {
    return {
      world: await this.rows(
        `SELECT id, name, description, turn_limit, chat_llm_provider, chat_llm_model, current_chat_id, mcp_config,
           created_at, updated_at FROM worlds WHERE id = ?`,
        world,
      ),
      worlds: await this.rows('SELECT id, name, description, turn_limit FROM worlds ORDER BY name'),
      agents: await this.rows(
        `SELECT id, name, type, status, provider, model, system_prompt, temperature, max_tokens, llm_call_count,
           created_at, last_active, last_llm_call FROM agents WHERE world_id = ? ORDER BY name, id`,
        world,
      ),
      memory: await this.rows(
        `SELECT agent_id, role, content, sender, chat_id, message_id, reply_to_message_id, created_at
         FROM agent_memory WHERE world_id = ? ORDER BY created_at ASC, id ASC`,
        world,
      ),
      archives: await this.rows(
        `SELECT a.id, a.session_name, a.archive_reason, a.message_count, a.start_time, a.end_time, a.participants, a.tags,
           m.role, m.content, m.sender, m.original_created_at
         FROM memory_archives a LEFT JOIN archived_messages m ON m.archive_id = a.id
         WHERE a.world_id = ? ORDER BY a.created_at DESC, a.id, m.id`,
        world,
      ),
      statistics: await this.rows(
        'SELECT stat_type, stat_date, archive_count, message_count FROM archive_statistics WHERE world_id = ?',
        world,
      ),
      chats: await this.rows(
        `SELECT id, name, description, message_count, tags, created_at, updated_at FROM world_chats
         WHERE world_id = ? ORDER BY updated_at DESC, id`,
        world,
      ),
      snapshots: await this.rows(
        'SELECT chat_id, snapshot_data, captured_at, version FROM chat_snapshots WHERE world_id = ? ORDER BY id',
        world,
      ),
      events: await this.rows(
        'SELECT id, chat_id, type, payload, meta, created_at FROM events WHERE world_id = ? ORDER BY rowid',
        world,
      ),
    };
  }

  /** An evening in a world that it makes: every kind of row is written, changed and partly deleted. */
  async live(world: string): Promise<void> {
    const at = '2025-05-05 20:00:00';
    await this.rows(
      `INSERT INTO worlds (id, name, description, turn_limit, chat_llm_provider, chat_llm_model, current_chat_id, mcp_config)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT(id) DO UPDATE SET name = excluded.name, description = excluded.description`,
      world,
      'Evening',
      null,
      5,
      'openai',
      'large',
      null,
      '{}',
    );
    for (const agent of ['first', 'second'])
      await this.rows(
        `INSERT OR REPLACE INTO agents (id, world_id, name, type, status, provider, model, system_prompt, temperature,
           max_tokens, llm_call_count, created_at, last_active, last_llm_call)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        ...[
          agent,
          world,
          agent,
          'default',
          'active',
          'openai',
          'small',
          'Be brief.',
          0.7,
          2048,
          1,
          at,
          at,
          null,
        ],
      );
    await this.rows(
      `INSERT INTO world_chats (id, world_id, name, description, message_count, tags) VALUES (?, ?, ?, ?, ?, ?)`,
      `${world}-chat`,
      world,
      'New Chat',
      null,
      0,
      null,
    );
    await this.rows('UPDATE worlds SET current_chat_id = ? WHERE id = ?', `${world}-chat`, world);
    for (const [index, role] of ['system', 'user', 'assistant', 'user'].entries())
      await this.rows(
        `INSERT INTO agent_memory (agent_id, world_id, role, content, sender, chat_id, message_id, reply_to_message_id, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        ...['first', world, role, `Line ${index}`, 'human', `${world}-chat`, `${world}-m${index}`],
        index === 0 ? null : `${world}-m${index - 1}`,
        at,
      );
    await this.rows('UPDATE agent_memory SET content = ? WHERE message_id = ?', 'Edited', `${world}-m1`);
    await this.rows('DELETE FROM agent_memory WHERE message_id = ? AND world_id = ?', `${world}-m3`, world);
    await this.rows(
      `INSERT INTO memory_archives (agent_id, world_id, session_name, archive_reason, message_count, start_time, end_time, participants, tags)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      ...['first', world, 'Evening', 'user', 1, at, at, '["human"]', null],
    );
    await this.rows(
      `INSERT INTO archived_messages (archive_id, role, content, sender, original_created_at)
       VALUES ((SELECT max(id) FROM memory_archives), ?, ?, ?, ?)`,
      'user',
      'Archived',
      'human',
      at,
    );
    await this.rows(
      `INSERT INTO archive_statistics (world_id, agent_id, stat_type, stat_date, archive_count, message_count)
       VALUES (?, ?, ?, ?, ?, ?)`,
      ...[world, 'first', 'daily', '2025-05-05', 1, 1],
    );
    await this.rows(
      'INSERT INTO chat_snapshots (chat_id, world_id, snapshot_data, version) VALUES (?, ?, ?, ?)',
      `${world}-chat`,
      world,
      '{"messages":[]}',
      '1.0',
    );
    await this.rows('UPDATE world_chats SET message_count = message_count + 3 WHERE id = ?', `${world}-chat`);
    await this.rows('DELETE FROM agents WHERE id = ? AND world_id = ?', 'second', world);
    await this.append(world, `${world}-chat`, `${world}-evt-1`);
    await this.append(world, null, `${world}-evt-2`);
  }

  async deleteWorld(world: string): Promise<void> {
    await this.rows('DELETE FROM worlds WHERE id = ?', world);
  }

  /** Appends an event. The counter of a world's own events is never found again: NULLs are different. */
  async append(world: string, chat: string | null, id: string): Promise<number> {
    const [counter] = await this.rows(
      `INSERT INTO event_sequences (world_id, chat_id, last_seq) VALUES (?, ?, 1)
       ON CONFLICT(world_id, chat_id) DO UPDATE SET last_seq = last_seq + 1 RETURNING last_seq`,
      world,
      chat,
    );
    const seq = Number(counter?.last_seq);
    await this.rows(
      'INSERT INTO events (id, world_id, chat_id, seq, type, payload, meta) VALUES (?, ?, ?, ?, ?, ?, ?)',
      id,
      world,
      chat,
      seq,
      'message',
      '{"by":"release 7"}',
      null,
    );
    return seq;
  }
}
