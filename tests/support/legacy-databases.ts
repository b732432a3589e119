import { copyFile, rm, writeFile } from 'node:fs/promises';

import { openLegacy, withLegacy } from './legacy-driver.js';
import {
  evidenceOf,
  fileCount,
  legacyTables,
  releaseSteps,
  type Evidence,
  type LegacyTable,
  type LegacyVersion,
  type ReleaseSpec,
} from './legacy-releases.js';
import {
  oddRows,
  orphanRows,
  seededRandom,
  shuffled,
  typicalRows,
  wronglyNumberedRows,
  type LegacyRows,
} from './legacy-rows.js';

export {
  claimedFiles,
  claimedObjects,
  legacyObjects,
  legacyTables,
  legacyVersions,
} from './legacy-releases.js';
export type { Evidence, LegacyObject, LegacyTable, LegacyVersion } from './legacy-releases.js';

/** What the user put into the file, and a table that a withdrawn release left behind. */
export const userExtras = ['table', 'view', 'broken view', 'index', 'trigger', 'message_queue'] as const;
export type UserExtra = (typeof userExtras)[number];

/** What a legacy database is like. Everything but the version may be left out. */
export interface LegacySpec {
  /** The release whose schema it has; 0: no table that a version claims. */
  readonly version: LegacyVersion;
  /**
   * `born`: added columns stand in the middle, and version 7 has no index on reply_to_message_id. `upgraded`
   * (the default): they stand at the end.
   */
  readonly origin?: 'born' | 'upgraded';
  /** Puts the columns of every table into an order of its own, which depends on this number alone. */
  readonly columnOrder?: number;
  /** Which tables have the extra column `summary` of the early releases; none by default. */
  readonly early?: readonly ('memory_archives' | 'world_chats')[];
  /** Whether world_chats and chat_snapshots are there; by default from version 2. */
  readonly chats?: boolean;
  /** Whether events are there and refer to worlds and chats; by default with references, at version 7. */
  readonly events?: 'none' | 'with references' | 'without references';
  /** Whether event_sequences is there; by default where events are. */
  readonly sequences?: boolean;
  /** Tables, indexes, triggers, and `table.column` of versions 2 to 7 that a failed step left out (`legacyObjects`). */
  readonly missing?: readonly string[];
  /** Objects of versions after this one that are there all the same. */
  readonly ahead?: readonly string[];
  /** The process died after so many statements of schema. */
  readonly diedAfter?: number;
  /** The stamp; by default the version. */
  readonly userVersion?: number;
  /** How many worlds with all that belongs to them; 2 by default, 0 for tables without rows. */
  readonly worlds?: number;
  /** Makes other values of the same kind. */
  readonly seed?: number;
  readonly orphans?: boolean;
  readonly oddValues?: boolean;
  readonly wrongNumbers?: boolean;
  /** The highest ids are deleted: AUTOINCREMENT remembers ids that no row has. */
  readonly deletedIds?: boolean;
  /** Adds a memory with a text of so many characters (an even number). */
  readonly longText?: number;
  readonly extras?: readonly UserExtra[];
  /**
   * `rollback` (the default), `wal`, or `wal left behind`: the last process died, and all rows and the stamp are in a
   * -wal beside a database of empty tables.
   */
  readonly journal?: 'rollback' | 'wal' | 'wal left behind';
  /** 4096 by default. */
  readonly pageSize?: number;
  /** UTF-8 by default. */
  readonly encoding?: 'UTF-8' | 'UTF-16le' | 'UTF-16be';
  /** Whether the file gives back pages that are not needed any more; none by default. */
  readonly autoVacuum?: 'none' | 'full' | 'incremental';
}

/** Whose a file is, and what a bridge must find in it. */
export interface LegacyExpectation extends Evidence {
  readonly kind: 'legacy' | 'empty' | 'foreign';
}

