import { UpgradeBridgeError } from '../errors.js';
import { adoptionMismatch } from './adoption-mismatch.js';
import type { ProbedState } from './database-state.js';
import {
  describeHistory,
  standingRows,
  unfinishedWork,
  type OtherHistory,
  type OtherTool,
} from './other-history.js';
import { userVersionHistory } from './other-history-reading.js';
import { listSentences } from './sentence-list.js';
import { foldName } from './sql-tokens.js';
import type { ResolvedSource } from './upgrade-source.js';

/** Which of several histories is meant. */
export interface HistoryChoice {
  /** Undefined for the only one that there is. */
  readonly tool: OtherTool | undefined;
  /** The table that holds it; undefined for the only one. */
  readonly table: string | undefined;
}

/**
 * Finds the history that is to be taken over.
 *
 * @param tool whose it is; undefined for the only one
 * @param table where it is kept; undefined for the only one
 * @throws UpgradeBridgeError ADOPTION_MISMATCH when there is none, or several
 */
export function chooseHistory(
  { others, userVersion }: Exclude<ProbedState, { kind: 'managed' }>,
  { legacy }: ResolvedSource,
  { tool, table }: HistoryChoice,
): OtherHistory {
  const isPlainVersion = userVersion > 0 && Object.keys(legacy).length === 0;
  const isMeant = tool === 'user_version' || others.length === 0;
  const all = isMeant && isPlainVersion ? [userVersionHistory(userVersion)] : others;
  const [history, another] = all.filter(
    (each) =>
      (tool === undefined || each.tool === tool) &&
      (table === undefined || (each.table !== undefined && foldName(each.table) === foldName(table))),
  );
  if (another !== undefined)
    throw adoptionMismatch(
      `Several tools keep a history in the database: ${all.map(describeHistory).join('; ')}.`,
      'Say which one is to be taken over (tool, --tool; table, --table).',
    );
  if (history !== undefined) return history;
  throw adoptionMismatch(
    `There is no history of ${tool ?? 'another tool'} in the ${table === undefined ? 'database' : `table ${table}`}.`,
    'Look at it with "upgrade-bridge status"; what has no history at all is upgraded ("up"), or recorded by its schema ("baseline").',
  );
}

/** @throws UpgradeBridgeError UNFINISHED_HISTORY; ADOPTION_MISMATCH when nothing stands applied in it */
export function refuseUnfinished(history: OtherHistory): void {
  const unfinished = unfinishedWork(history);
  if (unfinished.length > 0)
    throw new UpgradeBridgeError(
      'UNFINISHED_HISTORY',
      `The history of ${describeHistory(history)} is not finished: ${listSentences(unfinished)}.`,
      {
        hint: `Nothing was changed. Finish or undo that work with the program that kept this history first.`,
      },
    );
  if (standingRows(history).length === 0)
    throw adoptionMismatch(
      `Nothing stands applied in the history of ${describeHistory(history)}.`,
      'Where nothing was ever applied, take that table out and upgrade the database ("upgrade-bridge up").',
    );
}
