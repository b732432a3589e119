import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';
import {
  InvalidOptionError,
  rehearseUpgrade,
  upgradeDatabase,
  worldLegacyVersions,
  worldMigrationsDir,
  type CodeMigration,
  type ProgressEvent,
  type RehearsalOptions,
  type RehearsalReport,
} from '../../core/index.js';
import { copyDatabase, hashesIn } from '../support/database-copy.js';
import { testUnless } from '../support/needed.js';
import { ScratchDatabase } from '../support/scratch-database.js';
import { journalModes } from '../support/storage-database.js';

const noMount =
  process.platform === 'linux' && process.getuid?.() === 0
    ? undefined
    : 'it needs root, to mount a small disk';

/** Gives `use` a folder on a disk in memory of so many MiB. */
async function withSmallDisk(size: number, use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'small-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}m`, 'tmpfs', folder]);
    try {
      await use(folder);
    } finally {
      execFileSync('umount', ['--lazy', folder]);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const files = {
  '001_notes.sql': `CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT, changed INTEGER DEFAULT 0);
    CREATE TRIGGER notes_changed AFTER UPDATE OF title ON notes
    BEGIN
      UPDATE notes SET changed = changed + 1 WHERE id = NEW.id;
    END;`,
};
const later = {
  '002_tags.sql': `CREATE TABLE tags (note INTEGER REFERENCES notes(id), tag TEXT NOT NULL);
    INSERT INTO tags SELECT id, 'new' FROM notes; INSERT INTO tags SELECT id, 'old' FROM notes WHERE id < 3;
    DELETE FROM tags WHERE note = 1 AND tag = 'new';`,
  '002_tags.down.sql': 'DROP TABLE tags;',
  '003_shout.sql': 'UPDATE notes SET title = upper(title) WHERE title <> upper(title);',
  '003_shout.down.sql': 'UPDATE notes SET title = lower(title); UPDATE notes SET changed = 0;',
  '004_titled.sql': `CREATE TABLE new_notes (
      id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL DEFAULT 'untitled', changed INTEGER DEFAULT 0);
    INSERT INTO new_notes (id, title, changed) SELECT id, coalesce(title, 'untitled'), changed FROM notes;
    DELETE FROM sqlite_sequence WHERE name = 'new_notes';
    INSERT INTO sqlite_sequence (name, seq) SELECT 'new_notes', seq FROM sqlite_sequence WHERE name = 'notes';
    DROP TABLE notes;
    ALTER TABLE new_notes RENAME TO notes;
    CREATE TRIGGER notes_changed AFTER UPDATE OF title ON notes
    BEGIN
      UPDATE notes SET changed = changed + 1 WHERE id = NEW.id;
    END;`,
};

describe.each(journalModes)('a rehearsal, of a database in %s mode,', (journal) => {
  let scratch: ScratchDatabase;

  beforeEach(async () => {
    scratch = await ScratchDatabase.make(journal, 'CREATE TABLE mine (a); DROP TABLE mine;');
    await scratch.write(files);
    await upgradeDatabase({ database: scratch.path, migrations: scratch.migrations, backup: false });
    await scratch.run("INSERT INTO notes (title) VALUES ('one'), ('Two'), ('three'), (NULL)");
    await scratch.write(later);
  });

  afterEach(() => scratch.remove());

  const rehearse = (more: Partial<RehearsalOptions> = {}): Promise<RehearsalReport> =>
    rehearseUpgrade({ database: scratch.path, migrations: scratch.migrations, ...more });

  /** Carries out `work` and proves that it left the database's folder as it found it. */
  async function leavingAll<Result>(work: () => Promise<Result>): Promise<Result> {
    const before = await hashesIn(scratch.folder);
    try {
      return await work();
    } finally {
      expect(await hashesIn(scratch.folder)).toEqual(before);
    }
  }

  it('tells what an upgrade would do, and does nothing of it', async () => {
    const report = await leavingAll(() => rehearse());
    expect(report).toMatchObject({
      database: scratch.path,
      ok: true,
      error: undefined,
      upgrade: {
        database: scratch.path,
        found: 'managed',
        version: 4,
        backup: undefined,
        rows: [
          { table: 'notes', before: 4, after: 4 },
          { table: 'tags', before: 0, after: 5 },
        ],
      },
      roundTrip: undefined,
    });
    expect(
      report.steps.map(({ kind, files: names, rows, rowsInConsequence }) => ({
        kind,
        names,
        rows,
        rowsInConsequence,
      })),
    ).toEqual([
      {
        kind: 'applied',
        names: ['002_tags.sql'],
        rows: [{ table: 'tags', inserted: 6, updated: 0, deleted: 1 }],
        rowsInConsequence: 0,
      },
      {
        kind: 'applied',
        names: ['003_shout.sql'],
        rows: [{ table: 'notes', inserted: 0, updated: 3, deleted: 0 }],
        rowsInConsequence: 3,
      },
      {
        kind: 'applied',
        names: ['004_titled.sql'],
        rows: [
          { table: 'sqlite_sequence', inserted: 1, updated: 0, deleted: 1 },
          { table: 'notes', inserted: 4, updated: 0, deleted: 0 },
        ],
        rowsInConsequence: 0,
      },
    ]);
    for (const { ms } of report.steps) expect(ms).toBeGreaterThan(0);
    expect(report.schema.map(({ kind, sentence }) => `${kind}: ${sentence}`)).toEqual([
      "changed: column notes.title changes from TEXT to TEXT NOT NULL default 'untitled'",
      'added: table tags is added',
    ]);
    expect(report.verification).toMatchObject({ database: scratch.path, ok: true, drift: [], checks: [] });
    expect(report.bytes).toBeGreaterThan(4096);
  });

  it('ends at a version where that is wanted', async () => {
    const report = await leavingAll(() => rehearse({ to: 2 }));
    expect(report).toMatchObject({ ok: true, upgrade: { version: 2 } });
    expect(report.verification?.pending).toEqual(['003_shout.sql', '004_titled.sql']);
    await expect(leavingAll(() => rehearse({ to: 9 }))).rejects.toThrow('There is no migration 9 to go to.');
  });

  it('says that there is nothing to do', async () => {
    await upgradeDatabase({ database: scratch.path, migrations: scratch.migrations, backup: false });
    const report = await leavingAll(() => rehearse({ roundTrip: true }));
    expect(report).toMatchObject({ ok: true, steps: [], schema: [], upgrade: { upToDate: true } });
    expect(report.roundTrip).toMatchObject({ ok: true, steps: [], withoutWayBack: [] });
  });

  it('tells why an upgrade would fail, and what stood before that', async () => {
    await scratch.write({ '003_shout.sql': 'INSERT INTO tags VALUES (1, NULL);' });
    const report = await leavingAll(() => rehearse({ roundTrip: true }));
    expect(report).toMatchObject({
      ok: false,
      error: {
        code: 'MIGRATION_FAILED',
        message:
          'Migration 003_shout.sql failed at statement 1, line 1: NOT NULL constraint failed: tags.tag.',
        hint: expect.any(String),
      },
      upgrade: undefined,
      verification: undefined,
      roundTrip: undefined,
      schema: [{ kind: 'added', name: 'tags' }],
    });
    expect(report.steps.map(({ kind, files: names, ms }) => [kind, names, typeof ms])).toEqual([
      ['applied', ['002_tags.sql'], 'number'],
      ['failed', ['003_shout.sql'], 'undefined'],
    ]);
  });

  it.each<[title: string, text: string, code: string]>([
    ['loses rows', 'DELETE FROM notes WHERE id = 1;', 'ROWS_LOST'],
    ['loses a table', 'DROP TABLE notes;', 'OBJECTS_LOST'],
    ['breaks a key', "INSERT INTO tags VALUES (77, 'a');", 'FOREIGN_KEYS_BROKEN'],
    ['leaves something behind', 'CREATE TEMP TABLE t (a);', 'LEFT_BEHIND'],
    ['needs what is not there', '-- migration: requires flying\nSELECT 1;', 'UNMET_REQUIREMENT'],
  ])('holds every guard: a file that %s is found', async (_title, text, code) => {
    await scratch.write({ '003_shout.sql': text });
    const report = await leavingAll(() => rehearse());
    expect(report).toMatchObject({ ok: false, error: { code } });
  });

  it('tells what would make the upgrade be refused', async () => {
    await scratch.write({ '001_notes.sql': 'CREATE TABLE notes (id);' });
    expect(await leavingAll(() => rehearse())).toMatchObject({
      ok: false,
      error: { code: 'CHANGED_MIGRATION' },
      steps: [],
      schema: [],
    });
    await scratch.run("UPDATE schema_migrations SET status = 'odd'");
    const report = await leavingAll(() => rehearse());
    expect(report).toMatchObject({ ok: false, error: { code: 'BAD_HISTORY' } });
  });

  it('carries out the checks of the project on the upgraded copy', async () => {
    const checks =
      '-- check: every note has a tag\n-- expect: no rows\nSELECT 1 FROM notes WHERE id NOT IN (SELECT note FROM tags);\n';
    await scratch.write({ 'checks.sql': checks });
    expect(await leavingAll(() => rehearse())).toMatchObject({
      ok: true,
      verification: { ok: true, checks: [{ name: 'every note has a tag', ok: true }] },
    });
    await scratch.write({ 'checks.sql': checks.replace('no rows', 'rows') });
    expect(await leavingAll(() => rehearse())).toMatchObject({
      ok: false,
      error: undefined,
      verification: { ok: false, checks: [{ ok: false, found: 'no rows' }] },
    });
    expect(await rehearse({ checks: false })).toMatchObject({ ok: true, verification: { checks: [] } });
    await scratch.write({ 'checks.sql': 'nonsense' });
    await expect(leavingAll(() => rehearse())).rejects.toMatchObject({ code: 'BAD_DIRECTIVE' });
  });

  it('runs migrations in code, and counts what they write', async () => {
    const code: CodeMigration = {
      version: 5,
      name: 'lengths',
      async up(db) {
        await db.executeScript('CREATE TABLE lengths (note INTEGER PRIMARY KEY, length INTEGER)');
        for (const { id, title } of await db.query('SELECT id, title FROM notes ORDER BY id'))
          await db.execute('INSERT INTO lengths VALUES (?, ?)', [id ?? null, String(title).length]);
      },
      down: (db) => db.executeScript('DROP TABLE lengths'),
    };
    const report = await leavingAll(() => rehearse({ code: [code] }));
    expect(report.steps.at(-1)).toMatchObject({
      kind: 'applied',
      files: ['005_lengths (code)'],
      rows: [{ table: 'lengths', inserted: 4, updated: 0, deleted: 0 }],
    });
  });

  it('is the same in one transaction', async () => {
    const each = await rehearse();
    const all = await leavingAll(() => rehearse({ transaction: 'all' }));
    const told = ({ steps }: RehearsalReport): unknown =>
      steps.map(({ kind, files: names, rows }) => [kind, names, rows]);
    expect(told(all)).toEqual(told(each));
    await scratch.write({ '005_compact.sql': '-- migration: no-transaction\nVACUUM;' });
    expect(await leavingAll(() => rehearse())).toMatchObject({ ok: true, upgrade: { version: 5 } });
    await expect(rehearse({ transaction: 'all' })).rejects.toThrow(InvalidOptionError);
  });

  it('has the journal mode of the database', async () => {
    const found: unknown[] = [];
    const code: CodeMigration = {
      version: 5,
      name: 'look',
      async up(db) {
        const [row] = await db.query('SELECT journal_mode FROM pragma_journal_mode');
        found.push(row?.journal_mode);
      },
    };
    await rehearse({ code: [code] });
    expect(found).toContain(journal);
  });

  it('goes on while other programs read and write', async () => {
    const other = await sqlite3Driver.open(scratch.path, 'read-write');
    await other.execute('BEGIN IMMEDIATE');
    if (journal === 'wal') await other.execute("INSERT INTO notes (title) VALUES ('not committed')");
    const report = await rehearse();
    expect(report).toMatchObject({ ok: true });
    expect(report.upgrade?.rows[0]).toEqual({ table: 'notes', before: 4, after: 4 });
    await other.execute('ROLLBACK');
    await other.close();
  });

  it('is of one state of a database to which others never stop writing', async () => {
    let isWriting = true;
    const write = async (): Promise<void> => {
      const other = await sqlite3Driver.open(scratch.path, 'read-write');
      while (isWriting) await other.execute("INSERT INTO notes (title) VALUES ('meanwhile')");
      await other.close();
    };
    const written = write();
    const reports = [await rehearse(), await rehearse()];
    isWriting = false;
    await written;
    for (const { ok, upgrade } of reports) {
      expect(ok).toBe(true);
      expect(upgrade?.rows[0]?.before).toBeGreaterThanOrEqual(4);
    }
  });

  describe('its copy', () => {
    const folders = async (folder: string): Promise<string[]> =>
      (await readdir(folder)).filter((name) => name.includes('rehearsal'));

    it('lies in a folder that nobody else may enter, beside the database or where it is wanted, and is removed', async () => {
      const elsewhere = join(scratch.migrations, 'elsewhere');
      await mkdir(elsewhere);
      for (const [folder, parent] of [
        [undefined, scratch.folder],
        [elsewhere, elsewhere],
      ] as const) {
        const seen: string[] = [];
        const modes: number[] = [];
        const code: CodeMigration = {
          version: 5,
          name: 'look',
          async up() {
            for (const name of await folders(parent)) {
              seen.push(name);
              modes.push((await stat(join(parent, name))).mode & 0o777);
            }
          },
        };
        await rehearse({ folder, code: [code] });
        expect(new Set(seen).size).toBe(1);
        expect(seen[0]).toMatch(new RegExp(`^app\\.db\\.rehearsal-${process.pid}-`));
        expect(new Set(modes)).toEqual(new Set([0o700]));
        expect(await folders(parent)).toEqual([]);
      }
    });

    it.each(['', 'nowhere', 'app.db'])('cannot lie in %p', async (name) => {
      const folder = name === '' ? '' : join(scratch.folder, name);
      await expect(leavingAll(() => rehearse({ folder }))).rejects.toThrow(InvalidOptionError);
    });

    it('is removed where the rehearsal is stopped, and nothing was changed', async () => {
      for (const kind of ['applying', 'applied', 'checked'] as const) {
        const controller = new AbortController();
        const onProgress = (event: ProgressEvent): void => {
          if (event.kind === kind) controller.abort('enough');
        };
        const stopped = leavingAll(() =>
          rehearse({ onProgress, roundTrip: true, signal: controller.signal }),
        );
        await expect(stopped).rejects.toMatchObject({
          code: 'INTERRUPTED',
          message: 'The rehearsal was stopped on request; its copy was removed.',
          cause: 'enough',
        });
      }
      await expect(leavingAll(() => rehearse({ signal: AbortSignal.abort() }))).rejects.toMatchObject({
        code: 'INTERRUPTED',
      });
      expect(await folders(scratch.folder)).toEqual([]);
    });

    it('of a process that was killed is removed by the next rehearsal, but not that of one that lives', async () => {
      const { pid: dead } = spawnSync(process.execPath, ['--version']);
      const names = [
        `app.db.rehearsal-${dead}-aBc123`,
        `app.db.rehearsal-${process.ppid}-aBc123`,
        `other.db.rehearsal-${dead}-aBc123`,
        `app.db.rehearsal-${dead}-kept-by-me`,
      ];
      for (const name of names) {
        await mkdir(join(scratch.folder, name));
        await writeFile(join(scratch.folder, name, 'app.db'), 'x');
      }
      await rehearse();
      expect((await folders(scratch.folder)).sort()).toEqual(names.slice(1).sort());
    });

    testUnless(noMount, 'is not begun where there is no room for it', async () => {
      await withSmallDisk(1, async (folder) => {
        await expect(leavingAll(() => rehearse({ folder }))).rejects.toMatchObject({ code: 'NO_SPACE' });
        expect(await readdir(folder)).toEqual([]);
      });
    });

    testUnless(
      noMount,
      'is removed where the disk fills up, which is told as what makes the upgrade fail',
      async () => {
        await scratch.write({ '003_shout.sql': 'INSERT INTO tags SELECT id, zeroblob(9000000) FROM notes;' });
        await withSmallDisk(3, async (folder) => {
          const report = await leavingAll(() => rehearse({ folder }));
          expect(report).toMatchObject({
            ok: false,
            error: { code: 'MIGRATION_FAILED', hint: expect.stringContaining('The disk is full') },
          });
          expect(await readdir(folder)).toEqual([]);
        });
      },
    );

    it('is not made of what is no database', async () => {
      await expect(rehearse({ database: join(scratch.folder, 'no.db') })).rejects.toMatchObject({
        code: 'MISSING_DATABASE',
      });
      const text = join(scratch.migrations, 'text.db');
      await writeFile(text, 'This is no database, however long it may be. '.repeat(30));
      await expect(rehearse({ database: text })).rejects.toMatchObject({ code: 'UNREADABLE_DATABASE' });
      expect(await folders(scratch.migrations)).toEqual([]);
    });
  });

  describe('that also goes down and up again', () => {
    it('leads to where it began where every file can be undone', async () => {
      const report = await leavingAll(() => rehearse({ roundTrip: true, to: 3 }));
      expect(report.roundTrip).toMatchObject({
        ok: true,
        withoutWayBack: [],
        error: undefined,
        losses: ['table tags with 5 rows'],
        afterUpAgain: { schema: [], rows: [] },
      });
      expect(report.roundTrip?.steps.map(({ kind, files: names }) => `${kind} ${names.join()}`)).toEqual([
        'rolled back 003_shout.sql',
        'rolled back 002_tags.sql',
        'applied 002_tags.sql',
        'applied 003_shout.sql',
      ]);
      expect(report.roundTrip?.steps[0]?.rows).toEqual([
        { table: 'notes', inserted: 0, updated: 8, deleted: 0 },
      ]);
    });

    it('tells apart what cannot be changed back, which is no fault', async () => {
      const { roundTrip } = await rehearse({ roundTrip: true, to: 3 });
      // "Two" comes back as "two".
      expect(roundTrip?.afterDown).toEqual({
        schema: [],
        rows: [
          {
            table: 'notes',
            before: 4,
            after: 4,
            columns: ['title'],
            sentence: 'the rows of notes differ in title',
          },
        ],
      });
    });

    it('names the files without a way back, and tries those above them', async () => {
      await scratch.write({
        '005_more.sql': 'CREATE TABLE more (a);',
        '005_more.down.sql': 'DROP TABLE more;',
      });
      const report = await leavingAll(() => rehearse({ roundTrip: true }));
      expect(report).toMatchObject({ ok: false, error: undefined, upgrade: { version: 5 } });
      expect(report.roundTrip).toMatchObject({
        ok: false,
        withoutWayBack: ['004_titled.sql'],
        error: undefined,
        afterDown: { schema: [], rows: [] },
        afterUpAgain: { schema: [], rows: [] },
      });
      expect(report.roundTrip?.steps.map(({ files: names }) => names.join())).toEqual([
        '005_more.sql',
        '005_more.sql',
      ]);
    });

    it('finds a down file that fails', async () => {
      await scratch.write({ '002_tags.down.sql': 'DROP TABLE tag;' });
      const report = await leavingAll(() => rehearse({ roundTrip: true, to: 3 }));
      expect(report).toMatchObject({ ok: false, error: undefined });
      expect(report.roundTrip).toMatchObject({
        ok: false,
        error: {
          code: 'MIGRATION_FAILED',
          message: 'Migration 002_tags.down.sql failed at statement 1, line 1: no such table: tag.',
        },
      });
      expect(report.roundTrip?.steps.map(({ kind }) => kind)).toEqual(['rolled back', 'failed']);
    });

    it('finds a down file that leaves something', async () => {
      await scratch.write({
        '002_tags.sql': 'CREATE TABLE IF NOT EXISTS tags (tag);',
        '002_tags.down.sql': 'SELECT 1;',
      });
      const { roundTrip } = await rehearse({ roundTrip: true, to: 3 });
      expect(roundTrip).toMatchObject({
        ok: false,
        error: undefined,
        afterDown: { schema: [{ kind: 'added', sentence: 'table tags is added' }] },
        afterUpAgain: { schema: [], rows: [] },
      });
      await scratch.write({ '002_tags.sql': 'CREATE TABLE tags (tag);' });
      expect((await rehearse({ roundTrip: true, to: 3 })).roundTrip).toMatchObject({
        ok: false,
        error: {
          message: 'Migration 002_tags.sql failed at statement 1, line 1: table tags already exists.',
        },
      });
    });

    it('finds a down file that loses rows which the way up does not bring back', async () => {
      await scratch.write({
        '002_tags.sql': 'ALTER TABLE notes ADD COLUMN tag TEXT;',
        '002_tags.down.sql': `CREATE TABLE less AS SELECT id, title, changed FROM notes WHERE id <> 3;
          ALTER TABLE notes DROP COLUMN tag; DELETE FROM notes WHERE id NOT IN (SELECT id FROM less); DROP TABLE less;`,
      });
      const { roundTrip } = await rehearse({ roundTrip: true, to: 2 });
      expect(roundTrip).toMatchObject({
        ok: false,
        losses: ['column notes.tag', 'notes would go from 4 to 3 rows'],
        afterUpAgain: { schema: [], rows: [{ sentence: 'table notes has 3 rows instead of 4' }] },
      });
    });

    it('finds values that the second way up makes other ones', async () => {
      await scratch.write({
        '002_tags.sql': 'UPDATE notes SET changed = changed + 10;',
        '002_tags.down.sql': 'UPDATE notes SET changed = changed - 9;',
      });
      const { roundTrip } = await rehearse({ roundTrip: true, to: 2 });
      expect(roundTrip).toMatchObject({
        ok: false,
        afterUpAgain: { schema: [], rows: [{ table: 'notes', columns: ['changed'] }] },
      });
    });
  });
});

const fixtures = new URL('../fixtures/legacy/', import.meta.url).pathname;

describe('a rehearsal of a legacy database of worlds', () => {
  let scratch: ScratchDatabase;

  beforeEach(async () => {
    scratch = await ScratchDatabase.make('wal');
  });

  afterEach(() => scratch.remove());

  async function rehearse(name: string, more: Partial<RehearsalOptions> = {}): Promise<RehearsalReport> {
    await copyDatabase(join(fixtures, `${name}.db`), scratch.path);
    const before = await hashesIn(scratch.folder);
    const source = { migrations: worldMigrationsDir, legacy: worldLegacyVersions };
    const report = await rehearseUpgrade({ database: scratch.path, ...source, roundTrip: true, ...more });
    expect(await hashesIn(scratch.folder)).toEqual(before);
    expect((await readdir(scratch.folder)).filter((file) => file.includes('rehearsal'))).toEqual([]);
    return report;
  }

  it.each([
    'version-4-born',
    'version-4-upgraded',
    'skipped-to-4',
    'wal-left-behind',
    'version-7-born',
    'version-7-upgraded',
    'early-version-7',
    'skipped-to-7',
    'version-7-without-events',
    'events-without-references',
    'missing-most',
    'odd-values',
    'orphans',
    'wrong-numbers',
    'highest-ids-deleted',
    'user-extras',
    'new-file',
  ])('goes round without a loss: %s', async (name) => {
    const report = await rehearse(name);
    expect(report.error).toBeUndefined();
    expect(report.roundTrip).toMatchObject({ ok: true, error: undefined, withoutWayBack: [] });
    expect(report.ok).toBe(true);
    // Nothing but the numbers of events is other than it was.
    const tables = report.roundTrip?.afterDown.rows.map(({ table }) => table) ?? [];
    expect(tables.filter((table) => table !== 'events' && table !== 'event_sequences')).toEqual([]);
  });

  it('undoes only what was applied: what was adopted and completed stays', async () => {
    const report = await rehearse('version-7-born');
    expect(report.steps.map(({ kind, files: names }) => [kind, names.length])).toEqual([
      ['adopted', 10],
      ['applied', 1],
    ]);
    expect(report.roundTrip?.steps.map(({ kind, files: names }) => `${kind} ${names.join()}`)).toEqual([
      'rolled back 0011_number_events.sql',
      'applied 0011_number_events.sql',
    ]);
    expect(report.roundTrip?.afterDown.schema).toEqual([]);
    expect(report.schema.map(({ sentence }) => sentence)).toEqual([
      'index idx_agent_memory_reply_to_message_id is added',
    ]);
  });

  it('counts the rows that completing a file writes for its table', async () => {
    const report = await rehearse('events-without-references', { roundTrip: false });
    const [adoption] = report.steps;
    expect(adoption).toMatchObject({ kind: 'adopted', rows: [{ table: 'events', updated: 0, deleted: 0 }] });
    expect(report.schema.map(({ sentence }) => sentence)).toContain(
      'table events gets foreign key (world_id) references worlds(id) on delete cascade',
    );
  });

  it('tells of what a user has that keeps a file from being undone', async () => {
    const report = await rehearse('everything-at-once');
    expect(report.error).toBeUndefined();
    expect(report).toMatchObject({
      ok: false,
      roundTrip: { ok: false, error: { code: 'MIGRATION_FAILED' } },
    });
    expect(report.roundTrip?.error?.message).toContain('error in view my_broken');
  });

  it('is held although legacy databases are not to be upgraded', async () => {
    await copyDatabase(join(fixtures, 'version-4-born.db'), scratch.path);
    const options = {
      database: scratch.path,
      migrations: worldMigrationsDir,
      legacy: worldLegacyVersions,
      legacyMode: 'refuse',
    };
    expect(await rehearseUpgrade(options)).toMatchObject({
      ok: true,
      upgrade: { found: 'legacy', version: 11 },
    });
  });

  it.each([
    ['foreign-rails', 'OTHER_HISTORY'],
    ['user-version-8', 'FOREIGN_DATABASE'],
  ])('tells that it is not ours: %s', async (name, code) => {
    expect(await rehearse(name)).toMatchObject({ ok: false, error: { code }, steps: [] });
  });

  it('speaks of the database, not of its copy', async () => {
    const report = await rehearse('user-version-8');
    const told = JSON.stringify(report);
    expect(told).not.toContain('rehearsal-');
    expect(told).toContain(basename(scratch.path));
  });
});
