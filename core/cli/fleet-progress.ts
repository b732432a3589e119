import type { Output } from './output.js';

/** What a person sees while many databases are gone through. */
export interface FleetDisplay {
  /** Tells that one database has come to its end. */
  readonly tell: (kind: string, line: string | undefined) => void;
  /** Takes the display away; what is told afterwards goes where it would without a terminal. */
  readonly end: () => void;
}

/** A bar on a terminal; elsewhere a line for each database; nothing with --json. */
export async function showFleet(total: number, output: Output): Promise<FleetDisplay> {
  const lines: FleetDisplay = {
    tell: (_kind, line) => {
      if (line !== undefined) output.progress(line);
    },
    end: () => undefined,
  };
  if (output.json || !process.stderr.isTTY) return lines;

  const { SingleBar } = (await import('cli-progress')).default;
  const bar = new SingleBar({
    format: '{bar} {value} of {total}, {failed} failed, about {eta_formatted} left',
    barCompleteChar: '=',
    barIncompleteChar: '-',
    stream: process.stderr,
    clearOnComplete: true,
    linewrap: true,
  });
  let failed = 0;
  let shown = true;
  bar.start(total, 0, { failed });
  return {
    tell(kind, line) {
      if (!shown) {
        lines.tell(kind, line);
        return;
      }
      if (kind === 'failed') failed += 1;
      bar.increment(1, { failed });
    },
    end() {
      if (shown) bar.stop();
      shown = false;
    },
  };
}
