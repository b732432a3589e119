import { drizzle } from 'drizzle-orm/better-sqlite3';
import { migrate } from 'drizzle-orm/better-sqlite3/migrator';

import Database from './better-sqlite3.js';

const tag = ({ version, name }) => `${String(version).padStart(4, '0')}_${name}`;

/** drizzle-orm on better-sqlite3: reads and hashes every file, applies all in one transaction, blocks the event loop. */
export default {
  history: 'SELECT count(*) FROM __drizzle_migrations',

  files(scripts) {
    const entries = scripts.map((script, idx) => ({
      idx,
      version: '6',
      when: 1_767_225_600_000 + script.version * 1_000,
      tag: tag(script),
      breakpoints: true,
    }));
    return new Map([
      ['meta/_journal.json', JSON.stringify({ version: '7', dialect: 'sqlite', entries })],
      ...scripts.map((script) => [
        `${tag(script)}.sql`,
        script.statements.join(';\n--> statement-breakpoint\n') + ';\n',
      ]),
    ]);
  },

  async prepare({ folder, pragmas }) {
    return async (path) => {
      const database = new Database(path);
      database.exec(pragmas);
      migrate(drizzle(database), { migrationsFolder: folder });
      database.close();
    };
  },
};
