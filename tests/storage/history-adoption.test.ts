import { createHash } from 'node:crypto';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import {
  adoptHistory,
  defineMigration,
  inspectDatabase,
  listBackups,
  openStorage,
  planUpgrade,
  repairHistory,
  rollBackDatabase,
  upgradeDatabase,
  verifyBackup,
  verifyDatabase,
  type AdoptOptions,
  type AdoptReport,
  type Migration,
  worldLegacyVersions,
  worldMigrationsDir,
} from '../../core/index.js';
import { copyDatabase } from '../support/database-copy.js';
import { dumpDatabase } from '../support/database-dump.js';
import { DatabaseFolder } from '../support/database-folder.js';
import { migrationsOf } from '../support/migration-values.js';
import { otherDatabase, otherDatabases, type OtherDatabase } from '../support/other-histories.js';
import { untyped } from '../support/untyped.js';

let place: DatabaseFolder;

beforeEach(async () => {
  place = await DatabaseFolder.make();
});

afterEach(() => place.remove());

function adopt(
  migrations: AdoptOptions['migrations'],
  options: Partial<AdoptOptions> = {},
): Promise<AdoptReport> {
  return adoptHistory({ database: place.path, migrations, backup: false, ...options });
}

/** Where the other tool's history stands once it was taken over. */
const tableAfter = ({ table, tool }: OtherDatabase): string | undefined =>
  table === 'schema_migrations' ? `schema_migrations_${tool}` : table;
const rowsOf = async (table: string | undefined) =>
  (await dumpDatabase(place.path)).tables[table ?? '']?.rows;
const users = () => place.rows('SELECT id, name, email FROM users ORDER BY id');
const seeded = [
  { id: 1, name: 'Ada', email: 'ada@example.org' },
  { id: 2, name: 'Grace', email: 'grace@example.org' },
];

