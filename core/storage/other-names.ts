/** What a name of a migration says, whichever tool wrote it. */
export interface NameParts {
  /** The number before the name; undefined where there is none. */
  readonly number: number | undefined;
  /** The name without number and ending, in one comparable form; undefined where nothing is left. */
  readonly slug: string | undefined;
  /** The same with the number, which may belong to the name. */
  readonly whole: string | undefined;
}

/**
 * Takes the name of a migration apart: `20240301090000-create-users.js`, `migrations/001_create_users.sql`,
 * `2024.03.01T09.00.00.create-users.ts` and `create users` all are `create_users`.
 */
export function partsOfName(name: string): NameParts {
  const file = name.replace(/^.*[/\\]/, '').replace(/(\.(up|do))?\.(sql|[cm]?[jt]s|json)$/i, '');
  const [, stamp, stamped] = /^(\d{4}\.\d\d\.\d\dT\d\d\.\d\d\.\d\d)\.(.+)$/.exec(file) ?? [];
  const [, digits, rest] = /^(\d+)(?!\d)[-_. ]*(.*)$/.exec(file) ?? [];
  const number = stamp?.replace(/\D/g, '') ?? digits;
  return {
    number: number === undefined ? undefined : wholeNumber(number),
    slug: slugOf(stamped ?? rest ?? file),
    whole: slugOf(file),
  };
}

/** Letters and digits in lower case, with one `_` for all that stands between them. */
export function slugOf(name: string): string | undefined {
  const slug = name
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, '_')
    .replace(/^_|_$/g, '');
  return slug === '' ? undefined : slug;
}

/** A whole number of digits only; undefined for everything else, and for one that would lose digits. */
export function wholeNumber(text: string | undefined): number | undefined {
  const number = /^\d+$/.test(text ?? '') ? Number(text) : Number.NaN;
  return Number.isSafeInteger(number) ? number : undefined;
}

/** A release of three numbers, with a zero for the last where it is left out: `1.1` is `1.1.0`. */
export function releaseOf(text: string | undefined): string | undefined {
  const [, core = '', rest = ''] = /^v?(\d+(?:\.\d+){1,2})([-+].*)?$/i.exec(text ?? '') ?? [];
  if (core === '') return undefined;
  const numbers = core.split('.').map(Number);
  return `${[...numbers, 0].slice(0, 3).join('.')}${rest}`;
}
