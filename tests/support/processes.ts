import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const programs = new URL('../../var/tests/tests/fixtures/processes/', import.meta.url);

/** How a program ended. */
export interface ProgramEnd {
  /** The exit code; null where a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** All that it wrote. */
  readonly stdout: string;
  readonly stderr: string;
}

/** A program of tests/fixtures/processes that runs in a process of its own. */
export interface Program {
  /** Waits until it has written this line to its standard output; fails where it ends without. */
  said(line: string): Promise<void>;
  /** Writes a line to its standard input. */
  tell(line: string): void;
  kill(signal: NodeJS.Signals): void;
  /** Waits for its end. */
  end(): Promise<ProgramEnd>;
}

/**
 * Starts the compiled form of `tests/fixtures/processes/<name>.ts` with plain node.
 *
 * @throws Error when the programs are not built
 */
export function startProgram(name: string, ...parameters: readonly string[]): Program {
  const path = fileURLToPath(new URL(`${name}.js`, programs));
  if (!existsSync(path)) throw new Error(`${path} is not there: run npm run build:tests.`);
  const child = spawn(process.execPath, [path, ...parameters], { stdio: ['pipe', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  const lines: string[] = [];
  const waiting: (() => void)[] = [];
  const wake = () => {
    for (const resume of waiting.splice(0)) resume();
  };
  let ended: ProgramEnd | undefined;

  child.stdin.on('error', () => undefined); // It may have ended already: end() tells how.
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  createInterface(child.stdout).on('line', (line) => {
    lines.push(line);
    wake();
  });
  const end = new Promise<ProgramEnd>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      ended = { code, signal, stdout, stderr };
      resolve(ended);
      wake();
    });
  });

  return {
    async said(line) {
      while (!lines.includes(line)) {
        if (ended !== undefined) {
          throw new Error(
            `${name} ended with ${String(ended.code ?? ended.signal)} before it said "${line}".\n${stderr}`,
          );
        }
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
    },
    tell(line) {
      child.stdin.write(`${line}\n`);
    },
    kill(signal) {
      child.kill(signal);
    },
    end: () => end,
  };
}

/**
 * Runs a program to its end.
 *
 * @returns what it wrote to its standard output
 * @throws Error when it does not end with 0
 */
export async function runProgram(name: string, ...parameters: readonly string[]): Promise<string> {
  return outputOf(await startProgram(name, ...parameters).end());
}

/** What a program wrote that ended well; an error with all that it said where it did not. */
export function outputOf(end: ProgramEnd): string {
  if (end.code !== 0) {
    throw new Error(`A program ended with ${String(end.code ?? end.signal)}.\n${end.stdout}${end.stderr}`);
  }
  return end.stdout;
}
