/** What user_version says that a database is; 0 says nothing. */
export type LegacyVersion = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7;

/** The versions that a release stamped. */
export const legacyVersions = [1, 2, 3, 4, 5, 6, 7] as const;

/** The ten tables. */
export const legacyTables = [
  'worlds',
  'agents',
  'agent_memory',
  'memory_archives',
  'archived_messages',
  'archive_statistics',
  'world_chats',
  'chat_snapshots',
  'events',
  'event_sequences',
] as const;

export type LegacyTable = (typeof legacyTables)[number];

/** How many SQL files replace the versions, and which of them a version claims to hold. */
export const fileCount = 11;
export const claimedFiles: Readonly<Record<LegacyVersion, readonly number[]>> = {
  0: [],
  1: [3],
  2: [3, 4],
  3: [3, 4, 5],
  4: [3, 4, 5, 8],
  5: [3, 4, 5, 8, 9],
  6: [3, 4, 5, 6, 8, 9],
  7: [3, 4, 5, 6, 7, 8, 9],
};

/** One thing that a legacy database may have or lack. */
export interface LegacyObject {
  readonly kind: 'table' | 'column' | 'index' | 'trigger';
  /** A column is named `table.column`. */
  readonly name: string;
  readonly table: LegacyTable;
  /** The SQL file whose footprint it belongs to. */
  readonly file: number;
  /** The version that claims it; undefined where none does (chats, events). */
  readonly version: LegacyVersion | undefined;
}

/** A column that a version after the first added, or that only the early releases had. */
interface Later {
  readonly version?: LegacyVersion;
  readonly file?: number;
  readonly early?: true;
}

interface ColumnModel extends Later {
  readonly name: string;
  readonly definition: string;
}

interface TableModel {
  readonly name: LegacyTable;
  readonly file: number;
  readonly version: LegacyVersion | undefined;
  /** In the order of a database that was born at version 7. */
  readonly columns: readonly ColumnModel[];
  readonly key?: string;
  readonly references: readonly string[];
}

interface IndexModel {
  readonly name: string;
  readonly table: LegacyTable;
  readonly columns: readonly string[];
}

interface TriggerModel {
  readonly name: string;
  readonly table: LegacyTable;
  readonly column: string;
  readonly key: readonly string[];
}

const column = (definition: string, later: Later = {}): ColumnModel => ({
  name: definition.split(' ', 1)[0] ?? '',
  definition,
  ...later,
});
const time = (name: string): ColumnModel => column(`${name} TIMESTAMP DEFAULT CURRENT_TIMESTAMP`);
const role = column("role TEXT NOT NULL CHECK(role IN ('system','user','assistant'))");
const serial = column('id INTEGER PRIMARY KEY AUTOINCREMENT');
const ofWorld = 'FOREIGN KEY (world_id) REFERENCES worlds (id) ON DELETE CASCADE';
const ofChat = 'FOREIGN KEY (chat_id) REFERENCES world_chats (id) ON DELETE CASCADE';
const ofAgent = 'FOREIGN KEY (agent_id, world_id) REFERENCES agents (id, world_id) ON DELETE CASCADE';

