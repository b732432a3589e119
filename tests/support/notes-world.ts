import type { LegacyVersions } from '../../core/storage/legacy-evidence.js';
import type { Migration } from '../../core/storage/migration.js';
import { migrationsOf } from './migration-values.js';

/**
 * The files of another project, which keeps notes: one that rebuilds a table, one that replaces a trigger, one that drops
 * a table, two that change data only.
 */
export const notesFiles: Readonly<Record<string, string>> = {
  '0001_create_notes.sql': `-- Creates notes and drafts.
CREATE TABLE notes (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  title TEXT,
  body TEXT NOT NULL DEFAULT '',
  changed_at TEXT
);
CREATE TABLE drafts (id INTEGER PRIMARY KEY, body TEXT);
CREATE INDEX notes_by_title ON notes (title);
CREATE TRIGGER notes_touch AFTER UPDATE OF body ON notes
BEGIN
  UPDATE notes SET changed_at = 'some time' WHERE id = NEW.id;
END;
CREATE VIEW note_titles AS SELECT title FROM notes;`,

  '0002_tag_notes.sql': `-- Lets a note have a tag.
ALTER TABLE notes ADD COLUMN tag TEXT;
CREATE INDEX notes_by_tag ON notes (tag);`,

  '0003_require_titles.sql': `-- Every note has a title that is not blank, and may belong to a folder.
CREATE TABLE folders (name TEXT PRIMARY KEY) WITHOUT ROWID;
DROP VIEW note_titles;
CREATE TABLE new_notes (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  title TEXT NOT NULL DEFAULT 'untitled' CHECK (title <> ''),
  body TEXT NOT NULL DEFAULT '',
  changed_at TEXT,
  tag TEXT,
  folder TEXT REFERENCES folders(name)
);
INSERT INTO new_notes (id, title, body, changed_at, tag)
  SELECT id, CASE WHEN title IS NULL OR title = '' THEN 'untitled' ELSE title END, body, changed_at, tag FROM notes;
DELETE FROM sqlite_sequence WHERE name = 'new_notes';
INSERT INTO sqlite_sequence (name, seq) SELECT 'new_notes', seq FROM sqlite_sequence WHERE name = 'notes';
DROP TABLE notes;
ALTER TABLE new_notes RENAME TO notes;
CREATE INDEX notes_by_title ON notes (title);
CREATE INDEX notes_by_tag ON notes (tag);
CREATE TRIGGER notes_touch AFTER UPDATE OF body ON notes
BEGIN
  UPDATE notes SET changed_at = 'some time' WHERE id = NEW.id;
END;
CREATE VIEW note_titles AS SELECT title FROM notes;`,

  '0004_touch_with_the_clock.sql': `-- Stamps a change with the time.
DROP TRIGGER notes_touch;
CREATE TRIGGER notes_touch AFTER UPDATE OF body ON notes
BEGIN
  UPDATE notes SET changed_at = CURRENT_TIMESTAMP WHERE id = NEW.id;
END;`,

  '0005_drop_drafts.sql': `-- Makes notes of the drafts that have something in them.
-- migration: drops drafts
INSERT INTO notes (title, body) SELECT 'draft ' || id, body FROM drafts WHERE body <> '';
DROP TABLE drafts;`,

  '0006_trim_titles.sql': `-- Takes the blanks off the titles.
UPDATE notes SET title = trim(title) WHERE title <> trim(title) AND trim(title) <> '';`,

  '0007_forget_empty_notes.sql': `-- Deletes notes that nobody ever wrote anything into.
-- migration: allow-loss notes
DELETE FROM notes WHERE title = 'untitled' AND body = '' AND tag IS NULL;`,
};

export const notesMigrations: readonly Migration[] = migrationsOf(notesFiles);

export const notesLegacyVersions: LegacyVersions = {
  1: [1],
  2: [1, 2],
  3: [1, 2, 3],
  4: [1, 2, 3, 4],
  5: [1, 2, 3, 4, 5],
};
