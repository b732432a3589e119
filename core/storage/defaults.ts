/** How long a process waits for another one's upgrade unless it is told otherwise, in milliseconds. */
export const defaultLockWaitMs = 60_000;

/** How long a reader that changes nothing waits for a program that lets nobody read, in milliseconds, unless told otherwise. */
export const defaultReadWaitMs = 5_000;

/**
 * How long SQLite itself waits for the lock of another connection, in milliseconds: a longer wait is made of several of
 * these, so that a stop is noticed between two of them.
 */
export const shortWaitMs = 250;

/** Copies up to this size are held against all their indexes (integrity_check), larger ones only looked through. */
export const defaultFullCheckBytes = 1024 ** 3;
