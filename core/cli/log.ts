import type { Logger } from '../logger.js';
import { hasColours } from './output.js';

export const logLevels = ['silent', 'error', 'warn', 'info', 'debug', 'trace'] as const;
export type LogLevel = (typeof logLevels)[number];

/** The log of a command on standard error: one JSON document a line with --json, otherwise lines for people. */
export async function commandLogger(level: LogLevel, json: boolean): Promise<Logger | undefined> {
  if (level === 'silent') return undefined;
  const { pino } = await import('pino');
  if (json) {
    const documents: Logger = pino({ level }, pino.destination({ dest: 2, sync: true }));
    return documents;
  }
  const { default: pretty } = await import('pino-pretty');
  const colorize = hasColours(process.stderr);
  const lines: Logger = pino(
    { level },
    pretty({ destination: 2, sync: true, colorize, ignore: 'pid,hostname', singleLine: true }),
  );
  return lines;
}
