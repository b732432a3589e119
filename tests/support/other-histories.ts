import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { crc32 } from 'node:zlib';

import type { MatchKind, OtherTool } from '../../core/index.js';
import { withLegacy } from './legacy-driver.js';

const folder = resolve('tests/fixtures/histories');
const step = (file: string): string => readFileSync(join(folder, 'sql', file), 'utf8');
const texts = {
  create_users: step('001_create_users.sql'),
  add_email: step('002_add_email.sql'),
  seed_users: step('003_seed_users.sql'),
  create_notes: step('004_create_notes.sql'),
} as const;
const names = ['create_users', 'add_email', 'seed_users', 'create_notes'] as const;

/** The four files, each under the number that the tool gave it. */
function filesNamed(
  numbers: readonly string[],
  change: (sql: string, index: number) => string = (sql) => sql,
): Record<string, string> {
  return Object.fromEntries(
    names.map((name, index) => [`${numbers[index] ?? ''}_${name}.sql`, change(texts[name], index)]),
  );
}

const short = ['001', '002', '003', '004'];
const stamps = ['20240229101500', '20240301090000', '20240302120000', '20240303180000'];
const applied = `${texts.create_users}${texts.add_email}${texts.seed_users}`;
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const flywayChecksum = (text: string): number =>
  text
    .replace(/\n$/, '')
    .split('\n')
    .reduce((sum, line) => crc32(line, sum), 0) | 0;
const rows = (write: (name: (typeof names)[number], index: number) => string): string =>
  names
    .slice(0, 3)
    .map((name, index) => `(${write(name, index)})`)
    .join(', ');

/** A database whose first three migrations another tool has applied; the fourth is pending. */
export interface OtherDatabase {
  readonly title: string;
  readonly tool: OtherTool;
  /** Where the tool keeps its history; undefined for user_version. */
  readonly table: string | undefined;
  readonly files: Readonly<Record<string, string>>;
  readonly by: MatchKind;
  /** What makes its work look unfinished, and how that is told; undefined where the tool has no such thing. */
  readonly dirty?: { readonly script: string; readonly reason: RegExp };
  readonly make: (path: string) => Promise<void>;
}

const fixture = (name: string) => (path: string) => copyFile(join(folder, `${name}.db`), path);
const script = (sql: string) => (path: string) =>
  withLegacy(path, (connection) =>
    connection.run(`PRAGMA page_size = 1024; BEGIN; ${sql} ${applied} COMMIT;`),
  );

/** Made by the tools themselves (tests/fixtures/histories/make.mjs). */
const made: readonly OtherDatabase[] = [
  {
    title: 'knex 3',
    tool: 'knex',
    table: 'knex_migrations',
    files: filesNamed(stamps),
    by: 'name',
    dirty: {
      script: 'UPDATE knex_migrations_lock SET is_locked = 1',
      reason: /knex holds its lock \(knex_migrations_lock\)/,
    },
    make: fixture('knex'),
  },
  {
    title: 'umzug 3 with the storage of Sequelize 6',
    tool: 'umzug',
    table: 'SequelizeMeta',
    files: filesNamed(short),
    by: 'name',
    make: fixture('umzug'),
  },
  {
    title: 'drizzle, with its files as they are',
    tool: 'drizzle',
    table: '__drizzle_migrations',
    files: filesNamed(short, (sql) => sql.replaceAll(';\nC', ';\n--> statement-breakpoint\nC')),
    by: 'checksum',
    make: fixture('drizzle'),
  },
  {
    title: 'the package sqlite',
    tool: 'sqlite',
    table: 'migrations',
    files: filesNamed(short),
    by: 'name',
    make: fixture('sqlite'),
  },
  {
    title: 'better-sqlite3-helper',
    tool: 'sqlite',
    table: 'migrations',
    files: filesNamed(short),
    by: 'name',
    make: fixture('better-sqlite3-helper'),
  },
];

const prisma = `CREATE TABLE "_prisma_migrations" (
    "id" TEXT PRIMARY KEY NOT NULL, "checksum" TEXT NOT NULL, "finished_at" DATETIME, "migration_name" TEXT NOT NULL,
    "logs" TEXT, "rolled_back_at" DATETIME, "started_at" DATETIME NOT NULL DEFAULT current_timestamp,
    "applied_steps_count" INTEGER UNSIGNED NOT NULL DEFAULT 0);
  INSERT INTO "_prisma_migrations" ("id", "checksum", "migration_name", "started_at", "finished_at", "rolled_back_at") VALUES
    ('0', 'x', '${stamps[1] ?? ''}_add_email', 1709200000000, NULL, 1709200000001),
    ${rows((name, n) => `'${n + 1}', '${sha256(texts[name])}', '${stamps[n] ?? ''}_${name}', ${1709200001000 + n}, ${1709200001001 + n}, NULL`)};`;

const flyway = `CREATE TABLE "flyway_schema_history" (
    "installed_rank" INT NOT NULL PRIMARY KEY, "version" VARCHAR(50), "description" VARCHAR(200) NOT NULL,
    "type" VARCHAR(20) NOT NULL, "script" VARCHAR(1000) NOT NULL, "checksum" INT, "installed_by" VARCHAR(100) NOT NULL,
    "installed_on" TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')), "execution_time" INT NOT NULL,
    "success" BOOLEAN NOT NULL);
  CREATE INDEX "flyway_schema_history_s_idx" ON "flyway_schema_history" ("success");
  INSERT INTO "flyway_schema_history" VALUES
    ${rows((name, n) => `${n + 1}, '${n + 1}', '${name.replaceAll('_', ' ')}', 'SQL', 'V${n + 1}__${name}.sql', ${flywayChecksum(texts[name])}, 'me', '2024-03-01', 5, 1`)};`;

