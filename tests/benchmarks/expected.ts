import { openBare, type Bare } from './bare.js';
import type { Script } from './scripts.js';

/** Everything that a workload's migrations make has a name that begins so. */
const ownNames = 'item*';

/** What the migrations left: tables with their columns and rows, and indexes, one line each. */
async function contentOf(db: Bare): Promise<string> {
  const objects = await db.all(
    `SELECT m.type, m.name, group_concat(c.name || ' ' || c.type || ' ' || c."notnull", ', ') AS columns
     FROM sqlite_schema AS m LEFT JOIN pragma_table_info(m.name) AS c
     WHERE m.name GLOB '${ownNames}' GROUP BY m.type, m.name ORDER BY m.type, m.name`,
  );
  const lines: string[] = [];
  for (const { type, name, columns } of objects) {
    const rows = type === 'table' ? await db.all(`SELECT count(*) AS count FROM "${String(name)}"`) : [];
    lines.push([type, name, columns, rows[0]?.count].join(' '));
  }
  return lines.join('\n');
}

/**
 * Holds a database against what the migrations make of an empty one.
 *
 * @param history a query of how many migrations the database remembers
 * @throws Error when it is not the same, or not all are remembered
 */
export async function verifyContent(
  database: string,
  scripts: readonly Script[],
  history: string | undefined,
): Promise<void> {
  const db = await openBare(database, 'read-only');
  const fresh = await openBare(':memory:');
  try {
    await fresh.exec(`BEGIN; ${scripts.flatMap(({ statements }) => statements).join(';\n')}; COMMIT`);
    if ((await contentOf(db)) !== (await contentOf(fresh)))
      throw new Error('the database is not what its migrations make');
    const [row] = history === undefined ? [{ count: scripts.length }] : await db.all(history);
    const remembered = Number(Object.values(row ?? {})[0]);
    if (remembered !== scripts.length)
      throw new Error(`the history holds ${remembered} migrations, and there are ${scripts.length}`);
  } finally {
    await db.close();
    await fresh.close();
  }
}