/** A legacy database that can be made at any path. */
export interface LegacyFixture {
  /** The stem of its file's name in tests/fixtures/legacy. */
  readonly name: string;
  /** What it is, in a sentence. */
  readonly title: string;
  /** Its user_version. */
  readonly claimed: number;
  /** What about real databases it stands for, in a few words; undefined for a typical one. */
  readonly legacyPoint?: string;
  readonly expect: LegacyExpectation;
  /** Its spec, where the builder makes it. */
  readonly spec?: LegacySpec;
  /** Makes it at a path, in place of what is there; with a -wal beside it where one was left behind. */
  readonly make: (path: string) => Promise<void>;
}

function releaseOf(spec: LegacySpec): ReleaseSpec {
  const events = spec.events ?? (spec.version === 7 ? 'with references' : 'none');
  const random = seededRandom(spec.columnOrder ?? 0);
  return {
    version: spec.version,
    origin: spec.origin ?? 'upgraded',
    early: spec.early ?? [],
    chats: spec.chats ?? spec.version >= 2,
    events,
    sequences: spec.sequences ?? events !== 'none',
    missing: spec.missing ?? [],
    ahead: spec.ahead ?? [],
    reorder: spec.columnOrder === undefined ? undefined : (_table, columns) => shuffled(columns, random),
    diedAfter: spec.diedAfter,
  };
}

/** What of the user's things needs no table of ours. */
const independentExtras: readonly UserExtra[] = ['table', 'broken view', 'trigger', 'message_queue'];

function kindOf(spec: LegacySpec, { adopted, completed }: Evidence): LegacyExpectation['kind'] {
  const stamp = spec.userVersion ?? spec.version;
  if (stamp < 0 || stamp > 7) return 'foreign';
  if (adopted.length > 0 || completed.length > 0) return 'legacy';
  // A file that has nothing of ours and something of somebody else's is somebody else's.
  return spec.extras?.some((extra) => independentExtras.includes(extra)) === true ? 'foreign' : 'empty';
}

/** What a bridge must find in a database that is made by this spec. */
export function expectationOf(spec: LegacySpec): LegacyExpectation {
  const evidence = evidenceOf(releaseOf(spec));
  return { kind: kindOf(spec, evidence), ...evidence };
}

function rowsOf(spec: LegacySpec): LegacyRows {
  return [
    ...typicalRows(spec.worlds ?? 2, seededRandom(spec.seed ?? 1)),
    ...(spec.orphans === true ? orphanRows : []),
    ...(spec.oddValues === true ? oddRows() : []),
    ...(spec.wrongNumbers === true ? wronglyNumberedRows : []),
  ];
}

const isTable = (name: string): name is LegacyTable => legacyTables.some((table) => table === name);

/** The columns that a row may fill, by table: what is not there is not written, as the old programs did. */
type Columns = ReadonlyMap<LegacyTable, ReadonlySet<string>>;

function insertions(rows: LegacyRows, columns: Columns): string[] {
  return rows.flatMap(([table, row]) => {
    const there = columns.get(table);
    if (there === undefined) return [];
    const values = Object.entries(row)
      .filter(([column]) => there.has(column))
      // Before there were counters, an event had no number.
      .map(([column, value]) => [
        column,
        table === 'events' && column === 'seq' && !columns.has('event_sequences') ? 'NULL' : value,
      ]);
    const names = values.map(([column]) => column).join(', ');
    return [`INSERT INTO ${table} (${names}) VALUES (${values.map(([, value]) => value).join(', ')})`];
  });
}

/** Ids that were given and deleted; where no row is left, only sqlite_sequence knows them. */
function deletions(columns: Columns): string[] {
  const statements: string[] = [];
  if (columns.has('agent_memory')) {
    statements.push(
      `INSERT INTO agent_memory (id, agent_id, world_id, role, content, created_at)
       VALUES (5000, 'agent-1', 'world-1', 'user', 'Forget this.', '2024-03-01 00:00:00')`,
      'DELETE FROM agent_memory WHERE id = 5000',
    );
  }
  if (columns.has('archived_messages')) statements.push('DELETE FROM archived_messages');
  if (columns.has('memory_archives')) {
    statements.push(
      `INSERT INTO memory_archives (id, agent_id, world_id, created_at)
       VALUES (9007199254740993, 'agent-1', 'world-1', '2024-03-01 00:00:00')`,
      'DELETE FROM memory_archives',
    );
  }
  if (columns.has('chat_snapshots')) {
    statements.push('DELETE FROM chat_snapshots WHERE id = (SELECT max(id) FROM chat_snapshots)');
  }
  return statements;
}

