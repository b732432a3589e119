import { promises as fs } from 'node:fs';
import path from 'node:path';

import { FileMigrationProvider, Kysely, Migrator, SqliteDialect } from 'kysely';

import Database from './better-sqlite3.js';
import { numberOf } from './files.js';

/** Kysely on better-sqlite3: keeps names and times; loads every module at each start; all in one transaction. */
export default {
  history: 'SELECT count(*) FROM kysely_migration',

  files: (scripts) =>
    new Map(
      scripts.map((script) => [
        `${numberOf(script)}_${script.name}.mjs`,
        `export async function up(db) {\n${script.statements
          .map((statement) => `  await db.executeQuery(query(${JSON.stringify(statement)}));\n`)
          .join('')}}\nconst query = (sql) => ({ sql, parameters: [], query: { kind: 'RawNode' } });\n`,
      ]),
    ),

  async prepare({ folder, pragmas }) {
    return async (file) => {
      const database = new Database(file);
      database.exec(pragmas);
      const db = new Kysely({ dialect: new SqliteDialect({ database }) });
      const provider = new FileMigrationProvider({ fs, path, migrationFolder: folder });
      const { error } = await new Migrator({ db, provider }).migrateToLatest();
      if (error !== undefined) throw error;
      await db.destroy();
    };
  },
};