describe.each(otherDatabases)('a database of $title', (other) => {
  const { tool, table, by, dirty } = other;
  const migrations = migrationsOf(other.files);
  const filenames = migrations.map(({ filename }) => filename);

  beforeEach(() => other.make(place.path));

  it('is told, refused by an upgrade that was not asked to take it over, and left as it is', async () => {
    const before = await place.hashes();
    const inspection = await inspectDatabase(place.path, { migrations });
    expect(inspection).toMatchObject({
      kind: 'foreign',
      otherHistories: [{ tool, table, rows: expect.any(Number), newest: expect.any(String), unfinished: [] }],
      problem: { code: 'OTHER_HISTORY', hint: expect.stringContaining('upgrade-bridge adopt') },
    });
    await expect(upgradeDatabase({ database: place.path, migrations })).rejects.toMatchObject({
      code: 'OTHER_HISTORY',
      table,
      message: expect.stringMatching(/^The history of this database is kept by .{3}/),
    });
    expect(await place.hashes()).toEqual(before);
  });

  it('is taken over: nothing runs again, and the pending file does', async () => {
    const theirs = await rowsOf(table);
    const report = await adopt(migrations);
    expect(report).toMatchObject({
      nothingToDo: false,
      tool,
      table: tableAfter(other),
      renamedFrom: tableAfter(other) === table ? undefined : table,
      rows: tool === 'golang_migrate' || tool === 'user_version' ? 1 : 3,
      pending: filenames.slice(3),
      differences: [],
    });
    expect(report.files.map((file) => [file.filename, file.by, file.assumed, file.changed])).toEqual(
      filenames.slice(0, 3).map((filename, n) => [filename, by, n === 2, tool === 'releases']),
    );
    expect(report.files.slice(0, 2).map(({ evidence }) => evidence)).toEqual([
      ['table users'],
      ['column users.email', 'index users_email'],
    ]);
    expect(await rowsOf(tableAfter(other))).toEqual(theirs);
    const history = await place.rows(
      'SELECT version, filename, checksum, status, origin FROM schema_migrations ORDER BY id',
    );
    expect(history).toEqual(
      migrations.slice(0, 3).map(({ version, filename, checksum }) => ({
        ...{ version, filename, checksum },
        ...{ status: 'applied', origin: 'adopted' },
      })),
    );
    expect(await users()).toEqual(seeded);
    const last = migrations[2]?.version ?? 0;
    expect(await place.rows('PRAGMA user_version')).toEqual([{ user_version: last > 2 ** 31 ? 3 : last }]);

    const upgraded = await upgradeDatabase({ database: place.path, migrations, backup: false });
    expect(upgraded).toMatchObject({ found: 'managed', applied: [{ filename: filenames[3] }] });
    expect(await users()).toEqual(seeded);
    expect(await rowsOf(tableAfter(other))).toEqual(theirs);
    expect(await verifyDatabase(place.path, { migrations })).toMatchObject({
      ok: true,
      drift: [],
      extras: [],
      tampering: [],
      userVersion: undefined,
    });
    const newest = migrations.at(-1)?.version ?? 0;
    expect(await place.rows('PRAGMA user_version')).toEqual([
      { user_version: newest > 2 ** 31 ? 4 : newest },
    ]);
  });

  it('has nothing to take over a second time', async () => {
    await adopt(migrations);
    const again = async (): Promise<void> => {
      expect(await adopt(migrations)).toMatchObject({ nothingToDo: true, files: [], backup: undefined });
    };
    expect(await place.isUntouchedBy(again)).toBe(true);
  });

  it('is taken over once by two at the same time', async () => {
    const reports = await Promise.all([adopt(migrations), adopt(migrations)]);
    expect(reports.map(({ nothingToDo }) => nothingToDo).sort()).toEqual([false, true]);
    expect(await place.rows('SELECT version FROM schema_migrations')).toHaveLength(3);
  });

  it('is only looked at with dryRun', async () => {
    const look = async (): Promise<void> => {
      const report = await adopt(migrations, { dryRun: true });
      expect(report).toMatchObject({ dryRun: true, nothingToDo: false, pending: filenames.slice(3) });
      expect(report.files).toHaveLength(3);
    };
    expect(await place.isUntouchedBy(look)).toBe(true);
  });

  it('is refused where a row has no file', async () => {
    const fewer = migrations.filter((_file, index) => index !== 2);
    const refused = () =>
      expect(adopt(fewer)).rejects.toMatchObject({
        code: 'ADOPTION_MISMATCH',
        message: expect.stringContaining('not everything is among the files'),
      });
    expect(await place.isUntouchedBy(refused)).toBe(true);
  });

  it('is refused where the schema does not hold what the files make, unless that is accepted', async () => {
    await place.run('DROP INDEX users_email');
    const refused = () =>
      expect(adopt(migrations)).rejects.toMatchObject({
        code: 'ADOPTION_MISMATCH',
        message: expect.stringContaining('index users_email is missing'),
      });
    expect(await place.isUntouchedBy(refused)).toBe(true);
    const report = await adopt(migrations, { acceptDifferences: true });
    expect(report).toMatchObject({ nothingToDo: false, differences: ['index users_email is missing'] });
    expect(report.files[1]?.evidence).toEqual(['column users.email']);
    expect((await verifyDatabase(place.path, { migrations })).drift).toHaveLength(1);
  });

  it('is refused where a file is there in part that is not recorded, unless that is accepted', async () => {
    await place.run('CREATE TABLE notes (id INTEGER PRIMARY KEY)');
    const begun = `table notes is there, which ${filenames[3] ?? ''} makes`;
    const refused = () =>
      expect(adopt(migrations)).rejects.toMatchObject({
        code: 'ADOPTION_MISMATCH',
        message: expect.stringMatching(
          new RegExp(`^The database holds what files make that .* has not recorded: ${begun}\\.$`),
        ),
        hint: expect.stringContaining('undo what is there of it'),
      });
    expect(await place.isUntouchedBy(refused)).toBe(true);
    const report = await adopt(migrations, { acceptDifferences: true });
    expect(report).toMatchObject({ differences: [begun], pending: filenames.slice(3) });
  });

  if (dirty !== undefined)
    it('is refused where the tool has not finished its work', async () => {
      await place.run(dirty.script);
      const refused = async (): Promise<void> => {
        for (const acceptDifferences of [false, true])
          await expect(adopt(migrations, { acceptDifferences })).rejects.toMatchObject({
            code: 'UNFINISHED_HISTORY',
            message: expect.stringMatching(dirty.reason),
          });
        const { otherHistories } = await inspectDatabase(place.path, { migrations });
        expect(otherHistories[0]?.unfinished).toEqual([expect.stringMatching(dirty.reason)]);
      };
      expect(await place.isUntouchedBy(refused)).toBe(true);
    });

  it('is taken over on the way by an upgrade that is told to, after one copy', async () => {
    const report = await upgradeDatabase({ database: place.path, migrations, adopt: true });
    expect(report).toMatchObject({
      found: 'foreign',
      upToDate: false,
      adopted: filenames.slice(0, 3).map((filename) => ({ filename })),
      adoptedFrom: {
        tool,
        title: expect.any(String),
        table: tableAfter(other),
        renamedFrom: tableAfter(other) === table ? undefined : table,
      },
      applied: [{ filename: filenames[3] }],
      backup: expect.stringMatching(/-to-adopted$/),
    });
    const backups = await listBackups(place.path);
    expect(backups.map(({ path }) => path)).toEqual([report.backup]);
    expect(await verifyBackup(report.backup ?? '')).toMatchObject({ verified: true });
    const again = await upgradeDatabase({ database: place.path, migrations, adopt: true });
    expect(again).toMatchObject({ upToDate: true, adoptedFrom: undefined });
  });
});

