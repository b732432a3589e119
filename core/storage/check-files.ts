import { lstat, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';

import { MigrationFileError } from '../errors.js';
import type { SqlValue } from '../database/database-bridge.js';
import { systemErrorCode } from './file-system.js';
import { historyTableOf } from './history-table.js';
import { CHECKS_FILE, type MigrationFileOptions } from './migration-files.js';
import { noFile, reasonOf } from './migration-folder.js';
import { textOf } from './migration-text.js';
import type { Statement } from './migration.js';
import { checkScript, splitStatements } from './sql-script.js';
import { foldName, isKeyword, nameOf, tokenize } from './sql-tokens.js';

/** What the last statement of a check must do. */
export type Expectation =
  | { readonly kind: 'rows' }
  | { readonly kind: 'no rows' }
  /** The one value of the one row that it gives. */
  | { readonly kind: 'value'; readonly value: SqlValue }
  /** It breaks a rule of the schema, with this text in SQLite's message. */
  | { readonly kind: 'fails'; readonly message: string | undefined }
  /** SQLite's plan for it names this index. */
  | { readonly kind: 'uses index'; readonly index: string };

/** One of a project's own checks. */
export interface DatabaseCheck {
  readonly name: string;
  /** The line on which it begins, counted from 1. */
  readonly line: number;
  readonly expectation: Expectation;
  /** The expectation as it was written. */
  readonly expected: string;
  /** All but the last prepare the ground. */
  readonly statements: readonly Statement[];
}

/** A check as it stands in the file, before its statements are looked at. */
interface Section {
  readonly name: string;
  readonly line: number;
  readonly start: number;
  expect: { readonly text: string; readonly line: number } | undefined;
}

const forms = 'rows, no rows, value X, fails, fails MESSAGE or uses index NAME';

/**
 * Reads a file of checks.
 *
 * ```sql
 * -- check: a task cannot be half-done
 * -- expect: fails CHECK constraint failed
 * INSERT INTO tasks (title, status) VALUES ('a', 'half-done');
 * ```
 *
 * @throws MigrationFileError when the file cannot be read, or is not as it must be
 */
export async function readChecks(
  path: string,
  options: MigrationFileOptions = {},
): Promise<readonly DatabaseCheck[]> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw unreadable(path, reasonOf(error), error);
  }
  return parseChecks(basename(path), bytes, options);
}

/**
 * The bytes of the checks in a folder of migrations; undefined where it has none.
 *
 * @throws MigrationFileError (UNREADABLE_MIGRATIONS) when they cannot be read, also where a link leads nowhere
 */
export async function readFolderChecks(folder: string): Promise<Uint8Array | undefined> {
  const path = join(folder, CHECKS_FILE);
  try {
    if (!(await isThere(path))) return undefined;
    // Looked at before it is opened: opening a named pipe would wait for ever.
    if ((await stat(path)).isFile()) return await readFile(path);
  } catch (error) {
    throw unreadable(path, reasonOf(error), error);
  }
  throw unreadable(path, noFile);
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return false;
    throw error;
  }
}

function unreadable(path: string, reason: string, cause?: unknown): MigrationFileError {
  return new MigrationFileError(
    'UNREADABLE_MIGRATIONS',
    `The file of checks "${path}" cannot be read: ${reason}.`,
    path,
    undefined,
    { hint: 'Check the path and the permissions.', cause },
  );
}

/**
 * Makes checks of the name and the bytes of a file.
 *
 * @throws MigrationFileError when the text, a line that says what is checked or expected, or a statement is not as it
 *   must be
 */
export function parseChecks(
  file: string,
  bytes: Uint8Array,
  options: MigrationFileOptions = {},
): readonly DatabaseCheck[] {
  const { name: historyTable } = historyTableOf(options);
  const sql = textOf(bytes, file);
  const sections = sectionsOf(sql, file);
  if (sections.length === 0)
    throw fault(
      file,
      undefined,
      'the file holds no check.',
      'Begin each check with the line "-- check: NAME".',
    );
  const lines = new Map<string, number>();
  return sections.map((section, index) => {
    const { name, line, start, expect } = section;
    const other = lines.get(name);
    if (other !== undefined)
      throw fault(
        file,
        line,
        `the check "${name}" is there already, on line ${other}.`,
        'Give it another name.',
      );
    lines.set(name, line);
    if (expect === undefined)
      throw fault(file, line, `the check "${name}" does not say what is expected.`, expectHint);
    const text = sql.slice(start, sections[index + 1]?.start);
    if (splitStatements(text).length === 0)
      throw fault(
        file,
        line,
        `the check "${name}" holds no statement.`,
        'Write one below the line "-- expect: …".',
      );
    // Empty lines in place of what stands before keep the numbers of the lines.
    const statements = checkScript('\n'.repeat(line - 1) + text, {
      file,
      noTransaction: false,
      historyTable,
    });
    const expectation = expectationOf(expect.text);
    if (expectation === undefined)
      throw fault(file, expect.line, `"${expect.text}" cannot be expected; expected ${forms}.`, valueHint);
    return { name, line, expectation, expected: expect.text, statements };
  });
}

