-- Numbers the events that have a wrong number or none, and leaves one right counter for each chat and each world.
-- migration: allow-loss event_sequences

-- The events of a world that belong to no chat: 1..n. They all carried 1, because their counter was never found again.
UPDATE events
SET seq = numbered.seq
FROM (
  SELECT
    rowid AS event,
    row_number() OVER (PARTITION BY world_id ORDER BY created_at, rowid) AS seq
  FROM events
  WHERE chat_id IS NULL
) AS numbered
WHERE events.rowid = numbered.event AND events.seq IS NOT numbered.seq;

-- The events of a chat that have no number follow after its highest. Only an integer is a number, and where the
-- integers of 64 bits end there is no next one: such an event stays without.
UPDATE events
SET seq = chat_event.highest + chat_event.place
FROM (
  SELECT
    rowid AS event,
    seq,
    coalesce(max(CASE WHEN typeof(seq) = 'integer' THEN seq END) OVER chat, 0) AS highest,
    row_number() OVER (chat ORDER BY seq IS NOT NULL, created_at, rowid) AS place
  FROM events
  WHERE chat_id IS NOT NULL
  WINDOW chat AS (PARTITION BY world_id, chat_id)
) AS chat_event
WHERE events.rowid = chat_event.event
  AND chat_event.seq IS NULL
  AND chat_event.highest <= 9223372036854775807 - chat_event.place;

-- A world needs one counter for the events that belong to no chat, not one for each of them.
DELETE FROM event_sequences
WHERE chat_id IS NULL
  AND rowid NOT IN (SELECT min(rowid) FROM event_sequences WHERE chat_id IS NULL GROUP BY world_id);

-- A counter is the highest number that was given. That of a chat may be ahead of its events, where the last of them
-- are gone. That of a world never was right and counts for nothing.
WITH counters AS MATERIALIZED (
  SELECT
    rowid AS counter,
    CASE WHEN chat_id IS NOT NULL AND typeof(last_seq) = 'integer' THEN last_seq END AS old,
    (
      SELECT max(events.seq)
      FROM events
      WHERE events.world_id = event_sequences.world_id
        AND events.chat_id IS event_sequences.chat_id
        AND typeof(events.seq) = 'integer'
    ) AS highest
  FROM event_sequences
),
counted AS (
  SELECT counter, coalesce(max(old, highest), old, highest, 0) AS last_seq
  FROM counters
)
UPDATE event_sequences
SET last_seq = counted.last_seq
FROM counted
WHERE event_sequences.rowid = counted.counter AND event_sequences.last_seq IS NOT counted.last_seq;

INSERT INTO event_sequences (world_id, chat_id, last_seq)
SELECT world_id, chat_id, coalesce(max(CASE WHEN typeof(seq) = 'integer' THEN seq END), 0)
FROM events
GROUP BY world_id, chat_id
HAVING NOT EXISTS (
  SELECT 1
  FROM event_sequences AS counter
  WHERE counter.world_id = events.world_id AND counter.chat_id IS events.chat_id
);

-- Proves that all of this was done: a trigger of the database's own can keep rows from being changed without a word.
-- A row here is a world in which a number or a counter is not as it was set above, and no row may stand here.
CREATE TABLE events_not_numbered (
  world_id TEXT CONSTRAINT every_event_is_numbered CHECK (FALSE)
);

INSERT INTO events_not_numbered (world_id)
SELECT world_id
FROM (
  SELECT
    world_id,
    chat_id,
    count(*) AS events,
    count(DISTINCT seq) AS numbers,
    count(*) - count(seq) AS unnumbered,
    min(seq) AS lowest,
    coalesce(max(CASE WHEN typeof(seq) = 'integer' THEN seq END), 0) AS highest
  FROM events
  GROUP BY world_id, chat_id
) AS numbered
WHERE (chat_id IS NULL AND (numbers <> events OR lowest <> 1 OR highest <> events))
  OR (chat_id IS NOT NULL AND unnumbered > 0 AND highest < 9223372036854775807)
  OR NOT EXISTS (
    SELECT 1
    FROM event_sequences AS counter
    WHERE counter.world_id = numbered.world_id
      AND counter.chat_id IS numbered.chat_id
      AND typeof(counter.last_seq) = 'integer'
      AND counter.last_seq >= highest
      AND (counter.chat_id IS NOT NULL OR counter.last_seq = highest)
  );

DROP TABLE events_not_numbered;