it('a history without the row of a file that the others build on is refused, and left as it is', async () => {
  const knex = otherDatabase('knex 3');
  await knex.make(place.path);
  await place.run('DELETE FROM knex_migrations WHERE id = 1');
  const refused = () =>
    expect(adopt(migrationsOf(knex.files))).rejects.toMatchObject({
      code: 'ADOPTION_MISMATCH',
      message: expect.stringMatching(
        /do not run one after the other on an empty database\..*no such table: users/,
      ),
      hint: expect.stringContaining('A file that they build on has no row'),
    });
  expect(await place.isUntouchedBy(refused)).toBe(true);
});

it('a row without a name is named by its place', async () => {
  const knex = otherDatabase('knex 3');
  await knex.make(place.path);
  await place.run('UPDATE knex_migrations SET name = NULL WHERE id = 1');
  await expect(adopt(migrationsOf(knex.files))).rejects.toMatchObject({
    message: expect.stringContaining('row 1 of knex_migrations has no name'),
  });
});

it('what another tool has applied is not undone before it is taken over', async () => {
  const knex = otherDatabase('knex 3');
  await knex.make(place.path);
  await expect(
    rollBackDatabase({ database: place.path, migrations: migrationsOf(knex.files) }),
  ).rejects.toMatchObject({
    code: 'NO_WAY_BACK',
    hint: 'Another tool keeps the history; adopt it first.',
  });
});

describe('the time at which the other tool applied a file', () => {
  const runner = otherDatabase('a runner that keeps file names and checksums');

  it.each([
    ['2024-03-01 10:00:00', '2024-03-01T10:00:00.000Z'],
    ['2024-03-01', '2024-03-01T00:00:00.000Z'],
    ['2024-03-01T10:00:00.250+02:00', '2024-03-01T08:00:00.250Z'],
    ['2024-03-01 10:00:00.000 +00:00', '2024-03-01T10:00:00.000Z'],
    ['1709287200', '2024-03-01T10:00:00.000Z'],
    ['1709287200123', '2024-03-01T10:00:00.123Z'],
  ])('is kept: %s is %s', async (written, kept) => {
    await runner.make(place.path);
    await place.run(`UPDATE migrations SET applied_at = '${written}'`);
    await adopt(migrationsOf(runner.files));
    expect(await place.rows('SELECT DISTINCT applied_at FROM schema_migrations')).toEqual([
      { applied_at: kept },
    ]);
    expect(await verifyDatabase(place.path, { migrations: migrationsOf(runner.files) })).toMatchObject({
      tampering: [],
    });
  });

  it.each(["'on a Sunday'", "'2024-13-45'", 'NULL'])(
    'is that of the adoption where it tells no time: %s',
    async (written) => {
      await runner.make(place.path);
      await place.run(`UPDATE migrations SET applied_at = ${written}`);
      await adopt(migrationsOf(runner.files));
      const rows = await place.rows('SELECT applied_at FROM schema_migrations');
      expect(rows).toEqual([1, 2, 3].map(() => ({ applied_at: expect.stringMatching(/^\d{4}-.*T.*Z$/) })));
    },
  );
});