const expectHint = `Add the line "-- expect: …" below its name, with ${forms}.`;
const valueHint =
  "Write a text between single quotes, such as value 'open'; a number, NULL or x'00FF' without. Compare whole numbers beyond 2^53 in the query: SELECT x = 9007199254740993, and expect 1.";

function sectionsOf(sql: string, file: string): Section[] {
  const sections: Section[] = [];
  let hasStatement = false;
  for (const { kind, text, line, start } of tokenize(sql)) {
    const current = sections.at(-1);
    if (kind !== 'comment') {
      if (kind !== 'semicolon' && current === undefined)
        throw fault(file, line, 'a statement stands before the first check.', 'Begin with "-- check: NAME".');
      hasStatement ||= kind !== 'semicolon';
      continue;
    }
    const [, word, rest = ''] = /^-- *(check|expect): *(.*)$/.exec(text.trimEnd()) ?? [];
    if (word === undefined) refuseNearMiss(text, line, file);
    else if (rest === '')
      throw fault(file, line, `nothing follows "${word}:".`, `Write "-- ${word}: …" on one line.`);
    else if (word === 'check') {
      sections.push({ name: rest, line, start, expect: undefined });
      hasStatement = false;
    } else if (current === undefined)
      throw fault(
        file,
        line,
        'an expectation stands before the first check.',
        'Begin with "-- check: NAME".',
      );
    else if (current.expect !== undefined)
      throw fault(file, line, `the check "${current.name}" expects two things.`, 'Make two checks of it.');
    else if (hasStatement)
      throw fault(file, line, 'an expectation stands below a statement of its check.', expectHint);
    else current.expect = { text: rest, line };
  }
  return sections;
}

/** What was meant to say something and would be passed over. */
function refuseNearMiss(comment: string, line: number, file: string): void {
  const [, word] = /^(?:--|\/\*)[\s*]*(checks?|expects?|expected)\s*:/i.exec(comment) ?? [];
  if (word === undefined) return;
  throw fault(
    file,
    line,
    `the comment "${comment.slice(0, 60)}" looks like a check or an expectation and is not written as one.`,
    'Write "-- check: NAME" and "-- expect: …" in lower case, with two dashes; for readers only, word it differently.',
  );
}

function expectationOf(text: string): Expectation | undefined {
  if (text === 'rows' || text === 'no rows') return { kind: text };
  const [, word, rest = ''] = /^(value|fails|uses index)(?: +(.*))?$/.exec(text) ?? [];
  if (word === 'fails') return { kind: 'fails', message: rest === '' ? undefined : rest };
  if (word === 'uses index') {
    const [name, more] = tokenize(rest);
    const index = more === undefined ? nameOf(name) : undefined;
    return index === undefined ? undefined : { kind: 'uses index', index };
  }
  const value = word === 'value' ? literal(rest) : undefined;
  return value === undefined ? undefined : { kind: 'value', value };
}

/** The value of a literal of SQL; undefined where the text is none. */
function literal(text: string): SqlValue | undefined {
  const tokens = tokenize(text);
  const sign = tokens[0]?.text;
  const [first, second] = sign === '-' || sign === '+' ? tokens.slice(1) : tokens;
  if (first === undefined || second !== undefined) return undefined;
  const isSigned = tokens.length === 2;
  if (first.kind === 'number') return numberOf(first.text, sign === '-' ? -1 : 1);
  if (isSigned) return undefined;
  if (first.kind === 'string') return nameOf(first);
  if (first.kind === 'blob') return Buffer.from(first.text.slice(2, -1), 'hex');
  if (isKeyword(first, 'NULL')) return null;
  const truth = ['false', 'true'].indexOf(first.kind === 'word' ? foldName(first.text) : '');
  return truth === -1 ? undefined : truth;
}

/** Larger whole numbers lose their last digits on the way here, and another one would meet the check. */
function numberOf(text: string, sign: 1 | -1): number | undefined {
  const value = Number(text.replaceAll('_', '')) * sign;
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? undefined : value;
}

function fault(file: string, line: number | undefined, what: string, hint: string): MigrationFileError {
  const place = line === undefined ? file : `${file}, line ${line}`;
  return new MigrationFileError('BAD_DIRECTIVE', `${place}: ${what}`, file, line, { hint });
}
