import type { DatabaseBridge } from '../database/database-bridge.js';
import { userVersionFor, type DatabaseState, type ProbedState } from './database-state.js';
import { findTampering } from './history-chain.js';
import type { HistoryTable } from './history-table.js';

/**
 * Finds every sign that a history was changed by hand: in its rows, also where all of them are gone, and in a user_version
 * that is ahead of what stands applied, as it is where the last row was taken out.
 *
 * @returns a sentence a sign
 */
export async function findSigns(
  db: DatabaseBridge,
  table: HistoryTable,
  state: DatabaseState | ProbedState,
): Promise<string[]> {
  const found = await findTampering(db, table);
  if (state.kind === 'managed' && state.userVersion > userVersionFor(state.applied))
    found.push(
      `user_version is ${state.userVersion}, and what stands applied makes it ${userVersionFor(state.applied)}`,
    );
  return found;
}
