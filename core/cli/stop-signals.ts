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
