/** Milliseconds since 1970 as a time that people read; anything else as it is. */
export function timeOf(text: string | undefined): string | undefined {
  return text !== undefined && milliseconds.test(text) ? new Date(Number(text)).toISOString() : text;
}

/**
 * The time that a tool wrote down, in UTC: as ISO 8601, or as seconds or milliseconds since 1970. A time without a zone is
 * UTC, as SQLite's own functions write it ("Date And Time Functions").
 *
 * @returns undefined where it is no such time
 */
export function instantOf(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  if (seconds.test(text)) return new Date(Number(text) * 1000).toISOString();
  const [, date, time = '00:00:00', zone = 'Z'] = iso.exec(timeOf(text) ?? '') ?? [];
  if (date === undefined) return undefined;
  const found = new Date(`${date}T${time}${zone.toUpperCase() === 'UTC' ? 'Z' : zone.toUpperCase()}`);
  return Number.isNaN(found.getTime()) ? undefined : found.toISOString();
}

const milliseconds = /^\d{12,14}(\.0)?$/;
const seconds = /^\d{9,10}(\.\d+)?$/;
const iso = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?))?\s*(Z|UTC|[+-]\d\d:\d\d)?$/i;
