import { describe, expect, test } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { codeBlocks } from './markdown.js';

const folder = 'docs/scenarios';
const pages = readdirSync(folder).filter((name) => name !== 'README.md');

/** A page may show a part of a function with less space before it. */
const unindented = (text: string): string => text.replaceAll(/^ +/gm, '');

describe('the pages of the scenarios', () => {
  test('are one for each scenario', () => {
    expect(pages.map((name) => name.replace(/\.md$/, '')).sort()).toEqual(
      readdirSync('tests/scenarios').sort(),
    );
  });

  test.each(pages)('%s shows what is really in the files that it names', (page) => {
    const blocks = codeBlocks(readFileSync(join(folder, page), 'utf8'));
    expect(blocks.length).toBeGreaterThan(0);
    for (const { file, code } of blocks)
      expect(unindented(readFileSync(file ?? '', 'utf8'))).toContain(unindented(code));
  });
});
