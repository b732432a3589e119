import { fileURLToPath } from 'node:url';

import { packageFolder } from '../package-folder.js';
import type { LegacyVersions } from './legacy-evidence.js';

/** The folder of the world storage layer's own migrations. */
export const worldMigrationsDir = fileURLToPath(new URL('migrations', packageFolder));

/** What the releases of the world storage layer claimed with the numbers that they left in `PRAGMA user_version`. */
export const worldLegacyVersions: LegacyVersions = {
  1: [3],
  2: [3, 4],
  3: [3, 4, 5],
  4: [3, 4, 5, 8],
  5: [3, 4, 5, 8, 9],
  6: [3, 4, 5, 6, 8, 9],
  7: [3, 4, 5, 6, 7, 8, 9],
};
