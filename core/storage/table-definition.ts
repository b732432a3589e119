import { foldName, nameOf, type Token } from './sql-tokens.js';
import { columnName, normaliseTokens, splitAtCommas, TokenCursor } from './token-cursor.js';

/** One column of a table, as its CREATE TABLE statement defines it. */
export interface ColumnDefinition {
  readonly name: string;
  /** The declared type in upper case with single spaces; empty where none is declared. */
  readonly type: string;
  readonly notNull: boolean;
  /** Default, collation and generation expression, in one comparable form. */
  readonly rest: string;
  /** Whether a default value is declared, and whether it is a constant that ALTER TABLE can add. */
  readonly defaultKind: 'none' | 'constant' | 'expression';
  readonly generated: 'no' | 'virtual' | 'stored';
  /** The definition's text, for use in another CREATE TABLE or ADD COLUMN. */
  readonly sql: string;
}

/** A rule over one or more columns, whether it was written beside a column or at the table's end. */
export interface TableConstraint {
  readonly kind: 'primary key' | 'unique' | 'check' | 'foreign key';
  /** The columns it speaks of, in lower case. */
  readonly columns: readonly string[];
  /** One comparable form: the same for two constraints that mean the same. */
  readonly meaning: string;
  /** The text for use at the end of a CREATE TABLE; undefined where it stands beside its column. */
  readonly tableSql: string | undefined;
  /** A check's expression as it was written. */
  readonly expression: string | undefined;
  /** A foreign key's parent table, in lower case. */
  readonly parent: string | undefined;
  /** Whether a foreign key leaves the parent's columns unsaid and so means its primary key. */
  readonly impliesParentKey: boolean;
}

export interface TableDefinition {
  readonly columns: readonly ColumnDefinition[];
  readonly constraints: readonly TableConstraint[];
  readonly withoutRowid: boolean;
  readonly strict: boolean;
}

/** The name as it must be written to be taken literally. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

const columnConstraintWords = new Set([
  'constraint',
  'primary',
  'not',
  'null',
  'unique',
  'check',
  'default',
  'collate',
  'references',
  'deferrable',
  'generated',
  'as',
]);
const constantWords: readonly string[] = ['null', 'true', 'false'];
const clockWords: readonly string[] = ['current_time', 'current_date', 'current_timestamp'];
const tableConstraintWords = new Set(['constraint', 'primary', 'unique', 'check', 'foreign']);

/** Reads a CREATE TABLE statement that SQLite has accepted before; such a text needs no checks of its own. */
class DefinitionReader extends TokenCursor {
  private readonly columns: ColumnDefinition[] = [];
  private readonly constraints: TableConstraint[] = [];

  read(): TableDefinition {
    while (this.position < this.tokens.length && !this.at('(')) this.position += 1;
    this.position += 1;
    while (this.position < this.tokens.length && !this.at(')')) {
      if (this.at(',')) this.position += 1;
      else if (tableConstraintWords.has(this.word())) this.readTableConstraint();
      else this.readColumn();
    }
    const options = this.tokens.slice(this.position + 1).map((token) => token.text.toLowerCase());
    return {
      columns: this.columns,
      constraints: this.constraints.map((constraint) =>
        constraint.kind === 'check' ? this.withCheckedColumns(constraint) : constraint,
      ),
      withoutRowid: options.includes('without'),
      strict: options.includes('strict'),
    };
  }

  private withCheckedColumns(constraint: TableConstraint): TableConstraint {
    const named = new Set(constraint.columns);
    return {
      ...constraint,
      columns: this.columns.map((column) => foldName(column.name)).filter((name) => named.has(name)),
    };
  }

  /** Whether a column's constraint begins here. A type may be called `generated`. */
  private atColumnConstraint(): boolean {
    const word = this.word();
    const next = this.tokens[this.position + 1]?.text.toLowerCase();
    return columnConstraintWords.has(word) && (word !== 'generated' || next === 'always');
  }

