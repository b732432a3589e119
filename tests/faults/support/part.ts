/** How much of the whole a run does, and where. */
export interface Settings {
  /** Every how many cases one is done: 1 does them all. */
  readonly stride: number;
  /** An empty folder of this check, on a file system in memory where there is one. */
  readonly folder: string;
  /** A folder for what several checks of a run need; empty at first. */
  readonly shared: string;
}

/** What a check came to. */
export interface Finding {
  /** What was done and how often, in a few words. */
  readonly figures: string;
  /** A sentence for each case that is not as it must be. */
  readonly failures: readonly string[];
}

/** Something that a check cannot do without: the reason why it is missing here, or undefined. */
export type Need = () => string | undefined;

/** One promise, tried in many cases. */
export interface Check {
  readonly name: string;
  readonly needs?: readonly Need[];
  run(settings: Settings): Promise<Finding>;
}

/** The checks of one kind of fault. */
export interface Part {
  readonly name: string;
  readonly checks: readonly Check[];
  /** The same cases with the protection turned off: each must find failures, or the checks would find none either. */
  readonly controls: readonly Check[];
}

/** Every `stride`th of a list, the first and the last included. */
export function everyNth<Item>(items: readonly Item[], stride: number): Item[] {
  return items.filter((_, index) => index % stride === 0 || index === items.length - 1);
}
