import { MigrationFileError } from '../errors.js';
import type { Directives, Requirement } from './migration.js';
import { nearestWord } from './nearest-word.js';
import { nameOf, tokenize, Tokenizer } from './sql-tokens.js';

/** What the comments at the head of a migration file say. */
export interface MigrationHeader {
  /** The first comment that is no directive. */
  readonly description: string | undefined;
  readonly directives: Directives;
  readonly release: string | undefined;
  readonly requires: readonly Requirement[];
}

/** One line of a comment, without what makes it a comment. */
interface CommentLine {
  readonly text: string;
  readonly line: number;
  /** Whether it was written with two dashes, as a directive must be. */
  readonly dashed: boolean;
  /** Whether it stands before the first statement. */
  readonly inHeader: boolean;
}

const directiveWords = [
  'allow-loss',
  'description',
  'drops',
  'no-transaction',
  'release',
  'requires',
] as const;
type DirectiveWord = (typeof directiveWords)[number];

const forms: Record<DirectiveWord, string> = {
  'allow-loss': '-- migration: allow-loss TABLE, TABLE',
  description: '-- migration: description What it does.',
  drops: '-- migration: drops NAME, TABLE.COLUMN',
  'no-transaction': '-- migration: no-transaction',
  release: '-- migration: release 1.4.0',
  requires: '-- migration: requires sqlite >= 3.35, fts5',
};

/** `Migration: drops x` or the same in a block comment: close enough to a directive that it was meant as one. */
const meantAsDirective = /^[\s*]*migrations?\s*:\s*(allow-loss|drops|no-transaction|requires)(?![\w-])/i;

/** `release: 1.4.0` without the word before it. */
const bareDirective = /^(?:(allow-loss|drops|release|requires)\s*:|(no-transaction)$)/;

/** "Semantic Versioning 2.0.0": three numbers, then perhaps a pre-release and a build. */
export const semanticVersion =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$/;

/**
 * Reads the description and the directives of a migration file.
 *
 * @param file the file's name, for the error
 * @throws MigrationFileError when a directive is unknown, malformed, or stands where it would go unseen
 */
export function readHeader(sql: string, file: string): MigrationHeader {
  if (!/--|\/\*/.test(sql)) return nothingSaid;
  const allowLoss: string[] = [];
  const drops: string[] = [];
  let noTransaction = false;
  const requires: Requirement[] = [];
  let release: string | undefined;
  let declared: string | undefined;
  let description: string | undefined;

  for (const comment of commentLines(sql)) {
    const body = directiveBody(comment, file);
    if (body === undefined) {
      if (comment.inHeader) description ??= sentenceOf(comment.text);
      continue;
    }
    const [, word = '', rest = ''] = /^([^\s:]*):?\s*(.*)$/.exec(body) ?? [];
    const { line } = comment;
    if (!comment.inHeader) throw misplaced(file, line);
    switch (directiveNamed(word, file, line)) {
      case 'allow-loss':
        allowLoss.push(...namesIn(rest, 'allow-loss', 1, file, line));
        break;
      case 'drops':
        drops.push(...namesIn(rest, 'drops', 2, file, line));
        break;
      case 'no-transaction':
        if (rest !== '') throw malformed('no-transaction', rest, 'nothing after it', file, line);
        noTransaction = true;
        break;
      case 'description':
        if (rest === '') throw malformed('description', rest, 'a sentence', file, line);
        if (declared !== undefined) throw repeated('description', file, line);
        declared = rest;
        break;
      case 'release':
        if (!semanticVersion.test(rest))
          throw malformed('release', rest, 'a version of three numbers', file, line);
        if (release !== undefined) throw repeated('release', file, line);
        release = rest;
        break;
      case 'requires':
        requires.push(...requirementsIn(rest, file, line));
        break;
    }
  }
  return {
    description: declared ?? description,
    release,
    requires,
    directives: { noTransaction, allowLoss: [...new Set(allowLoss)], drops: [...new Set(drops)] },
  };
}

const nothingSaid: MigrationHeader = {
  description: undefined,
  directives: { noTransaction: false, allowLoss: [], drops: [] },
  release: undefined,
  requires: [],
};

function* commentLines(sql: string): Generator<CommentLine, void, undefined> {
  let inHeader = true;
  const tokenizer = new Tokenizer(sql);
  for (let token = tokenizer.next(); token !== undefined; token = tokenizer.next()) {
    const { kind, text, line, start } = token;
    if (kind === 'comment') {
      const dashed = text.startsWith('--');
      const lines = dashed ? [text.slice(2)] : text.slice(2, -2).split('\n');
      for (const [index, content] of lines.entries()) {
        yield { text: content.trim(), line: line + index, dashed, inHeader };
      }
    } else if (kind !== 'semicolon' && inHeader) {
      inHeader = false;
      // Of what follows, only a comment with this word can be meant as a directive.
      if (!/migration/i.test(sql.slice(start))) return;
    }
  }
}