function longText(length: number, columns: Columns): string[] {
  if (!columns.has('agent_memory')) return [];
  return [
    `INSERT INTO agent_memory (agent_id, world_id, role, content, created_at)
     VALUES ('agent-1', 'world-1', 'assistant', replace(hex(zeroblob(${length / 2})), '00', 'ab'), '2024-03-02 00:00:00')`,
  ];
}

function extraStatements(extra: UserExtra, columns: Columns): string[] {
  const only = (table: LegacyTable, ...statements: readonly string[]): readonly string[] =>
    columns.has(table) ? statements : [];
  switch (extra) {
    case 'table':
      return [
        `CREATE TABLE my_notes (
           id INTEGER PRIMARY KEY AUTOINCREMENT,
           world_id TEXT REFERENCES worlds(id) ON DELETE CASCADE,
           note TEXT COLLATE NOCASE,
           length INTEGER GENERATED ALWAYS AS (length(note)) VIRTUAL
         )`,
        "INSERT INTO my_notes (world_id, note) VALUES ('world-1', 'Mine.'), (NULL, 'Mine too.'), ('world-1', 'Gone.')",
        'DELETE FROM my_notes WHERE id = 3',
        'CREATE TABLE "my settings" (key TEXT PRIMARY KEY, value ANY) WITHOUT ROWID',
        `INSERT INTO "my settings" VALUES ('theme', 'dark'), ('zoom', 1.25), ('secret', x'C0FFEE')`,
      ];
    case 'view':
      return [
        ...only('agents', 'CREATE VIEW my_agents AS SELECT * FROM agents ORDER BY name'),
        ...only(
          'agent_memory',
          'CREATE VIEW my_busiest AS SELECT agent_id, world_id, count(*) AS messages FROM agent_memory GROUP BY 1, 2',
        ),
        ...only('worlds', 'CREATE VIEW my_worlds (world, title) AS SELECT id, upper(name) FROM worlds'),
        ...only(
          'events',
          'CREATE VIEW my_timeline AS SELECT created_at, type, payload FROM events ORDER BY created_at, rowid',
        ),
      ];
    case 'broken view':
      return ['CREATE VIEW my_broken AS SELECT one, two FROM my_table_that_is_gone'];
    case 'index':
      return [
        ...only('agent_memory', 'CREATE INDEX my_longest ON agent_memory(length(content) DESC)'),
        ...only('worlds', 'CREATE INDEX my_names ON worlds(name COLLATE NOCASE)'),
        ...only('events', 'CREATE INDEX my_loud ON events(created_at, type) WHERE chat_id IS NULL'),
      ];
    case 'trigger':
      return [
        'CREATE TABLE my_log (at INTEGER PRIMARY KEY, what TEXT NOT NULL)',
        ...only(
          'agent_memory',
          `CREATE TRIGGER my_memories AFTER INSERT ON agent_memory
           BEGIN INSERT INTO my_log (what) VALUES ('remembered ' || NEW.role); END`,
        ),
        ...only(
          'events',
          `CREATE TRIGGER my_lost_events AFTER DELETE ON events
           BEGIN INSERT INTO my_log (what) VALUES ('lost ' || OLD.id); END`,
        ),
        ...only(
          'worlds',
          `CREATE TRIGGER my_new_worlds AFTER INSERT ON worlds WHEN NEW.description IS NULL
           BEGIN INSERT INTO my_log (what) SELECT 'world ' || count(*) FROM worlds; END`,
        ),
      ];
    case 'message_queue':
      return [
        `CREATE TABLE message_queue (
           id INTEGER PRIMARY KEY AUTOINCREMENT,
           world_id TEXT NOT NULL,
           message_id TEXT NOT NULL UNIQUE,
           content TEXT NOT NULL,
           status TEXT NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'processing', 'done')),
           retry_count INTEGER NOT NULL DEFAULT 0,
           created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
           FOREIGN KEY (world_id) REFERENCES worlds(id) ON DELETE CASCADE
         )`,
        'CREATE INDEX idx_message_queue_status ON message_queue(world_id, status)',
        `INSERT INTO message_queue (world_id, message_id, content, status, created_at)
         VALUES ('world-1', 'queued-1', 'Never sent.', 'queued', '2024-03-01 12:00:00')`,
      ];
  }
}

