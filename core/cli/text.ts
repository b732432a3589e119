/** Text as one line that cannot steer a terminal: names and SQL in a database can hold anything. */
export function oneLine(text: string): string {
  return text
    .replace(/\s*[\r\n\u2028\u2029]\s*/g, ' ')
    .replace(/[\p{Cc}\u202A-\u202E\u2066-\u2069]/gu, (character) => {
      return `\\u{${character.codePointAt(0)?.toString(16) ?? ''}}`;
    });
}

/** Rows of cells as lines in which the columns stand one below the other. */
export function aligned(rows: readonly (readonly string[])[]): string[] {
  const width = (column: number): number => Math.max(...rows.map((row) => row[column]?.length ?? 0));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(width(column)))
      .join('  ')
      .trimEnd(),
  );
}

/** A number with its noun: `1 file`, `3 files`. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

export function milliseconds(ms: number): string {
  return `${Math.round(ms)} ms`;
}

/** A title with the number of rows below it, each a line or the cells of one; nothing where there is no row. */
export function section(title: string, rows: readonly (string | readonly string[])[]): string[] {
  if (rows.length === 0) return [];
  const cells = rows.map((row) => (typeof row === 'string' ? [row] : row));
  return ['', `${title} (${rows.length}):`, ...aligned(cells).map((line) => `  ${line}`)];
}
