import fc from 'fast-check';

import { splitStatements } from '../../core/storage/sql-script.js';
import { disagreement, StatementTracer } from '../support/sqlite-statements.js';

/** What a run of the fuzzer came to. */
export interface FuzzFigures {
  readonly scripts: number;
  /** Statements whose ends SQLite confirmed. */
  readonly statements: number;
  readonly triggers: number;
  /** Scripts of which SQLite refused a statement. */
  readonly refused: number;
  /** The smallest script found on which the splitter and SQLite differ, and how. */
  readonly difference: string | undefined;
}

const setup = 'CREATE TABLE watched(a, b); CREATE TABLE plain(a, b)';

const oneOf = (...values: readonly string[]) => fc.constantFrom(...values);

/** Pieces that mean something where they are no text, and nothing where they are. */
const soup = fc
  .array(
    oneOf(
      ...[
        "'",
        '"',
        '`',
        '[',
        ']',
        ';',
        '--',
        '/*',
        '*/',
        '\n',
        '\r',
        '\r\n',
        '\t',
        '\f',
        '\v',
        '\uFEFF',
        '\u00A0',
      ],
      ...[
        'END',
        'end;',
        'BEGIN',
        'TRIGGER',
        'CREATE',
        'é',
        '名前',
        '😀',
        'x',
        '$',
        '?',
        ':a',
        '\\',
        '{',
        '1',
        ' ',
      ],
    ),
    { maxLength: 6 },
  )
  .map((pieces) => pieces.join(''));

const textLiteral = soup.map((text) => `'${text.replaceAll("'", "''")}'`);

