import type * as Crypto from 'node:crypto';

/**
 * The SHA-256 of bytes, or of a text in UTF-8, as lower-case hexadecimal digits.
 *
 * Node's module for it is loaded with the first one: a process that only imports the package loads without it.
 */
export function sha256(content: string | NodeJS.ArrayBufferView): string {
  crypto ??= process.getBuiltinModule('node:crypto');
  return crypto.hash('sha256', content);
}

let crypto: typeof Crypto | undefined;
