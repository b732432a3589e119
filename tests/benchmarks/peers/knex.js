import knex from 'knex';
// What it loads with its first database.
import 'knex/lib/dialects/sqlite3/index.js';

import { numberOf } from './files.js';

/** knex on sqlite3: keeps names; loads the modules of what is pending; a lock table; a transaction a file. */
export default {
  history: 'SELECT count(*) FROM knex_migrations',

  files: (scripts) =>
    new Map([
      ['package.json', '{ "type": "commonjs" }\n'],
      ...scripts.map((script) => [
        `${numberOf(script)}_${script.name}.js`,
        `exports.up = async (knex) => {\n${script.statements
          .map((statement) => `  await knex.raw(${JSON.stringify(statement)});\n`)
          .join('')}};\nexports.down = async () => {};\n`,
      ]),
    ]),

  async prepare({ folder, pragmas }) {
    return async (path) => {
      const database = knex({
        client: 'sqlite3',
        connection: { filename: path },
        useNullAsDefault: true,
        pool: {
          min: 1,
          max: 1,
          afterCreate(connection, done) {
            connection.exec(pragmas, (error) => done(error, connection));
          },
        },
      });
      await database.migrate.latest({ directory: folder, loadExtensions: ['.js'] });
      await database.destroy();
    };
  },
};
