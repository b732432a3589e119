import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { upgradeDatabase, verifyDatabase, type Verification } from '../../core/index.js';
import { hashesIn } from '../support/database-copy.js';
import { withLegacy } from '../support/legacy-driver.js';
import { migrationsOf } from '../support/migration-values.js';

const files = {
  '0001_one.sql': `CREATE TABLE parents (id INTEGER PRIMARY KEY, name TEXT CHECK (name <> ''));
    CREATE TABLE children (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parents(id));
    CREATE INDEX by_name ON parents (name);
    CREATE TRIGGER touch AFTER UPDATE ON parents BEGIN SELECT 1; END;`,
  '0002_two.sql': 'ALTER TABLE parents ADD COLUMN note TEXT;',
};
const source = { migrations: migrationsOf(files), legacy: { 1: [1] } };

describe.each(['wal', 'delete'] as const)('verifyDatabase, in %s mode', (journal) => {
  let folder: string;
  let path: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'database-verification-'));
    path = join(folder, 'a.db');
  });

  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  const run = (script: string): Promise<void> => withLegacy(path, (connection) => connection.run(script));

  /** A database that is up to date, in the journal mode, and then changed by somebody. */
  async function changed(script: string): Promise<Verification> {
    await run(`PRAGMA journal_mode = ${journal}; CREATE TABLE gone (a); DROP TABLE gone;`);
    await upgradeDatabase({ database: path, ...source, backup: false });
    if (script !== '') await run(script);
    return verify();
  }

  async function verify(): Promise<Verification> {
    const bytes = await hashesIn(folder);
    const verification = await verifyDatabase(path, source);
    expect(await hashesIn(folder)).toEqual(bytes);
    return verification;
  }

  it('finds nothing to say about a database that was just upgraded', async () => {
    expect(await changed('')).toMatchObject({
      database: path,
      kind: 'managed',
      ok: true,
      pending: [],
      changed: [],
      changedWaysBack: [],
      tampering: [],
      drift: [],
      extras: [],
      integrity: { damage: [], brokenRules: [], staleIndexes: [] },
      newViolations: [],
      violations: [],
      userVersion: undefined,
    });
  });

  it('names what is missing and what is different', async () => {
    const { ok, drift } = await changed(
      'DROP INDEX by_name; CREATE INDEX by_name ON parents (note); DROP TRIGGER touch; ALTER TABLE children ADD COLUMN mine;',
    );
    expect(ok).toBe(false);
    expect(drift.map(({ sentence }) => sentence)).toEqual([
      expect.stringMatching(
        /^index by_name differs: expected CREATE INDEX by_name ON parents \(name\), found /,
      ),
      'trigger touch is missing',
    ]);
  });

  it('lists what is the owner own, and holds it against nobody', async () => {
    const { ok, extras } = await changed(
      'CREATE TABLE mine (a); CREATE VIEW my_view AS SELECT 1; ALTER TABLE children ADD COLUMN my_column TEXT;',
    );
    expect(ok).toBe(true);
    expect(extras.map(({ object, name }) => `${object} ${name}`)).toEqual([
      'column children.my_column',
      'table mine',
      'view my_view',
    ]);
  });

  it('tells a foreign key that is newly broken from one that was broken at the upgrade', async () => {
    await run(
      `PRAGMA journal_mode = ${journal}; ${files['0001_one.sql']} INSERT INTO children (parent) VALUES (7), (8); PRAGMA user_version = 1;`,
    );
    await upgradeDatabase({ database: path, ...source, backup: false });
    const known = { table: 'children', columns: 'parent', parent: 'parents', rows: 2 };
    expect(await verify()).toMatchObject({ ok: true, violations: [known], newViolations: [] });
    await run('INSERT INTO children (parent) VALUES (9)');
    const more = { ...known, rows: 3 };
    expect(await verify()).toMatchObject({ ok: false, violations: [more], newViolations: [more] });
    await run('DELETE FROM children WHERE parent > 7');
    expect(await verify()).toMatchObject({
      ok: true,
      violations: [{ ...known, rows: 1 }],
      newViolations: [],
    });
  });

  it('names the files that wait', async () => {
    await upgradeDatabase({ database: path, migrations: source.migrations.slice(0, 1), backup: false });
    const verification = await verify();
    // What stands applied is compared with its own files.
    expect(verification).toMatchObject({ ok: false, kind: 'managed', pending: ['0002_two.sql'], drift: [] });
  });

  it('compares a legacy database with all files', async () => {
    await run(
      `PRAGMA journal_mode = ${journal}; ${files['0001_one.sql']} DROP INDEX by_name; PRAGMA user_version = 1;`,
    );
    const { ok, kind, pending, drift } = await verify();
    expect({ ok, kind, pending }).toEqual({
      ok: false,
      kind: 'legacy',
      pending: ['0001_one.sql', '0002_two.sql'],
    });
    expect(drift.map(({ sentence }) => sentence)).toEqual([
      'column parents.note is missing',
      'index by_name is missing',
    ]);
  });

  it('compares an empty database with all files', async () => {
    await run(`PRAGMA journal_mode = ${journal}; CREATE TABLE gone (a); DROP TABLE gone;`);
    expect(await verify()).toMatchObject({
      ok: false,
      kind: 'empty',
      pending: ['0001_one.sql', '0002_two.sql'],
    });
  });

  it('notices a stamp that somebody changed', async () => {
    expect(await changed('PRAGMA user_version = 1')).toMatchObject({
      ok: false,
      userVersion: { found: 1, expected: 2 },
    });
  });

  it('quotes what SQLite finds damaged', async () => {
    const { ok, integrity } = await changed(
      `INSERT INTO parents (name, note) VALUES ('a', 'b'); PRAGMA writable_schema = ON;
       UPDATE sqlite_schema SET sql = 'CREATE INDEX by_name ON parents (note)' WHERE name = 'by_name'; PRAGMA writable_schema = OFF;`,
    );
    expect(ok).toBe(false);
    expect(integrity.damage).toEqual(['row 1 missing from index by_name']);
  });

  it('tells rows that break a rule from damage', async () => {
    const { ok, integrity } = await changed(
      "PRAGMA ignore_check_constraints = ON; INSERT INTO parents (name) VALUES (''); PRAGMA ignore_check_constraints = OFF;",
    );
    expect(ok).toBe(true);
    expect(integrity.damage).toEqual([]);
    expect(integrity.brokenRules).toEqual([expect.stringMatching(/CHECK.*parents|parents.*CHECK/)]);
  });
});

