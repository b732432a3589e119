-- Memories no longer say which chat they come from.
DROP INDEX idx_agent_memory_chat_id;
ALTER TABLE agent_memory DROP COLUMN chat_id;
