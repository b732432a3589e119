import { setMaxListeners } from 'node:events';

import { FileAccessError, InterruptedError, InvalidOptionError } from '../errors.js';
import { resolveDatabaseFile, type DatabaseFile, type FileIntent } from './database-file.js';

/** Many databases, and how they are gone through. */
export interface FleetOptions {
  /**
   * The paths of the databases, which are asked for one after another as there is room; or a glob such as
   * `data/*.db`. All of them are asked for, also after a stop, so that what was not attempted is known.
   */
  readonly databases: string | Iterable<string> | AsyncIterable<string>;
  /** How many databases are worked on at a time. Default: 8. */
  readonly concurrency?: number | undefined;
  /** After so many failures no further database is begun; those that are going on come to their end. Default: no end. */
  readonly stopAfter?: number | undefined;
  /** Stops everything: no further database is begun, and what is going on is rolled back. */
  readonly signal?: AbortSignal | undefined;
}

/** Why nothing came of a database. */
export type Unfinished =
  | {
      readonly kind: 'failed';
      readonly database: string;
      /** An `UpgradeBridgeError`, but for what should not happen. */
      readonly error: unknown;
      readonly ms: number;
    }
  /** The signal came while it was worked on: every finished step stays, an unfinished one was rolled back. */
  | { readonly kind: 'interrupted'; readonly database: string }
  /** Another name of a file that was met before. */
  | { readonly kind: 'repeated'; readonly database: string; readonly sameAs: string }
  | { readonly kind: 'notAttempted'; readonly database: string };

export type FailedDatabase = Unfinished & { readonly kind: 'failed' };

/** How a fleet was gone through. Counts are of names, so that they sum up to `databases`. */
export interface FleetSummary {
  readonly databases: number;
  readonly failed: number;
  readonly interrupted: number;
  readonly repeated: number;
  readonly notAttempted: number;
  /** What failed, in the order in which it did. */
  readonly failures: readonly FailedDatabase[];
  /** Why not all of them were attempted and finished; undefined where they were. */
  readonly stopped: 'signal' | 'canary' | 'failures' | undefined;
  readonly ms: number;
}

/** What is done with each database of a fleet. */
export interface FleetWork<Done> {
  readonly intent: FileIntent;
  /** How many databases have to be upgraded, one after another, before others are begun beside them; 0 for none. */
  readonly canary: number;
  readonly visit: (database: string, file: DatabaseFile, signal: AbortSignal) => Promise<Done>;
  /** Told of every database as it comes to its end. Must not throw. */
  readonly tell: (outcome: Done | Unfinished) => void;
}

/** What a visit can say of a database. */
interface Outcome {
  readonly kind: string;
  readonly database: string;
}

const defaultConcurrency = 8;

/** @throws InvalidOptionError when it is not a whole number from 1 on */
export function atLeastOne(value: number | undefined, fallback: number, name: string): number {
  if (value === undefined) return fallback;
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new InvalidOptionError(`${name} must be a whole number, 1 or more, and is ${value}.`, {
    hint: `Correct ${name}, or leave it out.`,
  });
}

/** Goes through many databases, several at a time. What one of them does to fail stops no other. */
export class Fleet<Done extends Outcome> {
  private readonly concurrency: number;
  private readonly stopAfter: number;
  private readonly stop = new AbortController();
  private readonly names = new Map<string, string>();
  private readonly counts = new Map<string, number>();
  private readonly failures: FailedDatabase[] = [];
  private stopped: FleetSummary['stopped'];
  private running = 0;
  private onEnd: (() => void) | undefined;

  /** @throws InvalidOptionError when an option cannot be used */
  constructor(
    { concurrency, stopAfter }: Pick<FleetOptions, 'concurrency' | 'stopAfter'>,
    private readonly work: FleetWork<Done>,
  ) {
    this.concurrency = atLeastOne(concurrency, defaultConcurrency, 'concurrency');
    this.stopAfter = atLeastOne(stopAfter, Infinity, 'stopAfter');
    // Every database that is going on listens to it.
    setMaxListeners(0, this.stop.signal);
  }

