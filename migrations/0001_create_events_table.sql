-- Keeps what happens in a world, or in one of its chats, as a list of events.

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
