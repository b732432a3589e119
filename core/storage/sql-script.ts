import { MigrationFileError } from '../errors.js';
import { forbiddenStatement, namesForbidden, type Refusal } from './forbidden-statements.js';
import type { Statement } from './migration.js';
import { plainStatements } from './plain-script.js';
import { isKeyword, Tokenizer, type Token } from './sql-tokens.js';

/** What `checkScript` needs to know of a file besides its text. */
export interface ScriptOptions {
  /** The file's name, for the error. */
  readonly file: string;
  /** Whether the file declares `-- migration: no-transaction`. */
  readonly noTransaction: boolean;
  /** The table that holds the history. */
  readonly historyTable: string;
}

/** A statement with its tokens: comments left out, the semicolons inside a trigger kept. */
interface ScannedStatement extends Statement {
  readonly tokens: readonly Token[];
}

/** The statements of a script, cut where SQLite's own parser cuts them; empty ones are left out. Never throws. */
export function splitStatements(sql: string): Statement[] {
  const statements: Statement[] = [];
  eachStatement(sql, (statement) => statements.push(withoutTokens(statement)));
  return statements;
}

/**
 * The statements of a migration file, once it is certain that all of them may run: nothing that SQLite would drop
 * without a word, nothing that outlives or escapes the file's transaction, nothing that writes the history.
 *
 * @throws MigrationFileError with the line, the reason and what to write instead
 */
export function checkScript(sql: string, options: ScriptOptions): readonly Statement[] {
  const { file, noTransaction, historyTable } = options;
  if (noTransaction) refuseSecondStatement(sql, file);
  else if (!namesForbidden(sql, historyTable)) {
    const plain = plainStatements(sql);
    if (plain !== undefined && plain.length > 0) return plain;
  }
  const statements: Statement[] = [];
  const refuse = refusalOfStatements(sql, options);
  const visit = (statement: ScannedStatement): void => {
    if (!isComplete(statement.tokens))
      throw failure('BAD_MIGRATION_TEXT', endlessTrigger, statement.line, file);
    refuse(statement);
    statements.push(withoutTokens(statement));
  };
  eachStatement(sql, visit, (token) => {
    refuseUnreadable(token, file);
  });
  if (statements.length === 0) throw failure('BAD_MIGRATION_TEXT', noStatement, undefined, file);
  return statements;
}

/**
 * Refuses SQL for the reasons for which it may not stand in a file. Bind parameters may: code has values for them.
 *
 * @throws MigrationFileError with the line within the SQL, the reason and what to write instead
 */
export function refuseForbidden(sql: string, options: ScriptOptions): void {
  eachStatement(sql, refusalOfStatements(sql, options), (token) => {
    if (token.kind !== 'variable') refuseUnreadable(token, options.file);
  });
}

/** Throws where a statement of the SQL is forbidden. */
function refusalOfStatements(
  sql: string,
  { file, noTransaction, historyTable }: ScriptOptions,
): (statement: ScannedStatement) => void {
  const names = namesForbidden(sql, historyTable);
  return ({ tokens, line }) => {
    const refusal = forbiddenStatement(tokens, { noTransaction, historyTable, names });
    if (refusal !== undefined) throw failure(refusal.code ?? 'FORBIDDEN_STATEMENT', refusal, line, file);
  };
}

function failure(
  code: 'BAD_MIGRATION_TEXT' | 'BAD_DIRECTIVE' | 'FORBIDDEN_STATEMENT',
  { reason, hint }: Refusal,
  line: number | undefined,
  file: string,
): MigrationFileError {
  const place = line === undefined ? file : `${file}, line ${line}`;
  return new MigrationFileError(code, `${place}: ${reason}`, file, line, { hint });
}

function withoutTokens({ sql, line }: ScannedStatement): Statement {
  return { sql, line };
}

// Where statements end

/**
 * Cuts a script into its statements.
 *
 * @param visit called with each, as soon as its end is found
 * @param look called with each token before that, comments included
 */
function eachStatement(
  sql: string,
  visit: (statement: ScannedStatement) => void,
  look?: (token: Token) => void,
): void {
  const tokenizer = new Tokenizer(sql);
  let own: Token[] = [];
  // Right after a statement SQLite passes over white space by another rule, by which a vertical tab is some.
  let isBetween = false;
  for (let token = tokenizer.next(); token !== undefined; token = tokenizer.next()) {
    look?.(token);
    if (isBetween && token.kind === 'illegal' && token.text === '\v') continue;
    isBetween = false;
    if (token.kind === 'comment' || isUnterminatedComment(token)) continue;
    if (token.kind === 'semicolon' && isComplete(own)) {
      visitOne(sql, own, visit);
      own = [];
      isBetween = true;
    } else {
      own.push(token);
    }
  }
  visitOne(sql, own, visit);
}

