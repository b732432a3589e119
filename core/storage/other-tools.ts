import type { OtherRow, OtherTool, RowState } from './other-history.js';
import { timeOf } from './other-times.js';

/** A row as text; NULL is undefined. */
export type TextRow = Readonly<Record<string, string | undefined>>;

/** How one tool keeps its history. */
export interface HistoryForm {
  readonly tool: OtherTool;
  /** The tool as people call it. */
  readonly title: string;
  /** The columns that the table has, in any order; these and no others. */
  readonly columns: readonly string[];
  /** Columns that some releases of the tool add. */
  readonly perhaps?: readonly string[];
  /** Whether the columns alone tell it. Otherwise the table must also be named as one of migrations. */
  readonly telling: boolean;
  /** The columns by which the rows are in order, the oldest first. */
  readonly order: readonly string[];
  /** A table that stands beside it: without that one, the same columns are another tool's. */
  readonly beside?: string;
  /** Whether the tool knows its migrations by their place, and keeps their names outside of the database. */
  readonly inOrder?: true;
  /** The table that holds the tool's lock in its column is_locked. */
  readonly lock?: (table: string) => string;
  readonly read: (row: TextRow) => Partial<OtherRow> & Pick<OtherRow, 'label'>;
}

const applied: RowState = { kind: 'applied' };
const none: RowState = { kind: 'void' };
const givenUp: RowState = { kind: 'given up' };
const unfinished = (reason: string): RowState => ({ kind: 'unfinished', reason });
const isTrue = (value: string | undefined): boolean => /^(1|t|true|y|yes)$/i.test(value ?? '');

/** "Prisma Migrate": a failed migration has no end, until it is resolved as rolled back or applied. */
function prismaState({ finished_at, rolled_back_at, started_at }: TextRow): RowState {
  if (rolled_back_at !== undefined) return givenUp;
  return finished_at === undefined
    ? unfinished(`was begun at ${started_at ?? 'an unknown time'} and not finished`)
    : applied;
}

/** "Flyway schema history table": undoing, deleting and the making of a schema are rows of their own. */
function flywayState({ success, type = '' }: TextRow): RowState {
  if (!isTrue(success)) return unfinished('is marked as failed');
  return /^(UNDO|DELETE|SCHEMA)/.test(type) ? none : applied;
}

function releaseState({ status = '' }: TextRow): RowState {
  switch (status.toLowerCase()) {
    case 'applied':
      return applied;
    case 'pending':
    case 'rolled_back':
      return none;
    case 'failed':
      return unfinished('is marked as failed');
    default:
      return unfinished(`has the status "${status}", which is not known`);
  }
}

