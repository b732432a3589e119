import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { once } from 'node:events';

import { programPath } from './places.js';
import { isVerdict, type Remains, type ScenarioFacts, type Verdict } from './verdict.js';

/** After so many databases a new process takes over. */
const requestsPerProcess = 200;
/** Waiting for the lock of a killed process takes up to 15 s; no opening takes longer than this. */
const patienceMs = 60_000;

interface Worker {
  readonly child: ChildProcessByStdio<Writable, Readable, null>;
  readonly lines: Interface;
  requests: number;
}

/** Has databases looked at, and upgraded, by a plain process that had nothing to do with them before. */
export class Inspector {
  #worker: Worker | undefined;

  constructor(private readonly facts: ScenarioFacts) {}

  /** Looks at one database. Not to be called before the last call has answered. */
  async inspect(remains: Remains): Promise<Verdict> {
    if ((this.#worker?.requests ?? 0) >= requestsPerProcess) await this.close();
    const worker = (this.#worker ??= this.#start());
    worker.requests += 1;
    worker.child.stdin.write(`${JSON.stringify(remains)}\n`);
    const waiting = new AbortController();
    const { signal } = waiting;
    const timer = setTimeout(() => {
      waiting.abort();
    }, patienceMs);
    const answer = await Promise.race([
      once(worker.lines, 'line', { signal }).catch(() => ['hang']),
      once(worker.child, 'exit', { signal }).then(() => ['crash']),
    ]);
    clearTimeout(timer);
    waiting.abort();
    const line = String(answer[0]);
    if (line === 'hang' || line === 'crash') {
      worker.child.kill('SIGKILL');
      this.#worker = undefined;
      return { problems: [`made the process that opened it ${line}`], found: 'unreadable', openMs: 0 };
    }
    const verdict: unknown = JSON.parse(line);
    if (!isVerdict(verdict)) throw new Error(`This is no verdict: ${line}`);
    return verdict;
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    if (worker === undefined) return;
    const ended = once(worker.child, 'exit');
    worker.child.stdin.end();
    await ended;
  }

  #start(): Worker {
    const child = spawn(process.execPath, [programPath('inspect'), JSON.stringify(this.facts)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    child.stdin.on('error', () => undefined); // It ended: the answer tells.
    return { child, lines: createInterface(child.stdout), requests: 0 };
  }
}

/** Gives as many inspectors as there are lanes, and closes them whatever happens. */
export async function withInspectors<Result>(
  facts: ScenarioFacts,
  count: number,
  work: (inspectors: readonly Inspector[]) => Promise<Result>,
): Promise<Result> {
  const inspectors = Array.from({ length: count }, () => new Inspector(facts));
  try {
    return await work(inspectors);
  } finally {
    for (const inspector of inspectors) await inspector.close();
  }
}
