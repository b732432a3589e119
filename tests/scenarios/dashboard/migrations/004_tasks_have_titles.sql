-- A task without a title is called so, and no new one may be without.
-- migration: release 1.2.0
CREATE TABLE new_tasks (
  id INTEGER PRIMARY KEY,
  project_id INTEGER NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
  milestone_id INTEGER REFERENCES milestones (id) ON DELETE SET NULL,
  title TEXT NOT NULL,
  status TEXT NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'in_progress', 'done', 'cancelled')),
  priority_score INTEGER NOT NULL DEFAULT 0 CHECK (priority_score BETWEEN 0 AND 10000),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);

INSERT INTO new_tasks (id, project_id, milestone_id, title, status, priority_score, created_at, updated_at)
SELECT id, project_id, milestone_id, coalesce(title, 'untitled'), status, priority_score, created_at, updated_at
FROM tasks;

DROP TABLE tasks;
ALTER TABLE new_tasks RENAME TO tasks;

CREATE INDEX idx_tasks_priority_queue ON tasks (project_id, priority_score DESC)
  WHERE status IN ('open', 'in_progress');

CREATE TRIGGER tasks_count_added AFTER INSERT ON tasks
BEGIN
  UPDATE milestones
  SET total_tasks = total_tasks + 1, completed_tasks = completed_tasks + (new.status = 'done')
  WHERE id = new.milestone_id;
END;

CREATE TRIGGER tasks_count_removed AFTER DELETE ON tasks
BEGIN
  UPDATE milestones
  SET total_tasks = total_tasks - 1, completed_tasks = completed_tasks - (old.status = 'done')
  WHERE id = old.milestone_id;
END;

CREATE TRIGGER tasks_count_changed AFTER UPDATE OF milestone_id, status ON tasks
BEGIN
  UPDATE milestones
  SET total_tasks = total_tasks - 1, completed_tasks = completed_tasks - (old.status = 'done')
  WHERE id = old.milestone_id;
  UPDATE milestones
  SET total_tasks = total_tasks + 1, completed_tasks = completed_tasks + (new.status = 'done')
  WHERE id = new.milestone_id;
END;

CREATE TRIGGER tasks_touched AFTER UPDATE OF title, status, priority_score, milestone_id ON tasks
BEGIN
  UPDATE tasks
  SET updated_at = max(
    strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
    strftime('%Y-%m-%dT%H:%M:%fZ', created_at, '+0.001 seconds')
  )
  WHERE id = new.id;
END;
