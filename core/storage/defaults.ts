/** How long a process waits for another one's upgrade unless it is told otherwise, in milliseconds. */
export const defaultLockWaitMs = 60_000;

/** Copies up to this size are held against all their indexes (integrity_check), larger ones only looked through. */
export const defaultFullCheckBytes = 1024 ** 3;
