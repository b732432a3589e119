import { InterruptedError } from '../errors.js';

const stopSignals = ['SIGINT', 'SIGTERM'] as const;

export type StopSignal = (typeof stopSignals)[number];

/** Why work was aborted: somebody asked the process to end. */
export class StoppedBySignal extends Error {
  constructor(readonly signal: StopSignal) {
    super(`The signal ${signal} was received.`);
    this.name = 'StoppedBySignal';
  }
}

/**
 * Turns SIGINT and SIGTERM into an abort from now on, so that a step that is going on can be rolled back before the
 * process ends. Further signals change nothing: a terminal and npm may each deliver the same one.
 *
 * @param onStop told once, when the first one arrives
 */
export function abortOnSignals(onStop: (signal: StopSignal) => void): AbortSignal {
  const controller = new AbortController();
  for (const name of stopSignals)
    process.on(name, () => {
      if (controller.signal.aborted) return;
      controller.abort(new StoppedBySignal(name));
      onStop(name);
    });
  return controller.signal;
}

/**
 * Carries out work that SIGINT and SIGTERM stop.
 *
 * @throws InterruptedError with the signal as its cause, whatever the stop looked like where it was noticed
 */
export async function untilStopped<Result>(
  onStop: (signal: StopSignal) => void,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const signal = abortOnSignals(onStop);
  try {
    return await work(signal);
  } catch (error) {
    const isStop = error instanceof InterruptedError && signal.aborted;
    if (!isStop || error.cause === signal.reason) throw error;
    throw new InterruptedError(error.message, { hint: error.hint, cause: signal.reason });
  }
}
