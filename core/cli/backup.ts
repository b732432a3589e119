import type { Command } from 'commander';

import type { Backup } from '../index.js';
import {
  addBackupFolder,
  addLockWait,
  addRetention,
  type BackupFolderOptions,
  type LockWaitOptions,
  type RetentionOptions,
} from './backup-options.js';
import { addDatabaseCommand, perform } from './command.js';
import { exitStatus, exitStatusHelp } from './exit-status.js';
import { loggerOf, type DatabaseOptions } from './options.js';
import type { Output } from './output.js';
import { untilStopped } from './stop-signals.js';
import { aligned, section, size } from './text.js';

interface BackupOptions extends DatabaseOptions, BackupFolderOptions, RetentionOptions, LockWaitOptions {}

export function addBackup(program: Command): void {
  const command = addDatabaseCommand(program, 'backup', {
    summary: 'make a verified copy of a database',
    description:
      'Makes a copy of a database while programs use it, compares and checks it, and gives it its name when it is whole and on disk. Needs no files.',
    examples: [
      'backup --database worlds.db',
      'backup --database worlds.db --backup-dir /srv/backups --keep 7 --keep-days 30',
    ],
    exitStatuses: exitStatusHelp(
      ['done', 'the copy is there and verified'],
      ['failed', 'there is no database, no room or no permission, or the copy was not equal to it'],
      ['locked', 'another program does not let go of the database'],
      ['usage', 'a wrong option'],
      ['signal', 'stopped by SIGINT, by SIGTERM; nothing is left of the copy'],
    ),
  });
  addLockWait(addRetention(addBackupFolder(command))).action((options: BackupOptions) =>
    perform(options, (output) => backUp(options, output)),
  );
}

async function backUp(options: BackupOptions, output: Output): Promise<number> {
  const { applyRetention, createBackup } = await import('../index.js');
  const { database, driver, backupDir: folder, lockWait: lockWaitMs, keep: keepCount, keepDays } = options;
  const logger = await loggerOf(options);
  const { backup, removed } = await untilStopped(
    (name) => {
      output.progress(`${name}: stopping; nothing is left of an unfinished copy`);
    },
    async (signal) => {
      const settings = { driver, folder, logger, signal };
      return {
        backup: await createBackup(database, { ...settings, lockWaitMs }),
        removed:
          keepCount === undefined && keepDays === undefined
            ? []
            : await applyRetention(database, { ...settings, keepCount, keepDays }),
      };
    },
  );
  output.result({ ...backup, removed }, [...describe(database, backup), ...removedSection(removed)]);
  return exitStatus.done;
}

function describe(database: string, { path, from, sizeBytes }: Backup): string[] {
  return [
    `"${database}" was copied, and the copy verified.`,
    '',
    ...aligned([
      ['Backup:', path],
      ['Version:', from],
      ['Size:', size(sizeBytes)],
    ]),
  ];
}

function removedSection(removed: readonly Backup[]): string[] {
  return section(
    'Removed, being too many or too old',
    removed.map(({ path }) => path),
  );
}
