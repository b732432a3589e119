import { pino, type Logger } from 'pino';

export type { Logger } from 'pino';

const silent = pino({ level: 'silent' });

/** The child logger of one module: `parent`'s where the caller gave one, otherwise a silent one. */
export function moduleLogger(parent: Logger | undefined, module: string): Logger {
  return (parent ?? silent).child({ module });
}
