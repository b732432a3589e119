import { MigrationFileError } from '../errors.js';
import { BUNDLE_FORMAT, type BundledText, type MigrationBundle } from './migration-bundle.js';
import { digestOf, withDigest } from './migration-digest.js';
import { downOf, migrationOf, type MigrationFileOptions } from './migration-files.js';
import { checksumOf } from './migration-text.js';
import type { Migration } from './migration.js';
import { shown } from './values.js';

/**
 * The migrations of a bundle, each text held against its checksum, and all of them against the digest.
 *
 * @throws MigrationFileError (BAD_BUNDLE) when it is not as it was written, and what `readMigrations` throws of a text
 */
export function openBundle(bundle: MigrationBundle, options: MigrationFileOptions): readonly Migration[] {
  const { format, migrations, digest }: Unchecked<MigrationBundle> = bundle;
  if (format === undefined && digest === undefined)
    throw bad('What was given as migrations is no bundle.', {
      hint: 'Give a folder, a list, or the default export of a module that "upgrade-bridge bundle" wrote.',
    });
  if (format !== BUNDLE_FORMAT)
    throw bad(`The bundle of migrations has the format ${shown(format)}; expected ${BUNDLE_FORMAT}.`, {
      hint: 'Another version of this package wrote it: write it anew with the one that reads it (upgrade-bridge bundle).',
    });
  if (!Array.isArray(migrations)) throw bad('The bundle of migrations holds no list of migrations.');
  const opened = bundle.migrations.map((each) => {
    const sql = bundledText(each);
    const migration = migrationOf(each.filename, sql, options);
    if (each.down === undefined) return migration;
    const back = bundledText(each.down);
    return { ...migration, down: downOf(each.down.filename, back, options) };
  });
  if (digestOf(opened) !== digest)
    throw bad(
      'The digest of the bundle is not that of its migrations: one of them was added, taken out or renamed, or the digest was changed.',
    );
  return withDigest(opened);
}

/**
 * The text of a file in a bundle.
 *
 * @throws MigrationFileError (BAD_BUNDLE) when it is not the one that was bundled
 */
export function bundledText(file: BundledText): string {
  const { filename, sql, checksum } = fieldsOf(file);
  if (typeof filename !== 'string' || typeof sql !== 'string')
    throw bad(`An entry of the bundle of migrations has no name or no text: ${shown(file)}.`);
  const found = checksumOf(sql);
  if (found === checksum) return sql;
  throw bad(
    `${filename} is not as it was bundled: the SHA-256 of its text is ${found}; expected ${shown(checksum)}.`,
    { file: filename },
  );
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

/** What JSON or a caller without types may hold. */
type Unchecked<Value> = { readonly [Key in keyof Value]: unknown };

function bad(
  message: string,
  {
    file = 'bundle',
    hint = 'A bundle is not edited: change the files of the folder, and write it anew (upgrade-bridge bundle).',
  }: { readonly file?: string; readonly hint?: string } = {},
): MigrationFileError {
  return new MigrationFileError('BAD_BUNDLE', message, file, undefined, { hint });
}
