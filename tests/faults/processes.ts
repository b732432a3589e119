import { spawn } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';

import { copyDatabase } from '../support/database-copy.js';
import { dumpDatabase } from '../support/database-dump.js';
import { buildLegacyDatabase, legacyFixtures, type LegacySpec } from '../support/legacy-databases.js';
import { seededRandom, type Random } from '../support/legacy-rows.js';
import { forEachAtOnce } from './support/at-once.js';
import { lostRows } from './support/database-states.js';
import { completionFaults, damageOf, knowUpgrade, type KnownUpgrade } from './support/known-upgrade.js';
import { everyNth, type Finding, type Part, type Settings } from './support/part.js';
import { programPath } from './support/places.js';
import type { Protection } from './support/unprotected-upgrade.js';
import { UpgraderPool, type Outcome, type Upgrader } from './support/upgrader.js';

const journals = ['rollback', 'wal'] as const;

/** A database of which files are adopted, completed and applied. */
const spec: LegacySpec = {
  version: 4,
  missing: ['worlds.chat_llm_model'],
  events: 'without references',
  wrongNumbers: true,
  orphans: true,
  worlds: 4,
};

/** One of which nothing has to be completed. */
const wholeSpec: LegacySpec = { version: 7, wrongNumbers: true };

const files = Array.from({ length: 11 }, (_, index) => index + 1);
const undisturbed = () => () => undefined;

/** The same database in both journal modes. */
async function knowBoth(folder: string, name: string, kind: LegacySpec): Promise<KnownUpgrade[]> {
  const known: KnownUpgrade[] = [];
  for (const journal of journals)
    known.push(
      await knowUpgrade(folder, `${name}, ${journal}`, (path) =>
        buildLegacyDatabase(path, { ...kind, journal }),
      ),
    );
  return known;
}

function describe(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'upgraded':
      return 'upgraded';
    case 'refused':
      return `was refused with ${outcome.code}: ${outcome.message}`;
    case 'ended':
      return `ended${outcome.signal === null ? '' : ` by ${outcome.signal}`}: ${outcome.output.trim()}`;
  }
}

/** What is wrong where several processes upgraded one file, none of them disturbed. */
async function crowdFaults(
  pool: UpgraderPool,
  size: number,
  known: KnownUpgrade,
  database: string,
  without: readonly Protection[],
): Promise<string[]> {
  await copyDatabase(known.source, database);
  await pool.fill(size);
  const outcomes = await Promise.all(
    Array.from({ length: size }, () => pool.upgrade({ database, without, backup: {} }, undisturbed)),
  );
  const recorded = outcomes.flatMap((outcome) => (outcome.kind === 'upgraded' ? outcome.recorded : []));
  const faults = outcomes.filter(({ kind }) => kind !== 'upgraded').map(describe);
  for (const file of files) {
    const times = recorded.filter((version) => version === file).length;
    if (times !== 1) faults.push(`file ${file} was recorded ${times} times`);
  }
  return [...faults, ...(await completionFaults(known, database))];
}

async function crowd({ folder }: Settings): Promise<Finding> {
  const size = 64;
  const pool = new UpgraderPool();
  const failures: string[] = [];
  try {
    const place = await mkdtemp(join(folder, 'crowd-'));
    for (const known of await knowBoth(place, 'incomplete', spec))
      for (const fault of await crowdFaults(pool, size, known, join(place, `${known.name}.db`), []))
        failures.push(`${known.name}: ${fault}`);
  } finally {
    await pool.close();
  }
  return { figures: `${journals.length} files, ${size} processes each`, failures };
}

/** Processes that all believe that they hold the lock. */
async function unlocked(
  { folder, stride }: Settings,
  without: readonly Protection[],
  rounds: number,
): Promise<Finding> {
  const size = 12;
  const pool = new UpgraderPool();
  const failures: string[] = [];
  const place = await mkdtemp(join(folder, 'unlocked-'));
  const all = [
    ...(await knowBoth(place, 'incomplete', spec)),
    ...(await knowBoth(place, 'whole', wholeSpec)),
  ];
  const cases = Array.from({ length: rounds }, (_, round) => all.map((known) => ({ known, round })));
  const done = everyNth(cases.flat(), stride);
  try {
    for (const { known, round } of done) {
      const faults = await crowdFaults(pool, size, known, join(place, `${known.name}-${round}.db`), without);
      if (faults.length > 0) failures.push(`${known.name}, round ${round}: ${faults.slice(0, 3).join('; ')}`);
    }
  } finally {
    await pool.close();
  }
  return { figures: `${done.length} files, ${size} processes each`, failures };
}

