-- check: the tables are there
-- expect: value 5
SELECT count(*) FROM sqlite_schema
WHERE type = 'table' AND name IN ('projects', 'repositories', 'milestones', 'tasks', 'tags');

-- check: foreign keys act
-- expect: fails FOREIGN KEY constraint failed
INSERT INTO repositories (project_id, url) VALUES (-1, 'https://example.org/nowhere');

-- check: no key is broken
-- expect: no rows
SELECT * FROM pragma_foreign_key_check;

-- check: a status is one of four
-- expect: fails CHECK constraint failed
INSERT INTO projects (id, name) VALUES (-1, 'a check');
INSERT INTO tasks (project_id, title, status) VALUES (-1, 'a', 'finished');

-- check: a priority is 10000 at most
-- expect: fails CHECK constraint failed
INSERT INTO projects (id, name) VALUES (-1, 'a check');
INSERT INTO tasks (project_id, title, priority_score) VALUES (-1, 'a', 10001);

-- check: a task has a title
-- expect: fails NOT NULL constraint failed
INSERT INTO projects (id, name) VALUES (-1, 'a check');
INSERT INTO tasks (project_id) VALUES (-1);

-- check: milestones count their tasks
-- expect: value '3 1 33'
INSERT INTO projects (id, name) VALUES (-1, 'a check');
INSERT INTO milestones (id, project_id, title) VALUES (-1, -1, 'first');
INSERT INTO tasks (id, project_id, milestone_id, title) VALUES (-1, -1, -1, 'a'), (-2, -1, -1, 'b'), (-3, -1, -1, 'c'), (-4, -1, -1, 'd');
UPDATE tasks SET status = 'done' WHERE id IN (-1, -2);
DELETE FROM tasks WHERE id = -2;
SELECT total_tasks || ' ' || completed_tasks || ' ' || CAST(completion_percentage AS INTEGER) FROM milestones WHERE id = -1;

-- check: a change shows in updated_at
-- expect: value 1
INSERT INTO projects (id, name) VALUES (-1, 'a check');
INSERT INTO tasks (id, project_id, title) VALUES (-1, -1, 'a');
UPDATE tasks SET priority_score = 5 WHERE id = -1;
SELECT updated_at > created_at FROM tasks WHERE id = -1;

-- check: the queue is read by its index
-- expect: uses index idx_tasks_priority_queue
SELECT id FROM tasks WHERE project_id = 1 AND status IN ('open', 'in_progress') ORDER BY priority_score DESC LIMIT 10;
