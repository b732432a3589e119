import { open } from 'sqlite';
import sqlite3 from 'sqlite3';

import { numberOf, textOf } from './files.js';

/** kriasoft's sqlite on sqlite3: reads every file, keeps the texts, compares nothing; a transaction a file. */
export default {
  history: 'SELECT count(*) FROM migrations',

  files: (scripts) =>
    new Map(
      scripts.map((script) => [
        `${numberOf(script)}-${script.name}.sql`,
        `-- Up\n${textOf(script)}\n-- Down\nSELECT 1;\n`,
      ]),
    ),

  async prepare({ folder, pragmas }) {
    return async (filename) => {
      const db = await open({ filename, driver: sqlite3.Database });
      await db.exec(pragmas);
      await db.migrate({ migrationsPath: folder });
      await db.close();
    };
  },
};
