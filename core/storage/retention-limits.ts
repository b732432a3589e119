import { InvalidOptionError } from '../errors.js';

/** How many backups are kept, and for how long. */
export interface RetentionLimits {
  readonly keepCount?: number | undefined;
  readonly keepDays?: number | undefined;
}

/** @throws InvalidOptionError when a limit cannot be used; call it before an upgrade rather than after */
export function checkRetention(options: RetentionLimits): void {
  const { keepCount, keepDays } = options;
  if (keepCount !== undefined && !(Number.isSafeInteger(keepCount) && keepCount >= 1)) {
    throw new InvalidOptionError(`The number of backups to keep cannot be ${keepCount}.`, {
      hint: 'Give a whole number of 1 or more, or leave it out to keep all.',
    });
  }
  if (keepDays !== undefined && !(Number.isFinite(keepDays) && keepDays > 0)) {
    throw new InvalidOptionError(`Backups cannot be kept for ${keepDays} days.`, {
      hint: 'Give a number of days above 0, or leave it out to keep them for ever.',
    });
  }
}
