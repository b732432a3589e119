-- Counts the events of each chat, and those of each world that belong to no chat.

CREATE TABLE event_sequences (
  world_id TEXT NOT NULL,
  chat_id TEXT,
  last_seq INTEGER DEFAULT 0,
  PRIMARY KEY (world_id, chat_id)
);

CREATE INDEX idx_event_sequences_world ON event_sequences(world_id);
