import { randomBytes } from 'node:crypto';

import type { DatabaseBridge, Row } from '../database/database-bridge.js';
import type { HistoryTable } from './history-table.js';
import { emptySchema, schemaOf, schemaRows, type SchemaSnapshot } from './schema-snapshot.js';

/**
 * What becomes of the schema of a database in memory, noted by SQLite itself between the files that run there: so that many
 * of them take one call of the driver. It is kept in temporary tables, which are no part of a schema.
 */
export class SchemaLog {
  private readonly changes = `schema_log_${randomBytes(8).toString('hex')}`;
  private readonly latest = `${this.changes}_latest`;
  private readonly rows: string;

  constructor(historyTable: HistoryTable) {
    this.rows = schemaRows(`'${historyTable.key.replaceAll("'", "''")}'`);
  }

  /** SQL that begins the log of a database that is empty. */
  begin(): string {
    return `CREATE TEMP TABLE ${this.changes} (step, gone, place, type, name, tbl_name, sql);
      CREATE TEMP TABLE ${this.latest} (place, type, name, tbl_name, sql)`;
  }

  /** SQL that notes what a step has changed. */
  note(step: number): string {
    return `INSERT INTO ${this.changes} (step) VALUES (${step});
      INSERT INTO ${this.changes} SELECT ${step}, TRUE, * FROM (SELECT * FROM ${this.latest} EXCEPT ${this.rows});
      INSERT INTO ${this.changes} SELECT ${step}, FALSE, * FROM (${this.rows} EXCEPT SELECT * FROM ${this.latest});
      DELETE FROM ${this.latest};
      INSERT INTO ${this.latest} ${this.rows}`;
  }

  /** How many steps were noted. */
  async steps(db: DatabaseBridge): Promise<number> {
    const [row] = await db.query(`SELECT count(DISTINCT step) AS steps FROM ${this.changes}`);
    return Number(row?.steps);
  }

  /** What the steps have changed: the rows that each added or took away, and one more for the step itself. */
  read(db: DatabaseBridge): Promise<readonly Row[]> {
    return db.query(
      `SELECT step, gone, place, type, name, tbl_name, sql FROM ${this.changes} ORDER BY step, gone DESC`,
    );
  }
}

/** The schema after each step, of what a log has read. */
export function schemasAfter(changes: readonly Row[]): SchemaSnapshot[] {
  const schemas: SchemaSnapshot[] = [];
  const standing = new Map<number, Row>();
  for (const [index, row] of changes.entries()) {
    if (row.gone === 1) standing.delete(Number(row.place));
    else if (row.gone === 0) standing.set(Number(row.place), row);
    if (changes[index + 1]?.step === row.step) continue;
    const inOrder = [...standing].sort(([left], [right]) => left - right).map(([, each]) => each);
    schemas.push(schemaOf(inOrder, schemas.at(-1) ?? emptySchema));
  }
  return schemas;
}
