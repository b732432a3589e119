import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { MigrationFolder } from '../../core/storage/migration-folder.js';
import { textOf } from '../../core/storage/migration-text.js';

const filename = '0001_one.sql';
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'migration-folder-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

function outcome(read: () => string): string {
  try {
    return read();
  } catch (error) {
    return String(error);
  }
}

describe('the text of a file', () => {
  it('is that of its bytes, or refused as they are', () => {
    // Whole characters, U+FFFD among them, and what is none: cut off, too long, half of a pair, beyond the last one.
    const pieces = [
      ...[[0x61], [0x0a], [0x0d], [0x0d, 0x0a], [0xef, 0xbb, 0xbf], [0xef, 0xbf, 0xbd], [0xc3, 0xa9], [0xf0, 0x9f, 0x98, 0x80]],
      ...[[0x80], [0xc3], [0xe2, 0x82], [0xf0, 0x9f, 0x98], [0xc0, 0x80], [0xe0, 0x80, 0xaf], [0xed, 0xa0, 0x80], [0xed, 0xbf, 0xbf]],
      ...[[0xf4, 0x90, 0x80, 0x80], [0xf8, 0x88, 0x80, 0x80, 0x80], [0xff], [0xfe], [0x00]],
    ]; // prettier-ignore
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 6 }), (parts) => {
        const bytes = Uint8Array.from(parts.flat());
        writeFileSync(join(folder, filename), bytes);
        const files = new MigrationFolder(folder);
        expect(outcome(() => files.text(filename))).toBe(outcome(() => textOf(bytes, filename)));
      }),
      { numRuns: 500 },
    );
  });
});
