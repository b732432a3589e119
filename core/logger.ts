/**
 * What is told what happens: a logger of pino, or of anything else that has these methods.
 *
 * The first argument is what the line is about, the second the sentence.
 */
export interface Logger {
  debug(values: object, sentence: string): void;
  info(values: object, sentence: string): void;
  warn(values: object, sentence: string): void;
  error(values: object, sentence: string): void;
  /** A logger all of whose lines also say these values. */
  child(values: object): Logger;
}

const silent: Logger = {
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  child: () => silent,
};

/** The child logger of one module: `parent`'s where the caller gave one, otherwise a silent one. */
export function moduleLogger(parent: Logger | undefined, module: string): Logger {
  return (parent ?? silent).child({ module });
}

function nothing(): void {
  // Nobody listens.
}