it('the checksum of a release of several files tells nothing of one of them', async () => {
  const runner = otherDatabase('a runner that keeps releases');
  await runner.make(place.path);
  await place.run("DELETE FROM schema_migrations WHERE version = '1.1.1'");
  const files = Object.fromEntries(
    Object.entries(runner.files).map(([name, sql]) => [name, sql.replace('release 1.1.1', 'release 1.1.0')]),
  );
  const report = await adopt(migrationsOf(files));
  expect(report.files.map(({ changed }) => changed)).toEqual([true, false, false]);
});

describe('the files of drizzle', () => {
  const drizzle = otherDatabase('drizzle, with its files as they are');
  const rewritten = migrationsOf(otherDatabase('the package sqlite').files);

  beforeEach(() => drizzle.make(place.path));

  it('are found by their place where they were rewritten, and the schema shows them', async () => {
    const { files } = await adopt(rewritten);
    expect(files.map(({ version, by }) => [version, by])).toEqual([
      [1, 'order'],
      [2, 'order'],
      [3, 'order'],
    ]);
  });

  it('are not found by their place where there is another between them', async () => {
    const extra: readonly Migration[] = migrationsOf({
      ...Object.fromEntries(Object.entries(drizzle.files).slice(0, 1)),
      '002_other.sql': 'CREATE TABLE other (x);',
      '003_add_email.sql': otherDatabase('the package sqlite').files['002_add_email.sql'] ?? '',
      '004_seed_users.sql': drizzle.files['003_seed_users.sql'] ?? '',
    });
    await expect(adopt(extra)).rejects.toMatchObject({
      code: 'ADOPTION_MISMATCH',
      message: expect.stringMatching(
        /2024-03-02T00:00:00\.000Z.*Files without a row: 002_other\.sql, 003_add_email\.sql/,
      ),
    });
  });
});

describe('the sibling of the world storage', () => {
  beforeEach(() => copyDatabase('tests/fixtures/legacy/foreign-sibling.db', place.path));

  it('is taken over by the names of its files, whose numbers are others', async () => {
    const { files, renamedFrom, table } = await adopt(worldMigrationsDir, { legacy: worldLegacyVersions });
    expect(files.map(({ filename, row, by }) => [filename, row, by])).toEqual([
      ['0003_init_base_schema.sql', '0 0000_init_base_schema', 'name'],
      ['0004_add_chat_id.sql', '1 0001_add_chat_id', 'name'],
      ['0005_add_llm_config.sql', '2 0002_add_llm_config', 'name'],
    ]);
    expect([renamedFrom, table]).toEqual(['schema_migrations', 'schema_migrations_sibling']);
  });

  it('opens as a storage that is told to take it over', async () => {
    const before = await dumpDatabase(place.path);
    await expect(openStorage({ database: place.path })).rejects.toMatchObject({ code: 'OTHER_HISTORY' });
    const storage = await openStorage({ database: place.path, adopt: true, backup: false });
    expect(storage.report).toMatchObject({ found: 'foreign', version: 11 });
    expect(storage.report.adopted.map(({ version }) => version)).toEqual([3, 4, 5]);
    expect((await storage.worlds.list()).length).toBe(before.tables.worlds?.rows.length);
    await storage.close();
    const after = await dumpDatabase(place.path);
    expect(after.tables.schema_migrations_sibling?.rows).toEqual(before.tables.schema_migrations?.rows);
    expect(await verifyDatabase(place.path)).toMatchObject({ ok: true, extras: [] });
  });
});

