import { InterruptedError, LockedError } from '../errors.js';

const whereItStands = 'Open the database again: the upgrade continues where it stands.';

/** Somebody asked for the upgrade to stop. */
export function interrupted(signal: AbortSignal): InterruptedError {
  return new InterruptedError(
    'The upgrade was stopped on request: every finished step stays, an unfinished one was rolled back.',
    { hint: whereItStands, cause: signal.reason },
  );
}

/** The lock was taken over while this process gave no sign of life. */
export function lockLost(): LockedError {
  return new LockedError(
    'LOCK_LOST',
    'Another process took the upgrade over, because this one gave no sign of life for too long.',
    { hint: `What was applied stays. ${whereItStands}` },
  );
}

/** Another connection did not let go of SQLite's own lock in time. */
export function keptBusy(path: string, waitMs: number, cause: unknown): LockedError {
  return new LockedError('LOCKED', `Another program kept "${path}" busy for ${waitMs} ms.`, {
    hint: 'Find out what holds a transaction open on it, or wait longer (lockWaitMs, --lock-wait).',
    cause,
  });
}
