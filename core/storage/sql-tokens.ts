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
  return (
    (character >= 'a' && character <= 'z') ||
    (character >= 'A' && character <= 'Z') ||
    isDigit(character) ||
    character === '_' ||
    character === '$' ||
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

/**
 * The tokens of an SQL text one after the other, as SQLite's own tokenizer cuts it ("tokenize.c"), comments included.
 *
 * Never throws: what SQLite would refuse comes as a token of the kind `unterminated` or `illegal`. So do two things
 * that SQLite drops or misreads: a NUL with all that follows it, and the opening of a block comment at the very end.
 */
export function* eachToken(sql: string): Generator<Token, void, undefined> {
  const nul = sql.indexOf(NUL);
  const text = nul === -1 ? sql : sql.slice(0, nul);
  let line = 1;
  let nextFeed = text.indexOf('\n');
  const lineAt = (position: number) => {
    while (nextFeed !== -1 && nextFeed < position) {
      line += 1;
      nextFeed = text.indexOf('\n', nextFeed + 1);
    }
    return line;
  };
  for (let start = afterSpace(text, 0); start < text.length;) {
    const { kind, end } = extentAt(text, start);
    yield { kind, text: text.slice(start, end), start, line: lineAt(start) };
    start = afterSpace(text, end);
  }
  if (nul !== -1) yield { kind: 'illegal', text: sql.slice(nul), start: nul, line: lineAt(nul) };
}

/** All tokens of an SQL text; see `eachToken`. */
export function tokenize(sql: string): Token[] {
  return [...eachToken(sql)];
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
  return /[A-Z]/.test(name) ? name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()) : name;
}

/** A name for a sentence: as it is where it is a plain one, and otherwise in quotes, with escapes for what cannot be seen. */
export function shownName(name: string): string {
  return /^[\p{L}\p{N}_$.]+$/u.test(name) ? name : JSON.stringify(name);
}

/** Whether a token is one of the given keywords, in any letter case. A quoted name never is. */
export function isKeyword(token: Token | undefined, ...keywords: readonly string[]): boolean {
  if (token?.kind !== 'word') return false;
  const { text } = token;
  // Asked of every token of every file: most differ in their length.
  for (const keyword of keywords)
    if (keyword.length === text.length && foldName(keyword) === foldName(text)) return true;
  return false;
}
