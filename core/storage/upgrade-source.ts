import type { DatabaseBridge, DatabaseDriver } from '../database/database-bridge.js';
import { resolveDriver } from '../database/drivers.js';
import { MigrationFileError } from '../errors.js';
import { moduleLogger, type Logger } from '../logger.js';
import { openBundle } from './bundle-opening.js';
import { mergeMigrations } from './code-migrations.js';
import { countedTables, countedTablesIn, type CountedTable } from './database-inventory.js';
import { readDrizzleJournal } from './drizzle-journal.js';
import { historyTableOf, type HistoryTable } from './history-table.js';
import type { LegacyVersions } from './legacy-evidence.js';
import { isBundle, refuseUnlessMigrations } from './migration-bundle.js';
import { contentsOf, digestOf } from './migration-digest.js';
import { readFolder, refuseHistoryWrites, type ReadFolder } from './migration-files.js';
import { replayMigrations, type Replay } from './migration-replay.js';
import type { Migration } from './migration.js';
import { preparedReplay, readPrepared } from './prepared-migrations.js';
import type { Migrations, MigrationSource } from './upgrade-options.js';
import {
  contentsSeal,
  listingSeal,
  readSealedHistory,
  sealContext,
  writeSeal,
  type SealContext,
} from './upgrade-seal.js';

/** The options with every default filled in, and the files read. */
export interface ResolvedSource {
  readonly driver: DatabaseDriver;
  readonly migrations: readonly Migration[];
  readonly legacy: LegacyVersions;
  readonly historyTable: HistoryTable;
  readonly seal: SealContext;
  /** The digest of the migrations, without those in code that stand beside them. */
  readonly digest: string;
  /** The listing of the folder before its files were read; undefined where there is none. */
  readonly listing: string | undefined;
  readonly logger: Logger;
  /**
   * What the migrations make. They are replayed once, when it is first asked for, unless they were when the package was built.
   *
   * @param sqlite which SQLite the database is opened with (`sqliteIdentity`), where that is known
   */
  readonly replayed: (sqlite?: string) => Promise<Replay>;
  /** The names that drizzle keeps beside the files, by the time of the migration; read once, when first asked for. */
  readonly drizzleJournal: () => Promise<ReadonlyMap<string, string>>;
}

/**
 * Reads the files, puts them and the migrations in code into one sequence, and checks the table of legacy versions
 * against it.
 *
 * @throws MigrationFileError when a file, the folder or the table is not as it must be, or two have the same number
 * @throws InvalidOptionError when a migration in code, or the name of the history's table, is not as it must be
 */
export function resolveSource(source: MigrationSource): Promise<ResolvedSource> {
  return new Promise((resolved) => {
    resolved(resolveNow(source));
  });
}

function resolveNow(source: MigrationSource): ResolvedSource {
  const driver = resolveDriver(source.driver);
  const historyTable = historyTableOf(source);
  const prepared =
    typeof source.migrations === 'string' ? readPrepared(source.migrations, historyTable) : undefined;
  const { migrations: files, listing } = prepared ?? migrationsOf(source.migrations, historyTable);
  const code = mergeMigrations(source.code ?? []);
  const migrations = mergeMigrations(files, code);
  const legacy = source.legacy ?? {};
  refuseUnknownVersions(legacy, migrations);
  const seal = sealContext(historyTable, { legacy, code: contentsOf(code) });
  const logger = moduleLogger(source.logger, 'upgrade');
  let replay: Promise<Replay> | undefined;
  const replayed = (sqlite?: string): Promise<Replay> =>
    (replay ??=
      prepared !== undefined && code.length === 0 && sqlite === prepared.sqlite
        ? Promise.resolve(preparedReplay(prepared))
        : replayMigrations({ driver, historyTable }, migrations));
  let journal: Promise<ReadonlyMap<string, string>> | undefined;
  const drizzleJournal = (): Promise<ReadonlyMap<string, string>> =>
    (journal ??= journalOf(source.migrations));
  return {
    driver,
    migrations,
    legacy,
    historyTable,
    seal,
    digest: digestOf(files),
    listing,
    logger,
    replayed,
    drizzleJournal,
  };
}

function migrationsOf(given: Migrations, { name: historyTable }: HistoryTable): ReadFolder {
  refuseUnlessMigrations(given);
  if (typeof given === 'string') return readFolder(given, { historyTable });
  if (isBundle(given)) return { migrations: openBundle(given, { historyTable }), listing: undefined };
  const migrations = mergeMigrations(given);
  // What was read before was perhaps read for a history of another name.
  refuseHistoryWrites(migrations, historyTable);
  return { migrations, listing: undefined };
}

/** Migrations that are values have none beside them. */
async function journalOf(migrations: Migrations): Promise<ReadonlyMap<string, string>> {
  return typeof migrations === 'string' ? readDrizzleJournal(migrations) : new Map();
}

/**
 * Says in the history that nothing is left to do. To be called in the transaction after which that is so.
 *
 * @param lists whether the tables are asked for in the same query: to count their rows is what comes next
 */
export async function sealDatabase(
  db: DatabaseBridge,
  { migrations, historyTable, seal, digest, listing }: ResolvedSource,
  lists: boolean,
): Promise<readonly CountedTable[] | undefined> {
  const tables = lists ? { sql: countedTables, parameters: [historyTable.key] } : undefined;
  const history = await readSealedHistory(db, historyTable, tables);
  const version = migrations.at(-1)?.version ?? 0;
  await writeSeal(db, historyTable, {
    version,
    listing: listing === undefined ? undefined : listingSeal(seal, { version, listing }, history),
    contents: contentsSeal(seal, { version, digest }, history),
  });
  return lists ? countedTablesIn(history.besides) : undefined;
}

function isVersionList(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((version) => Number.isSafeInteger(version));
}

function refuseUnknownVersions(
  legacy: Readonly<Record<string, unknown>>,
  migrations: readonly Migration[],
): void {
  const known = new Set(migrations.map(({ version }) => version));
  for (const [claim, versions] of Object.entries(legacy)) {
    const problem = !/^\d+$/.test(claim)
      ? `"${claim}" is not a user_version`
      : !isVersionList(versions)
        ? `what ${claim} claims is not a list of migration versions`
        : versions.every((version) => known.has(version))
          ? undefined
          : `${claim} claims migration ${versions.filter((version) => !known.has(version)).join(', ')}, and there is no such file`;
    if (problem !== undefined)
      throw new MigrationFileError(
        'BAD_LEGACY_TABLE',
        `The table of legacy versions is wrong: ${problem}.`,
        'legacy',
        undefined,
        {
          hint: 'It maps each user_version to the versions of the files that it claims, such as { "1": [3], "2": [3, 4] }.',
        },
      );
  }
}
