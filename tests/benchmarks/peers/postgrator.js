import { join } from 'node:path';

import Postgrator from 'postgrator';

import { open } from './bare.js';
import { numberOf, textOf } from './files.js';

/** postgrator on sqlite3: reads and hashes every file and compares with a query each; no transactions of its own. */
export default {
  // A row of version 0 stands for the table itself.
  history: 'SELECT count(*) FROM schemaversion WHERE version > 0',

  files: (scripts) =>
    new Map(scripts.map((script) => [`${numberOf(script)}.do.${script.name}.sql`, textOf(script)])),

  async prepare({ folder, pragmas }) {
    return async (path) => {
      const db = await open(path, pragmas);
      const postgrator = new Postgrator({
        migrationPattern: join(folder, '*.sql'),
        driver: 'sqlite3',
        execQuery: async (query) => ({ rows: await db.all(query) }),
        execSqlScript: (script) => db.exec(script),
      });
      await postgrator.migrate();
      await db.close();
    };
  },
};
