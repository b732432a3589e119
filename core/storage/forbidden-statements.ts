import { foldName, isKeyword, nameOf, type Token } from './sql-tokens.js';

/** Why something may not stand in a migration file. */
export interface Refusal {
  /** Where it is not FORBIDDEN_STATEMENT. */
  readonly code?: 'BAD_DIRECTIVE';
  /** What is wrong and why. */
  readonly reason: string;
  /** What to write instead. */
  readonly hint: string;
}

type Reasons = Readonly<Record<string, Refusal>>;

/** What is to be known of a file besides the statement. */
export interface StatementTerms {
  /** Whether the file runs outside of a transaction. */
  readonly noTransaction: boolean;
  /** The table that holds the history, which no file may write. */
  readonly historyTable: string;
  /** Whether the file names what no statement may call or write. */
  readonly names: boolean;
}

/**
 * Why a statement may not run in a migration, or undefined where it may.
 *
 * Pure: looks at the words of the statement alone.
 *
 * @param tokens those of the statement, without comments
 */
export function forbiddenStatement(
  tokens: readonly Token[],
  { noTransaction, historyTable, names }: StatementTerms,
): Refusal | undefined {
  return (
    forbiddenVerb(tokens, noTransaction) ??
    (names ? (forbiddenCall(tokens) ?? forbiddenWrite(tokens, historyTable)) : undefined) ??
    (noTransaction ? needlessDirective(tokens) : undefined)
  );
}

/**
 * Whether a text names what no statement may call or write. Where it does not, its statements need not be looked at word
 * by word.
 */
export function namesForbidden(sql: string, historyTable: string): boolean {
  return forbiddenNames.test(sql) || mentions(sql, historyTable);
}

const forbiddenNames = /load_extension|pragma_optimize|sqlite_(?:temp_)?(?:schema|master)/i;

/** Whether a name can stand in a text. One with a quote in it is written in many ways, so that it always can. */
function mentions(sql: string, name: string): boolean {
  return /[^\w$]/.test(name) || new RegExp(name.replaceAll('$', '\\$'), 'i').test(sql);
}

// By its first word

const eachFileIsWhole =
  'Delete the statement: each file already runs in one transaction and is kept whole or not at all.';
const copyElsewhere =
  'Delete the statement. Copy data from another database in your program, not in a migration.';

const verbs: Reasons = {
  begin: {
    reason: 'BEGIN would start a transaction, but the file already runs in one.',
    hint: 'Delete the lines with BEGIN and COMMIT: each file already runs in one transaction.',
  },
  commit: {
    reason: 'COMMIT would end the transaction in which the file runs.',
    hint: 'Delete the lines with BEGIN and COMMIT: each file already runs in one transaction.',
  },
  end: {
    reason: 'END would end the transaction in which the file runs.',
    hint:
      'Delete the lines with BEGIN and END: each file already runs in one transaction. ' +
      'If END closes a trigger, look for a misspelt word in its CREATE TRIGGER.',
  },
  rollback: { reason: 'ROLLBACK would end the transaction in which the file runs.', hint: eachFileIsWhole },
  savepoint: { reason: 'SAVEPOINT would nest in the transaction of the file.', hint: eachFileIsWhole },
  release: { reason: 'RELEASE would end a part of the transaction of the file.', hint: eachFileIsWhole },
  attach: {
    reason: 'ATTACH would open another database, which is neither backed up nor checked and stays open.',
    hint: copyElsewhere,
  },
  detach: { reason: 'DETACH belongs to ATTACH, which may not stand in a migration.', hint: copyElsewhere },
  explain: {
    reason: 'EXPLAIN describes a statement instead of carrying it out.',
    hint: 'Delete the word EXPLAIN if the statement shall run, otherwise the whole statement.',
  },
};

const vacuum: Refusal = {
  reason: 'VACUUM cannot run inside the transaction in which the file runs.',
  hint: 'Move it alone into a file of its own that begins with the line "-- migration: no-transaction".',
};

const vacuumInto: Refusal = {
  reason: 'VACUUM INTO would write another database file.',
  hint: 'Delete the statement. The upgrade makes a backup by itself before it changes anything.',
};

