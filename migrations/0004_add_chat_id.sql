-- Lets a memory say which chat it comes from.

ALTER TABLE agent_memory ADD COLUMN chat_id TEXT;

CREATE INDEX idx_agent_memory_chat_id ON agent_memory(chat_id);
