import type { DatabaseBridge } from '../database/database-bridge.js';
import type { Migration } from './migration.js';
import { isKeyword, tokenize, type Token } from './sql-tokens.js';

/**
 * What the statements of a file can do at most, by their words alone:
 *
 * - `objects`: add tables without rows, columns, views, triggers and indexes. No row, no object and no reference that is
 *   there can suffer.
 * - `values`: also change rows, which triggers, foreign keys, ON CONFLICT REPLACE and virtual tables can make more of.
 * - `rows`: also add rows, which the same can make more of.
 * - `anything`: whatever SQL can do.
 */
export type MigrationEffect = 'objects' | 'values' | 'rows' | 'anything';

/** Words after which a statement that adds can also take away, or read what is not to be written. */
const beyond = /^(replace|references|rollback|temp|temporary|virtual|sqlite_.*|pragma_.*)$/i;

/** What a migration can do at most. Where the words leave a doubt, it is `anything`. */
export function effectOf({ statements, code }: Pick<Migration, 'statements' | 'code'>): MigrationEffect {
  if (code !== undefined) return 'anything';
  const known = effects.get(statements) ?? effectOfStatements(statements);
  effects.set(statements, known);
  return known;
}

/** What was found out before: of many databases each asks for the same files, and each step several times. */
const effects = new WeakMap<Migration['statements'], MigrationEffect>();

function effectOfStatements(statements: Migration['statements']): MigrationEffect {
  const found = statements.map(({ sql }) => effectOfPlain(sql) ?? effectOfTokens(sql));
  return (['anything', 'rows', 'values'] as const).find((effect) => found.includes(effect)) ?? 'objects';
}

/** The same of the most frequent forms of statements, without a look at each token; undefined for any other. */
export function effectOfPlain(sql: string): MigrationEffect | undefined {
  if (doubtful.test(sql)) return undefined;
  if (/^create[ \n]+(?:view|index)[ \n]/i.test(sql)) return 'objects';
  if (/^create[ \n]+table[ \n]+(?:if[ \n]+not[ \n]+exists[ \n]+)?\w+[ \n]*\(/i.test(sql)) return 'objects';
  if (/^alter[ \n]+table[ \n]+\w+[ \n]+add[ \n](?!.*(?:rename|drop))/is.test(sql)) return 'objects';
  if (/^insert[ \n]+into[ \n]/i.test(sql)) return 'rows';
  return /^update[ \n]+\w+[ \n]+set[ \n]/i.test(sql) ? 'values' : undefined;
}

/** Comments, and letters that can be those of a word that leaves a doubt. */
const doubtful = /--|\/\*|replace|references|rollback|temp|virtual|sqlite_|pragma_/i;

export function effectOfTokens(sql: string): MigrationEffect {
  const tokens = tokenize(sql).filter(({ kind }) => kind !== 'comment');
  const has = (...words: string[]): boolean => tokens.some((token) => isKeyword(token, ...words));
  const [verb, object] = tokens;
  if (tokens.some(isOfTemporary)) return 'anything';
  if (isKeyword(verb, 'CREATE')) return effectOfCreation(tokens, object);
  if (tokens.some(isBeyond)) return 'anything';
  if (isKeyword(verb, 'ALTER') && !has('RENAME', 'DROP') && has('ADD')) return 'objects';
  if (isKeyword(verb, 'UPDATE')) return 'values';
  if (isKeyword(verb, 'INSERT')) return 'rows';
  return 'anything';
}

function effectOfCreation(tokens: readonly Token[], object: Token | undefined): MigrationEffect {
  if (isKeyword(object, 'TRIGGER', 'VIEW', 'INDEX')) return 'objects';
  // A unique index can be the key that a reference was waiting for, which then shows what it breaks.
  if (isKeyword(object, 'UNIQUE')) return 'rows';
  return isKeyword(object, 'TABLE') ? effectOfTable(tokens) : 'anything';
}

/** A new table that fills itself has rows; one that takes the place of a missing parent only mends references. */
function effectOfTable(tokens: readonly Token[]): MigrationEffect {
  const body = tokens.findIndex(({ text }) => text === '(');
  const filled = tokens.findIndex((token) => isKeyword(token, 'AS'));
  return filled !== -1 && (body === -1 || filled < body) ? 'rows' : 'objects';
}

/** Whether a name stands in the database that is gone with the connection, as in `CREATE TRIGGER temp.changed`. */
function isOfTemporary({ text }: Token, index: number, tokens: readonly Token[]): boolean {
  return text === '.' && /^["'`[]?temp["'`\]]?$/i.test(tokens[index - 1]?.text ?? '');
}

function isBeyond({ kind, text }: Token): boolean {
  if (kind === 'word') return beyond.test(text);
  return (kind === 'quoted-name' || kind === 'string') && beyond.test(text.slice(1, -1));
}

/**
 * SQL that says whether rows that are added or changed can do no more than be there: no trigger, no foreign key, no
 * ON CONFLICT REPLACE and no virtual table is in the schema, nor the word for one, and nothing temporary on the connection.
 * A connection that is lent may tell LIKE which letters are the same ("PRAGMA case_sensitive_like"), and GLOB not.
 */
export const plainTables = `NOT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'trigger' OR lower(sql) GLOB '*references*'
  OR lower(sql) GLOB '*replace*' OR lower(sql) GLOB 'create*virtual*') AND NOT EXISTS (SELECT 1 FROM sqlite_temp_schema)`;

/**
 * Whether nothing that is in the database can suffer from a migration, so that nothing need be counted before and after it.
 *
 * @param plain what `plainTables` says of the database
 */
export function canDoNoHarm(migration: Migration, plain: boolean): boolean {
  const effect = effectOf(migration);
  // What a file makes rules of stands before the rows that it writes.
  return effect === 'objects' || (effect !== 'anything' && plain && !makesRules(migration));
}

/** The same, with the database asked. */
export async function isHarmless(db: DatabaseBridge, migration: Migration): Promise<boolean> {
  if (canDoNoHarm(migration, false)) return true;
  const [row] = await db.query(`SELECT ${plainTables} AS plain`);
  return canDoNoHarm(migration, row?.plain === 1);
}

/** Whether tables are no longer plain after a file, or may not be. */
export function makesRules({ sql }: Pick<Migration, 'sql'>): boolean {
  return /trigger|references|replace|virtual/i.test(sql);
}

/** Whether a CHECK may come to rows that are there already: not every SQLite holds them against it. */
export function mayAddCheck({ statements, code }: Pick<Migration, 'statements' | 'code'>): boolean {
  return code !== undefined || statements.some(({ sql }) => /\balter\b/i.test(sql) && /\bcheck\b/i.test(sql));
}
