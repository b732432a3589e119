import { withCopy } from './database-copy.js';
import { withLegacy, type LegacyConnection } from './legacy-driver.js';

/** A schema as SQLite's own pragmas tell it: one line a thing, by its name. */
export interface DescribedSchema {
  /** By table, then by column: type, NOT NULL, default, place in the key. */
  readonly columns: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** By table: foreign keys, sorted, and what the table is (WITHOUT ROWID, STRICT, AUTOINCREMENT). */
  readonly rules: Readonly<Record<string, readonly string[]>>;
  /** By name, with `sqlite_autoindex` ones by their table and columns. */
  readonly indexes: Readonly<Record<string, string>>;
  /** By name: the statement in small letters and without white space. */
  readonly triggers: Readonly<Record<string, string>>;
}

const squeezed = (sql: unknown): string => String(sql).toLowerCase().replace(/\s+/g, '');

async function describe(connection: LegacyConnection): Promise<DescribedSchema> {
  const columns: Record<string, Record<string, string>> = {};
  const rules: Record<string, string[]> = {};
  const indexes: Record<string, string> = {};
  const triggers: Record<string, string> = {};
  const tables = await connection.rows(
    `SELECT l.name, l.wr, l.strict, s.sql FROM pragma_table_list AS l JOIN sqlite_schema AS s ON s.name = l.name
     WHERE l.schema = 'main' AND l.type = 'table' AND l.name NOT LIKE 'sqlite%'`,
  );
  for (const table of tables) {
    const name = String(table.name);
    const quoted = `'${name.replaceAll("'", "''")}'`;
    const info = await connection.rows(`SELECT * FROM pragma_table_xinfo(${quoted})`);
    columns[name] = Object.fromEntries(
      info.map((column) => [
        String(column.name),
        [column.type, column.notnull, column.dflt_value, column.pk, column.hidden].map(String).join(' | '),
      ]),
    );
    const keys = await connection.rows(
      `SELECT group_concat("from") || ' -> ' || "table" || '(' || coalesce(group_concat("to"), '') || ') '
         || on_delete || ' ' || on_update AS line
       FROM (SELECT * FROM pragma_foreign_key_list(${quoted}) ORDER BY id, seq) GROUP BY id`,
    );
    const kinds = [
      table.wr === 1 ? 'WITHOUT ROWID' : '',
      table.strict === 1 ? 'STRICT' : '',
      /\bautoincrement\b/i.test(String(table.sql)) ? 'AUTOINCREMENT' : '',
    ];
    rules[name] = [...keys.map(({ line }) => String(line)), ...kinds.filter(Boolean)].sort();
    const found = await connection.rows(
      `SELECT i.name, i."unique", i.origin, i.partial, (
         SELECT group_concat(coalesce(c.name, '(expression)') || iif(c."desc", ' DESC', '') || ' ' || c.coll)
         FROM pragma_index_xinfo(i.name) AS c WHERE c.key
       ) AS columns FROM pragma_index_list(${quoted}) AS i`,
    );
    for (const index of found) {
      const line = `${name} | ${String(index.columns)} | ${String(index.unique)} ${String(index.partial)}`;
      const key = index.origin === 'c' ? String(index.name) : `${String(index.origin)} of ${line}`;
      indexes[key] = line;
    }
  }
  for (const { name, sql } of await connection.rows(
    "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'",
  ))
    triggers[String(name)] = squeezed(sql);
  return { columns, rules, indexes, triggers };
}

/** Asks a copy of a database for its schema, without any of the package's own code. */
export function describeSchema(path: string): Promise<DescribedSchema> {
  return withCopy(path, (copy) => withLegacy(copy, describe));
}

/** What a schema lacks of another one, and where it differs; what it has beyond it is not told. */
export function schemaFaults(expected: DescribedSchema, found: DescribedSchema): string[] {
  const faults: string[] = [];
  const compare = (subject: string, wanted: string, there: string | undefined): void => {
    if (wanted !== there) faults.push(`${subject}: ${wanted} expected, ${there ?? 'nothing'} found`);
  };
  for (const [table, columns] of Object.entries(expected.columns)) {
    for (const [column, line] of Object.entries(columns))
      compare(`column ${table}.${column}`, line, found.columns[table]?.[column]);
    // A key over a column that the other schema does not know is somebody's own.
    const known = (rule: string): boolean => {
      const [from, to] = rule.split(' -> ');
      return to === undefined || (from ?? '').split(',').every((column) => column in columns);
    };
    const there = found.rules[table]?.filter(known).join('; ');
    compare(`rules of ${table}`, (expected.rules[table] ?? []).join('; '), there);
  }
  for (const [name, line] of Object.entries(expected.indexes))
    compare(`index ${name}`, line, found.indexes[name]);
  for (const [name, sql] of Object.entries(expected.triggers))
    compare(`trigger ${name}`, sql, found.triggers[name]);
  return faults;
}

/** Statements that show a rule at work, and the question whose answer tells. */
interface Probe {
  readonly title: string;
  /** Whether foreign keys are enforced; they are not by default. */
  readonly enforced?: boolean;
  readonly statements: string;
  readonly question: string;
}

