import { defineMigration, type Migration } from 'sqlite-upgrade-bridge';

import { embed } from './embedding.js';

/** 001: the notes themselves. */
export const initialSchema = defineMigration({
  version: 1,
  name: 'initial_schema',
  checksum: 'initial schema, 1',
  async up(db) {
    await db.executeScript(`
      CREATE TABLE documents (
        id INTEGER PRIMARY KEY,
        title TEXT NOT NULL,
        body TEXT NOT NULL DEFAULT '',
        created_at TEXT NOT NULL
      )`);
  },
  async down(db) {
    await db.execute('DROP TABLE documents');
  },
  downDrops: ['documents'],
});

/** 002: what the list of notes is sorted and searched by. */
export const indexes = defineMigration({
  version: 2,
  name: 'indexes',
  checksum: 'indexes, 1',
  async up(db) {
    await db.executeScript(`
      CREATE INDEX documents_by_title ON documents (title COLLATE NOCASE);
      CREATE INDEX documents_by_time ON documents (created_at DESC)`);
  },
  async down(db) {
    await db.executeScript('DROP INDEX documents_by_title; DROP INDEX documents_by_time');
  },
  downDrops: ['documents_by_title', 'documents_by_time'],
});

/** 003: what a note is about, as a vector that only code can tell; for the notes that are there, too. */
export const vectorSupport = defineMigration({
  version: 3,
  name: 'vector_support',
  checksum: 'vector support, 1',
  async up(db) {
    await db.executeScript(`
      CREATE TABLE embeddings (
        document_id INTEGER PRIMARY KEY REFERENCES documents (id) ON DELETE CASCADE,
        vector BLOB NOT NULL
      )`);
    for (const { id, title, body } of await db.query('SELECT id, title, body FROM documents'))
      await db.execute('INSERT INTO embeddings (document_id, vector) VALUES (?, ?)', [
        id ?? null,
        embed(`${String(title)} ${String(body)}`),
      ]);
  },
  async down(db) {
    await db.execute('DROP TABLE embeddings');
  },
  downDrops: ['embeddings'],
});

export const migrations: readonly Migration[] = [initialSchema, indexes, vectorSupport];
