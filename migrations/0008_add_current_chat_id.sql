-- Lets a world remember which chat is open.

ALTER TABLE worlds ADD COLUMN current_chat_id TEXT;
