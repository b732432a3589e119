-- All tasks of a tag.
-- migration: release 1.1.1
CREATE INDEX idx_tags_tag ON tags (tag, task_id);
