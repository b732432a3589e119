import type {
  PlannedCompletion,
  PlannedMigration,
  PlannedScript,
  PlannedWork,
  UpgradePlan,
} from '../index.js';
import { section } from './text.js';

/** What would be done, as lines for people. */
export function describePlan(plan: UpgradePlan): string[] {
  const { database, found, upToDate, version, target } = plan;
  const present = found === 'managed' ? `is at version ${version}` : `is ${found}`;
  if (upToDate) return [`"${database}" ${present}: there is nothing to do.`];
  return [
    `"${database}" ${present} and would be at version ${target}.`,
    ...adoptionSections(plan.adopt, plan.complete),
    ...section('To be rolled back, in this order', plan.rollBack.map(scriptInWords)),
    ...section('To be applied, in this order', plan.apply.map(scriptInWords)),
    '',
    'Nothing was changed.',
  ];
}

/** What of a legacy database would be recorded. */
function adoptionSections(
  adopt: readonly PlannedMigration[],
  complete: readonly PlannedCompletion[],
): string[] {
  return [
    ...section(
      'To be adopted, being there already',
      adopt.map(({ filename }) => filename),
    ),
    ...section(
      'To be completed',
      complete.map(({ filename, objects }) => [filename, objects.join(', ')]),
    ),
  ];
}

/** What would be recorded, completed and applied. */
export function workSections({ adoptable, completable, pending }: PlannedWork): string[] {
  return [
    ...adoptionSections(adoptable, completable),
    ...section(
      'Pending',
      pending.map(({ filename, description }) => [filename, description]),
    ),
  ];
}

function scriptInWords(script: PlannedScript): string[] {
  const { description, release, noTransaction, allowLoss, drops } = script;
  const remarks = [
    ...(release === undefined ? [] : [`release ${release}`]),
    ...(noTransaction ? ['outside of a transaction'] : []),
    ...(allowLoss.length === 0 ? [] : [`may lose rows of ${allowLoss.join(', ')}`]),
    ...(drops.length === 0 ? [] : [`drops ${drops.join(', ')}`]),
  ];
  return [script.script, description, remarks.length === 0 ? '' : `(${remarks.join('; ')})`];
}
