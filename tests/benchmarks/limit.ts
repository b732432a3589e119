import { openBare, type Bare } from './bare.js';
import type { MigrationContestant } from './contestant.js';
import { checksumOf, scriptFile, scriptText, type Script } from './scripts.js';

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** The history that the project keeps, column by column. */
const historyTable = `CREATE TABLE schema_migrations (
  id INTEGER PRIMARY KEY AUTOINCREMENT, version INTEGER NOT NULL, filename TEXT NOT NULL, description TEXT NOT NULL,
  checksum TEXT NOT NULL, applied_at TEXT NOT NULL, execution_time_ms INTEGER NOT NULL, status TEXT NOT NULL,
  origin TEXT NOT NULL, details TEXT, release TEXT, up_sql TEXT, down_sql TEXT, hash TEXT
)`;

/** One migration with its history row and user_version, as one script for the driver. */
function stepOf(script: Script): string {
  const text = scriptText(script);
  const checksum = checksumOf(text);
  const row = [
    String(script.version),
    quoted(scriptFile(script)),
    quoted(script.name.replaceAll('_', ' ')),
    quoted(checksum),
    "'2026-01-01T00:00:00.000Z'",
    '0',
    "'applied'",
    "'migration'",
    'NULL',
    'NULL',
    quoted(text),
    'NULL',
    quoted(checksum),
  ];
  return `${text}
    INSERT INTO schema_migrations (version, filename, description, checksum, applied_at, execution_time_ms, status,
      origin, details, release, up_sql, down_sql, hash) VALUES (${row.join(', ')});
    PRAGMA user_version = ${script.version};`;
}

/** Opens a database as a program does that sets its connection up. */
export async function open(database: string, pragmas: string): Promise<Bare> {
  const db = await openBare(database);
  await db.exec(pragmas);
  return db;
}

const history = 'SELECT count(*) FROM schema_migrations';
/** Its scripts are in memory before the clock starts: it reads no files. */
const files = (): ReadonlyMap<string, string> => new Map();

function pendingSteps(scripts: readonly Script[], applied: number): string[] {
  const steps = scripts.map(stepOf).slice(applied);
  return applied === 0 ? [`${historyTable};\n${steps[0] ?? ''}`, ...steps.slice(1)] : steps;
}

/** The limit: the same SQL on a bare handle, one transaction a migration, one call each. */
export const limit: MigrationContestant = {
  history,
  files,
  prepare({ scripts, pragmas }) {
    const fromEmpty = pendingSteps(scripts, 0);
    return Promise.resolve(async (database) => {
      const db = await open(database, pragmas);
      const [row] = await db.all('PRAGMA user_version');
      const applied = Number(row?.user_version);
      const steps = applied === 0 ? fromEmpty : fromEmpty.slice(applied);
      for (const step of steps) await db.exec(`BEGIN IMMEDIATE;\n${step}\nCOMMIT`);
      await db.close();
    });
  },
};

/** The same in one transaction and one call. */
export const limitTogether: MigrationContestant = {
  history,
  files,
  prepare({ scripts, pragmas }) {
    const script = pendingSteps(scripts, 0).join('\n');
    return Promise.resolve(async (database) => {
      const db = await open(database, pragmas);
      await db.exec(`BEGIN IMMEDIATE;\n${script}\nCOMMIT`);
      await db.close();
    });
  },
};

/** A bare handle that looks at a database in which nothing is pending. */
const looking = (question: string, setUp: typeof open): MigrationContestant => ({
  ...limit,
  prepare: ({ pragmas }) =>
    Promise.resolve(async (database) => {
      const db = await setUp(database, pragmas);
      await db.all(question);
      await db.close();
    }),
});

/** The limit where nothing is pending: opens the database, sets the connection up as a program does, and reads user_version. */
export const limitOpen = looking('PRAGMA user_version', open);

/** The same on a connection that is not set up, for which SQLite does not even read the schema. */
export const limitWithoutPragmas = looking('PRAGMA user_version', (database) => openBare(database));

/** The limit with one question to the history instead. */
export const limitHistory = looking('SELECT count(*), max(version) FROM schema_migrations', open);
