import { basename } from 'node:path';

import type { DatabaseBridge } from '../database/database-bridge.js';
import { DatabaseError, messageOf, UpgradeBridgeError } from '../errors.js';
import { InjectedFailure } from '../storage/injected-bridge.js';

/**
 * An error that says nothing of where a connection leads: our own, unless it or what caused it names the place. Everything
 * else that a bridge throws could, and is replaced.
 */
export function withoutConnection(error: unknown, { location }: DatabaseBridge): UpgradeBridgeError {
  const names = [location, basename(location)].filter((name) => name !== '' && name !== ':memory:');
  const tells = textsOf(error).some((text) => names.some((name) => text.includes(name)));
  if (isOurs(error) && !tells && !isInjected(error)) return error;
  return new DatabaseError(
    'The history could not be used: its connection failed.',
    error instanceof DatabaseError ? error.sqliteCode : 'SQLITE_ERROR',
    {
      hint: 'What the connection said is left out, because it may tell where the database is. Use the connection by itself to see it.',
    },
  );
}

/** Whether the words are those of a connection that is not ours, which may tell anything. */
function isInjected(error: unknown): boolean {
  return error instanceof InjectedFailure || (error instanceof Error && isInjected(error.cause));
}

function isOurs(error: unknown): error is UpgradeBridgeError {
  return error instanceof UpgradeBridgeError;
}

/** What an error says, and what is said by all that caused it. */
function textsOf(error: unknown): string[] {
  if (!(error instanceof Error)) return [messageOf(error)];
  const hint = isOurs(error) ? [error.hint] : [];
  return [error.message, ...hint, ...(error.cause === undefined ? [] : textsOf(error.cause))];
}
