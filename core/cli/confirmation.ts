import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';

import { InterruptedError } from '../errors.js';

/** Nobody said yes, and nothing was done. */
export class NotConfirmed extends Error {
  constructor(
    message: string,
    readonly hint: string,
  ) {
    super(message);
    this.name = 'NotConfirmed';
  }
}

/** Where a person is asked: standard input and standard error, unless a test says otherwise. */
export interface Terminal {
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly output: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

const ownTerminal: Terminal = { input: process.stdin, output: process.stderr };

/** Whether there is a person who could answer. */
export function canAsk({ input, output }: Terminal = ownTerminal): boolean {
  return input.isTTY === true && output.isTTY === true;
}

/**
 * Asks a question that only `y` and `yes` answer with yes. The end of the input, which Ctrl-D is, is a no.
 *
 * @throws InterruptedError when `signal` is aborted before there is an answer
 */
export async function confirm(
  question: string,
  signal: AbortSignal,
  { input, output }: Terminal = ownTerminal,
): Promise<boolean> {
  // Not as a terminal: its lines stay with the system, and with them Ctrl-C as the signal that it is.
  const lines = createInterface({ input, output, terminal: false });
  try {
    const ended = once(lines, 'close').then(() => undefined);
    const answer = await Promise.race([lines.question(`${question} [y/N] `, { signal }), ended]);
    if (answer === undefined) output.write('\n');
    return /^y(es)?$/i.test((answer ?? '').trim());
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new InterruptedError('Stopped before there was an answer.', {
      hint: 'Nothing was changed.',
      cause: signal.reason,
    });
  } finally {
    lines.close();
  }
}
