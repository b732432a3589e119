-- A file of version 7.
-- Events and counters are there; those of worlds are numbered wrongly.

UPDATE events
SET seq = numbered.seq
FROM (
  SELECT rowid AS event, row_number() OVER (PARTITION BY world_id ORDER BY created_at, rowid) AS seq
  FROM events
  WHERE chat_id IS NULL
) AS numbered
WHERE events.rowid = numbered.event;

DELETE FROM event_sequences WHERE chat_id IS NULL;

INSERT INTO event_sequences (world_id, chat_id, last_seq)
SELECT world_id, NULL, max(seq) FROM events WHERE chat_id IS NULL GROUP BY world_id;

PRAGMA user_version = 11;
