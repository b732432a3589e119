import type { Operation } from './recording.js';

/**
 * What a power cut may do to the files of one folder.
 *
 * - What was written or truncated before a sync of its file is there. Of what came after, any part may be there and any
 *   other not, in sectors of 512 bytes, whatever the order in which it was written. A file that ends before a sector
 *   that is there is filled with zeros.
 * - A name that was made, moved or removed before a sync of the folder is so. Of what came after, any part may be there:
 *   only what happens to one and the same name keeps its order, and a rename is there whole or not at all. A sync of a
 *   file does not make its name last. (Most file systems promise more.)
 * - The write that was going on may be there up to any byte.
 *
 * SQLite's own assumption is kept: a write does no harm outside the bytes that it writes ("powersafe overwrite").
 */
export class DiskModel {
  readonly #names: NameChange[] = [];
  #durableNames: ReadonlyMap<string, ModelFile>;
  #currentNames: Map<string, ModelFile>;

  constructor(files: ReadonlyMap<string, Buffer>) {
    this.#currentNames = new Map([...files].map(([name, content]) => [name, new ModelFile(content)]));
    this.#durableNames = new Map(this.#currentNames);
  }

  carryOut(operation: Operation): void {
    switch (operation.kind) {
      case 'create': {
        const file = this.#currentNames.get(operation.name);
        if (file === undefined) this.#rename({ set: [operation.name, new ModelFile(Buffer.alloc(0))] });
        else if (operation.truncate) file.change({ kind: 'truncate', size: 0 });
        break;
      }
      case 'write':
        // What is written to a file without a name is lost with it.
        this.#currentNames.get(operation.name)?.change(operation);
        break;
      case 'truncate':
        this.#currentNames.get(operation.name)?.change(operation);
        break;
      case 'sync':
        this.#currentNames.get(operation.name)?.sync();
        break;
      case 'sync folder':
        this.#durableNames = new Map(this.#currentNames);
        this.#names.length = 0;
        break;
      case 'remove':
        this.#rename({ remove: operation.name });
        break;
      case 'rename': {
        const file = this.#currentNames.get(operation.name);
        if (file === undefined) throw new Error(`${operation.name} is renamed and is not there.`);
        this.#rename({ remove: operation.name, set: [operation.to, file] });
        break;
      }
      case 'said':
        break;
    }
  }

  #rename(change: NameChange): void {
    this.#names.push(change);
    applyName(this.#currentNames, change);
  }

  /** The files after a power cut, of which `cut` says what is lost. */
  after(cut: PowerCut): Map<string, Buffer> {
    const names = new Map(this.#durableNames);
    const held = new Set<string>();
    for (const change of this.#names) {
      const touched = [change.remove, change.set?.[0]].filter((name) => name !== undefined);
      if (touched.some((name) => held.has(name)) || !cut.keepsName())
        for (const name of touched) held.add(name);
      else applyName(names, change);
    }
    return new Map([...names].map(([name, file]) => [name, file.after(cut)]));
  }
}

/** What is lost in one power cut. Asked anew for each thing that may be lost. */
export interface PowerCut {
  keepsName(): boolean;
  /**
   * How much of a change is there: all of it, nothing, its first half, or what `keepsSector` says.
   *
   * @param isLast whether it is the last that was made to its file
   */
  keepsChange(isLast: boolean): 'all' | 'none' | 'half' | 'sectors';
  keepsSector(): boolean;
}

/** The cuts that are always tried. `names` and `data` say whether what was not synced is there all the same. */
export function simpleCut(names: boolean, data: boolean, tearsLast = false): PowerCut {
  return {
    keepsName: () => names,
    keepsChange: (isLast) => (!data ? 'none' : isLast && tearsLast ? 'half' : 'all'),
    keepsSector: () => data,
  };
}

/** A cut that loses each thing with a likelihood of its own choice. */
export function randomCut(random: () => number): PowerCut {
  const likelihood = [0.1, 0.5, 0.9][Math.floor(random() * 3)] ?? 0.5;
  const bySector = random() < 0.5;
  return {
    keepsName: () => random() < likelihood,
    keepsChange: () => (bySector ? 'sectors' : random() < likelihood ? 'all' : 'none'),
    keepsSector: () => random() < likelihood,
  };
}

interface NameChange {
  readonly remove?: string;
  readonly set?: readonly [string, ModelFile];
}

function applyName(names: Map<string, ModelFile>, { remove, set }: NameChange): void {
  if (remove !== undefined) names.delete(remove);
  if (set !== undefined) names.set(...set);
}

type Change =
  | { readonly kind: 'write'; readonly offset: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly size: number };

const SECTOR = 512;

/** The content of a file, on disk and on its way there. */
class ModelFile {
  #durable: Buffer;
  #changes: Change[] = [];

  constructor(content: Buffer) {
    this.#durable = content;
  }

  change(change: Change): void {
    this.#changes.push(change);
  }

  sync(): void {
    this.#durable = this.after(simpleCut(true, true));
    this.#changes = [];
  }

  after(cut: PowerCut): Buffer {
    let content: Buffer = Buffer.from(this.#durable);
    for (const [index, change] of this.#changes.entries()) {
      for (const part of partsOf(change, cut, index === this.#changes.length - 1))
        content = applied(content, part);
    }
    return content;
  }
}

/** What of a change is there. */
function partsOf(change: Change, cut: PowerCut, isLast: boolean): Change[] {
  const kept = cut.keepsChange(isLast);
  if (kept === 'none') return [];
  if (kept === 'all') return [change];
  if (change.kind === 'truncate') return kept === 'half' || cut.keepsSector() ? [change] : [];
  const { offset, bytes } = change;
  if (kept === 'half') return [{ ...change, bytes: bytes.subarray(0, bytes.length >> 1) }];
  const parts: Change[] = [];
  for (let start = 0; start < bytes.length;) {
    const end = Math.min(bytes.length, start + SECTOR - ((offset + start) % SECTOR));
    if (cut.keepsSector())
      parts.push({ kind: 'write', offset: offset + start, bytes: bytes.subarray(start, end) });
    start = end;
  }
  return parts;
}

function applied(content: Buffer, change: Change): Buffer {
  if (change.kind === 'truncate') {
    if (change.size <= content.length) return content.subarray(0, change.size);
    return Buffer.concat([content, Buffer.alloc(change.size - content.length)]);
  }
  const end = change.offset + change.bytes.length;
  const target =
    end <= content.length ? content : Buffer.concat([content, Buffer.alloc(end - content.length)]);
  change.bytes.copy(target, change.offset);
  return target;
}
