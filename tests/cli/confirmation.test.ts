import { describe, expect, test } from '@jest/globals';
import { PassThrough } from 'node:stream';

import { canAsk, confirm, type Terminal } from '../../core/cli/confirmation.js';

/** A terminal on which `typed` is typed, and nothing more when it is undefined. */
function terminal(typed?: string, ...isTTY: readonly boolean[]): Terminal {
  const [input = true, output = true] = isTTY;
  const keyboard = Object.assign(new PassThrough(), { isTTY: input });
  if (typed !== undefined) keyboard.write(typed);
  return { input: keyboard, output: Object.assign(new PassThrough(), { isTTY: output }) };
}

describe('a person', () => {
  test('can be asked where both ends are terminals', () => {
    expect(canAsk(terminal())).toBe(true);
    expect(canAsk(terminal('', false, true))).toBe(false);
    expect(canAsk(terminal('', true, false))).toBe(false);
  });
});

describe('a question', () => {
  const never = new AbortController().signal;

  test.each([
    ['y\n', true],
    ['yes\n', true],
    [' YES \r\n', true],
    ['n\n', false],
    ['\n', false],
    ['yesterday\n', false],
    ['sure\n', false],
    ['y', false],
  ])('that is answered with %j is answered with %s', async (typed, answer) => {
    const asked = terminal(typed);
    const answered = confirm('Go on?', never, asked);
    if (!typed.endsWith('\n')) asked.input.emit('end');
    expect(await answered).toBe(answer);
    const { output } = asked;
    expect(output instanceof PassThrough && String(output.read())).toMatch(/^Go on\? \[y\/N\] \n?$/);
  });

  test('that is stopped is no answer', async () => {
    const stop = new AbortController();
    const answered = confirm('Go on?', stop.signal, terminal());
    stop.abort(new Error('Stopped.'));
    await expect(answered).rejects.toMatchObject({
      code: 'INTERRUPTED',
      hint: 'Nothing was changed.',
      cause: new Error('Stopped.'),
    });
  });
});