const script = (statements: readonly string[]): string =>
  ['BEGIN', ...statements, 'COMMIT'].map((statement) => `${statement};`).join('\n');

async function removeDatabase(path: string): Promise<void> {
  for (const side of ['', '-wal', '-shm', '-journal']) await rm(path + side, { force: true });
}

/** Makes a database as the old programs would have, at `path`, in place of what is there. */
export async function buildLegacyDatabase(path: string, spec: LegacySpec): Promise<void> {
  await removeDatabase(path);
  const journal = spec.journal ?? 'rollback';
  const place = journal === 'wal left behind' ? `${path}.alive` : path;
  await removeDatabase(place);
  const connection = await openLegacy(place);
  try {
    await connection.run(
      `PRAGMA page_size = ${spec.pageSize ?? 4096}; PRAGMA encoding = '${spec.encoding ?? 'UTF-8'}';
       PRAGMA auto_vacuum = ${spec.autoVacuum ?? 'none'}; PRAGMA synchronous = OFF;`,
    );
    if (journal !== 'rollback')
      await connection.run('PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;');

    await connection.run(script(releaseSteps(releaseOf(spec)).map(({ sql }) => sql)));
    const columns = new Map<LegacyTable, Set<string>>();
    for (const { table, name } of await connection.rows(
      "SELECT m.name AS 'table', c.name AS name FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table'",
    )) {
      if (typeof table === 'string' && isTable(table)) {
        columns.set(table, (columns.get(table) ?? new Set()).add(String(name)));
      }
    }
    if (journal === 'wal left behind') await connection.run('PRAGMA wal_checkpoint(TRUNCATE);');

    await connection.run(
      script([
        ...insertions(rowsOf(spec), columns),
        ...(spec.deletedIds === true ? deletions(columns) : []),
        ...(spec.longText === undefined ? [] : longText(spec.longText, columns)),
        ...(spec.extras ?? []).flatMap((extra) => extraStatements(extra, columns)),
        `PRAGMA user_version = ${spec.userVersion ?? spec.version}`,
      ]),
    );
    if (journal === 'wal left behind') {
      await copyFile(place, path);
      await copyFile(`${place}-wal`, `${path}-wal`);
    }
  } finally {
    await connection.close();
    if (place !== path) await removeDatabase(place);
  }
}

const allPending = Array.from({ length: fileCount }, (_, index) => index + 1);
const nothing: Evidence = { evident: 0, adopted: [], completed: [], pending: allPending };

function fixture(
  name: string,
  title: string,
  spec: LegacySpec,
  expect: Omit<LegacyExpectation, 'pending'>,
  legacyPoint?: string,
): LegacyFixture {
  const small: LegacySpec = { pageSize: 1024, ...spec };
  const known = [...expect.adopted, ...expect.completed];
  return {
    name,
    title,
    claimed: spec.userVersion ?? spec.version,
    ...(legacyPoint === undefined ? {} : { legacyPoint }),
    expect: { ...expect, pending: allPending.filter((file) => !known.includes(file)) },
    spec: small,
    make: (path) => buildLegacyDatabase(path, small),
  };
}

const legacy = (
  evident: LegacyVersion,
  adopted: readonly number[],
  completed: readonly number[] = [],
): Omit<LegacyExpectation, 'pending'> => ({ kind: 'legacy', evident, adopted, completed });

