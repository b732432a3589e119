import { parseChecks, readFolderChecks } from './check-files.js';
import { BUNDLE_FORMAT, type BundledText, type MigrationBundle } from './migration-bundle.js';
import { digestOf } from './migration-digest.js';
import { CHECKS_FILE, readMigrations, type MigrationFileOptions } from './migration-files.js';
import { checksumOf, textOf } from './migration-text.js';

/**
 * Makes one value of a folder of migrations, with their ways back and the project's checks. Every file is looked at as
 * an upgrade would look at it.
 *
 * ```ts
 * const migrations = await bundleMigrations('migrations');
 * await upgradeDatabase({ database: 'notes.db', migrations });
 * ```
 *
 * @returns frozen data, which also survives JSON
 * @throws what `readMigrations` and `readChecks` throw
 */
export async function bundleMigrations(
  folder: string,
  options: MigrationFileOptions = {},
): Promise<MigrationBundle> {
  const migrations = await readMigrations(folder, options);
  const checks = await bundledChecks(folder, options);
  return Object.freeze({
    format: BUNDLE_FORMAT,
    digest: digestOf(migrations),
    migrations: Object.freeze(
      migrations.map(({ filename, sql, down }) =>
        Object.freeze({
          ...bundled(filename, sql),
          ...(down === undefined ? {} : { down: bundled(down.filename, down.sql) }),
        }),
      ),
    ),
    ...(checks === undefined ? {} : { checks }),
  });
}

function bundled(filename: string, sql: string): BundledText {
  return Object.freeze({ filename, checksum: checksumOf(sql), sql });
}

async function bundledChecks(
  folder: string,
  options: MigrationFileOptions,
): Promise<BundledText | undefined> {
  const bytes = await readFolderChecks(folder);
  if (bytes === undefined) return undefined;
  parseChecks(CHECKS_FILE, bytes, options);
  return bundled(CHECKS_FILE, textOf(bytes, CHECKS_FILE));
}
