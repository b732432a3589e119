-- migration: drops idx_tags_tag
DROP INDEX idx_tags_tag;
