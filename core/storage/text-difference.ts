/** One line of two texts put side by side. */
interface Line {
  readonly kind: ' ' | '-' | '+';
  readonly text: string;
}

/** How many unchanged lines stand around a change. */
const CONTEXT = 3;
/** Up to how many pairs of lines are compared; beyond, all lines between the first and the last change count as changed. */
const MOST_PAIRS = 4_000_000;

/**
 * Says how a text became another one, line by line, in the form of `diff -u` without its two first lines.
 *
 * ```
 * @@ -1,2 +1,2 @@
 *  CREATE TABLE notes (
 * -  title TEXT);
 * +  title TEXT NOT NULL);
 * ```
 *
 * @returns nothing where the texts are equal
 */
export function fileDifference(kept: string, today: string): string[] {
  if (kept === today) return [];
  const lines = sideBySide(kept.split('\n'), today.split('\n'));
  return hunks(lines).flatMap(({ from, to }) => [
    header(lines, from, to),
    ...lines.slice(from, to).map(({ kind, text }) => `${kind}${text}`),
  ]);
}

/** How many lines a difference adds and takes away, in words. */
export function summarizeDifference(difference: readonly string[]): string {
  const count = (sign: '+' | '-'): string => {
    const lines = difference.filter((line) => line.startsWith(sign)).length;
    return `${lines} ${lines === 1 ? 'line' : 'lines'}`;
  };
  return `${count('+')} added, ${count('-')} removed`;
}

function sideBySide(before: readonly string[], after: readonly string[]): Line[] {
  const shorter = Math.min(before.length, after.length);
  let head = 0;
  while (head < shorter && before[head] === after[head]) head += 1;
  let tail = 0;
  while (tail < shorter - head && before.at(-1 - tail) === after.at(-1 - tail)) tail += 1;
  const unchanged = (lines: readonly string[]): Line[] => lines.map((text) => ({ kind: ' ', text }));
  return [
    ...unchanged(before.slice(0, head)),
    ...changes(before.slice(head, before.length - tail), after.slice(head, after.length - tail)),
    ...unchanged(before.slice(before.length - tail)),
  ];
}

/** What lies between the first and the last change, with as few changed lines as there can be. */
function changes(before: readonly string[], after: readonly string[]): Line[] {
  const lines: Line[] = [];
  const width = after.length + 1;
  const few = before.length * after.length <= MOST_PAIRS;
  const common = few ? commonLines(before, after) : new Uint32Array();
  let [left, right] = [0, 0];
  while (left < before.length || right < after.length) {
    const [removed, added] = [before[left], after[right]];
    if (few && removed !== undefined && removed === added) {
      lines.push({ kind: ' ', text: removed });
      left += 1;
      right += 1;
    } else if (
      removed !== undefined &&
      (added === undefined ||
        (common[(left + 1) * width + right] ?? 0) >= (common[left * width + right + 1] ?? 0))
    ) {
      lines.push({ kind: '-', text: removed });
      left += 1;
    } else {
      lines.push({ kind: '+', text: added ?? '' });
      right += 1;
    }
  }
  return lines;
}

/** For each place in both texts, how many lines in order the rests from there on have in common. */
function commonLines(before: readonly string[], after: readonly string[]): Uint32Array {
  const width = after.length + 1;
  const common = new Uint32Array((before.length + 1) * width);
  for (let left = before.length - 1; left >= 0; left -= 1)
    for (let right = after.length - 1; right >= 0; right -= 1)
      common[left * width + right] =
        before[left] === after[right]
          ? (common[(left + 1) * width + right + 1] ?? 0) + 1
          : Math.max(common[(left + 1) * width + right] ?? 0, common[left * width + right + 1] ?? 0);
  return common;
}

/** The stretches of lines that hold a change, with the lines around it. */
function hunks(lines: readonly Line[]): { from: number; to: number }[] {
  const found: { from: number; to: number }[] = [];
  for (const [index, { kind }] of lines.entries()) {
    if (kind === ' ') continue;
    const last = found.at(-1);
    const to = Math.min(lines.length, index + 1 + CONTEXT);
    if (last !== undefined && index - CONTEXT <= last.to) last.to = to;
    else found.push({ from: Math.max(0, index - CONTEXT), to });
  }
  return found;
}

/** `@@ -12,7 +12,8 @@`: the first line of the stretch and its length, in the one text and in the other. */
function header(lines: readonly Line[], from: number, to: number): string {
  const span = (sign: '-' | '+'): string => {
    const isIn = ({ kind }: Line): boolean => kind === ' ' || kind === sign;
    const length = lines.slice(from, to).filter(isIn).length;
    const before = lines.slice(0, from).filter(isIn).length;
    // A stretch of no lines is named after the line before it.
    return `${sign}${length === 0 ? before : before + 1},${length}`;
  };
  return `@@ ${span('-')} ${span('+')} @@`;
}
