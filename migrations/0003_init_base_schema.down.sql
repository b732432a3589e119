-- Takes the worlds away with all that belongs to them, as deleting each of them would.

-- Events of worlds that were gone before stay.
DELETE FROM events WHERE world_id IN (SELECT id FROM worlds);

DROP TABLE archived_messages;
DROP TABLE memory_archives;
DROP TABLE archive_statistics;
DROP TABLE agent_memory;
DROP TABLE agents;
DROP TABLE worlds;
