-- Worlds no longer remember which chat is open.
ALTER TABLE worlds DROP COLUMN current_chat_id;
