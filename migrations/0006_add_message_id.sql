-- Gives a memory the id of the message that it keeps.

ALTER TABLE agent_memory ADD COLUMN message_id TEXT;

CREATE INDEX idx_agent_memory_message_id ON agent_memory(message_id);
