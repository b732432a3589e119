import { parseMigration } from '../../core/storage/migration-files.js';
import type { Migration } from '../../core/storage/migration.js';

/** A migration as the folder would give it. */
export function migrationOf(filename: string, sql: string): Migration {
  return parseMigration(filename, Buffer.from(sql));
}

/** Migrations by their files' names, in the order of their numbers. */
export function migrationsOf(files: Readonly<Record<string, string>>): readonly Migration[] {
  return Object.entries(files)
    .map(([filename, sql]) => migrationOf(filename, sql))
    .sort((a, b) => a.version - b.version);
}

/** A migration whose statements were never looked at, as a program could make one by hand. */
export function unchecked(migration: Migration, ...statements: readonly string[]): Migration {
  return { ...migration, statements: statements.map((sql, index) => ({ sql, line: index + 1 })) };
}