  /** How many databases came to this end. */
  count(kind: Done['kind'] | Unfinished['kind']): number {
    return this.counts.get(kind) ?? 0;
  }

  /**
   * @param signal stops everything
   * @throws only what `databases` throws, once those that were begun have come to their end
   */
  async visitAll(
    databases: Iterable<string> | AsyncIterable<string>,
    signal: AbortSignal | undefined,
  ): Promise<FleetSummary> {
    const started = performance.now();
    const stop = (): void => {
      this.stop.abort(signal?.reason);
    };
    signal?.addEventListener('abort', stop);
    if (signal?.aborted === true) stop();
    try {
      for await (const database of databases) {
        await this.atMost(this.limit() - 1);
        if (this.mayBegin()) void this.begin(database);
        else this.tell({ kind: 'notAttempted', database });
      }
    } finally {
      await this.atMost(0);
      signal?.removeEventListener('abort', stop);
    }
    return {
      databases: [...this.counts.values()].reduce((sum, count) => sum + count, 0),
      failed: this.count('failed'),
      interrupted: this.count('interrupted'),
      repeated: this.count('repeated'),
      notAttempted: this.count('notAttempted'),
      failures: this.failures,
      stopped: this.stopped,
      ms: Math.round(performance.now() - started),
    };
  }

  private isProven(): boolean {
    return this.count('upgraded') >= this.work.canary;
  }

  private limit(): number {
    return this.isProven() ? this.concurrency : 1;
  }

  /** Waits until no more than so many databases are going on. */
  private async atMost(count: number): Promise<void> {
    while (this.running > count)
      await new Promise<void>((resolve) => {
        this.onEnd = resolve;
      });
  }

  private mayBegin(): boolean {
    if (this.stop.signal.aborted) this.stopped ??= 'signal';
    else if (!this.isProven() && this.failures.length > 0) this.stopped ??= 'canary';
    else if (this.failures.length >= this.stopAfter) this.stopped ??= 'failures';
    return this.stopped === undefined;
  }

  private async begin(database: string): Promise<void> {
    this.running += 1;
    const outcome = await this.outcomeOf(database, performance.now());
    this.running -= 1;
    this.tell(outcome);
    this.onEnd?.();
  }

  private async outcomeOf(database: string, started: number): Promise<Done | Unfinished> {
    try {
      const file = await resolveDatabaseFile(database, this.work.intent);
      if (!file.exists) throw missing(database);
      const sameAs = this.names.get(file.canonicalPath);
      if (sameAs !== undefined) return { kind: 'repeated', database, sameAs };
      this.names.set(file.canonicalPath, database);
      return await this.work.visit(database, file, this.stop.signal);
    } catch (error) {
      if (error instanceof InterruptedError && this.stop.signal.aborted) {
        this.stopped ??= 'signal';
        return { kind: 'interrupted', database };
      }
      return { kind: 'failed', database, error, ms: Math.round(performance.now() - started) };
    }
  }

  private tell(outcome: Done | Unfinished): void {
    this.counts.set(outcome.kind, (this.counts.get(outcome.kind) ?? 0) + 1);
    if (isFailed(outcome)) this.failures.push(outcome);
    this.work.tell(outcome);
  }
}

function isFailed(outcome: Outcome): outcome is FailedDatabase {
  return outcome.kind === 'failed';
}

/** A name that is in no folder any more is not made anew: its database was moved or removed meanwhile. */
function missing(database: string): FileAccessError {
  return new FileAccessError('MISSING_DATABASE', `There is no database at "${database}".`, {
    hint: 'Check the path. Of many databases, none is made where there is none; upgrade it by itself to make it.',
  });
}