describe('a history of ours under another name', () => {
  const runner = otherDatabase('a runner that keeps file names and checksums');
  const migrations = migrationsOf(runner.files);

  it('takes the name from a table of another tool, which keeps its rows', async () => {
    await runner.make(place.path);
    await place.run('CREATE VIEW newest AS SELECT max(filename) AS filename FROM migrations');
    const theirs = await rowsOf('migrations');
    const report = await adopt(migrations, { historyTable: 'migrations' });
    expect(report).toMatchObject({ table: 'migrations_files', renamedFrom: 'migrations' });
    expect(await rowsOf('migrations_files')).toEqual(theirs);
    expect(await place.rows('SELECT filename FROM newest')).toEqual([{ filename: '003_seed_users.sql' }]);
    expect(await place.rows("SELECT count(*) AS rows FROM migrations WHERE origin = 'adopted'")).toEqual([
      { rows: 3 },
    ]);
    const after = await verifyDatabase(place.path, { migrations, historyTable: 'migrations' });
    expect(after).toMatchObject({ drift: [], pending: ['004_create_notes.sql'] });
    expect(after.extras.map(({ name }) => name)).toEqual(['newest']);
  });

  it('gives up its name beside a broken view that does not speak of it, and not beside one that does', async () => {
    await runner.make(place.path);
    await place.run('CREATE VIEW broken AS SELECT nope FROM nowhere');
    const speaking = 'CREATE VIEW speaking AS SELECT nope FROM nowhere, Migrations';
    await place.run(speaking);
    const refused = () =>
      expect(adopt(migrations, { historyTable: 'migrations' })).rejects.toMatchObject({
        code: 'ADOPTION_MISMATCH',
        message: expect.stringContaining('the view "speaking" speaks of it'),
      });
    await refused();
    await place.run('DROP VIEW speaking');
    const theirs = await rowsOf('migrations');
    expect(await adopt(migrations, { historyTable: 'migrations' })).toMatchObject({
      renamedFrom: 'migrations',
    });
    expect(await rowsOf('migrations_files')).toEqual(theirs);
    expect(await place.rows("SELECT name FROM sqlite_schema WHERE type = 'view'")).toEqual([
      { name: 'broken' },
    ]);
  });

  it('keeps its name where the SQLite of the driver does not take the text of another table', async () => {
    await runner.make(place.path);
    await place.run('CREATE TABLE own_kinds (kind CHECK (kind IN ("a", "b")))');
    const refused = () =>
      expect(
        adopt(migrations, { historyTable: 'migrations', driver: 'better-sqlite3' }),
      ).rejects.toMatchObject({
        code: 'ADOPTION_MISMATCH',
        message: expect.stringContaining('error in table own_kinds: no such column: "a"'),
        hint: expect.stringContaining('the driver sqlite3 does'),
      });
    expect(await place.isUntouchedBy(refused)).toBe(true);
    const named = { historyTable: 'our_history', driver: 'better-sqlite3' } as const;
    expect(await adopt(migrations, named)).toMatchObject({ renamedFrom: undefined });
  });

  it('is refused where the name that the other table would get is taken', async () => {
    await runner.make(place.path);
    await place.run('CREATE TABLE Migrations_Files (mine)');
    const refused = () =>
      expect(adopt(migrations, { historyTable: 'migrations' })).rejects.toMatchObject({
        code: 'ADOPTION_MISMATCH',
        message: expect.stringContaining('that name is taken (table)'),
      });
    expect(await place.isUntouchedBy(refused)).toBe(true);
  });

  it('is refused where something stands there that nobody knows', async () => {
    await runner.make(place.path);
    await place.run('CREATE TABLE own (x)');
    const refused = () =>
      expect(adopt(migrations, { historyTable: 'own' })).rejects.toMatchObject({ code: 'FOREIGN_DATABASE' });
    expect(await place.isUntouchedBy(refused)).toBe(true);
  });
});

