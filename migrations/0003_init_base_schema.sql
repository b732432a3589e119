-- Creates worlds, their agents, what the agents remember, and the archives of it.

CREATE TABLE worlds (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  description TEXT,
  turn_limit INTEGER NOT NULL DEFAULT 5,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE agents (
  id TEXT NOT NULL,
  world_id TEXT NOT NULL,
  name TEXT NOT NULL,
  type TEXT NOT NULL,
  status TEXT DEFAULT 'inactive',
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  system_prompt TEXT,
  temperature REAL,
  max_tokens INTEGER,
  llm_call_count INTEGER DEFAULT 0,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  last_active TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  last_llm_call TIMESTAMP,
  PRIMARY KEY (id, world_id),
  FOREIGN KEY (world_id) REFERENCES worlds(id) ON DELETE CASCADE
);

CREATE TABLE agent_memory (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  agent_id TEXT NOT NULL,
  world_id TEXT NOT NULL,
  role TEXT NOT NULL CHECK (role IN ('system', 'user', 'assistant')),
  content TEXT NOT NULL,
  sender TEXT,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  FOREIGN KEY (agent_id, world_id) REFERENCES agents(id, world_id) ON DELETE CASCADE
);

CREATE TABLE memory_archives (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  agent_id TEXT NOT NULL,
  world_id TEXT NOT NULL,
  session_name TEXT,
  archive_reason TEXT,
  message_count INTEGER NOT NULL DEFAULT 0,
  start_time TIMESTAMP,
  end_time TIMESTAMP,
  participants TEXT,
  tags TEXT,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  FOREIGN KEY (agent_id, world_id) REFERENCES agents(id, world_id) ON DELETE CASCADE
);

CREATE TABLE archived_messages (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  archive_id INTEGER NOT NULL,
  role TEXT NOT NULL CHECK (role IN ('system', 'user', 'assistant')),
  content TEXT NOT NULL,
  sender TEXT,
  original_created_at TIMESTAMP,
  archived_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  FOREIGN KEY (archive_id) REFERENCES memory_archives(id) ON DELETE CASCADE
);

CREATE TABLE archive_statistics (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  world_id TEXT NOT NULL,
  agent_id TEXT,
  stat_type TEXT NOT NULL,
  stat_date DATE NOT NULL,
  archive_count INTEGER DEFAULT 0,
  message_count INTEGER DEFAULT 0,
  session_length_avg REAL DEFAULT 0,
  most_active_agent TEXT,
  data TEXT,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  FOREIGN KEY (world_id) REFERENCES worlds(id) ON DELETE CASCADE
);

CREATE INDEX idx_agents_world_id ON agents(world_id);
CREATE INDEX idx_agents_status ON agents(status);
CREATE INDEX idx_agents_last_active ON agents(last_active);
CREATE INDEX idx_agent_memory_agent_world ON agent_memory(agent_id, world_id);
CREATE INDEX idx_agent_memory_created_at ON agent_memory(created_at);
CREATE INDEX idx_agent_memory_sender ON agent_memory(sender);
CREATE INDEX idx_memory_archives_agent_world ON memory_archives(agent_id, world_id);
CREATE INDEX idx_memory_archives_created_at ON memory_archives(created_at);
CREATE INDEX idx_memory_archives_session_name ON memory_archives(session_name);
CREATE INDEX idx_archived_messages_archive_id ON archived_messages(archive_id);
CREATE INDEX idx_archived_messages_content ON archived_messages(content);
CREATE INDEX idx_archived_messages_sender ON archived_messages(sender);
CREATE INDEX idx_archive_statistics_world_date ON archive_statistics(world_id, stat_date);
CREATE INDEX idx_archive_statistics_type ON archive_statistics(stat_type);

CREATE TRIGGER worlds_updated_at AFTER UPDATE ON worlds
BEGIN
  UPDATE worlds SET updated_at = CURRENT_TIMESTAMP WHERE id = NEW.id;
END;

CREATE TRIGGER agents_last_active AFTER UPDATE ON agents
BEGIN
  UPDATE agents SET last_active = CURRENT_TIMESTAMP WHERE id = NEW.id AND world_id = NEW.world_id;
END;

CREATE TRIGGER archive_statistics_updated_at AFTER UPDATE ON archive_statistics
BEGIN
  UPDATE archive_statistics SET updated_at = CURRENT_TIMESTAMP WHERE id = NEW.id;
END;