  private conflictClause(): string {
    if (this.word() !== 'on' || this.tokens[this.position + 1]?.text.toLowerCase() !== 'conflict') return '';
    this.position += 2;
    const action = this.name().toLowerCase();
    return action === 'abort' ? '' : ` on conflict ${action}`;
  }

  private readColumn(): void {
    const first = this.position;
    const name = this.name();
    const type = this.readType();
    let notNull = false;
    const rest: string[] = [];
    let defaultKind: ColumnDefinition['defaultKind'] = 'none';
    let generated: ColumnDefinition['generated'] = 'no';
    while (this.atColumnConstraint()) {
      if (this.take('constraint')) this.name();
      else if (this.take('not')) {
        if (this.take('deferrable')) this.skipInitially();
        else {
          this.take('null');
          notNull = true;
          rest.push(this.conflictClause());
        }
      } else if (this.take('null')) this.conflictClause();
      else if (this.take('default')) {
        const value = this.readDefault();
        rest.push(`default ${value.text}`);
        defaultKind = value.constant ? 'constant' : 'expression';
      } else if (this.take('collate')) {
        const collation = foldName(this.name());
        if (collation !== 'binary') rest.push(`collate ${collation}`);
      } else if (this.take('generated', 'as')) {
        this.take('always');
        this.take('as');
        const expression = normaliseTokens(this.parenthesis());
        generated = this.take('stored') ? 'stored' : 'virtual';
        this.take('virtual');
        rest.push(`as ( ${expression} ) ${generated}`);
      } else this.readColumnConstraint(name);
    }
    this.columns.push({
      name,
      type,
      notNull,
      rest: rest
        .filter((part) => part !== '')
        .sort()
        .join(' '),
      defaultKind,
      generated,
      sql: this.textBetween(first, this.position),
    });
  }

  private readType(): string {
    const words: string[] = [];
    while (this.position < this.tokens.length && !this.at(',') && !this.at(')')) {
      if (this.atColumnConstraint() || tableConstraintWords.has(this.word())) break;
      if (this.at('(')) words.push(`(${normaliseTokens(this.parenthesis()).replaceAll(' ', '')})`);
      else words.push(this.name());
    }
    return words.join(' ').toUpperCase();
  }

  private readDefault(): { text: string; constant: boolean } {
    const tokens = this.at('(') ? this.parenthesis() : this.bareDefault();
    const signed = tokens.length === 2 && tokens[1]?.kind === 'number' ? tokens[0]?.text : undefined;
    const value = signed === '+' ? tokens.slice(1) : tokens;
    const text = normaliseTokens(value);
    if (signed === '-') return { text, constant: true };
    if (value.length !== 1) return { text: `( ${text} )`, constant: false };
    const kind = value[0]?.kind ?? 'word';
    return { text, constant: ['string', 'number', 'blob'].includes(kind) || constantWords.includes(text) };
  }

  /** A default without parentheses, where a name is a text unless it is one of a few words ("CREATE TABLE"). */
  private bareDefault(): readonly Token[] {
    const first = this.position;
    if (this.at('+') || this.at('-')) this.position += 1;
    this.position += 1;
    const tokens = this.tokens.slice(first, this.position);
    const [token] = tokens;
    const isText =
      token?.kind === 'quoted-name' ||
      (token?.kind === 'word' && ![...constantWords, ...clockWords].includes(token.text.toLowerCase()));
    if (token === undefined || !isText) return tokens;
    return [{ ...token, kind: 'string', text: `'${(nameOf(token) ?? '').replaceAll("'", "''")}'` }];
  }

  private readColumnConstraint(column: string): void {
    const columns = [foldName(column)];
    if (this.take('primary')) {
      this.take('key');
      const order = this.take('desc') ? ' desc' : '';
      this.take('asc');
      const conflict = this.conflictClause();
      const autoincrement = this.take('autoincrement') ? ' autoincrement' : '';
      this.add('primary key', columns, `(${columns.join()}${order})${conflict}${autoincrement}`);
    } else if (this.take('unique')) {
      this.add('unique', columns, `(${columns.join()})${this.conflictClause()}`);
    } else if (this.take('check')) {
      this.addCheck(undefined);
    } else if (this.take('references')) {
      this.addForeignKey(columns, undefined);
    } else {
      this.take('deferrable');
      this.skipInitially();
    }
  }

