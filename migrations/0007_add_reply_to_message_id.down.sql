-- Memories no longer name the message that they answer.
DROP INDEX idx_agent_memory_reply_to_message_id;
ALTER TABLE agent_memory DROP COLUMN reply_to_message_id;
