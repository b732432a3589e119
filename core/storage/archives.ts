import type { Row } from '../database/database-bridge.js';
import {
  exactly,
  integerOf,
  kept,
  optionalTextOf,
  rowNumberOf,
  textListOf,
  textOf,
  timestampOf,
  type Timestamp,
} from './rows.js';
import type { Reader, StorageSession } from './storage-session.js';
import {
  idValue,
  integerValue,
  namingForeignKey,
  optionalTextValue,
  recordValue,
  shown,
  textListValue,
} from './values.js';

/** A part of an agent's memory that was put away. */
export interface Archive {
  readonly id: number;
  readonly worldId: string;
  readonly agentId: string;
  readonly sessionName: string | null;
  readonly reason: string | null;
  /** As it was stored; null where that is no whole number. */
  readonly messageCount: number | null;
  /** The timestamps of its first and of its last message. */
  readonly startTime: Timestamp;
  readonly endTime: Timestamp;
  /** The senders of its messages, each once. */
  readonly participants: readonly string[];
  readonly tags: readonly string[];
  readonly createdAt: Timestamp;
}

/** A message of an archive. An archive has no place for the chat and the id that the message had in the memory. */
export interface ArchivedMessage {
  readonly id: number;
  /** `system`, `user` or `assistant`, which the table itself checks; see `isRole`. */
  readonly role: string;
  readonly content: string;
  readonly sender: string | null;
  readonly originalCreatedAt: Timestamp;
  readonly archivedAt: Timestamp;
}

/** An archive with its messages, in the order in which they were appended to the memory. */
export interface ArchiveWithMessages extends Archive {
  readonly messages: readonly ArchivedMessage[];
}

/** What an archive is known by. */
export interface ArchiveLabel {
  readonly sessionName?: string | null;
  readonly reason?: string | null;
  readonly tags?: readonly string[];
}

/** The archives of a storage. */
export interface Archives {
  /**
   * Moves all that an agent remembers into a new archive: the memory is empty afterwards. Both happen in one
   * transaction. An empty memory makes an archive without messages.
   *
   * @returns the archive as it is stored now
   * @throws UpgradeBridgeError `BAD_VALUE` when a field cannot be stored as it is, or there is no such agent
   */
  archive(worldId: string, agentId: string, label?: ArchiveLabel): Promise<Archive>;
  /** The archives of a world or of one of its agents, without their messages, in the order in which they were made. */
  list(worldId: string, agentId?: string): Promise<readonly Archive[]>;
  /** The archive with this id and its messages, or undefined where there is none. */
  load(id: number): Promise<ArchiveWithMessages | undefined>;
}

const select = `SELECT id, world_id, agent_id, session_name, archive_reason, message_count, ${exactly('start_time')},
  ${exactly('end_time')}, participants, tags, ${exactly('created_at')} FROM memory_archives`;

const selectMessages = `SELECT id, role, content, sender, ${exactly('original_created_at')}, ${exactly('archived_at')}
  FROM archived_messages WHERE archive_id = ? ORDER BY id`;

const insertArchive = `
  WITH remembered AS (SELECT * FROM agent_memory WHERE world_id = ? AND agent_id = ?)
  INSERT INTO memory_archives (world_id, agent_id, session_name, archive_reason, tags, message_count, start_time, end_time,
    participants)
  VALUES (?, ?, ?, ?, ?, (SELECT count(*) FROM remembered),
    (SELECT created_at FROM remembered ORDER BY id LIMIT 1),
    (SELECT created_at FROM remembered ORDER BY id DESC LIMIT 1),
    (SELECT json_group_array(sender) FROM
      (SELECT CAST(sender AS TEXT) AS sender FROM remembered WHERE sender IS NOT NULL GROUP BY 1 ORDER BY min(id))))`;

const copyMessages = `
  INSERT INTO archived_messages (archive_id, role, content, sender, original_created_at)
  SELECT (SELECT max(id) FROM memory_archives WHERE world_id = ? AND agent_id = ?), role, content, sender, created_at
  FROM agent_memory WHERE world_id = ? AND agent_id = ? ORDER BY id`;

/** The archives that a session reaches. */
export function archivesOf(session: StorageSession): Archives {
  return {
    async archive(worldId, agentId, label = {}) {
      const agent = [idValue('worldId', worldId), idValue('agentId', agentId)];
      recordValue('label', label);
      const parameters = [
        ...agent,
        optionalTextValue('archive.sessionName', label.sessionName) ?? null,
        optionalTextValue('archive.reason', label.reason) ?? null,
        textListValue('archive.tags', label.tags) ?? null,
      ];
      return session.write(async (db) => {
        await namingForeignKey(
          db.execute(insertArchive, [...agent, ...parameters]),
          `agentId ${shown(agentId)}`,
          `is no agent of the world ${shown(worldId)}`,
          'Save the agent first.',
        );
        await db.execute(copyMessages, [...agent, ...agent]);
        await db.execute('DELETE FROM agent_memory WHERE world_id = ? AND agent_id = ?', agent);
        const [row] = await db.query(
          `${select} WHERE world_id = ? AND agent_id = ? ORDER BY id DESC LIMIT 1`,
          agent,
        );
        return archiveOf(kept(row, `The archive of the agent ${shown(agentId)}`));
      });
    },

    async list(worldId, agentId) {
      const parameters = [idValue('worldId', worldId)];
      if (agentId !== undefined) parameters.push(idValue('agentId', agentId));
      const ofAgent = agentId === undefined ? '' : 'AND agent_id = ?';
      return session.read(async (db) => {
        const rows = await db.query(`${select} WHERE world_id = ? ${ofAgent} ORDER BY id`, parameters);
        return rows.map(archiveOf);
      });
    },

    async load(id) {
      integerValue('archive.id', id);
      return session.read(async (db) => {
        const archive = await find(db, id);
        return archive && { ...archive, messages: (await db.query(selectMessages, [id])).map(messageOf) };
      });
    },
  };
}

async function find(db: Reader, id: number): Promise<Archive | undefined> {
  const [row] = await db.query(`${select} WHERE id = ?`, [id]);
  return row && archiveOf(row);
}

function archiveOf(row: Row): Archive {
  return {
    id: rowNumberOf(row, 'id'),
    worldId: textOf(row, 'world_id'),
    agentId: textOf(row, 'agent_id'),
    sessionName: optionalTextOf(row, 'session_name'),
    reason: optionalTextOf(row, 'archive_reason'),
    messageCount: integerOf(row, 'message_count'),
    startTime: timestampOf(row, 'start_time'),
    endTime: timestampOf(row, 'end_time'),
    participants: textListOf(row, 'participants'),
    tags: textListOf(row, 'tags'),
    createdAt: timestampOf(row, 'created_at'),
  };
}

function messageOf(row: Row): ArchivedMessage {
  return {
    id: rowNumberOf(row, 'id'),
    role: textOf(row, 'role'),
    content: textOf(row, 'content'),
    sender: optionalTextOf(row, 'sender'),
    originalCreatedAt: timestampOf(row, 'original_created_at'),
    archivedAt: timestampOf(row, 'archived_at'),
  };
}