/** Every form of a history that is known. Of two with the same columns, the one that names a table beside it is meant where that is there. */
export const historyForms: readonly HistoryForm[] = [
  {
    tool: 'knex',
    title: 'knex',
    columns: ['id', 'name', 'batch', 'migration_time'],
    telling: true,
    order: ['id'],
    lock: (table) => `${table}_lock`,
    read: ({ name = '', migration_time: appliedAt }) => ({ label: name, name, appliedAt }),
  },
  {
    tool: 'umzug',
    title: 'umzug or Sequelize',
    columns: ['name'],
    perhaps: ['createdat', 'updatedat'],
    telling: false,
    order: ['name'],
    read: ({ name = '', createdat: appliedAt }) => ({ label: name, name, appliedAt }),
  },
  {
    tool: 'drizzle',
    title: 'drizzle',
    columns: ['id', 'hash', 'created_at'],
    perhaps: ['name', 'applied_at'],
    telling: false,
    order: ['created_at'],
    inOrder: true,
    read: ({ hash, created_at: version, name, applied_at: appliedAt }) => ({
      label: name ?? `the migration of ${timeOf(version) ?? 'an unknown time'}`,
      name,
      version,
      checksum: hash,
      appliedAt,
    }),
  },
  {
    tool: 'prisma',
    title: 'Prisma',
    columns: [
      'id',
      'checksum',
      'finished_at',
      'migration_name',
      'logs',
      'rolled_back_at',
      'started_at',
      'applied_steps_count',
    ],
    telling: true,
    order: ['started_at', 'migration_name'],
    read: (row) => ({
      label: row.migration_name ?? '',
      name: row.migration_name,
      checksum: row.checksum,
      appliedAt: row.finished_at,
      state: prismaState(row),
    }),
  },
  {
    tool: 'dbmate',
    title: 'dbmate',
    columns: ['version'],
    telling: false,
    order: ['version'],
    read: ({ version = '' }) => ({ label: version, version }),
  },
  {
    tool: 'rails',
    title: 'Rails',
    columns: ['version'],
    telling: false,
    beside: 'ar_internal_metadata',
    order: ['version'],
    read: ({ version = '' }) => ({ label: version, version }),
  },
  {
    tool: 'golang_migrate',
    title: 'golang-migrate',
    columns: ['version', 'dirty'],
    telling: false,
    order: ['version'],
    read: ({ version = '', dirty }) => ({
      label: `version ${version}`,
      version,
      reach: 'up to',
      state: isTrue(dirty) ? unfinished('is marked dirty: it was begun and did not end well') : applied,
    }),
  },
  {
    tool: 'flyway',
    title: 'Flyway',
    columns: [
      'installed_rank',
      'version',
      'description',
      'type',
      'script',
      'checksum',
      'installed_by',
      'installed_on',
      'execution_time',
      'success',
    ],
    telling: true,
    order: ['installed_rank'],
    read: (row) => {
      const isBaseline = row.type?.endsWith('BASELINE') === true;
      return {
        label: isBaseline ? `the baseline ${row.version ?? ''}` : (row.script ?? ''),
        // V1_2__create_users.sql: the version stands in a column of its own.
        name: isBaseline ? undefined : row.script?.replace(/^(.*[/.])?[A-Z][\d._]*__/, ''),
        version: row.version?.replaceAll('_', '.'),
        checksum: row.checksum,
        appliedAt: row.installed_on,
        state: flywayState(row),
        reach: isBaseline ? 'up to' : 'one',
      };
    },
  },
  {
    tool: 'sqlite',
    title: 'the package sqlite or better-sqlite3-helper',
    columns: ['id', 'name', 'up', 'down'],
    telling: false,
    order: ['id'],
    read: ({ id, name = '' }) => ({ label: `${id ?? ''} ${name}`.trim(), name, version: id }),
  },
  {
    tool: 'sibling',
    title: 'a sibling of this tool that keeps no checksums',
    columns: ['version', 'name', 'applied_at'],
    perhaps: ['id'],
    telling: false,
    order: ['version'],
    read: ({ version = '', name, applied_at: appliedAt }) => ({
      label: `${version} ${name ?? ''}`.trim(),
      name,
      version,
      appliedAt,
    }),
  },
  {
    tool: 'files',
    title: 'a runner that keeps file names and checksums',
    columns: ['filename', 'checksum', 'applied_at'],
    perhaps: ['id'],
    telling: false,
    order: ['applied_at', 'filename'],
    read: ({ filename = '', checksum, applied_at: appliedAt }) => ({
      label: filename,
      name: filename,
      checksum,
      appliedAt,
    }),
  },
  {
    tool: 'releases',
    title: 'a runner that keeps releases',
    columns: ['version', 'description', 'applied_at', 'checksum', 'execution_time_ms', 'status'],
    perhaps: ['id'],
    telling: false,
    order: ['applied_at', 'version'],
    read: (row) => ({
      label: `release ${row.version ?? ''}`,
      version: row.version,
      checksum: row.checksum,
      appliedAt: row.applied_at,
      state: releaseState(row),
    }),
  },
];

/** The forms that a table with these columns may be, whatever its name. */
export function formsOf(columns: readonly string[]): HistoryForm[] {
  const found = new Set(columns);
  return historyForms.filter(
    ({ columns: wanted, perhaps = [] }) =>
      wanted.every((name) => found.has(name)) &&
      columns.every((name) => wanted.includes(name) || perhaps.includes(name)),
  );
}

/** Whether a table is named as one of migrations: by the tool itself or by one who set the name. */
export function isNamedAsHistory(table: string): boolean {
  return /migrat|sequelizemeta|umzug|drizzle/i.test(table);
}
