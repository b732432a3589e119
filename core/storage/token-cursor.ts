import { foldName, nameOf, tokenize, type Token } from './sql-tokens.js';

/** Tokens in one comparable form: words and quoted names without quotes and in lower case, one space between. */
export function normaliseTokens(tokens: readonly Token[]): string {
  return tokens
    .filter((token) => token.kind !== 'comment')
    .map((token) => {
      if (token.kind === 'string') return token.text;
      const name = nameOf(token);
      return name === undefined ? token.text.toLowerCase() : foldName(name);
    })
    .join(' ');
}

/** A place in the tokens of a statement that SQLite has accepted, with what is read from there on. */
export class TokenCursor {
  protected readonly tokens: readonly Token[];
  protected position = 0;

  constructor(private readonly sql: string) {
    this.tokens = tokenize(sql).filter((token) => token.kind !== 'comment');
  }

  protected at(text: string): boolean {
    const token = this.tokens[this.position];
    return token?.kind !== 'string' && token?.text.toLowerCase() === text;
  }

  /** The current token as a keyword; empty where it is quoted or no word. */
  protected word(): string {
    const token = this.tokens[this.position];
    return token?.kind === 'word' ? token.text.toLowerCase() : '';
  }

  protected take(...words: readonly string[]): boolean {
    if (!words.includes(this.word())) return false;
    this.position += 1;
    return true;
  }

  protected name(): string {
    const token = this.tokens[this.position];
    this.position += 1;
    return token === undefined ? '' : (nameOf(token) ?? token.text);
  }

  /** The tokens of a parenthesis, without the outer pair. */
  protected parenthesis(): readonly Token[] {
    const start = this.position + 1;
    let depth = 0;
    do {
      if (this.at('(')) depth += 1;
      else if (this.at(')')) depth -= 1;
      this.position += 1;
    } while (depth > 0 && this.position < this.tokens.length);
    return this.tokens.slice(start, this.position - 1);
  }

  protected textBetween(first: number, end: number): string {
    const from = this.tokens[first];
    const last = this.tokens[end - 1];
    return from === undefined || last === undefined
      ? ''
      : this.sql.slice(from.start, last.start + last.text.length);
  }
}

/** The name that a token gives where a column is named, in lower case. */
export function columnName(token: Token | undefined): string {
  return foldName(nameOf(token) ?? '');
}

export function splitAtCommas(tokens: readonly Token[]): Token[][] {
  const parts: Token[][] = [[]];
  for (const token of tokens)
    if (token.text === ',') parts.push([]);
    else parts.at(-1)?.push(token);
  return parts;
}