const tables: readonly TableModel[] = [
  {
    name: 'worlds',
    file: 3,
    version: 1,
    columns: [
      column('id TEXT PRIMARY KEY'),
      column('name TEXT NOT NULL'),
      column('description TEXT'),
      column('turn_limit INTEGER NOT NULL DEFAULT 5'),
      column('chat_llm_provider TEXT', { version: 3, file: 5 }),
      column('chat_llm_model TEXT', { version: 3, file: 5 }),
      column('current_chat_id TEXT', { version: 4, file: 8 }),
      column('mcp_config TEXT', { version: 5, file: 9 }),
      time('created_at'),
      time('updated_at'),
    ],
    references: [],
  },
  {
    name: 'agents',
    file: 3,
    version: 1,
    columns: [
      column('id TEXT NOT NULL'),
      column('world_id TEXT NOT NULL'),
      column('name TEXT NOT NULL'),
      column('type TEXT NOT NULL'),
      column("status TEXT DEFAULT 'inactive'"),
      column('provider TEXT NOT NULL'),
      column('model TEXT NOT NULL'),
      column('system_prompt TEXT'),
      column('temperature REAL'),
      column('max_tokens INTEGER'),
      column('llm_call_count INTEGER DEFAULT 0'),
      time('created_at'),
      time('last_active'),
      column('last_llm_call TIMESTAMP'),
    ],
    key: 'PRIMARY KEY (id, world_id)',
    references: [ofWorld],
  },
  {
    name: 'agent_memory',
    file: 3,
    version: 1,
    columns: [
      serial,
      column('agent_id TEXT NOT NULL'),
      column('world_id TEXT NOT NULL'),
      role,
      column('content TEXT NOT NULL'),
      column('sender TEXT'),
      column('chat_id TEXT', { version: 2, file: 4 }),
      column('message_id TEXT', { version: 6, file: 6 }),
      column('reply_to_message_id TEXT', { version: 7, file: 7 }),
      time('created_at'),
    ],
    references: [ofAgent],
  },
  {
    name: 'memory_archives',
    file: 3,
    version: 1,
    columns: [
      serial,
      column('agent_id TEXT NOT NULL'),
      column('world_id TEXT NOT NULL'),
      column('session_name TEXT'),
      column('archive_reason TEXT'),
      column('message_count INTEGER NOT NULL DEFAULT 0'),
      column('start_time TIMESTAMP'),
      column('end_time TIMESTAMP'),
      column('participants TEXT'),
      column('tags TEXT'),
      column('summary TEXT', { early: true }),
      time('created_at'),
    ],
    references: [ofAgent],
  },
  {
    name: 'archived_messages',
    file: 3,
    version: 1,
    columns: [
      serial,
      column('archive_id INTEGER NOT NULL'),
      role,
      column('content TEXT NOT NULL'),
      column('sender TEXT'),
      column('original_created_at TIMESTAMP'),
      time('archived_at'),
    ],
    references: ['FOREIGN KEY (archive_id) REFERENCES memory_archives (id) ON DELETE CASCADE'],
  },
  {
    name: 'archive_statistics',
    file: 3,
    version: 1,
    columns: [
      serial,
      column('world_id TEXT NOT NULL'),
      column('agent_id TEXT'),
      column('stat_type TEXT NOT NULL'),
      column('stat_date DATE NOT NULL'),
      column('archive_count INTEGER DEFAULT 0'),
      column('message_count INTEGER DEFAULT 0'),
      column('session_length_avg REAL DEFAULT 0'),
      column('most_active_agent TEXT'),
      column('data TEXT'),
      time('created_at'),
      time('updated_at'),
    ],
    references: [ofWorld],
  },
  {
    name: 'world_chats',
    file: 10,
    version: undefined,
    columns: [
      column('id TEXT PRIMARY KEY'),
      column('world_id TEXT NOT NULL'),
      column('name TEXT NOT NULL'),
      column('description TEXT'),
      column('message_count INTEGER DEFAULT 0'),
      column('summary TEXT', { early: true }),
      column('tags TEXT'),
      time('created_at'),
      time('updated_at'),
    ],
    references: [ofWorld],
  },
  {
    name: 'chat_snapshots',
    file: 10,
    version: undefined,
    columns: [
      serial,
      column('chat_id TEXT NOT NULL'),
      column('world_id TEXT NOT NULL'),
      column('snapshot_data TEXT NOT NULL'),
      time('captured_at'),
      column("version TEXT DEFAULT '1.0'"),
    ],
    references: [ofChat, ofWorld],
  },
  {
    name: 'events',
    file: 1,
    version: undefined,
    columns: [
      column('id TEXT PRIMARY KEY'),
      column('world_id TEXT NOT NULL'),
      column('chat_id TEXT'),
      column('seq INTEGER'),
      column('type TEXT NOT NULL'),
      column('payload TEXT NOT NULL'),
      column('meta TEXT'),
      time('created_at'),
    ],
    references: [ofWorld, ofChat],
  },
  {
    name: 'event_sequences',
    file: 2,
    version: undefined,
    columns: [column('world_id TEXT NOT NULL'), column('chat_id TEXT'), column('last_seq INTEGER DEFAULT 0')],
    key: 'PRIMARY KEY (world_id, chat_id)',
    references: [],
  },
];

const index = (table: LegacyTable, name: string, ...columns: readonly string[]): IndexModel => ({
  name: `idx_${name}`,
  table,
  columns,
});

const indexes: readonly IndexModel[] = [
  index('agents', 'agents_world_id', 'world_id'),
  index('agents', 'agents_status', 'status'),
  index('agents', 'agents_last_active', 'last_active'),
  index('agent_memory', 'agent_memory_agent_world', 'agent_id', 'world_id'),
  index('agent_memory', 'agent_memory_created_at', 'created_at'),
  index('agent_memory', 'agent_memory_sender', 'sender'),
  index('agent_memory', 'agent_memory_chat_id', 'chat_id'),
  index('agent_memory', 'agent_memory_message_id', 'message_id'),
  index('agent_memory', 'agent_memory_reply_to_message_id', 'reply_to_message_id'),
  index('memory_archives', 'memory_archives_agent_world', 'agent_id', 'world_id'),
  index('memory_archives', 'memory_archives_created_at', 'created_at'),
  index('memory_archives', 'memory_archives_session_name', 'session_name'),
  index('archived_messages', 'archived_messages_archive_id', 'archive_id'),
  index('archived_messages', 'archived_messages_content', 'content'),
  index('archived_messages', 'archived_messages_sender', 'sender'),
  index('archive_statistics', 'archive_statistics_world_date', 'world_id', 'stat_date'),
  index('archive_statistics', 'archive_statistics_type', 'stat_type'),
  index('world_chats', 'world_chats_world_id', 'world_id'),
  index('world_chats', 'world_chats_created_at', 'created_at'),
  index('world_chats', 'world_chats_updated_at', 'updated_at'),
  index('chat_snapshots', 'chat_snapshots_chat_id', 'chat_id'),
  index('chat_snapshots', 'chat_snapshots_world_id', 'world_id'),
  index('events', 'events_world_chat_time', 'world_id', 'chat_id', 'created_at'),
  index('events', 'events_world_chat_seq', 'world_id', 'chat_id', 'seq'),
  index('events', 'events_type', 'type'),
  index('events', 'events_world_id', 'world_id'),
  index('event_sequences', 'event_sequences_world', 'world_id'),
];

