import type { DatabaseBridge } from '../database/database-bridge.js';
import { readDataVersion } from './data-version.js';
import {
  countRows,
  countViolations,
  takeInventory,
  type CountedTable,
  type Holdings,
  type Inventory,
  type InventoryOptions,
  type KnownStock,
} from './database-inventory.js';
import type { HistoryTable } from './history-table.js';
import type { MigrationEffect } from './migration-effect.js';

type Rows = Inventory['rows'];

const none: Rows = new Map();

/** What is known of a database that is to be counted. */
export interface HoldingsHints {
  /** Whether there is no key in its schema. */
  readonly plain: boolean;
  /** All tables, where they were asked for already. */
  readonly tables: readonly CountedTable[] | undefined;
}

/** The inventory of a database on the way through its steps: nothing is counted again that is known to be as it was. */
export class StockTaking {
  /** What was counted last, and what of it still holds: all of it, or what a step has not changed since. */
  private latest: { known: KnownStock; inventory: Inventory | undefined; dataVersion: number } | undefined;

  constructor(
    private readonly db: DatabaseBridge,
    private readonly table: HistoryTable,
    private readonly options: InventoryOptions,
  ) {}

  /** What the database holds before a step: what the step before left, unless another connection has written since. */
  async now(): Promise<Inventory> {
    const dataVersion = await readDataVersion(this.db);
    const known = this.latest?.dataVersion === dataVersion ? this.latest : undefined;
    if (known?.inventory !== undefined) return known.inventory;
    const inventory = await takeInventory(this.db, this.table, this.options, known?.known);
    this.latest = { known: inventory, inventory, dataVersion };
    return inventory;
  }

  /** The rows of each table before a step that need not be guarded; `now` counts them no second time. */
  async begin({
    bare,
    dataVersion,
    tables,
  }: {
    readonly bare: boolean;
    readonly dataVersion: number;
    readonly tables: readonly CountedTable[] | undefined;
  }): Promise<Rows> {
    const rows = bare ? none : await this.rows(tables);
    this.latest = { known: { rows }, inventory: undefined, dataVersion };
    return rows;
  }

  /** What the database holds at the end, where its last step need not be guarded. */
  async holdings({ plain, tables }: HoldingsHints): Promise<Holdings> {
    // Where no key is in the schema, none can be broken.
    return { rows: await this.rows(tables), violations: plain ? [] : await countViolations(this.db) };
  }

  private async rows(tables: readonly CountedTable[] | undefined): Promise<Rows> {
    return this.options.countRows ? await countRows(this.db, this.table, none, tables) : none;
  }

  /** What the database holds after a step that can have changed anything. */
  async after(): Promise<Inventory> {
    return takeInventory(this.db, this.table, this.options);
  }

  /** Remembers what a step left, with the rows that were added to the history after it was counted. */
  async remember(after: Inventory, recorded: number): Promise<void> {
    const inventory = { ...after, attempts: after.attempts + recorded };
    this.latest = { known: inventory, inventory, dataVersion: await readDataVersion(this.db) };
  }

  /** A step was carried out after which nothing was counted. */
  passOver(effect: MigrationEffect): void {
    this.latest =
      this.latest === undefined
        ? undefined
        : { ...this.latest, known: keptBy(effect, this.latest.known), inventory: undefined };
  }

  /** What was counted may have been rolled back. */
  forget(): void {
    this.latest = undefined;
  }
}

/**
 * What holds after a step: tables that were there have the rows that they had where only objects were added and values
 * changed. Where only objects were added, no id was given, and no row points elsewhere than before.
 */
function keptBy(effect: MigrationEffect, known: KnownStock): KnownStock {
  switch (effect) {
    case 'objects':
      return known;
    case 'values':
      return known.rows === undefined ? {} : { rows: known.rows };
    case 'rows':
    case 'anything':
      return {};
  }
}
