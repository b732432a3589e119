import { existsSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { numberOf, openBare, withBare, type Bare } from './bare.js';
import { checksumOf, type Script } from './scripts.js';

/** Everything that a workload's migrations make has a name that begins so. */
const ownNames = 'item*';

/** Tables and indexes as SQLite keeps their text, one line each. */
async function schemaOf(db: Bare): Promise<string> {
  const objects = await db.all(
    `SELECT type, name, sql FROM sqlite_schema WHERE name GLOB '${ownNames}' ORDER BY type, name`,
  );
  return objects.map(({ type, name, sql }) => [type, name, sql].join(' ')).join('\n');
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

/** A database that migrations made of nothing: made once in a run, as its folder for temporary files is its own. */
async function freshDatabase(scripts: readonly Script[]): Promise<string> {
  const path = join(tmpdir(), `fresh-${checksumOf(JSON.stringify(scripts))}.db`);
  if (existsSync(path)) return path;
  const statements = scripts.flatMap((script) => script.statements).join(';\n');
  await withBare(`${path}.unfinished`, (db) =>
    db.exec(`PRAGMA synchronous = OFF; BEGIN; ${statements}; COMMIT`),
  );
  await rename(`${path}.unfinished`, path);
  return path;
}

/** Opens a database, and one that its migrations made of nothing. */
async function besideFresh(
  database: string,
  scripts: readonly Script[],
  look: (db: Bare, fresh: Bare) => Promise<void>,
): Promise<void> {
  const db = await openBare(database, 'read-only');
  const fresh = await openBare(await freshDatabase(scripts), 'read-only');
  try {
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
