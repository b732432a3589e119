import type { Output } from './output.js';
import { oneLine } from './text.js';

/** What a person sees while many databases are gone through. */
export interface FleetDisplay {
  /** Tells that a database has to wait for another process. */
  readonly wait: (database: string, line: string) => void;
  /** Tells that one that waited goes on. */
  readonly goOn: (database: string) => void;
  /** Tells that one has come to its end. */
  readonly tell: (kind: string, database: string, line: string | undefined) => void;
  /** Takes the display away; what is told afterwards goes where it would without a terminal. */
  readonly end: () => void;
}

/** A bar on a terminal, with what fails above it; elsewhere a line for each database; nothing with --json. */
export async function showFleet(total: number, output: Output): Promise<FleetDisplay> {
  const say = (line: string | undefined): void => {
    if (line !== undefined) output.progress(line);
  };
  if (output.json || !process.stderr.isTTY)
    return {
      wait: (_database, line) => {
        say(line);
      },
      goOn: () => undefined,
      tell: (_kind, _database, line) => {
        say(line);
      },
      end: () => undefined,
    };

  const { MultiBar } = (await import('cli-progress')).default;
  const bars = new MultiBar({
    // What matters first: a narrow terminal cuts the end off.
    format: '{value} of {total}, {failed} failed{waiting}, about {eta_formatted} left {bar}',
    barCompleteChar: '=',
    barIncompleteChar: '-',
    stream: process.stderr,
    clearOnComplete: true,
    gracefulExit: false,
    linewrap: true,
  });
  const waiting = new Set<string>();
  let failed = 0;
  let shown = true;
  const figures = (): object => ({ failed, waiting: waiting.size > 0 ? `, ${waiting.size} waiting` : '' });
  const bar = bars.create(total, 0, figures());
  bars.update();
  return {
    wait(database) {
      waiting.add(database);
      bar.update(figures());
    },
    goOn(database) {
      if (waiting.delete(database)) bar.update(figures());
    },
    tell(kind, database, line) {
      if (!shown) {
        say(line);
        return;
      }
      waiting.delete(database);
      if (kind === 'failed') {
        failed += 1;
        if (line !== undefined) bars.log(`${oneLine(line)}\n`);
      }
      bar.increment(1, figures());
    },
    end() {
      if (!shown) return;
      shown = false;
      // What was to stand above the bar, and has not been written yet.
      bars.update();
      bars.stop();
    },
  };
}
