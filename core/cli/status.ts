import type { Command } from 'commander';

import type { Inspection } from '../index.js';
import { addDatabaseCommand, perform } from './command.js';
import { exitStatus, exitStatusHelp, exitStatusOfCode } from './exit-status.js';
import { sourceOf, type DatabaseOptions } from './options.js';
import type { Output } from './output.js';
import { aligned, section } from './text.js';

interface StatusOptions extends DatabaseOptions {
  readonly check?: boolean;
}

export function addStatus(program: Command): void {
  addDatabaseCommand(program, 'status', {
    summary: 'say what a database is and what an upgrade would do',
    description:
      'Says what a database is, which version it claims and which it evidently has, what stands applied, and what an upgrade would do. Changes no byte of it.',
    examples: ['status --database worlds.db', 'status --database worlds.db --check || echo "upgrade first"'],
    exitStatuses: exitStatusHelp(
      ['done', 'the database was looked at; with --check: and is up to date'],
      ['failed', 'an upgrade would be refused, or the database or the files cannot be read'],
      ['found', 'with --check: something is to be adopted, completed or applied'],
      ['newer', 'the database is newer than this program'],
      ['locked', 'another program keeps the database from being read'],
      ['usage', 'a wrong option'],
    ),
  })
    .option('--check', 'exit with 2 when an upgrade has something to do')
    .action((options: StatusOptions) => perform(options, (output) => status(options, output)));
}

async function status(options: StatusOptions, output: Output): Promise<number> {
  const { inspectDatabase } = await import('../index.js');
  const found = await inspectDatabase(options.database, await sourceOf(options));
  output.result(found, describe(found));
  if (found.problem !== undefined) {
    output.problem(found.problem);
    return exitStatusOfCode(found.problem.code);
  }
  return options.check === true && !isUpToDate(found) ? exitStatus.found : exitStatus.done;
}

function isUpToDate({ adoptable, completable, pending }: Inspection): boolean {
  return adoptable.length + completable.length + pending.length === 0;
}

const kinds: Readonly<Record<Inspection['kind'], string>> = {
  absent: 'absent: there is no such file yet',
  empty: 'empty: no table and no history',
  legacy: 'legacy: tables of an earlier release and no history',
  managed: 'managed: the history says what was applied',
  newer: 'newer: the history has a migration that is not among the files',
  foreign: 'foreign: not a database of this program',
};

function describe(found: Inspection): string[] {
  const { claimed, evident, differences, applied, failed, adoptable, completable, pending } = found;
  return [
    ...aligned([
      ['Database:', found.database],
      ['State:', kinds[found.kind]],
      ...(claimed === undefined ? [] : [['Claimed:', `version ${claimed} (user_version)`]]),
      ...(evident === undefined ? [] : [['Evident:', `version ${evident} (schema)`]]),
      ...(applied.length === 0 ? [] : [['Version:', String(found.version)]]),
    ]),
    ...section('Claim and schema differ', differences),
    ...section(
      'Applied',
      applied.map(({ filename, appliedAt, origin }) => [filename, appliedAt, origins[origin]]),
    ),
    ...section(
      'Failed',
      failed.map(({ filename, appliedAt, details }) => [filename, appliedAt, details.error ?? '']),
    ),
    ...section(
      'To be adopted, being there already',
      adoptable.map(({ filename }) => filename),
    ),
    ...section(
      'To be completed',
      completable.map(({ filename, objects }) => [filename, objects.join(', ')]),
    ),
    ...section(
      'Pending',
      pending.map(({ filename, description }) => [filename, description]),
    ),
    ...(found.problem === undefined && isUpToDate(found) ? ['', 'Up to date.'] : []),
  ];
}

const origins: Readonly<Record<Inspection['applied'][number]['origin'], string>> = {
  migration: 'applied',
  legacy: 'adopted',
  completed: 'completed',
  baseline: 'adopted on request',
  repaired: 'repaired',
};
