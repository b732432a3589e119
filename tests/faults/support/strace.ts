import { spawn, spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';

import { programPath } from './places.js';

/** Whether strace is there and may trace. */
export function needsStrace(): string | undefined {
  const tried = spawnSync('strace', ['-f', '-o', '/dev/null', 'true'], { encoding: 'utf8' });
  if (tried.status === 0) return undefined;
  return tried.error === undefined
    ? `strace cannot trace here (${tried.stderr.trim()})`
    : `there is no strace (${tried.error.message})`;
}

/** One system call of a traced program. */
export interface TracedCall {
  readonly thread: number;
  readonly name: string;
  /** The paths that it names, also those of its open files. */
  readonly paths: readonly string[];
  /** Its last string: the bytes that are written, the second path of a rename. */
  readonly bytes: Buffer;
  /** Its arguments as strace writes them, strings and paths left out. */
  readonly plain: readonly string[];
  /** What it returned; undefined when the process died in it, negative when it failed. */
  readonly result: number | undefined;
}

/** How a traced program ended. */
export interface TracedEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Whether it was ended because it took too long. */
  readonly hung: boolean;
  /** What it said, line by line. */
  readonly lines: readonly string[];
  readonly stderr: string;
}

/** A call of a program: the `when`th of this name in its thread. */
export interface CallNumber {
  readonly call: string;
  readonly when: number;
}

export interface TraceRequest {
  /** A program of tests/faults/programs. */
  readonly program: string;
  readonly parameters: readonly string[];
  /** Where strace writes. */
  readonly trace: string;
  /** What strace does to the calls: `fsync:error=EIO:when=3`. */
  readonly injections?: readonly string[];
  /** The program is killed as it enters this call, which is not carried out. */
  readonly killAt?: CallNumber | undefined;
}

/** The calls that change files. A question mark: not every machine has it. */
const changing =
  'pwrite64,write,fsync,fdatasync,ftruncate,openat,?unlink,unlinkat,?rename,?renameat,?renameat2,?mkdir,mkdirat,?rmdir';
const patienceMs = 60_000;
/**
 * Runs a program under strace, with one thread for everything that SQLite does: strace counts the calls of each thread
 * for itself.
 */
export function runTraced(request: TraceRequest): Promise<TracedEnd> {
  const { program, parameters, trace, injections = [], killAt } = request;
  const kills = killAt === undefined ? [] : [`${killAt.call}:signal=KILL:when=${killAt.when}`];
  // strace's filter in the kernel makes it three times as fast, but then it cannot send a signal.
  const filter = killAt === undefined ? ['--seccomp-bpf'] : [];
  const child = spawn(
    'strace',
    [
      ...['-f', ...filter, '-y', '-xx', '-s', '1048576', '-e', 'signal=none'],
      ...['-o', trace, '-e', `trace=${changing}`],
      ...[...injections, ...kills].flatMap((injection) => ['-e', `inject=${injection}`]),
      ...[process.execPath, programPath(program), ...parameters],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'], detached: true, env: { ...process.env, UV_THREADPOOL_SIZE: '1' } },
  );
  let [stdout, stderr, hung] = ['', '', false];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const timer = setTimeout(() => {
    hung = true;
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  }, patienceMs);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, hung, lines: stdout.split('\n').filter((line) => line !== ''), stderr });
    });
  });
}

const wholeLine = /^(\d+) +(\w+)\((.*)\) += (-?\d+|\?)/;
const cutLine = /^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$/;
const restLine = /^(\d+) +<\.\.\. \w+ resumed>(.*)$/;
const hexText = /"((?:\\x[0-9a-f]{2})*)"/g;
const hexPath = /<((?:\\x[0-9a-f]{2})+)>(?:\(deleted\))?/g;

function bytesOf(hex: string): Buffer {
  return Buffer.from(hex.replaceAll('\\x', ''), 'hex');
}

function callOf(thread: string, name: string, text: string, result: string): TracedCall {
  const strings = [...text.matchAll(hexText)].map(([, hex = '']) => bytesOf(hex));
  const files = [...text.matchAll(hexPath)].map(([, hex = '']) => bytesOf(hex).toString());
  const named = name.startsWith('pwrite') || name === 'write' ? [] : strings.map((bytes) => bytes.toString());
  const plain = text.replaceAll(hexText, '').replaceAll(hexPath, '').split(', ');
  return {
    thread: Number(thread),
    name,
    paths: [...named, ...files],
    bytes: strings.at(-1) ?? Buffer.alloc(0),
    plain,
    result: result === '?' ? undefined : Number(result),
  };
}

/** Reads what strace wrote: each call in the order in which they returned, the one in which the process died last. */
export async function readTrace(trace: string): Promise<TracedCall[]> {
  const cut = new Map<string, { readonly name: string; readonly text: string }>();
  const calls: TracedCall[] = [];
  for (const line of (await readFile(trace, 'latin1')).split('\n')) {
    const [, cutThread, cutName, cutText] = cutLine.exec(line) ?? [];
    if (cutThread !== undefined && cutName !== undefined && cutText !== undefined) {
      cut.set(cutThread, { name: cutName, text: cutText });
      continue;
    }
    const [, restThread, rest] = restLine.exec(line) ?? [];
    const begun = restThread === undefined ? undefined : cut.get(restThread);
    const joined =
      restThread === undefined || rest === undefined || begun === undefined
        ? line
        : `${restThread} ${begun.name}(${begun.text}${rest}`;
    const [, thread, name, text, result] = wholeLine.exec(joined) ?? [];
    if (thread === undefined || name === undefined || text === undefined || result === undefined) continue;
    cut.delete(thread);
    calls.push(callOf(thread, name, text, result));
  }
  // A call that never came back.
  for (const [thread, { name, text }] of cut) calls.push(callOf(thread, name, text, '?'));
  return calls;
}
