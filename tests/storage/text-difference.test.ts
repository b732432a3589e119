import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { fileDifference, summarizeDifference } from '../../core/storage/text-difference.js';

const lines = (...texts: readonly string[]): string => texts.join('\n');

/** What a difference makes of the lines of a text: its hunks say at which lines they stand. */
function applied(text: string, difference: readonly string[]): string {
  const before = text.split('\n');
  const after: string[] = [];
  let position = 0;
  for (const line of difference) {
    const [, first, length] = /^@@ -(\d+),(\d+) \+\d+,\d+ @@$/.exec(line) ?? [];
    if (first !== undefined && length !== undefined) {
      const start = length === '0' ? Number(first) : Number(first) - 1;
      after.push(...before.slice(position, start));
      position = start;
    } else if (line.startsWith('+')) after.push(line.slice(1));
    else {
      if (before[position] !== line.slice(1))
        throw new Error(`Line ${position + 1} is not "${line.slice(1)}".`);
      if (line.startsWith(' ')) after.push(line.slice(1));
      position += 1;
    }
  }
  return [...after, ...before.slice(position)].join('\n');
}

describe('the difference of two texts', () => {
  it('of which the one is the other is empty', () => {
    expect(fileDifference('', '')).toEqual([]);
    expect(fileDifference('a\nb', 'a\nb')).toEqual([]);
  });

  it('shows what was taken away and what was added, with three lines around', () => {
    const before = lines('1', '2', '3', '4', 'old', '6', '7', '8', '9');
    const after = lines('1', '2', '3', '4', 'new', 'newer', '6', '7', '8', '9');
    expect(fileDifference(before, after)).toEqual([
      '@@ -2,7 +2,8 @@',
      ...[' 2', ' 3', ' 4', '-old', '+new', '+newer', ' 6', ' 7', ' 8'],
    ]);
  });

  it('shows changes that are far apart one by one, and those that are near together', () => {
    const ten = Array.from({ length: 20 }, (_, index) => String(index + 1));
    const changed = ten.map((line) => (['1', '8', '20'].includes(line) ? `${line}!` : line));
    expect(fileDifference(ten.join('\n'), changed.join('\n'))).toEqual([
      '@@ -1,11 +1,11 @@',
      ...['-1', '+1!', ' 2', ' 3', ' 4', ' 5', ' 6', ' 7', '-8', '+8!', ' 9', ' 10', ' 11'],
      '@@ -17,4 +17,4 @@',
      ...[' 17', ' 18', ' 19', '-20', '+20!'],
    ]);
  });

  it('shows a line end that was added, and a text that is gone', () => {
    expect(fileDifference('a', 'a\n')).toEqual(['@@ -1,1 +1,2 @@', ' a', '+']);
    expect(fileDifference('a\nb', '')).toEqual(['@@ -1,2 +1,1 @@', '-a', '-b', '+']);
  });

  it('keeps the lines that both have in their order', () => {
    expect(fileDifference(lines('a', 'b', 'c', 'd'), lines('b', 'x', 'd', 'a'))).toEqual([
      '@@ -1,4 +1,4 @@',
      ...['-a', ' b', '-c', '+x', ' d', '+a'],
    ]);
  });

  it('makes the one text of the other, whatever they are', () => {
    const text = fc.array(fc.constantFrom('a', 'b', 'c', '', '-', '+x', '@@ -1,1 +1,1'), { maxLength: 24 });
    fc.assert(
      fc.property(text, text, (one, other) => {
        const [before, after] = [one.join('\n'), other.join('\n')];
        const difference = fileDifference(before, after);
        expect(difference.length === 0).toBe(before === after);
        expect(applied(before, difference)).toBe(after);
      }),
      { numRuns: 500 },
    );
  });

  it('of texts that are too long to be compared line by line replaces all between the first and the last change', () => {
    const many = (word: string): string[] =>
      Array.from({ length: 2_100 }, (_, index) => `${word} ${index % 7}`);
    const before = lines('head', ...many('old'), 'tail');
    const after = lines('head', ...many('new'), 'tail');
    const difference = fileDifference(before, after);
    expect(applied(before, difference)).toBe(after);
    expect(difference.filter((line) => line.startsWith(' '))).toEqual([' head', ' tail']);
  });

  it('can be said in words', () => {
    expect(summarizeDifference(fileDifference('a\nb', 'a\nc\nd'))).toBe('2 lines added, 1 line removed');
  });
});
