import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import {
  readMigrations,
  runChecks,
  upgradeDatabase,
  verifyDatabase,
  type CheckResult,
} from '../../core/index.js';
import { hashesIn } from '../support/database-copy.js';
import { dumpDatabase } from '../support/database-dump.js';
import { ScratchDatabase } from '../support/scratch-database.js';
import { journalModes } from '../support/storage-database.js';

const tasks = {
  '001_tasks.sql': `CREATE TABLE projects (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE tasks (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      project_id INTEGER NOT NULL REFERENCES projects(id) ON DELETE CASCADE,
      status TEXT NOT NULL CHECK (status IN ('open', 'in_progress', 'done')),
      priority_score INTEGER NOT NULL DEFAULT 0 CHECK (priority_score BETWEEN 0 AND 10000)
    );
    CREATE TABLE milestones (project_id INTEGER PRIMARY KEY, total_tasks INTEGER NOT NULL DEFAULT 0);
    CREATE TRIGGER tasks_counted AFTER INSERT ON tasks
    BEGIN
      UPDATE milestones SET total_tasks = total_tasks + 1 WHERE project_id = NEW.project_id;
    END;
    CREATE TRIGGER projects_are_named BEFORE INSERT ON projects WHEN NEW.name = ''
    BEGIN
      SELECT raise(ROLLBACK, 'a project has a name');
    END;
    CREATE INDEX idx_tasks_priority_queue ON tasks (project_id, priority_score DESC)
      WHERE status IN ('open', 'in_progress');`,
};

const checks = `-- check: the queue is read by its index
-- expect: uses index idx_tasks_priority_queue
SELECT id FROM tasks WHERE project_id = 1 AND status IN ('open', 'in_progress') ORDER BY priority_score DESC;

-- check: a milestone counts its tasks
-- expect: value 2
INSERT INTO projects VALUES (900, 'p');
INSERT INTO milestones (project_id) VALUES (900);
INSERT INTO tasks (project_id, status) VALUES (900, 'open'), (900, 'done');
SELECT total_tasks FROM milestones WHERE project_id = 900;

-- check: a status is one of three
-- expect: fails CHECK constraint failed: status
INSERT INTO projects VALUES (900, 'p');
INSERT INTO tasks (project_id, status) VALUES (900, 'half-done');

-- check: a task belongs to a project
-- expect: fails FOREIGN KEY constraint failed
INSERT INTO tasks (project_id, status) VALUES (4711, 'open');

-- check: the tasks of a project go with it
-- expect: no rows
INSERT INTO projects VALUES (900, 'p');
INSERT INTO tasks (project_id, status) VALUES (900, 'open');
DELETE FROM projects WHERE id = 900;
SELECT 1 FROM tasks WHERE project_id = 900;

-- check: a project is named
-- expect: fails a project has a name
INSERT INTO projects VALUES (901, '');

-- check: no key is broken
-- expect: no rows
SELECT * FROM pragma_foreign_key_check;

-- check: there is a project
-- expect: rows
SELECT name FROM projects;
`;

const reading = `-- check: there is a project
-- expect: rows
SELECT name FROM projects;
-- check: sorted
-- expect: value 'p'
WITH first AS (SELECT name FROM projects ORDER BY id) SELECT name FROM first LIMIT 1;
-- check: whole
-- expect: value 'ok'
PRAGMA integrity_check;
`;

