import { UpgradeBridgeError } from '../errors.js';

/** Another tool's history does not fit what is to be recorded of it. */
export function adoptionMismatch(message: string, hint: string, cause?: unknown): UpgradeBridgeError {
  return new UpgradeBridgeError('ADOPTION_MISMATCH', message, {
    hint: `Nothing was changed. ${hint}`,
    cause,
  });
}
