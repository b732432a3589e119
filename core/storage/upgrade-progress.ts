import { messageOf } from '../errors.js';
import type { Logger } from '../logger.js';

/** What an upgrade is doing, as it happens. */
export type ProgressEvent =
  | { readonly kind: 'waiting'; readonly since: Date }
  | { readonly kind: 'checked'; readonly depth: 'quick' | 'full'; readonly ms: number }
  | { readonly kind: 'backed-up'; readonly path: string; readonly ms: number }
  /** The copy was removed again, because nothing of what it was made for was done. */
  | { readonly kind: 'backup-removed'; readonly path: string }
  /** Older copies were removed, being more or older than are to be kept. */
  | { readonly kind: 'old-backups-removed'; readonly paths: readonly string[] }
  | { readonly kind: 'adopted'; readonly files: readonly string[]; readonly ms: number }
  | { readonly kind: 'applying'; readonly version: number; readonly filename: string }
  | { readonly kind: 'applied'; readonly version: number; readonly filename: string; readonly ms: number }
  | { readonly kind: 'rolling-back'; readonly version: number; readonly filename: string }
  | { readonly kind: 'rolled-back'; readonly version: number; readonly filename: string; readonly ms: number }
  | { readonly kind: 'failed'; readonly version: number; readonly filename: string; readonly error: string };

export type Progress = (event: ProgressEvent) => void;

/** A listener that cannot harm the upgrade: what it throws, also later as a promise, goes to the log. */
export function safeProgress<Event extends { readonly kind: string }, Rest extends readonly unknown[]>(
  listener: ((event: Event, ...rest: Rest) => unknown) | undefined,
  logger: Logger,
): (event: Event, ...rest: Rest) => void {
  return (event, ...rest) => {
    const warn = (error: unknown): void => {
      logger.warn({ err: messageOf(error), event: event.kind }, 'a progress listener threw');
    };
    try {
      const told = listener?.(event, ...rest);
      // Nobody waits for it: a rejection that nobody takes would end the process.
      if (told !== undefined) Promise.resolve(told).catch(warn);
    } catch (error) {
      warn(error);
    }
  };
}
