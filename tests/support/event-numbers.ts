import type { DatabaseDump, DumpedRow } from './database-dump.js';

/** What the numbers of all events and counters must be after an upgrade. */
export interface ExpectedNumbers {
  /** The literal of each event's `seq`, by the literal of its rowid. */
  readonly events: ReadonlyMap<string, string>;
  /** The literal of each counter's `last_seq`, by the literals of its world and chat: one counter for each. */
  readonly counters: ReadonlyMap<string, string>;
}

/** The key of a counter in `ExpectedNumbers`. */
export function counterKey(row: DumpedRow): string {
  return `${valueOf(row, 'world_id')} / ${valueOf(row, 'chat_id')}`;
}

const MOST = 9_223_372_036_854_775_807n;

function valueOf(row: DumpedRow, column: string): string {
  const value = row[column];
  if (value === undefined) throw new Error(`There is no column ${column}.`);
  return value;
}

/** The number that a literal is; undefined where it is anything but an integer. */
function integerOf(literal: string | undefined): bigint | undefined {
  return literal?.startsWith('integer ') === true ? BigInt(literal.slice('integer '.length)) : undefined;
}

function bytesOf(literal: string): Buffer {
  const body = literal.slice(literal.indexOf(' ') + 1);
  if (body.startsWith("x'")) return Buffer.from(body.slice(2, -1), 'hex');
  return Buffer.from(body.slice(1, -1).replaceAll("''", "'"), 'utf8');
}

const typeRank = (literal: string): number =>
  literal === 'null' ? 0 : /^(integer|real) /.test(literal) ? 1 : literal.startsWith('text ') ? 2 : 3;

/** Compares an integer with a real without rounding either. */
function compareMixed(integer: bigint, real: number): number {
  if (!Number.isFinite(real)) return real > 0 ? -1 : 1;
  const whole = BigInt(Math.trunc(real));
  if (integer !== whole) return integer < whole ? -1 : 1;
  return Math.sign(Math.trunc(real) - real);
}

function compareNumbers(one: string, other: string): number {
  const [a, b] = [integerOf(one), integerOf(other)];
  const [x, y] = [one, other].map((literal) => Number(literal.slice(literal.indexOf(' ') + 1)));
  if (a !== undefined && b !== undefined) return a < b ? -1 : a > b ? 1 : 0;
  if (a !== undefined) return compareMixed(a, y ?? 0);
  if (b !== undefined) return -compareMixed(b, x ?? 0);
  return Math.sign((x ?? 0) - (y ?? 0));
}

/** The order of `ORDER BY`: NULL, then numbers, then text by its bytes, then BLOBs ("Datatypes In SQLite", section 4.1). */
function compareValues(one: string, other: string): number {
  const ranks = typeRank(one) - typeRank(other);
  if (ranks !== 0 || one === 'null') return ranks;
  return typeRank(one) === 1 ? compareNumbers(one, other) : Buffer.compare(bytesOf(one), bytesOf(other));
}

function inTheOrderOfTime(events: readonly DumpedRow[]): DumpedRow[] {
  return [...events].sort(
    (one, other) =>
      compareValues(valueOf(one, 'created_at'), valueOf(other, 'created_at')) ||
      compareValues(valueOf(one, '#rowid'), valueOf(other, '#rowid')),
  );
}

function highestOf(literals: readonly (string | undefined)[]): bigint | undefined {
  return literals
    .map(integerOf)
    .filter((number) => number !== undefined)
    .reduce<bigint | undefined>(
      (most, number) => (most === undefined || number > most ? number : most),
      undefined,
    );
}

/**
 * Works out, without any SQL, how the events of a legacy database must be numbered: those of a world from 1 in the order
 * of their time; those of a chat keep their numbers, and the ones without follow after the highest; a counter is the
 * greater of what it was, which counts for nothing in a world's own, and of the highest number.
 */
export function expectedNumbers(before: DatabaseDump): ExpectedNumbers {
  const events = new Map<string, string>();
  const counters = new Map<string, string>();
  const streams = new Map<string, DumpedRow[]>();
  for (const event of before.tables.events?.rows ?? [])
    streams.set(counterKey(event), [...(streams.get(counterKey(event)) ?? []), event]);
  const old = new Map<string, bigint>();
  for (const counter of before.tables.event_sequences?.rows ?? []) {
    streams.set(counterKey(counter), streams.get(counterKey(counter)) ?? []);
    const number = integerOf(counter.last_seq);
    if (number !== undefined && counter.chat_id !== 'null') old.set(counterKey(counter), number);
  }
  for (const [key, stream] of streams) {
    const isWorld = key.endsWith(' / null');
    let next = isWorld ? 0n : (highestOf(stream.map(({ seq }) => seq)) ?? 0n);
    for (const event of inTheOrderOfTime(stream)) {
      const rowid = valueOf(event, '#rowid');
      const keeps = !isWorld && (event.seq !== 'null' || next === MOST);
      if (!keeps) next += 1n;
      events.set(rowid, keeps ? valueOf(event, 'seq') : `integer ${next}`);
    }
    const highest = highestOf(stream.map((event) => events.get(valueOf(event, '#rowid'))));
    const known = [old.get(key), highest].filter((number) => number !== undefined);
    counters.set(key, `integer ${known.length === 0 ? 0n : known.reduce((a, b) => (a > b ? a : b))}`);
  }
  return { events, counters };
}
