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

/** All steps from an empty database on, the first of which makes the history. */
function stepsOf(scripts: readonly Script[]): string[] {
  const [first = '', ...rest] = scripts.map(stepOf);
  return [`${historyTable};\n${first}`, ...rest];
}

/** One call and one transaction a migration, on a connection with further pragmas for all but the last. */
const stepByStep = (before: string, last: string): MigrationContestant => ({
  history,
  files,
  prepare({ scripts, pragmas }) {
    const fromEmpty = stepsOf(scripts);
    return Promise.resolve(async (database) => {
      const db = await open(database, `${pragmas} ${before}`);
      const [row] = await db.all('PRAGMA user_version');
      const steps = fromEmpty.slice(Number(row?.user_version));
      for (const [index, step] of steps.entries()) {
        const isLast = index === steps.length - 1;
        await db.exec(`${isLast ? last : ''} BEGIN IMMEDIATE;\n${step}\nCOMMIT`);
      }
      await db.close();
    });
  },
});

/** The limit: the same SQL on a bare handle; as in the project, the last commit presses all of them onto the disk. */
export const limit = stepByStep('PRAGMA synchronous = NORMAL;', 'PRAGMA synchronous = FULL;');

/** The same where each commit is pressed onto the disk, as with the tools that leave the pragmas to the program. */
export const limitDurable = stepByStep('', '');

/** The same in one transaction and one call. */
export const limitTogether: MigrationContestant = {
  history,
  files,
  prepare({ scripts, pragmas }) {
    const script = stepsOf(scripts).join('\n');
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
