import { InvalidOptionError } from '../errors.js';
import { shown } from './values.js';

/** The form of a bundle that this version of the package writes and reads. */
export const BUNDLE_FORMAT = 1;

/** The text of one file in a bundle. */
export interface BundledText {
  readonly filename: string;
  /** SHA-256 of `sql`, in hexadecimal. */
  readonly checksum: string;
  /** The text without BOM and with LF line ends. */
  readonly sql: string;
}

export interface BundledMigration extends BundledText {
  /** The way back, where there is one. */
  readonly down?: BundledText | undefined;
}

/**
 * A folder of migrations as one value, for programs that are one file and for a start that asks the disk for nothing but
 * the database. `upgrade-bridge bundle` writes it as a module or as JSON, `bundleMigrations` makes it in memory. It is data
 * alone, and given wherever a folder is.
 *
 * A start compares `digest` with what the last upgrade left in the database, and looks at nothing else of it. Where there
 * is something to do, every text is held against its checksum, and all of them against the digest.
 */
export interface MigrationBundle {
  readonly format: number;
  /** Over the number, name and checksum of each migration. */
  readonly digest: string;
  readonly migrations: readonly BundledMigration[];
  /** The project's own checks (`checks.sql`), where there are any. */
  readonly checks?: BundledText | undefined;
}

/** Whether a value is meant as a bundle. What is in it is looked at where it is opened. */
export function isBundle(value: unknown): value is MigrationBundle {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @throws InvalidOptionError when a caller without types gave what can hold no migrations */
export function refuseUnlessMigrations(migrations: unknown): void {
  if (typeof migrations === 'string' || (typeof migrations === 'object' && migrations !== null)) return;
  throw new InvalidOptionError(
    `migrations must be a folder, a bundle or a list of migrations, and is ${shown(migrations)}.`,
    { hint: "Give the path of a folder of SQL files, such as 'migrations'." },
  );
}