const misfortunes = [
  'kill',
  'kill',
  'short stop',
  'long stop',
  'stop and kill',
  'kill',
  'short stop',
] as const;
type Misfortune = (typeof misfortunes)[number];

const TAKEN_OVER_MS = 11_000; // A lock without a sign of life for 10 s is taken over.

/** What happens to one upgrading process, at some moment of its work. */
class Disturbance {
  readonly #ends = new AbortController();
  #left: number;
  #hit = false;

  constructor(
    private readonly upgrader: Upgrader,
    private readonly misfortune: Misfortune,
    private readonly random: Random,
  ) {
    // Early more often than late: what another process has done already does not happen any more.
    this.#left = Math.floor(random() ** 2 * 14);
  }

  /** Whether it came before the process was done. */
  get hit(): boolean {
    return this.#hit;
  }

  /** Counts what the process does; one of its events is the moment. */
  readonly onEvent = (): void => {
    if (this.#left === 0) void this.#strike();
    this.#left -= 1;
  };

  /** The process is done: nothing happens to it any more. */
  end(): void {
    this.#ends.abort();
    this.upgrader.signal('SIGCONT');
  }

  async #strike(): Promise<void> {
    const { upgrader, random, misfortune } = this;
    if (!(await this.#passes(random() * 25))) return;
    this.#hit = true;
    if (misfortune === 'kill') {
      upgrader.signal('SIGKILL');
      return;
    }
    upgrader.signal('SIGSTOP');
    const stopped = misfortune === 'long stop' ? TAKEN_OVER_MS + random() * 2_000 : random() * 800;
    if (await this.#passes(stopped)) upgrader.signal(misfortune === 'stop and kill' ? 'SIGKILL' : 'SIGCONT');
  }

  /** Lets time pass. False where the process was done before. */
  async #passes(ms: number): Promise<boolean> {
    try {
      await pause(ms, undefined, { signal: this.#ends.signal });
      return true;
    } catch {
      return false;
    }
  }
}

/** What became of the processes in a storm. */
interface StormCount {
  upgrades: number;
  killed: number;
  stopped: number;
  takenOver: number;
  again: number;
}

/** Has a database upgraded by two processes that something happens to, and by one that is left alone. */
async function stormOn(
  pool: UpgraderPool,
  database: string,
  random: Random,
  without: readonly Protection[],
  count: StormCount,
): Promise<string[]> {
  const faults: string[] = [];
  const job = { database, without, backup: {} };
  const disturbed = async (): Promise<void> => {
    await pause(random() * 200);
    const misfortune = misfortunes[Math.floor(random() * misfortunes.length)] ?? 'kill';
    let disturbance: Disturbance | undefined;
    const outcome = await pool.upgrade(job, (upgrader) => {
      disturbance = new Disturbance(upgrader, misfortune, random);
      return disturbance.onEvent;
    });
    disturbance?.end();
    count.upgrades += 1;
    const hit = disturbance?.hit ?? false;
    if (outcome.kind === 'ended' && outcome.signal === 'SIGKILL') count.killed += 1;
    else if (hit) count.stopped += 1;
    // A machine that is slow for ten seconds is as good as a stop.
    if (outcome.kind === 'refused' && outcome.code === 'LOCK_LOST') count.takenOver += 1;
    else if (outcome.kind !== 'upgraded' && !(outcome.kind === 'ended' && outcome.signal === 'SIGKILL'))
      faults.push(`one that was disturbed (${misfortune}) ${describe(outcome)}`);
  };
  const leftAlone = async (): Promise<void> => {
    await pause(random() * 400);
    let outcome = await pool.upgrade({ ...job, without: [] }, undisturbed);
    // One that was stopped while it removed a dead lock can remove the next one: its owner is told to try again.
    for (; outcome.kind === 'refused' && outcome.code === 'LOCK_LOST'; count.again += 1)
      outcome = await pool.upgrade({ ...job, without: [] }, undisturbed);
    count.upgrades += 1;
    if (outcome.kind !== 'upgraded') faults.push(`the one that was left alone ${describe(outcome)}`);
  };
  await Promise.all([disturbed(), disturbed(), leftAlone()]);
  return faults;
}

async function storm(
  { folder, stride }: Settings,
  without: readonly Protection[],
  databases: number,
): Promise<Finding> {
  const atOnce = 20;
  const place = await mkdtemp(join(folder, 'storm-'));
  const kinds = legacyFixtures.filter(({ expect }) => expect.kind !== 'foreign');
  const cases = everyNth(
    Array.from({ length: databases }, (_, number) => ({ number, kind: kinds[(number * 7) % kinds.length] })),
    stride,
  );
  const known = new Map<string, KnownUpgrade>();
  const count: StormCount = { upgrades: 0, killed: 0, stopped: 0, takenOver: 0, again: 0 };
  const failures: string[] = [];
  const pool = new UpgraderPool();
  try {
    for (const { kind } of cases)
      if (kind !== undefined && !known.has(kind.name))
        known.set(kind.name, await knowUpgrade(place, kind.name, kind.make));
    await forEachAtOnce(cases, Array.from({ length: atOnce }), async ({ number, kind }) => {
      const expected = known.get(kind?.name ?? '');
      if (expected === undefined) return;
      const database = join(place, `${number}-${expected.name}.db`);
      await copyDatabase(expected.source, database);
      const faults = await stormOn(pool, database, seededRandom(number), without, count);
      // One that was killed when all was done leaves its lock to the next upgrade, and it keeps nobody waiting.
      const deadLock = `leaves ${basename(database)}.lock behind`;
      faults.push(...(await completionFaults(expected, database)).filter((fault) => fault !== deadLock));
      if (faults.length > 0) failures.push(`${number}, ${expected.name}: ${faults.slice(0, 4).join('; ')}`);
    });
  } finally {
    await pool.close();
  }
  const { upgrades, killed, stopped, takenOver, again } = count;
  return {
    figures:
      `${upgrades} upgrades of ${cases.length} databases: ${killed} killed, ${stopped} stopped, ` +
      `of which ${takenOver} found their lock taken over; ${again} of the others tried again for that reason`,
    failures,
  };
}

/** A program that reads and writes all along, and what it was told. */
class Application {
  /** The number of each note by the id that it was told. */
  readonly saved = new Map<string, string>();
  readonly failed: string[] = [];
  readonly #child;
  readonly #exit: Promise<void>;
  #waiting: { readonly count: number; readonly resume: () => void } | undefined;
  #exitCode: number | null = null;

  constructor(...parameters: readonly string[]) {
    this.#child = spawn(process.execPath, [programPath('application'), ...parameters], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#exit = new Promise((resolve) => {
      this.#child.on('close', (code) => {
        this.#exitCode = code;
        resolve();
      });
    });
    createInterface(this.#child.stdout).on('line', (line) => {
      const [word, id = '', number = ''] = line.split(' ');
      if (word === 'saved') this.saved.set(id, number);
      else if (word === 'failed') this.failed.push(line);
      if (this.#waiting !== undefined && this.saved.size >= this.#waiting.count) this.#waiting.resume();
    });
  }

