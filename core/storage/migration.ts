import type { DatabaseBridge } from '../database/database-bridge.js';

/** One statement of a migration file. */
export interface Statement {
  /** The statement's text, from its first token to its last, without the semicolon. */
  readonly sql: string;
  /** The line on which its first token stands, counted from 1. */
  readonly line: number;
}

/** What a migration file declares in its header comments. */
export interface Directives {
  /** `-- migration: no-transaction`: the file holds one statement that SQLite refuses inside a transaction. */
  readonly noTransaction: boolean;
  /** `-- migration: allow-loss TABLE[, TABLE…]`: tables that may end with fewer rows. */
  readonly allowLoss: readonly string[];
  /** `-- migration: drops NAME[, NAME…]`: objects that may vanish; a column is written `table.column`. */
  readonly drops: readonly string[];
}

/** What a migration needs of the SQLite that runs it. */
export type Requirement =
  /** The oldest version of SQLite, such as `3.35`. */
  | { readonly kind: 'sqlite'; readonly version: string }
  /** A feature that SQLite may be built without. */
  | { readonly kind: 'feature'; readonly name: string };

/** The way back of a migration: `NNNN_name.down.sql`. */
export interface DownScript {
  readonly filename: string;
  /** The text without BOM and with LF line ends. */
  readonly sql: string;
  readonly statements: readonly Statement[];
  readonly directives: Directives;
}

/**
 * The connection as a migration in code sees it: inside the transaction of its step, and of no use after it. What may not
 * stand in a file is refused here too, except for bind parameters.
 */
export type MigrationConnection = Pick<DatabaseBridge, 'execute' | 'executeScript' | 'query'>;

/** What a migration in code does instead of running statements. */
export interface MigrationCode {
  readonly up: (db: MigrationConnection) => Promise<void>;
  readonly down: ((db: MigrationConnection) => Promise<void>) | undefined;
  /** What undoing may lose. */
  readonly downDirectives: Directives;
}

/** One numbered SQL file, or one migration in code, that this program knows. */
export interface Migration {
  readonly version: number;
  /** The file's name without number and ending: `add_chat_id`. */
  readonly name: string;
  readonly filename: string;
  /** The first comment of the file that is not a directive, or the name in words. */
  readonly description: string;
  /** The text without BOM and with LF line ends. */
  readonly sql: string;
  /** SHA-256 of `sql`, in hexadecimal; of a migration in code what a person set. */
  readonly checksum: string;
  readonly statements: readonly Statement[];
  readonly directives: Directives;
  /** The release that the migration belongs to, a semantic version. */
  readonly release?: string | undefined;
  readonly requires?: readonly Requirement[] | undefined;
  readonly down?: DownScript | undefined;
  /** What runs instead of statements; undefined for a file. */
  readonly code?: MigrationCode | undefined;
}
