-- migration: drops tasks, milestones, repositories, projects
-- migration: drops idx_tasks_priority_queue, tasks_count_added, tasks_count_removed, tasks_count_changed, tasks_touched
DROP TABLE tasks;
DROP TABLE milestones;
DROP TABLE repositories;
DROP TABLE projects;