describe('a database with the histories of several tools', () => {
  const knex = otherDatabase('knex 3');
  const migrations = migrationsOf(knex.files);

  beforeEach(async () => {
    await knex.make(place.path);
    await place.run(
      "CREATE TABLE schema_migrations (version TEXT); INSERT INTO schema_migrations VALUES ('1')",
    );
  });

  it('is refused until one of them is named', async () => {
    await expect(adopt(migrations)).rejects.toMatchObject({
      code: 'ADOPTION_MISMATCH',
      message: expect.stringMatching(/^Several tools keep a history in the database: knex, .*; dbmate, /),
    });
    await expect(adopt(migrations, { tool: 'flyway' })).rejects.toMatchObject({
      message: 'There is no history of flyway in the database.',
    });
  });

  it('is upgraded once one of them is named, and planned', async () => {
    const options = { database: place.path, migrations, backup: false } as const;
    await expect(upgradeDatabase({ ...options, adopt: true })).rejects.toMatchObject({
      code: 'ADOPTION_MISMATCH',
    });
    const misspelt = untyped(options, { adopt: { tools: 'knex' } });
    await expect(upgradeDatabase(misspelt)).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: 'adopt has no option "tools".',
    });
    const adopt = { tool: 'knex', table: 'knex_migrations' } as const;
    expect(await planUpgrade({ ...options, adopt })).toMatchObject({ adopt: [{}, {}, {}], apply: [{}] });
    expect(await upgradeDatabase({ ...options, adopt })).toMatchObject({
      adoptedFrom: { tool: 'knex' },
      adopted: [{}, {}, {}],
      applied: [{}],
    });
  });

  it('gives the name of our history up for the one that is taken over', async () => {
    const report = await adopt(migrations, { tool: 'knex' });
    expect(report).toMatchObject({ tool: 'knex', table: 'knex_migrations', renamedFrom: undefined });
    expect(await place.rows('SELECT version FROM schema_migrations_dbmate')).toEqual([{ version: '1' }]);
  });
});

describe('a view under the name of our history', () => {
  it('is told with the way out, and is no history', async () => {
    await place.run('CREATE TABLE notes (id); CREATE VIEW schema_migrations AS SELECT 1 AS version');
    const migrations = migrationsOf({ '001_notes.sql': 'CREATE TABLE notes (id);' });
    for (const work of [
      () => upgradeDatabase({ database: place.path, migrations }),
      () => repairHistory({ database: place.path, migrations }),
    ])
      await expect(work()).rejects.toMatchObject({
        code: 'FOREIGN_DATABASE',
        message: expect.stringContaining('a view named schema_migrations'),
        hint: expect.stringContaining('give our history another name (historyTable, --history-table)'),
      });
  });
});

it('a repair of what another tool keeps is refused by the name of that', async () => {
  await otherDatabase('dbmate').make(place.path);
  const migrations = migrationsOf(otherDatabase('dbmate').files);
  await expect(repairHistory({ database: place.path, migrations })).rejects.toMatchObject({
    code: 'OTHER_HISTORY',
    table: 'schema_migrations',
    hint: expect.stringContaining('--history-table'),
  });
});

describe('the number in user_version', () => {
  const other = otherDatabase('user_version alone');
  const migrations = migrationsOf(other.files);

  it('does not make the database of a stranger ours, whatever is accepted', async () => {
    await place.run('CREATE TABLE birds (id INTEGER PRIMARY KEY); PRAGMA user_version = 3');
    const refused = () =>
      expect(adopt(migrations, { acceptDifferences: true })).rejects.toMatchObject({
        code: 'ADOPTION_MISMATCH',
        message: expect.stringContaining('the database has no table that they make'),
      });
    expect(await place.isUntouchedBy(refused)).toBe(true);
  });

  it('can be chosen beside a table that only looks like a history', async () => {
    await other.make(place.path);
    await place.run("CREATE TABLE bird_migrations (name); INSERT INTO bird_migrations VALUES ('swallow')");
    await expect(adopt(migrations)).rejects.toMatchObject({ message: expect.stringContaining('swallow') });
    const report = await adopt(migrations, { tool: 'user_version' });
    expect(report).toMatchObject({ tool: 'user_version', version: 3, pending: ['004_create_notes.sql'] });
    expect(await place.rows('SELECT name FROM bird_migrations')).toEqual([{ name: 'swallow' }]);
  });
});

it('of two tables of one tool the one that is named is taken over', async () => {
  const other = otherDatabase('umzug 3 with the storage of Sequelize 6');
  const migrations = migrationsOf(other.files);
  await other.make(place.path);
  await place.run("CREATE TABLE bird_migrations (name); INSERT INTO bird_migrations VALUES ('swallow')");
  await expect(adopt(migrations)).rejects.toMatchObject({
    message: expect.stringContaining('Several tools keep a history'),
    hint: expect.stringContaining('--table'),
  });
  await expect(adopt(migrations, { table: 'other' })).rejects.toMatchObject({
    message: 'There is no history of another tool in the table other.',
  });
  expect(await adopt(migrations, { table: 'sequelizemeta' })).toMatchObject({
    table: 'SequelizeMeta',
    rows: 3,
  });
});

