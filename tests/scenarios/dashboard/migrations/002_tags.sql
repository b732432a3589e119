-- Words that tasks are found by.
-- migration: release 1.1.0
CREATE TABLE tags (
  task_id INTEGER NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
  tag TEXT NOT NULL CHECK (tag <> ''),
  PRIMARY KEY (task_id, tag)
) WITHOUT ROWID;
