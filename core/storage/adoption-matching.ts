import { MigrationFailedError } from '../errors.js';
import { adoptionMismatch } from './adoption-mismatch.js';
import { changesSchema, findBaseline } from './baseline-evidence.js';
import { matchHistory, type Match } from './history-matching.js';
import { replayMigrations, type Replay, type ReplayStep } from './migration-replay.js';
import type { Migration } from './migration.js';
import { standingRows, type OtherHistory } from './other-history.js';
import type { SchemaSnapshot } from './schema-snapshot.js';
import { listSentences } from './sentence-list.js';
import type { ResolvedSource } from './upgrade-source.js';

/** Replays files once for both looks at the database. */
export class Replays {
  private readonly known = new Map<string, Promise<Replay>>();

  of(source: ResolvedSource, migrations: readonly Migration[]): Promise<Replay> {
    const key = migrations.map(({ version }) => version).join();
    const replay = this.known.get(key) ?? replayMigrations(source, migrations);
    this.known.set(key, replay);
    return replay;
  }
}

/** The file of each row; where names and numbers tell nothing of the files, by their place and the schema. */
export async function matchFiles(
  history: OtherHistory,
  live: SchemaSnapshot,
  source: ResolvedSource,
  journal: ReadonlyMap<string, string>,
  replays: Replays,
): Promise<readonly Match[]> {
  const { migrations } = source;
  const { matches, unmatched } = matchHistory(history, migrations, journal);
  if (unmatched.length === 0) return matches;
  if (matches.length === 0 || history.inOrder) {
    const { steps } = await replays.of(source, migrations);
    const placed = matchInOrder(history, live, steps);
    const isHeld = ({ migration, row }: Match): boolean =>
      placed.some((place) => place.migration === migration && place.row.label === row.label);
    if (placed.length > 0 && matches.every(isHeld)) return placed;
  }
  const matched = new Set(matches.map(({ migration }) => migration.version));
  const left = migrations.filter(({ version }) => !matched.has(version)).map(({ filename }) => filename);
  throw adoptionMismatch(
    `Of what ${history.title} has applied, not everything is among the files: ${listSentences(unmatched)}. ` +
      (left.length === 0 ? 'Every file belongs to another row.' : `Files without a row: ${left.join(', ')}.`),
    'Give the files the names, the numbers or the releases that the rows have, and put those back that are missing.',
  );
}

/**
 * As many of the first files as there are rows, where the schema shows that these were carried out and no more. Files
 * that change data only show nothing: of them the number of rows tells.
 *
 * Pure.
 */
function matchInOrder(
  history: OtherHistory,
  live: SchemaSnapshot,
  steps: readonly ReplayStep[],
): readonly Match[] {
  const rows = standingRows(history);
  const [first] = rows;
  // A row that speaks of every migration up to its version counts none.
  if (history.table !== undefined && rows.some(({ reach }) => reach === 'up to')) return [];
  const count = history.table === undefined ? Number(first?.version) : rows.length;
  const shown = findBaseline(live, steps);
  const isShown = shown > 0 && shown <= count && !steps.slice(shown, count).some(changesSchema);
  if (!isShown || count > steps.length) return [];
  return steps.slice(0, count).flatMap(({ migration }, index) => {
    const row = history.table === undefined ? first : rows[index];
    return row === undefined ? [] : [{ migration, row, by: 'order' as const }];
  });
}

/**
 * What the files make that another tool has applied.
 *
 * @throws UpgradeBridgeError (ADOPTION_MISMATCH) when they do not run without others
 */
export async function replayClaimed(
  history: OtherHistory,
  source: ResolvedSource,
  claimed: readonly Migration[],
  replays: Replays,
): Promise<Replay> {
  try {
    return await replays.of(source, claimed);
  } catch (error) {
    if (!(error instanceof MigrationFailedError)) throw error;
    throw adoptionMismatch(
      `The files that ${history.title} has applied do not run one after the other on an empty database. ${error.message}`,
      'A file that they build on has no row, or a row has another file than it was meant to.',
      error,
    );
  }
}
