-- Worlds no longer choose the provider and the model of their chats.
ALTER TABLE worlds DROP COLUMN chat_llm_model;
ALTER TABLE worlds DROP COLUMN chat_llm_provider;
