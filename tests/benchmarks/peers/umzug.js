import { readFile } from 'node:fs/promises';

import { Umzug } from 'umzug';

import { open } from './bare.js';
import { numberOf, textOf } from './files.js';

/** A storage of names, the least that umzug asks for. */
const storage = {
  async logMigration({ name, context }) {
    await context.run('INSERT INTO umzug (name) VALUES (?)', [name]);
  },
  async unlogMigration({ name, context }) {
    await context.run('DELETE FROM umzug WHERE name = ?', [name]);
  },
  async executed({ context }) {
    const [table] = await context.all("SELECT 1 FROM sqlite_schema WHERE name = 'umzug'");
    if (table === undefined) await context.exec('CREATE TABLE umzug (name TEXT PRIMARY KEY)');
    return (await context.all('SELECT name FROM umzug ORDER BY name')).map(({ name }) => name);
  },
};

/** umzug on sqlite3: keeps names, no checksums, no times; the file's SQL in a transaction, its name after it. */
export default {
  history: 'SELECT count(*) FROM umzug',

  files: (scripts) =>
    new Map(scripts.map((script) => [`${numberOf(script)}_${script.name}.sql`, textOf(script)])),

  async prepare({ folder, pragmas }) {
    return async (path) => {
      const db = await open(path, pragmas);
      const umzug = new Umzug({
        migrations: {
          glob: ['*.sql', { cwd: folder }],
          resolve: ({ name, path: file, context }) => ({
            name,
            up: async () => context.exec(`BEGIN;\n${await readFile(file, 'utf8')}\nCOMMIT;`),
          }),
        },
        context: db,
        storage,
        logger: undefined,
      });
      await umzug.up();
      await db.close();
    };
  },
};
