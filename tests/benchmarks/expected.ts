import { numberOf, openBare, type Bare } from './bare.js';
import type { Script } from './scripts.js';

/** Everything that a workload's migrations make has a name that begins so. */
const ownNames = 'item*';

/** Tables with their columns, and indexes, one line each. */
async function schemaOf(db: Bare): Promise<string> {
  const objects = await db.all(
    `SELECT m.type, m.name, group_concat(c.name || ' ' || c.type || ' ' || c."notnull", ', ') AS columns
     FROM sqlite_schema AS m LEFT JOIN pragma_table_info(m.name) AS c
     WHERE m.name GLOB '${ownNames}' GROUP BY m.type, m.name ORDER BY m.type, m.name`,
  );
  return objects.map(({ type, name, columns }) => [type, name, columns].join(' ')).join('\n');
}

/** How many rows each table has, one line each. */
async function rowsOf(db: Bare): Promise<string> {
  const tables = await db.all(
    `SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB '${ownNames}' ORDER BY name`,
  );
  const lines: string[] = [];
  for (const { name } of tables)
    lines.push(`${String(name)} ${await numberOf(db, `SELECT count(*) FROM "${String(name)}"`)}`);
  return lines.join('\n');
}

/** Opens a database, and one in memory that its migrations made. */
async function besideFresh(
  database: string,
  scripts: readonly Script[],
  look: (db: Bare, fresh: Bare) => Promise<void>,
): Promise<void> {
  const db = await openBare(database, 'read-only');
  const fresh = await openBare(':memory:');
  try {
    await fresh.exec(`BEGIN; ${scripts.flatMap(({ statements }) => statements).join(';\n')}; COMMIT`);
    await look(db, fresh);
  } finally {
    await db.close();
    await fresh.close();
  }
}

/**
 * Makes sure that a database remembers each migration once.
 *
 * @param history a query of how many it remembers
 */
export async function verifyHistory(db: Bare, scripts: readonly Script[], history: string): Promise<void> {
  const remembered = await numberOf(db, history);
  if (remembered !== scripts.length)
    throw new Error(`the history holds ${remembered} migrations, and there are ${scripts.length}`);
}

async function holdSchema(db: Bare, fresh: Bare): Promise<void> {
  if ((await schemaOf(db)) !== (await schemaOf(fresh)))
    throw new Error('the schema is not what the migrations make');
}

/**
 * Holds the schema and the history of a database against what its migrations make of an empty one.
 *
 * @throws Error when they are not the same
 */
export function verifySchema(database: string, scripts: readonly Script[], history: string): Promise<void> {
  return besideFresh(database, scripts, async (db, fresh) => {
    await holdSchema(db, fresh);
    await verifyHistory(db, scripts, history);
  });
}

/**
 * The same, and the number of rows in each table.
 *
 * @throws Error when they are not the same
 */
export function verifyContent(database: string, scripts: readonly Script[], history: string): Promise<void> {
  return besideFresh(database, scripts, async (db, fresh) => {
    await holdSchema(db, fresh);
    await verifyHistory(db, scripts, history);
    if ((await rowsOf(db)) !== (await rowsOf(fresh)))
      throw new Error('the rows are not what the migrations make');
  });
}
