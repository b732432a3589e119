-- Projects, their repositories, milestones and tasks.
-- migration: release 1.0.0
CREATE TABLE projects (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);

CREATE TABLE repositories (
  id INTEGER PRIMARY KEY,
  project_id INTEGER NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
  url TEXT NOT NULL UNIQUE
);

CREATE TABLE milestones (
  id INTEGER PRIMARY KEY,
  project_id INTEGER NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
  title TEXT NOT NULL,
  total_tasks INTEGER NOT NULL DEFAULT 0,
  completed_tasks INTEGER NOT NULL DEFAULT 0,
  completion_percentage REAL GENERATED ALWAYS AS (
    CASE total_tasks WHEN 0 THEN 0.0 ELSE 100.0 * completed_tasks / total_tasks END
  ) VIRTUAL
);

CREATE TABLE tasks (
  id INTEGER PRIMARY KEY,
  project_id INTEGER NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
  milestone_id INTEGER REFERENCES milestones (id) ON DELETE SET NULL,
  title TEXT,
  status TEXT NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'in_progress', 'done', 'cancelled')),
  priority_score INTEGER NOT NULL DEFAULT 0 CHECK (priority_score BETWEEN 0 AND 10000),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);

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
  -- Later than it was made, also where the clock stands still.
  UPDATE tasks
  SET updated_at = max(
    strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
    strftime('%Y-%m-%dT%H:%M:%fZ', created_at, '+0.001 seconds')
  )
  WHERE id = new.id;
END;
