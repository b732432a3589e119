import { OtherHistoryError } from '../errors.js';
import { anotherName } from './history-table.js';

/** The tools, and kinds of tools, whose histories are known, as options, reports and the names of tables call them. */
export const otherTools = [
  'knex',
  'umzug',
  'drizzle',
  'prisma',
  'rails',
  'dbmate',
  'golang_migrate',
  'flyway',
  'sqlite',
  'sibling',
  'files',
  'releases',
  'user_version',
] as const;

export type OtherTool = (typeof otherTools)[number];

/** How a migration stands, by one row of another tool's history. */
export type RowState =
  | { readonly kind: 'applied' }
  /** Undone, taken out, or never a migration: the row is passed over. */
  | { readonly kind: 'void' }
  /** An attempt that was given up: it says nothing of the others at the same migration. */
  | { readonly kind: 'given up' }
  /** Begun and not ended well, or something that nobody here can tell. */
  | { readonly kind: 'unfinished'; readonly reason: string };

/** One row of another tool's history, every value as text. */
export interface OtherRow {
  /** What the tool itself calls the migration. */
  readonly label: string;
  /** The migration's name, perhaps with its number before it and an ending behind; undefined where the tool keeps none. */
  readonly name: string | undefined;
  /** A number or a release; undefined where the tool keeps none. */
  readonly version: string | undefined;
  readonly checksum: string | undefined;
  /** As the tool writes it. */
  readonly appliedAt: string | undefined;
  readonly state: RowState;
  /** Whether the row speaks of one migration, or of every one up to its version. */
  readonly reach: 'one' | 'up to';
}

/** A history that another tool keeps in the database. */
export interface OtherHistory {
  readonly tool: OtherTool;
  /** The tool as people call it. */
  readonly title: string;
  /** Undefined where `PRAGMA user_version` is all that there is. */
  readonly table: string | undefined;
  /** What else the tool keeps: a lock, data about data. */
  readonly companions: readonly string[];
  /** In the tool's own order, the newest last. */
  readonly rows: readonly OtherRow[];
  /** Whether the tool knows its migrations by their place, and keeps their names outside of the database. */
  readonly inOrder: boolean;
  /** Whether the tool holds its own lock, or was stopped while it did. */
  readonly locked: boolean;
}

/** What `status` tells of another tool's history. */
export interface OtherHistorySummary {
  readonly tool: OtherTool;
  readonly title: string;
  readonly table: string | undefined;
  readonly rows: number;
  /** What the tool calls its newest migration. */
  readonly newest: string | undefined;
  /** Why it cannot be taken over as it is, as sentences. */
  readonly unfinished: readonly string[];
}

/** The newest row of each migration: what came later decides. */
function newestRows({ rows }: OtherHistory): OtherRow[] {
  const newest = new Map<string, OtherRow>();
  for (const row of rows) {
    if (row.state.kind === 'given up') continue;
    const key = row.version ?? row.name ?? row.label;
    newest.delete(key);
    newest.set(key, row);
  }
  return [...newest.values()];
}

/** The rows of the migrations that stand applied. */
export function standingRows(history: OtherHistory): OtherRow[] {
  return newestRows(history).filter(({ state }) => state.kind === 'applied');
}

/** Everything that is half-done in a history, as sentences. */
export function unfinishedWork(history: OtherHistory): string[] {
  return [
    ...(history.locked
      ? [`${history.title} holds its lock (${history.companions.join(', ')}), or was stopped while it did`]
      : []),
    ...newestRows(history).flatMap(({ label, state }) =>
      state.kind === 'unfinished' ? [`${label} ${state.reason}`] : [],
    ),
  ];
}

export function summarise(history: OtherHistory): OtherHistorySummary {
  const { tool, title, table, rows } = history;
  return {
    tool,
    title,
    table,
    rows: rows.length,
    newest: standingRows(history).at(-1)?.label,
    unfinished: unfinishedWork(history),
  };
}

/** `knex, in the table knex_migrations (3 rows, the newest 003_tags.js)`. */
export function describeHistory(history: OtherHistory): string {
  const { title, table, rows } = history;
  const newest = standingRows(history).at(-1)?.label;
  if (table === undefined) return `${title} (${newest ?? 'none'})`;
  const count = `${rows.length} ${rows.length === 1 ? 'row' : 'rows'}`;
  return `${title}, in the table ${table} (${count}${newest === undefined ? '' : `, the newest ${newest}`})`;
}

/**
 * Says that another tool keeps the history, which nobody has asked to take over.
 *
 * @param occupied whether something else stands under the name of our history
 */
export function otherHistory(other: OtherHistory, occupied: boolean): OtherHistoryError {
  return new OtherHistoryError(
    `The history of this database is kept by ${describeHistory(other)}.`,
    other.title,
    other.table,
    {
      hint: `Nothing was changed. If it is a database of this program, see with "upgrade-bridge adopt --dry-run" what taking its history over would record, and do so with "upgrade-bridge adopt" (adoptHistory, or the option adopt of an upgrade).${
        other.table === undefined
          ? ' If old releases gave their numbers another meaning than that of the files, say which (the option legacy, --legacy FILE).'
          : ''
      }${
        occupied ? ` If that table is of another program that shares the file, ${anotherName}.` : ''
      } Otherwise check the path.`,
    },
  );
}
