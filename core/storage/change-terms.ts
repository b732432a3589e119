import type { AllowedLoss } from './migration-guards.js';
import type { Goal } from './migration-plan.js';

/** What a change of a database may do beyond what every upgrade may. */
export interface ChangeTerms {
  readonly goal: Goal;
  readonly lossAllowed: AllowedLoss;
  readonly undoFromHistory: boolean;
}

const upwards: ChangeTerms = { goal: { kind: 'newest' }, lossAllowed: false, undoFromHistory: false };

/** What every upgrade may do: up to the newest migration, or to an older one. */
export function upTo(version: number | undefined): ChangeTerms {
  return version === undefined ? upwards : { ...upwards, goal: { kind: 'up', to: version } };
}