describe('there is nothing to take over', () => {
  const migrations = migrationsOf(otherDatabase('knex 3').files);

  it.each([
    ['in an empty database', 'SELECT 1', 'There is no history of another tool in the database.'],
    [
      'where there are tables only',
      'CREATE TABLE users (id)',
      'There is no history of another tool in the database.',
    ],
    [
      'where the history has no row',
      'CREATE TABLE knex_migrations (id, name, batch, migration_time)',
      'There is no history of another tool in the database.',
    ],
    [
      'where all of it was undone',
      "CREATE TABLE schema_migrations (version, description, applied_at, checksum, execution_time_ms, status); INSERT INTO schema_migrations VALUES ('1.0.0', 'x', 'x', 'x', 1, 'rolled_back')",
      'Nothing stands applied in the history of a runner that keeps releases, in the table schema_migrations (1 row).',
    ],
  ])('%s', async (_title, script, message) => {
    await place.run(script);
    const refused = () =>
      expect(adopt(migrations)).rejects.toMatchObject({ code: 'ADOPTION_MISMATCH', message });
    expect(await place.isUntouchedBy(refused)).toBe(true);
  });

  it('where there is no file, and makes none', async () => {
    await expect(adopt(migrations)).rejects.toMatchObject({ code: 'MISSING_DATABASE' });
    expect(await place.hashes()).toEqual({});
  });

  it('where the number in user_version is that of a legacy database', async () => {
    await otherDatabase('user_version alone').make(place.path);
    const files = migrationsOf(otherDatabase('user_version alone').files);
    await expect(adopt(files, { legacy: { 3: [1, 2, 3] } })).rejects.toMatchObject({
      code: 'ADOPTION_MISMATCH',
    });
  });
});

describe('a legacy database in which another tool has a history, too', () => {
  const knexTable = 'CREATE TABLE knex_migrations (id INTEGER PRIMARY KEY, name, batch, migration_time);';

  beforeEach(() => copyDatabase('tests/fixtures/legacy/version-7-born.db', place.path));

  it('is upgraded as ever where that tells of other things', async () => {
    await place.run(`${knexTable} INSERT INTO knex_migrations VALUES (1, '20240101000000_shop.js', 1, 1)`);
    const report = await upgradeDatabase({
      ...{ database: place.path, backup: false },
      ...{ migrations: worldMigrationsDir, legacy: worldLegacyVersions },
    });
    expect(report).toMatchObject({ found: 'legacy', version: 11 });
    expect(await place.rows('SELECT name FROM knex_migrations')).toEqual([
      { name: '20240101000000_shop.js' },
    ]);
  });

  it('is refused where that tells of the same files', async () => {
    await place.run(`${knexTable} INSERT INTO knex_migrations VALUES (1, '2_add_chat_id.js', 1, 1)`);
    const refused = () =>
      expect(openStorage({ database: place.path })).rejects.toMatchObject({
        code: 'OTHER_HISTORY',
        tool: 'knex',
        table: 'knex_migrations',
      });
    expect(await place.isUntouchedBy(refused)).toBe(true);
  });
});

