import { existsSync } from 'node:fs';

import type { Command } from 'commander';

import { FileAccessError } from '../errors.js';
import type { BackupVerdict, ListedBackup } from '../index.js';
import { addBackupFolder, type BackupFolderOptions } from './backup-options.js';
import { addDatabaseCommand, perform } from './command.js';
import { exitStatus, exitStatusHelp } from './exit-status.js';
import type { DatabaseOptions } from './options.js';
import type { Output } from './output.js';
import { untilStopped } from './stop-signals.js';
import { age, plural, size, table } from './text.js';

interface BackupsOptions extends DatabaseOptions, BackupFolderOptions {
  readonly verify?: boolean;
}

export function addBackups(program: Command): void {
  const command = addDatabaseCommand(program, 'backups', {
    summary: 'list the backups of a database',
    description:
      'Lists the backups of a database, the newest first, with what is in them, their size and their age, and with --verify whether each could be restored. Changes nothing, and needs no files.',
    examples: ['backups --database worlds.db', 'backups --database worlds.db --backup-dir backups --verify'],
    exitStatuses: exitStatusHelp(
      ['done', 'the backups were listed; with --verify: and each could be restored'],
      ['failed', 'there is neither a database of that name nor a backup of one'],
      ['found', 'with --verify: a backup could not be restored'],
      ['usage', 'a wrong option'],
      ['signal', 'stopped by SIGINT, by SIGTERM'],
    ),
  });
  addBackupFolder(command)
    .option('--verify', 'look through each of them, which reads all of it')
    .action((options: BackupsOptions) => perform(options, (output) => list(options, output)));
}

async function list(options: BackupsOptions, output: Output): Promise<number> {
  const { listBackups } = await import('../index.js');
  const { database, driver, backupDir: folder, verify } = options;
  const backups = await untilStopped(
    (name) => {
      output.progress(`${name}: stopping`);
    },
    (signal) => listBackups(database, { driver, folder, verify, signal }),
  );
  if (backups.length === 0 && !existsSync(database))
    throw new FileAccessError(
      'MISSING_DATABASE',
      `There is no database at "${database}", and no backup of one.`,
      { hint: 'Check the path, and give the folder of the backups (--backup-dir) if they lie elsewhere.' },
    );
  output.result(backups, describe(database, backups));
  return backups.some(({ verdict }) => verdict?.verified === false) ? exitStatus.found : exitStatus.done;
}

function describe(database: string, backups: readonly ListedBackup[]): string[] {
  if (backups.length === 0) return [`There is no backup of "${database}".`];
  const now = Date.now();
  return [
    `${plural(backups.length, 'backup')} of "${database}", the newest first:`,
    ...table(
      ['version', 'made for', 'age', 'size', 'verified', 'backup'],
      backups.map(({ from, to, time, sizeBytes, verdict, path }) => [
        from,
        to,
        age(now - time.getTime()),
        size(sizeBytes),
        verdictInWords(verdict),
        path,
      ]),
    ),
  ];
}

function verdictInWords(verdict: BackupVerdict | undefined): string {
  if (verdict === undefined) return 'not looked at';
  return verdict.verified
    ? `yes, ${plural(verdict.tables, 'table')}, ${plural(verdict.rows, 'row')}`
    : `no: ${verdict.reason}`;
}