const past = "'2001-01-01 00:00:00'";
const family = `
  INSERT INTO worlds (id, name, updated_at) VALUES ('probe', 'Probe', ${past});
  INSERT INTO agents (id, world_id, name, type, provider, model, last_active)
    VALUES ('probe', 'probe', 'P', 't', 'p', 'm', ${past});
  INSERT INTO agent_memory (agent_id, world_id, role, content) VALUES ('probe', 'probe', 'user', 'probe');
  INSERT INTO memory_archives (agent_id, world_id) VALUES ('probe', 'probe');
  INSERT INTO archived_messages (archive_id, role, content)
    SELECT id, 'user', 'probe' FROM memory_archives WHERE agent_id = 'probe';
  INSERT INTO archive_statistics (world_id, stat_type, stat_date, updated_at)
    VALUES ('probe', 'daily', '2024-02-29', ${past});
  INSERT INTO world_chats (id, world_id, name, updated_at) VALUES ('probe', 'probe', 'P', ${past});
  INSERT INTO chat_snapshots (chat_id, world_id, snapshot_data) VALUES ('probe', 'probe', '{}');
  INSERT INTO events (id, world_id, chat_id, type, payload)
    VALUES ('probe-1', 'probe', 'probe', 't', '{}'), ('probe-2', 'probe', NULL, 't', '{}');
  INSERT INTO event_sequences (world_id) VALUES ('probe');`;
const rowsOfFamily = `
  SELECT (SELECT count(*) FROM worlds WHERE id = 'probe') + (SELECT count(*) FROM agents WHERE id = 'probe')
    + (SELECT count(*) FROM agent_memory WHERE agent_id = 'probe')
    + (SELECT count(*) FROM memory_archives WHERE agent_id = 'probe')
    + (SELECT count(*) FROM archived_messages WHERE content = 'probe')
    + (SELECT count(*) FROM archive_statistics WHERE world_id = 'probe')
    + (SELECT count(*) FROM world_chats WHERE id = 'probe')
    + (SELECT count(*) FROM chat_snapshots WHERE chat_id = 'probe')
    + (SELECT count(*) FROM events WHERE world_id = 'probe') AS answer`;
const stamped = (table: string, column: string, change: string): Probe => ({
  title: `a change stamps ${table}.${column}`,
  statements: `${family} UPDATE ${table} SET ${change} WHERE ${table === 'worlds' || table === 'world_chats' ? 'id' : 'world_id'} = 'probe';`,
  question: `SELECT count(*) AS answer FROM ${table} WHERE ${column} <> ${past} AND ${column} LIKE '20__-__-__ __:__:__'
    AND ${table === 'worlds' || table === 'world_chats' ? 'id' : 'world_id'} = 'probe'`,
});
const refused = (table: string, columns: string, values: string): Probe => ({
  title: `${table} refuses (${columns}) = (${values})`,
  statements: `INSERT INTO ${table} (${columns}) VALUES (${values});`,
  question: "SELECT 'accepted' AS answer",
});

const probes: readonly Probe[] = [
  { title: 'a family can be written', statements: family, question: rowsOfFamily },
  {
    title: 'a world takes its family along',
    enforced: true,
    statements: `${family} DELETE FROM worlds WHERE id = 'probe';`,
    question: rowsOfFamily,
  },
  stamped('worlds', 'updated_at', "name = 'New'"),
  stamped('agents', 'last_active', "name = 'New'"),
  stamped('world_chats', 'updated_at', "name = 'New'"),
  stamped('archive_statistics', 'updated_at', 'archive_count = 3'),
  refused('agent_memory', 'agent_id, world_id, role, content', "'a', 'w', 'tool', 'c'"),
  refused('archived_messages', 'archive_id, role, content', "1, 'User', 'c'"),
  refused('worlds', 'id, name', "'probe', NULL"),
  refused('worlds', 'id, name, turn_limit', "'probe', 'n', NULL"),
  refused('events', 'id, world_id, type, payload', "'e', 'w', 't', NULL"),
  refused('event_sequences', 'world_id, chat_id', 'NULL, NULL'),
  {
    title: 'one counter a chat',
    statements: "INSERT INTO event_sequences (world_id, chat_id) VALUES ('probe', 'c'), ('probe', 'c');",
    question: "SELECT 'accepted' AS answer",
  },
  {
    title: 'several counters a world, as old programs make them',
    statements: "INSERT INTO event_sequences (world_id, chat_id) VALUES ('probe', NULL), ('probe', NULL);",
    question: "SELECT count(*) AS answer FROM event_sequences WHERE world_id = 'probe' AND last_seq = 0",
  },
];

async function answerTo(connection: LegacyConnection, probe: Probe): Promise<string> {
  await connection.run(`PRAGMA foreign_keys = ${probe.enforced === true ? 'ON' : 'OFF'}; BEGIN;`);
  try {
    await connection.run(probe.statements);
    const [row] = await connection.rows(probe.question);
    return String(row?.answer);
  } catch (error) {
    // How a CHECK was spelled does not matter.
    return String(error).replace(
      /^.*SQLITE_CONSTRAINT: (CHECK constraint failed)?(.*)$/,
      (_, check: unknown, rest: unknown) => (typeof check === 'string' ? check : String(rest)),
    );
  } finally {
    await connection.run('ROLLBACK;');
  }
}

/** What the rules of a database do when they are put to the test, one line each, on a copy of it. */
export function behaviourOf(path: string): Promise<string[]> {
  return withCopy(path, (copy) =>
    withLegacy(copy, async (connection) => {
      await connection.run('PRAGMA synchronous = OFF;');
      const lines: string[] = [];
      for (const probe of probes) lines.push(`${probe.title}: ${await answerTo(connection, probe)}`);
      return lines;
    }),
  );
}
