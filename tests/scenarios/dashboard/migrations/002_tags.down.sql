-- migration: drops tags
DROP TABLE tags;
