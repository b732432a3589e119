import type { Row } from '../database/database-bridge.js';
import {
  exactly,
  jsonOf,
  kept,
  optionalTextOf,
  rowNumberOf,
  textOf,
  timestampOf,
  type JsonValue,
  type Timestamp,
} from './rows.js';
import type { Reader, StorageSession } from './storage-session.js';
import { badValue, idValue, jsonValue, recordValue, shown, textValue, timestampValue } from './values.js';

/** The state of a chat at one time. */
export interface ChatSnapshot {
  readonly id: number;
  readonly chatId: string;
  readonly worldId: string;
  /** Where an old program stored what is no JSON, its text. */
  readonly data: JsonValue;
  readonly version: string | null;
  readonly capturedAt: Timestamp;
}

/** A snapshot to keep. */
export interface NewChatSnapshot {
  readonly chatId: string;
  readonly worldId: string;
  readonly data: JsonValue;
  /** The version of the data's format. Default: `1.0`. */
  readonly version?: string;
  /** Default, and for null: now. Text that looks like a number is stored as one. */
  readonly capturedAt?: Timestamp;
}

/** The snapshots of a storage's chats. */
export interface ChatSnapshots {
  /**
   * Keeps a snapshot beside the earlier ones.
   *
   * @returns the snapshot as it is stored now
   * @throws UpgradeBridgeError `BAD_VALUE` when a field cannot be stored as it is, or there is no such chat in the world
   */
  saveSnapshot(snapshot: NewChatSnapshot): Promise<ChatSnapshot>;
  /** The snapshot of a chat that was saved last, or undefined where there is none. */
  loadSnapshot(worldId: string, chatId: string): Promise<ChatSnapshot | undefined>;
  /** All snapshots of a chat, in the order in which they were saved. */
  listSnapshots(worldId: string, chatId: string): Promise<readonly ChatSnapshot[]>;
}

const snapshotColumns = `id, chat_id, world_id, snapshot_data, version, ${exactly('captured_at')}`;

const ofChat = 'WHERE world_id = ? AND chat_id = ?';

/** The snapshots that a session reaches. */
export function chatSnapshotsOf(session: StorageSession): ChatSnapshots {
  return {
    async saveSnapshot(snapshot) {
      recordValue('snapshot', snapshot);
      const { worldId, chatId } = snapshot;
      checkKey(worldId, chatId);
      const parameters = [
        chatId,
        worldId,
        jsonValue('snapshot.data', snapshot.data),
        snapshot.version === undefined ? '1.0' : textValue('snapshot.version', snapshot.version),
        timestampValue('snapshot.capturedAt', snapshot.capturedAt) ?? null,
      ];
      return session.write(async (db) => {
        await checkChat(db, worldId, chatId);
        const [row] = await db.query(
          `INSERT INTO chat_snapshots (chat_id, world_id, snapshot_data, version, captured_at)
           VALUES (?, ?, ?, ?, coalesce(?, CURRENT_TIMESTAMP)) RETURNING ${snapshotColumns}`,
          parameters,
        );
        return snapshotOf(kept(row, `The snapshot of the chat ${shown(chatId)}`));
      });
    },

    async loadSnapshot(worldId, chatId) {
      checkKey(worldId, chatId);
      return session.read(async (db) => {
        const last = `SELECT ${snapshotColumns} FROM chat_snapshots ${ofChat} ORDER BY id DESC LIMIT 1`;
        const [row] = await db.query(last, [worldId, chatId]);
        return row && snapshotOf(row);
      });
    },

    async listSnapshots(worldId, chatId) {
      checkKey(worldId, chatId);
      return session.read(async (db) => {
        const all = `SELECT ${snapshotColumns} FROM chat_snapshots ${ofChat} ORDER BY id`;
        return (await db.query(all, [worldId, chatId])).map(snapshotOf);
      });
    },
  };
}

/**
 * Makes sure that a chat is there and belongs to the world: the foreign keys only ask whether both are there.
 *
 * @throws UpgradeBridgeError `BAD_VALUE` when it is not
 */
export async function checkChat(db: Reader, worldId: string, chatId: string): Promise<void> {
  const [chat] = await db.query('SELECT 1 FROM world_chats WHERE world_id = ? AND id = ?', [worldId, chatId]);
  if (chat === undefined) {
    throw badValue(
      `chatId ${shown(chatId)}`,
      `is no chat of the world ${shown(worldId)}`,
      'Save the chat first.',
    );
  }
}

function checkKey(worldId: string, chatId: string): void {
  idValue('worldId', worldId);
  idValue('chatId', chatId);
}

function snapshotOf(row: Row): ChatSnapshot {
  return {
    id: rowNumberOf(row, 'id'),
    chatId: textOf(row, 'chat_id'),
    worldId: textOf(row, 'world_id'),
    data: jsonOf(row, 'snapshot_data'),
    version: optionalTextOf(row, 'version'),
    capturedAt: timestampOf(row, 'captured_at'),
  };
}
