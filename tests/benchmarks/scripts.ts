import { createHash } from 'node:crypto';
import { mkdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** One migration of a workload, before it gets the form that a contestant reads. */
export interface Script {
  readonly version: number;
  readonly name: string;
  readonly statements: readonly string[];
}

/** When every file was last written, as far as anybody can tell: long before the first sample. */
const written = new Date('2026-01-01T00:00:00Z');

const number = (version: number): string => String(version).padStart(4, '0');

/**
 * The migrations of a program that grows: of every three one makes a table and an index, one makes a table and puts a
 * row in, one adds a column to it.
 */
export function growingSchema(count: number): Script[] {
  return Array.from({ length: count }, (_, index) => {
    const version = index + 1;
    const table = `item_${number(version)}`;
    const columns = 'id INTEGER PRIMARY KEY, name TEXT NOT NULL, amount REAL DEFAULT 0';
    if (version % 3 === 1)
      return {
        version,
        name: `create_${table}`,
        statements: [
          `CREATE TABLE ${table} (${columns})`,
          `CREATE INDEX item_index_${number(version)} ON ${table} (name)`,
        ],
      };
    if (version % 3 === 2)
      return {
        version,
        name: `create_${table}`,
        statements: [
          `CREATE TABLE ${table} (${columns})`,
          `INSERT INTO ${table} (name, amount) VALUES ('first', ${version}.5)`,
        ],
      };
    return {
      version,
      name: `add_note_to_item_${number(index)}`,
      statements: [`ALTER TABLE item_${number(index)} ADD COLUMN note TEXT`],
    };
  });
}

export function scriptText({ statements }: Script): string {
  return statements.map((statement) => `${statement};\n`).join('');
}

export function checksumOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** The file's name as most tools read it: `0007_add_note.sql`. */
export function scriptFile({ version, name }: Script): string {
  return `${number(version)}_${name}.sql`;
}

/** Makes a folder of files, all of which are old. */
export async function writeFiles(folder: string, files: ReadonlyMap<string, string>): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [name, text] of files) {
    const path = join(folder, name);
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(path, text);
    await utimes(path, written, written);
  }
  await utimes(folder, written, written);
}

/** The files as this project and umzug read them. */
export function plainFiles(scripts: readonly Script[]): Map<string, string> {
  return new Map(scripts.map((script) => [scriptFile(script), scriptText(script)]));
}