describe('verifyDatabase refuses', () => {
  let folder: string;
  let path: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'database-verification-'));
    path = join(folder, 'a.db');
  });

  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  it('a path where there is none', async () => {
    await expect(verifyDatabase(path, source)).rejects.toMatchObject({ code: 'MISSING_DATABASE' });
    expect(await hashesIn(folder)).toEqual({});
  });

  it('a file that is none', async () => {
    await writeFile(path, 'This is a letter and no database.'.repeat(100));
    await expect(verifyDatabase(path, source)).rejects.toMatchObject({ code: 'UNREADABLE_DATABASE' });
  });

  it('a database of somebody else', async () => {
    await withLegacy(path, (connection) => connection.run('CREATE TABLE orders (id)'));
    await expect(verifyDatabase(path, source)).rejects.toMatchObject({ code: 'FOREIGN_DATABASE' });
  });

  it('a database with a newer version', async () => {
    await upgradeDatabase({ database: path, ...source, backup: false });
    const older = { migrations: source.migrations.slice(0, 1), legacy: {} };
    await expect(verifyDatabase(path, older)).rejects.toMatchObject({ code: 'NEWER_DATABASE' });
  });

  it('files of which one that was applied is gone', async () => {
    await upgradeDatabase({ database: path, ...source, backup: false });
    await expect(
      verifyDatabase(path, { migrations: source.migrations.slice(1), legacy: {} }),
    ).rejects.toMatchObject({ code: 'MISSING_MIGRATION', version: 1 });
  });
});
