import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

import { openStorage, type Storage } from '../../core/index.js';

let storage: Storage;

beforeAll(async () => {
  storage = await openStorage({ database: ':memory:' });
});

afterAll(() => storage.close());

/** Each operation that takes something, with what an untyped caller could give it. */
const calls: readonly (readonly [Exclude<keyof Storage, 'close' | 'report'>, string, readonly unknown[]])[] =
  [
    ['worlds', 'save', []],
    ['worlds', 'save', [null]],
    ['worlds', 'load', []],
    ['worlds', 'delete', []],
    ['agents', 'save', []],
    ['agents', 'save', ['a']],
    ['agents', 'load', []],
    ['agents', 'list', []],
    ['agents', 'delete', ['w']],
    ['memory', 'append', []],
    ['memory', 'append', ['w', 'a']],
    ['memory', 'append', ['w', 'a', [null]]],
    ['memory', 'list', []],
    ['memory', 'edit', []],
    ['memory', 'edit', [undefined, 'text']],
    ['memory', 'delete', []],
    ['memory', 'deleteFrom', []],
    ['chats', 'save', []],
    ['chats', 'load', []],
    ['chats', 'list', []],
    ['chats', 'update', ['w', 'c']],
    ['chats', 'delete', []],
    ['chats', 'saveSnapshot', []],
    ['chats', 'loadSnapshot', []],
    ['chats', 'listSnapshots', []],
    ['archives', 'archive', []],
    ['archives', 'archive', ['w', 'a', null]],
    ['archives', 'list', []],
    ['archives', 'load', []],
    ['events', 'append', []],
    ['events', 'append', [[undefined]]],
    ['events', 'list', []],
    ['events', 'list', ['w', null, null]],
    ['events', 'listByTime', []],
    ['events', 'listByTime', ['w', 'today']],
  ];

describe('an operation that lacks its argument says which', () => {
  test.each(calls)('%s.%s(%j)', async (noun, verb, args) => {
    const operation: unknown = Reflect.get(storage[noun], verb);
    if (typeof operation !== 'function') throw new Error(`There is no ${noun}.${verb}.`);
    await expect(Reflect.apply(operation, undefined, args)).rejects.toMatchObject({
      code: 'BAD_VALUE',
      message: expect.stringMatching(/^\S+ must be (text|an object|a whole number), but is /),
    });
  });
});
