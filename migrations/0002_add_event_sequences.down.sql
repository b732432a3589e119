-- Forgets how many events there were.
DROP TABLE event_sequences;
