-- Lets a world choose the provider and the model that its chats use.

ALTER TABLE worlds ADD COLUMN chat_llm_provider TEXT;
ALTER TABLE worlds ADD COLUMN chat_llm_model TEXT;
