import type { DatabaseBridge } from '../database/database-bridge.js';
import { chooseHistory, refuseUnfinished, type HistoryChoice } from './adoption-choice.js';
import { matchFiles, replayClaimed, type Replays } from './adoption-matching.js';
import { adoptionMismatch } from './adoption-mismatch.js';
import { changesSchema, evidenceOf, misfits, unrecordedWork } from './baseline-evidence.js';
import { probeDatabase, userVersionFor, type ManagedState } from './database-state.js';
import type { HistoryChange } from './history-change.js';
import { isChanged, type Match, type MatchKind } from './history-matching.js';
import { attemptAt, type Attempt } from './history-row.js';
import type { ReplayStep } from './migration-replay.js';
import type { Migration } from './migration.js';
import type { OtherHistory } from './other-history.js';
import { instantOf } from './other-times.js';
import { readSchema, type SchemaSnapshot } from './schema-snapshot.js';
import { listSentences } from './sentence-list.js';
import { planRenaming, renameTable, type Renaming } from './table-renaming.js';
import type { ResolvedSource } from './upgrade-source.js';

/** A file that an adoption records, with the row that it belongs to and what shows that it was carried out. */
export interface AdoptedFile {
  readonly version: number;
  readonly filename: string;
  /** What the other tool calls it. */
  readonly row: string;
  /** When the other tool applied it, as far as it wrote that down, in its own form. */
  readonly appliedAt: string | undefined;
  readonly by: MatchKind;
  /** What is there of it, or not there any more; empty where a later file took all of it away, too. */
  readonly evidence: readonly string[];
  /** Whether it changes data only, so that nothing can be seen of it. */
  readonly assumed: boolean;
  /** Whether the other tool kept a checksum, and it is not that of the file. */
  readonly changed: boolean;
}

/** What somebody wants to be taken over. */
export interface AdoptionWishes extends HistoryChoice {
  readonly acceptDifferences: boolean;
  /** The names that drizzle keeps in its journal, by the time of the migration. */
  readonly journal: ReadonlyMap<string, string>;
}

/** An adoption that was decided: what is to be recorded, and what becomes of the other tool's table. */
export interface Adoption extends HistoryChange {
  /** Undefined where the database has a history of ours, and nothing is to be done. */
  readonly history: OtherHistory | undefined;
  /** The new name of a table of another tool that bears the name of our history. */
  readonly renamed: Renaming | undefined;
  readonly files: readonly AdoptedFile[];
  readonly pending: readonly string[];
  /** In what the schema is not what the recorded files make, or has of others already, as sentences. */
  readonly differences: readonly string[];
}

/**
 * Decides what taking over another tool's history is to record. Changes nothing.
 *
 * @throws UpgradeBridgeError UNFINISHED_HISTORY, ADOPTION_MISMATCH
 * @throws ForeignDatabaseError when something unknown stands where our history should be
 */
export async function decideAdoption(
  db: DatabaseBridge,
  source: ResolvedSource,
  wishes: AdoptionWishes,
  replays: Replays,
): Promise<Adoption> {
  const { historyTable, migrations } = source;
  const probed = await probeDatabase(db, historyTable);
  if (probed.kind === 'managed') return nothingToDo(probed);
  const history = chooseHistory(probed, source, wishes);
  refuseUnfinished(history);
  const renamed = await planRenaming(db, historyTable);
  const live = await readSchema(db, historyTable);
  const matches = await matchFiles(history, live, source, wishes.journal, replays);
  const claimed = matches.map(({ migration }) => migration);
  const { steps } = await replayClaimed(history, source, claimed, replays);
  if (history.table === undefined) refuseStranger(live, steps);
  const lacking = misfits(live, steps);
  const { steps: all } = await replays.of(source, migrations);
  const begun = unrecordedWork(live, all, steps);
  if (!wishes.acceptDifferences) refuseDifferences(history, lacking, begun);
  const differences = [...lacking, ...begun];
  const recorded = matches.map((found, index) => {
    const file = adoptedFile(found, matches, steps[index], live);
    return { file, attempt: attemptFor(found.migration, history, file) };
  });
  const versions = new Set(claimed.map(({ version }) => version));
  return {
    // The name of a copy has letters only.
    from: history.tool.replaceAll('_', ''),
    mend: async () => {
      if (renamed !== undefined) await renameTable(db, renamed);
      return [];
    },
    rechain: false,
    attempts: recorded.map(({ attempt }) => attempt),
    tolerated: (_before, { violations }) => (violations.length === 0 ? undefined : violations),
    standing: claimed.map(({ version }) => version),
    userVersion: { found: probed.userVersion, set: userVersionFor(claimed) },
    history,
    renamed,
    files: recorded.map(({ file }) => file),
    pending: migrations.filter(({ version }) => !versions.has(version)).map(({ filename }) => filename),
    differences,
  };
}