it('a history of numbers and names is taken over for migrations in code', async () => {
  await otherDatabase('a runner that keeps numbers and names').make(place.path);
  const code = [
    defineMigration({
      version: 1,
      name: 'create_users',
      up: (db) =>
        db.executeScript('CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL)'),
    }),
    defineMigration({
      version: 2,
      name: 'add_email',
      up: async (db) => {
        await db.executeScript('ALTER TABLE users ADD COLUMN email TEXT');
        await db.executeScript('CREATE UNIQUE INDEX users_email ON users (email)');
      },
    }),
    defineMigration({
      version: 3,
      name: 'seed_users',
      up: async (db) => {
        await db.execute('INSERT INTO users (name) VALUES (?)', ['Somebody']);
      },
    }),
    defineMigration({
      version: 4,
      name: 'create_notes',
      up: (db) => db.executeScript('CREATE TABLE notes (id INTEGER PRIMARY KEY)'),
    }),
  ];
  const { files, pending } = await adopt(code);
  expect(files.map(({ version, by, assumed }) => [version, by, assumed])).toEqual([
    [1, 'name', false],
    [2, 'name', false],
    [3, 'name', true],
  ]);
  expect(pending).toHaveLength(1);
  expect((await upgradeDatabase({ database: place.path, migrations: code, backup: false })).version).toBe(4);
  expect(await users()).toEqual(seeded);
});

describe('rows whose names no file has', () => {
  const made = {
    '001_birds.sql': 'CREATE TABLE birds (id INTEGER PRIMARY KEY);',
    '002_nests.sql': 'CREATE TABLE nests (id INTEGER PRIMARY KEY);',
  };
  const refused = (files: Readonly<Record<string, string>>) => () =>
    expect(adopt(migrationsOf(files))).rejects.toMatchObject({
      code: 'ADOPTION_MISMATCH',
      message: expect.stringContaining('not everything is among the files'),
    });
  const keptByKnex = (...names: readonly string[]): Promise<void> =>
    place.run(`CREATE TABLE knex_migrations (id INTEGER PRIMARY KEY, name, batch, migration_time);
      INSERT INTO knex_migrations (name, batch) VALUES ${names.map((name) => `('${name}.js', 1)`).join(', ')};`);

  it('belong to the first files where the schema shows these, and no more', async () => {
    await place.run(made['001_birds.sql'] + made['002_nests.sql']);
    await keptByKnex('one', 'two');
    const { files, pending } = await adopt(
      migrationsOf({ ...made, '003_eggs.sql': 'CREATE TABLE eggs (id);' }),
    );
    expect(files.map(({ version, row, by }) => [version, row, by])).toEqual([
      [1, 'one.js', 'order'],
      [2, 'two.js', 'order'],
    ]);
    expect(pending).toEqual(['003_eggs.sql']);
  });

  it('belong to none where there are more of them than files', async () => {
    await place.run(made['001_birds.sql'] + made['002_nests.sql']);
    await keptByKnex('one', 'two', 'three');
    expect(await place.isUntouchedBy(refused(made))).toBe(true);
  });

  it('belong to none where no file shows anything in the schema', async () => {
    await place.run('CREATE TABLE strangers (id)');
    await keptByKnex('one');
    const files = { '001_nothing.sql': 'SELECT 1;', '002_birds.sql': made['001_birds.sql'] };
    expect(await place.isUntouchedBy(refused(files))).toBe(true);
  });

  it('belong to none where another row has the checksum of a file in another place', async () => {
    await place.run(made['001_birds.sql'] + made['002_nests.sql']);
    const hash = (sql: string): string => createHash('sha256').update(sql).digest('hex');
    await place.run(`CREATE TABLE __drizzle_migrations (id INTEGER PRIMARY KEY, hash text NOT NULL, created_at numeric);
      INSERT INTO __drizzle_migrations (hash, created_at)
      VALUES ('${hash(made['002_nests.sql'])}', 1700000000000), ('${hash('lost')}', 1700000000001);`);
    expect(await place.isUntouchedBy(refused(made))).toBe(true);
  });
});

it('rows that pointed nowhere before a history was taken over are not held against the database', async () => {
  const files = {
    '001_children.sql':
      'CREATE TABLE parents (id INTEGER PRIMARY KEY); CREATE TABLE children (parent REFERENCES parents);',
  };
  await place.run(`${files['001_children.sql']} INSERT INTO children VALUES (7);
    CREATE TABLE knex_migrations (id INTEGER PRIMARY KEY, name, batch, migration_time);
    INSERT INTO knex_migrations (name, batch) VALUES ('001_children.js', 1);`);
  const migrations = migrationsOf(files);
  await adopt(migrations);
  const violations = [{ table: 'children', rows: 1 }];
  expect(await verifyDatabase(place.path, { migrations })).toMatchObject({ violations, newViolations: [] });
});
