/** What one sample does, once everything before it is done. */
export interface Sample {
  /** The measured section. */
  run(): Promise<void>;
  /** @throws when the state that the section left is not the one that it must leave */
  verify(): Promise<void>;
  /** What the section noticed besides time and memory, by name. */
  figures?(): Readonly<Record<string, number>>;
}

/** Work that several contestants do in turn. */
export interface Workload {
  readonly name: string;
  readonly title: string;
  /** The contestants by name; the first is the limit. */
  readonly contestants: readonly string[];
  /** Whether the delay of the event loop is watched, which costs a timer a millisecond. */
  readonly watchesLoop?: boolean;
  /** How often each contestant takes its turn, where that is not the usual number. */
  readonly rounds?: number;
  /** How many units of work a sample has, to tell the cost of one. */
  readonly units?: number;
  /** Beside whose samples those of a contestant are held, where it is not the first's: the limit with the same cut. */
  readonly limits?: Readonly<Record<string, string>>;
  /** Whose template a contestant starts from, where it is not its own. */
  readonly templates?: Readonly<Record<string, string>>;
  /** Makes, in a process of its own and once, what every sample of a contestant starts from. */
  readonly makeTemplate?: (contestant: string, folder: string) => Promise<void>;
  /**
   * Prepares one sample, in a process of its own.
   *
   * @param template where `makeTemplate` was
   * @param folder an empty folder of the sample
   */
  readonly prepare: (contestant: string, template: string, folder: string) => Promise<Sample>;
}

/** What a sample's process found. */
export interface Measurement {
  readonly ms: number;
  /** The most memory that the process had during the section, above what it had before, in MiB. */
  readonly memoryMiB: number;
  /** The most memory that the process had during the section, in MiB. */
  readonly peakMiB: number;
  /** The longest time that the event loop was kept from its work, in milliseconds; where it was watched. */
  readonly loopMs?: number;
  readonly figures: Readonly<Record<string, number>>;
}