function forbiddenVerb(tokens: readonly Token[], noTransaction: boolean): Refusal | undefined {
  if (isKeyword(tokens[0], 'PRAGMA')) return forbiddenPragma(tokens, noTransaction);
  if (!isKeyword(tokens[0], 'VACUUM'))
    return tokens[0]?.kind === 'word' ? find(verbs, tokens[0].text) : undefined;
  if (tokens.some((token) => isKeyword(token, 'INTO'))) return vacuumInto;
  return noTransaction ? undefined : vacuum;
}

function find(reasons: Reasons, name: string): Refusal | undefined {
  const key = foldName(name);
  return Object.hasOwn(reasons, key) ? reasons[key] : undefined;
}

// Pragmas

/** They only read, with an argument and without. */
const readingPragmas: readonly string[] = [
  'foreign_key_check',
  'foreign_key_list',
  'index_info',
  'index_list',
  'index_xinfo',
  'integrity_check',
  'quick_check',
  'table_info',
  'table_list',
  'table_xinfo',
];

const needsVacuumToo: Refusal = {
  reason: 'takes effect only with a VACUUM on the same connection.',
  hint: 'Delete the statement. Let your program set it and run VACUUM when the upgrade is done.',
};

const pragmas: Reasons = {
  foreign_keys: {
    reason: 'does nothing inside the transaction in which the file runs, and SQLite does not say so.',
    hint: 'Delete the statement: keys are not enforced while files run, and are checked before a file is kept.',
  },
  defer_foreign_keys: {
    reason: 'does nothing here, because foreign keys are not enforced while the file runs.',
    hint: 'Delete the statement: the keys are checked before a file is kept.',
  },
  legacy_alter_table: {
    reason: 'would change the meaning of every RENAME after it, in other files too.',
    hint:
      'Delete the statement. Drop the views and triggers that name the table before the RENAME ' +
      'and create them again after it.',
  },
  writable_schema: {
    reason: 'would let the file damage the schema, and would stay in force after it.',
    hint: 'Delete the statement and rebuild the table: create a new one, copy, drop the old one, rename.',
  },
  user_version: {
    reason: 'stands for the version, which the upgrade itself keeps.',
    hint: 'Delete the statement: the version is written for you, in the same transaction as the file.',
  },
  journal_mode: {
    reason: 'cannot change inside the transaction in which the file runs.',
    hint:
      'Delete the statement, or move PRAGMA journal_mode = WAL (or DELETE) alone into a file of its own ' +
      'that begins with the line "-- migration: no-transaction".',
  },
  auto_vacuum: needsVacuumToo,
  page_size: needsVacuumToo,
};

const anyOtherPragma: Refusal = {
  reason: 'is of no use in a file, or is a setting that would stay in force after it.',
  hint:
    'Delete the statement, and let your program set what it needs where it opens the database. ' +
    `A file may use ${readingPragmas.join(', ')}.`,
};

function forbiddenPragma(tokens: readonly Token[], noTransaction: boolean): Refusal | undefined {
  const name = foldName(nameAt(tokens, 1) ?? '');
  if (readingPragmas.includes(name)) return undefined;
  if (name === 'journal_mode' && noTransaction) return forbiddenJournalMode(tokens);
  const { reason, hint } = find(pragmas, name) ?? anyOtherPragma;
  return { reason: `PRAGMA ${name} ${reason}`, hint };
}

/** WAL and DELETE are kept in the database; every other mode lasts as long as the connection or endangers the data. */
function forbiddenJournalMode(tokens: readonly Token[]): Refusal | undefined {
  const value = tokens.findIndex((token) => token.text === '=' || token.text === '(') + 1;
  if (['wal', 'delete'].includes(foldName(nameOf(tokens[value]) ?? ''))) return undefined;
  return {
    reason: 'PRAGMA journal_mode sets a mode that is not kept in the database, or none.',
    hint: 'Write PRAGMA journal_mode = WAL or PRAGMA journal_mode = DELETE.',
  };
}

/** Without a transaction a file and its history row are not kept together, so only what can run no other way may. */
function needlessDirective(tokens: readonly Token[]): Refusal | undefined {
  if (isKeyword(tokens[0], 'VACUUM')) return undefined;
  if (isKeyword(tokens[0], 'PRAGMA') && foldName(nameAt(tokens, 1) ?? '') === 'journal_mode')
    return undefined;
  const verb = tokens[0]?.text.toUpperCase() ?? '';
  return {
    code: 'BAD_DIRECTIVE',
    reason: `the file declares no-transaction and holds ${verb}; expected VACUUM or PRAGMA journal_mode.`,
    hint: 'Delete the line "-- migration: no-transaction": the statement can run in a transaction like any other.',
  };
}

