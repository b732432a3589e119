-- Forgets what happened.
DROP TABLE events;
