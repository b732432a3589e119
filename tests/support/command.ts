import { spawn } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { copyDatabase } from './database-copy.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** How a command ended. */
export interface CommandEnd {
  /** The exit status; null where a signal ended it. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that runs in a process of its own. */
export interface RunningCommand {
  /** Waits until it has said this on its standard error; fails where it ends without. */
  said(text: string): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  end(): Promise<CommandEnd>;
}

/** @throws Error when the command is not built, or core/ has changed since */
function builtCommand(): string {
  const built = join(root, 'dist/cli/main.js');
  const found = statSync(built, { throwIfNoEntry: false });
  for (const entry of readdirSync(join(root, 'core'), { recursive: true, withFileTypes: true })) {
    if (!entry.name.endsWith('.ts')) continue;
    const source = join(entry.parentPath, entry.name);
    if (found === undefined || found.mtimeMs < statSync(source).mtimeMs)
      throw new Error(`${built} is missing or older than ${source}: run npm run build.`);
  }
  return built;
}

const main = builtCommand();

/** A folder of its own, with databases and migrations in it, in which the command runs. */
export class CommandFolder {
  private constructor(readonly path: string) {}

  static async make(): Promise<CommandFolder> {
    return new CommandFolder(await mkdtemp(join(tmpdir(), 'command-')));
  }

  /** The whole path of a file in the folder. */
  at(name: string): string {
    return join(this.path, name);
  }

  /** Copies a committed legacy database, with the log beside it, and returns its name here. */
  async legacy(fixture: string, name = `${fixture}.db`): Promise<string> {
    await copyDatabase(join(root, 'tests/fixtures/legacy', `${fixture}.db`), this.at(name));
    return name;
  }

  /** Writes files into a folder below this one, and returns its name. */
  async files(name: string, files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
    await mkdir(this.at(name), { recursive: true });
    for (const [file, content] of Object.entries(files)) await writeFile(join(this.at(name), file), content);
    return name;
  }

  start(parameters: readonly string[], environment: NodeJS.ProcessEnv = {}): RunningCommand {
    const child = spawn(process.execPath, [main, ...parameters], {
      cwd: this.path,
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    let ended = false;
    const waiting: (() => void)[] = [];
    const wake = (): void => {
      for (const resume of waiting.splice(0)) resume();
    };
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      wake();
    });
    const end = new Promise<CommandEnd>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (status) => {
        ended = true;
        resolve({ status, stdout, stderr });
        wake();
      });
    });
    return {
      async said(text) {
        while (!stderr.includes(text)) {
          if (ended) throw new Error(`The command ended before it said "${text}".\n${stdout}${stderr}`);
          await new Promise<void>((resolve) => waiting.push(resolve));
        }
      },
      kill(signal) {
        child.kill(signal);
      },
      end: () => end,
    };
  }

  run(...parameters: readonly string[]): Promise<CommandEnd> {
    return this.start(parameters).end();
  }

  /** Runs a line of shell in which `"$@"` is the command with its parameters. */
  async shell(line: string, ...parameters: readonly string[]): Promise<CommandEnd> {
    const child = spawn('bash', ['-c', line, 'bash', process.execPath, main, ...parameters], {
      cwd: this.path,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    return new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (status) => {
        resolve({ status, stdout, stderr });
      });
    });
  }

  /**
   * Runs the command on a terminal of its own and answers its question. What it writes to its standard output and its
   * standard error is all in `stdout`, as a person sees it.
   *
   * @param answer what is typed once there is a question, such as `y\n`
   */
  onTerminal(answer: string, ...parameters: readonly string[]): Promise<CommandEnd> {
    const words = [process.execPath, main, ...parameters].map((word) => `'${word.replaceAll("'", "'\\''")}'`);
    const child = spawn('script', ['-qec', words.join(' '), '/dev/null'], {
      cwd: this.path,
      env: { ...process.env, NO_COLOR: '1' },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let stdout = '';
    let answered = false;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text.replaceAll('\r', '');
      if (answered || !stdout.includes('[y/N] ')) return;
      answered = true;
      child.stdin.write(answer);
    });
    return new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (status) => {
        resolve({ status, stdout, stderr: '' });
      });
    });
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

/** The one JSON document that a command wrote to its standard output; fails where there is none or more. */
export function documentOf({ stdout, stderr }: CommandEnd): unknown {
  try {
    return JSON.parse(stdout);
  } catch (error) {
    throw new Error(`Not one JSON document: ${stdout}${stderr}`, { cause: error });
  }
}
