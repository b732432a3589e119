import type { Row } from '../database/database-bridge.js';
import type { Logger } from '../logger.js';

/**
 * Leaves out the rows whose id is NULL, empty or a BLOB, which only other programs stored: no id that a caller can give
 * leads to them. Tells the log once how many there are.
 *
 * @param table the table that the rows are of
 */
export function addressableRows(table: string, logger: Logger): (rows: readonly Row[]) => readonly Row[] {
  let told = false;
  return (rows) => {
    const found = rows.filter(({ id }) => typeof id === 'string' && id !== '');
    const leftOut = rows.length - found.length;
    if (leftOut > 0 && !told) {
      told = true;
      logger.warn({ table, rows: leftOut }, 'rows whose id is NULL, empty or a BLOB are not listed');
    }
    return found;
  };
}
