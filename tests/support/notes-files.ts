/** Migrations of a small program, each with its way back. What the third makes, its down file does not declare as lost. */
export const notesFiles = {
  '001_notes.sql':
    '-- Keeps notes.\n-- migration: release 1.0.0\nCREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT);\n',
  '001_notes.down.sql': '-- migration: drops notes\nDROP TABLE notes;\n',
  '002_pins.sql':
    '-- Lets a note stay at the top.\n-- migration: release 1.1.0\nALTER TABLE notes ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;\n',
  '002_pins.down.sql': '-- migration: drops notes.pinned\nALTER TABLE notes DROP COLUMN pinned;\n',
  '003_tags.sql':
    '-- Gives notes tags.\n-- migration: release 1.2.0\nCREATE TABLE tags (note INTEGER, tag TEXT);\n',
  '003_tags.down.sql': 'DROP TABLE tags;\n',
} as const;

/** Rows that the program may have written at its newest version. */
export const notesRows =
  "INSERT INTO notes (text) VALUES ('one'), ('two'); INSERT INTO tags VALUES (1, 'a'), (1, 'b'), (2, 'c');";
