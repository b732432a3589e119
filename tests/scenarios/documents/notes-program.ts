import {
  MigrationRunner,
  openConnection,
  verifyDatabase,
  type DatabaseBridge,
  type MigrationList,
  type UpgradeReport,
} from 'sqlite-upgrade-bridge';

import { embed, likeness } from './embedding.js';
import { migrations as ownMigrations } from './migrations.js';

export interface Note {
  readonly title: string;
  readonly body: string;
}

/** Notes to show the program with. */
const demoNotes: readonly Note[] = [
  { title: 'Apple cake', body: 'Six apples, flour, butter, sugar and an hour.' },
  { title: 'Harbour', body: 'The ferry leaves at seven from the old harbour.' },
  { title: 'Apple trees', body: 'Cut the apple trees in February.' },
];

/** A private notes program: its database is upgraded before anything else, and held against the migrations afterwards. */
export class NotesProgram {
  private constructor(
    private readonly db: DatabaseBridge,
    /** What opening did. */
    readonly upgrade: UpgradeReport,
  ) {}

  static async open(database: string, migrations: MigrationList = ownMigrations): Promise<NotesProgram> {
    const upgrade = await new MigrationRunner(database, { adopt: true }).runMigrations(migrations);
    const { ok } = await verifyDatabase(database, { migrations });
    if (!ok) throw new Error('The notes are not as the program needs them.');
    const db = await openConnection(database, { mode: 'read-write' });
    await db.executeScript('PRAGMA foreign_keys = ON');
    return new NotesProgram(db, upgrade);
  }

  async add({ title, body }: Note): Promise<number> {
    const { lastInsertRowid } = await this.db.execute(
      "INSERT INTO documents (title, body, created_at) VALUES (?, ?, datetime('now'))",
      [title, body],
    );
    await this.db.execute('INSERT INTO embeddings (document_id, vector) VALUES (?, ?)', [
      lastInsertRowid,
      embed(`${title} ${body}`),
    ]);
    return lastInsertRowid;
  }

  /** The titles of the notes that are nearest to a text, the nearest first. */
  async search(text: string): Promise<string[]> {
    const wanted = embed(text);
    const rows = await this.db.query(
      'SELECT title, vector FROM documents JOIN embeddings ON document_id = documents.id',
    );
    return rows
      .map(({ title, vector }) => ({
        title: String(title),
        near: vector instanceof Uint8Array ? likeness(wanted, vector) : 0,
      }))
      .sort((one, other) => other.near - one.near)
      .map(({ title }) => title);
  }

  /** Fills an empty program with notes, and leaves one that has notes alone. */
  async seedDemo(): Promise<number> {
    const [row] = await this.db.query('SELECT count(*) AS notes FROM documents');
    if (row?.notes !== 0) return 0;
    for (const note of demoNotes) await this.add(note);
    return demoNotes.length;
  }

  close(): Promise<void> {
    return this.db.close();
  }
}
