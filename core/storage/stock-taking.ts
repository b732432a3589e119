import type { DatabaseBridge } from '../database/database-bridge.js';
import { readDataVersion } from './data-version.js';
import { takeInventory, type Inventory, type InventoryOptions } from './database-inventory.js';
import type { HistoryTable } from './history-table.js';
import type { MigrationEffect } from './migration-effect.js';

/** The inventory of a database on the way through its steps: nothing is counted again that is known to be as it was. */
export class StockTaking {
  private latest: { inventory: Inventory; dataVersion: number; isWhole: boolean } | undefined;

  constructor(
    private readonly db: DatabaseBridge,
    private readonly table: HistoryTable,
    private readonly options: InventoryOptions,
  ) {}

  /** What the database holds before a step: what the step before left, unless another connection has written since. */
  async now(): Promise<Inventory> {
    const dataVersion = await readDataVersion(this.db);
    const known = this.latest?.dataVersion === dataVersion ? this.latest : undefined;
    if (known?.isWhole === true) return known.inventory;
    const inventory = await takeInventory(this.db, this.table, this.options, known?.inventory.rows);
    this.latest = { inventory, dataVersion, isWhole: true };
    return inventory;
  }

  /** What the database holds after a step that can have changed anything. */
  async after(): Promise<Inventory> {
    return takeInventory(this.db, this.table, this.options);
  }

  /** Remembers what a step left, with the rows that were added to the history after it was counted. */
  async remember(after: Inventory, recorded: number): Promise<void> {
    const inventory = { ...after, attempts: after.attempts + recorded };
    this.latest = { inventory, dataVersion: await readDataVersion(this.db), isWhole: true };
  }

  /** A step was carried out after which nothing was counted. */
  passOver(effect: MigrationEffect): void {
    // Tables that were there have the rows that they had, where only objects were added and values changed.
    const keepsRows = effect === 'objects' || effect === 'values';
    this.latest = keepsRows && this.latest !== undefined ? { ...this.latest, isWhole: false } : undefined;
  }

  /** What was counted may have been rolled back. */
  forget(): void {
    this.latest = undefined;
  }
}
