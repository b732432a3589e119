import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

import { programPath } from './places.js';
import type { Protection } from './unprotected-upgrade.js';

/** A database to be upgraded by another process. */
export interface Job {
  readonly database: string;
  /** The protections that the upgrade has to do without. */
  readonly without: readonly Protection[];
  /** Where a copy is made first: beside the database unless given; `false` for none. */
  readonly backup: false | { readonly folder?: string };
}

/** A refusal of the library, as it tells it. */
export interface Refusal {
  readonly kind: 'refused';
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

/** What an upgrading process says. */
export type Message =
  | { readonly kind: 'event'; readonly event: string }
  /** `recorded`: the numbers of the files that this process wrote into the history. */
  | { readonly kind: 'upgraded'; readonly recorded: readonly number[] }
  | Refusal;

/** How a job ended. */
export type Outcome =
  | Exclude<Message, { kind: 'event' }>
  | { readonly kind: 'ended'; readonly signal: NodeJS.Signals | null; readonly output: string };

export function isJob(value: unknown): value is Job {
  return typeof value === 'object' && value !== null && 'database' in value && 'without' in value;
}

function isMessage(value: unknown): value is Message {
  return typeof value === 'object' && value !== null && 'kind' in value;
}

/** A process that upgrades one database after the other, and can be killed or stopped in the middle. */
export class Upgrader {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #ready: Promise<void>;
  readonly #exit: Promise<void>;
  #output = '';
  #signal: NodeJS.Signals | null = null;
  #receive: (message: Message) => void = () => undefined;
  #isDoomed = false;
  #isAlive = true;

  /** @param command what is to start it, such as `setpriv` with its options */
  constructor(command: readonly string[] = []) {
    const [file, ...parameters] = [...command, process.execPath, programPath('upgrader')];
    this.#child = spawn(file, parameters, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child.stdin.on('error', () => undefined); // It ended: the outcome tells.
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#output += text));
    this.#exit = new Promise((resolve, reject) => {
      this.#child.on('error', reject);
      this.#child.on('close', (_code, signal) => {
        this.#isAlive = false;
        this.#signal = signal;
        resolve();
      });
    });
    this.#ready = new Promise((resolve) => {
      createInterface(this.#child.stdout).on('line', (line) => {
        const message: unknown = JSON.parse(line);
        if (!isMessage(message)) throw new Error(`This is no message: ${line}`);
        if (message.kind === 'event' && message.event === 'ready') resolve();
        else this.#receive(message);
      });
    });
  }

  /** Whether it can be given another job: a kill may be on its way after the job that it was meant for. */
  get isAlive(): boolean {
    return this.#isAlive && !this.#isDoomed;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Waits until it can be given jobs, or has ended. */
  async ready(): Promise<void> {
    await Promise.race([this.#ready, this.#exit]);
  }

  /** Gives it a job. Not to be called before the last one has ended. */
  async upgrade(job: Job, onEvent: (event: string) => void = () => undefined): Promise<Outcome> {
    const answer = new Promise<Outcome>((resolve) => {
      this.#receive = (message) => {
        if (message.kind === 'event') onEvent(message.event);
        else resolve(message);
      };
    });
    this.#child.stdin.write(`${JSON.stringify(job)}\n`);
    const end = this.#exit.then((): Outcome => ({
      kind: 'ended',
      signal: this.#signal,
      output: this.#output,
    }));
    return Promise.race([answer, end]);
  }

  signal(signal: NodeJS.Signals): void {
    this.#isDoomed ||= signal === 'SIGKILL';
    this.#child.kill(signal);
  }

  async close(): Promise<void> {
    this.#child.stdin.end();
    await this.#exit;
  }
}

/** Upgraders that are used again as long as they live. */
export class UpgraderPool {
  readonly #idle: Upgrader[] = [];

  /** Has a database upgraded by a process of its own. */
  async upgrade(job: Job, use: (upgrader: Upgrader) => (event: string) => void): Promise<Outcome> {
    const upgrader = this.#idle.pop() ?? new Upgrader();
    await upgrader.ready();
    const outcome = await upgrader.upgrade(job, use(upgrader));
    if (upgrader.isAlive && outcome.kind !== 'ended') this.#idle.push(upgrader);
    return outcome;
  }

  /** Starts processes, so that as many are ready. */
  async fill(count: number): Promise<void> {
    while (this.#idle.length < count) this.#idle.push(new Upgrader());
    await Promise.all(this.#idle.map((upgrader) => upgrader.ready()));
  }

  async close(): Promise<void> {
    await Promise.all(this.#idle.splice(0).map((upgrader) => upgrader.close()));
  }
}
