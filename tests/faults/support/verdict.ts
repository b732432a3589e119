import type { Scenario } from './scenario.js';

/** A database that was left by a process or by a power cut, and what had been said before. */
export interface Remains {
  readonly path: string;
  /** The place in the scenario's states that was reported as reached. */
  readonly state: number;
  /** How many worlds were reported as saved. */
  readonly saved: number;
  readonly backedUp: boolean;
  /** Whether the upgrade is to be completed; otherwise the database is only looked at. */
  readonly complete: boolean;
}

/** What another process found. */
export interface Verdict {
  /** What is not as it must be; empty where all is well. */
  readonly problems: readonly string[];
  /** The name of the state in which the database was found. */
  readonly found: string;
  /** How long the library took to open it, in milliseconds. */
  readonly openMs: number;
}

export type ScenarioFacts = Pick<Scenario, 'states' | 'journal' | 'backup' | 'database'>;

export function isVerdict(value: unknown): value is Verdict {
  return (
    typeof value === 'object' &&
    value !== null &&
    'problems' in value &&
    Array.isArray(value.problems) &&
    'found' in value &&
    typeof value.found === 'string' &&
    'openMs' in value &&
    typeof value.openMs === 'number'
  );
}

export function isRemains(value: unknown): value is Remains {
  return typeof value === 'object' && value !== null && 'path' in value && 'complete' in value;
}

export function isScenarioFacts(value: unknown): value is ScenarioFacts {
  return typeof value === 'object' && value !== null && 'states' in value && 'backup' in value;
}
