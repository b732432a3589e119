/**
 * - `unterminated`: a string, blob, quoted name or block comment that the end of the text cuts off.
 * - `illegal`: what SQLite calls an unrecognized token, and a NUL character with everything after it.
 */
export type TokenKind =
  | 'word'
  | 'quoted-name'
  | 'string'
  | 'blob'
  | 'number'
  | 'variable'
  | 'operator'
  | 'semicolon'
  | 'comment'
  | 'unterminated'
  | 'illegal';

/** A piece of SQL that means something by itself. White space is no token. */
export interface Token {
  readonly kind: TokenKind;
  /** As it stands in the SQL, with its quotes. */
  readonly text: string;
  /** Where it begins, in UTF-16 units from the beginning of the SQL. */
  readonly start: number;
  /** The line on which it begins, counted from 1; only LF ends a line. */
  readonly line: number;
}

interface Extent {
  readonly kind: TokenKind;
  readonly end: number;
}

const NUL = '\0';
const BYTE_ORDER_MARK = '\uFEFF';

/** All that may stand inside a name without quotes; every character from U+0080 on may. */
const nameRun = /[A-Za-z0-9_$\u0080-\uFFFF]*/y;
const digitRun = /[0-9]*/y;
const digitOrSeparatorRun = /[0-9_]*/y;
const hexDigitRun = /[0-9A-Fa-f]*/y;
const hexDigitOrSeparatorRun = /[0-9A-Fa-f_]*/y;
/** What may stand in the parentheses of a variable of Tcl. */
const tclRun = /[^)\t-\r ]*/y;
/** A vertical tab continues a run of white space, though it cannot begin one. */
const spaceRun = /[\t-\r ]*/y;

/**
 * Where a run of characters ends that begins at `start`. A pattern tells it many times as fast as a look at each character:
 * at a start, nothing of this is compiled yet.
 */
function endOf(run: RegExp, sql: string, start: number): number {
  run.lastIndex = start;
  run.test(sql);
  return run.lastIndex;
}

function isNameCharacter(character: string): boolean {
  return isNameStart(character) || isDigit(character) || character === '$';
}

function isNameStart(character: string): boolean {
  return (
    (character >= 'a' && character <= 'z') ||
    (character >= 'A' && character <= 'Z') ||
    character === '_' ||
    character >= '\u0080'
  );
}

function isDigit(character: string): boolean {
  return character >= '0' && character <= '9';
}

function afterSpace(sql: string, start: number): number {
  let position = start;
  for (;;) {
    const character = sql.charAt(position);
    if (character === ' ' || (character >= '\t' && character <= '\r' && character !== '\v'))
      position = endOf(spaceRun, sql, position);
    else if (character === BYTE_ORDER_MARK) position += 1;
    else return position;
  }
}

function lineComment(sql: string, start: number): Extent {
  const feed = sql.indexOf('\n', start);
  return { kind: 'comment', end: feed === -1 ? sql.length : feed };
}

/** What ends at the first occurrence of `close` from `from` on. */
function enclosed(sql: string, kind: TokenKind, from: number, close: string): Extent {
  const end = sql.indexOf(close, from);
  return end === -1 ? { kind: 'unterminated', end: sql.length } : { kind, end: end + close.length };
}

/** A quote inside is written twice. */
function quoted(sql: string, start: number): Extent {
  const quote = sql.charAt(start);
  let position = start + 1;
  for (;;) {
    const close = sql.indexOf(quote, position);
    if (close === -1) return { kind: 'unterminated', end: sql.length };
    if (sql.charAt(close + 1) !== quote) {
      return { kind: quote === "'" ? 'string' : 'quoted-name', end: close + 1 };
    }
    position = close + 2;
  }
}

/** X'…': an even number of hexadecimal digits, otherwise illegal as far as the next quote. */
function blob(sql: string, start: number): Extent {
  const digitsEnd = endOf(hexDigitRun, sql, start + 2);
  const wellFormed = sql.charAt(digitsEnd) === "'" && (digitsEnd - start) % 2 === 0;
  return enclosed(sql, wellFormed ? 'blob' : 'illegal', digitsEnd, "'");
}

function number(sql: string, start: number): Extent {
  let end: number;
  if (/^0x[0-9a-f]/i.test(sql.slice(start, start + 3))) {
    end = endOf(hexDigitOrSeparatorRun, sql, start + 3);
  } else {
    end = endOf(digitOrSeparatorRun, sql, start);
    if (sql.charAt(end) === '.') end = endOf(digitOrSeparatorRun, sql, end + 1);
    if (/^e[+-]?[0-9]/i.test(sql.slice(end, end + 3))) end = endOf(digitOrSeparatorRun, sql, end + 2);
  }
  const tail = endOf(nameRun, sql, end);
  return { kind: tail === end ? 'number' : 'illegal', end: tail };
}

/** `:a`, `@a`, `$a`, `#1`, also with the suffixes of Tcl: `$a::b(c)`. */
function namedVariable(sql: string, start: number): Extent {
  let position = start + 1;
  let named = false;
  for (;;) {
    const character = sql.charAt(position);
    if (character !== '' && isNameCharacter(character)) {
      named = true;
      position += 1;
    } else if (character === '(' && named) {
      const end = endOf(tclRun, sql, position + 1);
      return sql.charAt(end) === ')' ? { kind: 'variable', end: end + 1 } : { kind: 'illegal', end };
    } else if (character === ':' && sql.charAt(position + 1) === ':') {
      position += 2;
    } else {
      return { kind: named ? 'variable' : 'illegal', end: position };
    }
  }
}

