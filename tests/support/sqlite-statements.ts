import sqlite3 from 'sqlite3';

import type { Statement } from '../../core/storage/migration.js';

/** A piece of a script that SQLite ran as one statement, with the comments and semicolons around it. */
export interface Segment {
  readonly text: string;
  /** Where in the script it begins. */
  readonly start: number;
}

/** What SQLite did with a script. */
export interface ScriptRun {
  /** Each statement that ran, to the one that failed. A statement behind EXPLAIN runs unseen. */
  readonly segments: readonly Segment[];
  /** SQLite's message where a statement failed. */
  readonly error: string | undefined;
}

/** Asks SQLite itself where statements end: runs a script and listens to what is traced. */
export class StatementTracer {
  private database: sqlite3.Database | undefined;
  private traced: string[] = [];
  private runs = 0;
  private onMarker: (() => void) | undefined;
  private marker = '';

  /** @param setup SQL that every script finds carried out */
  constructor(private readonly setup: string) {}

  /** Runs a script on an in-memory database and undoes it. */
  async run(script: string): Promise<ScriptRun> {
    await this.open();
    this.runs += 1;
    await this.exec('SAVEPOINT before_script');
    await this.mark(`SELECT 'begin ${this.runs}'`);
    this.traced = [];
    const error = await this.exec(script);
    await this.mark(`SELECT 'end ${this.runs}'`);
    const traced = this.traced.slice(0, -1);
    const undone = await this.exec('ROLLBACK TO before_script; RELEASE before_script');
    // The script itself ended the transaction: the next one gets a new database.
    if (undone !== undefined) await this.close();
    return { segments: segmentsOf(script, traced), error };
  }

  async close(): Promise<void> {
    const { database } = this;
    this.database = undefined;
    if (database === undefined) return;
    database.removeAllListeners('trace');
    await new Promise<void>((resolve) => {
      database.close(() => {
        resolve();
      });
    });
  }

  private async open(): Promise<void> {
    if (this.database !== undefined) return;
    const database = new sqlite3.Database(':memory:');
    database.serialize();
    this.database = database;
    await this.exec(this.setup);
    database.on('trace', (sql: string) => {
      this.traced.push(sql);
      if (sql === this.marker) this.onMarker?.();
    });
  }

  /** Traces come later than results: waits for the one that comes last. */
  private async mark(sql: string): Promise<void> {
    const arrived = new Promise<void>((resolve) => {
      this.marker = sql;
      this.onMarker = resolve;
    });
    await this.exec(sql);
    await arrived;
  }

  private exec(sql: string): Promise<string | undefined> {
    return new Promise((resolve) => {
      this.database?.exec(sql, (error) => {
        resolve(error?.message);
      });
    });
  }
}

/** Finds each traced text in the script. SQLite's own inner statements are traced too, behind two dashes. */
function segmentsOf(script: string, traced: readonly string[]): Segment[] {
  const segments: Segment[] = [];
  let position = 0;
  for (const trace of traced) {
    // SQLite leaves out the white space after a statement, not that before the first one.
    const space = position === 0 ? 0 : (/^[\t-\r ]*/.exec(script.slice(position))?.[0].length ?? 0);
    const start = position + space;
    const text = script.startsWith(trace, start) ? trace : withParameters(script, trace, start);
    if (text !== undefined) {
      segments.push({ text, start });
      position = start + text.length;
    } else if (!trace.startsWith('-- ') && !trace.startsWith('SELECT*FROM')) {
      const later = script.indexOf(trace, start);
      if (later === -1) throw new Error(`SQLite traced ${JSON.stringify(trace)}, which is not in the script`);
      segments.push({ text: trace, start: later });
      position = later + trace.length;
    }
  }
  return segments;
}

const nullOrParameter = String.raw`(?:NULL|\?\d*|[$@:#](?:[\w$\u0080-\uffff]|::)+(?:\([^\s)]*\))?)`;

/** What stands in the script where the trace has NULL for each bind parameter. */
function withParameters(script: string, trace: string, start: number): string | undefined {
  if (!trace.includes('NULL')) return undefined;
  const pattern = trace.replace(/[$()*+.?[\\\]^{|}]/g, '\\$&').replaceAll('NULL', nullOrParameter);
  return new RegExp(`^${pattern}`).exec(script.slice(start))?.[0];
}

const spaceAndComments = String.raw`(?:[\t-\r \uFEFF]|--[^\n]*(?:\n|$)|/\*[^]*?(?:\*/|$))`;
const before = new RegExp(`^(?:${spaceAndComments}|;)*`);
const after = new RegExp(`^${spaceAndComments}*;?$`);

/**
 * Where a splitter and SQLite differ on a script, in words; undefined where they agree. After a statement that
 * SQLite refuses nothing can be compared.
 */
export function disagreement(
  script: string,
  statements: readonly Statement[],
  { segments, error }: ScriptRun,
): string | undefined {
  for (const [index, segment] of segments.entries()) {
    const statement = statements[index];
    if (statement === undefined) return `SQLite ran a statement more: ${JSON.stringify(segment.text)}`;
    const lead = before.exec(segment.text)?.[0] ?? '';
    const core = segment.text.slice(lead.length);
    if (!core.startsWith(statement.sql) || !after.test(core.slice(statement.sql.length))) {
      return `statement ${index + 1} is ${JSON.stringify(statement.sql)}, for SQLite ${JSON.stringify(core)}`;
    }
    const line = script.slice(0, segment.start + lead.length).split('\n').length;
    if (line !== statement.line) return `statement ${index + 1} is on line ${line}, not ${statement.line}`;
  }
  if (error === undefined && statements.length > segments.length) {
    return `SQLite ran ${segments.length} statements, not ${statements.length}`;
  }
  return undefined;
}