/** A number alone, without one table of the files, says nothing of them. */
function refuseStranger(live: SchemaSnapshot, steps: readonly ReplayStep[]): void {
  if (steps.some(({ after }) => [...after.tables.keys()].some((name) => live.tables.has(name)))) return;
  throw adoptionMismatch(
    'The number in user_version tells nothing of the files: the database has no table that they make.',
    'Check the path: it is the database of another program.',
  );
}

function refuseDifferences(
  { title }: OtherHistory,
  lacking: readonly string[],
  begun: readonly string[],
): void {
  if (lacking.length + begun.length === 0) return;
  const messages = [
    ...(lacking.length === 0
      ? []
      : [
          `The database does not hold what the files make that ${title} has applied: ${listSentences(lacking)}.`,
        ]),
    ...(begun.length === 0
      ? []
      : [`The database holds what files make that ${title} has not recorded: ${listSentences(begun)}.`]),
  ];
  const hints = [
    ...(lacking.length === 0 ? [] : ['Correct the files so that they make what is there.']),
    ...(begun.length === 0
      ? []
      : [
          'A file that is not recorded is run by the next upgrade: undo what is there of it, or finish it with the program that kept this history.',
        ]),
    'Differences that do not matter can be accepted (acceptDifferences, --accept-differences).',
  ];
  throw adoptionMismatch(messages.join(' '), hints.join(' '));
}

function nothingToDo({ applied, userVersion }: ManagedState): Adoption {
  return {
    from: 'managed',
    mend: () => Promise.resolve([]),
    rechain: false,
    attempts: [],
    tolerated: () => undefined,
    standing: applied.map(({ version }) => version),
    userVersion: { found: userVersion, set: userVersion },
    history: undefined,
    renamed: undefined,
    files: [],
    pending: [],
    differences: [],
  };
}

function adoptedFile(
  found: Match,
  matches: readonly Match[],
  step: ReplayStep | undefined,
  live: SchemaSnapshot,
): AdoptedFile {
  const { migration, row, by } = found;
  return {
    version: migration.version,
    filename: migration.filename,
    row: row.label,
    appliedAt: row.appliedAt,
    by,
    evidence: step === undefined ? [] : evidenceOf(step, live),
    assumed: step !== undefined && !changesSchema(step),
    changed: isChanged(found, matches),
  };
}

function attemptFor(migration: Migration, { title }: OtherHistory, file: AdoptedFile): Attempt {
  const { row, appliedAt, by, changed } = file;
  const attempt = attemptAt(migration, {
    status: 'applied',
    origin: 'adopted',
    executionTimeMs: 0,
    details: {
      notes: [
        `${title} recorded it as ${row}${appliedAt === undefined ? '' : ` at ${appliedAt}`}`,
        `matched by ${by}`,
        ...(changed ? ['the checksum kept there is not that of the file'] : []),
      ],
    },
  });
  return { ...attempt, appliedAt: instantOf(appliedAt) ?? attempt.appliedAt };
}
