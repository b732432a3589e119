import { isUtf8 } from 'node:buffer';

import { MigrationFileError, messageOf } from '../errors.js';
import { sha256 } from '../sha256.js';

/**
 * The bytes as text, without BOM and with LF line ends, so that an editor or git cannot change the checksum.
 *
 * @throws MigrationFileError (BAD_MIGRATION_TEXT) when they are not UTF-8
 */
export function textOf(bytes: Uint8Array, filename: string): string {
  if (!isUtf8(bytes)) throw notUtf8(bytes, filename);
  try {
    return withLineFeeds(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new MigrationFileError(
      'UNREADABLE_MIGRATIONS',
      `The file ${filename} cannot be read: ${messageOf(error)}.`,
      filename,
      undefined,
      { hint: 'Make the file smaller.', cause: error },
    );
  }
}

/**
 * The same of a file as `readFileSync` decodes it, which is many times as fast: what is not UTF-8 it reads as U+FFFD.
 *
 * @returns undefined where that character stands in it, so that only its bytes tell whether they are UTF-8
 */
export function textOfDecoded(decoded: string): string | undefined {
  if (decoded.includes('\uFFFD')) return undefined;
  return withLineFeeds(decoded.startsWith('\uFEFF') ? decoded.slice(1) : decoded);
}

function withLineFeeds(text: string): string {
  return text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text;
}

function notUtf8(bytes: Uint8Array, filename: string): MigrationFileError {
  const offset = lengthOfUtf8(bytes);
  const line = withLineFeeds(new TextDecoder().decode(bytes.subarray(0, offset))).split('\n').length;
  const isUtf16 = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
  return new MigrationFileError(
    'BAD_MIGRATION_TEXT',
    `${filename}, line ${line}: the text is not UTF-8 from byte ${offset} on${isUtf16 ? '; it is UTF-16' : ''}.`,
    filename,
    line,
    { hint: 'Save the file as UTF-8.' },
  );
}

/** How many bytes from the beginning on are UTF-8, found by halving. */
function lengthOfUtf8(bytes: Uint8Array): number {
  const lastBytes = [0, 1, 2, 3];
  // The end of a prefix may cut a character in two; with up to three bytes fewer it is whole again.
  const soundPrefix = (length: number) =>
    lastBytes.map((fewer) => Math.max(0, length - fewer)).find((whole) => isUtf8(bytes.subarray(0, whole)));
  let sound = 0;
  let broken = bytes.length + 1;
  while (broken - sound > 1) {
    const middle = Math.floor((sound + broken) / 2);
    if (soundPrefix(middle) === undefined) broken = middle;
    else sound = middle;
  }
  return soundPrefix(sound) ?? 0;
}

/** The SHA-256 of a migration's text as `Migration.sql` holds it, in lower-case hexadecimal. */
export function checksumOf(sql: string): string {
  return sha256(sql);
}
