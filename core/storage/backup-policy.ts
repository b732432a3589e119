import type { DatabaseDriver } from '../database/database-bridge.js';
import type { Logger } from '../logger.js';
import type { DatabaseFile } from './database-file.js';
import type { Progress } from './upgrade-progress.js';
export type BackupPolicy = false | { readonly folder?: string };
export function backUpBeforeUpgrade(
  policy: BackupPolicy,
  context: {
    driver: DatabaseDriver;
    file: DatabaseFile;
    from: string;
    to: string;
    bytes: number;
    logger: Logger;
    progress: Progress;
  },
): Promise<string | undefined> {
  void policy;
  void context;
  return Promise.resolve(undefined);
}
