import type { Command } from 'commander';

import { BackupError } from '../errors.js';
import type { RestoreReport } from '../index.js';
import {
  addBackupFolder,
  addLockWait,
  type BackupFolderOptions,
  type LockWaitOptions,
} from './backup-options.js';
import { addDatabaseCommand, perform } from './command.js';
import { canAsk, confirm, NotConfirmed } from './confirmation.js';
import { exitStatus, exitStatusHelp } from './exit-status.js';
import { loggerOf, path, type DatabaseOptions } from './options.js';
import type { Output } from './output.js';
import { untilStopped } from './stop-signals.js';
import { aligned, plural, section } from './text.js';

interface RestoreOptions extends DatabaseOptions, BackupFolderOptions, LockWaitOptions {
  readonly yes?: boolean;
}

export function addRestore(program: Command): void {
  const command = addDatabaseCommand(program, 'restore', {
    summary: 'put a backup back',
    description:
      'Makes a database hold again what a backup holds: verifies the backup, waits for its turn, copies what is there now, and writes into the file itself, so that programs that have it open see the restored rows. Asks before; without a terminal it restores only with --yes. Needs no files.',
    examples: [
      'restore worlds.db.backup-20261120T064558.949Z-legacy4-to-v11 --database worlds.db',
      'restore backups/worlds.db.backup-20261120T064558.949Z-v10-to-v11 --database worlds.db --yes',
    ],
    exitStatuses: exitStatusHelp(
      ['done', 'the database holds what the backup holds'],
      ['failed', 'nobody said yes, or the backup cannot be restored; the database is as it was'],
      ['locked', 'another process holds the database'],
      ['usage', 'a wrong option'],
      ['signal', 'stopped by SIGINT, by SIGTERM; the database is as it was'],
    ),
  })
    .argument('<backup>', 'the backup, as "backups" lists it', path)
    .option('--yes', 'do not ask');
  addLockWait(addBackupFolder(command)).action((backup: string, options: RestoreOptions) =>
    perform(options, (output) => restore(backup, options, output)),
  );
}

async function restore(backup: string, options: RestoreOptions, output: Output): Promise<number> {
  const { restoreBackup } = await import('../index.js');
  const { database, driver, backupDir: folder, lockWait: lockWaitMs } = options;
  const logger = await loggerOf(options);
  const report = await untilStopped(
    (name) => {
      output.progress(`${name}: stopping; what is not finished is undone`);
    },
    async (signal) => {
      if (options.yes !== true) await ask(backup, options, output, signal);
      return restoreBackup(backup, database, { driver, folder, lockWaitMs, logger, signal });
    },
  );
  output.result(report, describe(database, report));
  return exitStatus.done;
}

/** @throws NotConfirmed when the answer is no, or there is nobody to ask */
async function ask(
  backup: string,
  { database, driver }: RestoreOptions,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  const { verifyBackup } = await import('../index.js');
  const verdict = await verifyBackup(backup, { driver, signal });
  if (!verdict.verified)
    throw new BackupError('BAD_BACKUP', `"${backup}" cannot be restored: ${verdict.reason}.`, {
      hint: 'Nothing was changed. List the backups and choose another one.',
    });
  if (!canAsk())
    throw new NotConfirmed(
      `To restore replaces what is in "${database}", and there is no terminal to ask.`,
      'Nothing was changed. Give --yes if that is meant.',
    );
  const { userVersion, tables, rows } = verdict;
  output.remark(
    `"${database}" will hold what the backup holds: version ${userVersion}, ${plural(rows, 'row')} in ${plural(tables, 'table')}. What it holds now is copied first.`,
  );
  if (!(await confirm('Restore it?', signal)))
    throw new NotConfirmed('Nothing was restored.', 'Answer with y, or give --yes, to restore it.');
}

function describe(database: string, report: RestoreReport): string[] {
  const { backup, saved, setAside, userVersion, tables, rows } = report;
  return [
    `"${database}" holds again what the backup holds.`,
    '',
    ...aligned([
      ['Backup:', backup],
      ['Version:', String(userVersion)],
      ['Rows:', `${rows} in ${plural(tables, 'table')}`],
      ...(saved === undefined ? [] : [['Before:', savedInWords(saved)]]),
    ]),
    ...section('Set aside, being no database that could be opened', setAside),
  ];
}

function savedInWords({ path, verified }: NonNullable<RestoreReport['saved']>): string {
  return verified ? path : `${path} (damaged, kept as it was)`;
}
