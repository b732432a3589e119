-- Memories no longer have the id of their message.
DROP INDEX idx_agent_memory_message_id;
ALTER TABLE agent_memory DROP COLUMN message_id;