const releaseNames = ['1.0.0', '1.1.0', '1.1.1', '1.2.0'];

/** Made from the tables that the tools document. */
const documented: readonly OtherDatabase[] = [
  {
    title: 'Prisma',
    tool: 'prisma',
    table: '_prisma_migrations',
    files: filesNamed(stamps),
    by: 'name',
    dirty: {
      script: `UPDATE _prisma_migrations SET finished_at = NULL WHERE id = '3'`,
      reason: /20240302120000_seed_users was begun at \d+ and not finished/,
    },
    make: script(prisma),
  },
  {
    title: 'dbmate',
    tool: 'dbmate',
    table: 'schema_migrations',
    files: filesNamed(stamps),
    by: 'version',
    make: script(`CREATE TABLE IF NOT EXISTS "schema_migrations" (version varchar(128) primary key);
      INSERT INTO schema_migrations VALUES ${rows((_name, n) => `'${stamps[n] ?? ''}'`)};`),
  },
  {
    title: 'Rails',
    tool: 'rails',
    table: 'schema_migrations',
    files: filesNamed(stamps),
    by: 'version',
    make: script(`CREATE TABLE "schema_migrations" ("version" varchar NOT NULL PRIMARY KEY);
      CREATE TABLE "ar_internal_metadata" ("key" varchar NOT NULL PRIMARY KEY, "value" varchar,
        "created_at" datetime(6) NOT NULL, "updated_at" datetime(6) NOT NULL);
      INSERT INTO ar_internal_metadata VALUES ('environment', 'production', '2024-02-29', '2024-02-29');
      INSERT INTO schema_migrations VALUES ${rows((_name, n) => `'${stamps[n] ?? ''}'`)};`),
  },
  {
    title: 'golang-migrate',
    tool: 'golang_migrate',
    table: 'schema_migrations',
    files: filesNamed(short),
    by: 'version',
    dirty: { script: 'UPDATE schema_migrations SET dirty = true', reason: /version 3 is marked dirty/ },
    make: script(`CREATE TABLE schema_migrations (version uint64,dirty bool);
      CREATE UNIQUE INDEX version_unique ON schema_migrations (version);
      INSERT INTO schema_migrations VALUES (3, false);`),
  },
  {
    title: 'Flyway',
    tool: 'flyway',
    table: 'flyway_schema_history',
    files: filesNamed(short),
    by: 'name',
    dirty: {
      script: 'UPDATE flyway_schema_history SET success = 0 WHERE installed_rank = 3',
      reason: /V3__seed_users\.sql is marked as failed/,
    },
    make: script(flyway),
  },
  {
    title: 'a runner that keeps file names and checksums',
    tool: 'files',
    table: 'migrations',
    files: filesNamed(short),
    by: 'name',
    make: script(`CREATE TABLE migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, filename TEXT NOT NULL UNIQUE, checksum TEXT,
        applied_at DATETIME DEFAULT CURRENT_TIMESTAMP);
      INSERT INTO migrations (filename, checksum) VALUES
        ${rows((name, n) => `'${short[n] ?? ''}_${name}.sql', '${sha256(texts[name])}'`)};`),
  },
  {
    title: 'a runner that keeps numbers and names',
    tool: 'sibling',
    table: 'migrations',
    files: filesNamed(short),
    by: 'name',
    make: script(`CREATE TABLE migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, version INTEGER NOT NULL UNIQUE, name TEXT NOT NULL,
        applied_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP);
      INSERT INTO migrations (version, name) VALUES ${rows((name, n) => `${n + 1}, '${name.replaceAll('_', ' ')}'`)};`),
  },
  {
    title: 'a runner that keeps releases',
    tool: 'releases',
    table: 'schema_migrations',
    files: filesNamed(short, (sql, n) => `-- migration: release ${releaseNames[n] ?? ''}\n${sql}`),
    by: 'version',
    dirty: {
      script: "UPDATE schema_migrations SET status = 'failed' WHERE version = '1.1.1'",
      reason: /release 1\.1\.1 is marked as failed/,
    },
    make: script(`CREATE TABLE schema_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, version TEXT NOT NULL UNIQUE,
        description TEXT NOT NULL, applied_at TEXT DEFAULT CURRENT_TIMESTAMP, checksum TEXT, execution_time_ms INTEGER,
        status TEXT NOT NULL);
      INSERT INTO schema_migrations (version, description, checksum, execution_time_ms, status) VALUES
        ${rows((name, n) => `'${releaseNames[n] ?? ''}', 'Does ${name}.', '${sha256(texts[name])}', 4, 'applied'`)},
        ('1.1.2', 'Was a mistake.', 'x', 4, 'rolled_back');`),
  },
  {
    title: 'user_version alone',
    tool: 'user_version',
    table: undefined,
    files: filesNamed(short),
    by: 'version',
    make: script('PRAGMA user_version = 3;'),
  },
];

export const otherDatabases: readonly OtherDatabase[] = [...made, ...documented];

/** The one of a title. */
export function otherDatabase(title: string): OtherDatabase {
  const found = otherDatabases.find((each) => each.title === title);
  if (found === undefined) throw new Error(`There is no database of ${title}.`);
  return found;
}