const triggers: readonly TriggerModel[] = [
  { name: 'worlds_updated_at', table: 'worlds', column: 'updated_at', key: ['id'] },
  { name: 'agents_last_active', table: 'agents', column: 'last_active', key: ['id', 'world_id'] },
  { name: 'world_chats_updated_at', table: 'world_chats', column: 'updated_at', key: ['id'] },
  { name: 'archive_statistics_updated_at', table: 'archive_statistics', column: 'updated_at', key: ['id'] },
];

/** The version and the file that bring an index: its youngest column's, or its table's. */
function originOfIndex(model: IndexModel, table: TableModel): Pick<LegacyObject, 'file' | 'version'> {
  const later = table.columns.find(({ name, file }) => file !== undefined && model.columns.includes(name));
  return { file: later?.file ?? table.file, version: later?.version ?? table.version };
}

/**
 * Everything that a legacy database may lack: tables, indexes, triggers, and the columns that versions 2 to 7 add.
 * The columns that a table was created with are always there when the table is.
 */
export const legacyObjects: readonly LegacyObject[] = tables.flatMap((table) => {
  const { name, file, version } = table;
  return [
    { kind: 'table' as const, name, table: name, file, version },
    ...table.columns.flatMap((model) =>
      model.file === undefined
        ? []
        : [
            {
              kind: 'column' as const,
              name: `${name}.${model.name}`,
              table: name,
              file: model.file,
              version: model.version,
            },
          ],
    ),
    ...indexes
      .filter((model) => model.table === name)
      .map((model) => ({
        kind: 'index' as const,
        name: model.name,
        table: name,
        ...originOfIndex(model, table),
      })),
    ...triggers
      .filter((model) => model.table === name)
      .map((model) => ({ kind: 'trigger' as const, name: model.name, table: name, file, version })),
  ];
});

/** What a release of this version claims to have made. */
export function claimedObjects(version: LegacyVersion): readonly LegacyObject[] {
  return legacyObjects.filter((object) => object.version !== undefined && object.version <= version);
}

/** How the tables of a database came to be. */
export interface ReleaseSpec {
  readonly version: LegacyVersion;
  readonly origin: 'born' | 'upgraded';
  /** Tables with the extra column `summary` of the early releases. */
  readonly early: readonly ('memory_archives' | 'world_chats')[];
  readonly chats: boolean;
  readonly events: 'none' | 'with references' | 'without references';
  readonly sequences: boolean;
  /** Objects that a failed step left out; what depends on them is left out too. */
  readonly missing: readonly string[];
  /** Objects of later versions that are there all the same. */
  readonly ahead: readonly string[];
  /** Puts a table's columns into an order of its own; overrides what `origin` says about the order. */
  readonly reorder: ((table: LegacyTable, columns: readonly string[]) => readonly string[]) | undefined;
  /** The process died after so many statements. */
  readonly diedAfter: number | undefined;
}

/** One statement of an old program, and the objects that exist once it has run. */
export interface ReleaseStep {
  readonly sql: string;
  readonly makes: readonly string[];
}

function createTable(name: string, lines: readonly string[]): string {
  return `CREATE TABLE IF NOT EXISTS ${name} (\n      ${lines.join(',\n      ')}\n    )`;
}

function createIndex({ name, table, columns }: IndexModel): string {
  return `CREATE INDEX IF NOT EXISTS ${name} ON ${table} (${columns.join(', ')})`;
}

function createTrigger({ name, table, column: touched, key }: TriggerModel): string {
  const where = key.map((part) => `${part} = NEW.${part}`).join(' AND ');
  return `CREATE TRIGGER IF NOT EXISTS ${name}
      AFTER UPDATE ON ${table}
      BEGIN
        UPDATE ${table} SET ${touched} = CURRENT_TIMESTAMP WHERE ${where};
      END`;
}

