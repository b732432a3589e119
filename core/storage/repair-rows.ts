import type { ManagedState } from './database-state.js';
import { attemptAt, type AppliedMigration, type Attempt, type AttemptDetails } from './history-row.js';
import type { Migration } from './migration.js';

/** The rows that a repair adds to the history: one for each migration that it concerns, with what was done. */
export class RepairRows {
  private readonly notes = new Map<number, string[]>();
  private readonly completed = new Map<number, string[]>();

  /**
   * @param state the history as it is
   * @param standing the migrations that stand applied afterwards, by version
   */
  constructor(
    private readonly state: ManagedState,
    private readonly standing: readonly Migration[],
  ) {}

  /** Writes a sentence into the row of a migration. */
  note(version: number, sentence: string): void {
    this.notes.set(version, [...(this.notes.get(version) ?? []), sentence]);
  }

  /** Writes an object that is added or given its right form into the row of the migration that makes it. */
  complete(version: number, label: string): void {
    this.completed.set(version, [...(this.completed.get(version) ?? []), label]);
  }

  /** Writes a sentence about the database as a whole, into the row of the newest migration. */
  noteDatabase(sentence: string): void {
    const newest = this.standing.at(-1) ?? this.state.history.at(-1);
    if (newest !== undefined) this.note(newest.version, sentence);
  }

  /** The rows: first what does not stand afterwards, the newest first, then what does. */
  attempts(): Attempt[] {
    const concerned = new Set([...this.notes.keys(), ...this.completed.keys()]);
    const standing = this.standing.filter(({ version }) => concerned.has(version));
    const files = new Set(standing.map(({ version }) => version));
    const undone = [...concerned].filter((version) => !files.has(version)).sort((a, b) => b - a);
    return [
      ...undone.flatMap((version) => {
        const row = this.state.history.findLast((each) => each.version === version);
        return row === undefined ? [] : [this.undone(row)];
      }),
      ...standing.map((migration) =>
        attemptAt(migration, {
          status: 'applied',
          origin: 'repaired',
          executionTimeMs: 0,
          details: this.detailsOf(migration.version),
        }),
      ),
    ];
  }

  private undone({ version, filename, description, checksum, release }: AppliedMigration): Attempt {
    return {
      version,
      filename,
      description,
      checksum,
      release,
      appliedAt: new Date().toISOString(),
      executionTimeMs: 0,
      status: 'rolled_back',
      origin: 'repaired',
      details: this.detailsOf(version),
      texts: { up: undefined, down: undefined },
    };
  }

  private detailsOf(version: number): AttemptDetails {
    const completed = this.completed.get(version);
    const notes = this.notes.get(version);
    return { ...(completed === undefined ? {} : { completed }), ...(notes === undefined ? {} : { notes }) };
  }
}
