import { betterSqlite3Driver } from '../../core/database/better-sqlite3-bridge.js';
import { sqlite3Driver } from '../../core/database/sqlite3-bridge.js';

/** The package's own drivers, each of which keeps all promises. */
export const drivers = [sqlite3Driver, betterSqlite3Driver];

/** Their names, as the option `driver` takes them. */
export const driverNames = ['sqlite3', 'better-sqlite3'] as const;
