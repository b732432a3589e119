import type { DatabaseBridge } from '../database/database-bridge.js';
import { isSqliteError, messageOf, UpgradeBridgeError } from '../errors.js';
import type { FileEvidence } from './legacy-evidence.js';
import { footprint, type SchemaElement } from './migration-footprint.js';
import type { HistoryTable } from './history-table.js';
import type { ReplayStep } from './migration-replay.js';
import type { CheckViolations } from './check-violations.js';
import { columnsOf } from './schema-comparison.js';
import { readSchema, type ObjectSnapshot, type TableSnapshot } from './schema-snapshot.js';
import { foldName } from './sql-tokens.js';
import { quoteName, type ColumnDefinition } from './table-definition.js';
import { canBeAdded, rebuildTable } from './table-rebuild.js';

/** What completing one file did. */
export interface Completion {
  /** The objects that were added or given their right form, as a person calls them. */
  readonly completed: readonly string[];
  /** The statements of what had another form and was given the right one: they are nowhere else any more. */
  readonly replaced: readonly string[];
  readonly checkViolations: readonly CheckViolations[];
}

function isObject(type: SchemaElement['type']): boolean {
  return type === 'index' || type === 'trigger' || type === 'view';
}

/** What the replay of the files is sure to have. */
function known<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`The replay has no ${what}.`);
  return value;
}

/** Completes one file, with the forms that the files which are adopted give to its objects. */
class FileCompletion {
  private readonly checkViolations: CheckViolations[] = [];
  private readonly replaced: string[] = [];
  /** The step of the file itself. */
  private readonly step: ReplayStep;
  /** The steps of the later files that are adopted. */
  private readonly later: readonly ReplayStep[];

  constructor(
    private readonly db: DatabaseBridge,
    private readonly historyTable: HistoryTable,
    private readonly file: FileEvidence,
    adopted: readonly ReplayStep[],
  ) {
    const { version, filename } = file.migration;
    this.step = known(
      adopted.find(({ migration }) => migration.version === version),
      filename,
    );
    this.later = adopted.filter(({ migration }) => migration.version > version);
  }

  async complete(): Promise<Completion> {
    const { missing, different } = this.file;
    for (const element of missing)
      if (element.type === 'table') await this.db.executeScript(this.ownTable(element.table).sql);
    await this.completeTables();
    await this.completeObjects();
    const completed = [...missing, ...different].map(({ label }) => label);
    return { completed, replaced: this.replaced, checkViolations: this.checkViolations };
  }

  private async completeTables(): Promise<void> {
    const { missing, different } = this.file;
    const rebuilds = new Map<string, string[]>();
    for (const { type, table } of different) if (!isObject(type)) rebuilds.set(table, []);
    for (const { type, table } of missing) if (type === 'constraints') rebuilds.set(table, []);
    for (const { type, table, name } of missing) {
      if (type !== 'column') continue;
      const column = known(columnsOf(this.ownTable(table)).get(name), `column ${table}.${name}`);
      if (canBeAdded(column)) await this.addColumn(table, column);
      else rebuilds.set(table, [...(rebuilds.get(table) ?? []), name]);
    }
    for (const [name, addColumns] of rebuilds) {
      const live = await readSchema(this.db, this.historyTable);
      const table = live.tables.get(name);
      if (table === undefined) continue;
      const request = { table, form: this.newestTable(name), addColumns };
      this.replaced.push(table.sql);
      this.checkViolations.push(...(await rebuildTable(this.db, live, request)));
    }
  }

  private async addColumn(table: string, column: ColumnDefinition): Promise<void> {
    const name = quoteName(this.ownTable(table).name);
    await this.db.executeScript(`ALTER TABLE ${name} ADD COLUMN ${column.sql}`);
  }

  /** Gives each object the form that this file gives it; where a later adopted file gives it another, its turn comes. */
  private async completeObjects(): Promise<void> {
    const wanted = [...this.file.missing, ...this.file.different]
      .filter(({ type }) => isObject(type))
      .map((element) => ({ key: element.name, object: this.ownObject(element) }));
    const { objects } = await readSchema(this.db, this.historyTable);
    // With a view go the triggers on it.
    const onViews: ObjectSnapshot[] = [];
    for (const { key } of wanted) {
      const there = objects.get(key);
      if (there === undefined) continue;
      this.replaced.push(there.sql);
      await this.db.executeScript(`DROP ${there.type} IF EXISTS ${quoteName(there.name)}`);
      onViews.push(...[...objects.values()].filter((other) => isOn(there, other)));
    }
    for (const type of ['index', 'view', 'trigger'] as const)
      for (const { object } of wanted) if (object.type === type) await this.db.executeScript(object.sql);
    const now = await readSchema(this.db, this.historyTable);
    for (const trigger of onViews)
      if (![...now.objects.values()].some(({ type, name }) => type === 'trigger' && name === trigger.name))
        await this.db.executeScript(trigger.sql);
  }

  /** A table as the file itself makes it. */
  private ownTable(name: string): TableSnapshot {
    return known(this.step.after.tables.get(name), `table ${name}`);
  }

  private ownObject({ name, label }: SchemaElement): ObjectSnapshot {
    return known(this.step.after.objects.get(name), label);
  }

  /** A table in the newest form that an adopted file gives it. */
  private newestTable(name: string): TableSnapshot {
    const shaping = this.later.findLast((step) =>
      footprint(step).some((element) => element.table === name && isRule(element)),
    );
    return shaping?.after.tables.get(name) ?? this.ownTable(name);
  }
}

/** Whether an element gives a table its form. */
function isRule({ type }: SchemaElement): boolean {
  return type === 'table' || type === 'constraints';
}

function isOn(view: ObjectSnapshot, other: ObjectSnapshot): boolean {
  return view.type === 'view' && other.type === 'trigger' && foldName(other.table) === foldName(view.name);
}

/**
 * Adds what is missing of a partly present file and gives its right form to what has another one, object by object:
 * tables, columns, constraints, then indexes, triggers and views. The file's data statements do not run.
 *
 * Must run inside a transaction, with foreign keys off.
 *
 * @param adopted the steps of the files that the database holds, wholly or in part, by version
 * @throws UpgradeBridgeError (ADOPTION_FAILED) when SQLite refuses, because rows do not fit the rules or because what the
 *   file builds upon is not there
 */
export async function completeFile(
  db: DatabaseBridge,
  historyTable: HistoryTable,
  file: FileEvidence,
  adopted: readonly ReplayStep[],
): Promise<Completion> {
  try {
    return await new FileCompletion(db, historyTable, file, adopted).complete();
  } catch (error) {
    if (!isSqliteError(error, 'SQLITE_ERROR', 'SQLITE_CONSTRAINT', 'SQLITE_MISMATCH')) throw error;
    throw new UpgradeBridgeError(
      'ADOPTION_FAILED',
      `The legacy database could not be completed with what is missing of ${file.migration.filename}: ${messageOf(error)}.`,
      {
        hint: 'Nothing was changed. Correct the rows or the object that the sentence names, and upgrade again.',
        cause: error,
      },
    );
  }
}
