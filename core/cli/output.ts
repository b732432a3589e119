import { errorText, furtherCauses, stackOf, type ErrorText } from './error-text.js';
import { oneLine } from './text.js';

export interface OutputOptions {
  readonly json?: boolean;
  /** Whether each JSON document is on a line of its own, because there will be several (JSON Lines). */
  readonly jsonLines?: boolean;
  readonly verbose?: boolean;
}

/** The part of a terminal or a pipe that output needs. */
export interface TextStream {
  readonly isTTY?: boolean;
  hasColors?(): boolean;
  write(text: string): unknown;
}

const colours = { red: 31, green: 32, yellow: 33, cyan: 36, dim: 2 } as const;
type Colour = keyof typeof colours;

/** Whether a stream may be written to in colours: a terminal that has them, unless NO_COLOR says no. */
export function hasColours(stream: TextStream, environment: NodeJS.ProcessEnv = process.env): boolean {
  const refused = environment.NO_COLOR !== undefined && environment.NO_COLOR !== '';
  return !refused && stream.isTTY === true && stream.hasColors?.() === true;
}

/** Where a command's result goes (standard output), and all else that it says (standard error). */
export class Output {
  readonly json: boolean;
  private readonly jsonLines: boolean;
  private readonly verbose: boolean;
  private state: object | undefined;

  constructor(
    options: OutputOptions,
    private readonly stdout: TextStream = process.stdout,
    private readonly stderr: TextStream = process.stderr,
  ) {
    this.json = options.json ?? false;
    this.jsonLines = options.jsonLines ?? false;
    this.verbose = options.verbose ?? false;
  }

  /**
   * Tells the result: one JSON document with --json, otherwise lines for people.
   *
   * @param document what the library returned; what is undefined becomes null
   */
  result(document: unknown, lines: readonly string[]): void {
    const text = this.json ? this.toJson(document) : lines.map(oneLine).join('\n');
    this.stdout.write(`${text}\n`);
  }

  /** Tells what a change left that did not come to its end; with --json the document of its error has it as `state`. */
  left(state: object, line: string): void {
    this.state = state;
    this.progress(line);
  }

  /** Tells people what is going on. */
  progress(line: string): void {
    if (!this.json) this.stderr.write(`${this.coloured('dim', oneLine(line))}\n`);
  }

  /** Tells a person what a question is about, also with --json. */
  remark(line: string): void {
    this.stderr.write(`${oneLine(line)}\n`);
  }

  /** Tells of an error: its sentence, what is underneath, the next step. */
  failure(error: unknown): void {
    const text = errorText(error);
    const document = this.state === undefined ? { error: text } : { error: text, state: this.state };
    if (this.json) this.stdout.write(`${this.toJson(document)}\n`);
    else this.problem(text, furtherCauses(error));
    this.stack(error);
  }

  /** Tells with --verbose where an error came from. */
  stack(error: unknown): void {
    if (this.verbose) this.stderr.write(`${stackOf(error)}\n`);
  }

  /** Tells people why something is refused. */
  problem({ code, message, hint }: ErrorText, causes: readonly string[] = []): void {
    if (this.json) return;
    const lines = [
      `${this.coloured('red', 'Error:')} ${oneLine(message)}`,
      ...causes.map((cause) => `Cause: ${oneLine(cause)}`),
      `${this.coloured('cyan', 'Hint:')}  ${oneLine(hint)}`,
      `Code:  ${code}`,
    ];
    this.stderr.write(`${lines.join('\n')}\n`);
  }

  private coloured(colour: Colour, text: string): string {
    return hasColours(this.stderr) ? `\x1b[${colours[colour]}m${text}\x1b[0m` : text;
  }

  private toJson(document: unknown): string {
    const nullFor = (_key: string, value: unknown): unknown => (value === undefined ? null : value);
    return JSON.stringify(document, nullFor, this.jsonLines ? undefined : 2);
  }
}