const operators = ['->>', '->', '||', '<<', '<=', '<>', '>>', '>=', '==', '!='];
const singleOperators = '-()+*/%=<>|,&~.';

function operator(sql: string, start: number): Extent {
  const long = operators.find((text) => sql.startsWith(text, start));
  if (long !== undefined) return { kind: 'operator', end: start + long.length };
  return { kind: singleOperators.includes(sql.charAt(start)) ? 'operator' : 'illegal', end: start + 1 };
}

function extentAt(sql: string, start: number): Extent {
  const character = sql.charAt(start);
  const next = sql.charAt(start + 1);
  switch (character) {
    case ';':
      return { kind: 'semicolon', end: start + 1 };
    case "'":
    case '"':
    case '`':
      return quoted(sql, start);
    case '[':
      return enclosed(sql, 'quoted-name', start, ']');
    case '?':
      return { kind: 'variable', end: endOf(digitRun, sql, start + 1) };
    case '$':
    case '@':
    case '#':
    case ':':
      return namedVariable(sql, start);
    case '-':
      return next === '-' ? lineComment(sql, start) : operator(sql, start);
    case '/':
      return next === '*' ? enclosed(sql, 'comment', start + 2, '*/') : operator(sql, start);
    case '.':
      return isDigit(next) ? number(sql, start) : operator(sql, start);
    case 'x':
    case 'X':
      if (next === "'") return blob(sql, start);
      break;
  }
  if (isDigit(character)) return number(sql, start);
  if (isNameCharacter(character)) return { kind: 'word', end: endOf(nameRun, sql, start) };
  return operator(sql, start);
}

/** Each of these is a token whatever follows it. */
const alone = '(),;*+%&~';

/**
 * The tokens of an SQL text one after the other, as SQLite's own tokenizer cuts it ("tokenize.c"), comments included.
 *
 * Never throws: what SQLite would refuse comes as a token of the kind `unterminated` or `illegal`. So do two things
 * that SQLite drops or misreads: a NUL with all that follows it, and the opening of a block comment at the very end.
 */
export class Tokenizer {
  private readonly text: string;
  private position = 0;
  private line = 1;
  private nextFeed: number;

  constructor(private readonly sql: string) {
    const nul = sql.indexOf(NUL);
    this.text = nul === -1 ? sql : sql.slice(0, nul);
    this.nextFeed = sql.indexOf('\n');
  }

  /** The next token; undefined at the end. */
  next(): Token | undefined {
    const { text, sql } = this;
    const start = afterSpace(text, this.position);
    if (start < text.length) {
      const character = text.charAt(start);
      // Most tokens are one of these two, and tokens are what most of the time goes into.
      if (character !== 'x' && character !== 'X' && isNameStart(character))
        return this.token('word', start, endOf(nameRun, text, start));
      if (alone.includes(character))
        return this.token(character === ';' ? 'semicolon' : 'operator', start, start + 1);
      const { kind, end } = extentAt(text, start);
      return this.token(kind, start, end);
    }
    if (this.position === sql.length || text.length === sql.length) return undefined;
    return this.token('illegal', text.length, sql.length);
  }

  private token(kind: TokenKind, start: number, end: number): Token {
    while (this.nextFeed !== -1 && this.nextFeed < start) {
      this.line += 1;
      this.nextFeed = this.sql.indexOf('\n', this.nextFeed + 1);
    }
    this.position = end;
    return { kind, text: this.sql.slice(start, end), start, line: this.line };
  }
}

/** All tokens of an SQL text; see `Tokenizer`. */
export function tokenize(sql: string): Token[] {
  const tokenizer = new Tokenizer(sql);
  const tokens: Token[] = [];
  for (let token = tokenizer.next(); token !== undefined; token = tokenizer.next()) tokens.push(token);
  return tokens;
}

/**
 * The name that a token gives where SQLite expects one: a word as it stands, a quoted name without its quotes, and a
 * string likewise, because SQLite takes `'users'` for a name where a string makes no sense. Otherwise undefined.
 */
export function nameOf(token: Token | undefined): string | undefined {
  if (token?.kind === 'word') return token.text;
  if (token?.kind !== 'quoted-name' && token?.kind !== 'string') return undefined;
  const quote = token.text.charAt(0);
  const inner = token.text.slice(1, -1);
  return quote === '[' ? inner : inner.replaceAll(quote + quote, quote);
}

/** A name in the one letter case in which SQLite compares names: only ASCII letters have two. */
export function foldName(name: string): string {
  return isAscii(name) ? name.toLowerCase() : name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

function isAscii(text: string): boolean {
  return !/[^\0-\x7f]/.test(text);
}

/** A name for a sentence: as it is where it is a plain one, and otherwise in quotes, with escapes for what cannot be seen. */
export function shownName(name: string): string {
  return /^[\p{L}\p{N}_$.]+$/u.test(name) ? name : JSON.stringify(name);
}

/**
 * Whether a token is one of the given keywords, in any letter case. A quoted name never is.
 *
 * @param keywords in capitals
 */
export function isKeyword(token: Token | undefined, ...keywords: readonly string[]): boolean {
  if (token?.kind !== 'word') return false;
  for (const keyword of keywords) if (isInCapitals(token.text, keyword)) return true;
  return false;
}

/** What two cases of an ASCII letter differ in. */
const CASE_BIT = 0x20;

/** Whether a word in capitals is the given letters of ASCII. */
function isInCapitals(word: string, letters: string): boolean {
  if (word.length !== letters.length) return false;
  for (let index = 0; index < word.length; index += 1)
    if ((word.charCodeAt(index) & ~CASE_BIT) !== letters.charCodeAt(index)) return false;
  return true;
}
