import { withCopy } from './database-copy.js';
import { withLegacy, type LegacyConnection } from './legacy-driver.js';

/** What a user does with things of his own, and what tells whether it worked. */
const uses: readonly { readonly needs: string; readonly statements: string; readonly question: string }[] = [
  { needs: 'my_agents', statements: '', question: 'SELECT * FROM my_agents' },
  { needs: 'my_busiest', statements: '', question: 'SELECT * FROM my_busiest' },
  { needs: 'my_worlds', statements: '', question: 'SELECT * FROM my_worlds' },
  { needs: 'my_timeline', statements: '', question: 'SELECT * FROM my_timeline' },
  { needs: 'my_broken', statements: '', question: 'SELECT * FROM my_broken' },
  { needs: 'my_notes', statements: '', question: 'SELECT length, note FROM my_notes' },
  {
    needs: 'my_longest',
    statements: '',
    question: 'SELECT count(*) FROM agent_memory INDEXED BY my_longest WHERE length(content) > 10',
  },
  {
    needs: 'my_names',
    statements: '',
    question: "SELECT count(*) FROM worlds INDEXED BY my_names WHERE name = 'DEFAULT WORLD' COLLATE NOCASE",
  },
  {
    needs: 'my_loud',
    statements: '',
    question: 'SELECT count(*) FROM events INDEXED BY my_loud WHERE chat_id IS NULL',
  },
  {
    needs: 'my_memories',
    statements: `DELETE FROM my_log;
      INSERT INTO agent_memory (agent_id, world_id, role, content) VALUES ('a', 'w', 'system', 'c');`,
    question: 'SELECT what FROM my_log',
  },
  {
    needs: 'my_lost_events',
    statements: 'DELETE FROM my_log; DELETE FROM events WHERE rowid = (SELECT min(rowid) FROM events);',
    question: 'SELECT what FROM my_log',
  },
  {
    needs: 'my_new_worlds',
    statements: `DELETE FROM my_log;
      INSERT INTO worlds (id, name) VALUES ('mine', 'Mine'); INSERT INTO worlds (id, name, description) VALUES ('2', '2', '2');`,
    question: 'SELECT what FROM my_log',
  },
];

async function objectsIn(connection: LegacyConnection): Promise<ReadonlySet<string>> {
  const rows = await connection.rows('SELECT name FROM sqlite_schema');
  return new Set(rows.map(({ name }) => String(name)));
}

/** Uses whatever a database has of its user's own, on a copy, and tells what came of it, one line each. */
export async function useExtras(path: string): Promise<string[]> {
  return withCopy(path, (copy) =>
    withLegacy(copy, async (connection) => {
      const there = await objectsIn(connection);
      const lines: string[] = [];
      for (const { needs, statements, question } of uses) {
        if (!there.has(needs)) continue;
        try {
          await connection.run(statements);
          const rows = await connection.rows(question);
          lines.push(`${needs}: ${JSON.stringify(rows)}`);
        } catch (error) {
          lines.push(`${needs}: ${String(error)}`);
        }
      }
      return lines;
    }),
  );
}