const quotedName = fc.oneof(
  soup.map((text) => `"n${text.replaceAll('"', '""')}"`),
  soup.map((text) => `\`n${text.replaceAll('`', '``')}\``),
  soup.map((text) => `[n${text.replaceAll(']', '')}]`),
);

const alias = fc.oneof(
  quotedName,
  oneOf(
    'a',
    'é',
    '名前',
    'a$b',
    '_x',
    'n\uFEFFn',
    'end',
    'begin',
    'trigger',
    'explain',
    'temp',
    'query',
    'plan',
  ),
);

const literal = fc.oneof(
  textLiteral,
  oneOf('1', '.5', '1.', '1e5', '1.5E-3', '0x1F', '1_000', "x'00ff'", "X''", 'NULL', '-1', "'a''b'"),
);

/** Keywords in any letter case. */
function words(...keywords: readonly string[]): fc.Arbitrary<string[]> {
  return fc.tuple(
    ...keywords.map((keyword) => oneOf(keyword, keyword, keyword.toLowerCase(), capitalised(keyword))),
  );
}

function capitalised(keyword: string): string {
  return keyword.slice(0, 1) + keyword.slice(1).toLowerCase();
}

/** Arbitraries of token lists, one after the other. */
function sequence(
  ...parts: readonly (fc.Arbitrary<string[]> | fc.Arbitrary<string> | string)[]
): fc.Arbitrary<string[]> {
  return fc
    .tuple(
      ...parts.map((part): fc.Arbitrary<string[] | string> =>
        typeof part === 'string' ? words(part) : part,
      ),
    )
    .map((lists) => lists.flat());
}

const caseExpression = sequence('CASE', 'WHEN', literal, 'THEN', literal, 'ELSE', literal, 'END');

const expression = fc.oneof(
  { weight: 4, arbitrary: literal.map((text) => [text]) },
  { weight: 2, arbitrary: caseExpression },
  { weight: 1, arbitrary: sequence(literal, oneOf('||', '+', '->>', '<>', '<<', '=='), literal) },
  { weight: 1, arbitrary: sequence(oneOf('('), literal, oneOf('-'), caseExpression, oneOf(')')) },
);

const select = fc.oneof(
  sequence('SELECT', expression),
  sequence('SELECT', expression, 'AS', alias),
  sequence('SELECT', expression, 'FROM', oneOf('plain', '"plain"', '[plain]'), 'WHERE', expression),
  sequence(
    'WITH',
    oneOf('c'),
    'AS',
    oneOf('('),
    'SELECT',
    expression,
    oneOf(')'),
    'SELECT',
    expression,
    'FROM',
    oneOf('c'),
  ),
);

function write(table: string): fc.Arbitrary<string[]> {
  const target = oneOf(table);
  return fc.oneof(
    sequence(
      'INSERT',
      'INTO',
      target,
      oneOf('('),
      oneOf('a'),
      oneOf(')'),
      'VALUES',
      oneOf('('),
      expression,
      oneOf(')'),
    ),
    sequence('UPDATE', target, 'SET', oneOf('b'), oneOf('='), expression, 'WHERE', expression),
    sequence('DELETE', 'FROM', target, 'WHERE', expression),
    sequence('REPLACE', 'INTO', target, 'SELECT', expression, oneOf(','), expression),
  );
}

const triggerEvent = fc.oneof(
  sequence('AFTER', 'INSERT'),
  sequence('BEFORE', 'DELETE'),
  sequence('AFTER', 'UPDATE', 'OF', oneOf('a')),
  sequence('UPDATE'),
);

const triggerBody = fc
  .array(sequence(fc.oneof(select, write('watched')), oneOf(';')), { minLength: 1, maxLength: 3 })
  .map((statements) => statements.flat());

const trigger = sequence(
  'CREATE',
  fc.oneof(fc.constant<string[]>([]), words('TEMP'), words('TEMPORARY')),
  'TRIGGER',
  fc.oneof(fc.constant<string[]>([]), words('IF', 'NOT', 'EXISTS')),
  alias,
  triggerEvent,
  'ON',
  oneOf('watched', '"watched"'),
  fc.oneof(fc.constant<string[]>([]), words('FOR', 'EACH', 'ROW')),
  fc.oneof(fc.constant<string[]>([]), sequence('WHEN', caseExpression)),
  'BEGIN',
  triggerBody,
  'END',
);

const definition = fc.oneof(
  sequence(
    'CREATE',
    'TABLE',
    'IF',
    'NOT',
    'EXISTS',
    alias,
    oneOf('('),
    alias,
    'DEFAULT',
    literal,
    oneOf(')'),
  ),
  sequence('CREATE', 'VIEW', 'IF', 'NOT', 'EXISTS', alias, 'AS', select),
  sequence('CREATE', 'TEMP', 'TABLE', 'IF', 'NOT', 'EXISTS', alias, 'AS', select),
  sequence('DROP', 'TABLE', 'IF', 'EXISTS', oneOf('"no;such"', '[end]')),
  sequence(
    'CREATE',
    'INDEX',
    'IF',
    'NOT',
    'EXISTS',
    alias,
    'ON',
    oneOf('plain'),
    oneOf('('),
    oneOf('a'),
    oneOf(')'),
  ),
  sequence('PRAGMA', oneOf('table_info'), oneOf('('), alias, oneOf(')')),
);

const broken = oneOf(
  ...[
    'SELEC 1',
    "SELECT 'open",
    'SELECT "open',
    'SELECT [open',
    'SELECT `open',
    'SELECT 1 /* open',
    "SELECT x'0",
  ],
  ...[
    'SELECT {',
    'SELECT 1abc',
    'END',
    'CREATE TRIGGER t AFTER INSERT ON watched',
    'SELECT 1 /*',
    '\\',
    'SELECT #1',
  ],
  ...[
    'CREATE TRIGGER t AFTER INSERT ON watched BEGIN SELECT 1; END END',
    '\v',
    'SELECT 1/*/',
    "SELECT x'0'",
    '🙂',
  ],
  ...['CREATE TRIGGER t AFTER INSERT ON watched BEGIN END', 'CREATE TABLE trigger(a)', 'CREATE TEMP'],
).map((text) => [text]);

/** What may stand between two tokens. */
const gap = fc.oneof(
  { weight: 8, arbitrary: fc.constant(' ') },
  { weight: 4, arbitrary: oneOf('\n', '\t', '\r', '\f', '\r\n', ' \v', ' \uFEFF', '  ') },
  { weight: 1, arbitrary: soup.map((text) => `/*${text.replaceAll('*/', '')}*/`) },
  { weight: 1, arbitrary: soup.map((text) => ` --${text.replaceAll('\n', '')}\n`) },
  { weight: 1, arbitrary: oneOf('/**/', '/*/ */', ' /***/ ', '--\n', "-- it's; END;\n", '/*";*/') },
);

const statement = fc
  .oneof(
    { weight: 4, arbitrary: select },
    { weight: 3, arbitrary: trigger },
    { weight: 2, arbitrary: write('plain') },
    { weight: 2, arbitrary: definition },
    { weight: 1, arbitrary: fc.constant<string[]>([]) },
    { weight: 1, arbitrary: broken },
  )
  .chain((tokens) =>
    fc
      .array(gap, { minLength: tokens.length + 1, maxLength: tokens.length + 1 })
      .map(
        (gaps) => tokens.map((token, index) => (gaps[index] ?? ' ') + token).join('') + (gaps.at(-1) ?? ''),
      ),
  );

const script = fc
  .tuple(
    oneOf('', '', '\uFEFF'),
    fc.array(fc.tuple(statement, oneOf(';', ';', ';', ';', ';', ';;', ' ; ;', '')), {
      minLength: 1,
      maxLength: 5,
    }),
  )
  .map(([mark, parts]) => mark + parts.map(([text, end]) => text + end).join(''));

/**
 * Splits random scripts and lets SQLite run them, until the two differ.
 *
 * @param count how many scripts
 * @param seed makes a run repeatable
 * @param split what is tried
 */
export async function run(
  count: number,
  seed?: number,
  split: typeof splitStatements = splitStatements,
): Promise<FuzzFigures> {
  const tracer = new StatementTracer(setup);
  let [scripts, statements, triggers, refused] = [0, 0, 0, 0];
  try {
    const property = fc.asyncProperty(script, async (sql) => {
      const own = split(sql);
      const sqlite = await tracer.run(sql);
      scripts += 1;
      statements += sqlite.segments.length;
      triggers += own.filter(({ sql: text }) => /^CREATE[^]*\bBEGIN\b[^]*\bEND$/i.test(text)).length;
      if (sqlite.error !== undefined) refused += 1;
      const difference = disagreement(sql, own, sqlite);
      if (difference !== undefined) throw new Error(`${difference} in ${JSON.stringify(sql)}`);
    });
    const result = await fc.check(property, { numRuns: count, ...(seed === undefined ? {} : { seed }) });
    const difference = result.failed
      ? `${fc.defaultReportMessage(result) ?? ''}\n${String(result.errorInstance)}`
      : undefined;
    return { scripts, statements, triggers, refused, difference };
  } finally {
    await tracer.close();
  }
}
