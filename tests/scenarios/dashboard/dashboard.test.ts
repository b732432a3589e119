import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { appendFile, copyFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import {
  inspectDatabase,
  listBackups,
  restoreBackup,
  rollBackDatabase,
  upgradeDatabase,
  verifyDatabase,
  type BackupPolicy,
  type UpgradeOptions,
} from 'sqlite-upgrade-bridge';

import { hashesIn } from '../../support/database-copy.js';
import { dumpDatabase } from '../../support/database-dump.js';
import { withLegacy } from '../../support/legacy-driver.js';
import { testUnless, withoutProgram } from '../../support/needed.js';
import { ScratchDatabase } from '../../support/scratch-database.js';
import { readByShell } from '../../support/sqlite-shell.js';
import { journalModes } from '../../support/storage-database.js';

const folder = resolve('tests/scenarios/dashboard/migrations');

/** What the service has: one project, one milestone, three tasks. */
const work = `
  INSERT INTO projects (id, name) VALUES (1, 'Bridge');
  INSERT INTO milestones (id, project_id, title) VALUES (1, 1, 'Spring');
  INSERT INTO tasks (id, project_id, milestone_id, title, status, priority_score) VALUES
    (1, 1, 1, 'Draw', 'done', 10), (2, 1, 1, 'Build', 'in_progress', 9000), (3, 1, NULL, NULL, 'open', 0);`;

/** How the service keeps its backups, by where it runs. */
const backupPolicies = {
  development: { keepCount: 2 },
  staging: { keepDays: 14 },
  production: {},
} as const satisfies Record<string, BackupPolicy>;

let scratch: ScratchDatabase;

describe.each(journalModes)('a service with releases, in %s mode,', (journal) => {
  beforeEach(async () => {
    scratch = await ScratchDatabase.make(journal, 'CREATE TABLE gone (a); DROP TABLE gone;');
    for (const name of await readdir(folder))
      await copyFile(join(folder, name), join(scratch.migrations, name));
  });

  afterEach(() => scratch.remove());

  const source = (): UpgradeOptions => ({ database: scratch.path, migrations: scratch.migrations });
  const upgrade = (options: Partial<UpgradeOptions> = {}): ReturnType<typeof upgradeDatabase> =>
    upgradeDatabase({ ...source(), backup: false, ...options });
  const failedChecks = async (): Promise<string[]> =>
    (await verifyDatabase(scratch.path, source())).checks.filter(({ ok }) => !ok).map(({ name }) => name);

  it('knows the release, the description, the checksum, the time and the state of each file', async () => {
    await upgrade({ to: 3 });
    const { files } = await inspectDatabase(scratch.path, source());
    expect(
      files.map(({ filename, release, description, state }) => [filename, release, description, state]),
    ).toEqual([
      ['001_initial.sql', '1.0.0', 'Projects, their repositories, milestones and tasks.', 'applied'],
      ['002_tags.sql', '1.1.0', 'Words that tasks are found by.', 'applied'],
      ['003_tags_by_name.sql', '1.1.1', 'All tasks of a tag.', 'applied'],
      [
        '004_tasks_have_titles.sql',
        '1.2.0',
        'A task without a title is called so, and no new one may be without.',
        'pending',
      ],
    ]);
    const rows = await scratch.rows(
      "SELECT checksum, execution_time_ms AS ms FROM schema_migrations WHERE status = 'applied'",
    );
    for (const { checksum, ms } of rows) {
      expect(checksum).toMatch(/^[0-9a-f]{64}$/);
      expect(ms).toBeGreaterThanOrEqual(0);
    }
  });

  it('is upgraded release by release while the old program still runs, with every task', async () => {
    await upgrade({ to: 1 });
    await scratch.run(work);
    await withLegacy(scratch.path, async (old) => {
      const addTask = "INSERT INTO tasks (project_id, milestone_id, status) VALUES (1, 1, 'open')";
      await upgrade({ to: 2 });
      await old.run(addTask);
      await upgrade({ to: 3 });
      await old.run(addTask);
      await upgrade();
      await expect(old.run(addTask)).rejects.toThrow(/NOT NULL constraint failed: tasks\.title/);
    });
    expect(await scratch.rows('SELECT id, title, status FROM tasks ORDER BY id')).toEqual([
      { id: 1, title: 'Draw', status: 'done' },
      { id: 2, title: 'Build', status: 'in_progress' },
      { id: 3, title: 'untitled', status: 'open' },
      { id: 4, title: 'untitled', status: 'open' },
      { id: 5, title: 'untitled', status: 'open' },
    ]);
    expect(await scratch.rows('SELECT total_tasks, completed_tasks FROM milestones')).toEqual([
      { total_tasks: 4, completed_tasks: 1 },
    ]);
    expect(await verifyDatabase(scratch.path, source())).toMatchObject({ ok: true });
  });

  it('is verified by checks that act', async () => {
    await upgrade();
    await scratch.run(work.replace('NULL, NULL', "NULL, 'Paint'"));
    const before = await dumpDatabase(scratch.path);
    const { ok, checks } = await verifyDatabase(scratch.path, source());
    expect(checks.map((check) => check.ok)).toEqual(Array.from({ length: 9 }, () => true));
    expect(ok).toBe(true);
    expect(await dumpDatabase(scratch.path)).toEqual(before);
    await scratch.run('DROP TRIGGER tasks_count_removed; DROP INDEX idx_tasks_priority_queue');
    expect(await failedChecks()).toEqual(['milestones count their tasks', 'the queue is read by its index']);
  });

  it('goes back a release, and back to nothing, and keeps account of it', async () => {
    await upgrade();
    await scratch.run(work.replace('NULL, NULL', "NULL, 'Paint'"));
    const back = await rollBackDatabase({ ...source(), backup: false });
    expect(back.rolledBack.map(({ filename }) => filename)).toEqual(['004_tasks_have_titles.sql']);
    const { files } = await inspectDatabase(scratch.path, source());
    expect(files.at(-1)).toMatchObject({ filename: '004_tasks_have_titles.sql', state: 'rolled_back' });
    await scratch.run('INSERT INTO tasks (project_id) VALUES (1)');
    expect(await scratch.value('SELECT count(*) FROM tasks')).toBe(4);
    await upgrade();
    expect((await verifyDatabase(scratch.path, source())).ok).toBe(true);
    await rollBackDatabase({ ...source(), backup: false, to: 0 });
    expect(await scratch.objects()).toEqual([]);
    expect(await scratch.history()).toEqual([
      ...[1, 2, 3, 4].map((version) => `${version} applied migration`),
      '4 rolled_back migration',
      '4 applied migration',
      ...[4, 3, 2, 1].map((version) => `${version} rolled_back migration`),
    ]);
  });

  it('leaves a failed row and an untouched schema, and goes on once the file is right', async () => {
    await upgrade({ to: 3 });
    await scratch.run(work);
    const before = await dumpDatabase(scratch.path);
    const file = join(scratch.migrations, '004_tasks_have_titles.sql');
    const right = await readFile(file, 'utf8');
    await writeFile(file, right.replace("coalesce(title, 'untitled')", 'title'));
    await expect(upgrade()).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      message: expect.stringContaining('NOT NULL constraint failed: new_tasks.title'),
    });
    const after = await dumpDatabase(scratch.path);
    expect(after.schema).toEqual(before.schema);
    expect(after.tables.tasks).toEqual(before.tables.tasks);
    expect((await scratch.history()).at(-1)).toBe('4 failed migration');
    const { files } = await inspectDatabase(scratch.path, source());
    expect(files.at(-1)).toMatchObject({ state: 'failed' });
    await writeFile(file, right);
    expect((await upgrade()).version).toBe(4);
    expect((await verifyDatabase(scratch.path, source())).ok).toBe(true);
  });

  it('names violations that are found afterwards, until somebody has mended them', async () => {
    await upgrade();
    await scratch.run(
      `PRAGMA foreign_keys = OFF; INSERT INTO tasks (project_id, title) VALUES (99, 'nowhere')`,
    );
    const found = await verifyDatabase(scratch.path, source());
    expect(found.ok).toBe(false);
    expect(found.newViolations).toEqual([expect.objectContaining({ table: 'tasks', rows: 1 })]);
    await scratch.run(
      "UPDATE tasks SET project_id = 1 WHERE project_id = 99; INSERT INTO projects VALUES (1, 'a', 'b', 'c')",
    );
    expect((await verifyDatabase(scratch.path, source())).ok).toBe(true);
  });

  it.each([
    ['development', 2],
    ['staging', 4],
    ['production', 4],
  ] as const)('keeps its backups as is usual in %s, lists and restores them', async (place, kept) => {
    await upgrade({ to: 1 });
    await scratch.run(work);
    const tasks = await scratch.rows('SELECT * FROM tasks');
    for (const to of [2, 3, undefined]) await upgrade({ to, backup: backupPolicies[place] });
    await rollBackDatabase({ ...source(), backup: backupPolicies[place] });
    const backups = await listBackups(scratch.path, { verify: true });
    expect(backups).toHaveLength(kept);
    for (const { path, verdict } of backups) {
      expect(verdict?.verified).toBe(true);
      expect(path).toMatch(/\.backup-\d{8}T\d{6}\.\d{3}Z-v\d-to-v\d$/);
    }
    const oldest = backups.at(-1)?.path ?? '';
    await restoreBackup(oldest, scratch.path);
    expect(await scratch.rows('SELECT * FROM tasks')).toHaveLength(tasks.length);
    expect((await upgrade()).version).toBe(4);
  });

  describe('with a history of its own', () => {
    /** As the service's own code kept it: releases as text, a state for each. */
    const ownHistory = (...states: readonly string[]): string =>
      `CREATE TABLE schema_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, version TEXT NOT NULL UNIQUE,
         description TEXT NOT NULL, applied_at TEXT NOT NULL, checksum TEXT, execution_time_ms INTEGER, status TEXT NOT NULL);
       ${states.map((state, index) => `INSERT INTO schema_migrations (version, description, applied_at, checksum, execution_time_ms, status) VALUES ('${['1.0.0', '1.1.0', '1.1.1'][index] ?? ''}', 'by hand', '2025-06-0${index + 1} 12:00:00', 'abc', 12, '${state}');`).join('\n')}`;

    async function oldDatabase(...states: readonly string[]): Promise<void> {
      for (const name of ['001_initial.sql', '002_tags.sql'])
        await scratch.run(await readFile(join(folder, name), 'utf8'));
      await scratch.run(ownHistory(...states) + work);
    }

    it('is taken over when somebody asks for it, and not before', async () => {
      await oldDatabase('applied', 'applied');
      const before = await dumpDatabase(scratch.path);
      const hashes = await hashesIn(scratch.folder);
      await expect(upgrade()).rejects.toMatchObject({ hint: expect.stringContaining('adopt') });
      expect(await hashesIn(scratch.folder)).toEqual(hashes);
      const report = await upgrade({ adopt: true });
      expect(report.applied.map(({ version }) => version)).toEqual([3, 4]);
      const { tables } = await dumpDatabase(scratch.path);
      expect(tables.schema_migrations_releases).toEqual(before.tables.schema_migrations);
      expect(tables.projects).toEqual(before.tables.projects);
      expect((await verifyDatabase(scratch.path, source())).ok).toBe(true);
    });

    it('is refused while a release of it stands failed', async () => {
      await oldDatabase('applied', 'failed');
      const hashes = await hashesIn(scratch.folder);
      await expect(upgrade({ adopt: true })).rejects.toMatchObject({
        code: 'UNFINISHED_HISTORY',
        message: expect.stringContaining('1.1.0'),
      });
      expect(await hashesIn(scratch.folder)).toEqual(hashes);
    });
  });

  testUnless(
    withoutProgram('sqlite3'),
    "has files that SQLite's own shell reads to the same schema",
    async () => {
      const byShell = join(scratch.folder, 'shell.db');
      readByShell(folder, byShell);
      await upgrade();
      const own = ({ schema }: Awaited<ReturnType<typeof dumpDatabase>>): unknown[] =>
        schema.filter(({ table }) => table !== 'schema_migrations' && table !== 'sqlite_sequence');
      expect(own(await dumpDatabase(byShell))).toEqual(own(await dumpDatabase(scratch.path)));
    },
  );

  it('is not upgraded by files that somebody has changed', async () => {
    await upgrade();
    await appendFile(join(scratch.migrations, '002_tags.sql'), '-- changed\n');
    await expect(upgrade()).rejects.toMatchObject({ code: 'CHANGED_MIGRATION' });
  });
});