/** A database with a history that another tool keeps. */
function foreignFixture(
  name: string,
  title: string,
  claimed: number,
  statements: string,
  release?: ReleaseSpec,
): LegacyFixture {
  const expect: LegacyExpectation = {
    kind: 'foreign',
    ...(release === undefined ? nothing : evidenceOf(release)),
  };
  return {
    name,
    title,
    claimed,
    legacyPoint: "somebody else's tables",
    expect,
    make: async (path) => {
      await removeDatabase(path);
      await withLegacy(path, async (connection) => {
        const steps = release === undefined ? [] : releaseSteps(release).map(({ sql }) => `${sql};`);
        await connection.run(
          `PRAGMA page_size = 1024; BEGIN; ${steps.join('\n')} ${statements}; PRAGMA user_version = ${claimed}; COMMIT;`,
        );
      });
    },
  };
}

const sibling: ReleaseSpec = {
  version: 3,
  origin: 'upgraded',
  early: [],
  chats: false,
  events: 'none',
  sequences: false,
  missing: [],
  ahead: [],
  reorder: undefined,
  diedAfter: undefined,
};

const everyFile = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

/** Every database of tests/fixtures/legacy. */
export const legacyFixtures: readonly LegacyFixture[] = [
  // One of every version, born and upgraded.
  fixture(
    'version-0-unstamped',
    'Born at version 1 and never stamped: the process died in between.',
    { version: 1, origin: 'born', userVersion: 0 },
    legacy(1, [3]),
    'unstamped',
  ),
  fixture('version-1-born', 'Born at version 1.', { version: 1, origin: 'born' }, legacy(1, [3])),
  fixture(
    'version-1-with-chats',
    'Version 1 of a later release, which had chats already.',
    { version: 1, origin: 'born', chats: true },
    legacy(1, [3, 10]),
    'one version, several schemas',
  ),
  fixture('version-2-born', 'Born at version 2.', { version: 2, origin: 'born' }, legacy(2, [3, 4, 10])),
  fixture('version-2-upgraded', 'Upgraded to version 2.', { version: 2 }, legacy(2, [3, 4, 10])),
  fixture('version-3-born', 'Born at version 3.', { version: 3, origin: 'born' }, legacy(3, [3, 4, 5, 10])),
  fixture(
    'version-3-upgraded',
    'Upgraded to version 3, in WAL mode.',
    { version: 3, journal: 'wal' },
    legacy(3, [3, 4, 5, 10]),
  ),
  fixture(
    'version-4-born',
    'Born at version 4.',
    { version: 4, origin: 'born' },
    legacy(4, [3, 4, 5, 8, 10]),
  ),
  fixture('version-4-upgraded', 'Upgraded to version 4.', { version: 4 }, legacy(4, [3, 4, 5, 8, 10])),
  fixture(
    'version-5-born',
    'Born at version 5, in WAL mode.',
    { version: 5, origin: 'born', journal: 'wal' },
    legacy(5, [3, 4, 5, 8, 9, 10]),
  ),
  fixture('version-5-upgraded', 'Upgraded to version 5.', { version: 5 }, legacy(5, [3, 4, 5, 8, 9, 10])),
  fixture(
    'version-6-born',
    'Born at version 6.',
    { version: 6, origin: 'born' },
    legacy(6, [3, 4, 5, 6, 8, 9, 10]),
  ),
  fixture('version-6-upgraded', 'Upgraded to version 6.', { version: 6 }, legacy(6, [3, 4, 5, 6, 8, 9, 10])),
  fixture(
    'version-7-born',
    'Born at version 7: the index on reply_to_message_id was never made.',
    { version: 7, origin: 'born' },
    legacy(6, [1, 2, 3, 4, 5, 6, 8, 9, 10], [7]),
    'a version that never had its index',
  ),
  fixture(
    'version-7-upgraded',
    'Upgraded to version 7, with events, in WAL mode.',
    { version: 7, journal: 'wal' },
    legacy(7, everyFile),
  ),
  fixture(
    'version-7-without-events',
    'Upgraded to version 7 before there were events.',
    { version: 7, events: 'none' },
    legacy(7, [3, 4, 5, 6, 7, 8, 9, 10]),
    'one version, several schemas',
  ),

  fixture(
    'early-version-1',
    'Version 1 of the first release: memory_archives has a summary.',
    { version: 1, origin: 'born', early: ['memory_archives'] },
    legacy(1, [3]),
    'one version, several schemas',
  ),
  fixture(
    'early-version-1-with-more',
    'Version 1 that has the columns of version 3 already, and a summary in two tables.',
    {
      version: 1,
      origin: 'born',
      early: ['memory_archives', 'world_chats'],
      chats: true,
      ahead: ['worlds.chat_llm_provider', 'worlds.chat_llm_model'],
    },
    legacy(1, [3, 5, 10]),
    'one version, several schemas',
  ),
  fixture(
    'early-version-7',
    'Born early and upgraded to version 7: the two summaries are still there.',
    { version: 7, early: ['memory_archives', 'world_chats'] },
    legacy(7, everyFile),
    'one version, several schemas',
  ),

  fixture(
    'skipped-to-3',
    'From the first release straight to version 3: no chats.',
    { version: 3, chats: false, early: ['memory_archives'] },
    legacy(3, [3, 4, 5]),
    'skipped releases',
  ),
  fixture(
    'skipped-to-4',
    'From the first release straight to version 4: no chats.',
    { version: 4, chats: false, early: ['memory_archives'] },
    legacy(4, [3, 4, 5, 8]),
    'skipped releases',
  ),
  fixture(
    'skipped-to-5',
    'From the first release straight to version 5: no chats.',
    { version: 5, chats: false, early: ['memory_archives'] },
    legacy(5, [3, 4, 5, 8, 9]),
    'skipped releases',
  ),
  fixture(
    'skipped-to-6',
    'From the first release straight to version 6: no chats.',
    { version: 6, chats: false, early: ['memory_archives'] },
    legacy(6, [3, 4, 5, 6, 8, 9]),
    'skipped releases',
  ),
  fixture(
    'skipped-to-7',
    'From the first release straight to version 7: no chats, though events refer to them.',
    { version: 7, chats: false, early: ['memory_archives'] },
    legacy(7, [1, 2, 3, 4, 5, 6, 7, 8, 9]),
    'skipped releases',
  ),

  fixture(
    'columns-in-any-order',
    'Version 7 with the columns of every table in an order of its own.',
    { version: 7, columnOrder: 42 },
    legacy(7, everyFile),
    'column order differs',
  ),

  fixture(
    'missing-column',
    'Stamped 7 although adding worlds.mcp_config failed.',
    { version: 7, missing: ['worlds.mcp_config'] },
    legacy(4, [1, 2, 3, 4, 5, 6, 7, 8, 10]),
    'stamped although a step failed',
  ),
  fixture(
    'missing-one-of-two-columns',
    'Stamped 4 with a provider and no model.',
    { version: 4, missing: ['worlds.chat_llm_model'] },
    legacy(2, [3, 4, 8, 10], [5]),
    'stamped although a step failed',
  ),
  fixture(
    'missing-index',
    'Stamped 6 with the column chat_id and no index on it.',
    { version: 6, missing: ['idx_agent_memory_chat_id'] },
    legacy(1, [3, 5, 6, 8, 9, 10], [4]),
    'stamped although a step failed',
  ),
  fixture(
    'missing-trigger',
    'Stamped 5 without the trigger that keeps worlds.updated_at.',
    { version: 5, missing: ['worlds_updated_at'] },
    legacy(0, [4, 5, 8, 9, 10], [3]),
    'stamped although a step failed',
  ),
  fixture(
    'missing-tables',
    'Stamped 7 without the tables archive_statistics and chat_snapshots.',
    { version: 7, missing: ['archive_statistics', 'chat_snapshots'] },
    legacy(0, [1, 2, 4, 5, 6, 7, 8, 9], [3, 10]),
    'stamped although a step failed',
  ),
  fixture(
    'missing-worlds',
    'Stamped 3 without the table worlds: nothing has a parent.',
    { version: 3, missing: ['worlds'] },
    legacy(0, [4, 10], [3]),
    'stamped although a step failed',
  ),
  fixture(
    'missing-most',
    'Stamped 7 although nearly every step after the tables failed.',
    {
      version: 7,
      missing: [
        'worlds.current_chat_id',
        'agent_memory.message_id',
        'idx_agent_memory_chat_id',
        'idx_agents_status',
        'idx_archived_messages_content',
        'agents_last_active',
        'archive_statistics_updated_at',
        'idx_world_chats_updated_at',
        'world_chats_updated_at',
        'idx_events_world_chat_seq',
        'idx_events_type',
        'idx_event_sequences_world',
      ],
    },
    legacy(0, [5, 7, 9], [1, 2, 3, 4, 10]),
    'stamped although a step failed',
  ),

  {
    name: 'new-file',
    title: 'A file of which SQLite has not written a byte yet: a valid empty database.',
    claimed: 0,
    legacyPoint: 'unstamped',
    expect: { kind: 'empty', ...nothing },
    make: async (path) => {
      await removeDatabase(path);
      await writeFile(path, '');
    },
  },
  fixture(
    'unstamped-one-table',
    'The process died after its first statement.',
    { version: 1, origin: 'born', userVersion: 0, diedAfter: 1, worlds: 0 },
    legacy(0, [], [3]),
    'unstamped',
  ),
  fixture(
    'unstamped-prefix',
    'The process died while it made its indexes.',
    { version: 2, origin: 'born', userVersion: 0, diedAfter: 12, worlds: 0 },
    legacy(0, [], [3, 4, 10]),
    'unstamped',
  ),
  fixture(
    'unstamped-version-7',
    'A database of version 7 that has lost its stamp.',
    { version: 7, userVersion: 0 },
    legacy(7, everyFile),
    'unstamped',
  ),
  fixture(
    'stamped-and-empty',
    'Stamped 5 and without a single table.',
    { version: 0, userVersion: 5 },
    { kind: 'empty', ...nothing },
    'unstamped',
  ),

  fixture(
    'events-without-references',
    'Events from a fallback that made them without foreign keys; some point to what is gone.',
    { version: 7, events: 'without references', orphans: true },
    legacy(7, [2, 3, 4, 5, 6, 7, 8, 9, 10], [1]),
    'events without foreign keys',
  ),
  fixture(
    'events-without-counters',
    'Events without foreign keys and no event_sequences: no event has a number.',
    {
      version: 7,
      events: 'without references',
      sequences: false,
      extras: ['view', 'broken view', 'index', 'trigger'],
    },
    legacy(7, [3, 4, 5, 6, 7, 8, 9, 10], [1]),
    'events without foreign keys',
  ),
  fixture(
    'wrong-numbers',
    'Events without numbers, counters that lie, and both where no number can be.',
    { version: 7, wrongNumbers: true, oddValues: true },
    legacy(7, everyFile),
    'wrong numbers',
  ),
  fixture(
    'orphans',
    'Rows in seven places whose parents are gone.',
    { version: 7, orphans: true },
    legacy(7, everyFile),
    'violations that were there before',
  ),
  fixture(
    'odd-values',
    'Values that nobody meant to store: every kind of time, text, number and byte.',
    { version: 7, oddValues: true },
    legacy(7, everyFile),
    'odd values',
  ),
  fixture(
    'highest-ids-deleted',
    'AUTOINCREMENT remembers ids that no row has.',
    { version: 6, deletedIds: true },
    legacy(6, [3, 4, 5, 6, 8, 9, 10]),
    'AUTOINCREMENT memory',
  ),
  fixture(
    'user-extras',
    "The user's own tables, views, indexes and triggers, and an abandoned message_queue.",
    { version: 6, extras: ['table', 'view', 'index', 'trigger', 'message_queue'] },
    legacy(6, [3, 4, 5, 6, 8, 9, 10]),
    'an abandoned table and things of the user',
  ),
  fixture(
    'wal-left-behind',
    'The last process died: all rows and the stamp are in the -wal.',
    { version: 4, journal: 'wal left behind' },
    legacy(4, [3, 4, 5, 8, 10]),
    'WAL left behind',
  ),
  fixture(
    'everything-at-once',
    'Skipped releases, failed steps, odd values, orphans, wrong numbers and things of the user in one file.',
    {
      version: 7,
      early: ['memory_archives'],
      chats: false,
      events: 'without references',
      missing: ['worlds.current_chat_id', 'idx_agent_memory_sender', 'archive_statistics', 'idx_events_type'],
      orphans: true,
      oddValues: true,
      wrongNumbers: true,
      deletedIds: true,
      extras: ['table', 'view', 'broken view', 'index', 'trigger', 'message_queue'],
      journal: 'wal left behind',
    },
    legacy(0, [2, 4, 5, 6, 7, 9], [1, 3]),
    'most of it in combination',
  ),

  ...([8, -1, 2_147_483_647] as const).map((userVersion) =>
    fixture(
      `user-version-${userVersion < 0 ? `minus-${-userVersion}` : userVersion}`,
      `Tables like ours under user_version ${userVersion}, which no release ever stamped.`,
      { version: 7, userVersion, worlds: 1 },
      { kind: 'foreign', evident: 7, adopted: everyFile, completed: [] },
      "the user's number is not ours",
    ),
  ),

  foreignFixture(
    'foreign-dbmate',
    'A database of dbmate.',
    0,
    `CREATE TABLE IF NOT EXISTS "schema_migrations" (version varchar(128) primary key);
     INSERT INTO schema_migrations VALUES ('20240229101500'), ('20240301090000');
     CREATE TABLE users (id integer primary key, email varchar(255) not null);
     INSERT INTO users (email) VALUES ('ada@example.org')`,
  ),
  foreignFixture(
    'foreign-rails',
    'A database of Rails.',
    0,
    `CREATE TABLE "schema_migrations" ("version" varchar NOT NULL PRIMARY KEY);
     CREATE TABLE "ar_internal_metadata" ("key" varchar NOT NULL PRIMARY KEY, "value" varchar,
       "created_at" datetime(6) NOT NULL, "updated_at" datetime(6) NOT NULL);
     INSERT INTO schema_migrations VALUES ('20240229101500');
     INSERT INTO ar_internal_metadata VALUES ('environment', 'production', '2024-02-29', '2024-02-29');
     CREATE TABLE "events" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "title" varchar);
     INSERT INTO events (title) VALUES ('Opening night')`,
  ),
  foreignFixture(
    'foreign-golang-migrate',
    'A database of golang-migrate.',
    0,
    `CREATE TABLE schema_migrations (version uint64,dirty bool);
     CREATE UNIQUE INDEX version_unique ON schema_migrations (version);
     INSERT INTO schema_migrations VALUES (3, false);
     CREATE TABLE orders (id integer primary key, total real)`,
  ),
  foreignFixture(
    'foreign-sibling',
    'A database of a sibling with the same tables, whose file sequence starts at 0 and keeps no checksums.',
    3,
    `CREATE TABLE schema_migrations (
       version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
     INSERT INTO schema_migrations VALUES
       (0, '0000_init_base_schema', '2024-02-29 10:00:00'),
       (1, '0001_add_chat_id', '2024-02-29 10:00:00'),
       (2, '0002_add_llm_config', '2024-02-29 10:00:01')`,
    sibling,
  ),
  foreignFixture(
    'foreign-tables-of-our-names',
    'A game that keeps its worlds and agents in tables of another shape and stamps 2.',
    2,
    `CREATE TABLE worlds (id INTEGER PRIMARY KEY, seed INTEGER NOT NULL, name TEXT);
     CREATE TABLE agents (id INTEGER PRIMARY KEY, world INTEGER REFERENCES worlds(id), x REAL, y REAL);
     INSERT INTO worlds VALUES (1, 4711, 'Overworld');
     INSERT INTO agents VALUES (1, 1, 0.5, -3.25)`,
  ),
];
