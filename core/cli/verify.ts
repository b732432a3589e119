import type { Command } from 'commander';

import type { Verification } from '../index.js';
import { describeViolation } from '../storage/migration-guards.js';
import { addSourceCommand, perform } from './command.js';
import { exitStatus, exitStatusHelp } from './exit-status.js';
import { sourceOf, type SourceOptions } from './options.js';
import type { Output } from './output.js';
import { section } from './text.js';

interface VerifyOptions extends SourceOptions {
  readonly strict?: boolean;
}

export function addVerify(program: Command): void {
  addSourceCommand(program, 'verify', {
    summary: 'hold a database against its files',
    description:
      "Holds a database against its files: its schema, SQLite's check of its integrity, foreign keys that are broken beyond those counted at the upgrade, and user_version. Changes no byte of it.",
    examples: ['verify --database worlds.db', 'verify --database worlds.db --strict --json'],
    exitStatuses: exitStatusHelp(
      ['done', 'the database is as its files say'],
      ['failed', 'the database or the files cannot be read'],
      ['found', 'something is pending, missing, different or damaged; with --strict: or an addition'],
      ['newer', 'the database is newer than this program'],
      ['locked', 'another program keeps the database from being read'],
      ['usage', 'a wrong option'],
    ),
  })
    .option('--strict', "count additions of the database's own as differences")
    .action((options: VerifyOptions) => perform(options, (output) => verify(options, output)));
}

async function verify(options: VerifyOptions, output: Output): Promise<number> {
  const { verifyDatabase } = await import('../index.js');
  const found = await verifyDatabase(options.database, await sourceOf(options));
  const passed = found.ok && !(options.strict === true && found.extras.length > 0);
  output.result(found, [...describe(found), '', conclusion(found, passed)]);
  return passed ? exitStatus.done : exitStatus.found;
}

function conclusion({ database, ok }: Verification, passed: boolean): string {
  if (passed) return `"${database}" is as its files say.`;
  return ok
    ? `"${database}" has all that its files say, and additions, which --strict counts.`
    : `"${database}" is not as its files say.`;
}

function describe(found: Verification): string[] {
  const { pending, drift, extras, integrity, violations, newViolations, userVersion } = found;
  const known = violations.filter((violation) => !newViolations.includes(violation));
  return [
    `Database: ${found.database} (${found.kind})`,
    ...section('Pending', pending),
    ...section(
      'Missing or different',
      drift.map(({ sentence }) => sentence),
    ),
    ...section('Damaged', integrity.damage),
    ...section(
      'Broken foreign keys, more than were counted at the upgrade',
      newViolations.map(describeViolation),
    ),
    ...section(
      'Wrong user_version',
      userVersion === undefined ? [] : [`expected ${userVersion.expected}, found ${userVersion.found}`],
    ),
    ...section('Broken foreign keys, counted at the upgrade', known.map(describeViolation)),
    ...section('Rows that break a rule of their table', integrity.brokenRules),
    ...section('Indexes that REINDEX would mend', integrity.staleIndexes),
    ...section(
      "Additions of the database's own",
      extras.map(({ sentence }) => sentence),
    ),
  ];
}
