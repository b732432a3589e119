-- Lets a memory name the message that it answers.

ALTER TABLE agent_memory ADD COLUMN reply_to_message_id TEXT;

CREATE INDEX idx_agent_memory_reply_to_message_id ON agent_memory(reply_to_message_id);
