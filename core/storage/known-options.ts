import { InvalidOptionError } from '../errors.js';
import { nearestWord } from './nearest-word.js';

/**
 * Refuses options that the called function does not have: one that is misspelt would be ignored without a word.
 *
 * @param caller the function that was called, by its name
 * @param known its options
 * @throws InvalidOptionError that names the option, and the one that was probably meant
 */
export function refuseUnknownOptions(
  caller: string,
  options: unknown,
  known: Readonly<Record<string, true>>,
): void {
  if (typeof options !== 'object' || options === null)
    throw new InvalidOptionError(`${caller} was called without its options.`, {
      hint: `Give an object. The options are ${listed(known)}.`,
    });
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(known, name)) continue;
    const nearest = nearestWord(name, Object.keys(known));
    throw new InvalidOptionError(`${caller} has no option ${JSON.stringify(name)}.`, {
      hint:
        nearest === undefined
          ? `Leave it out. The options are ${listed(known)}.`
          : `Did you mean ${nearest}?`,
    });
  }
}

function listed(known: Readonly<Record<string, true>>): string {
  return Object.keys(known).sort().join(', ');
}