  /** Waits until it was told that so many more notes are saved, or has ended. */
  async savedMore(more: number): Promise<void> {
    const count = this.saved.size + more;
    const reached = new Promise<void>((resume) => {
      this.#waiting = { count, resume };
    });
    await Promise.race([reached, this.#exit]);
  }

  async stop(): Promise<void> {
    this.#child.stdin.end();
    await this.#exit;
    if (this.#exitCode !== 0) this.failed.push(`it ended with ${String(this.#exitCode)}`);
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exit;
  }

  /** What it was told was saved and is not there, and what else went wrong for it. */
  async faults(database: string): Promise<string[]> {
    const { tables } = await dumpDatabase(database);
    const notes = new Map((tables.agent_memory?.rows ?? []).map((row) => [row.id, row.content]));
    const lost = [...this.saved].filter(
      ([id, number]) => notes.get(`integer ${id}`) !== `text 'note ${number}'`,
    );
    return [
      ...this.failed,
      ...(lost.length > 0 ? [`${lost.length} of ${this.saved.size} saved notes are not there`] : []),
    ];
  }
}

/** What became of an application while its database was upgraded. */
async function upgradeBeside(
  pool: UpgraderPool,
  known: KnownUpgrade,
  database: string,
  killFirst: boolean,
  random: Random,
): Promise<{ readonly faults: string[]; readonly notes: number; readonly meanwhile: number }> {
  await copyDatabase(known.source, database);
  const application = new Application(database);
  const job = { database, without: [], backup: {} };
  const faults: string[] = [];
  await application.savedMore(5);
  const before = application.saved.size;
  if (killFirst) {
    let disturbance: Disturbance | undefined;
    const outcome = await pool.upgrade(job, (upgrader) => {
      disturbance = new Disturbance(upgrader, 'kill', random);
      return disturbance.onEvent;
    });
    disturbance?.end();
    if (outcome.kind === 'refused') faults.push(describe(outcome));
  }
  const outcome = await pool.upgrade(job, undisturbed);
  const meanwhile = application.saved.size - before;
  if (outcome.kind !== 'upgraded') faults.push(describe(outcome));
  await application.savedMore(5);
  await application.stop();
  faults.push(...(await application.faults(database)));
  const dump = await dumpDatabase(database);
  const [lost] = lostRows(known.old, dump);
  if (lost !== undefined) faults.push(`lost ${lost}`);
  const versions = (dump.tables.schema_migrations?.rows ?? []).map(({ version }) => version).sort();
  if (
    versions.join() !==
    files
      .map((file) => `integer ${file}`)
      .sort()
      .join()
  )
    faults.push(`the history has ${versions.join()}`);
  faults.push(...(await damageOf(database)));
  return { faults, notes: application.saved.size, meanwhile };
}

async function besideAnApplication({ folder, stride }: Settings): Promise<Finding> {
  const rounds = 12;
  const place = await mkdtemp(join(folder, 'beside-'));
  const known = await knowBoth(place, 'incomplete', { ...spec, worlds: 100 });
  const cases = everyNth(
    known.flatMap((each) => Array.from({ length: rounds }, (_, round) => ({ known: each, round }))),
    stride,
  );
  const failures: string[] = [];
  let [notes, meanwhile] = [0, 0];
  const pool = new UpgraderPool();
  try {
    await forEachAtOnce(cases, [1, 2, 3, 4], async ({ known: each, round }) => {
      const database = join(place, `${each.name}-${round}.db`);
      const result = await upgradeBeside(pool, each, database, round % 2 === 1, seededRandom(round));
      notes += result.notes;
      meanwhile += result.meanwhile;
      if (result.faults.length > 0)
        failures.push(`${each.name}, round ${round}: ${result.faults.join('; ')}`);
    });
  } finally {
    await pool.close();
  }
  if (meanwhile === 0) failures.push('no application wrote anything while its database was upgraded');
  return {
    figures: `${cases.length} upgrades beside a program that saved ${notes} notes, ${meanwhile} of them meanwhile`,
    failures,
  };
}

/** The application shares its connection with the upgrade: what it saves falls into the transactions of the upgrade. */
async function onOneConnection({ folder, stride }: Settings): Promise<Finding> {
  const place = await mkdtemp(join(folder, 'one-connection-'));
  const known = await knowBoth(place, 'incomplete', spec);
  const cases = everyNth(
    known.flatMap((each) => Array.from({ length: 8 }, (_, round) => ({ known: each, round }))),
    stride,
  );
  const failures: string[] = [];
  for (const { known: each, round } of cases) {
    const database = join(place, `${each.name}-${round}.db`);
    await copyDatabase(each.source, database);
    const application = new Application(database, 'on-the-upgrades-connection');
    await application.savedMore(1 + round);
    await application.kill();
    const faults = await application.faults(database);
    if (faults.length > 0) failures.push(`${each.name}, round ${round}: ${faults.slice(0, 3).join('; ')}`);
  }
  return { figures: `${cases.length} programs on one connection with an upgrade, killed`, failures };
}

/** Several processes at one database. */
export const processes: Part = {
  name: 'processes',
  checks: [
    { name: '64 processes on one file', run: crowd },
    { name: 'all of them without the lock', run: (settings) => unlocked(settings, ['lock'], 5) },
    { name: 'a storm of SIGKILL and SIGSTOP', run: (settings) => storm(settings, [], 70) },
    { name: 'beside an application', run: besideAnApplication },
  ],
  controls: [
    {
      name: 'without the lock and without a second look',
      run: (settings) => unlocked(settings, ['lock', 'second look'], 3),
    },
    {
      name: 'a storm without transactions',
      run: (settings) => storm(settings, ['transactions'], 20),
    },
    { name: 'an application on the connection of the upgrade', run: onOneConnection },
  ],
};
