-- Gives a world chats, and a chat snapshots.

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