/** What stands after `migration:`, or undefined where the line is no directive. */
function directiveBody({ text, line, dashed, inHeader }: CommentLine, file: string): string | undefined {
  if (dashed && text.startsWith('migration:')) return text.slice('migration:'.length).trim();
  const [, named, alone] = (inHeader ? bareDirective.exec(text) : null) ?? [];
  const word = meantAsDirective.exec(text)?.[1] ?? named ?? alone;
  if (word === undefined) return undefined;
  throw new MigrationFileError(
    'BAD_DIRECTIVE',
    `${file}, line ${line}: the comment "${shortened(text)}" looks like a directive and is not written as one.`,
    file,
    line,
    {
      hint:
        `Write it as a line of its own, in lower case and with two dashes: "-- migration: ${word.toLowerCase()}". ` +
        'If it is meant for readers only, word it differently.',
    },
  );
}

function directiveNamed(word: string, file: string, line: number): DirectiveWord {
  const known = directiveWords.find((candidate) => candidate === word);
  if (known !== undefined) return known;
  const nearest = nearestWord(word, directiveWords);
  throw new MigrationFileError(
    'BAD_DIRECTIVE',
    `${file}, line ${line}: the directive "${shortened(word)}" is unknown; expected ${listed(directiveWords)}.`,
    file,
    line,
    {
      hint:
        nearest === undefined
          ? 'If the line only describes the migration, leave out the word "migration:".'
          : `Did you mean "${forms[nearest]}"?`,
    },
  );
}

/** The names after a directive: separated by commas, quoted where SQL would quote them, of at most so many parts. */
function namesIn(list: string, word: DirectiveWord, parts: number, file: string, line: number): string[] {
  const names: string[] = [];
  let current: string[] = [];
  let expectsName = true;
  for (const token of tokenize(list)) {
    const name = nameOf(token);
    if (expectsName && name !== undefined) {
      current.push(name);
      expectsName = false;
    } else if (!expectsName && token.text === '.' && current.length < parts) {
      expectsName = true;
    } else if (!expectsName && token.text === ',') {
      names.push(current.join('.'));
      current = [];
      expectsName = true;
    } else {
      throw malformed(word, list, 'names separated by commas', file, line);
    }
  }
  if (expectsName) throw malformed(word, list, 'names separated by commas', file, line);
  return [...names, current.join('.')];
}

/** What is required: a version of SQLite, or features by name, separated by commas; undefined where it is neither. */
export function parseRequirements(list: string): Requirement[] | undefined {
  const requirements: Requirement[] = [];
  for (const part of list.split(',')) {
    const [, version] = /^\s*sqlite\s*>=\s*(\d+(?:\.\d+){0,2})\s*$/i.exec(part) ?? [];
    const name = part.trim().toLowerCase();
    if (version !== undefined) requirements.push({ kind: 'sqlite', version });
    else if (/^[a-z][a-z0-9_]*$/.test(name)) requirements.push({ kind: 'feature', name });
    else return undefined;
  }
  return requirements;
}

function requirementsIn(list: string, file: string, line: number): Requirement[] {
  const requirements = parseRequirements(list);
  if (requirements !== undefined) return requirements;
  throw malformed('requires', list, '"sqlite >= VERSION" or the name of a feature', file, line);
}

function malformed(word: DirectiveWord, found: string, expected: string, file: string, line: number): Error {
  const what = found === '' ? 'nothing' : `"${shortened(found)}"`;
  return new MigrationFileError(
    'BAD_DIRECTIVE',
    `${file}, line ${line}: the directive ${word} is followed by ${what}; expected ${expected}.`,
    file,
    line,
    { hint: `Write "${forms[word]}".` },
  );
}

function repeated(word: DirectiveWord, file: string, line: number): Error {
  return new MigrationFileError(
    'BAD_DIRECTIVE',
    `${file}, line ${line}: the directive ${word} stands there for the second time; expected it once.`,
    file,
    line,
    { hint: 'Keep the one that is right.' },
  );
}

function misplaced(file: string, line: number): Error {
  return new MigrationFileError(
    'BAD_DIRECTIVE',
    `${file}, line ${line}: a directive stands after the first statement; expected it before.`,
    file,
    line,
    { hint: 'Move the line to the head of the file.' },
  );
}

/** A comment without the dashes, stars and lines that frame it; undefined where nothing else is left. */
function sentenceOf(text: string): string | undefined {
  if (!/[\p{L}\p{N}]/u.test(text)) return undefined;
  return text.replace(/^[-=*#\s]+/, '').replace(/[-=*#\s]+$/, '');
}

function shortened(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function listed(words: readonly string[]): string {
  return `${words.slice(0, -1).join(', ')} or ${words.at(-1) ?? ''}`;
}
