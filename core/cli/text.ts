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
  const shown = rows.map((row) => row.map(oneLine));
  const width = (column: number): number =>
    shown.reduce((widest, row) => Math.max(widest, row[column]?.length ?? 0), 0);
  return shown.map((row) =>
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

/**
 * A title with the number of rows below it, each a line or the cells of one; nothing where there is no row.
 *
 * @param count of how much the rows tell, where that is not one each
 */
export function section(
  title: string,
  rows: readonly (string | readonly string[])[],
  count = rows.length,
): string[] {
  if (rows.length === 0) return [];
  const cells = rows.map((row) => (typeof row === 'string' ? [row] : row));
  return ['', `${title} (${count}):`, ...aligned(cells).map((line) => `  ${line}`)];
}

/** Rows of cells below their headings, set in a little. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return aligned([headings, ...rows]).map((line) => `  ${line}`);
}

/** A size in the largest unit of which there is one, of 1024 each. */
export function size(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let amount = bytes;
  let unit = 0;
  while (amount >= 1024 && unit < units.length - 1) {
    amount /= 1024;
    unit += 1;
  }
  return `${unit === 0 || amount >= 100 ? Math.round(amount) : Number(amount.toFixed(1))} ${units[unit] ?? ''}`;
}

/** How long ago something was, in the largest unit of which there is one. */
export function age(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return 'just now';
  if (minutes < 60) return plural(minutes, 'minute');
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? plural(hours, 'hour') : plural(Math.floor(hours / 24), 'day');
}

/** What becomes of `PRAGMA user_version`, as a line of a report. */
export function userVersionInWords(found: number, set: number, dryRun: boolean): string {
  if (found === set) return `${set}, as before`;
  return dryRun ? `is ${found}, would be ${set}` : `was ${found}, is ${set} now`;
}
