import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

/** The algorithm behind a checksum in hexadecimal, by its length. */
const algorithms: Readonly<Record<number, string>> = { 32: 'md5', 40: 'sha1', 64: 'sha256', 128: 'sha512' };

/**
 * Whether a checksum that another tool wrote is that of a text.
 *
 * @returns undefined where it cannot be told how the tool made it
 */
export function hasChecksum(sql: string, checksum: string): boolean | undefined {
  if (/^-?\d{1,10}$/.test(checksum)) return Number(checksum) === lineChecksum(sql);
  const algorithm = /^[0-9a-f]+$/i.test(checksum) ? algorithms[checksum.length] : undefined;
  if (algorithm === undefined) return undefined;
  // The tool may have read the file with the line ends of Windows.
  return [sql, sql.replaceAll('\n', '\r\n')].some(
    (text) => createHash(algorithm).update(text, 'utf8').digest('hex') === checksum.toLowerCase(),
  );
}

/** "Flyway": the CRC-32 of the lines without their ends, as a signed number of 32 bits. */
function lineChecksum(sql: string): number {
  let checksum = 0;
  for (const line of sql.split('\n')) checksum = crc32(line, checksum);
  return checksum | 0;
}
