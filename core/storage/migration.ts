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

/** One numbered SQL file that this program knows. */
export interface Migration {
  readonly version: number;
  /** The file's name without number and ending: `add_chat_id`. */
  readonly name: string;
  readonly filename: string;
  /** The first comment of the file that is not a directive, or the name in words. */
  readonly description: string;
  /** The text without BOM and with LF line ends. */
  readonly sql: string;
  /** SHA-256 of `sql`, in hexadecimal. */
  readonly checksum: string;
  readonly statements: readonly Statement[];
  readonly directives: Directives;
}