function visitOne(sql: string, tokens: readonly Token[], visit: (statement: ScannedStatement) => void): void {
  const first = tokens[0];
  const last = tokens.at(-1);
  if (first === undefined || last === undefined) return;
  visit({ sql: sql.slice(first.start, last.start + last.text.length), line: first.line, tokens });
}

/** A trigger's body holds semicolons; the trigger is complete with the END that directly follows one. */
function isComplete(tokens: readonly Token[]): boolean {
  if (!isTrigger(tokens)) return true;
  return isKeyword(tokens.at(-1), 'END') && tokens.at(-2)?.kind === 'semicolon';
}

function isTrigger(tokens: readonly Token[]): boolean {
  let create = 0;
  if (isKeyword(tokens[0], 'EXPLAIN')) create = isKeyword(tokens[1], 'QUERY') ? 3 : 1;
  if (!isKeyword(tokens[create], 'CREATE')) return false;
  const temporary = isKeyword(tokens[create + 1], 'TEMP', 'TEMPORARY');
  return isKeyword(tokens[create + (temporary ? 2 : 1)], 'TRIGGER');
}

/** SQLite reads it as a comment, to the end of the text. */
function isUnterminatedComment(token: Token): boolean {
  return token.kind === 'unterminated' && token.text.startsWith('/*');
}

// What may not stand in a file

const endlessTrigger: Refusal = {
  reason: 'a trigger begins here and has no end, so it swallows the rest of the file.',
  hint: 'Write BEGIN, the statements of the trigger with a semicolon after each, and then END;',
};

const noStatement: Refusal = {
  reason: 'the file holds no SQL statement; expected at least one.',
  hint: 'Write the statements of this migration, or delete the file if no database has applied it yet.',
};

function refuseSecondStatement(sql: string, file: string): void {
  const statements = splitStatements(sql);
  const second = statements[1];
  if (second === undefined) return;
  const refusal = {
    reason: `the file declares no-transaction and holds ${statements.length} statements; expected exactly one.`,
    hint:
      'Give each of these statements a file of its own: ' +
      'without a transaction a failure between two of them could not be undone.',
  };
  throw failure('BAD_DIRECTIVE', refusal, second.line, file);
}

/** Refuses what SQLite would refuse, misread or take for the end of the text. */
function refuseUnreadable(token: Token, file: string): void {
  const refusal = unreadable(token);
  if (refusal !== undefined) throw failure('BAD_MIGRATION_TEXT', refusal, token.line, file);
}

function unreadable(token: Token): Refusal | undefined {
  if (token.kind === 'unterminated') return unterminated(token);
  if (token.kind === 'variable') {
    return {
      reason: `${shown(token)} is a bind parameter; a file has no values for it, so SQLite would take NULL.`,
      hint: 'Write the value itself. A text belongs between single quotes.',
    };
  }
  if (token.kind !== 'illegal') return undefined;
  if (token.text.startsWith('\0')) {
    return {
      reason: 'the text holds a NUL character, at which SQLite would stop reading without an error.',
      hint: "Save the file as UTF-8; UTF-16 is full of NULs. To store a NUL write char(0) or a blob such as x'00'.",
    };
  }
  return {
    reason: `${shown(token)} is nothing that SQLite can read.`,
    hint: 'Put a name with unusual characters between double quotes and a text between single quotes.',
  };
}

function unterminated(token: Token): Refusal {
  const without = (thing: string, hint: string): Refusal => ({
    reason: `${thing} begins here and has no end, so it swallows the rest of the file.`,
    hint,
  });
  switch (token.text.charAt(0)) {
    case '/':
      return without('a comment', 'Close it with an asterisk and a slash.');
    case '[':
      return without('a quoted name', 'Close it with a square bracket.');
    case '"':
      return without(
        'a quoted name',
        'Close it with a double quote. A double quote inside it is written twice.',
      );
    case '`':
      return without('a quoted name', 'Close it with a backtick. A backtick inside it is written twice.');
    case "'":
      return without('a text', "Close it with a single quote. One inside it is written twice: 'it''s'.");
    default:
      return without('a blob', 'Close it with a single quote.');
  }
}

/** A token for a sentence, cut where it is long. */
function shown({ text }: Token): string {
  return `"${text.length > 40 ? `${text.slice(0, 40)}…` : text}"`;
}