// By a function that it calls

const calls: Reasons = {
  load_extension: {
    reason: 'load_extension() would run code from outside of the database.',
    hint: 'Let your program load the extension where it opens the database.',
  },
};

const tableFunctions: Reasons = {
  pragma_optimize: {
    reason: 'pragma_optimize carries out PRAGMA optimize, which writes.',
    hint: 'Write ANALYZE if the statistics shall be made anew.',
  },
};

function forbiddenCall(tokens: readonly Token[]): Refusal | undefined {
  for (const [index, token] of tokens.entries()) {
    if (token.kind !== 'word' && token.kind !== 'quoted-name') continue;
    const name = nameOf(token) ?? '';
    const refusal =
      find(tableFunctions, name) ?? (tokens[index + 1]?.text === '(' ? find(calls, name) : undefined);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

// By the table that it writes

const schemaTables: readonly string[] = [
  'sqlite_schema',
  'sqlite_master',
  'sqlite_temp_schema',
  'sqlite_temp_master',
];

function forbiddenWrite(tokens: readonly Token[], historyTable: string): Refusal | undefined {
  for (const name of writtenNames(tokens)) {
    if (schemaTables.includes(foldName(name))) {
      return {
        reason: `the statement would write ${name}, the table in which SQLite keeps the schema.`,
        hint: 'Say what shall change with CREATE, ALTER and DROP.',
      };
    }
    if (foldName(name) === foldName(historyTable)) return historyWrite(tokens, name);
  }
  return undefined;
}

function historyWrite(tokens: readonly Token[], name: string): Refusal {
  const addsRow = isKeyword(tokens[0], 'INSERT', 'REPLACE', 'WITH');
  return {
    reason: `the statement would ${addsRow ? 'write a row into' : 'change'} ${name}, the history of applied migrations.`,
    hint: addsRow
      ? 'Delete the statement: the row of this file is written for you, in the same transaction.'
      : 'Delete the statement: the upgrade itself creates and keeps this table. A table of yours needs another name, or the history does (historyTable, --history-table).',
  };
}

/** Every name that stands where a statement says what it writes, creates, alters or drops, also inside a trigger. */
function* writtenNames(tokens: readonly Token[]): Generator<string, void, undefined> {
  for (const position of [...definitionPositions(tokens), ...writePositions(tokens)]) {
    const name = nameAt(tokens, position);
    if (name !== undefined) yield name;
  }
}

function* writePositions(tokens: readonly Token[]): Generator<number, void, undefined> {
  for (const [index, token] of tokens.entries()) {
    const next = tokens[index + 1];
    if (isKeyword(token, 'INTO')) yield index + 1;
    else if (isKeyword(token, 'UPDATE')) yield isKeyword(next, 'OR') ? index + 3 : index + 1;
    else if (isKeyword(token, 'DELETE') && isKeyword(next, 'FROM')) yield index + 2;
    else if (isKeyword(tokens[0], 'ALTER') && isKeyword(token, 'RENAME') && isKeyword(next, 'TO'))
      yield index + 2;
  }
}

function* definitionPositions(tokens: readonly Token[]): Generator<number, void, undefined> {
  if (!isKeyword(tokens[0], 'CREATE', 'DROP', 'ALTER')) return;
  let position = 1;
  while (isKeyword(tokens[position], 'TEMP', 'TEMPORARY', 'UNIQUE', 'VIRTUAL')) position += 1;
  const standsOnTable = isKeyword(tokens[0], 'CREATE') && isKeyword(tokens[position], 'INDEX', 'TRIGGER');
  position += 1;
  if (isKeyword(tokens[position], 'IF') && isKeyword(tokens[position + 1], 'NOT')) position += 3;
  else if (isKeyword(tokens[position], 'IF') && isKeyword(tokens[position + 1], 'EXISTS')) position += 2;
  yield position;
  const on = tokens.findIndex((token) => isKeyword(token, 'ON'));
  if (standsOnTable && on !== -1) yield on + 1;
}

/** The name at a position, without the name of its database: of `main.users` it is `users`. */
export function nameAt(tokens: readonly Token[], position: number): string | undefined {
  const qualified = tokens[position + 1]?.text === '.';
  return nameOf(tokens[qualified ? position + 2 : position]);
}