  private readTableConstraint(): void {
    const first = this.position;
    if (this.take('constraint')) this.name();
    if (this.take('primary', 'unique')) {
      const kind = this.take('key') ? 'primary key' : 'unique';
      const parts = splitAtCommas(this.parenthesis()).map(([column, ...more]) => ({
        column: columnName(column),
        more: more.map((token) => normaliseTokens([token])),
      }));
      const listed = parts.map(({ column, more }) =>
        [column, ...more.filter((word) => word !== 'asc' && word !== 'autoincrement')].join(' '),
      );
      const autoincrement = parts.some(({ more }) => more.includes('autoincrement')) ? ' autoincrement' : '';
      const meaning = `(${listed.join()})${this.conflictClause()}${autoincrement}`;
      const columns = parts.map(({ column }) => column);
      this.add(kind, columns, meaning, first);
    } else if (this.take('check')) {
      this.addCheck(first);
    } else if (this.take('foreign')) {
      this.take('key');
      const columns = splitAtCommas(this.parenthesis()).map(([column]) => columnName(column));
      this.take('references');
      this.addForeignKey(columns, first);
    }
  }

  private addCheck(first: number | undefined): void {
    const start = this.position;
    const inner = this.parenthesis();
    const expression = this.textBetween(start, this.position);
    // A text may look like a column's name, and is none.
    const names = inner.filter(({ kind }) => kind !== 'string').map(columnName);
    this.conflictClause();
    this.add('check', names, `( ${normaliseTokens(inner)} )`, first, expression);
  }

  private addForeignKey(columns: readonly string[], first: number | undefined): void {
    const parent = foldName(this.name());
    const parentColumns = this.at('(')
      ? splitAtCommas(this.parenthesis()).map(([column]) => columnName(column))
      : [];
    const actions: string[] = [];
    for (;;) {
      if (this.take('on')) {
        const event = this.name().toLowerCase();
        let action = this.name().toLowerCase();
        if (action === 'set' || action === 'no') action += ` ${this.name().toLowerCase()}`;
        if (action !== 'no action') actions.push(`on ${event} ${action}`);
      } else if (this.take('match')) this.name();
      else if (this.word() === 'not' && this.tokens[this.position + 1]?.text.toLowerCase() === 'deferrable') {
        this.position += 2;
        this.skipInitially();
      } else if (this.take('deferrable')) {
        if (this.skipInitially() === 'deferred') actions.push('deferred');
      } else break;
    }
    this.constraints.push({
      kind: 'foreign key',
      columns,
      meaning:
        `(${columns.join()}) references ${parent}(${parentColumns.join()}) ${actions.sort().join(' ')}`.trim(),
      tableSql: first === undefined ? undefined : this.textBetween(first, this.position),
      expression: undefined,
      parent,
      impliesParentKey: parentColumns.length === 0,
    });
  }

  private skipInitially(): string {
    return this.take('initially') ? this.name().toLowerCase() : '';
  }

  private add(
    kind: TableConstraint['kind'],
    columns: readonly string[],
    meaning: string,
    first?: number,
    expression?: string,
  ): void {
    this.constraints.push({
      kind,
      columns,
      meaning,
      tableSql: first === undefined ? undefined : this.textBetween(first, this.position),
      expression,
      parent: undefined,
      impliesParentKey: false,
    });
  }
}

/**
 * Takes a CREATE TABLE statement apart into columns and constraints that can be compared by meaning.
 *
 * SQLite's pragmas tell columns and keys but neither CHECK constraints nor collations nor AUTOINCREMENT, and
 * none tells a column's text, so the statement itself is read ("CREATE TABLE").
 *
 * @param sql the statement as sqlite_schema holds it
 */
export function parseTableDefinition(sql: string): TableDefinition {
  return new DefinitionReader(sql).read();
}
