-- A file of version 1.
-- There are no events yet to be numbered.

CREATE TABLE events (
  id TEXT PRIMARY KEY,
  world_id TEXT NOT NULL,
  chat_id TEXT,
  seq INTEGER,
  type TEXT NOT NULL,
  payload TEXT NOT NULL,
  meta TEXT,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  FOREIGN KEY (world_id) REFERENCES worlds(id) ON DELETE CASCADE,
  FOREIGN KEY (chat_id) REFERENCES world_chats(id) ON DELETE CASCADE
);

CREATE INDEX idx_events_world_chat_time ON events(world_id, chat_id, created_at);
CREATE INDEX idx_events_world_chat_seq ON events(world_id, chat_id, seq);
CREATE INDEX idx_events_type ON events(type);
CREATE INDEX idx_events_world_id ON events(world_id);

CREATE TABLE event_sequences (
  world_id TEXT NOT NULL,
  chat_id TEXT,
  last_seq INTEGER DEFAULT 0,
  PRIMARY KEY (world_id, chat_id)
);

CREATE INDEX idx_event_sequences_world ON event_sequences(world_id);

ALTER TABLE agent_memory ADD COLUMN chat_id TEXT;

CREATE INDEX idx_agent_memory_chat_id ON agent_memory(chat_id);

ALTER TABLE worlds ADD COLUMN chat_llm_provider TEXT;
ALTER TABLE worlds ADD COLUMN chat_llm_model TEXT;

ALTER TABLE agent_memory ADD COLUMN message_id TEXT;

CREATE INDEX idx_agent_memory_message_id ON agent_memory(message_id);

ALTER TABLE agent_memory ADD COLUMN reply_to_message_id TEXT;

CREATE INDEX idx_agent_memory_reply_to_message_id ON agent_memory(reply_to_message_id);

ALTER TABLE worlds ADD COLUMN current_chat_id TEXT;

ALTER TABLE worlds ADD COLUMN mcp_config TEXT;

CREATE TABLE world_chats (
  id TEXT PRIMARY KEY,
  world_id TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT,
  message_count INTEGER DEFAULT 0,
  tags TEXT,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  FOREIGN KEY (world_id) REFERENCES worlds(id) ON DELETE CASCADE
);

CREATE TABLE chat_snapshots (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  chat_id TEXT NOT NULL,
  world_id TEXT NOT NULL,
  snapshot_data TEXT NOT NULL,
  captured_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  version TEXT DEFAULT '1.0',
  FOREIGN KEY (chat_id) REFERENCES world_chats(id) ON DELETE CASCADE,
  FOREIGN KEY (world_id) REFERENCES worlds(id) ON DELETE CASCADE
);

CREATE INDEX idx_world_chats_world_id ON world_chats(world_id);
CREATE INDEX idx_world_chats_created_at ON world_chats(created_at);
CREATE INDEX idx_world_chats_updated_at ON world_chats(updated_at);
CREATE INDEX idx_chat_snapshots_chat_id ON chat_snapshots(chat_id);
CREATE INDEX idx_chat_snapshots_world_id ON chat_snapshots(world_id);

CREATE TRIGGER world_chats_updated_at AFTER UPDATE ON world_chats
BEGIN
  UPDATE world_chats SET updated_at = CURRENT_TIMESTAMP WHERE id = NEW.id;
END;

PRAGMA user_version = 11;