describe.each(journalModes)("a project's own checks, in %s mode,", (journal) => {
  let scratch: ScratchDatabase;
  let file: string;

  beforeEach(async () => {
    scratch = await ScratchDatabase.make(journal, 'CREATE TABLE mine (a); DROP TABLE mine;');
    await scratch.write(tasks);
    file = join(scratch.migrations, 'checks.sql');
    await upgradeDatabase({ database: scratch.path, migrations: scratch.migrations, backup: false });
    await scratch.run(`INSERT INTO projects VALUES (1, 'p'); INSERT INTO milestones VALUES (1, 0);
      INSERT INTO tasks (project_id, status) VALUES (1, 'open');`);
  });

  afterEach(() => scratch.remove());

  async function run(text: string): Promise<readonly CheckResult[]> {
    await writeFile(file, text);
    return runChecks(scratch.path, file);
  }

  /** What became of one check, as `yes: found`. */
  async function outcome(expected: string, sql: string): Promise<string> {
    const [result] = await run(`-- check: a\n-- expect: ${expected}\n${sql}`);
    return `${result?.ok === true ? 'yes' : 'no'}: ${result?.found ?? ''}`;
  }

  it('are met where the database is as it must be, and change no row of it', async () => {
    const before = await dumpDatabase(scratch.path);
    const results = await run(checks);
    expect(results.filter(({ ok }) => !ok)).toEqual([]);
    expect(results.map(({ name, line }) => [name, line])).toEqual([
      ['the queue is read by its index', 1],
      ['a milestone counts its tasks', 5],
      ['a status is one of three', 12],
      ['a task belongs to a project', 17],
      ['the tasks of a project go with it', 21],
      ['a project is named', 28],
      ['no key is broken', 32],
      ['there is a project', 36],
    ]);
    expect(await dumpDatabase(scratch.path)).toEqual(before);
  });

  it('are not met where something was taken away', async () => {
    await scratch.run(`DROP INDEX idx_tasks_priority_queue; DROP TRIGGER tasks_counted;
      DROP TRIGGER projects_are_named; PRAGMA writable_schema = ON;
      UPDATE sqlite_schema SET sql = replace(sql, 'CHECK (status IN (''open'', ''in_progress'', ''done''))', '');`);
    const results = await run(checks);
    expect(results.filter(({ ok }) => !ok)).toEqual([
      {
        name: 'the queue is read by its index',
        ok: false,
        line: 1,
        expected: 'uses index idx_tasks_priority_queue',
        found: expect.stringContaining('SCAN tasks'),
      },
      { name: 'a milestone counts its tasks', ok: false, line: 5, expected: 'value 2', found: '0' },
      {
        name: 'a status is one of three',
        ok: false,
        line: 12,
        expected: 'fails CHECK constraint failed: status',
        found: 'it was carried out',
      },
      {
        name: 'a project is named',
        ok: false,
        line: 28,
        expected: 'fails a project has a name',
        found: 'it was carried out',
      },
    ]);
  });

  it.each([
    ['rows', 'SELECT 1 UNION SELECT 2', 'yes: 2 rows'],
    ['rows', 'SELECT 1 WHERE 0', 'no: no rows'],
    ['rows', "INSERT INTO projects VALUES (7, 'x') RETURNING id", 'yes: 1 row'],
    ['no rows', 'SELECT 1', 'no: 1 row'],
    ['no rows', "UPDATE projects SET name = 'y' WHERE id = 99", 'yes: no rows'],
    [
      'no rows',
      'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n',
      'no: more than 20 rows',
    ],
    ['no rows', 'SELECT a FROM nowhere', 'no: it failed: no such table: nowhere'],
    ['value 1', 'SELECT 1', 'yes: 1'],
    ['value 1', "SELECT '1'", "no: '1'"],
    ["value '1'", 'SELECT 1', 'no: 1'],
    ['value 1.5', 'SELECT 1.5', 'yes: 1.5'],
    ['value NULL', 'SELECT NULL', 'yes: NULL'],
    ['value NULL', 'SELECT 0', 'no: 0'],
    ["value x'00FF'", "SELECT x'00ff'", "yes: x'00FF'"],
    ["value 'it''s'", "SELECT 'it''s'", "yes: 'it''s'"],
    ['value 1', 'SELECT 1 WHERE 0', 'no: no rows'],
    ['value 1', 'SELECT 1 UNION ALL SELECT 1', 'no: 2 rows'],
    ['value 1', 'SELECT 1 AS a, 2 AS b', 'no: a row of 2 values'],
    ["value 'a'", `SELECT '${'long'.repeat(30)}'`, `no: '${'long'.repeat(15).slice(0, 59)}…`],
    [
      'fails',
      "INSERT INTO projects VALUES (1, 'again')",
      'yes: it failed: UNIQUE constraint failed: projects.id',
    ],
    ['fails', "INSERT INTO projects VALUES ('one', 'p')", 'yes: it failed: datatype mismatch'],
    [
      'fails NOT NULL',
      "INSERT INTO projects VALUES (1, 'p')",
      'no: it failed: UNIQUE constraint failed: projects.id',
    ],
    [
      'fails',
      'INSERT INTO nowhere VALUES (1)',
      'no: it failed: no such table: nowhere, which is no rule of the schema',
    ],
    ['fails', "INSERT INTO projects VALUES (8, 'p')", 'no: it was carried out'],
    ['fails', 'SELECT 1', 'no: it was carried out'],
    ['uses index nothing', 'SELECT * FROM nowhere', 'no: it failed: no such table: nowhere'],
    ['uses index idx_tasks', 'SELECT 1', 'no: SCAN CONSTANT ROW'],
    [
      'uses index IDX_TASKS_PRIORITY_QUEUE',
      "SELECT count(*) FROM tasks WHERE project_id = 1 AND status IN ('open', 'in_progress')",
      'yes: SEARCH tasks USING INDEX idx_tasks_priority_queue (project_id=?)',
    ],
    [
      'uses index idx_tasks_priority',
      "SELECT count(*) FROM tasks WHERE project_id = 1 AND status IN ('open', 'in_progress')",
      'no: SEARCH tasks USING INDEX idx_tasks_priority_queue (project_id=?)',
    ],
  ])('that expect %p of %p are told as they are', async (expected, sql, found) => {
    expect(await outcome(expected, sql)).toBe(found);
  });

  it('fail where the ground cannot be prepared, and go on with the next', async () => {
    const results = await run(`-- check: a
-- expect: rows
INSERT INTO projects VALUES (7, 'x');
INSERT INTO nowhere VALUES (1);
SELECT 1;
-- check: b
-- expect: no rows
SELECT 1 FROM projects WHERE id = 7;`);
    expect(results.map(({ ok, found }) => [ok, found])).toEqual([
      [false, 'the statement on line 4 failed: no such table: nowhere'],
      [true, 'no rows'],
    ]);
  });

  it('leave nothing behind that a statement ended its transaction for', async () => {
    const before = await dumpDatabase(scratch.path);
    const results = await run(`-- check: a
-- expect: rows
INSERT INTO projects VALUES (7, 'kept?');
INSERT INTO projects VALUES (8, '');
INSERT INTO projects VALUES (9, 'kept!');
SELECT 1;
-- check: b
-- expect: fails a project has a name
INSERT INTO projects VALUES (7, 'kept?');
INSERT INTO projects VALUES (8, '');`);
    expect(results.map(({ ok }) => ok)).toEqual([false, true]);
    expect(await dumpDatabase(scratch.path)).toEqual(before);
  });

  it('that only read change no byte, and need no right to write', async () => {
    const before = await hashesIn(scratch.folder);
    const writer = await sqlite3Driver.open(scratch.path, 'read-write');
    if (journal === 'wal') await writer.execute('BEGIN IMMEDIATE');
    expect((await run(reading)).map(({ ok }) => ok)).toEqual([true, true, true]);
    if (journal === 'wal') await writer.execute('ROLLBACK');
    await writer.close();
    expect(await hashesIn(scratch.folder)).toEqual(before);
  });

  it('that write leave a log where it is', async () => {
    const writer = await sqlite3Driver.open(scratch.path, 'read-write');
    await writer.executeScript(
      "PRAGMA wal_autocheckpoint = 0; INSERT INTO projects VALUES (2, 'in the log')",
    );
    const reader = await sqlite3Driver.open(scratch.path, 'read-only');
    await reader.query('SELECT * FROM projects');
    await writer.close();
    const before = await hashesIn(scratch.folder);
    await reader.close();
    expect(await hashesIn(scratch.folder)).toEqual(before);
    const results = await run(checks);
    expect(results.filter(({ ok }) => !ok)).toEqual([]);
    expect(await hashesIn(scratch.folder)).toEqual(before);
  });

  it('that write are refused with a name where another program keeps the database', async () => {
    const writer = await sqlite3Driver.open(scratch.path, 'read-write');
    await writer.execute('BEGIN IMMEDIATE');
    await expect(run(checks)).rejects.toMatchObject({ code: 'LOCKED' });
    await writer.execute('ROLLBACK');
    await writer.close();
  });

  it('are named where the database or the file is not there', async () => {
    await writeFile(file, reading);
    await expect(runChecks(join(scratch.folder, 'no.db'), file)).rejects.toMatchObject({
      code: 'MISSING_DATABASE',
    });
    await expect(runChecks(scratch.path, join(scratch.folder, 'no.sql'))).rejects.toMatchObject({
      code: 'UNREADABLE_MIGRATIONS',
      message: expect.stringContaining('The file of checks'),
    });
  });

  describe('beside the migrations', () => {
    const verify = (more = {}): ReturnType<typeof verifyDatabase> =>
      verifyDatabase(scratch.path, { migrations: scratch.migrations, ...more });

    it('are no migration, and part of what verify tells', async () => {
      await scratch.write({ 'checks.sql': checks });
      expect(await readMigrations(scratch.migrations)).toHaveLength(1);
      const found = await verify();
      expect(found).toMatchObject({ ok: true });
      expect(found.checks).toHaveLength(8);
      await scratch.run('DELETE FROM tasks; DELETE FROM projects;');
      const { ok, drift, checks: results } = await verify();
      expect({ ok, drift }).toEqual({ ok: false, drift: [] });
      expect(results.filter((each) => !each.ok).map(({ name }) => name)).toEqual(['there is a project']);
    });

    it('are none where there is no file, or none is wanted', async () => {
      expect(await verify()).toMatchObject({ ok: true, checks: [] });
      await scratch.write({ 'checks.sql': 'nonsense' });
      expect(await verify({ checks: false })).toMatchObject({ ok: true, checks: [] });
      const migrations = await readMigrations(scratch.migrations);
      expect(await verify({ migrations })).toMatchObject({ ok: true, checks: [] });
    });

    it('may stand elsewhere', async () => {
      const elsewhere = join(scratch.folder, 'mine.sql');
      await writeFile(elsewhere, reading);
      const migrations = await readMigrations(scratch.migrations);
      expect((await verify({ migrations, checks: elsewhere })).checks).toHaveLength(3);
      await expect(verify({ checks: join(scratch.folder, 'no.sql') })).rejects.toMatchObject({
        code: 'UNREADABLE_MIGRATIONS',
      });
    });

    it('are refused before the database is looked at where they are not written as they must be', async () => {
      await scratch.write({ 'checks.sql': '-- check: a\nSELECT 1;' });
      await expect(verify()).rejects.toMatchObject({ code: 'BAD_DIRECTIVE', file: 'checks.sql', line: 1 });
    });

    it.each(['check.sql', 'Checks.sql', 'CHECKS.SQL'])('have one name: %s is refused', async (name) => {
      await scratch.write({ [name]: reading });
      await expect(verify()).rejects.toMatchObject({
        code: 'BAD_MIGRATION_NAME',
        hint: 'A file of checks is named checks.sql.',
      });
    });
  });
});