function isPresent(spec: ReleaseSpec, object: LegacyObject): boolean {
  if (spec.missing.includes(object.name)) return false;
  if (object.version === undefined) {
    if (object.table === 'events') return spec.events !== 'none';
    return object.table === 'event_sequences' ? spec.sequences : spec.chats;
  }
  if (spec.ahead.includes(object.name)) return true;
  // A database born at version 7 got the column and never its index.
  const forgotten =
    spec.origin === 'born' && spec.version === 7 ? 'idx_agent_memory_reply_to_message_id' : '';
  return object.version <= spec.version && object.name !== forgotten;
}

/** The statements that made such a database, in the order in which the old programs ran them. */
export function releaseSteps(spec: ReleaseSpec): readonly ReleaseStep[] {
  const known = new Set(legacyObjects.map(({ name }) => name));
  for (const name of [...spec.missing, ...spec.ahead]) {
    if (!known.has(name)) throw new Error(`No release made ${name}.`);
  }
  const present = new Set(legacyObjects.filter((object) => isPresent(spec, object)).map(({ name }) => name));
  const created: ReleaseStep[] = [];
  const altered: (ReleaseStep & { readonly version: number })[] = [];
  const finished: ReleaseStep[] = [];

  for (const table of tables.filter(({ name }) => present.has(name))) {
    const columns = table.columns.filter(({ name, file, early }) => {
      if (early === true) return spec.early.some((owner) => owner === table.name);
      return file === undefined || present.has(`${table.name}.${name}`);
    });
    const isAltered = ({ version, name }: ColumnModel): boolean =>
      version !== undefined &&
      spec.reorder === undefined &&
      spec.origin === 'upgraded' &&
      !spec.ahead.includes(`${table.name}.${name}`);
    const written = columns.filter((model) => !isAltered(model));
    const names = written.map(({ name }) => name);
    const order = spec.reorder?.(table.name, names) ?? names;
    const references =
      table.name === 'events' && spec.events === 'without references' ? [] : table.references;
    created.push({
      sql: createTable(table.name, [
        ...order
          .flatMap((name) => written.filter((model) => model.name === name))
          .map((model) => model.definition),
        ...(table.key === undefined ? [] : [table.key]),
        ...references,
      ]),
      makes: [
        table.name,
        ...written.map(({ name }) => `${table.name}.${name}`).filter((name) => known.has(name)),
      ],
    });
    for (const model of columns.filter(isAltered)) {
      altered.push({
        version: model.version ?? 0,
        sql: `ALTER TABLE ${table.name} ADD COLUMN ${model.definition}`,
        makes: [`${table.name}.${model.name}`],
      });
    }
    const has = new Set(columns.map(({ name }) => name));
    for (const model of indexes.filter(({ table: owner }) => owner === table.name)) {
      if (!present.has(model.name) || !model.columns.every((name) => has.has(name))) continue;
      const adding = columns.find((added) => model.columns.includes(added.name) && isAltered(added));
      const step = { sql: createIndex(model), makes: [model.name] };
      if (adding === undefined) finished.push(step);
      else altered.push({ ...step, version: adding.version ?? 0 });
    }
    for (const model of triggers.filter(({ table: owner }) => owner === table.name)) {
      if (present.has(model.name)) finished.push({ sql: createTrigger(model), makes: [model.name] });
    }
  }
  altered.sort((one, other) => one.version - other.version);
  return [...created, ...finished, ...altered].slice(0, spec.diedAfter);
}

/** What a bridge must find in a database, whatever its user_version says. */
export interface Evidence {
  /** The highest version of which every claimed file is wholly there; 0 where there is none. */
  readonly evident: LegacyVersion;
  /** Files that are wholly there. */
  readonly adopted: readonly number[];
  /** Files of which a part is there. */
  readonly completed: readonly number[];
  /** Files of which nothing is there, and the one that is data only. */
  readonly pending: readonly number[];
}

/** Weighs what such a database has. */
export function evidenceOf(spec: ReleaseSpec): Evidence {
  const made = new Set(releaseSteps(spec).flatMap(({ makes }) => makes));
  const adopted: number[] = [];
  const completed: number[] = [];
  const pending: number[] = [];
  for (let file = 1; file <= fileCount; file += 1) {
    const footprint = legacyObjects.filter((object) => object.file === file);
    const there = footprint.filter(({ name }) => made.has(name));
    const differs = file === 1 && spec.events === 'without references';
    if (there.length === 0) pending.push(file);
    else if (there.length < footprint.length || differs) completed.push(file);
    else adopted.push(file);
  }
  const evident = legacyVersions.findLast((version) =>
    claimedFiles[version].every((file) => adopted.includes(file)),
  );
  return { evident: evident ?? 0, adopted, completed, pending };
}
