-- Takes the chats away with all that belongs to them, as deleting each of them would.

-- Events of chats that were gone before stay, and so do the counters: an id that comes back goes on where it was.
DELETE FROM events WHERE chat_id IN (SELECT id FROM world_chats);

DROP TABLE chat_snapshots;
DROP TABLE world_chats;
