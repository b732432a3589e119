import type { DatabaseBridge, DatabaseDriver } from '../database/database-bridge.js';
import { HistoryConflictError } from '../errors.js';
import type { Migration, Requirement } from './migration.js';

function isOlder(found: string, wanted: string): boolean {
  const left = found.split('.').map(Number);
  for (const [index, part] of wanted.split('.').map(Number).entries()) {
    const difference = (left[index] ?? 0) - part;
    if (difference !== 0) return difference < 0;
  }
  return false;
}

/** A feature is a module, a function, or an option that SQLite was compiled with. */
async function hasFeature(db: DatabaseBridge, name: string): Promise<boolean> {
  const found = await db.query(
    `SELECT 1 FROM pragma_module_list WHERE lower(name) = ?
     UNION ALL SELECT 1 FROM pragma_function_list WHERE lower(name) = ?
     UNION ALL SELECT 1 FROM pragma_compile_options WHERE lower(compile_options) IN (?, 'enable_' || ?) LIMIT 1`,
    [name, name, name, name],
  );
  return found.length > 0;
}

async function lack(db: DatabaseBridge, requirement: Requirement): Promise<string | undefined> {
  if (requirement.kind === 'feature')
    return (await hasFeature(db, requirement.name)) ? undefined : `SQLite with ${requirement.name}`;
  const [row] = await db.query('SELECT sqlite_version() AS version');
  const version = String(row?.version);
  return isOlder(version, requirement.version)
    ? `SQLite ${requirement.version} or newer (this is ${version})`
    : undefined;
}

/**
 * Refuses migrations that this SQLite cannot run, before any of them has.
 *
 * @throws HistoryConflictError (UNMET_REQUIREMENT) that names the first such file and what it needs
 */
export async function refuseUnmetRequirements(
  db: DatabaseBridge,
  pending: readonly Migration[],
): Promise<void> {
  for (const { filename, version, requires = [] } of pending)
    for (const requirement of requires) {
      const missing = await lack(db, requirement);
      if (missing !== undefined)
        throw new HistoryConflictError(
          'UNMET_REQUIREMENT',
          `Migration ${filename} needs ${missing}.`,
          version,
          {
            hint: 'Nothing was changed. Use a driver that carries such a SQLite.',
          },
        );
    }
}

/** The same where there is no database to ask on yet. */
export async function refuseWithoutDatabase(
  driver: DatabaseDriver,
  pending: readonly Migration[],
): Promise<void> {
  if (pending.every(({ requires = [] }) => requires.length === 0)) return;
  const db = await driver.open(':memory:', 'create');
  try {
    await refuseUnmetRequirements(db, pending);
  } finally {
    await db.close();
  }
}
