CREATE TABLE conversation_agents (
  conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
  agent TEXT NOT NULL,
  PRIMARY KEY (conversation_id, agent)
);
